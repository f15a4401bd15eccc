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

from optimizer.program.certificate import residual
from optimizer.program.levels import Levels
from optimizer.program.problem import Floats, Ints, Problem

# Hours are served in this many classes of the widest source's price: within one, one order.
CLASSES = 10


@dataclass(frozen=True)
class Hours:
    """Every hour's coverage for fixed amounts.

    Attributes
    ----------
    cost
        (N,) dollars of an hour's usage; ``inf`` where it cannot be served.
    prices
        (shared sources, N) worth of one more unit of each shared source.
    load, used
        (shared sources, N) what was there to be covered when the source's turn came, in its
        measure, and how much of it the source covered.
    wide_use
        (groups, N) dollars of the wide sources that each group uses, at the guessed prices;
        empty unless groups are asked for.
    pool_cost
        (P, N) dollars of what is left.
    """

    cost: Floats
    prices: Floats
    load: Floats
    used: Floats
    pool_cost: Floats
    wide_use: Floats


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
        self.rank = {source: position for position, source in enumerate(self.chain)}
        self.every = np.arange(len(problem.pools))
        self.tolerant = np.flatnonzero(
            (problem.tolerant > 0).any(axis=1) & np.isfinite(problem.spot_price)
        )

    def run(self, quantity: Floats, guess: Floats, levels: Levels | None = None) -> Hours:
        """Serve all hours with these amounts, wider sources being worth ``guess`` at first.

        Parameters
        ----------
        quantity
            (K,) amounts of the columns.
        guess
            (shared sources, N) prices, of cells for instance.
        levels
            Ask what each group uses of the wide sources.
        """
        problem = self.problem
        capacity = problem.capacity(quantity)
        order, bounds, regime = self._classes(guess)
        period = problem.period[order]
        units = residual(problem, capacity, self.every)[:, order]
        soft = np.zeros_like(units)
        if len(self.tolerant):
            soft[self.tolerant] = np.minimum(
                problem.tolerant[self.tolerant][:, order], units[self.tolerant]
            )
            units -= soft
        price = np.minimum(problem.price, problem.penalty[:, None])
        worth = guess[:, order]
        load, used = np.zeros_like(worth), np.zeros_like(worth)
        wide = frozenset() if levels is None else frozenset(int(s) for s in levels.wide)
        wide_use = np.zeros((0 if levels is None else len(levels.groups), problem.hours))
        beyond: dict[tuple[int, bool], NDArray[np.bool_]] = {}
        for source in self.chain:
            row = self.place[source]
            left = capacity[source][period]
            items = self._items(source, soft)
            for item in items:
                beyond[item.pair, item.soft] = np.zeros(problem.hours, dtype=bool)
            for number in range(len(bounds) - 1):
                cut = slice(bounds[number], bounds[number + 1])
                ranked = self._ranked(source, items, price[:, regime[number]], worth[:, cut])
                for item in ranked:
                    rest = (soft if item.soft else units)[item.pool, cut]
                    load[row, cut] += item.draw * rest
                    take = np.minimum(rest, left[cut] / item.draw)
                    rest -= take
                    left[cut] -= take * item.draw
                    np.maximum(left[cut], 0.0, out=left[cut])
                    if levels is not None and source in wide:
                        group = levels.group_of[item.pool]
                        wide_use[group, cut] += take * (item.draw * worth[row, cut])
                    np.greater(rest, 1e-12, out=beyond[item.pair, item.soft][cut])
            used[row] = capacity[source][period] - left
        firm = price[:, period]
        cost = _priced(units, firm)
        if len(self.tolerant):
            spot = np.minimum(firm[self.tolerant], problem.spot_price[self.tolerant, None])
            cost[self.tolerant] += _priced(soft[self.tolerant], spot)
        found = self._prices(firm, beyond)
        back = np.empty(problem.hours, dtype=np.int64)
        back[order] = np.arange(problem.hours)
        return Hours(
            cost=cost.sum(axis=0)[back],
            prices=found[:, back],
            load=load[:, back],
            used=used[:, back],
            pool_cost=cost[:, back],
            wide_use=wide_use[:, back],
        )

    def _prices(self, unit: Floats, beyond: dict[tuple[int, bool], NDArray[np.bool_]]) -> Floats:
        """From wide to narrow: the worth of the best unit that a source does not reach.

        ``unit`` holds what a unit of each pool costs without the sources not yet priced; it
        is lowered on the way.
        """
        problem = self.problem
        found = np.zeros((len(self.place), problem.hours))
        for source in reversed(self.chain):
            row = found[self.place[source]]
            for pair in self.pairs[source]:
                pool, draw = problem.pair_pool[pair], problem.pair_draw[pair]
                there = beyond[pair, False]
                np.maximum(row, unit[pool] / draw, out=row, where=there)
                if (pair, True) in beyond:
                    spot = np.minimum(unit[pool], problem.spot_price[pool])
                    np.maximum(row, spot / draw, out=row, where=beyond[pair, True])
            for pair in self.pairs[source]:
                pool, draw = problem.pair_pool[pair], problem.pair_draw[pair]
                np.minimum(unit[pool], draw * row, out=unit[pool])
        return found

    def _classes(self, guess: Floats) -> tuple[Ints, Ints, list[int]]:
        """Hours ordered by regime of prices and class of the widest source's price.

        Returns
        -------
        The order, the bounds of its slices, and a period that stands for each slice.
        """
        problem = self.problem
        _, first, regime = np.unique(
            problem.price, axis=1, return_index=True, return_inverse=True
        )
        regime = regime.reshape(-1)[problem.period]
        label = regime * (CLASSES + 1)
        if self.chain:
            signal = guess[self.place[self.chain[-1]]]
            used = signal[signal > 0]
            if len(used):
                edges = np.unique(np.quantile(used, np.linspace(0, 1, CLASSES + 1)[1:-1]))
                label = label + np.where(
                    signal > 0, 1 + np.searchsorted(edges, signal, side="left"), 0
                )
        order = np.argsort(label, kind="stable")
        sorted_labels = label[order]
        values, starts = np.unique(sorted_labels, return_index=True)
        bounds = np.append(starts, problem.hours)
        periods = [int(first[value // (CLASSES + 1)]) for value in values]
        return order, bounds, periods

    def _items(self, source: int, soft: Floats) -> list[_Item]:
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
            if soft[pool].any():
                items.append(
                    _Item(pair, pool, draw, True, float(problem.spot_price[pool]), wider)
                )
        return items

    @staticmethod
    def _ranked(source: int, items: list[_Item], price: Floats, worth: Floats) -> list[_Item]:
        """Items by what a unit of the source is worth on them in a class of hours."""
        mean = worth.mean(axis=1)
        return sorted(
            items,
            key=lambda item: -min(
                float(price[item.pool]),
                item.spot,
                *(draw * float(mean[row]) for row, draw in item.wider),
            )
            / item.draw,
        )


@dataclass(frozen=True)
class _Item:
    """Firm or tolerant units of a pool before a source; ``wider`` are (row, draw) behind it."""

    pair: int
    pool: int
    draw: float
    soft: bool
    spot: float
    wider: tuple[tuple[int, float], ...]


def _priced(units: Floats, price: Floats) -> Floats:
    """Dollars of each pool and hour; a price of ``inf`` counts only where something is left."""
    cost = np.zeros_like(units)
    np.multiply(units, price, out=cost, where=units > 1e-12)
    return cost
