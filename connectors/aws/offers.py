# SPDX-License-Identifier: Apache-2.0
"""What AWS sells for the machines in use: Reserved Instances and Savings Plans.

A machine is eligible for a plan if, and only if, the plan has a rate for it; no family is
written down here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from connectors.asking import Question
from connectors.aws.ask import ask_all, chunks, pages
from connectors.aws.session import Cloud
from connectors.aws.words import (
    LINUX,
    PAYMENTS,
    Row,
    Wanted,
    meter_of,
    reserved_draws,
    term_of,
)
from connectors.pulled import Report
from connectors.values import exact, plain_or_none

PLANS = {"Compute": "aws.savings.compute", "EC2Instance": "aws.savings.instance"}
_HALF = Decimal("0.5")


@dataclass
class Shelf:
    """Offers by name, with what each covers: the draw by meter."""

    offers: dict[str, Row] = field(default_factory=dict)
    draws: dict[str, dict[str, Decimal]] = field(default_factory=dict)

    def put(self, row: Row, draws: Mapping[str, Decimal]) -> str:
        """Add an offer, or further draws of one that is there; return its name."""
        name = str(row["offer"])
        self.offers.setdefault(name, row)
        self.draws.setdefault(name, {}).update(draws)
        return name


def reserved_row(item: Mapping[str, Any], region: str, as_of: str, source: str) -> Row:
    """Return the row of ``offers`` of a Reserved Instance, on sale or held.

    Prices are per instance: what is paid at the start, and in each hour.
    """
    term, hours = term_of(item["Duration"])
    zonal = item.get("Scope", "Availability Zone") != "Region"
    payment = PAYMENTS.get(item["OfferingType"], item["OfferingType"])
    kind = "" if item.get("OfferingClass", "standard") == "standard" else "-convertible"
    hourly = sum(
        (
            exact(c["Amount"])
            for c in item.get("RecurringCharges", [])
            if c["Frequency"] == "Hourly"
        ),
        exact(item.get("UsagePrice", 0) or 0),
    )
    upfront = exact(item.get("FixedPrice", 0) or 0)
    zone = item.get("AvailabilityZone", "") if zonal else ""
    place = (
        f"ri-zonal/{item['InstanceType']}/{zone}"
        if zonal
        else f"ri-regional/{item['InstanceType']}"
    )
    return {
        "offer": f"aws/{region}/{place}/{term}-{payment}{kind}",
        "law": "aws.reserved.zonal" if zonal else "aws.reserved.regional",
        "measure": "units",
        "term_hours": hours,
        "payment": payment,
        "upfront": plain_or_none(upfront) if upfront else None,
        "hourly": plain_or_none(hourly) if hourly or not upfront else None,
        "minimum": "1",
        "step": "1",
        "scope": "shared",
        "zone": zone or None,
        "guarantees_capacity": zonal,
        "source": source,
        "as_of": as_of,
    }


def put_group(row: Row, draws: Mapping[str, Decimal]) -> None:
    """Name the group of sizes that a reservation covers, if there are several."""
    if len(draws) > 1:
        _, region, machine = next(iter(draws)).split("/")
        row["group"] = f"{region}/{machine.partition('.')[0]}"


def plan_row(name: str, kind: str, seconds: int, payment: str, as_of: str, source: str) -> Row:
    """Return the row of ``offers`` of a Savings Plan, per 1.00 of hourly commitment."""
    _, hours = term_of(seconds)
    share = {"none": Decimal(0), "partial": _HALF, "all": Decimal(1)}[payment]
    return {
        "offer": name,
        "law": PLANS[kind],
        "measure": "money",
        "term_hours": hours,
        "payment": payment,
        "upfront": plain_or_none(share * hours) if share else None,
        "hourly": plain_or_none(1 - share) if share < 1 else None,
        "minimum": "0.001",
        "step": "0.001",
        "scope": "shared",
        "guarantees_capacity": False,
        "source": source,
        "as_of": as_of,
    }


def plan_name(kind: str, region: str, family: str, seconds: int, payment: str) -> str:
    """Return our name of a Savings Plan that is on sale."""
    term, _ = term_of(seconds)
    if kind == "Compute":
        return f"aws/compute-sp/{term}-{payment}"
    return f"aws/{region}/ec2-instance-sp/{family}/{term}-{payment}"


def add_reserved(cloud: Cloud, wanted: Wanted, shelf: Shelf, as_of: str, report: Report) -> None:
    """Add the Reserved Instances on sale: standard, Linux, default tenancy, of AWS itself."""
    jobs = []
    for region, machines in wanted.items():
        client = cloud.client("ec2", region)
        for part in chunks(machines, 50):

            def call(client: Any = client, part: list[str] = part) -> list[Any]:
                return pages(
                    client.describe_reserved_instances_offerings,
                    "ReservedInstancesOfferings",
                    cloud.options.patience,
                    Filters=[{"Name": "instance-type", "Values": part}],
                    ProductDescription=LINUX,
                    InstanceTenancy="default",
                    OfferingClass="standard",
                    IncludeMarketplace=False,
                    MaxResults=100,
                )

            jobs.append(
                Question(
                    "ec2",
                    "describe_reserved_instances_offerings",
                    region,
                    call,
                    "ec2:DescribeReservedInstancesOfferings",
                )
            )
    answers = ask_all(jobs, report, cloud.options.parallel)
    for job, items in zip(jobs, answers, strict=True):
        for item in items:
            if not _ours(item, wanted[job.place]):
                continue
            row = reserved_row(item, job.place, as_of, "EC2 DescribeReservedInstancesOfferings")
            row["provider_offer_id"] = item["ReservedInstancesOfferingId"]
            draws = reserved_draws(
                job.place,
                item["InstanceType"],
                wanted[job.place],
                flexible=row["zone"] is None,
            )
            put_group(row, draws)
            shelf.put(row, draws)


def _ours(item: Mapping[str, Any], machines: Iterable[str]) -> bool:
    """Whether an offering is what was asked for; some endpoints take no notice of filters."""
    return (
        item["InstanceType"] in machines
        and not item.get("Marketplace")
        and item.get("OfferingClass", "standard") == "standard"
        and item.get("InstanceTenancy", "default") == "default"
        and item.get("ProductDescription", LINUX) == LINUX
    )


def rate_of(item: Mapping[str, Any]) -> tuple[str, str, Decimal] | None:
    """Return region, machine type and rate of a row of a plan's rates; ``None`` if no machine."""
    properties = {p["name"]: p.get("value", "") for p in item.get("properties", [])}
    system = properties.get("productDescription", LINUX)
    shared = properties.get("tenancy", "shared") in ("shared", "default")
    usage = item.get("usageType", "")
    if "BoxUsage" not in usage or "UnusedBox" in usage or system != LINUX or not shared:
        return None
    machine = properties.get("instanceType") or usage.partition(":")[2]
    return properties.get("region", ""), machine, Decimal(item["rate"])


def add_plans(cloud: Cloud, wanted: Wanted, shelf: Shelf, as_of: str, report: Report) -> None:
    """Add the Savings Plans on sale, with their rate for each machine type."""
    client = cloud.client("savingsplans")
    jobs = []
    for region, machines in wanted.items():
        for part in chunks(machines, 50):
            filters = [
                {"name": "region", "values": [region]},
                {"name": "instanceType", "values": part},
                {"name": "productDescription", "values": [LINUX]},
                {"name": "tenancy", "values": ["shared"]},
            ]

            def call(filters: list[dict[str, Any]] = filters) -> list[Any]:
                return pages(
                    client.describe_savings_plans_offering_rates,
                    "searchResults",
                    cloud.options.patience,
                    "nextToken",
                    savingsPlanTypes=list(PLANS),
                    products=["EC2"],
                    serviceCodes=["AmazonEC2"],
                    filters=filters,
                    maxResults=1000,
                )

            jobs.append(
                Question(
                    "savingsplans",
                    "describe_savings_plans_offering_rates",
                    region,
                    call,
                    "savingsplans:DescribeSavingsPlansOfferingRates",
                )
            )
    answers = ask_all(jobs, report, cloud.options.parallel)
    for job, items in zip(jobs, answers, strict=True):
        for item in items:
            rate = rate_of(item)
            offering = item["savingsPlanOffering"]
            if (
                rate is None
                or rate[1] not in wanted[job.place]
                or offering["planType"] not in PLANS
            ):
                continue
            payment = PAYMENTS[offering["paymentOption"]]
            seconds = offering["durationSeconds"]
            family = rate[1].partition(".")[0]
            name = plan_name(offering["planType"], job.place, family, seconds, payment)
            source = "savingsplans DescribeSavingsPlansOfferingRates"
            row = plan_row(name, offering["planType"], seconds, payment, as_of, source)
            row["provider_offer_id"] = offering["offeringId"]
            shelf.put(row, {meter_of(job.place, rate[1]): rate[2]})
