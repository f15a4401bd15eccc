# SPDX-License-Identifier: Apache-2.0
"""Retail prices, and the price sheet where the agreement has one.

The Retail API tells apart by names what it prices: Windows only in ``productName``, Spot and Low
Priority only in ``skuName`` or ``meterName``; and a reservation's price is that of the whole
term although its unit says "1 Hour".
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple
from urllib.parse import urlencode

from connectors.asking import Page, Question, all_pages, remark
from connectors.azure.clients import Azure, answered
from connectors.azure.names import is_cloud_service, is_low_priority, is_spot, is_windows
from connectors.pulled import Report
from connectors.values import exact
from connectors.web import get_json

API = "2023-01-01-preview"
NAMES_AT_ONCE = 15  # sizes in one filter: a longer URL is refused
TERMS = {"1 Year": 1, "3 Years": 3, "5 Years": 5, "P1Y": 1, "P3Y": 3, "P5Y": 5}
SHEET_PERMISSION = "Microsoft.Consumption/pricesheets/read"


class Place(NamedTuple):
    """A size of machine in a region."""

    region: str
    machine: str


@dataclass(frozen=True)
class Price:
    """One price, and where it is from."""

    amount: Decimal
    meter_id: str
    source: str


@dataclass
class Retail:
    """What the Retail API lists for one size in one region.

    Attributes
    ----------
    machine, windows, spot : per hour.
    plans : the savings plan price per hour, by years.
    terms : the price of a whole reservation, by years.
    """

    machine: Price | None = None
    windows: Price | None = None
    spot: Price | None = None
    plans: dict[int, Decimal] | None = None
    terms: dict[int, Price] | None = None


@dataclass(frozen=True)
class Sheet:
    """The customer's own prices of one meter, per unit."""

    price: Decimal
    plans: Mapping[int, Decimal]


def questions(azure: Azure, places: Iterable[Place], currency: str) -> list[Question[Any]]:
    """Return the questions about the sizes: a region and some sizes at a time."""
    regions: dict[str, list[str]] = {}
    for place in sorted(set(places)):
        regions.setdefault(place.region, []).append(place.machine)
    asked = []
    for region, machines in regions.items():
        for i in range(0, len(machines), NAMES_AT_ONCE):
            chosen = machines[i : i + NAMES_AT_ONCE]
            name = f"{region}/{chosen[0]}" + (f" and {len(chosen) - 1} more" * (len(chosen) > 1))
            asked.append(
                Question("retail", "prices", name, _asking(azure, region, chosen, currency))
            )
    return asked


def _asking(azure: Azure, region: str, machines: list[str], currency: str) -> Any:
    names = " or ".join(f"armSkuName eq '{name}'" for name in machines)
    query = {
        "api-version": API,
        "currencyCode": f"'{currency}'",
        # The values are case-sensitive.
        "$filter": f"serviceName eq 'Virtual Machines' and armRegionName eq '{region}'"
        f" and ({names})",
    }
    first = f"{azure.retail}/api/retail/prices?{urlencode(query)}"

    def fetch(token: str | None) -> Page[Any]:
        # The link of the next page is absolute and followed as it is.
        answer = get_json(token or first)
        return Page(answer.get("Items") or (), answer.get("NextPageLink"))

    return lambda: all_pages(fetch, identity=_identity)


def _identity(item: Mapping[str, Any]) -> tuple[Any, ...]:
    names = "meterId skuId type reservationTerm effectiveStartDate tierMinimumUnits armRegionName"
    return tuple(str(item.get(name)) for name in names.split())


def retail(
    items: Iterable[Mapping[str, Any]], now: datetime, report: Report
) -> dict[Place, Retail]:
    """Return the prices in force at ``now`` by place; the traps of names are here."""
    found: dict[Place, Retail] = {}
    best: dict[tuple[Place, str], Mapping[str, Any]] = {}
    for item in items:
        kind = _kind(item)
        start = str(item.get("effectiveStartDate") or "")
        if not kind or start[:19] > now.isoformat()[:19]:
            continue
        place = Place(str(item["armRegionName"]), str(item["armSkuName"]))
        other = best.get((place, kind))
        if other is None or _rank(item) > _rank(other):
            best[place, kind] = item
    for (place, kind), item in sorted(best.items(), key=lambda pair: pair[0]):
        _put(found.setdefault(place, Retail()), kind, item)
    unpriced = sum(1 for one in found.values() if one.machine is None)
    if unpriced:
        remark(report, "azure prices", "sizes listed without an hourly Linux price", unpriced)
    return found


def _kind(item: Mapping[str, Any]) -> str:
    """Return what an item prices: machine, windows, spot, or a reservation's years."""
    product, sku = str(item.get("productName") or ""), str(item.get("skuName") or "")
    meter, kind = str(item.get("meterName") or ""), str(item.get("type") or "")
    if not item.get("armSkuName") or is_cloud_service(product):
        return ""
    if kind == "Reservation":
        years = TERMS.get(str(item.get("reservationTerm") or ""))
        return f"term {years}" if years and not is_windows(product) else ""
    if kind != "Consumption" or is_low_priority(sku) or is_low_priority(meter):
        return ""  # DevTestConsumption is a price for developers' subscriptions
    if exact(item.get("tierMinimumUnits") or 0) != 0:
        return ""
    spot = is_spot(sku) or is_spot(meter)
    if is_windows(product):
        return "" if spot else "windows"
    return "spot" if spot else "machine"


def _rank(item: Mapping[str, Any]) -> tuple[bool, str, str]:
    """Return what decides between two prices of one thing: the primary meter, then the newer."""
    return (
        bool(item.get("isPrimaryMeterRegion")),
        str(item.get("effectiveStartDate") or ""),
        str(item.get("meterId") or ""),
    )


def _put(one: Retail, kind: str, item: Mapping[str, Any]) -> None:
    amount = exact(item.get("retailPrice"))
    meter = str(item.get("meterId") or "").lower()
    since = str(item.get("effectiveStartDate") or "")[:10]
    price = Price(amount, meter, f"Azure Retail Prices API, in force since {since}")
    if kind.startswith("term "):
        # The whole term's price, although unitOfMeasure says "1 Hour".
        one.terms = {**(one.terms or {}), int(kind.split()[1]): price}
        return
    unit = _unit(str(item.get("unitOfMeasure") or ""))
    price = Price(amount / unit, meter, price.source)
    if kind == "windows":
        one.windows = price
    elif kind == "spot":
        one.spot = price
    else:
        one.machine = price
        one.plans = {
            TERMS[str(plan["term"])]: exact(plan["retailPrice"]) / unit
            for plan in item.get("savingsPlan") or ()
            if str(plan.get("term")) in TERMS
        }


def _unit(text: str) -> Decimal:
    """Return how many units a price is for: 100 of ``100 Hours``."""
    match = re.match(r"\s*(\d+)", text)
    return Decimal(match.group(1)) if match and int(match.group(1)) else Decimal(1)


def sheet_question(azure: Azure, subscription: str) -> Question[Any]:
    """Return the question for the price sheet that a subscription is billed by."""
    client = azure.consumption(subscription)

    def fetch(token: str | None) -> Page[Any]:
        def ask() -> Page[Any]:
            answer = client.price_sheet.get(
                expand="properties/meterDetails", skiptoken=token, top=1000, **azure.per_call
            )
            link = answer.properties.next_link or ""
            match = re.search(r"[?&](?:\$|%24)skiptoken=([^&]*)", link, re.IGNORECASE)
            return Page(answer.properties.pricesheets or (), match.group(1) if match else None)

        return answered(ask)

    return Question(
        "consumption", "price_sheet.get", subscription, lambda: all_pages(fetch), SHEET_PERMISSION
    )


def sheet(rows: Iterable[Any]) -> dict[str, Sheet]:
    """Return the customer's prices by meter id; a price for "100 Hours" is divided by 100."""
    prices: dict[str, Decimal] = {}
    plans: dict[str, dict[int, Decimal]] = {}
    for row in rows:
        if row.meter_id is None or row.unit_price is None:
            continue
        meter, unit = row.meter_id.lower(), _unit(row.unit_of_measure or "")
        prices[meter] = exact(row.unit_price) / unit
        plan = row.savings_plan
        if plan is not None and plan.effective_price is not None and plan.term in TERMS:
            plans.setdefault(meter, {})[TERMS[plan.term]] = exact(plan.effective_price) / unit
    return {meter: Sheet(price, plans.get(meter, {})) for meter, price in prices.items()}
