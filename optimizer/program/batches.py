# SPDX-License-Identifier: Apache-2.0
"""The certificate of many futures, a batch of them at a time.

The program of all futures has the same pools, sources and columns as that of a few, and more
hours.  Its certificate adds up over hours but for a pool's own capacity, which is the same in
all hours with the same purchases in force, a *phase*; of those hours sums are kept by level of
usage.  So one batch's hours are in memory at a time.

The bound is concave in the prices of the hours.  Each batch is therefore priced several times,
and the mixture of these prices, phase by phase, that proves most is found afterwards by a
linear program; its word is not taken, only its shares are (``docs/program.md``, "Many futures").
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import highspy
import numpy as np

from optimizer.program.arrays import Box
from optimizer.program.certificate import ROUNDING, least_of_column, own_grid
from optimizer.program.prices import Prices, UnitCosts, usage_cost
from optimizer.program.problem import Floats, Ints, Problem
from optimizer.program.sparse import Sparse

# Levels of a pool's usage at which its own capacity is looked at.
LEVELS = 1024


@dataclass
class _Phase:
    """Sums over the hours of one phase, by price (I): all futures that were added.

    ``value`` is what the hours cost at least, ``worth`` (I, shared sources) what one more unit
    of each source is worth; ``slope`` and ``moment`` (I, own pools, levels) are Σ c and Σ c·z
    of the hinges c·(z − m)⁺ by level; ``must`` (own pools) has to be covered; ``size`` is of
    what was added up.
    """

    in_force: Floats
    rent: Floats
    value: Floats
    worth: Floats
    slope: Floats
    moment: Floats
    must: Floats
    size: Floats


@dataclass
class BatchedBound:
    """Accumulates the certificate of all futures.

    Attributes
    ----------
    layout
        A problem of some of the futures with the pools, sources and columns of all.
    cost
        (K,) dollars of each column, weighed by the odds of all futures.
    prices
        Prices of the layout: its rents and prices of linking rows are those of all futures.
    peak
        (P,) the most units of each pool in any hour of any future, or more.
    count
        I, how often each batch is priced.
    """

    layout: Problem
    cost: Floats
    prices: Prices
    peak: Floats
    count: int
    upper: Floats = field(init=False)
    pools: Ints = field(init=False)
    width: Floats = field(init=False)
    whole: list[bool] = field(init=False)
    phases: dict[bytes, _Phase] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        """Rents by phase: those of the layout's regimes, which prices may divide further."""
        layout, structure = self.layout, self.layout.structure
        self.upper = np.zeros(len(layout.columns))
        self.pools = np.array(
            [p for p, pairs in enumerate(structure.own_pairs) if len(pairs)], dtype=np.int64
        )
        grids = np.array([own_grid(layout, int(pool)) for pool in self.pools])
        peak = np.maximum(self.peak[self.pools], 1e-9)
        fits = (grids > 0) & (peak <= LEVELS * grids)
        self.whole = [bool(fit) for fit in fits]
        self.width = np.where(fits, grids, peak * (1 + 1e-9) / LEVELS)
        for regime, lead in enumerate(structure.lead):
            phase = self._phase(layout.in_force[:, lead])
            phase.rent += self.prices.rent[self.pools, regime]

    def _phase(self, in_force: np.ndarray) -> _Phase:
        key = np.ascontiguousarray(in_force).tobytes()
        if key not in self.phases:
            own, shared = len(self.pools), len(self.layout.structure.shared)
            self.phases[key] = _Phase(
                in_force=in_force.astype(np.float64),
                rent=np.zeros(own),
                value=np.zeros(self.count),
                worth=np.zeros((self.count, shared)),
                slope=np.zeros((self.count, own, LEVELS + 1)),
                moment=np.zeros((self.count, own, LEVELS + 1)),
                must=np.zeros(own),
                size=np.zeros(self.count),
            )
        return self.phases[key]

    def add(self, problem: Problem, shared: Sequence[Floats], share: float) -> None:
        """Add the futures of a batch, whose odds among themselves weigh its hours.

        Parameters
        ----------
        problem
            With the columns of all futures; those of no future of the batch in force nowhere.
        shared
            I prices (shared sources, N) of the hours, each ≥ 0 and finite.
        share
            The odds of the batch among all futures.

        Raises
        ------
        ValueError
            If the batch has other pools, sources or columns, or a price is no price.
        """
        layout = self.layout
        same = (
            problem.pools == layout.pools
            and problem.sources == layout.sources
            and np.array_equal(problem.pair_draw, layout.pair_draw)
            and np.array_equal(problem.member_source, layout.member_source)
            and np.array_equal(problem.member_column, layout.member_column)
            and np.array_equal(problem.structure.own, layout.structure.own)
        )
        if not same or len(shared) != self.count:
            msg = "a batch of futures whose program has other pools, sources or columns"
            raise ValueError(msg)
        if any(not np.isfinite(each).all() or (each < 0).any() for each in shared):
            msg = "prices of a certificate must be finite and not negative"
            raise ValueError(msg)
        self.upper = np.maximum(self.upper, problem.needed())
        columns, of_period = np.unique(problem.in_force, axis=1, return_inverse=True)
        phases = [self._phase(columns[:, number]) for number in range(columns.shape[1])]
        of_hour = np.asarray(of_period).reshape(-1)[problem.period]
        # What each phase's weighed hours are: an hour is of one phase.
        weight = problem.weight * share
        problem = replace(problem, weight=weight)
        levels = self._levels(problem, of_hour)
        for number, each in enumerate(shared):
            hourly, size = self._hours(problem, each, number, of_hour, phases, levels)
            paid = (each * problem.held[problem.structure.shared][:, problem.period]).sum(axis=0)
            value = np.bincount(of_hour, weight * (hourly - paid), minlength=len(phases))
            sizes = np.bincount(of_hour, weight * (size + paid), minlength=len(phases))
            worth = [np.bincount(of_hour, weight * row, minlength=len(phases)) for row in each]
            for at, phase in enumerate(phases):
                phase.value[number] += value[at]
                phase.size[number] += sizes[at]
                phase.worth[number] += np.array([row[at] for row in worth])

    def _levels(
        self, problem: Problem, of_hour: Ints
    ) -> list[tuple[Floats, Ints, Floats | None, Ints | None]]:
        """For each own pool z and its level by hour, of all usage and of what is not tolerant."""
        found: list[tuple[Floats, Ints, Floats | None, Ints | None]] = []
        for position, pool in enumerate(self.pools):
            held = np.zeros(problem.periods)
            for pair in problem.structure.own_pairs[pool]:
                held += problem.held[problem.pair_source[pair]] / problem.pair_draw[pair]
            z = problem.demand[pool] - held[problem.period]
            start = of_hour * (LEVELS + 1)
            above = start + self._level(z, position)
            firm = at = None
            if np.isfinite(problem.spot_price[pool]) and problem.tolerant[pool].any():
                firm = z - problem.tolerant[pool]
                at = start + self._level(firm, position)
            found.append((z, above, firm, at))
        return found

    def _level(self, z: Floats, position: int) -> Ints:
        """The first level at or above z: hinges count at all levels below it."""
        above = np.maximum(np.ceil(z / self.width[position] - 1e-9), 0.0).astype(np.int64)
        if above.max(initial=0) > LEVELS:
            msg = "usage above the peak that was stated"
            raise ValueError(msg)
        return np.asarray(above, dtype=np.int64)

    def _hours(
        self,
        problem: Problem,
        shared: Floats,
        number: int,
        of_hour: Ints,
        phases: Sequence[_Phase],
        levels: Sequence[tuple[Floats, Ints, Floats | None, Ints | None]],
    ) -> tuple[Floats, Floats]:
        """Add the own pools' hinges; (N,) what other pools' hours cost, and its magnitude."""
        owning = {int(pool): position for position, pool in enumerate(self.pools)}
        hourly, size = np.zeros(problem.hours), np.zeros(problem.hours)
        ways = _Ways(problem, shared)
        for pool in range(len(problem.pools)):
            market, secured = ways.of(pool)
            spot = problem.spot_price[pool]
            if pool in owning:
                position = owning[pool]
                self._hinges(
                    problem.weight,
                    np.minimum(market, secured),
                    spot,
                    levels[position],
                    (number, position),
                    of_hour,
                    phases,
                )
                continue
            one = np.array([pool])
            costs = UnitCosts(market[None], secured[None], np.full((1, problem.hours), spot))
            usage = usage_cost(problem, costs, one, problem.demand[one])[0]
            hourly += usage
            size += np.abs(usage)
        return hourly, size

    def _hinges(
        self,
        weight: Floats,
        unit: Floats,
        spot: float,
        levels: tuple[Floats, Ints, Floats | None, Ints | None],
        at: tuple[int, int],
        of_hour: Ints,
        phases: Sequence[_Phase],
    ) -> None:
        """Add c·(z − m)⁺ of one pool's hours: ŝ up to the tolerant units and π̂ beyond."""
        z, above, firm, firm_above = levels
        lists = [(z, above, unit)]
        if firm is not None and firm_above is not None:
            cheaper = np.minimum(spot, unit)
            with np.errstate(invalid="ignore"):
                beyond = np.where(spot < unit, unit - spot, 0.0)
            lists = [(z, above, cheaper), (firm, firm_above, beyond)]
        for level, index, price in lists:
            must = np.isinf(price)
            if must.any():
                for phase in np.unique(of_hour[must]):
                    most = float(level[must & (of_hour == phase)].max())
                    phases[phase].must[at[1]] = max(phases[phase].must[at[1]], most)
            c = weight * np.where(must, 0.0, price)
            count = len(phases) * (LEVELS + 1)
            slope = np.bincount(index, c, minlength=count).reshape(len(phases), -1)
            moment = np.bincount(index, c * level, minlength=count).reshape(len(phases), -1)
            for number, phase in enumerate(phases):
                phase.slope[at] += slope[number]
                phase.moment[at] += moment[number]

    def bound(self) -> float:
        """The bound over all futures that were added, in dollars."""
        phases = list(self.phases.values())
        values, magnitude = zip(*(self._phase_values(phase) for phase in phases), strict=True)
        value, size = np.array(values), np.array(magnitude)  # (phases, I)
        if np.isposinf(value).any():
            return np.inf
        base, earned = self._brackets(phases)
        shares = self._mixture(value, base, earned)
        bracket = base - np.einsum("gi,gik->k", shares, earned)
        links = self.layout.links
        box = Box(np.zeros(len(self.upper)), self.upper)
        bought = [
            least_of_column(self.layout, box, column, float(each))
            for column, each in enumerate(bracket)
        ]
        fixed = float(self.prices.links @ links.most) if links.names else 0.0
        total = float((shares * value).sum()) + float(np.sum(bought)) - fixed
        most = np.where(np.isfinite(self.upper), self.upper, 0.0)
        added = float((shares * size).sum()) + abs(fixed)
        added += float((2.0 * np.abs(self.cost) + np.abs(bracket)) @ most)
        return total - ROUNDING * added if np.isfinite(total) else total

    def _phase_values(self, phase: _Phase) -> tuple[Floats, Floats]:
        """(I,) what the phase's hours cost at least at each of the prices, and its magnitude."""
        value, size = phase.value.copy(), phase.size.copy()
        structure, layout = self.layout.structure, self.layout
        for position, pool in enumerate(self.pools):
            most = 0.0
            for pair in structure.own_pairs[pool]:
                mine = np.flatnonzero(layout.member_source == layout.pair_source[pair])
                able = layout.member_ratio[mine] / layout.pair_draw[pair] * phase.in_force[mine]
                most += float(able @ self.upper[layout.member_column[mine]])
            least = float(phase.must[position])
            if least > most * (1 + 1e-9) + 1e-9:
                return np.full(len(value), np.inf), size
            for number in range(self.count):
                cost = newsvendor(
                    phase.slope[number, position],
                    phase.moment[number, position],
                    float(phase.rent[position]),
                    float(self.width[position]),
                    least,
                    most,
                    whole=self.whole[position],
                )
                value[number] += cost
                size[number] += abs(cost)
        return value, size

    def _brackets(self, phases: Sequence[_Phase]) -> tuple[Floats, Floats]:
        """(K,) F + σp − Σ ρ, and (phases, I, K) what hours at each of the prices earn."""
        layout, structure = self.layout, self.layout.structure
        asked = self.prices.links @ layout.links.purchase if layout.links.names else 0.0
        base = np.asarray(self.cost + asked, dtype=np.float64).copy()
        position = {int(pool): at for at, pool in enumerate(self.pools)}
        draws = {
            int(layout.pair_source[j]): (int(layout.pair_pool[j]), float(layout.pair_draw[j]))
            for j in np.flatnonzero(structure.own[layout.pair_source])
        }
        earned = np.zeros((len(phases), self.count, len(base)))
        for number, phase in enumerate(phases):
            for m, source in enumerate(layout.member_source):
                if not phase.in_force[m]:
                    continue
                column, ratio = layout.member_column[m], layout.member_ratio[m]
                if structure.own[source]:
                    if int(source) in draws:
                        pool, draw = draws[int(source)]
                        base[column] -= ratio * phase.rent[position[pool]] / draw
                else:
                    earned[number, :, column] += ratio * phase.worth[:, structure.row[source]]
        return base, earned

    def _mixture(self, value: Floats, base: Floats, earned: Floats) -> Floats:
        """(phases, I) shares of the prices in each phase that prove most; each adds up to 1."""
        phases, count = value.shape
        if count == 1:
            return np.ones((phases, 1))
        money = max(float(np.abs(value).max(initial=0.0)), 1e-12)
        lp = Sparse()
        shares = lp.add_columns(-value.ravel() / money, np.full(value.size, np.inf), ("share",))
        one = lp.add_rows(np.ones(phases), np.ones(phases), ("one",))
        lp.add(np.repeat(one, count), shares, np.ones(value.size))
        some = np.flatnonzero((self.upper > 0) & np.isfinite(self.upper) & earned.any(axis=(0, 1)))
        if len(some):
            # What a column is short of: share of its bracket that is below zero.
            price = self.upper[some] / money
            scale = np.maximum(np.abs(base[some]), np.abs(earned[:, :, some]).max(axis=(0, 1)))
            short = lp.add_columns(price * scale, np.full(len(some), np.inf), ("short",))
            rows = lp.add_rows(-base[some] / scale, np.full(len(some), np.inf), ("bracket",))
            lp.add(rows, short, np.ones(len(some)))
            at, column = np.nonzero(earned[:, :, some].reshape(value.size, -1))
            worth = earned[:, :, some].reshape(value.size, -1)[at, column] / scale[column]
            lp.add(rows[column], shares[at], -worth)
        solver = highspy.Highs()
        solver.setOptionValue("output_flag", False)
        solver.setOptionValue("threads", 1)
        solver.passModel(lp.model())
        solver.run()
        found = np.zeros((phases, count))
        if solver.getModelStatus() == highspy.HighsModelStatus.kOptimal:
            found = np.clip(np.array(solver.getSolution().col_value)[: value.size], 0.0, None)
            found = found.reshape(phases, count)
        total = found.sum(axis=1, keepdims=True)
        first = np.zeros((phases, count))
        first[:, 0] = 1.0  # any shares prove a bound
        return np.where(total > 0, found / np.where(total > 0, total, 1.0), first)


class _Ways:
    """What a unit costs in each hour under shared sources at given prices (shared sources, N).

    Hourly limits are priced at nothing, and linking rows must not add up hours.
    """

    def __init__(self, problem: Problem, shared: Floats) -> None:
        links = problem.links
        if links.on_demand.any() or links.spot.any() or links.covered.any():
            msg = "rows that add up hours are not bounded over batches of futures"
            raise ValueError(msg)
        self.problem, self.cheapest = problem, dict[tuple[int, ...], Floats]()
        usable = ((problem.held > 0) | problem.active)[problem.structure.shared]
        self.shared = shared
        if not usable.all():
            self.shared = np.where(usable[:, problem.period], shared, np.inf)

    def of(self, pool: int) -> tuple[Floats, Floats]:
        """(N,) dollars of a unit that needs no capacity of its own, and of one that has it."""
        problem, structure = self.problem, self.problem.structure
        market = problem.price[pool][problem.period]
        secured = np.full(problem.hours, problem.penalty[pool])
        # Sources of one draw, terms of one plan for instance, are one: the cheapest counts.
        alike: dict[tuple[float, bool], list[int]] = {}
        for pair in structure.pairs[pool]:
            source = int(problem.pair_source[pair])
            kind = float(problem.pair_draw[pair]), bool(problem.secures[source])
            alike.setdefault(kind, []).append(int(structure.row[source]))
        for (draw, secures), rows in alike.items():
            key = tuple(rows)
            if key not in self.cheapest:
                self.cheapest[key] = self.shared[rows].min(axis=0)
            way = secured if secures else market
            np.minimum(way, draw * self.cheapest[key], out=way)
        return market, secured


def newsvendor(
    slope: Floats,
    moment: Floats,
    rent: float,
    width: float,
    least: float,
    most: float,
    *,
    whole: bool,
) -> float:
    """Return min over m in [least, most] of ρ·m + Σ c·(z − m)⁺, from below, by sums over levels.

    At a level the sums are exact; with ``whole`` only multiples of the width are amounts.
    Otherwise the tangents of both ends of an interval bound the convex function in between.
    """
    count = len(slope)
    slopes = np.append(np.cumsum(slope[::-1])[::-1], 0.0)[1:]
    moments = np.append(np.cumsum(moment[::-1])[::-1], 0.0)[1:]
    at = np.arange(count) * width
    cost = moments - slopes * at + rent * at
    if whole:
        first = int(np.ceil(least / width - 1e-9))
        last = count - 1 if np.isinf(most) else int(np.floor(most / width + 1e-9))
        if first <= last:
            if first >= count:
                return rent * first * width
            return float(cost[first : min(last, count - 1) + 1].min())
    first = min(int(np.floor(least / width + 1e-9)), count - 1)
    last = count - 1 if np.isinf(most) else min(int(np.ceil(most / width - 1e-9)), count - 1)
    low, high = cost[first:last], cost[first + 1 : last + 1]
    down, up = rent - slopes[first:last], rent - slopes[first + 1 : last + 1]
    turn = (down < 0) & (up > 0)
    inside = np.where(turn, up - down, 1.0)
    step = np.clip((low - high + up * width) / inside, 0.0, width)
    between = np.where(turn, np.minimum(low, high), np.inf)
    between = np.where(turn, np.minimum(between, low + down * step), np.inf)
    return float(min(cost[first : last + 1].min(), between.min(initial=np.inf)))
