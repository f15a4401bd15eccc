# SPDX-License-Identifier: Apache-2.0
"""A value's part of a month's bill: attributed where it ran, by usage where it is forecast."""

from __future__ import annotations

from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from optimizer.planning.budgets.paths import LATELY, MonthPaths
from optimizer.planning.spend import Basis, Spend, Unused, Window, group_costs, spend_of
from optimizer.tables import Case

Floats = NDArray[np.float64]


class Split:
    """Parts of the bill of a month's paths.

    Of the hours that ran, a value's part is its attributed cost (rule ``used``, commitments
    that nothing used shared).  Of each later hour it is

        bill(h) · Σ_l q(l, h) · c(l, v) ÷ Σ_l q(l, h) · c(l)

    q usage of line l in the path; c(l, v) what the usage of v on the line cost in the last
    four weeks, per unit of the line, and c(l) the same of all its usage.
    """

    def __init__(self, case: Case, month: MonthPaths) -> None:
        self.case = case
        self.month = month

    @cached_property
    def spend(self) -> Spend:
        """The attribution of what ran."""
        return spend_of(self.case)

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns that a budget may watch."""
        return self.spend.columns

    def part(self, column: str, value: str, hourly: Floats) -> Floats:
        """(S, N) running cost of a value of a column, from the bills (S, N) of the hours."""
        mine = self._cost_per_unit(column, value)
        whole = self._cost_per_unit("", "")
        shares = np.zeros_like(hourly)
        for share, path in zip(shares, self.month.paths, strict=True):
            of_all = whole @ path.quantity
            np.divide(mine @ path.quantity, of_all, out=share, where=of_all > 0)
        found = hourly * np.minimum(shares, 1.0)
        known = self.month.known
        if known:
            spent = self._spent(column, value)
            guess = float(found[0, :known].sum())
            found[:, :known] = found[:, :known] * (spent / guess) if guess > 0 else spent / known
        return np.asarray(np.cumsum(found, axis=1))

    def _cost_per_unit(self, column: str, value: str) -> Floats:
        """(L,) dollars of a value's usage per unit of each line, lately."""
        first, last = self.spend.known
        until = min(last, self.case.settings.as_of)
        lines = len(self.case.usage_lines().meter)
        if until <= first:
            return np.zeros(lines)
        window = Window(max(first, until - LATELY), until, "four weeks")
        basis = Basis()
        costs = self.spend.costs(window, basis)
        cells = self.spend.divided(basis)
        dollars = costs.on_demand.floats() + costs.spot.floats() + costs.commitments.floats()
        if column:
            label = self.spend.labels(column, basis)
            mine = label.code == (label.values.index(value) if value in label.values else -1)
            dollars = np.where(mine, dollars, 0.0)
        quantity = np.bincount(cells.line, costs.quantity, minlength=lines)
        paid = np.bincount(cells.line, dollars, minlength=lines)
        return np.divide(paid, quantity, out=np.zeros(lines), where=quantity > 0)

    def _spent(self, column: str, value: str) -> float:
        """The attributed cost of a value in the hours of the month that ran."""
        start = max(self.month.start, self.spend.known[0])
        end = min(self.month.start + self.month.known, self.spend.known[1])
        if end <= start:
            return 0.0
        spending = group_costs(
            self.spend, [column], Window(start, end, "the month so far"), unused=Unused.share
        )
        return sum(
            float(group.total)
            for group in spending.groups
            if group.kind == "usage" and group.values == (value or None,)
        )
