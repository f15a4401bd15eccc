# SPDX-License-Identifier: Apache-2.0
"""The keys of the plan document that a plan for several futures adds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from optimizer.planning.ladder import ladder_rows
from optimizer.planning.outlook import outlook, pays_back, sensitivity_of_futures
from optimizer.planning.uncertain_plan import UncertainPlan


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


def futures_lines(document: dict[str, Any]) -> list[str]:
    """The range of the bill in sentences; none for a plan with one future."""
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
    return [text]
