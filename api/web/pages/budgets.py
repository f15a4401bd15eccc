# SPDX-License-Identifier: Apache-2.0
"""Pace and budgets: where the month will end, and which budgets that keeps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from api.web.base import Pages
from api.web.findings import pace_of
from api.web.kpis import Shown
from api.web.visit import Visiting
from optimizer.errors import DataError
from optimizer.planning.budgets import Pace
from optimizer.reporting.document import Chart, Figures, Prose, Row, Table
from optimizer.reporting.render.values import shown
from optimizer.reporting.sections.budgets import budget_section

pages = Pages()


@pages.page("/budgets", title="Budgets", scope="snapshots:read", template="budgets.html", nav=58)
def budgets(visit: Visiting) -> Mapping[str, Any]:
    """The section of the report on the month of a snapshot, with links into its costs."""
    snapshot, snapshots = visit.chosen_snapshot()
    if snapshot is None:
        return {"snapshot": None}
    currency = snapshot.currency
    page: dict[str, Any] = {
        "snapshot": snapshot,
        "snapshots": snapshots,
        "stale": visit.stale(snapshot),
        "wrong": "",
        "chart": None,
    }
    try:
        pace = pace_of(visit.mine, snapshot.id)
    except DataError as error:
        return page | {"wrong": str(error)}
    blocks = budget_section(pace, currency).blocks
    first, *told = [block for block in blocks if isinstance(block, Prose)]
    drawn = next(block for block in blocks if isinstance(block, Chart))
    table = next((block for block in blocks if isinstance(block, Table)), None)
    view = visit.chart(snapshot.id, "pace", lambda: drawn)
    return page | {
        "month": pace.month,
        "sentence": first.text,
        "told": told,
        "figures": [one for block in blocks if isinstance(block, Figures)
                    for one in _strip(block, currency)],
        "chart": view,
        "twin": visit.table(view.chart.table, currency),
        "budgets": None
        if table is None
        else visit.table(
            table, currency, links={"budget": lambda row: _costs(pace, snapshot.id, row)}
        ),
    }  # fmt: skip


def _strip(figures: Figures, currency: str) -> list[Shown]:
    return [
        Shown(
            one.title,
            shown(one.value, one.kind, currency),
            formula=one.formula.partition("; before:")[0],
            note=""
            if one.before is None
            else f"the month before {shown(one.before, one.kind, currency)}",
        )
        for one in figures.figures
    ]


def _costs(pace: Pace, snapshot: str, row: Row) -> str:
    """What a budget was spent on: the month's costs of what it watches, by meter."""
    budget = next(one.budget for one in pace.budgets if str(one.budget.row) == row.key)
    wanted = {"snapshot": snapshot, "window": "month", "by": budget.column or "meter"}
    if budget.column:
        wanted |= {"and": "meter" if budget.column != "meter" else "account"}
        wanted |= {"spend.q": budget.value}
    return f"/usage?{urlencode(wanted)}"
