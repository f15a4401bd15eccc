# SPDX-License-Identifier: Apache-2.0
"""Cells: hours that behave alike for a group of pools share one; each group has its own.

A group's cells divide those of the wide sources.  Cells are only ever split, and only where
it pays: what an hour's coverage costs above what the master's prices say is the group's and
the hour's part of the gap, and cells with the largest parts are split where the load meets
the capacity of the incumbent.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from optimizer.program.hours import Hours
from optimizer.program.levels import Levels
from optimizer.program.problem import Floats, Ints, Problem

Small = NDArray[np.int64]
# A label of the hours, and a coarser one that takes its place where it is too fine.
Label = tuple[Small, Small]
# States of a group's sources together, above which further sources add no more.
MOST_STATES = 64
# Few groups may each have more cells than the grain says: this over their number squared.
FEW_GROUPS = 120

# Share of what wrong prices cost that the cells to be divided hold.
WRONG = 0.8

# Load over capacity at which hours are told apart: densest where capacity runs out.
BANDS = np.array([0.7, 0.85, 0.95, 1.0, 1.05, 1.15, 1.4])
GROUP_BANDS = np.array([0.8, 0.95, 1.0, 1.06])


@dataclass(frozen=True)
class Grain:
    """How fine cells may be.

    Attributes
    ----------
    wide, group
        Cells at most of the wide sources, and of a group before they meet.
    sliver
        Share of all hours below which a cell joins its neighbour.
    prices, ratios
        Classes of a wide source's price in hours that exhaust it, and of its sibling's price
        beside it.
    history
        Incumbents whose labels are kept.
    """

    wide: int = 16
    group: int = 24
    sliver: float = 1e-4
    prices: int = 4
    ratios: int = 3
    history: int = 6


@dataclass
class Cells:
    """Labels of the hours.

    Attributes
    ----------
    wide
        (N,) cell of the wide sources.
    group
        For each group, (N,) its cell.
    parent
        For each group the wide cell of each of its cells.
    """

    wide: Ints
    group: list[Ints]
    parent: list[Ints]

    @property
    def count(self) -> int:
        """Cells of all groups together."""
        return sum(len(parent) for parent in self.parent)


class Refinement:
    """The cells of one problem, split round after round."""

    def __init__(self, problem: Problem, levels: Levels, chain: list[int], grain: Grain) -> None:
        self.problem, self.levels, self.chain, self.grain = problem, levels, chain, grain
        self.reach: dict[int, dict[int, float]] = {source: {} for source in chain}
        for source, pool, draw in zip(
            problem.pair_source, problem.pair_pool, problem.pair_draw, strict=True
        ):
            if int(source) in self.reach:
                self.reach[int(source)][int(pool)] = float(draw)
        self.nodes = [self._nodes(group.sources) for group in levels.groups]
        self.wide_nodes = self._nodes(levels.wide)
        reached = np.zeros(len(problem.pools), dtype=bool)
        for source in levels.wide:
            reached[list(self.reach[int(source)])] = True
        for limit in levels.wide_limits:
            reached[problem.limits.entry_pool[problem.limits.entry_limit == limit]] = True
        self.under_wide = [bool(reached[group.pools].any()) for group in levels.groups]
        # Regimes without an hour have no cell.
        regime = problem.structure.regime[problem.period]
        self.regime = np.unique(regime, return_inverse=True)[1].reshape(-1)
        self.kept: list[tuple[Label, list[Label]]] = []
        self.plain = self._plain()
        self.cells = self.meet()

    def _least(self) -> float:
        """Weight below which a cell joins its sibling."""
        return self.grain.sliver * float(self.problem.weight.sum())

    def _nodes(self, sources: Ints) -> list[list[tuple[int, float]]]:
        """Sources that cover the same pools, in the chain's order, as (source, exchange).

        The exchange turns an amount of the source into the measure of the first.
        """
        chosen = {int(s) for s in sources}
        nodes: dict[tuple[int, ...], list[int]] = {}
        for source in self.chain:
            if source in chosen:
                nodes.setdefault(tuple(sorted(self.reach[source])), []).append(source)
        return [
            [
                (s, float(np.mean([self.reach[node[0]][p] / d for p, d in self.reach[s].items()])))
                for s in node
            ]
            for node in nodes.values()
        ]

    def _plain(self) -> tuple[Label, list[Label]]:
        """Before any incumbent: classes of what the usage of a group, and of all, is worth.

        They stay behind the incumbents' labels: where an incumbent buys nothing, its labels
        tell hours apart no more, and the program would take any mean for true.
        """
        problem = self.problem
        price = np.where(np.isfinite(problem.price), problem.price, 0.0).max(axis=1)
        worth = [price[group.pools] @ problem.demand[group.pools] for group in self.levels.groups]
        none = np.zeros(problem.hours, dtype=np.int64)
        wide = _quantiles(np.sum(worth, axis=0), 12) if any(self.under_wide) else none
        groups = [
            _quantiles(own, 4) if len(group.sources) or len(group.limits) else none
            for group, own in zip(self.levels.groups, worth, strict=True)
        ]
        return (wide, none), [(label, none) for label in groups]

    def add(self, quantity: Floats, hours: Hours) -> None:
        """Label the hours by how much each level could use of what it has at an incumbent."""
        capacity = self.problem.capacity(quantity)
        wide = self._state(self.wide_nodes, hours, capacity, prices=self.grain.prices)
        groups = [self._state(nodes, hours, capacity, prices=0) for nodes in self.nodes]
        # What says the same as before takes no place of another.
        kept = [old for old in self.kept if not _same(old, (wide, groups))]
        self.kept = [*kept, (wide, groups)][-self.grain.history :]

    def meet(self) -> Cells:
        """Cells in which the kept incumbents agree, newest first, within the grain.

        A label that would make too many cells is passed over, not what came before it.
        """
        problem, grain = self.problem, self.grain
        regimes = problem.structure.regimes
        none = np.zeros(problem.hours, dtype=np.int64)
        wide = self._agreed(
            self.regime,
            [*(labels for labels, _ in reversed(self.kept)), self.plain[0]],
            grain.wide * regimes,
        )
        # Few groups may have many cells each: what counts are the rows of all together.
        most = max(grain.group, grain.group * FEW_GROUPS // max(1, len(self.levels.groups)) ** 2)
        groups = []
        for number in range(len(self.levels.groups)):
            labels = [by_group[number] for _, by_group in reversed(self.kept)]
            labels.append(self.plain[1][number])
            alone = self._agreed(none, labels, most)
            base = wide if self.under_wide[number] else self.regime
            groups.append(intersect(base, alone, problem.weight, self._least()))
        return Cells(wide, groups, [self._parent(wide, cell) for cell in groups])

    def split(self, cells: Cells, hours: Hours, said: Floats, capacity: Floats) -> Cells:
        """Earlier cells, divided where a source is worth more or less than a program said.

        Only cells that hold most of what the wrong prices cost are divided.

        Parameters
        ----------
        cells
            None of them is joined with another.
        hours, said
            The hours at an incumbent, and the program's (shared sources, N) prices.
        capacity
            (S, R) what the incumbent has of each source.
        """
        weight, least = self.problem.weight, self._least()
        wide = self._apart(cells.wide, self.levels.wide, hours, said, capacity)
        split = []
        for number, group in enumerate(self.levels.groups):
            base = wide if self.under_wide[number] else self.regime
            own = self._apart(cells.group[number], group.sources, hours, said, capacity)
            split.append(intersect(base, own, weight, least))
        return Cells(wide, split, [self._parent(wide, cell) for cell in split])

    def _apart(
        self, cell: Ints, sources: Ints, hours: Hours, said: Floats, capacity: Floats
    ) -> Ints:
        """Cells divided where a source's price is below, at or above what was said."""
        weight = self.problem.weight
        for source in sources:
            row = self.problem.structure.row[int(source)]
            size = 0.02 * float(said[row].max(initial=0.0))
            known = np.where(np.isfinite(hours.prices[row]), hours.prices[row], 2 * said[row])
            off = known - said[row]
            side = 1 + (off > size) - (off < -size).astype(np.int64)
            wrong = np.abs(off) * weight * capacity[int(source)][self.problem.period]
            by_cell = np.bincount(cell, wrong)
            order = np.argsort(-by_cell, kind="stable")
            most = np.cumsum(by_cell[order]) <= WRONG * by_cell.sum()
            chosen = np.zeros(len(by_cell), dtype=bool)
            chosen[order[: int(most.sum()) + 1]] = True
            cell = intersect(cell, np.where(chosen[cell], side, 1), weight, self._least())
        return cell

    def _agreed(self, start: Ints, labels: list[Label], most: int) -> Ints:
        """Intersect labels, newest first; the newest always, others while cells stay few."""
        cell = start
        for number, label in enumerate(labels):
            # Too fine together: the bands of load alone, which matter most.
            for tried in label:
                finer = intersect(cell, tried, self.problem.weight, self._least())
                if number == 0 or finer.max() + 1 <= most:
                    cell = finer
                    break
        return cell

    def _state(
        self, nodes: list[list[tuple[int, float]]], hours: Hours, capacity: Floats, *, prices: int
    ) -> Label:
        """Bands of load over capacity; where it is exhausted, by price or by marginal pool.

        Hours in which the same pool is the last that is reached are covered alike.

        Returns
        -------
        Both together, and the bands alone.
        """
        problem, rows = self.problem, self.problem.structure.row
        bands, kinds = (np.zeros(problem.hours, dtype=np.int64) for _ in range(2))
        for node in nodes:
            if bands.max(initial=0) >= MOST_STATES:
                break  # of many sources side by side the widest are told apart no more
            leader = node[0][0]
            load = hours.load[rows[leader]]
            able = sum(exchange * capacity[source] for source, exchange in node)
            able = np.asarray(able)[problem.period]
            band = _bands(load, able, BANDS if prices else GROUP_BANDS)
            over = (load > able) & (able > 1e-9)
            with_some = [s for s, _ in node if capacity[s].any()]
            if with_some and over.any():
                last = hours.prices[rows[with_some[-1]]]
                if prices:
                    kind = _classes(last, over, prices)
                    if len(with_some) > 1:
                        # Siblings that draw unlike amounts have prices of their own.
                        first = hours.prices[rows[with_some[0]]]
                        known = np.isfinite(first) & np.isfinite(last)
                        first = np.where(known, first, 0.0) / np.maximum(
                            np.where(known, last, 1.0), 1e-12
                        )
                        kind = kind * 16 + _classes(first, over, self.grain.ratios)
                else:
                    kind = hours.marginal[rows[with_some[-1]]] + 1
                kinds = kinds * (int(kind.max(initial=0)) + 2) + np.where(over, kind + 1, 0)
                kinds = _numbered(kinds)
            bands = bands * (len(BANDS) + 2) + band
            bands = _numbered(bands)
        both = kinds * (int(bands.max(initial=0)) + 1) + bands
        return _numbered(both), bands

    def _parent(self, wide: Ints, cell: Ints) -> Ints:
        parent = np.zeros(int(cell.max(initial=-1)) + 1, dtype=np.int64)
        parent[cell] = wide
        return parent


def intersect(parent: Ints, child: NDArray[np.integer], weight: Floats, least: float) -> Ints:
    """Labels of both at once, 0 … n−1; what weighs less than ``least`` joins a sibling.

    A sibling has the same parent; the nearest child label of enough weight takes it in.
    """
    many = int(child.max(initial=0)) + 1
    if many == 1:
        return np.asarray(parent, dtype=np.int64)
    count = int(parent.max(initial=0)) + 1
    key = parent * many + child
    sums = np.bincount(key, weight, minlength=count * many).reshape(count, many)
    small = (sums > 0) & (sums < least)
    if small.any():
        target = np.tile(np.arange(many), (count, 1))
        for row in np.flatnonzero(small.any(axis=1)):
            big = np.flatnonzero(sums[row] >= least)
            if not len(big):
                big = np.array([int(sums[row].argmax())])
            columns = np.flatnonzero(small[row])
            nearest = np.abs(big[None, :] - columns[:, None]).argmin(axis=1)
            target[row, columns] = big[nearest]
        key = (np.arange(count)[:, None] * many + target).ravel()[key]
    used = np.bincount(key, minlength=count * many) > 0
    return np.asarray((np.cumsum(used) - 1)[key], dtype=np.int64)


def _numbered(labels: Small) -> Small:
    """The same labels as 0 … n−1, in their order; small integers need no sort of the hours."""
    used = np.bincount(labels) > 0
    return (np.cumsum(used) - 1)[labels]


def _same(one: tuple[Label, list[Label]], other: tuple[Label, list[Label]]) -> bool:
    """Whether two incumbents label all hours alike."""
    pairs = [(one[0], other[0]), *zip(one[1], other[1], strict=True)]
    return all(np.array_equal(a[0], b[0]) for a, b in pairs)


def _classes(values: Floats, inside: NDArray[np.bool_], classes: int) -> Small:
    """Quantile classes of the values in some hours; usage without any other way is worth most."""
    known = values[inside & np.isfinite(values)]
    if not len(known):
        return np.zeros(len(values), dtype=np.int64)
    edges = np.unique(np.quantile(known, np.linspace(0, 1, classes + 1)[1:-1]))
    return np.searchsorted(edges, np.nan_to_num(values, posinf=1e300), side="left")


def _bands(load: Floats, able: Floats, bands: Floats) -> Small:
    """0 nothing to cover or nothing to cover it with, then the bands."""
    ratio = load / np.maximum(able, 1e-12)
    band = np.where(load <= 1e-9, 0, 1 + np.searchsorted(bands, ratio, side="left"))
    return np.where(able > 1e-9, band, 0)


def _quantiles(values: Floats, classes: int) -> Small:
    edges = np.unique(np.quantile(values, np.linspace(0, 1, classes + 1)[1:-1]))
    return np.searchsorted(edges, values, side="left")
