# SPDX-License-Identifier: Apache-2.0
"""The bill's pace to the end of the month, and the budgets, as a section."""

from __future__ import annotations

from datetime import date

from optimizer.planning.budgets import BudgetPace, Pace, State
from optimizer.reporting.charts.pace import pace_chart
from optimizer.reporting.document import (
    Better,
    Block,
    Column,
    Figure,
    Figures,
    Kind,
    Prose,
    Row,
    Section,
    Table,
)
from optimizer.reporting.render.values import money
from optimizer.tables import format_hour

_BAND = "in four of five paths of the usage to come, each billed with what is held"


def budget_section(pace: Pace, currency: str) -> Section:
    """Return the section: where the month will end, which budgets it passes, and when."""
    blocks: list[Block] = [
        Prose(sentence(pace, currency), "plain"),
        *(Prose(text, tone) for text, tone in _alerts(pace, currency)),
        _figures(pace),
        pace_chart(pace, currency),
    ]
    if pace.budgets:
        blocks.append(_table(pace))
    blocks += [Prose(note, "warning") for note in pace.notes]
    return Section("budgets", "Pace and budgets", tuple(blocks))


def sentence(pace: Pace, currency: str) -> str:
    """Where the month will end."""
    spent, middle = money(pace.spent, currency), money(pace.total.p50, currency)
    if pace.known >= pace.end - pace.start:
        return f"{pace.month} cost {spent}."
    text = f"{pace.month} has cost {spent} so far and will end at about {middle}"
    if pace.paths > 1:
        low, high = money(pace.total.p10, currency), money(pace.total.p90, currency)
        text += f" ({low} to {high} {_BAND})"
    if pace.previous is not None:
        text += f"; the month before cost {money(pace.previous, currency)}"
    return f"{text}."


def alert_text(one: BudgetPace, currency: str) -> str:
    """What is said of a budget that is not on track."""
    name, amount = one.budget.name, money(one.budget.amount, currency)
    day = "" if one.passes is None else f" on {format_hour(one.passes)[:10]}"
    if one.state is State.exceeded:
        return f"Budget {name} of {amount} was passed{day}: {money(one.spent, currency)} is spent."
    return (
        f"Budget {name} of {amount} is passed in {one.chance:.0%} of the paths, in half of those "
        f"by{day.removeprefix(' on')}: it ends between {money(one.end.p10, currency)} and "
        f"{money(one.end.p90, currency)}."
    )


def _alerts(pace: Pace, currency: str) -> list[tuple[str, str]]:
    return [
        (alert_text(one, currency), "bad" if one.state is State.exceeded else "warning")
        for one in pace.alerts
    ]


def _figures(pace: Pace) -> Figures:
    figures = [
        Figure("spent", "Spent so far", pace.spent, Kind.money, formula="the bill of the hours "
               "of the month that ran, amortised"),
        Figure("month_end", "At month end", pace.total.p50, Kind.money, before=pace.previous,
               better=Better.down, formula="median over the paths; before: the month before"),
    ]  # fmt: skip
    if pace.paths > 1:
        figures += [
            Figure("month_end_p10", "P10", pace.total.p10, Kind.money, formula=_BAND),
            Figure("month_end_p90", "P90", pace.total.p90, Kind.money, formula=_BAND),
        ]
    return Figures("pace", tuple(figures))


def _table(pace: Pace) -> Table:
    columns = (
        Column("budget", "Budget"),
        Column("of", "Of"),
        Column("state", "State", Kind.state),
        Column("amount", "Amount", Kind.money),
        Column("spent", "Spent", Kind.money, formula="attributed cost of the month so far"),
        Column("used", "Used", Kind.share, formula="spent ÷ amount"),
        Column("p10", "End, P10", Kind.money),
        Column("p50", "End, P50", Kind.money),
        Column("p90", "End, P90", Kind.money),
        Column("chance", "Chance to pass", Kind.share, formula="share of the paths that pass it"),
        Column("passes", "Passed on", Kind.day, formula="by this day half of those paths pass it"),
    )
    rows = tuple(
        Row(
            (
                one.budget.name,
                _watched(one),
                one.state.value,
                one.budget.amount,
                one.spent,
                one.used,
                one.end.p10,
                one.end.p50,
                one.end.p90,
                one.chance,
                None if one.passes is None else date.fromisoformat(format_hour(one.passes)[:10]),
            ),
            key=str(one.budget.row),  # a name may be of several rows
            source=f"budgets row {one.budget.row}",
        )
        for one in pace.budgets
    )
    return Table("budgets", f"Budgets of {pace.month}", columns, rows)


def _watched(one: BudgetPace) -> str:
    if not one.budget.column:
        return "everything"
    return f"{one.budget.column.removeprefix('tag_')} {one.budget.value or '(none)'}"
