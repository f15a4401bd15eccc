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
from optimizer.program.certificate import own_grid
from optimizer.program.levels import Levels
from optimizer.program.prices import Prices, zero_prices
from optimizer.program.problem import Counts, Flags, Floats, Ints, Problem


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

    def __init__(
        self,
        problem: Problem,
        levels: Levels,
        cells: Cells,
        knots: Knots,
        *,
        allowed: Flags | None = None,
    ) -> None:
        self.problem, self.levels, self.cells, self.knots = problem, levels, cells, knots
        self.allowed = np.ones(len(problem.columns), dtype=bool) if allowed is None else allowed
        self.scale = float(problem.weight.sum()) or 1.0
        self._build()

    def _build(self) -> None:
        """Lay out the rows that all groups share, then each group, then the model."""
        problem, structure = self.problem, self.problem.structure
        self.entries = _Triplets()
        self.cost: list[Floats] = [problem.cost / self.scale]
        self.upper: list[Floats] = [np.where(self.allowed, problem.needed(), 0.0)]
        self.low: list[Floats] = []
        self.high: list[Floats] = []
        self.columns, self.rows = len(problem.columns), 0
        self.price = np.minimum(problem.price, problem.penalty[:, None])
        self.limited = bool(problem.limits.names) or bool((problem.availability < 1.0).any())
        regime = structure.regime[problem.period]
        count = int(self.cells.wide.max(initial=-1)) + 1
        self.wide = _Level(
            self.cells.wide,
            np.bincount(self.cells.wide, problem.weight, minlength=count),
            np.bincount(self.cells.wide, problem.count, minlength=count),
            _constant(self.cells.wide, regime, count),
        )
        self.source_row: dict[int, tuple[_Level, Ints]] = {}
        self.limit_row: dict[int, tuple[_Level, Ints]] = {}
        self.own_row: dict[int, Ints] = {}
        self._links()
        for source in self.levels.wide:
            self._source(int(source), self.wide)
        for limit in self.levels.wide_limits:
            self._limit(int(limit), self.wide)
        for number, group in enumerate(self.levels.groups):
            label = self.cells.group[number]
            count = len(self.cells.parent[number])
            level = _Level(
                label,
                np.bincount(label, problem.weight, minlength=count),
                np.bincount(label, problem.count, minlength=count),
                _constant(label, regime, count),
                self.cells.parent[number],
            )
            for source in group.sources:
                self._source(int(source), level)
            for limit in group.limits:
                self._limit(int(limit), level)
            means = _Means(problem, label, level.weight)
            for pool in group.pools:
                self._pool(int(pool), level, means)
        self.model = _model(
            self.cost, self.upper, self.low, self.high, self.entries, self.rows, self.columns
        )

    def _add_rows(self, low: Floats, high: Floats) -> Ints:
        self.low.append(low)
        self.high.append(high)
        self.rows += len(low)
        return np.arange(self.rows - len(low), self.rows)

    def _add_columns(self, cost: Floats, upper: Floats) -> Ints:
        self.cost.append(cost)
        self.upper.append(upper)
        self.columns += len(cost)
        return np.arange(self.columns - len(cost), self.columns)

    def _source(self, source: int, level: _Level) -> None:
        """draw[s,c]: Σ a·x − Σ g·Q ≤ H in every cell of its level."""
        problem = self.problem
        held = np.zeros(len(level.weight))
        if problem.held[source].any():
            hourly = problem.held[source][problem.period] * problem.weight
            held = np.bincount(level.label, hourly, minlength=len(held)) / level.weight
        row = self._add_rows(np.full(len(held), -np.inf), held)
        self.source_row[source] = level, row
        inside = problem.active[source][problem.structure.lead][level.regime]
        for column, ratio in problem.feeds[source]:
            where = row[inside]
            self.entries.add(where, np.full(len(where), column), np.full(len(where), -ratio))

    def _limit(self, limit: int, level: _Level) -> None:
        """limit[i,c]: Σ weight · units ≤ most in every cell of its level."""
        most = self.problem.limits.most[limit][self.problem.structure.lead][level.regime]
        row = self._add_rows(np.full(len(most), -np.inf), most)
        self.limit_row[limit] = level, row

    def _links(self) -> None:
        """Linking rows, each divided by its largest coefficient of a purchase or of a year."""
        problem, links = self.problem, self.problem.links
        self.link_size = np.ones(len(links.names))
        self.link_row = self._add_rows(
            np.full(len(links.names), -np.inf), np.zeros(len(links.names))
        )
        hours = float(problem.count.sum())
        for number in range(len(links.names)):
            hourly = (links.on_demand[number], links.spot[number], links.covered[number])
            size = max(
                float(np.abs(links.purchase[number]).max(initial=0.0)),
                *(float(np.abs(part).max(initial=0.0)) * hours * 0.01 for part in hourly),
            )
            self.link_size[number] = size or 1.0
            self.high[-1][number] = links.most[number] / self.link_size[number]
            some = np.flatnonzero(links.purchase[number])
            row = np.full(len(some), self.link_row[number])
            self.entries.add(row, some, links.purchase[number, some] / self.link_size[number])
            if np.isfinite(links.excess_price[number]):
                price = links.excess_price[number] * self.link_size[number] / self.scale
                index = self._add_columns(np.array([price]), np.array([np.inf]))
                self.entries.add(self.link_row[number : number + 1], index, np.array([-1.0]))

    def _linked(self, coefficients: Floats, cells: Ints, index: Ints, level: _Level) -> None:
        """Enter hourly variables into the linking rows: coefficient × hours of the cell."""
        window = self.problem.links.window[:, self.problem.structure.lead]
        for number in np.flatnonzero(coefficients):
            inside = window[number][level.regime[cells]]
            hours = level.hours[cells][inside]
            row = np.full(len(hours), self.link_row[number])
            value = coefficients[number] * hours / self.link_size[number]
            self.entries.add(row, index[inside], value)

    def _counted(
        self, pool: int, kinds: tuple[Counts, ...], cells: Ints, index: Ints, level: _Level
    ) -> None:
        """Enter hourly variables into the limits that count them."""
        limits = self.problem.limits
        for entry in np.flatnonzero(limits.entry_pool == pool):
            if limits.entry_counts[entry] in kinds:
                where, row = self.limit_row[int(limits.entry_limit[entry])]
                into, share = level.within(where, cells)
                self.entries.add(row[into], index, limits.entry_weight[entry] * share)

    def _pool(self, pool: int, level: _Level, means: _Means) -> None:
        """meet[p,c] and everything that serves a pool: sources, spot, market, own capacity."""
        problem, structure, links = self.problem, self.problem.structure, self.problem.links
        knots = self.knots.of(pool)
        wanted, soft, slopes = means.of(pool, knots)
        some = np.flatnonzero(wanted > 1e-12)
        lead = structure.lead[level.regime]
        meet = self._add_rows(wanted[some], np.full(len(some), np.inf))
        market: list[tuple[Ints, Ints]] = []  # (cells, columns) of what the market serves
        for pair in structure.pairs[pool]:
            source = int(problem.pair_source[pair])
            where, row = self.source_row[source]
            held = problem.held[source].any()
            keep = problem.active[source][lead[some]] | held
            cells = some[keep]
            index = self._add_columns(np.zeros(len(cells)), np.full(len(cells), np.inf))
            self.entries.add(meet[keep], index, np.ones(len(cells)))
            into, share = level.within(where, cells)
            self.entries.add(row[into], index, float(problem.pair_draw[pair]) * share)
            if links.names:
                self._linked(links.covered[:, pair], cells, index, level)
            if self.limited:
                secured = bool(problem.secures[source])
                kinds = (Counts.RUNNING,) if secured else (Counts.MARKET, Counts.RUNNING)
                self._counted(pool, kinds, cells, index, level)
                if not secured:
                    market.append((cells, index))
        tolerant = soft[some]
        if np.isfinite(problem.spot_price[pool]) and (tolerant > 0).any():
            keep = tolerant > 0
            cells = some[keep]
            index = self._add_columns(
                level.weight[cells] * problem.spot_price[pool] / self.scale, tolerant[keep]
            )
            self.entries.add(meet[keep], index, np.ones(len(index)))
            if links.names:
                self._linked(links.spot[:, pool], cells, index, level)
            if self.limited:
                self._counted(pool, (Counts.SPOT, Counts.RUNNING), cells, index, level)
        # Under limits usage may go unserved beside the market; else the cheaper of both is one.
        ways = [(self.price[pool], True)]
        if self.limited:
            unserved = np.full(problem.periods, problem.penalty[pool])
            ways = [(problem.price[pool], True), (unserved, False)]
        for price, served in ways:
            each = price[lead[some]]
            keep = np.isfinite(each)
            cells = some[keep]
            index = self._add_columns(
                level.weight[cells] * each[keep] / self.scale, np.full(len(cells), np.inf)
            )
            self.entries.add(meet[keep], index, np.ones(len(index)))
            if served and links.names:
                self._linked(links.on_demand[:, pool], cells, index, level)
            if served and self.limited:
                self._counted(pool, (Counts.MARKET, Counts.RUNNING), cells, index, level)
                market.append((cells, index))
        if (problem.availability[pool] < 1.0).any():
            share = problem.availability[pool][lead]
            row = np.full(len(level.weight), -1)
            capped = np.flatnonzero(share < 1.0)
            asked = means.demand(pool)[capped]
            row[capped] = self._add_rows(np.full(len(capped), -np.inf), share[capped] * asked)
            for cells, index in market:
                inside = row[cells] >= 0
                self.entries.add(row[cells][inside], index[inside], np.ones(int(inside.sum())))
        if len(structure.own_pairs[pool]):
            self._own(pool, level, some, meet, knots, slopes)

    def _own(
        self, pool: int, level: _Level, some: Ints, meet: Ints, knots: Floats, slopes: Floats
    ) -> None:
        """own[p,ρ]: Σ δ − Σ Q·g/a ≤ 0, and what each segment takes off the pool's cells."""
        problem, structure = self.problem, self.problem.structure
        ranks = np.flatnonzero(np.bincount(level.regime[some], minlength=structure.regimes))
        own = np.full(structure.regimes, -1)
        own[ranks] = self._add_rows(np.full(len(ranks), -np.inf), np.zeros(len(ranks)))
        self.own_row[pool] = own
        widths = np.diff(knots)
        for rank in ranks:
            index = self._add_columns(np.zeros(len(widths)), widths)
            self.entries.add(np.full(len(index), own[rank]), index, np.ones(len(index)))
            inside = np.flatnonzero(level.regime[some] == rank)
            slope = slopes[some[inside]]
            where = np.nonzero(slope > 1e-15)
            self.entries.add(meet[inside][where[0]], index[where[1]], slope[where])
        for pair in structure.own_pairs[pool]:
            source = int(problem.pair_source[pair])
            for column, ratio in problem.feeds[source]:
                inside = own[ranks[problem.active[source][structure.lead[ranks]]]]
                value = np.full(len(inside), -ratio / problem.pair_draw[pair])
                self.entries.add(inside, np.full(len(inside), column), value)

    def solve(self, seconds: float | None = None) -> Proposal:
        """Solve the linear program and read amounts and prices, within a time limit."""
        problem = self.problem
        count = len(problem.columns)
        if not self.rows:  # nothing is used that could be covered
            return Proposal(True, 0.0, np.zeros(count), zero_prices(problem), 0)
        solver = highspy.Highs()
        solver.setOptionValue("output_flag", False)
        solver.setOptionValue("threads", 1)
        solver.setOptionValue("random_seed", 0)
        if seconds is not None:
            solver.setOptionValue("time_limit", max(seconds, 0.1))
        solver.passModel(self.model)
        try:
            solver.run()
        except ValueError:
            # HiGHS 1.11 loses its bookkeeping in the presolve of some tiny programs.
            solver.setOptionValue("presolve", "off")
            solver.run()
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
        """Duals of cells as prices of hours."""
        problem, structure = self.problem, self.problem.structure
        prices = zero_prices(problem)
        for source, (level, rows) in self.source_row.items():
            prices.shared[structure.row[source]] = (dual[rows] / level.weight)[level.label]
        for limit, (level, rows) in self.limit_row.items():
            there = np.isfinite(problem.limits.most[limit])[problem.period]
            hourly = (dual[rows] / level.weight)[level.label]
            prices.limits[limit] = np.where(there, hourly, 0.0)
        for pool, rows in self.own_row.items():
            there = rows >= 0
            prices.rent[pool, there] = dual[rows[there]]
        prices.links[:] = np.minimum(
            dual[self.link_row] / self.link_size, problem.links.excess_price
        )
        return prices


@dataclass(frozen=True)
class _Level:
    """The cells of a level: label of each hour; weight, hours, regime and parent of each cell."""

    label: Ints
    weight: Floats
    hours: Floats
    regime: Ints
    parent: Ints | None = None

    def within(self, other: _Level, cells: Ints) -> tuple[Ints, Floats]:
        """Where these cells lie in another level's, and with what share of its hours."""
        if other is self or self.parent is None:
            return cells, np.ones(len(cells))
        into = self.parent[cells]
        return into, self.weight[cells] / other.weight[into]


def _constant(label: Ints, values: Ints, count: int) -> Ints:
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

    def narrow(self, pool: int, amount: float, spread: float) -> None:
        """Put the knots around an amount: within ± 4 spreads, a share of the most."""
        step = max(1.0, round(spread * float(self.most[pool]) / self.grid[pool]))
        steps = np.array([-4.0, -2.0, -1.0, 0.0, 1.0, 2.0, 4.0]) * step
        self._set(pool, amount + steps * self.grid[pool])

    def _set(self, pool: int, levels: Floats) -> None:
        grid = self.grid[pool]
        most = max(float(np.ceil(self.most[pool] / grid - 1e-9)), 1.0)
        inner = np.clip(np.round(levels / grid), 0.0, most)
        self.knots[pool] = np.unique(np.concatenate([[0.0], inner, [most]])) * grid


class _Means:
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
