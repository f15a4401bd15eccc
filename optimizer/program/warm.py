# SPDX-License-Identifier: Apache-2.0
"""What a solve leaves behind for the next one of a similar problem.

Most what-ifs change how much is used, or what it costs, of a few pools.  The hours that
behave alike stay the same hours.  If only usage changes, the last program's basis stays dual
feasible too: a few hundred steps of the dual simplex method lead to the new optimum, where
the cold one takes tens of thousands.  If prices change it does not, and amounts are all that
helps.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from optimizer.program.balance import Balanced
from optimizer.program.cellmeans import Knots
from optimizer.program.cells import Cells, Label, Refinement
from optimizer.program.problem import Flags, Floats, Ints, Problem
from optimizer.program.sparse import Basis

# Relative difference up to which prices are the same.
SAME = 1e-9
# Share of the pools whose prices may differ for the basis to be worth more than it costs.
FEW = 0.25


@dataclass(frozen=True)
class Learnt:
    """Cells, segments and basis of the last program over cells.

    Attributes
    ----------
    cells, kept, regime
        The cells, the incumbents' labels they were made of, and the (N,) regimes they divide.
    knots
        For each pool, the ends of its segments over its peak.
    idle
        (S,) sources that the program was without.
    basis
        Where the simplex method ended.
    """

    cells: Cells
    kept: tuple[tuple[Label, list[Label]], ...]
    regime: Ints
    knots: dict[int, Floats]
    idle: Flags
    basis: Basis

    @classmethod
    def of(
        cls, problem: Problem, cells: Refinement, knots: Knots, idle: Flags, basis: Basis
    ) -> Learnt:
        """What a program over these cells and segments ended with."""
        return cls(
            cells.cells,
            tuple(cells.kept),
            problem.structure.regime[problem.period],
            {pool: ends / (knots.most[pool] or 1.0) for pool, ends in knots.knots.items()},
            idle,
            basis,
        )

    def fits(self, problem: Problem, groups: int) -> bool:
        """Whether its hours and pools are those of another problem, number by number."""
        regime = problem.structure.regime[problem.period]
        return (
            np.array_equal(self.regime, regime)
            and len(self.cells.group) == groups
            and len(self.idle) == len(problem.sources)
            and len(self.knots) == sum(len(own) > 0 for own in problem.structure.own_pairs)
        )

    def scale(self, knots: Knots) -> None:
        """Put the segments' ends at the same shares of another problem's peaks."""
        for pool, ends in self.knots.items():
            knots.at(pool, ends * knots.most[pool])


@dataclass(frozen=True)
class WarmStart:
    """An earlier answer of a similar problem.

    Attributes
    ----------
    quantity
        (K,) its amounts.
    usage
        (P,) Σ weight · demand of its pools, in the units of this problem's: amounts follow
        the usage that they can cover.  ``None`` if that is not known.
    learnt
        What its solve left behind, if it was solved here and most prices are what they were.
    """

    quantity: Floats
    usage: Floats | None = None
    learnt: Learnt | None = None

    @classmethod
    def of(cls, earlier: Problem, quantity: Floats, learnt: Learnt | None, now: Problem) -> Self:
        """What an earlier problem's answer tells of a problem with the same pools and columns."""
        kept = learnt if _similar(earlier, now) else None
        return cls(quantity, total_usage(earlier), kept)

    def balanced(self, balanced: Balanced) -> WarmStart:
        """The same in the units of a balanced problem."""
        usage = None if self.usage is None else self.usage / balanced.unit
        return replace(self, quantity=self.quantity * balanced.column, usage=usage)

    def amounts(self, problem: Problem) -> Floats:
        """(K,) amounts that follow the usage within their reach."""
        if self.usage is None:
            return self.quantity
        before, after = (np.zeros(len(problem.columns)) for _ in range(2))
        was = np.zeros(len(problem.sources))
        now = np.zeros(len(problem.sources))
        np.add.at(was, problem.pair_source, problem.pair_draw * self.usage[problem.pair_pool])
        usage = total_usage(problem)
        np.add.at(now, problem.pair_source, problem.pair_draw * usage[problem.pair_pool])
        np.add.at(before, problem.member_column, problem.member_ratio * was[problem.member_source])
        np.add.at(after, problem.member_column, problem.member_ratio * now[problem.member_source])
        return self.quantity * np.where(before > 0, after / np.where(before > 0, before, 1.0), 1.0)


def total_usage(problem: Problem) -> Floats:
    """(P,) Σ weight · demand of each pool."""
    return np.asarray(problem.demand @ problem.weight)


def _similar(one: Problem, other: Problem) -> bool:
    """Whether offers cost the same and few pools' usage does not, but for one factor of all."""
    if one.price.shape != other.price.shape or one.cost.shape != other.cost.shape:
        return False
    factor = [1.0]
    for name in ("price", "spot_price", "penalty", "cost"):
        was, now = getattr(one, name), getattr(other, name)
        if not np.array_equal(_priced(was), _priced(now)):
            return False
        factor.extend((now / np.where(_priced(was), was, 1.0))[_priced(was)].ravel())
    common = float(np.median(factor[1:]))
    same = [
        np.isclose(now, was * common, rtol=SAME) | ~_priced(was)
        for was, now in (
            (getattr(one, name), getattr(other, name))
            for name in ("price", "spot_price", "penalty", "cost")
        )
    ]
    pools = same[0].all(axis=1) & same[1] & same[2]
    return bool(same[3].all() and (~pools).mean() <= FEW)


def _priced(values: Floats) -> Flags:
    return np.isfinite(values) & (values > 0)
