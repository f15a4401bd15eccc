# SPDX-License-Identifier: Apache-2.0
"""What can be bought: reservations, by flexible group, and savings plans for compute."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from connectors.asking import Question, all_pages, remark
from connectors.azure.clients import Azure, sdk_pages
from connectors.azure.prices import TERMS, Place, Retail, Sheet
from connectors.azure.usage import meter_name
from connectors.pulled import Report
from connectors.values import exact, plain

YEAR = 8760
PAYMENTS = {"Monthly": "monthly", "Upfront": "all"}
PERMISSION = "Microsoft.Capacity/catalogs/read"
Row = dict[str, str]


@dataclass(frozen=True)
class Size:
    """What the reservations catalogue says of a size: its flexible group, ratio, payments.

    Attributes
    ----------
    group : sizes of one group and region share a reservation; empty if it has none.
    payments : of ``monthly`` and ``all``, by years; a term that is missing cannot be bought.
    """

    group: str
    ratio: Decimal
    payments: Mapping[int, tuple[str, ...]]


def questions(azure: Azure, subscription: str, regions: Iterable[str]) -> list[Question[Any]]:
    """Return the questions for the catalogue of each region."""
    client = azure.reservations()

    def asking(region: str) -> Any:
        def ask() -> list[tuple[str, Any]]:
            found = all_pages(
                sdk_pages(
                    lambda: client.get_catalog(
                        subscription,
                        reserved_resource_type="VirtualMachines",
                        location=region,
                        **azure.per_call,
                    )
                )
            )
            return [(region, item) for item in found]

        return ask

    return [
        Question("reservations", "get_catalog", region, asking(region), PERMISSION)
        for region in sorted(set(regions))
    ]


def catalogue(rows: Iterable[tuple[str, Any]]) -> dict[Place, Size]:
    """Return the catalogue by place; sizes that Azure restricts there are left out."""
    sizes = {}
    for region, item in rows:
        if item.name is None or item.restrictions:
            continue
        properties = {p.name: p.value for p in item.sku_properties or ()}
        sizes[Place(region, item.name)] = Size(
            group=properties.get("ReservationsAutofitGroup") or "",
            ratio=exact(properties.get("ReservationsAutofitRatio") or 1),
            payments={
                TERMS[term]: tuple(PAYMENTS[plan] for plan in plans if plan in PAYMENTS)
                for term, plans in (item.billing_plans or {}).items()
                if term in TERMS
            },
        )
    return sizes


def reservations(
    sizes: Mapping[Place, Size],
    prices: Mapping[Place, Retail],
    metered: frozenset[str],
    as_of: str,
    report: Report,
) -> tuple[list[Row], list[Row]]:
    """Return the rows of ``offers`` and ``covers`` for reservations.

    A flexible group is one offer: of its sizes, the one that is cheapest for its ratio
    (among equals the smallest) is bought, and it covers the others by their ratios.
    """
    offers: list[Row] = []
    covers: list[Row] = []
    unlisted = 0
    for members in _groups(sizes).values():
        covered = [place for place in members if meter_name(*place) in metered]
        terms = sorted({years for place in members for years in sizes[place].payments})
        for years in terms if covered else ():
            best = _cheapest(members, sizes, prices, years)
            if best is None:
                unlisted += 1
                continue
            for payment in sizes[best].payments[years]:
                row = _reservation(best, sizes[best], prices[best], years, payment, as_of)
                offers.append(row)
                base = sizes[best].ratio
                covers += [
                    {
                        "offer": row["offer"],
                        "meter": meter_name(*place),
                        "draw": plain(sizes[place].ratio / base),
                    }
                    for place in sorted(covered)
                ]
    if unlisted:
        remark(report, "azure offers", "terms in the catalogue without a retail price", unlisted)
    return offers, covers


def _groups(sizes: Mapping[Place, Size]) -> dict[tuple[str, str], list[Place]]:
    groups: dict[tuple[str, str], list[Place]] = {}
    for place, size in sorted(sizes.items()):
        groups.setdefault((place.region, size.group or place.machine), []).append(place)
    return groups


def _cheapest(
    members: list[Place], sizes: Mapping[Place, Size], prices: Mapping[Place, Retail], years: int
) -> Place | None:
    found = []
    for place in members:
        price = (prices[place].terms or {}).get(years) if place in prices else None
        if price is not None and sizes[place].payments.get(years):
            ratio = sizes[place].ratio
            found.append((price.amount / ratio, ratio, place))
    return min(found)[2] if found else None


def _reservation(
    place: Place, size: Size, price: Retail, years: int, payment: str, as_of: str
) -> Row:
    whole = (price.terms or {})[years]
    return {
        "offer": f"azure/{place.region}/reservation/{place.machine}/{years}y-{payment}",
        "provider_offer_id": whole.meter_id,
        "law": "azure.reservation",
        "measure": "units",
        "term_hours": str(years * YEAR),
        "payment": payment,
        "upfront": plain(whole.amount) if payment == "all" else "",
        "hourly": "",
        "monthly": plain(whole.amount / (12 * years)) if payment == "monthly" else "",
        "minimum": "1",
        "step": "1",
        "scope": "shared",
        "group": f"{place.region}/{size.group}" if size.group else "",
        "source": f"{whole.source}; price of the whole term; payments and group: Azure "
        "Reservations catalogue",
        "as_of": as_of,
    }


def plans(
    prices: Mapping[Place, Retail], sheets: Mapping[str, Sheet], metered: frozenset[str], as_of: str
) -> tuple[list[Row], list[Row]]:
    """Return the rows of ``offers`` and ``covers`` for savings plans.

    A machine is eligible if it has a savings plan price; there is no list of series.  The
    customer's own price goes before retail.
    """
    draws: dict[int, dict[str, Decimal]] = {}
    for place, price in prices.items():
        if price.machine is None or meter_name(*place) not in metered:
            continue
        own = sheets.get(price.machine.meter_id)
        for years, amount in {**(price.plans or {}), **(own.plans if own else {})}.items():
            draws.setdefault(years, {})[meter_name(*place)] = amount
    offers, covers = [], []
    for years, meters in sorted(draws.items()):
        name = f"azure/savings-plan/{years}y-none"
        offers.append(
            {
                "offer": name,
                "provider_offer_id": f"Compute_Savings_Plan/P{years}Y",
                "law": "azure.savings",
                "measure": "money",
                "term_hours": str(years * YEAR),
                "payment": "none",
                "upfront": "",
                "hourly": "1",
                "monthly": "",
                "minimum": "0.001",
                "step": "0.001",
                "scope": "shared",
                "group": "",
                "source": "Azure Retail Prices API and price sheet: savings plan prices by meter",
                "as_of": as_of,
            }
        )
        covers += [
            {"offer": name, "meter": meter, "draw": plain(amount)}
            for meter, amount in sorted(meters.items())
        ]
    return offers, covers
