# SPDX-License-Identifier: Apache-2.0
"""What a plan gives back, when, and what comes back; and what that is not planned beside."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from optimizer.billing import Catalogue, Holding
from optimizer.billing.catalogue import rows
from optimizer.billing.cost import release_loss, remaining_cost
from optimizer.billing.release import base_name
from optimizer.demand.horizon import has_routing
from optimizer.errors import DataError
from optimizer.planning.plan import Plan
from optimizer.planning.replayed import planned_holdings
from optimizer.tables import Case, format_hour

_PLACES = Decimal("1e-12")


def refuse_unreleased(case: Case, catalogue: Catalogue, futures: int = 1) -> None:
    """Refuse what offers that may be given back are not planned beside.

    Raises
    ------
    DataError
        Naming the table, row and column, or the key.
    """
    file, largest = case.file("offers"), case.settings.limits.largest_purchase
    for row in rows(case, "offers"):
        offer = catalogue.offers[row["offer"]]
        if row["buyback_after"] is not None and row["buyback_share"] != row["buyback_share"]:
            raise DataError(
                f"offer {offer.name!r} may be given back and says nothing of what comes back",
                mend="fill buyback_share, or clear buyback_after",
                file=file,
                row=offer.row,
                column="buyback_share",
            )
        if not offer.buyback_share:
            continue
        small = offer.minimum is not None and offer.minimum > offer.amount_step
        for column, there in (
            ("bundle", bool(offer.bundle)),
            ("starts", offer.starts is not None),
            ("minimum", small),
            ("maximum", offer.maximum is not None),
        ):
            if there:
                raise DataError(
                    f"this version does not plan {column} beside buyback_share yet "
                    f"(offer {offer.name!r})",
                    mend=f"clear {column}, or buyback_share to plan without the right",
                    file=file,
                    row=offer.row,
                    column="buyback_share",
                )
        other = "limits.largest_purchase" if largest is not None else ""
        other = "several futures" if futures > 1 else other
        other = "workloads, which are routed," if has_routing(case) else other
        for table in ("jobs", "substitutes"):
            other = table if case.has(table) and len(case.table(table)) else other
        if other:
            raise DataError(
                f"this version does not plan {other} beside buyback_share yet "
                f"(offer {offer.name!r})",
                mend="take that out of the case, or clear buyback_share to plan without the right",
                file=file,
                row=offer.row,
                column="buyback_share",
            )


def release_of(holding: Holding) -> dict[str, Any]:
    """What a purchase's row says of its release; nothing where it is kept."""
    offer = holding.offer
    if offer.released is None:
        return {}
    lost = holding.quantity * release_loss(offer, holding.start)
    return {
        "release": {
            "offer": base_name(offer.name),
            "date": format_hour(holding.end),
            "comes_back": (holding.quantity * remaining_cost(offer, holding.start) - lost).quantize(
                _PLACES
            ),
            "lost": lost.quantize(_PLACES),
        }
    }


def release_rows(plan: Plan, until: int) -> list[dict[str, Any]]:
    """Rows of the ladder before an hour: what is given back, and what is held and may be.

    ``release``: ``date`` is the first hour without it, ``comes_back`` what is paid back or no
    longer owed, ``lost`` what is.  ``may_release``: the first hour in which what is held may be
    given back; no plan does.
    """
    as_of = plan.case.settings.as_of
    found = [
        _row(holding, "release", holding.end) | release_of(holding)["release"]
        for holding in planned_holdings(plan.case, plan.catalogue, plan.bought)
        if holding.offer.released is not None and holding.end < until
    ]
    for holding in plan.holdings:
        first = max(as_of, holding.start + holding.offer.buyback_after)
        if holding.offer.buyback_share and first < min(until, holding.end):
            share = float(holding.offer.buyback_share)
            found.append(_row(holding, "may_release", first) | {"share": share})
    return found


def _row(holding: Holding, action: str, hour: int) -> dict[str, Any]:
    return {
        "date": format_hour(hour),
        "action": action,
        "name": holding.offer.name if action == "release" else holding.name,
        "offer": holding.offer.name,
        "measure": holding.offer.measure,
        "quantity": float(holding.quantity),
    }


def release_lines(document: dict[str, Any]) -> list[str]:
    """The releases of a plan in sentences."""
    lines = []
    for row in document["purchases"]:
        if "release" in row:
            told = row["release"]
            amount = f"{row['quantity']:g}"
            if row["measure"] != "units":
                amount = f"${row['quantity']:,.3f}/h"
            lines.append(
                f"Of {told['offer']} the plan gives {amount} back on {told['date'][:10]}: "
                f"${told['comes_back']:,.0f} comes back or is no longer owed, "
                f"${told['lost']:,.0f} is lost."
            )
    return lines
