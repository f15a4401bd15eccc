# SPDX-License-Identifier: Apache-2.0
"""The master program: amounts against the means of cells, with own capacity kept exact.

    min Σ F·Q + Σ W(e·u + ŝ·r)
    meet[p,c]   Σ x + r + u + Σᵢ slopeᵢ·δᵢ = E(d − H)⁺      in every cell of the pool's group
    draw[s,c]   Σ a·x − Q ≤ H                               narrow sources, their group's cells
    wide[s,b]   Σ (W_c / W_b)·a·x − Q ≤ H                   wide sources, common cells
    own[p,ρ]    Σ δ − Σ Q·g/a ≤ 0                            own capacity in a regime

E(d − H − m)⁺ of a cell is convex in the own capacity m, and m is filled from left to right
in segments δ whose ends are allowed amounts; so reservations of one meter lose nothing by
the merging of hours.  The master proposes amounts and prices; it proves nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import highspy
import numpy as np

from optimizer.program.cells import Cells
from optimizer.program.levels import Levels
from optimizer.program.prices import Prices, zero_prices
from optimizer.program.problem import Floats, Ints, Problem


@dataclass(frozen=True)
class Proposal:
    """The master's answer: amounts (K,), prices of the hours, its objective in dollars."""

    feasible: bool
    objective: float
    quantity: Floats
    prices: Prices
    rows: int


class _Triplets:
    """Entries of a sparse matrix in the making."""

    def __init__(self) -> None:
        self.row: list[Ints] = []
        self.column: list[Ints] = []
        self.value: list[Floats] = []

    def add(self, row: Ints, column: Ints, value: Floats) -> None:
        self.row.append(np.asarray(row, dtype=np.int64).ravel())
        self.column.append(np.asarray(column, dtype=np.int64).ravel())
        self.value.append(np.asarray(value, dtype=np.float64).ravel())


class Master:
    """Builds and solves the program over cells."""

    def __init__(self, problem: Problem, levels: Levels, cells: Cells, knots: Knots) -> None:
        self.problem, self.levels, self.cells, self.knots = problem, levels, cells, knots
        self.scale = float(problem.weight.sum()) or 1.0
        self._build()

    def _build(self) -> None:
        problem, structure = self.problem, self.problem.structure
        entries = _Triplets()
        cost: list[Floats] = [problem.cost / self.scale]
        upper: list[Floats] = [problem.needed()]
        low: list[Floats] = []
        high: list[Floats] = []
        columns, rows = len(problem.columns), 0
        wide_count = int(self.cells.wide.max(initial=-1)) + 1
        wide_weight = np.bincount(self.cells.wide, problem.weight, minlength=wide_count)
        regime = structure.regime[problem.period]
        wide_regime = np.zeros(wide_count, dtype=np.int64)
        wide_regime[self.cells.wide] = regime
        # Rows of wide sources come first, so that groups can refer to them.
        self.wide_row: dict[int, Ints] = {}
        for source in self.levels.wide:
            self.wide_row[int(source)] = rows + np.arange(wide_count)
            rows += wide_count
            high.append(self._held(int(source), self.cells.wide, wide_weight))
            low.append(np.full(wide_count, -np.inf))
            self._capacity(entries, int(source), self.wide_row[int(source)], wide_regime)
        self.wide_weight = wide_weight
        self.narrow_row: dict[int, tuple[int, Ints]] = {}
        self.own_row: dict[int, Ints] = {}
        self.cell_weight: list[Floats] = []
        price = np.minimum(problem.price, problem.penalty[:, None])
        wide_held = {
            int(s): self._held(int(s), self.cells.wide, wide_weight) for s in self.levels.wide
        }
        held: dict[int, Floats] = {}
        for number, group in enumerate(self.levels.groups):
            label, parent = self.cells.group[number], self.cells.parent[number]
            count = len(parent)
            weight = np.bincount(label, problem.weight, minlength=count)
            rank_of = np.zeros(count, dtype=np.int64)
            rank_of[label] = regime
            lead = structure.lead[rank_of]
            self.cell_weight.append(weight)
            every = np.arange(count)
            for source in group.sources:
                row = rows + every
                self.narrow_row[int(source)] = (number, row)
                rows += count
                held[int(source)] = self._held(int(source), label, weight)
                high.append(held[int(source)])
                low.append(np.full(count, -np.inf))
                self._capacity(entries, int(source), row, rank_of)
            means = _Means(problem, label, weight)
            for pool in group.pools:
                knots = self.knots.of(int(pool))
                wanted, soft, slopes = means.of(int(pool), knots)
                some = np.flatnonzero(wanted > 1e-12)
                meet = rows + np.arange(len(some))
                rows += len(some)
                low.append(wanted[some])
                high.append(np.full(len(some), np.inf))
                for pair in structure.pairs[pool]:
                    source = int(problem.pair_source[pair])
                    keep = problem.active[source][lead[some]] | (
                        held[source][some] > 0
                        if source in held
                        else wide_held[source][parent[some]] > 0
                    )
                    into, of = some[keep], meet[keep]
                    index = columns + np.arange(len(into))
                    columns += len(into)
                    cost.append(np.zeros(len(into)))
                    upper.append(np.full(len(into), np.inf))
                    entries.add(of, index, np.ones(len(into)))
                    draw = float(problem.pair_draw[pair])
                    if source in self.wide_row:
                        cell = parent[into]
                        share = weight[into] / wide_weight[cell]
                        entries.add(self.wide_row[source][cell], index, draw * share)
                    else:
                        row = self.narrow_row[source][1][into]
                        entries.add(row, index, np.full(len(into), draw))
                tolerant = soft[some]
                if np.isfinite(problem.spot_price[pool]) and (tolerant > 0).any():
                    keep = tolerant > 0
                    index = columns + np.arange(int(keep.sum()))
                    columns += len(index)
                    cost.append(weight[some[keep]] * problem.spot_price[pool] / self.scale)
                    upper.append(tolerant[keep])
                    entries.add(meet[keep], index, np.ones(len(index)))
                each = price[pool][lead[some]]
                keep = np.isfinite(each)
                index = columns + np.arange(int(keep.sum()))
                columns += len(index)
                cost.append(weight[some[keep]] * each[keep] / self.scale)
                upper.append(np.full(len(index), np.inf))
                entries.add(meet[keep], index, np.ones(len(index)))
                if not len(structure.own_pairs[pool]):
                    continue
                ranks = np.flatnonzero(np.bincount(rank_of[some], minlength=structure.regimes))
                own = np.full(structure.regimes, -1)
                own[ranks] = rows + np.arange(len(ranks))
                self.own_row[int(pool)] = own
                rows += len(ranks)
                low.append(np.full(len(ranks), -np.inf))
                high.append(np.zeros(len(ranks)))
                widths = np.diff(knots)
                for rank in ranks:
                    index = columns + np.arange(len(widths))
                    columns += len(index)
                    cost.append(np.zeros(len(index)))
                    upper.append(widths)
                    entries.add(np.full(len(index), own[rank]), index, np.ones(len(index)))
                    inside = np.flatnonzero(rank_of[some] == rank)
                    slope = slopes[some[inside]]
                    where = np.nonzero(slope > 1e-15)
                    entries.add(meet[inside][where[0]], index[where[1]], slope[where])
                for pair in structure.own_pairs[pool]:
                    source = int(problem.pair_source[pair])
                    for column, each_ratio in problem.feeds[source]:
                        inside = ranks[problem.active[source][structure.lead[ranks]]]
                        ratio = each_ratio / problem.pair_draw[pair]
                        entries.add(
                            own[inside], np.full(len(inside), column), np.full(len(inside), -ratio)
                        )
        rows, columns = self._links(entries, cost, upper, low, high, rows, columns)
        self.model = _model(cost, upper, low, high, entries, rows, columns)
        self.rows = rows

    def _held(self, source: int, label: Ints, weight: Floats) -> Floats:
        """Mean held capacity of a source in each cell."""
        problem = self.problem
        if not problem.held[source].any():
            return np.zeros(len(weight))
        hourly = problem.held[source][problem.period] * problem.weight
        return np.bincount(label, hourly, minlength=len(weight)) / weight

    def _capacity(
        self, entries: _Triplets, source: int, row: Ints, regime: Ints
    ) -> None:
        """−Σ g·Q in the cells in which what is bought is in force."""
        inside = self.problem.active[source][self.problem.structure.lead][regime]
        for column, ratio in self.problem.feeds[source]:
            entries.add(
                row[inside],
                np.full(int(inside.sum()), column),
                np.full(int(inside.sum()), -ratio),
            )

    def _links(
        self,
        entries: _Triplets,
        cost: list[Floats],
        upper: list[Floats],
        low: list[Floats],
        high: list[Floats],
        rows: int,
        columns: int,
    ) -> tuple[int, int]:
        """Linking rows of purchases alone, each divided by its largest coefficient."""
        links = self.problem.links
        self.link_row = rows + np.arange(len(links.names))
        self.link_size = np.ones(len(links.names))
        for number in range(len(links.names)):
            size = float(np.abs(links.purchase[number]).max(initial=0.0)) or 1.0
            self.link_size[number] = size
            some = np.flatnonzero(links.purchase[number])
            entries.add(
                np.full(len(some), rows), some, links.purchase[number, some] / size
            )
            if np.isfinite(links.excess_price[number]):
                cost.append(np.array([links.excess_price[number] * size / self.scale]))
                upper.append(np.array([np.inf]))
                entries.add(np.array([rows]), np.array([columns]), np.array([-1.0]))
                columns += 1
            low.append(np.array([-np.inf]))
            high.append(np.array([links.most[number] / size]))
            rows += 1
        return rows, columns

    def solve(self) -> Proposal:
        """Solve the linear program and read amounts and prices."""
        solver = highspy.Highs()
        solver.setOptionValue("output_flag", False)
        solver.setOptionValue("threads", 1)
        solver.setOptionValue("random_seed", 0)
        solver.passModel(self.model)
        solver.run()
        problem = self.problem
        count = len(problem.columns)
        if solver.getModelStatus() != highspy.HighsModelStatus.kOptimal:
            return Proposal(False, np.inf, np.zeros(count), zero_prices(problem), self.rows)
        answer = solver.getSolution()
        dual = np.maximum(0.0, -np.array(answer.row_dual)) * self.scale
        return Proposal(
            True,
            float(solver.getInfo().objective_function_value) * self.scale,
            np.maximum(0.0, np.array(answer.col_value)[:count]),
            self._prices(dual),
            self.rows,
        )

    def _prices(self, dual: Floats) -> Prices:
        problem, structure = self.problem, self.problem.structure
        prices = zero_prices(problem)
        for source, rows in self.wide_row.items():
            by_cell = dual[rows] / self.wide_weight
            prices.shared[structure.row[source]] = by_cell[self.cells.wide]
        for source, (number, rows) in self.narrow_row.items():
            by_cell = dual[rows] / self.cell_weight[number]
            prices.shared[structure.row[source]] = by_cell[self.cells.group[number]]
        for pool, rows in self.own_row.items():
            there = rows >= 0
            prices.rent[pool, there] = dual[rows[there]]
        prices.links[:] = np.minimum(
            dual[self.link_row] / self.link_size, problem.links.excess_price
        )
        return prices


class Knots:
    """Amounts of own capacity at which a pool's segments end: 0, around a centre, the most."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        self.most = problem.demand.max(axis=1, initial=0.0)
        self.knots: dict[int, Floats] = {}
        for pool, pairs in enumerate(problem.structure.own_pairs):
            if len(pairs):
                levels = np.quantile(problem.demand[pool], np.linspace(0.0, 0.95, 7))
                self._set(pool, levels)

    def of(self, pool: int) -> Floats:
        """Ends of the segments, ascending from 0; of a pool without own sources just 0."""
        return self.knots.get(pool, np.zeros(1))

    def narrow(self, pool: int, amount: float, spread: float) -> None:
        """Put the knots around an amount: within ± 4 spreads."""
        self._set(pool, amount + spread * np.array([-4.0, -2.0, -1.0, 0.0, 1.0, 2.0, 4.0]))

    def _set(self, pool: int, levels: Floats) -> None:
        most = float(np.ceil(self.most[pool]))
        inner = np.clip(np.round(levels), 0.0, most)
        self.knots[pool] = np.unique(np.concatenate([[0.0], inner, [max(most, 1.0)]]))


class _Means:
    """Means over cells: what own capacity leaves, at zero and its slopes between knots."""

    def __init__(self, problem: Problem, label: Ints, weight: Floats) -> None:
        self.problem, self.label, self.weight = problem, label, weight
        self.order = np.argsort(label, kind="stable")
        self.start = np.searchsorted(label[self.order], np.arange(len(weight)))
        self.hours = problem.weight[self.order]

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


def _model(
    cost: list[Floats],
    upper: list[Floats],
    low: list[Floats],
    high: list[Floats],
    entries: _Triplets,
    rows: int,
    columns: int,
) -> highspy.HighsLp:
    """A HiGHS model from triplets, stored by column."""
    row, column = np.concatenate(entries.row), np.concatenate(entries.column)
    order = np.argsort(column, kind="stable")
    lp = highspy.HighsLp()
    lp.num_col_, lp.num_row_ = columns, rows
    lp.col_cost_, lp.col_upper_ = np.concatenate(cost), np.concatenate(upper)
    lp.col_lower_ = np.zeros(columns)
    lp.row_lower_, lp.row_upper_ = np.concatenate(low), np.concatenate(high)
    lp.a_matrix_.format_ = highspy.MatrixFormat.kColwise
    lp.a_matrix_.start_ = np.concatenate([[0], np.cumsum(np.bincount(column, minlength=columns))])
    lp.a_matrix_.index_ = row[order]
    lp.a_matrix_.value_ = np.concatenate(entries.value)[order]
    return lp
