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

import numpy as np

from optimizer.program.cellmeans import Knots, Level, Means, constant, sums
from optimizer.program.cells import Cells
from optimizer.program.levels import Levels
from optimizer.program.problem import Counts, Flags, Floats, Ints, Problem
from optimizer.program.sparse import Sparse


@dataclass(frozen=True)
class _Place:
    """A pool in its group's cells: the cells with usage and their rows of coverage.meet."""

    pool: int
    level: Level
    some: Ints
    meet: Ints


# Cells, and the columns of what is served in them.
Served = tuple[Ints, Ints]


class CellProgram:
    """The rows and columns of one program over cells.

    Attributes
    ----------
    source_row, limit_row
        Of each shared source, and hourly limit, the cells that it has rows over, and the rows.
    meet_row
        Of each pool its cells, those with usage among them, and their rows.
    own_row
        Of each pool with own sources the row of each regime; −1 where it has none.
    link_row, link_size
        Rows of the linking rows, and what each of them is divided by.
    """

    def __init__(
        self,
        problem: Problem,
        levels: Levels,
        cells: Cells,
        knots: Knots,
        *,
        allowed: Flags | None = None,
        idle: Flags | None = None,
    ) -> None:
        self.problem, self.levels, self.cells, self.knots = problem, levels, cells, knots
        self.allowed = np.ones(len(problem.columns), dtype=bool) if allowed is None else allowed
        # Shared sources that are left out (optimizer/program/idle.py).
        self.idle = np.zeros(len(problem.sources), dtype=bool) if idle is None else idle
        self.scale = float(problem.weight.sum()) or 1.0
        self._build()

    def _build(self) -> None:
        """Lay out the rows that all groups share, then each group, then the model."""
        problem, structure = self.problem, self.problem.structure
        # Amounts that come in steps are counted in steps.
        self.unit = np.where(problem.integer, problem.step, 1.0)
        self.lp = Sparse()
        self.lp.add_columns(
            problem.cost * self.unit / self.scale,
            np.where(self.allowed, problem.needed(), 0.0) / self.unit,
            ("buy",),
        )
        self.price = np.minimum(problem.price, problem.penalty[:, None])
        self.limited = bool(problem.limits.names) or bool((problem.availability < 1.0).any())
        regime = structure.regime[problem.period]
        count = int(self.cells.wide.max(initial=-1)) + 1
        self.wide = Level(
            self.cells.wide,
            sums(self.cells.wide, problem.weight, count),
            sums(self.cells.wide, problem.count, count),
            constant(self.cells.wide, regime, count),
        )
        self.source_row: dict[int, tuple[Level, Ints]] = {}
        self.limit_row: dict[int, tuple[Level, Ints]] = {}
        self.own_row: dict[int, Ints] = {}
        self.meet_row: dict[int, tuple[Level, Ints, Ints]] = {}
        self._links()
        for source in self.levels.wide[~self.idle[self.levels.wide]]:
            self._source(int(source), self.wide)
        for limit in self.levels.wide_limits:
            self._limit(int(limit), self.wide)
        for number, group in enumerate(self.levels.groups):
            label = self.cells.group[number]
            count = len(self.cells.parent[number])
            level = Level(
                label,
                sums(label, problem.weight, count),
                sums(label, problem.count, count),
                constant(label, regime, count),
                self.cells.parent[number],
            )
            for source in group.sources[~self.idle[group.sources]]:
                self._source(int(source), level)
            for limit in group.limits:
                self._limit(int(limit), level)
            means = Means(problem, label, level.weight)
            for pool in group.pools:
                self._pool(int(pool), level, means)
        self.model = self.lp.model()
        self.rows = self.lp.rows

    def _source(self, source: int, level: Level) -> None:
        """draw[s,c]: Σ a·x − Σ g·Q ≤ H in every cell of its level."""
        problem = self.problem
        held = np.zeros(len(level.weight))
        if problem.held[source].any():
            hourly = problem.held[source][problem.period] * problem.weight
            held = np.bincount(level.label, hourly, minlength=len(held)) / level.weight
        row = self.lp.add_rows(np.full(len(held), -np.inf), held, ("draw", source))
        self.source_row[source] = level, row
        for column, ratio, active in problem.feeds[source]:
            where = row[active[problem.structure.lead][level.regime]]
            self.lp.add(
                where, np.full(len(where), column), np.full(len(where), -ratio * self.unit[column])
            )

    def _limit(self, limit: int, level: Level) -> None:
        """limit[i,c]: Σ weight · units ≤ most in every cell of its level."""
        most = self.problem.limits.most[limit][self.problem.structure.lead][level.regime]
        row = self.lp.add_rows(np.full(len(most), -np.inf), most, ("limit", limit))
        self.limit_row[limit] = level, row

    def _links(self) -> None:
        """Linking rows, each divided by its largest coefficient of a purchase or of a year."""
        problem, links = self.problem, self.problem.links
        self.link_size = np.ones(len(links.names))
        most = np.zeros(len(links.names))  # filled below; the program keeps this array
        self.link_row = self.lp.add_rows(np.full(len(most), -np.inf), most, ("link",))
        hours = float(problem.count.sum())
        for number in range(len(links.names)):
            hourly = (links.on_demand[number], links.spot[number], links.covered[number])
            size = max(
                float(np.abs(links.purchase[number]).max(initial=0.0)),
                *(float(np.abs(part).max(initial=0.0)) * hours * 0.01 for part in hourly),
            )
            self.link_size[number] = size or 1.0
            most[number] = links.most[number] / self.link_size[number]
            some = np.flatnonzero(links.purchase[number])
            row = np.full(len(some), self.link_row[number])
            self.lp.add(
                row, some, links.purchase[number, some] * self.unit[some] / self.link_size[number]
            )
            if np.isfinite(links.excess_price[number]):
                price = links.excess_price[number] * self.link_size[number] / self.scale
                excess = ("excess", number)
                index = self.lp.add_columns(np.array([price]), np.array([np.inf]), excess)
                self.lp.add(self.link_row[number : number + 1], index, np.array([-1.0]))

    def _linked(self, coefficients: Floats, cells: Ints, index: Ints, level: Level) -> None:
        """Enter hourly variables into the linking rows: coefficient × hours of the cell."""
        window = self.problem.links.window[:, self.problem.structure.lead]
        for number in np.flatnonzero(coefficients):
            inside = window[number][level.regime[cells]]
            hours = level.hours[cells][inside]
            row = np.full(len(hours), self.link_row[number])
            value = coefficients[number] * hours / self.link_size[number]
            self.lp.add(row, index[inside], value)

    def _counted(
        self, pool: int, kinds: tuple[Counts, ...], cells: Ints, index: Ints, level: Level
    ) -> None:
        """Enter hourly variables into the limits that count them."""
        limits = self.problem.limits
        for entry in np.flatnonzero(limits.entry_pool == pool):
            if limits.entry_counts[entry] in kinds:
                where, row = self.limit_row[int(limits.entry_limit[entry])]
                into, share = level.within(where, cells)
                self.lp.add(row[into], index, limits.entry_weight[entry] * share)

    def _pool(self, pool: int, level: Level, means: Means) -> None:
        """meet[p,c] and everything that serves a pool: sources, spot, market, own capacity."""
        knots = self.knots.of(pool)
        wanted, soft, slopes = means.of(pool, knots)
        some = np.flatnonzero(wanted > 1e-12)
        meet = self.lp.add_rows(wanted[some], np.full(len(some), np.inf), ("meet", pool), some)
        self.meet_row[pool] = level, some, meet
        place = _Place(pool, level, some, meet)
        market = [*self._covered(place), *self._bought_as_used(place, soft[some])]
        if (self.problem.availability[pool] < 1.0).any():
            self._availability(place, means, market)
        if len(self.problem.structure.own_pairs[pool]):
            self._own(place, knots, slopes)

    def _covered(self, place: _Place) -> list[Served]:
        """x: units under shared sources; returns those that the market serves."""
        problem, structure, links = self.problem, self.problem.structure, self.problem.links
        pool, level, some = place.pool, place.level, place.some
        lead = structure.lead[level.regime]
        market: list[Served] = []
        for pair in structure.pairs[pool]:
            source = int(problem.pair_source[pair])
            if self.idle[source]:
                continue
            where, row = self.source_row[source]
            keep = problem.active[source][lead[some]] | problem.held[source].any()
            cells = some[keep]
            index = self.lp.add_columns(
                np.zeros(len(cells)), np.full(len(cells), np.inf), ("cover", int(pair)), cells
            )
            self.lp.add(place.meet[keep], index, np.ones(len(cells)))
            into, share = level.within(where, cells)
            self.lp.add(row[into], index, float(problem.pair_draw[pair]) * share)
            if links.names:
                self._linked(links.covered[:, pair], cells, index, level)
            if self.limited:
                secured = bool(problem.secures[source])
                kinds = (Counts.RUNNING,) if secured else (Counts.MARKET, Counts.RUNNING)
                self._counted(pool, kinds, cells, index, level)
                if not secured:
                    market.append((cells, index))
        return market

    def _bought_as_used(self, place: _Place, tolerant: Floats) -> list[Served]:
        """r, u and, under limits, v: spot, on demand, unserved; returns what the market serves."""
        problem, links = self.problem, self.problem.links
        pool, level, some = place.pool, place.level, place.some
        lead = problem.structure.lead[level.regime]
        if np.isfinite(problem.spot_price[pool]) and (tolerant > 0).any():
            keep = tolerant > 0
            cells = some[keep]
            index = self.lp.add_columns(
                level.weight[cells] * problem.spot_price[pool] / self.scale,
                tolerant[keep],
                ("spot", pool),
                cells,
            )
            self.lp.add(place.meet[keep], index, np.ones(len(index)))
            if links.names:
                self._linked(links.spot[:, pool], cells, index, level)
            if self.limited:
                self._counted(pool, (Counts.SPOT, Counts.RUNNING), cells, index, level)
        # Under limits usage may go unserved beside the market; else the cheaper of both is one.
        ways = [(self.price[pool], True)]
        if self.limited:
            unserved = np.full(problem.periods, problem.penalty[pool])
            ways = [(problem.price[pool], True), (unserved, False)]
        market: list[Served] = []
        for price, served in ways:
            each = price[lead[some]]
            keep = np.isfinite(each)
            cells = some[keep]
            index = self.lp.add_columns(
                level.weight[cells] * each[keep] / self.scale,
                np.full(len(cells), np.inf),
                ("on demand" if served else "unserved", pool),
                cells,
            )
            self.lp.add(place.meet[keep], index, np.ones(len(index)))
            if served and links.names:
                self._linked(links.on_demand[:, pool], cells, index, level)
            if served and self.limited:
                self._counted(pool, (Counts.MARKET, Counts.RUNNING), cells, index, level)
                market.append((cells, index))
        return market

    def _availability(self, place: _Place, means: Means, market: list[Served]) -> None:
        """availability[p,c]: what the market serves ≤ its share of the demand."""
        share = self.problem.availability[place.pool][
            self.problem.structure.lead[place.level.regime]
        ]
        capped = np.flatnonzero(share < 1.0)
        most = share[capped] * means.demand(place.pool)[capped]
        row = np.full(len(share), -1)
        row[capped] = self.lp.add_rows(
            np.full(len(capped), -np.inf), most, ("availability", place.pool), capped
        )
        for cells, index in market:
            inside = row[cells] >= 0
            self.lp.add(row[cells][inside], index[inside], np.ones(int(inside.sum())))

    def _own(self, place: _Place, knots: Floats, slopes: Floats) -> None:
        """own[p,ρ]: Σ δ − Σ Q·g/a ≤ 0, and what each segment takes off the pool's cells."""
        problem, structure = self.problem, self.problem.structure
        pool, level, some, meet = place.pool, place.level, place.some, place.meet
        ranks = np.flatnonzero(np.bincount(level.regime[some], minlength=structure.regimes))
        own = np.full(structure.regimes, -1)
        own[ranks] = self.lp.add_rows(
            np.full(len(ranks), -np.inf), np.zeros(len(ranks)), ("own", pool), ranks
        )
        self.own_row[pool] = own
        widths = np.diff(knots)
        for rank in ranks:
            segments = ("segment", pool, int(rank))
            index = self.lp.add_columns(np.zeros(len(widths)), widths, segments)
            self.lp.add(np.full(len(index), own[rank]), index, np.ones(len(index)))
            inside = np.flatnonzero(level.regime[some] == rank)
            slope = slopes[some[inside]]
            where = np.nonzero(slope > 1e-15)
            self.lp.add(meet[inside][where[0]], index[where[1]], slope[where])
        for pair in structure.own_pairs[pool]:
            source = int(problem.pair_source[pair])
            for column, ratio, active in problem.feeds[source]:
                inside = own[ranks[active[structure.lead[ranks]]]]
                each = -ratio * self.unit[column] / problem.pair_draw[pair]
                value = np.full(len(inside), each)
                self.lp.add(inside, np.full(len(inside), column), value)
