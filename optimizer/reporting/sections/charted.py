# SPDX-License-Identifier: Apache-2.0
"""The charts of the weekly report, where there is something to draw."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from optimizer.billing import Bill
from optimizer.billing.bill import exact
from optimizer.billing.kpis import waterfalls
from optimizer.errors import MissingPrice
from optimizer.planning.hourly import history_hours, horizon_hours
from optimizer.planning.spend import Spend
from optimizer.planning.weekly import WEEK, Weekly
from optimizer.reporting.charts import (
    commitment_chart,
    coverage_chart,
    demand_chart,
    ranges_chart,
    routes_chart,
    waterfall_chart,
    weekly_bill_chart,
)
from optimizer.reporting.document import Block, Chart, Section
from optimizer.reporting.sections.words import Document
from optimizer.tables import Case, format_hour

MOST_WEEKS = 53


def with_blocks(section: Section, blocks: Sequence[Block]) -> Section:
    """A section with more at its end."""
    return replace(section, blocks=(*section.blocks, *blocks))


def waterfall_charts(case: Case, week: Weekly) -> list[Chart]:
    """The week from list price to what is paid."""
    found = [] if week.week.bill is None else waterfalls(week.week.bill)
    return [waterfall_chart(found, case.settings.currency)] if found else []


def history_charts(spend: Spend | str, week: Weekly) -> list[Chart]:
    """The bill of each week of history, where there are several."""
    if isinstance(spend, str) or week.week.bill is None or week.freshness.last is None:
        return []
    rows = _bills(spend.costed.bill, week.weeks.end)
    return [weekly_bill_chart(rows, spend.case.settings.currency)] if len(rows) > 1 else []


def _bills(bill: Bill, end: int) -> list[dict[str, Any]]:
    """The bill of each whole week that ends with the report's, or weeks before it."""
    rows: list[dict[str, Any]] = []
    start = end - WEEK
    while start >= bill.first_hour and start + WEEK <= bill.first_hour + bill.hours:
        at = slice(start - bill.first_hour, start - bill.first_hour + WEEK)
        parts = {
            "on_demand": exact(float(bill.on_demand_by_hour[at].sum())),
            "spot": exact(float(bill.spot_by_hour[at].sum())),
            "commitment_cost": exact(float(bill.commitment_by_hour[at].sum())),
        }
        rows.insert(0, {"week": format_hour(start)[:10], "hours": WEEK, **parts})
        start -= WEEK
    return rows[-MOST_WEEKS:]


def plan_charts(plan: Document) -> list[Chart]:
    """The level of the plan among others, its futures, and who answers what."""
    if plan["status"] == "infeasible":
        return []
    charts = [commitment_chart(plan)] if plan.get("commitment_curve") else []
    charts += [ranges_chart(plan)] if plan.get("p10") is not None else []
    return [*charts, routes_chart(plan)] if plan.get("routes") else charts


def usage_charts(case: Case, plan: Document) -> list[Chart]:
    """Demand under the commitments, and coverage over the history."""
    try:
        past = history_hours(case)
        ahead = horizon_hours(case, plan) if plan["status"] != "infeasible" else None
    except MissingPrice:  # a law asks for a price that the case lacks: nothing to draw
        return []
    charts = [coverage_chart(past)]
    if ahead is not None and ahead.hours:
        charts.insert(0, demand_chart(past, ahead, case.settings.currency))
    return charts
