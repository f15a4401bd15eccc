# SPDX-License-Identifier: Apache-2.0
"""Rows of the array program that limit usage or link the hours, as triplets; and its model."""

from __future__ import annotations

from dataclasses import dataclass

import highspy
import numpy as np

from optimizer.program.problem import Counts, Floats, Ints, Problem


@dataclass(frozen=True)
class Cells:
    """Where the variables of the array program stand: (index, hour) and first column of each."""

    covered: tuple[Ints, Ints]
    spot: tuple[Ints, Ints]
    on_demand: tuple[Ints, Ints]
    first_covered: int
    first_spot: int
    first_on_demand: int
    first_excess: int

    def of_pools(self, problem: Problem) -> list[tuple[str, Ints, Ints, Ints]]:
        """(kind, column, pool, hour) of y with capacity, y without, r and u."""
        y = self.first_covered + np.arange(len(self.covered[0]))
        secure = problem.secures[problem.pair_source[self.covered[0]]]
        pool = problem.pair_pool[self.covered[0]]
        rows = [
            (kind, y[flag], pool[flag], self.covered[1][flag])
            for kind, flag in (("secured", secure), ("market", ~secure))
        ]
        for kind, first, (at, hour) in (
            ("spot", self.first_spot, self.spot),
            ("market", self.first_on_demand, self.on_demand),
        ):
            rows.append((kind, first + np.arange(len(at)), at, hour))
        return rows


@dataclass(frozen=True)
class Rows:
    """Triplets of ≤ rows: row (0 … n−1), column, value; and the right-hand sides, (n,)."""

    row: Ints
    column: Ints
    value: Floats
    most: Floats


def limit_rows(problem: Problem, cells: Cells) -> tuple[Rows, tuple[Ints, Ints]]:
    """coverage.limit in every hour in which it applies; with (limit, hour) of each row."""
    limits = problem.limits
    index, hour = np.nonzero(np.isfinite(limits.most))
    where = np.asarray(index, dtype=np.int64), np.asarray(hour, dtype=np.int64)
    number = np.full(limits.most.shape, -1)
    number[where] = np.arange(len(where[0]))
    parts: list[tuple[Ints, Ints, Floats]] = []
    kinds = {
        Counts.MARKET: ("market",),
        Counts.SPOT: ("spot",),
        Counts.RUNNING: ("market", "secured", "spot"),
    }
    groups = cells.of_pools(problem) if limits.names else []
    for limit, pool, counts, weight in zip(
        limits.entry_limit, limits.entry_pool, limits.entry_counts, limits.entry_weight, strict=True
    ):
        for kind, column, pools, hours in groups:
            if kind in kinds[Counts(counts)]:
                chosen = (pools == pool) & (number[limit][hours] >= 0)
                rows = number[limit][hours[chosen]]
                parts.append((rows, column[chosen], np.full(len(rows), float(weight))))
    return _join(parts, limits.most[where]), where


def availability_rows(problem: Problem, cells: Cells) -> Rows:
    """coverage.availability in every hour in which a pool's share is below one."""
    where = np.nonzero((problem.availability < 1.0) & (problem.demand > 0))
    if not len(where[0]):
        return _join([], np.zeros(0))
    number = np.full(problem.demand.shape, -1)
    number[where] = np.arange(len(where[0]))
    parts = []
    for kind, column, pools, hours in cells.of_pools(problem):
        rows = number[pools, hours]
        chosen = (rows >= 0) & (kind == "market")
        parts.append((rows[chosen], column[chosen], np.ones(int(chosen.sum()))))
    return _join(parts, problem.availability[where] * problem.demand[where])


def link_rows(problem: Problem, cells: Cells, unit: Floats) -> tuple[Rows, Floats]:
    """The linking rows, each divided by its largest coefficient; with those, (I,).

    ``unit`` is what one of each purchase variable stands for, (K,).
    """
    links, parts = problem.links, []
    sizes = np.ones(len(links.names))
    for row in range(len(links.names)):
        hours = problem.count * links.window[row]
        found = [(np.arange(len(unit)), links.purchase[row] * unit)]
        for first, (at, hour), factor in (
            (cells.first_covered, cells.covered, links.covered[row]),
            (cells.first_spot, cells.spot, links.spot[row]),
            (cells.first_on_demand, cells.on_demand, links.on_demand[row]),
        ):
            found.append((first + np.arange(len(at)), factor[at] * hours[hour]))
        if np.isfinite(links.excess_price[row]):
            found.append((np.array([cells.first_excess + row]), np.array([-1.0])))
        sizes[row] = max(1.0, *(float(np.abs(value).max(initial=0.0)) for _, value in found))
        for column, value in found:
            there = value != 0
            rows = np.full(int(there.sum()), row)
            parts.append((rows, column[there], value[there] / sizes[row]))
    return _join(parts, links.most / sizes), sizes


def _join(parts: list[tuple[Ints, Ints, Floats]], most: Floats) -> Rows:
    if not parts:
        none = np.zeros(0, dtype=np.int64)
        return Rows(none, none, np.zeros(0), np.asarray(most))
    row, column, value = (np.concatenate(list(part)) for part in zip(*parts, strict=True))
    return Rows(row, column, value, np.asarray(most))


def from_triplets(
    cost: Floats,
    lower: Floats,
    upper: Floats,
    low: Floats,
    high: Floats,
    row: Ints,
    index: Ints,
    value: Floats,
    kinds: list[highspy.HighsVarType] | None,
) -> highspy.HighsLp:
    """A HiGHS model from triplets (row, index, value), stored by row."""
    order = np.lexsort((index, row))
    lp = highspy.HighsLp()
    lp.num_col_, lp.num_row_ = len(cost), len(low)
    lp.col_cost_, lp.col_lower_, lp.col_upper_ = cost, lower, upper
    lp.row_lower_, lp.row_upper_ = low, high
    lp.a_matrix_.format_ = highspy.MatrixFormat.kRowwise
    lp.a_matrix_.start_ = np.concatenate([[0], np.cumsum(np.bincount(row, minlength=len(low)))])
    lp.a_matrix_.index_ = index[order]
    lp.a_matrix_.value_ = value[order]
    if kinds is not None:
        lp.integrality_ = kinds
    return lp
