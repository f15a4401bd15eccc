# SPDX-License-Identifier: Apache-2.0
"""The hour oracle: coverage of every hour for fixed amounts, and the prices that prove it.

Once the amounts are fixed the hours are separate, and each is a transportation problem whose
sources nest.  All hours are served at once: source after source, narrow ones first, each
takes the units that are worth most *to it*: what a unit would cost otherwise, on demand, on
spot or under a wider source at its price in that hour, divided by what it draws.  The
coverage is feasible, so its cost bounds free choice from above; the worth of the last unit
that a source reaches is its price, and any prices bound it from below.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from optimizer.program.problem import Floats, Ints, Problem

# Hours are served in this many classes of the widest source's price: within one, one order.
CLASSES = 10
# And in so many of each regime, where futures make many of them.
FEWER_CLASSES = 4


@dataclass(frozen=True)
class Hours:
    """Every hour's coverage for fixed amounts.

    Attributes
    ----------
    cost
        (N,) dollars of an hour's usage; ``inf`` where it cannot be served.
    prices
        (shared sources, N) worth of one more unit of each shared source.
    load
        (shared sources, N) what was there to be covered when the source's turn came, in its
        measure.
    marginal
        (shared sources, N) the pool of that best unit; −1 where all is reached.
    spot
        (P, N) units that run on spot, or nothing where it was not asked for.
    """

    cost: Floats
    prices: Floats
    load: Floats
    marginal: NDArray[np.int32]
    spot: Floats | None = None


class HourOracle:
    """Serves the hours of one problem."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        shared = problem.structure.shared
        pairs: list[list[int]] = [[] for _ in range(len(problem.sources))]
        for pair, source in enumerate(problem.pair_source):
            pairs[source].append(pair)
        reach = {int(s): len(pairs[s]) for s in shared}
        # Siblings of one reach: the one with the smaller draws first, it goes furthest.
        self.chain = sorted(
            (int(s) for s in shared if pairs[s]),
            key=lambda s: (reach[s], -float(problem.pair_draw[pairs[s]].sum()), s),
        )
        self.pairs = pairs
        self.place = {int(source): row for row, source in enumerate(shared)}
        # For every pool the sources in the order of the chain, with their draws.
        self.after: dict[int, dict[int, float]] = {}
        for source in self.chain:
            for pair in pairs[source]:
                pool = int(problem.pair_pool[pair])
                self.after.setdefault(pool, {})[source] = float(problem.pair_draw[pair])
        self.price = np.minimum(problem.price, problem.penalty[:, None])
        if (self.price == self.price[:, :1]).all():
            self.price = np.repeat(self.price[:, :1], problem.periods, axis=1)
        # (shared sources, R) what has anything to give, or may have.
        self.usable = ((problem.held > 0) | problem.active)[shared]
        self.sorted: _Sorted | None = None
        self.rank = {source: position for position, source in enumerate(self.chain)}
        self.every = np.arange(len(problem.pools))
        self.tolerant = np.flatnonzero(
            (problem.tolerant > 0).any(axis=1) & np.isfinite(problem.spot_price)
        )

    def run(
        self, quantity: Floats, guess: Floats, *, priced: bool = True, with_spot: bool = False
    ) -> Hours:
        """Serve all hours with these amounts, wider sources being worth ``guess`` at first.

        Parameters
        ----------
        quantity
            (K,) amounts of the columns.
        guess
            (shared sources, N) prices, of cells for instance.
        priced
            Whether prices are wanted beside the cost; without, they are the guess.
        with_spot
            Whether what runs on spot is wanted, too.
        """
        problem = self.problem
        capacity = problem.capacity(quantity)
        hours = self.sorted
        if hours is None or hours.guess is not guess:
            self.sorted = hours = self._sort(guess)
        period, bounds = hours.period, hours.bounds
        units = self._residual(capacity, hours)
        soft: dict[int, Floats] = {}
        for pool in self.tolerant:
            soft[int(pool)] = np.minimum(problem.tolerant[pool][hours.order], units[pool])
            units[pool] -= soft[int(pool)]
        load = np.zeros((len(self.place), problem.hours))
        beyond: dict[tuple[int, bool], NDArray[np.bool_]] = {}
        for source in self.chain:
            row = self.place[source]
            left = capacity[source][period]
            idle = not left.any()
            items = self._items(source, soft)
            if idle and not priced:
                continue
            if idle:
                # Nothing to give: what it could cover is all beyond it.
                for item in items:
                    rest = soft[item.pool] if item.soft else units[item.pool]
                    load[row] += item.draw * rest
                    beyond[item.pair, item.soft] = rest > 1e-12
                continue
            for item in items if priced else ():
                beyond[item.pair, item.soft] = np.zeros(problem.hours, dtype=bool)
            for number in range(len(bounds) - 1):
                cut = slice(bounds[number], bounds[number + 1])
                worth = hours.worth[number]
                have, seen = left[cut], load[row, cut]
                for item in self._ranked(items, self.price[:, hours.lead[number]], worth):
                    rest = (soft[item.pool] if item.soft else units[item.pool])[cut]
                    take = rest * item.draw
                    seen += take
                    np.minimum(take, have, out=take)
                    have -= take
                    take /= item.draw
                    rest -= take
                    if priced:
                        np.greater(rest, 1e-12, out=beyond[item.pair, item.soft][cut])
        cost = np.zeros(problem.hours)
        for pool in self.every:
            cost += _priced(units[pool], self.price[pool], period)
            if int(pool) in soft:
                each = np.minimum(self.price[pool], problem.spot_price[pool])
                cost += _priced(soft[int(pool)], each, period)
        back = np.empty(problem.hours, dtype=np.int64)
        back[hours.order] = np.arange(problem.hours)
        spot = self._on_spot(soft, period)[:, back] if with_spot else None
        if not priced:
            return Hours(cost[back], guess, load, np.zeros((0, 0), dtype=np.int32), spot)
        found, marginal = self._prices(period, beyond)
        return Hours(cost[back], found[:, back], load[:, back], marginal[:, back], spot)

    def _on_spot(self, soft: dict[int, Floats], period: Ints) -> Floats:
        """What sources leave of tolerant usage, where spot is the cheaper way."""
        spot = np.zeros_like(self.problem.demand)
        for pool, units in soft.items():
            cheaper = self.problem.spot_price[pool] < self.price[pool][period]
            spot[pool] = np.where(cheaper, units, 0.0)
        return spot

    def spot(self, quantity: Floats, guess: Floats) -> Floats:
        """(P, N) units that run on spot in the coverage of :meth:`run`."""
        found = self.run(quantity, guess, priced=False, with_spot=True).spot
        assert found is not None
        return found

    def _residual(self, capacity: Floats, hours: _Sorted) -> Floats:
        """Units that the pools' own sources leave, hours in the order of their classes."""
        problem = self.problem
        units = hours.demand.copy()
        for pool, pairs in enumerate(problem.structure.own_pairs):
            if len(pairs):
                able = (
                    capacity[problem.pair_source[pairs]] / problem.pair_draw[pairs][:, None]
                ).sum(axis=0)
                if able.any():
                    units[pool] -= able[0] if len(able) == 1 else able[hours.period]
                    np.maximum(units[pool], 0.0, out=units[pool])
        return units

    def _prices(
        self, period: Ints, beyond: dict[tuple[int, bool], NDArray[np.bool_]]
    ) -> tuple[Floats, NDArray[np.int32]]:
        """From wide to narrow: the worth of the best unit that a source does not reach."""
        problem = self.problem
        found = np.zeros((len(self.place), problem.hours))
        marginal = np.full(found.shape, -1, dtype=np.int32)
        unit: dict[int, Floats] = {}
        for source in reversed(self.chain):
            row, best = found[self.place[source]], marginal[self.place[source]]
            for pair in self.pairs[source]:
                pool, draw = int(problem.pair_pool[pair]), problem.pair_draw[pair]
                if pool not in unit:
                    unit[pool] = self.price[pool][period]
                for soft in (False, True) if (pair, True) in beyond else (False,):
                    worth = unit[pool] / draw
                    if soft:
                        np.minimum(worth, problem.spot_price[pool] / draw, out=worth)
                    better = beyond[pair, soft] & (worth > row)
                    np.copyto(row, worth, where=better)
                    best[better] = pool
            for pair in self.pairs[source]:
                pool, draw = int(problem.pair_pool[pair]), problem.pair_draw[pair]
                np.minimum(unit[pool], draw * row, out=unit[pool])
        return found, marginal

    def _sort(self, guess: Floats) -> _Sorted:
        """Put hours into classes: the prices in force, and the widest source's worth."""
        problem = self.problem
        classes, told = CLASSES, self.price
        if len(problem.member_active):
            # What is in force in some futures only is no way around the rest in the others.
            told, classes = np.vstack([self.price, self.usable]), FEWER_CLASSES
        _, first, regime = np.unique(told, axis=1, return_index=True, return_inverse=True)
        label = regime.reshape(-1)[problem.period] * (classes + 1)
        if self.chain:
            signal = guess[self.place[self.chain[-1]]]
            used = signal[(signal > 0) & np.isfinite(signal)]
            if len(used):
                edges = np.unique(np.quantile(used, np.linspace(0, 1, classes + 1)[1:-1]))
                label = label + np.where(
                    signal > 0, 1 + np.searchsorted(edges, signal, side="left"), 0
                )
        order = np.argsort(label, kind="stable")
        values, starts, counts = np.unique(label[order], return_index=True, return_counts=True)
        sums = np.add.reduceat(guess[:, order], starts, axis=1) if len(guess) else guess[:, :0]
        lead = [int(first[value // (classes + 1)]) for value in values]
        worth = sums / counts if len(guess) else guess[:, :0]
        if len(problem.member_active) and len(guess):
            worth = np.where(self.usable[:, lead], worth, np.inf)
        return _Sorted(
            guess=guess,
            order=order,
            bounds=np.append(starts, problem.hours),
            lead=lead,
            worth=list(worth.T) if len(guess) else [np.zeros(0)] * len(values),
            period=problem.period[order],
            demand=problem.demand[:, order],
        )

    def _items(self, source: int, soft: dict[int, Floats]) -> list[_Item]:
        """What a source may cover: the firm and the tolerant part of each of its pools."""
        problem = self.problem
        items = []
        for pair in self.pairs[source]:
            pool, draw = int(problem.pair_pool[pair]), float(problem.pair_draw[pair])
            rank = self.rank[source]
            wider = tuple(
                (self.place[other], other_draw)
                for other, other_draw in self.after[pool].items()
                if self.rank[other] > rank
            )
            items.append(_Item(pair, pool, draw, False, np.inf, wider))
            if pool in soft:
                items.append(_Item(pair, pool, draw, True, float(problem.spot_price[pool]), wider))
        return items

    @staticmethod
    def _ranked(items: list[_Item], price: Floats, worth: Floats) -> list[_Item]:
        """Items by what a unit of the source is worth on them in a class of hours."""
        return sorted(
            items,
            key=lambda item: (
                -min(
                    float(price[item.pool]),
                    item.spot,
                    *(draw * float(worth[row]) for row, draw in item.wider),
                )
                / item.draw
            ),
        )


@dataclass(frozen=True)
class _Sorted:
    """Hours by class for one guess: order, slices, and a period and mean worths of each."""

    guess: Floats
    order: Ints
    bounds: Ints
    lead: list[int]
    worth: list[Floats]
    period: Ints
    demand: Floats


@dataclass(frozen=True)
class _Item:
    """Firm or tolerant units of a pool before a source; ``wider`` are (row, draw) behind it."""

    pair: int
    pool: int
    draw: float
    soft: bool
    spot: float
    wider: tuple[tuple[int, float], ...]


def _priced(units: Floats, price: Floats, period: Ints) -> Floats:
    """Dollars of a pool's hours; a price of ``inf`` counts only where something is left."""
    if len(price) == 1 and np.isfinite(price[0]):
        return np.asarray(units * price[0])
    cost = np.zeros_like(units)
    np.multiply(units, price[period], out=cost, where=units > 1e-12)
    return cost
