# SPDX-License-Identifier: Apache-2.0
"""The keys of the plan document that tell of many futures, whatever a plan was made for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from optimizer.billing.bill import exact
from optimizer.demand.horizon import planned_usage
from optimizer.planning.ladder import ladder_rows
from optimizer.planning.outlook import lock_in, outlook, pays_back, sensitivity_of_futures
from optimizer.planning.plan import Plan
from optimizer.planning.ranges import SHARES, alpha_of, ranges_of, unreplayed
from optimizer.planning.uncertain_plan import UncertainPlan
from optimizer.planning.worth import Worth, worth_of_commitments
from optimizer.program.risk import quantile


def futures_document(plan: UncertainPlan, purchases: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Ranges, ladder, lock-in and sensitivity; each purchase is told how likely it pays back."""
    chances = pays_back(plan)
    for row in purchases:
        row["pays_back"] = chances.get(row["offer"])
    return {
        **outlook(plan),
        "ladder": ladder_rows(plan),
        "sensitivity": [row.as_dict() for row in sensitivity_of_futures(plan)],
    }


def one_future_document(plan: Plan, purchases: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Ranges by replay, ladder and lock-in of a plan for one future.

    Each purchase is told how likely it pays back, and down to which demand it pays.
    """
    ranges = ranges_of(plan)
    bought: dict[str, Worth] = {}
    renewed: dict[str, Worth] = {}
    if not unreplayed(plan):
        bought, renewed = worth_of_commitments(plan, ranges.scenarios)
    for row in purchases:
        worth = bought.get(row["offer"])
        row.update(_told(worth) | ({} if worth is None else {"saves": saved(worth)}))
    ladder = ladder_rows(plan)
    for row in ladder:
        if row["action"] == "buy":
            row.update(_told(bought.get(row["offer"])))
        elif row["action"] == "end" and row["name"] in renewed:
            worth = renewed[row["name"]]
            row["renewal"] = {
                "saves": exact(worth.expected),
                "saves_as_planned": exact(float(worth.levels[0])),
                "pays_back": worth.pays_back,
            }
    document = ranges.as_dict(alpha_of(plan))
    if ranges.scenarios is not None:
        first = planned_usage(plan.case).first_hour
        document["ranges"]["history_hours"] = plan.case.settings.as_of - first
    return {**document, "lock_in": lock_in(plan), "ladder": ladder}


def _told(worth: Worth | None) -> dict[str, Any]:
    """What a purchase's row says of its worth."""
    if worth is None:
        return {}
    known = {} if worth.pays_back is None else {"pays_back": worth.pays_back}
    return {**known, "pays_down_to": worth.pays_down_to}


def saved(worth: Worth) -> dict[str, Any]:
    """What a commitment saves within the horizon: as planned, and over the futures."""
    told = {"as_planned": exact(float(worth.levels[0]))}
    if not len(worth.futures):
        return told
    odds = np.full(len(worth.futures), 1.0 / len(worth.futures))
    ranges = {name: quantile(worth.futures, odds, share) for name, share in SHARES.items()}
    return {
        **told,
        "expected": exact(worth.expected),
        **{name: exact(value) for name, value in ranges.items()},
    }


def futures_lines(document: dict[str, Any]) -> list[str]:
    """The range of the bill in sentences, or why there is none."""
    if "ranges" in document:
        return [_replayed(document)]
    if "scenarios" not in document:
        return []
    low, middle, high = (f"${document[key]:,.0f}" for key in ("p10", "p50", "p90"))
    risk = document["risk"]
    text = (
        f"Figures are means over {len(document['scenarios'])} futures: the bill is at most {low} "
        f"in a tenth of the odds, {middle} in half and {high} in nine tenths; the mean of the "
        f"dearest {1 - risk['cvar_alpha']:.0%} is ${document['cvar']:,.0f}."
    )
    if risk["measure"] == "cvar":
        text += f" The dearest weigh {risk['cvar_weight']:.0%} in what was minimised."
    if "aggregation" in document:
        told = document["aggregation"]
        text += (
            f" {told['planned']} of them were planned for and stand for the others; over all "
            f"futures no other purchases are proven to cost less than this plan by more than "
            f"{told['gap']:.2%}, under free choice of coverage."
        )
    return [text]


def _replayed(document: dict[str, Any]) -> str:
    """The range of a plan for one future."""
    ranges = document["ranges"]
    if "absent" in ranges:
        return f"Ranges: none, because {ranges['absent']}."
    low, middle, high = (f"${document[key]:,.0f}" for key in ("p10", "p50", "p90"))
    return (
        f"Ranges: with {ranges['basis']} the bill is at most {low} in a tenth of them, {middle} "
        f"in half and {high} in nine tenths; the mean of the dearest "
        f"{1 - ranges['cvar_alpha']:.0%} is ${document['cvar']:,.0f}."
    )
