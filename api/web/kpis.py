# SPDX-License-Identifier: Apache-2.0
"""The key figures of a plan, as a strip: each with what it is today, and its formula."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from api.http.kpis import FORMULAE
from optimizer.reporting.document import Kind
from optimizer.reporting.render.values import shown


@dataclass(frozen=True)
class Shown:
    """A key figure as a template shows it."""

    title: str
    shown: str
    before: str = ""
    formula: str = ""
    note: str = ""


def strip(document: Mapping[str, Any]) -> list[Shown]:
    """Return the key figures of a plan that is feasible; money in the document's currency."""
    currency = document["currency"]
    plan, today = document["kpis"]["plan"], document["kpis"].get("today", {})
    days = document["horizon_hours"] / 24

    def money(value: Any) -> str:
        return shown(None if value is None else Decimal(value), Kind.money, currency)

    def share(name: str, title: str) -> Shown:
        return Shown(
            title,
            shown(plan.get(name), Kind.share, currency),
            shown(today.get(name), Kind.share, currency),
            FORMULAE[name],
        )

    return [
        Shown(
            "Bill",
            money(document["total"]),
            money(document.get("baseline")),
            f"all usage of the {days:,.0f} days replayed with the plan; today: with what is held",
        ),
        Shown("Savings", money(document.get("savings")), formula=FORMULAE["savings"],
              note=_share_of(document)),
        share("effective_savings_rate_on_demand", "Savings rate over contract"),
        share("effective_savings_rate_list_price", "Savings rate over list"),
        share("coverage", "Coverage"),
        share("utilization", "Utilization"),
        *([Shown("Net savings", money(plan["net_savings"]), money(today.get("net_savings")),
                 FORMULAE["net_savings"])] if "net_savings" in plan else []),
        Shown("Unused commitments", money(plan.get("unused_cost")),
              money(today.get("unused_cost")), FORMULAE["unused_cost"]),
        Shown("Commitment remaining", money(document["kpis"].get("remaining_commitment")),
              formula=FORMULAE["remaining_commitment"]),
    ]  # fmt: skip


def _share_of(document: Mapping[str, Any]) -> str:
    baseline, savings = document.get("baseline"), document.get("savings")
    if savings is None or not baseline or not Decimal(baseline):
        return ""
    return f"{shown(Decimal(savings) / Decimal(baseline), Kind.share, '')} of the bill"
