# SPDX-License-Identifier: Apache-2.0
"""Purchases on several dates: the cheapest amounts, by cutting planes on the cost of hours.

Hours lie in segments in which the same purchases are in force.  The cost of a segment's hours
is a convex function of what is in force, so that tangents bound it from below: a linear
program over the amounts collects them, and its value is a lower bound.  No row per hour is
ever written: two years of hours, 23 meters and 24 dates take seconds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import highspy
import numpy as np
from numpy.typing import NDArray

from optimizer.billing.order import OrderedPair
from optimizer.errors import SolverError
from optimizer.program.problem import Flags, Floats

TOLERANCE = 1e-9
_LEFT = 1e-9  # units below which nothing is left of a line
_FULL_STEPS = 2  # the first rounds take the program's own point
_EVERY = 4  # and every fourth one later; the others look half way to the best known


def cover(
    pairs: Sequence[OrderedPair], price: Floats, demand: Floats, capacity: Floats
) -> tuple[Floats, Floats, Floats]:
    """Cover hours in the order of the pairs, and price one more unit of each instrument.

    Parameters
    ----------
    price, demand, capacity
        (L,) dollars, (L, N) units, and (O, N) of each instrument's measure.

    Returns
    -------
    The (N,) dollars of what is left on demand; the (O, N) dollars that one more unit of each
    instrument would avoid, by the same order; the (L, N) units left.
    """
    need, have = demand.copy(), capacity.astype(np.float64, copy=True)
    beyond = []
    for pair in pairs:
        take = np.minimum(need[pair.line], have[pair.holding] / pair.draw)
        need[pair.line] -= take
        have[pair.holding] -= take * pair.draw
        beyond.append(need[pair.line] > _LEFT)
    unit = np.where(need > _LEFT, price[:, None], 0.0)
    worth = np.zeros_like(have)
    for pair, over in zip(reversed(pairs), reversed(beyond), strict=True):
        after, other = unit[pair.line].copy(), worth[pair.holding].copy()
        # A line that the instrument covers whole frees as much of it for its later lines.
        unit[pair.line] = np.where(over, after, pair.draw * other)
        worth[pair.holding] = np.where(over, np.maximum(after / pair.draw, other), other)
    return price @ need, worth, need


@dataclass(frozen=True)
class Dated:
    """K purchase dates, O instruments, J segments of hours.

    Attributes
    ----------
    pairs, price
        Who covers what in which order, and the (L,) on-demand prices.
    demand, weight
        Of each segment (L, N) units, and the (N,) hours that each column stands for.
    held
        (O, J) what is in force whatever is bought.
    cost
        (K, O) dollars of one unit bought on a date, for the hours that are charged.
    active
        (K, O, J) whether a purchase is in force in a segment.
    """

    pairs: tuple[OrderedPair, ...]
    price: Floats
    demand: tuple[Floats, ...]
    weight: tuple[Floats, ...]
    held: Floats
    cost: Floats
    active: Flags

    def most(self) -> Floats:
        """(K, O) the most of each purchase that could cover anything."""
        peak = np.zeros(self.held.shape)
        for segment, units in enumerate(self.demand):
            load = np.zeros((len(self.held), units.shape[1]))
            for pair in self.pairs:
                load[pair.holding] += pair.draw * units[pair.line]
            peak[:, segment] = load.max(axis=1, initial=0.0)
        free = np.maximum(peak - self.held, 0.0)
        return np.asarray((self.active * free[None]).max(axis=2, initial=0.0))


@dataclass(frozen=True)
class DatedAnswer:
    """Amounts (K, O), their cost, and what no amounts can cost less than."""

    amount: Floats
    cost: float
    bound: float
    rounds: int

    @property
    def gap(self) -> float:
        """Relative distance of cost and bound."""
        return (self.cost - self.bound) / max(abs(self.cost), 1e-12)


def solve_dated(problem: Dated, *, gap: float = 1e-4, rounds: int = 400) -> DatedAnswer:
    """Find the cheapest amounts; it stops at the gap, or after so many rounds.

    Where an instrument that covers more comes before one that covers less in the order of the
    law, the cost of hours is not quite convex: then the bound is one of what the tangents say.

    Raises
    ------
    SolverError
        If the linear program cannot be solved.
    """
    segments = len(problem.demand)
    most = problem.most()
    columns = [(int(k), int(o)) for k, o in np.argwhere(most > TOLERANCE)]
    # Tangents are in what a segment has in force: the purchases that are, by instrument.
    inside = [
        [(i, o) for i, (k, o) in enumerate(columns) if problem.active[k, o, j]]
        for j in range(segments)
    ]
    index = [np.array([i for i, _ in found] + [len(columns) + j], dtype=np.int32)
             for j, found in enumerate(inside)]  # fmt: skip
    instrument = [np.array([o for _, o in found], dtype=np.int64) for found in inside]
    # All segments are covered in one go: the work is in the pairs, not in the hours.
    demand, weight = np.hstack(problem.demand), np.concatenate(problem.weight)
    sizes = np.array([len(hours) for hours in problem.weight])
    segment, starts = np.repeat(np.arange(segments), sizes), np.cumsum(sizes) - sizes
    scale = max(float(weight @ (problem.price @ demand)), 1e-9)
    program = _Program(
        np.array([problem.cost[k, o] / scale for k, o in columns]),
        np.array([most[k, o] for k, o in columns]),
        segments,
    )
    amount = np.zeros(problem.cost.shape)
    best, best_amount, bound = np.inf, amount, 0.0
    done = 0
    for done in range(1, rounds + 1):
        force = problem.held + np.einsum("ko,koj->oj", amount, problem.active.astype(float))
        total = float((problem.cost * amount).sum())
        hourly, worth, _ = cover(problem.pairs, problem.price, demand, force[:, segment])
        values = np.add.reduceat(weight * hourly, starts)
        slopes = -np.add.reduceat(worth * weight, starts, axis=1)
        total += float(values.sum())
        for j in range(segments):
            slope = slopes[:, j]
            at = float(values[j]) - float(slope @ (force[:, j] - problem.held[:, j]))
            program.tangent(index[j], np.append(-slope[instrument[j]], scale) / scale, at / scale)
        if total < best:
            best, best_amount = total, amount.copy()
        point, value = program.solve()
        bound = max(bound, value * scale)
        if best - bound <= gap * abs(best):
            break
        asked = np.zeros_like(amount)
        for (k, o), units in zip(columns, point, strict=True):
            asked[k, o] = units
        own = done <= _FULL_STEPS or done % _EVERY == 0
        amount = asked if own else 0.5 * (asked + best_amount)
    return DatedAnswer(best_amount, best, min(bound, best), done)


class _Program:
    """The linear program over amounts and one cost for each segment, in HiGHS."""

    def __init__(self, cost: Floats, most: Floats, segments: int) -> None:
        self.count = len(cost)
        self.solver = highspy.Highs()
        self.solver.setOptionValue("output_flag", False)
        self.solver.setOptionValue("threads", 1)
        empty: list[int] = []
        for price, upper in zip(cost, most, strict=True):
            self.solver.addCol(float(price), 0.0, float(upper), 0, empty, empty)
        for _ in range(segments):
            self.solver.addCol(1.0, 0.0, highspy.kHighsInf, 0, empty, empty)

    def tangent(self, index: NDArray[np.int32], value: Floats, least: float) -> None:
        self.solver.addRow(float(least), highspy.kHighsInf, len(index), index, value)

    def solve(self) -> tuple[Floats, float]:
        self.solver.run()
        if self.solver.getModelStatus() != highspy.HighsModelStatus.kOptimal:
            status = self.solver.modelStatusToString(self.solver.getModelStatus())
            msg = f"the linear program of dated purchases ended as {status!r}"
            raise SolverError(msg)
        found = np.array(self.solver.getSolution().col_value)[: self.count]
        return found, float(self.solver.getInfo().objective_function_value)
