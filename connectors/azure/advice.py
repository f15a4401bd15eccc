# SPDX-License-Identifier: Apache-2.0
"""Azure's own advice, kept to be compared with the plan."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

from connectors.asking import Question, all_pages, remark
from connectors.azure.clients import Azure, scope_of, sdk_pages, word
from connectors.azure.names import region_of
from connectors.azure.offers import Row
from connectors.azure.prices import TERMS, Place
from connectors.azure.usage import meter_name
from connectors.pulled import Report
from connectors.values import exact, plain

MONTH = Decimal(730)
LOOK_BACK = "Last30Days"
RESERVED_READ = "Microsoft.Consumption/reservationRecommendations/read"
PLANNED_READ = "Microsoft.CostManagement/benefitRecommendations/read"


def questions(azure: Azure, account: str, subscription: str) -> list[Question[Any]]:
    """Return the questions for reservation and savings plan advice."""
    scope = scope_of(account).strip("/")
    consumption, costs = azure.consumption(subscription), azure.costs()
    window = f"properties/lookBackPeriod eq '{LOOK_BACK}'"
    return [
        Question(
            "consumption",
            "reservation_recommendations.list",
            account,
            lambda: all_pages(
                sdk_pages(
                    lambda: consumption.reservation_recommendations.list(
                        scope, filter=f"properties/scope eq 'Shared' and {window}", **azure.per_call
                    )
                )
            ),
            RESERVED_READ,
        ),
        Question(
            "costmanagement",
            "benefit_recommendations.list",
            account,
            lambda: all_pages(
                sdk_pages(
                    lambda: costs.benefit_recommendations.list(
                        scope, filter=window, **azure.per_call
                    )
                )
            ),
            PLANNED_READ,
        ),
    ]


def rows(
    reserved: Iterable[Any],
    planned: Iterable[Any],
    offers: Mapping[str, Row],
    covers: Iterable[Row],
    as_of: str,
    report: Report,
) -> list[Row]:
    """Return the rows of ``provider_advice``; the saving is brought to a month of 730 hours."""
    drawn = {(row["offer"], row["meter"]): Decimal(row["draw"]) for row in covers}
    made: list[Row] = []
    unknown = 0
    for row in reserved:
        values = row.properties
        properties = {p.name: p.value for p in values.sku_properties or ()}
        # Modern agreements have the machine and its place among the properties.
        machine = getattr(values, "sku_name", None) or row.sku or properties.get("SKUName") or ""
        region = row.location or getattr(values, "location", None)
        meter = meter_name(*Place(region_of(word(region)), word(machine)))
        years = TERMS.get(word(values.term))
        found = [
            (offer, draw)
            for (offer, covered), draw in sorted(drawn.items())
            if covered == meter
            and offers[offer]["law"] == "azure.reservation"
            and f"/{years}y-" in offer
        ]
        if not found or values.recommended_quantity is None:
            unknown += 1
            continue
        offer, draw = found[0]
        quantity = exact(values.recommended_quantity) * draw
        made.append(_row(offer, quantity, _amount(values.net_savings), values.total_hours, as_of))
    for row in planned:
        values, details = row.properties, row.properties.recommendation_details
        offer = f"azure/savings-plan/{TERMS.get(word(values.term))}y-none"
        if offer not in offers or details is None or details.commitment_amount is None:
            unknown += 1
            continue
        quantity = exact(details.commitment_amount)
        made.append(_row(offer, quantity, details.savings_amount, values.total_hours, as_of))
    if unknown:
        remark(report, "azure advice", "left out: advice on what is not among the offers", unknown)
    return made


def _amount(value: Any) -> Any:
    """Return the value of an amount, which modern agreements give with its currency."""
    return value.value if hasattr(value, "value") else value


def _row(offer: str, quantity: Decimal, saving: Any, hours: Any, as_of: str) -> Row:
    month = exact(saving) * MONTH / exact(hours) if saving is not None and hours else None
    return {
        "provider": "azure",
        "offer": offer,
        "quantity": plain(quantity),
        "as_of": as_of,
        "estimated_saving": plain(month, 2),
    }
