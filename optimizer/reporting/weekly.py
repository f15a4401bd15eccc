# SPDX-License-Identifier: Apache-2.0
"""The weekly report: what the week cost, what to do, what changed, and whether advice came true."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from optimizer.errors import DataError, MissingPrice
from optimizer.planning.anomalies import findings_of
from optimizer.planning.budgets import pace
from optimizer.planning.spend import Spend
from optimizer.planning.weekly import Weekly, weekly
from optimizer.planning.weekly.actions import Action, actions_of
from optimizer.planning.weekly.covered import daily_coverage
from optimizer.planning.weekly.follow import follow_up
from optimizer.planning.weekly.ways import demand_by, models_of, owners_of
from optimizer.reporting.document import Document, Prose, Section, Table
from optimizer.reporting.render.values import money
from optimizer.reporting.sections.actions import action_section
from optimizer.reporting.sections.anomalies import anomaly_section
from optimizer.reporting.sections.basis import basis_section
from optimizer.reporting.sections.budgets import budget_section
from optimizer.reporting.sections.changes import changes_section, ways_table
from optimizer.reporting.sections.charted import (
    history_charts,
    plan_charts,
    usage_charts,
    waterfall_charts,
    with_blocks,
)
from optimizer.reporting.sections.coverage import coverage_section
from optimizer.reporting.sections.follow import follow_section
from optimizer.reporting.sections.kpis import kpi_section
from optimizer.reporting.sections.ladder import ladder_section
from optimizer.reporting.sections.spent import spend_of_case, spend_of_week, unit_figures
from optimizer.reporting.sections.words import count_of, day_of, futures_text, percent
from optimizer.tables import Case, UsageCells

OWNERS = ("tag_team", "tag_owner", "tag_department", "account")

Plan = Mapping[str, Any]


def weekly_report(
    case: Case,
    plan: Plan,
    *,
    before: Plan | None = None,
    advice: Sequence[Plan] = (),
    earlier: Case | None = None,
    name: str = "",
) -> Document:
    """Return the report of the last complete week before the plan's as-of date.

    Parameters
    ----------
    case
        What the plan was made from.
    plan, before
        Documents of plans: that of today, and an earlier one whose advice is followed up.
    advice
        Recommendations as the store keeps them: ``plan``, ``offer``, ``content`` (the purchase
        as the plan says it), ``state``, ``commitments``, ``reason``; ``until`` is the end of
        that plan's horizon, which what it predicts is of (a year where it is not known).
    earlier
        The case of an earlier plan, for the prices of the week before.
    name
        What the report calls the company; if empty as ``case.toml`` does, else the case's folder.

    Raises
    ------
    DataError
        If a table that the report needs is refused.
    """
    currency = str(plan["currency"])
    week = weekly(case, earlier)
    spend = spend_of_case(case)
    cells = spend.cells if isinstance(spend, Spend) else usage_of(case)
    who = None if cells is None else owner_column(cells)
    owners = None
    if cells is not None and who is not None:
        owners = owners_of(cells, week.catalogue, week.weeks, who)
    actions = actions_of(week.catalogue, plan, owners)
    followed = follow_up(case, week.catalogue, week.holdings, week.weeks, before, advice)
    spent = spend_of_week(spend, week)
    sections = [
        kpi_section(week, unit_figures(spent)),
        with_blocks(action_section(plan, actions), plan_charts(plan)),
    ]
    if plan["status"] == "infeasible":
        sections.reverse()  # what to relax comes first
    else:
        sections.append(ladder_section(plan))
    sections += _coverage(case, week, plan)
    sections += [
        with_blocks(
            changes_section(week, _ways(case, week, cells, who), currency),
            history_charts(spend, week),
        ),
        *_anomalies(case, week, cells),
        follow_section(followed, currency),
        *(with_blocks(s, waterfall_charts(case, week)) if s.name == "spend" else s for s in spent),
        *_budgets(case, week),
        basis_section(plan, week),
    ]
    title = f"Weekly commitment report: {name or case.settings.name or case.path.resolve().name}"
    return Document(
        "weekly", title, currency, headline(plan, week, actions), tuple(sections), facts(plan, week)
    )


def usage_of(case: Case) -> UsageCells | None:
    """Usage row by row, where there is any."""
    return case.usage_cells() if case.has("usage") else None


def owner_column(cells: UsageCells) -> str | None:
    """The column of usage that says whose it is: the first of the usual ones that says anything."""
    known = {name for name, label in cells.labels.items() if any(label.values)}
    return next((name for name in OWNERS if name in known), None)


def _ways(case: Case, week: Weekly, cells: UsageCells | None, who: str | None) -> list[Table]:
    """The change of demand by team and by model, where usage names them."""
    states = None if week.changes is None else week.changes.states
    if states is None or cells is None:
        return []
    tables = []
    if who is not None:
        label = cells.labels[who]
        names = [label.values[code] for code in label.code]
        word = who.removeprefix("tag_")
        steps = demand_by(states, cells, week.weeks, names, f"no {word}")
        tables.append(ways_table("owner", f"Demand by {word}", word.capitalize(), steps))
    models = models_of(case, cells)
    if any(models):
        steps = demand_by(states, cells, week.weeks, models, "no model")
        tables.append(ways_table("model", "Demand by model", "Model", steps))
    return tables


def _anomalies(case: Case, week: Weekly, cells: UsageCells | None) -> list[Section]:
    """What was out of the ordinary in the week, if there is anything to judge."""
    if week.freshness.last is None:
        return []
    try:
        found = findings_of(case, week.weeks.start, week.weeks.end, usage=cells)
    except MissingPrice:  # told beside the bill, which cannot be priced either
        return []
    return [anomaly_section(found)]


def _budgets(case: Case, week: Weekly) -> list[Section]:
    """Where the month will end, and which budgets it passes."""
    if week.freshness.last is None or week.week.bill is None:
        return []
    try:
        return [budget_section(pace(case), case.settings.currency)]
    except DataError as error:
        return [Section("budgets", "Budgets", (Prose(str(error), "warning"),))]


def _coverage(case: Case, week: Weekly, plan: Plan) -> list[Section]:
    if week.freshness.last is None or (week.week.empty and week.before.empty):
        return []
    try:
        covered = daily_coverage(case, week.catalogue, week.holdings, week.weeks)
    except MissingPrice:  # told beside the bill, which cannot be priced either
        return []
    return [with_blocks(coverage_section(covered), usage_charts(case, plan))]


def headline(plan: Plan, week: Weekly, actions: Sequence[Action]) -> str:
    """The report in a sentence or two: what to do for how much, and what the week cost."""
    return f"{_advice(plan, actions)} {_week(plan, week)}".strip()


def _advice(plan: Plan, actions: Sequence[Action]) -> str:
    currency = str(plan["currency"])
    if plan["status"] == "infeasible":
        first = plan["relaxations"][0] if plan["relaxations"] else None
        if first is None:
            return "No plan serves the usage within the limits."
        amount = Decimal(str(first["amount"])).normalize()
        more = len(plan["relaxations"]) - 1
        others = f" and {count_of(more, 'limit')} more" if more else ""
        return (
            "No plan serves the usage within the limits: "
            f"relax {first['limit']} by {amount:,f}{others} first."
        )
    days = count_of(int(plan["horizon_hours"]) // 24, "day")
    saved, ways = plan.get("savings"), _ways_to_save(plan, actions)
    if not ways:
        return f"Nothing to buy now: no purchase pays over the next {days}."
    if saved is None:
        return f"Do what the plan says: {ways}."
    amount, base = Decimal(str(saved)), Decimal(str(plan["baseline"]))
    if amount <= 0:
        return f"The plan saves nothing within the next {days}; it counts whole terms: {ways}."
    share = f" ({percent(amount / base)} of the bill)" if base else ""
    futures = futures_text(plan)
    # As planned means as history was: without the range it would be read as a promise.
    told = f" if usage stays as it was, {futures}," if futures else ""
    return f"Save {money(amount, currency)}{share} over the next {days}{told} with {ways}."


def _ways_to_save(plan: Plan, actions: Sequence[Action]) -> str:
    """What a plan does, in words: purchases, spot, routes, moved work."""
    ways = [count_of(len(actions), "purchase")] if actions else []
    ways += ["spot"] if plan.get("spot") else []
    ways += ["other routes"] if plan.get("routes") else []
    ways += ["moved work"] if plan.get("substitutions") or plan.get("jobs") else []
    return " and ".join(filter(None, [", ".join(ways[:-1]), *ways[-1:]]))


def _week(plan: Plan, week: Weekly) -> str:
    currency = str(plan["currency"])
    if week.freshness.last is None:
        return "There is no usage history yet."
    if week.week.empty:
        return "Last week has no usage data."
    if week.week.bill is None:
        return "Last week's bill cannot be priced."
    total = week.week.bill.total
    text = f"Last week's bill was {money(total, currency)}"
    if week.changes is None:
        return f"{text}; there is no week before to compare with."
    change = week.changes.change
    if not change:
        return f"{text}, as in the week before."
    word = "more" if change > 0 else "less"
    share = f" ({percent(abs(change) / week.changes.before)})" if week.changes.before else ""
    return f"{text}, {money(abs(change), currency)}{share} {word} than the week before."


def facts(plan: Plan, week: Weekly) -> dict[str, str]:
    """What a reader needs to follow the report back."""
    weeks = week.weeks
    told = {
        "Week": f"{day_of(weeks.start)} to {day_of(weeks.end - 1)} (UTC)",
        "As of": f"{day_of(week.freshness.as_of)}",
    }
    if week.freshness.last is not None:
        told["Data until"] = f"{day_of(week.freshness.last)}"
    return told | {
        "Currency": str(plan["currency"]),
        "Plan": f"{plan['plan']} ({str(plan['status']).replace('_', ' ')})",
        "Snapshot": str(plan["snapshot"]),
        "Seed": str(plan.get("seed", "")),
    }
