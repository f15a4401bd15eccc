# SPDX-License-Identifier: Apache-2.0
"""How much the month will have cost when it ends, and which budgets that keeps.

Each path of usage is billed for the whole month with what is held, in the order of the laws:
commitments are spent as they would be, and a bill that is known is the bill.  A budget of a
tag counts what was spent by attribution (``optimizer.planning.spend``); of the hours to come it
counts each line's usage at the price that the tag's part of it had lately, scaled so that
all values together are the bill of the path.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from optimizer.billing import Catalogue, Holding, make_bill, read_holdings
from optimizer.billing.bill import exact
from optimizer.billing.fit import open_catalogue
from optimizer.planning.budgets.budget import TABLE, Budget, read_budgets
from optimizer.planning.budgets.hourly import hourly_bills
from optimizer.planning.budgets.paths import month_paths
from optimizer.planning.budgets.split import Split
from optimizer.planning.realised import usage_between
from optimizer.tables import Case, decimal_string, format_hour, month_hours, month_of

Floats = NDArray[np.float64]

DAY = 24
PATHS, LEAST_PATHS = 100, 20
WORK = 15_000_000  # line-hours that are billed at most
RISK = 0.1  # chance of passing it from which on a budget is at risk


class State(StrEnum):
    """How a budget stands."""

    on_track = "on track"
    at_risk = "at risk"
    exceeded = "exceeded"


def _dollars(amount: float) -> Decimal:
    """Estimates are told to a millionth: what is below depends on the order of a sum."""
    return exact(round(amount, 6))


@dataclass(frozen=True)
class Band:
    """P10, P50 and P90 over the paths."""

    p10: Decimal
    p50: Decimal
    p90: Decimal

    @classmethod
    def of(cls, values: Floats) -> Band:
        """The band of equally likely values."""
        return cls(*(_dollars(float(v)) for v in np.quantile(values, (0.1, 0.5, 0.9))))

    def as_dict(self) -> dict[str, str]:
        """For JSON."""
        return {name: decimal_string(getattr(self, name)) for name in ("p10", "p50", "p90")}


@dataclass(frozen=True)
class BudgetPace:
    """A budget of this month.

    Attributes
    ----------
    spent
        So far.
    end
        At the end of the month.
    chance
        Share of the paths that pass it; 1 once it is passed.
    passes
        First hour of the day on which it was, or in half of the paths that pass it is,
        passed; ``None`` where none passes it.
    """

    budget: Budget
    spent: Decimal
    end: Band
    chance: float
    passes: int | None

    @property
    def state(self) -> State:
        """On track, at risk, or exceeded."""
        if self.spent > self.budget.amount:
            return State.exceeded
        return State.at_risk if self.chance >= RISK else State.on_track

    @property
    def used(self) -> float | None:
        """Share of the amount that is spent; ``None`` of an amount of zero."""
        return float(self.spent / self.budget.amount) if self.budget.amount else None

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "budget": self.budget.name,
            "column": self.budget.column or None,
            "value": self.budget.value or None,
            "amount": decimal_string(self.budget.amount),
            "spent": decimal_string(self.spent),
            "used": self.used,
            "end": self.end.as_dict(),
            "chance": self.chance,
            "state": self.state.value,
            "passes": None if self.passes is None else format_hour(self.passes)[:10],
        }


@dataclass(frozen=True)
class PaceDay:
    """The bill from the month's beginning to the end of a day.

    ``band`` holds one value three times where all of the day ran.
    """

    day: int
    band: Band
    known: bool


@dataclass(frozen=True)
class Pace:
    """The month of ``as_of`` as it goes.

    Attributes
    ----------
    start, end
        Its hours.
    known
        Hours of it whose usage is known.
    spent
        Their bill, amortised.
    total
        At the end of the month.
    previous
        The bill of the month before, as far as the case has all of it.
    days
        One a day.
    budgets
        Those of this month: exceeded, then by chance.
    """

    start: int
    end: int
    known: int
    spent: Decimal
    total: Band
    paths: int
    previous: Decimal | None
    days: tuple[PaceDay, ...]
    budgets: tuple[BudgetPace, ...]
    notes: tuple[str, ...]

    @property
    def month(self) -> str:
        """Such as ``2026-11``."""
        return format_hour(self.start)[:7]

    @property
    def alerts(self) -> tuple[BudgetPace, ...]:
        """Budgets that are not on track."""
        return tuple(one for one in self.budgets if one.state is not State.on_track)

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "month": self.month,
            "known_hours": self.known,
            "hours": self.end - self.start,
            "spent": decimal_string(self.spent),
            "end": self.total.as_dict(),
            "paths": self.paths,
            "previous": None if self.previous is None else decimal_string(self.previous),
            "days": [
                {"day": format_hour(d.day)[:10], "known": d.known, **d.band.as_dict()}
                for d in self.days
            ],
            "budgets": [one.as_dict() for one in self.budgets],
            "notes": list(self.notes),
        }


def pace(case: Case, *, paths: int | None = None) -> Pace:
    """Bill the month of ``as_of``: the hours that ran, and ``paths`` of those to come.

    Without ``paths`` there are 100, fewer (at least 20) where there are hundreds of lines. The
    seed is that of ``[solve]``: the same case gives the same pace.

    Raises
    ------
    DataError
        If there is no usage, a row of ``budgets`` is refused, or a price is missing.
    """
    case.require("meters", "usage")
    usage = case.usage_lines()
    as_of = case.settings.as_of
    start, end = month_hours(*month_of(as_of))
    size = max(1, len(usage.meter) * (end - start))
    paths = paths or int(np.clip(WORK // size, LEAST_PATHS, PATHS))
    month = month_paths(usage, as_of, start, end, paths, case.settings.solve.seed)
    catalogue = open_catalogue(case)
    holdings = read_holdings(case, catalogue)
    hourly = hourly_bills(case.settings, catalogue, holdings, month.paths)
    running = np.cumsum(hourly, axis=1)
    notes = list(month.notes)
    split = Split(case, month)
    budgets = read_budgets(case, split.columns) if case.has(TABLE) else ()
    wanted = [budget for budget in budgets if budget.month == month_of(as_of)]
    if budgets and not wanted:
        notes.append(f"no budget is for {format_hour(start)[:7]}")
    judged = []
    for budget in wanted:
        part = split.part(budget.column, budget.value, hourly) if budget.column else running
        if budget.column and not part.any():
            notes.append(
                f"budget {budget.name}: no usage has {budget.column.removeprefix('tag_')} "
                f"'{budget.value}'"
            )
        judged.append(_judged(budget, part, month.known, start))
    judged.sort(key=lambda one: (one.state is not State.exceeded, -one.chance, one.budget.name))
    spent = float(running[0, month.known - 1]) if month.known else 0.0
    return Pace(
        start=start,
        end=end,
        known=month.known,
        spent=_dollars(spent),
        total=Band.of(running[:, -1]),
        paths=len(month.paths),
        previous=_month_before(case, catalogue, holdings, start),
        days=_days(running, start, month.known),
        budgets=tuple(judged),
        notes=tuple(notes),
    )


def _month_before(
    case: Case, catalogue: Catalogue, holdings: Sequence[Holding], start: int
) -> Decimal | None:
    usage = case.usage_lines()
    first, last = month_hours(*month_of(start - 1))
    if first < usage.first_hour or last > usage.first_hour + usage.quantity.shape[1]:
        return None
    return make_bill(case, catalogue, usage_between(usage, first, last), holdings).total


def _days(running: Floats, start: int, known: int) -> tuple[PaceDay, ...]:
    return tuple(
        PaceDay(start + last - DAY, Band.of(running[:, last - 1]), last <= known)
        for last in range(DAY, running.shape[1] + 1, DAY)
    )


def _judged(budget: Budget, running: Floats, known: int, start: int) -> BudgetPace:
    amount = float(budget.amount)
    spent = float(running[0, known - 1]) if known else 0.0
    passed = running > amount
    some = passed[:, -1]
    passes = None
    if some.any():
        hours = passed[some].argmax(axis=1)
        passes = start + int(np.sort(hours)[(len(hours) - 1) // 2]) // DAY * DAY
    return BudgetPace(
        budget=budget,
        spent=_dollars(spent),
        end=Band.of(running[:, -1]),
        chance=1.0 if spent > amount else float(some.mean()),
        passes=passes,
    )
