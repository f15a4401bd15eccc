# SPDX-License-Identifier: Apache-2.0
"""The document of ``gpuopt costs``: groups, unit costs and intent of a window."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from optimizer.planning.document import head
from optimizer.planning.spend.compare import Compared
from optimizer.planning.spend.intent import Intent
from optimizer.planning.spend.spend import Spend
from optimizer.planning.spend.trend import OverTime
from optimizer.planning.spend.units import UnitCost
from optimizer.tables import format_hour


def costs_document(
    spend: Spend,
    compared: Compared,
    *,
    units: tuple[str | None, Sequence[UnitCost]] | None = None,
    intent: Intent | None = None,
    steps: OverTime | None = None,
) -> dict[str, Any]:
    """All groups with their cost in the window before; money is exact.

    Parameters
    ----------
    units
        The column that unit costs are of, and the unit costs.
    """
    document = {**head(spend.case), **compared.now.as_dict()}
    for row, group in zip(document["groups"], compared.now.groups, strict=True):
        row["before"] = compared.cost_before(group)
    past = compared.past
    document["before"] = None
    if past is not None:
        document["before"] = {
            "start": format_hour(past.window.first),
            "end": format_hour(past.window.last),
            "total": past.total,
            "gone": compared.gone,
        }
    if units is not None:
        column, rows = units
        document["unit_costs"] = [row.as_dict(column) for row in rows]
    if steps is not None:
        document["steps"] = steps.as_dict()
    if intent is not None:
        document["intent"] = intent.as_dict()
    return document
