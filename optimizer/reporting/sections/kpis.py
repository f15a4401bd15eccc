# SPDX-License-Identifier: Apache-2.0
"""The week's key figures, each with what it was the week before and the formula that makes it."""

from __future__ import annotations

from optimizer.billing import Bill
from optimizer.billing.kpis import FORMULAE
from optimizer.planning.weekly import Week, Weekly
from optimizer.reporting.document import Better, Figure, Figures, Kind, Prose, Section, Value
from optimizer.reporting.sections.words import count_of, day_of

STALE = 48  # hours; exports of the providers are up to a day late


def kpi_section(week: Weekly, more: tuple[Figure, ...] = ()) -> Section:
    """The strip of key figures, and what to know of the data that they are made from."""
    strip = Figures("key_figures", (*_figures(week), *more))
    return Section("week", "The week in figures", (*data_notes(week), strip))


def data_notes(week: Weekly) -> tuple[Prose, ...]:
    """What is missing in the data of the two weeks, in words."""
    now, was, fresh = week.week, week.before, week.freshness
    notes = []
    if fresh.last is None:
        text = "The case has no usage before its as-of date: there is no week to report yet."
        notes.append(Prose(text, "warning"))
    elif now.empty:
        text = (
            f"No usage was recorded in the week {day_of(now.start)} to {day_of(now.end - 1)}. "
            f"The last row is of {day_of(fresh.last)}: the bill below is that of the commitments "
            "alone. Check that the export still runs."
        )
        notes.append(Prose(text, "bad"))
    elif now.missing:
        text = (
            f"{count_of(now.missing, 'hour')} of the {now.hours} of the week "
            f"{'has' if now.missing == 1 else 'have'} no usage at all: the bill is short of "
            "what ran in them."
        )
        notes.append(Prose(text, "warning"))
    if fresh.age is not None and fresh.age >= STALE and not now.empty:
        text = (
            f"The last usage is of {day_of(fresh.last or 0)}, {fresh.age // 24} days before the "
            "as-of date: the advice rests on data that old."
        )
        notes.append(Prose(text, "warning"))
    if fresh.last is not None and was.empty:
        notes.append(Prose("There are no data of the week before: nothing to compare with."))
    elif was.missing and not was.empty:
        text = f"{count_of(was.missing, 'hour')} of the week before have no usage at all."
        notes.append(Prose(text, "warning"))
    for each in (now, was):
        if each.problem:
            text = f"The week of {day_of(each.start)} cannot be priced: {each.problem}"
            notes.append(Prose(text, "bad"))
    return tuple(notes)


def _figures(week: Weekly) -> tuple[Figure, ...]:
    now = _bill(week.week)
    # Without rows nobody knows what ran: no change is told, and nothing is called unused.
    was = None if week.before.empty or week.week.empty else week.before.bill
    down, up, neither = Better.down, Better.up, Better.neither

    def figure(
        name: str,
        title: str,
        kind: Kind,
        better: Better,
        formula: str,
        of: str = "",
    ) -> Figure:
        unknown = week.week.empty and name in ("utilization", "waste")
        value = None if unknown else _value(now, of or name)
        return Figure(name, title, value, kind, _value(was, of or name), better, formula)

    bill = "on demand + spot + amortised commitments, used or not; the replay of what ran"
    rate = "effective_savings_rate"
    figures = [
        figure("bill", "Bill of the week", Kind.money, neither, bill),
        figure(
            f"{rate}_list_price", "Savings rate over list", Kind.share, up,
            FORMULAE[f"{rate}_list_price"],
        ),
        figure(
            f"{rate}_on_demand", "Savings rate over contract", Kind.share, up,
            FORMULAE[f"{rate}_on_demand"],
        ),
        figure("coverage", "Coverage", Kind.share, up, FORMULAE["coverage"]),
        figure("utilization", "Utilization", Kind.share, up, FORMULAE["utilization"]),
        figure("waste", "Waste", Kind.money, down, FORMULAE["waste"]),
    ]  # fmt: skip
    remaining = Figure(
        "remaining_commitment",
        "Commitment remaining",
        week.remaining if now is not None else None,
        Kind.money,
        week.remaining_before if was is not None else None,
        neither,
        "amortised cost of what is held or queued, after the last hour of the week",
    )
    return (*figures, remaining)


def _bill(week: Week) -> Bill | None:
    """The bill of a week that has data."""
    return None if week.empty and not _held(week) else week.bill


def _held(week: Week) -> bool:
    return week.bill is not None and bool(week.bill.commitment_cost)


def _value(bill: Bill | None, name: str) -> Value:
    if bill is None:
        return None
    match name:
        case "bill":
            return bill.total
        case "waste":
            return bill.unused_cost
        case "coverage":
            return bill.coverage
        case "utilization":
            return bill.utilization
        case _:
            return bill.savings_rate(name.removeprefix("effective_savings_rate_"))
