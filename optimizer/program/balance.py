# SPDX-License-Identifier: Apache-2.0
"""The same problem in units of its own size, for solvers whose tolerances are absolute.

HiGHS and SCIP call 1e-7 nothing, whether it is a token's price or a fleet's bill.  Usage,
capacity, amounts and money are divided by powers of two, which is exact, so that peaks and
prices are near one; answers and prices are multiplied back.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from optimizer.program.prices import Prices
from optimizer.program.problem import Floats, Problem
from optimizer.program.solution import ProgramSolution


@dataclass(frozen=True)
class Balanced:
    """A problem in its own units.

    Attributes
    ----------
    problem
        The problem in its own units.
    unit
        (P,) units of usage that one of its own stands for.
    source
        (S,) measure of each source that one of its own stands for.
    column
        (K,) amounts bought in own units per original unit.
    money
        Dollars that one unit of its money stands for.
    """

    problem: Problem
    unit: Floats
    source: Floats
    column: Floats
    money: float

    @classmethod
    def of(cls, problem: Problem) -> Balanced:
        """Choose the units: peaks, the largest draw of a source and prices become about 1."""
        unit = _power(problem.demand.max(axis=1, initial=0.0))
        draw = problem.pair_draw * unit[problem.pair_pool]
        source = np.zeros(len(problem.sources))
        np.maximum.at(source, problem.pair_source, draw)
        source = _power(source)
        ratio = problem.member_ratio / source[problem.member_source]
        column = np.zeros(len(problem.columns))
        np.maximum.at(column, problem.member_column, ratio)
        column = _power(column)
        price = problem.price * unit[:, None]
        priced = price[np.isfinite(price)]
        top = priced.max(initial=0.0)
        if top <= 0:
            top = (problem.cost / column).max(initial=0.0) / max(problem.weight.sum(), 1e-300)
        money = float(_power(np.array([top]))[0])
        limits, links = problem.limits, problem.links
        balanced = replace(
            problem,
            demand=problem.demand / unit[:, None],
            tolerant=problem.tolerant / unit[:, None],
            price=price / money,
            spot_price=problem.spot_price * unit / money,
            penalty=problem.penalty * unit / money,
            pair_draw=draw / source[problem.pair_source],
            held=problem.held / source[:, None],
            member_ratio=ratio / column[problem.member_column],
            cost=problem.cost / column / money,
            minimum=problem.minimum * column,
            maximum=problem.maximum * column,
            step=problem.step * column,
            arriving=None if problem.arriving is None else problem.arriving / unit,
            limits=replace(limits, entry_weight=limits.entry_weight * unit[limits.entry_pool])
            if limits.names
            else limits,
            links=replace(
                links,
                excess_price=links.excess_price / money,
                purchase=links.purchase / column,
                on_demand=links.on_demand * unit,
                spot=links.spot * unit,
                covered=links.covered * unit[problem.pair_pool],
                demand=links.demand * unit,
            )
            if links.names
            else links,
        )
        return cls(balanced, unit, source, column, money)

    def amounts(self, quantity: Floats) -> Floats:
        """Amounts of the original columns."""
        return np.asarray(quantity / self.column)

    def prices(self, prices: Prices) -> Prices:
        """Prices of the original rows."""
        shared = self.source[self.problem.structure.shared]
        return Prices(
            prices.shared * (self.money / shared)[:, None],
            prices.rent * (self.money / self.unit)[:, None],
            prices.limits * self.money,
            prices.links * self.money,
        )

    def solution(self, solution: ProgramSolution) -> ProgramSolution:
        """The answer in original units."""
        return replace(
            solution,
            quantity=self.amounts(solution.quantity),
            objective=solution.objective * self.money,
            bound=solution.bound * self.money,
            covered=_times(solution.covered, self.unit[self.problem.pair_pool]),
            spot=_times(solution.spot, self.unit),
            on_demand=_times(solution.on_demand, self.unit),
            unmet=_times(solution.unmet, self.unit),
        )


def _times(values: Floats | None, unit: Floats) -> Floats | None:
    return None if values is None else values * unit[:, None]


def _power(values: Floats) -> Floats:
    """The nearest power of two of each positive value; 1 for what is zero or infinite."""
    known = (values > 0) & np.isfinite(values)
    return np.asarray(
        np.where(known, np.exp2(np.round(np.log2(np.where(known, values, 1.0)))), 1.0)
    )
