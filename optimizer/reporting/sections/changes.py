# SPDX-License-Identifier: Apache-2.0
"""What changed and why: causes in dollars that add up to the difference of the two bills."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from itertools import accumulate

from optimizer.planning.weekly import Cause, Changes, Step, Weekly
from optimizer.reporting.document import Block, Column, Kind, Prose, Row, Section, Table
from optimizer.reporting.render.values import money

_TITLES = {
    Cause.data: "Data",
    Cause.price: "Prices",
    Cause.calendar: "Calendar",
    Cause.ended: "Commitments ended",
    Cause.began: "Commitments begun",
    Cause.demand: "Demand",
    Cause.spot: "Spot share",
}
_METHOD = (
    "The replay of the week before is turned into that of the week one thing at a time, in the "
    "order of the rows; each is charged with what it changes in the bill, so that the rows add up "
    "to the difference exactly."
)


def changes_section(week: Weekly, ways: Sequence[Table] = (), currency: str = "USD") -> Section:
    """The decomposition; ``ways`` divide the demand again, by team or by model."""
    changes = week.changes
    if changes is None:
        text = "There is nothing to compare: " + (
            "the week before has no data."
            if week.before.empty
            else "the week has no data."
            if week.week.empty
            else "one of the two weeks cannot be priced."
        )
        return Section("changes", "What changed and why", (Prose(text),))
    blocks: list[Block] = [Prose(_sentence(changes, currency)), _table(changes), *ways]
    return Section("changes", "What changed and why", tuple(blocks))


def _sentence(changes: Changes, currency: str) -> str:
    """The difference, and the causes that made most of it."""
    if not changes.change:
        return "The bill is that of the week before."
    more = "more" if changes.change > 0 else "less"
    text = f"The week cost {money(abs(changes.change), currency)} {more} than the one before"
    top = sorted(changes.steps, key=lambda step: -abs(step.amount))[:3]
    told = [f"{_named(step)} ({money(step.amount, currency, signed=True)})" for step in top]
    return f"{text}; its largest causes: {', '.join(told)}."


def _named(step: Step) -> str:
    if step.cause is Cause.demand:
        return f"demand for {step.name}"
    title = _TITLES[step.cause].lower()
    return f"{title}: {step.name}" if step.cause is not Cause.spot else step.name


def _table(changes: Changes) -> Table:
    columns = (
        Column("cause", "Cause"),
        Column("what", "What"),
        Column("provider", "Provider"),
        Column("change", "Change of the bill", Kind.change, formula="bill after − bill before it"),
        Column(
            "waste", "Of it waste", Kind.change,
            formula="change of the cost of the unused part of commitments",
        ),
        Column("bill", "Bill then", Kind.money, formula="the replay with all above exchanged"),
    )  # fmt: skip
    rows = [
        Row(
            ("Bill of the week before", None, None, None, None, changes.before),
            key="before", source="replay of usage", emphasis=True,
        )
    ]  # fmt: skip
    bills = accumulate((step.amount for step in changes.steps), initial=changes.before)
    rows += [
        Row(
            (_TITLES[step.cause], step.name, step.provider, step.amount, step.waste, bill),
            key=f"{step.cause}: {step.name}", source="replay of usage, one thing exchanged",
        )
        for step, bill in zip(changes.steps, list(bills)[1:], strict=True)
    ]  # fmt: skip
    waste = sum((step.waste for step in changes.steps), Decimal(0))
    last = ("Bill of the week", None, None, changes.change, waste, changes.after)
    rows.append(Row(last, key="after", source="replay of usage", emphasis=True))
    note = _METHOD
    if not changes.priced:
        note += (
            " Prices of the week before are not known, so that both weeks are billed at those of "
            "the case; with the case of an earlier plan they would be."
        )
    return Table("changes", "From the week before to this week", columns, tuple(rows), note=note)


def ways_table(name: str, title: str, of: str, steps: Sequence[Step]) -> Table:
    """The change of demand divided another way."""
    columns = (
        Column(name, of),
        Column("change", "Change of the bill", Kind.change, formula="bill after − bill before it"),
        Column("waste", "Of it waste", Kind.change),
    )
    rows = [Row((s.name, s.amount, s.waste), key=s.name, source="replay of usage") for s in steps]
    total = [sum((getattr(s, key) for s in steps), Decimal(0)) for key in ("amount", "waste")]
    rows.append(Row(("Demand", *total), emphasis=True))
    return Table(
        f"demand_by_{name}", title, columns, tuple(rows),
        note=f"The demand of the table above, exchanged {of.lower()} by {of.lower()}.",
        empty=f"Demand did not change for any {of.lower()}.",
    )  # fmt: skip
