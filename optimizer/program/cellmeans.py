# SPDX-License-Identifier: Apache-2.0
"""What the master program knows of its cells: their hours, means of usage, and segments."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from optimizer.program.certificate import own_grid
from optimizer.program.problem import Floats, Ints, Problem


@dataclass(frozen=True)
class Level:
    """The cells of a level: label of each hour; weight, hours, regime and parent of each cell."""

    label: Ints
    weight: Floats
    hours: Floats
    regime: Ints
    parent: Ints | None = None

    def within(self, other: Level, cells: Ints) -> tuple[Ints, Floats]:
        """Where these cells lie in another level's, and with what share of its hours."""
        if other is self or self.parent is None:
            return cells, np.ones(len(cells))
        into = self.parent[cells]
        return into, self.weight[cells] / other.weight[into]


def sums(label: Ints, values: Floats, count: int) -> Floats:
    """Σ of the hours' values in each cell."""
    return np.bincount(label, values, minlength=count).astype(np.float64)


def constant(label: Ints, values: Ints, count: int) -> Ints:
    """The value of each label, where all its hours agree."""
    found = np.zeros(count, dtype=np.int64)
    found[label] = values
    return found


class Knots:
    """Amounts of own capacity at which a pool's segments end: 0, around a centre, the most.

    They are multiples of what can be bought, so that the segments are exact there.
    """

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        self.most = problem.demand.max(axis=1, initial=0.0)
        self.knots: dict[int, Floats] = {}
        self.grid: dict[int, float] = {}
        for pool, pairs in enumerate(problem.structure.own_pairs):
            if len(pairs):
                grid = own_grid(problem, pool)
                self.grid[pool] = grid if grid > 0 else float(self.most[pool]) / 4096 or 1.0
                levels = np.quantile(problem.demand[pool], np.linspace(0.0, 0.95, 7))
                self._set(pool, levels)

    def of(self, pool: int) -> Floats:
        """Ends of the segments, ascending from 0; of a pool without own sources just 0."""
        return self.knots.get(pool, np.zeros(1))

    def narrow(self, pool: int, amounts: Sequence[float], spread: float) -> None:
        """Put the knots around the first amount, within ± 4 spreads, and at the others.

        A spread is a share of the most.
        """
        step = max(1.0, round(spread * float(self.most[pool]) / self.grid[pool]))
        steps = np.array([-4.0, -2.0, -1.0, 0.0, 1.0, 2.0, 4.0]) * step
        others = np.array(amounts[1:], dtype=np.float64)
        self._set(pool, np.concatenate([amounts[0] + steps * self.grid[pool], others]))

    def spread(self, pool: int, amounts: Floats, spread: float) -> None:
        """Put the knots around each of several amounts, a spread and two away from it."""
        step = max(1.0, round(spread * float(self.most[pool]) / self.grid[pool]))
        steps = np.array([-2.0, -1.0, 0.0, 1.0, 2.0]) * step * self.grid[pool]
        self._set(pool, (np.asarray(amounts)[:, None] + steps).ravel())

    def at(self, pool: int, ends: Floats) -> None:
        """Put the knots at amounts: at what can be bought next to them."""
        self._set(pool, ends)

    def _set(self, pool: int, levels: Floats) -> None:
        grid = self.grid[pool]
        most = max(float(np.ceil(self.most[pool] / grid - 1e-9)), 1.0)
        inner = np.clip(np.round(levels / grid), 0.0, most)
        self.knots[pool] = np.unique(np.concatenate([[0.0], inner, [most]])) * grid


class Means:
    """Means over cells: what own capacity leaves, at zero and its slopes between knots."""

    def __init__(self, problem: Problem, label: Ints, weight: Floats) -> None:
        self.problem, self.label, self.weight = problem, label, weight
        self.order = np.argsort(label, kind="stable")
        self.start = np.searchsorted(label[self.order], np.arange(len(weight)))
        self.hours = problem.weight[self.order]

    def demand(self, pool: int) -> Floats:
        """(cells,) mean demand."""
        hourly = self.problem.demand[pool][self.order] * self.hours
        return np.asarray(np.add.reduceat(hourly, self.start) / self.weight)

    def of(self, pool: int, knots: Floats) -> tuple[Floats, Floats, Floats]:
        """(cells,) E(d − H)⁺, (cells,) tolerant part of it, (cells, segments) slopes ≥ 0."""
        problem = self.problem
        level = problem.demand[pool].copy()
        for pair in problem.structure.own_pairs[pool]:
            held = problem.held[problem.pair_source[pair]]
            if held.any():
                level -= (held / problem.pair_draw[pair])[problem.period]
        level = level[self.order]
        left = np.maximum(level[None, :] - knots[:, None], 0.0) * self.hours
        means = np.add.reduceat(left, self.start, axis=1) / self.weight
        slopes = -np.diff(means, axis=0) / np.diff(knots)[:, None]
        soft = np.zeros(len(self.weight))
        if np.isfinite(problem.spot_price[pool]):
            tolerant = np.minimum(problem.tolerant[pool][self.order], np.maximum(level, 0.0))
            soft = np.add.reduceat(tolerant * self.hours, self.start) / self.weight
        return means[0], soft, slopes.T
