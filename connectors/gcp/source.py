# SPDX-License-Identifier: Apache-2.0
"""Pull Google Cloud: ask, and put the answers into tables.

Accounts are project ids; regions limit the usage.  Settings:

=====================  ========================================================================
``billing_table``      the detailed billing export: ``project.dataset.table`` (required)
``pricing_table``      the pricing export, for this customer's own prices
``currency``           of prices, default ``USD``
``tags``               labels kept as ``tag_*`` columns, between semicolons
``flexible_model``     ``legacy`` where spend commitments count list prices; default: as billed
``flexible_ends``      ``subscription=2027-03-01;…``: when flexible commitments end
``spot_interruption``  chance per hour that a spot machine is taken: Google tells none
``sustained_use``      ``true`` for self-serve accounts, which earn it
``at_most``            questions at once, default 8
=====================  ========================================================================
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pandas as pd

from connectors.asking import Question, ask_all, at_most, remark
from connectors.gcp import advice, commitments, offers, prices, usage, warehouse
from connectors.gcp.clients import Google
from connectors.gcp.names import PARTS, UNITS, Way, meter_name, smallest
from connectors.gcp.prices import Prices
from connectors.gcp.usage import Ran
from connectors.pulled import Pulled, Report, Request
from connectors.values import listed, plain
from optimizer.errors import UsageError

# The greatest sustained use discount by family, of those that earn one.
SUSTAINED = {"n1": "0.3", "m1": "0.3", "m2": "0.3", "n2": "0.2", "n2d": "0.2", "c2": "0.2"}
Row = dict[str, str]


def pull_gcp(request: Request, report: Report) -> Pulled:
    """Return the tables of what the projects hold and used.

    Raises
    ------
    UsageError
        If no project is named, or an endpoint is not safe.
    DataError
        If a setting cannot be read.
    """
    if not request.accounts:
        raise UsageError("gcp needs --account: project ids")
    google = Google(request)
    most = at_most(request.settings)
    now = _naive(request.until)
    as_of = f"{now:%Y-%m-%d}"

    def ask(questions: Sequence[Question[Any]]) -> list[Any]:
        return [row for rows in ask_all(questions, report, at_most=most) for row in rows]

    ran, fees, legacy = usage.read(ask([warehouse.usage_question(google, request)]), report)
    if request.regions:
        ran = [one for one in ran if one.region in request.regions]
    held = commitments.held(ask(commitments.questions(google, request.accounts)), report)
    currency = request.settings.get("currency", "USD")
    known = prices.skus(ask([prices.question(google, currency)]), report)
    # The newest price wins: it may have changed within the window.
    newest = sorted(ran, key=lambda one: (one.hour, one.sku_id))
    own = {one.sku_id: one.own_price for one in newest if one.own_price is not None}
    if "pricing_table" in request.settings:
        own |= warehouse.own_prices(ask([warehouse.price_question(google, request)]))
    book = Prices(known, own)
    meters = _meters(_wanted(ran, held, request), book, request, as_of, report)
    metered = frozenset(row["meter"] for row in meters)
    places = [(row["region"], row["family"]) for row in meters]
    offered, covered = offers.resources_based(places, book, metered, as_of)
    counted = request.settings.get("flexible_model", "legacy" if legacy else "new") == "legacy"
    flexible, drawn = offers.flexible(meters, book, as_of, legacy=counted)
    by_name = {row["offer"]: row for row in offered}
    accounts = {one.project: one.account for one in ran}
    owned, old, old_covers = commitments.rows(held, fees, by_name, covered, accounts, now, report)
    owned += commitments.flexible_rows(
        fees, {row["offer"]: row for row in flexible}, drawn, request, accounts, report
    )
    advised = advice.rows(
        ask(advice.questions(google, request.accounts, {one.region for one in ran})),
        by_name,
        as_of,
        report,
    )
    made = {
        "meters": meters,
        "offers": sorted(offered + flexible + old, key=lambda row: row["offer"]),
        "covers": sorted(
            covered + drawn + old_covers, key=lambda row: (row["offer"], row["meter"])
        ),
        "commitments": sorted(owned, key=lambda row: row["commitment"]),
        "provider_advice": advised,
    }
    frames = {name: pd.DataFrame(rows) for name, rows in made.items() if rows}
    frames["usage"] = usage.table(ran, listed(request.settings, "tags"), report)
    return Pulled(frames)


def _wanted(
    ran: Iterable[Ran], held: Iterable[commitments.Held], request: Request
) -> list[tuple[str, str, str, bool]]:
    """Return (region, family, part, unused) of every meter that is drawn, held or kept."""
    wanted = {(one.region, one.family, one.part, one.unused) for one in ran}
    wanted |= {(one.region, one.family, one.part, False) for one in held}
    for meter in request.kept_meters:
        parts = meter.split("/")
        if len(parts) in (4, 5) and parts[0] == "gcp":
            wanted.add((parts[1], parts[2], parts[3], parts[4:] == ["unused"]))
    return sorted(wanted)


def _meters(
    wanted: Iterable[tuple[str, str, str, bool]],
    book: Prices,
    request: Request,
    as_of: str,
    report: Report,
) -> list[Row]:
    rows = []
    for region, family, part, unused in wanted:
        name = meter_name(region, family, part) + ("/unused" * unused)
        machine = smallest(family)
        sku = book.find(region, family, part, Way.ON_DEMAND)
        spot = None if unused else book.find(region, family, part, Way.SPOT)
        if sku is None:
            remark(report, "gcp prices", f"{name} has no on-demand SKU: kept without a price", 1)
        chance = request.settings.get("spot_interruption", "")
        earns = request.settings.get("sustained_use") == "true"
        own: Decimal | None = book.paid(sku) if sku else None
        rows.append(
            {
                "meter": name,
                "provider": "gcp",
                "region": region,
                "family": family,
                "product": part if part in PARTS else "other",
                "unit": UNITS[part],
                "on_demand": plain(own, offers.NINE),
                "list_price": plain(sku.price, offers.NINE) if sku else "",
                "spot": plain(book.paid(spot), offers.NINE) if spot else "",
                "spot_interruption": chance if spot else "",
                "gpu": machine.gpu if machine and part == "gpu" else "",
                "gpus": "1" if part == "gpu" else "",
                "currency": request.settings.get("currency", "USD"),
                "source": _source(sku, spot, book),
                "as_of": as_of,
                "capacity_reservation_status": "unused" if unused else "",
                "sustained_use": SUSTAINED.get(family, "") if earns else "",
            }
        )
    return rows


def _source(sku: Any, spot: Any, book: Prices) -> str:
    if sku is None:
        return "no SKU found in the Cloud Billing catalogue"
    own = "own price of the billing account" if sku.sku_id in book.own else "public"
    told = f"list_price: Cloud Billing catalogue, SKU {sku.sku_id}; on_demand: {own}"
    return f"{told}; spot: SKU {spot.sku_id}" if spot else f"{told}; no spot listed"


def _naive(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(tzinfo=None) if moment.tzinfo else moment
