# SPDX-License-Identifier: Apache-2.0
"""What is held or queued, as rows of ``commitments``, each at an offer's terms."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from connectors.asking import Question
from connectors.aws.ask import ask_all, pages
from connectors.aws.holdings import Holdings
from connectors.aws.offers import (
    PLANS,
    Shelf,
    plan_name,
    plan_row,
    put_group,
    rate_of,
    reserved_row,
)
from connectors.aws.session import Cloud
from connectors.aws.words import (
    LINUX,
    PAYMENTS,
    Row,
    hour,
    machines_of,
    meter_of,
    reserved_draws,
    span_end,
    term_of,
)
from connectors.pulled import Remark, Report

_TERMS = ("law", "measure", "term_hours", "payment", "upfront", "hourly", "zone", "group")


def commitment_rows(
    cloud: Cloud,
    holdings: Holdings,
    shelf: Shelf,
    meters: set[str],
    paths: Mapping[str, str],
    as_of: str,
    report: Report,
) -> list[Row]:
    """Return ``commitments``; each refers to the offer on sale if that has the same terms.

    What is held at other terms gets an offer of its own, which nobody can buy: its window
    is over.
    """
    rows = [
        _reserved(account, region, item, shelf, meters, paths, as_of)
        for account, region, item in holdings.reserved
        if _understood(item, report)
    ]
    plans = [pair for pair in holdings.plans if _is_compute(pair[1], report)]
    jobs = [_rates_job(cloud, account, item) for account, item in plans]
    answers = ask_all(jobs, report, cloud.options.parallel)
    for (account, item), rates in zip(plans, answers, strict=True):
        row = _plan(account, item, rates, shelf, meters, paths, as_of)
        if row is None:
            text = f"{item['savingsPlanId']} covers none of the machines in use: left out"
            report.remarks.append(Remark("savings plans", text))
        else:
            rows.append(row)
    return rows


def _understood(item: Row, report: Report) -> bool:
    if item.get("ProductDescription", LINUX).startswith(LINUX):
        return True
    text = f"{item['ReservedInstancesId']} is for {item['ProductDescription']}: left out"
    report.remarks.append(Remark("reserved instances", text))
    return False


def _is_compute(item: Row, report: Report) -> bool:
    if item["savingsPlanType"] in PLANS:
        return True
    text = f"{item['savingsPlanId']} is for {item['savingsPlanType']}: left out"
    report.remarks.append(Remark("savings plans", text))
    return False


def _reserved(
    account: str,
    region: str,
    item: Row,
    shelf: Shelf,
    meters: set[str],
    paths: Mapping[str, str],
    as_of: str,
) -> Row:
    row = reserved_row(item, region, as_of, "EC2 DescribeReservedInstances")
    start = hour(item["Start"])
    # Meters that the case does not have are left out of what it covers, as everywhere.
    sizes = machines_of(meters).get(region, set())
    flexible = row["zone"] is None and item.get("InstanceTenancy", "default") == "default"
    draws = reserved_draws(region, item["InstanceType"], sizes, flexible=flexible)
    put_group(row, draws)
    offer = _offer_of(row, item["ReservedInstancesId"], draws, start, shelf)
    return {
        "commitment": item["ReservedInstancesId"],
        "offer": offer,
        "quantity": str(item["InstanceCount"]),
        **_span(start, item["Duration"]),
        **_owner(account, paths, queued=item["State"] == "queued"),
        "exchangeable": item.get("OfferingClass") == "convertible",
    }


def _rates_job(cloud: Cloud, account: str, item: Row) -> Question[Any]:
    owner = next(known for known in cloud.accounts if known.id == account)
    client = cloud.client("savingsplans", account=owner)

    def call() -> list[Any]:
        return pages(
            client.describe_savings_plan_rates,
            "searchResults",
            cloud.options.patience,
            "nextToken",
            savingsPlanId=item["savingsPlanId"],
            maxResults=1000,
        )

    permission = "savingsplans:DescribeSavingsPlanRates"
    place = f"{account}/{item['savingsPlanId']}"
    return Question("savingsplans", "describe_savings_plan_rates", place, call, permission)


def _plan(
    account: str,
    item: Row,
    rates: list[Any],
    shelf: Shelf,
    meters: set[str],
    paths: Mapping[str, str],
    as_of: str,
) -> Row | None:
    seconds, payment = item["termDurationInSeconds"], PAYMENTS[item["paymentOption"]]
    kind = item["savingsPlanType"]
    family, region = item.get("ec2InstanceFamily", ""), item.get("region", "")
    name = plan_name(kind, region, family, seconds, payment)
    row = plan_row(name, kind, seconds, payment, as_of, "savingsplans DescribeSavingsPlanRates")
    commitment = Decimal(item["commitment"])
    if payment == "partial" and item.get("upfrontPaymentAmount"):
        # Partial Upfront is between 50 and 99 %: this plan's own share.
        _, hours = term_of(seconds)
        upfront = Decimal(item["upfrontPaymentAmount"]) / commitment
        row["upfront"] = format(upfront.quantize(Decimal("0.000000001")), "f")
        hourly = 1 - upfront / hours
        row["hourly"] = format(hourly.quantize(Decimal("0.000000001")), "f")
    draws = {}
    for rate in filter(None, map(rate_of, rates)):
        meter = meter_of(rate[0] or region, rate[1])
        if meter in meters:
            draws[meter] = rate[2]
    if not draws:
        return None
    start = hour(item["start"])
    return {
        "commitment": item["savingsPlanId"],
        "offer": _offer_of(row, item["savingsPlanId"], draws, start, shelf),
        "quantity": item["commitment"],
        **_span(start, seconds),
        **_owner(account, paths, queued=item["state"] == "queued"),
        "exchangeable": False,
    }


def _offer_of(row: Row, held: str, draws: Mapping[str, Decimal], start: Any, shelf: Shelf) -> str:
    """Return the offer on sale with these terms and rates, else put one aside for them."""
    name = str(row["offer"])
    sold = shelf.offers.get(name)
    if (
        sold is not None
        and all(sold.get(key) == row.get(key) for key in _TERMS)
        and shelf.draws[name] == dict(draws)
    ):
        return name
    return shelf.put({**row, "offer": f"aws/held/{held}", "available_until": start}, draws)


def _span(start: Any, seconds: int) -> Row:
    return {"start": start, "end": span_end(start, seconds // 3600)}


def _owner(account: str, paths: Mapping[str, str], *, queued: bool) -> Row:
    return {
        "account": paths.get(account, account),
        "scope": "shared",
        "state": "queued" if queued else "active",
        "auto_renew": False,
    }
