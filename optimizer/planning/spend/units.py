# SPDX-License-Identifier: Apache-2.0
"""Unit economics: what a request, a million tokens or a training run costs, and its trend.

``unit cost = cost of the group ÷ (denominator ÷ unit)``.  The cost is that of the usage the
denominator counts: what serves requests, the token meters, the usage that names a run.
Unused commitments are told beside it, not in it, unless they are shared.  Shared deployments
are divided by request, whatever the rule, since a request's cost is that of whoever asked.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

import numpy as np

from optimizer.billing.attribution import Amounts
from optimizer.errors import UsageError
from optimizer.planning.spend.classes import TAG
from optimizer.planning.spend.denominators import UNITS, Denominator, denominator, unit_of
from optimizer.planning.spend.spend import Basis, Rule, Spend
from optimizer.planning.spend.windows import Window, weeks_until
from optimizer.tables import format_hour

PLACES = Decimal("1e-12")
WEEKS = 8


@dataclass(frozen=True)
class Point:
    """One window of a trend; ``value`` is ``None`` where the denominator is not known."""

    first: int
    last: int
    value: Decimal | None


@dataclass(frozen=True)
class UnitCost:
    """What one unit cost a group; ``value`` is ``None`` where ``missing`` says what is.

    ``group`` is the value of the column (``None``: absent, or all usage); ``count`` how many
    units of one (requests, tokens, runs) there were; ``before`` the value of the window
    before; ``trend`` whole weeks up to the window's end, the oldest first.
    """

    group: str | None
    per: str
    cost: Decimal
    count: float | None
    value: Decimal | None
    before: Decimal | None
    trend: tuple[Point, ...]
    missing: str

    @property
    def change(self) -> float | None:
        """Share by which the value is above that of the window before."""
        if self.value is None or not self.before:
            return None
        return float(self.value / self.before - 1)

    def as_dict(self, column: str | None) -> dict[str, Any]:
        """The row in the shape of the document."""
        row: dict[str, Any] = {} if column is None else {column: self.group}
        return row | {
            "per": self.per,
            "cost": self.cost,
            "count": self.count,
            "value": self.value,
            "before": self.before,
            "change": self.change,
            "trend": [
                {
                    "start": format_hour(point.first),
                    "end": format_hour(point.last),
                    "value": point.value,
                }
                for point in self.trend
            ],
            "missing": self.missing or None,
        }


def unit_costs(
    spend: Spend,
    measure: str,
    window: Window | str,
    *,
    column: str | None = None,
    rule: Rule | str = Rule.used,
    weeks: int = WEEKS,
) -> list[UnitCost]:
    """Unit costs of the values of a column, the dearest group first.

    Parameters
    ----------
    measure
        ``requests input_tokens output_tokens tokens metered_tokens runs``, or a ``tag_*``
        whose distinct values are counted.
    column
        A column of ``Spend.columns``; ``None``: all usage together.
    weeks
        How many whole weeks of trend.

    Raises
    ------
    UsageError
        For a measure, column, rule or window that there is not.
    """
    if measure not in UNITS and measure not in spend.columns:
        raise UsageError(
            f"'{measure}' is nothing that costs can be divided by. To mend it: use "
            f"{', '.join(UNITS)}, or a tag of usage"
        )
    if measure not in UNITS and not measure.startswith(TAG):
        raise UsageError(f"costs are divided by tags, not by {measure}. To mend it: name a tag_*")
    wanted = spend.window(window)
    basis = replace(Basis.of(rule), by_request="requests")
    values = [""] if column is None else list(spend.labels(column, basis).values)
    now, count = _costs(spend, wanted, basis, measure, column, values)
    before = wanted.before()
    past = (
        _values(*_costs(spend, before, basis, measure, column, values), measure)
        if before.within(*spend.known)
        else [None] * len(values)
    )
    steps = weeks_until(wanted.last, weeks, spend.known)
    trend = [
        _values(*_costs(spend, week, basis, measure, column, values), measure) for week in steps
    ]
    current = _values(now, count, measure)
    rows = []
    for place, (value, cost) in enumerate(zip(values, now.decimals(), strict=True)):
        if column is not None and not cost and np.isnan(count.count[place]):
            continue  # the value did not run in this window
        rows.append(
            UnitCost(
                group=value or None,
                per=unit_of(measure)[1],
                cost=cost,
                count=None if np.isnan(count.count[place]) else float(count.count[place]),
                value=current[place],
                before=past[place],
                trend=tuple(
                    Point(week.first, week.last, row[place])
                    for week, row in zip(steps, trend, strict=True)
                ),
                missing=count.missing[place],
            )
        )
    if not rows and count.missing:  # say what is missing rather than nothing
        lacks = next(text for text in count.missing if text)
        rows = [UnitCost(None, unit_of(measure)[1], Decimal(0), None, None, None, (), lacks)]
    return sorted(rows, key=lambda row: (-row.cost, row.group or ""))


def _costs(
    spend: Spend,
    window: Window,
    basis: Basis,
    measure: str,
    column: str | None,
    values: Sequence[str],
) -> tuple[Amounts, Denominator]:
    """(G,) cost of what the measure counts, and the counts."""
    counted = denominator(spend, window, basis, measure, column, values)
    costs = spend.costs(window, basis)
    chosen = np.flatnonzero(counted.series)
    code = (
        np.zeros(len(chosen), np.int64)
        if column is None
        else spend.labels(column, basis).code[chosen].astype(np.int64)
    )
    total = Amounts.zeros(len(values))
    for part in (costs.on_demand, costs.spot, costs.commitments):
        total = total + part.take(chosen).summed(code, len(values))
    return total, counted


def _values(cost: Amounts, counted: Denominator, measure: str) -> list[Decimal | None]:
    """Cost ÷ (count ÷ unit), to twelve places; ``None`` where nothing is known or came."""
    unit = unit_of(measure)[0]
    return [
        (amount * unit / Decimal(repr(float(count)))).quantize(PLACES) if count > 0 else None
        for amount, count in zip(cost.decimals(), counted.count.tolist(), strict=True)
    ]
