# SPDX-License-Identifier: Apache-2.0
"""Adaptive partition of the hours: a small program that bounds, and approaches, the large one.

Hours that behave alike share a cell; the program over cell means is a relaxation
(``merge_labels``).  Where its coverage, carried over to the hours of a cell, would overrun
a source, the cell is split at that kink.  The bound never depends on the cells being
right: it is the certificate of the exact hours, with the prices of the cells.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from optimizer.program.arrays import ArrayProgram, Relaxation
from optimizer.program.certificate import lower_bound, whole_box
from optimizer.program.prices import Prices, zero_prices
from optimizer.program.problem import Floats, Ints, Problem, merge_labels

ROUNDS = 14
MOST_CELLS = 600


@dataclass(frozen=True)
class Partition:
    """Labels of the hours (N,), the program over the cells, and the best bound found."""

    labels: Ints
    program: ArrayProgram
    bound: float
    prices: Prices
    rounds: int

    def spread(self, prices: Prices) -> Prices:
        """Prices of the cells as prices of the hours."""
        return prices.spread(self.labels)


def partition_hours(problem: Problem, *, gap: float) -> Partition:
    """Refine cells until what they hide is below a quarter of the gap, or nothing helps.

    Returns
    -------
    The finest partition, with the best certificate on the way.
    """
    box = whole_box(problem)
    labels = _regimes(problem)
    best_bound, best_prices = -np.inf, zero_prices(problem)
    for number in range(1, ROUNDS + 1):
        program = ArrayProgram(merge_labels(problem, labels))
        relaxed = program.relax(box)
        if not relaxed.feasible:
            return Partition(labels, program, best_bound, best_prices, number)
        prices = relaxed.prices.spread(labels)
        bound = lower_bound(problem, prices, box)
        if bound > best_bound:
            best_bound, best_prices = bound, prices
        hidden, load = _overrun(problem, labels, program.problem, relaxed)
        if hidden.max(axis=0).sum() <= 0.25 * gap * abs(relaxed.objective):
            break
        finer = _split(labels, hidden, load, relaxed)
        if finer is None or number == ROUNDS:
            break
        labels = finer
    return Partition(labels, program, best_bound, best_prices, number)


def _regimes(problem: Problem) -> Ints:
    """First cells: hours with the same holdings, purchases in force and prices."""
    _, labels = np.unique(problem.period, return_inverse=True)
    return np.asarray(labels, dtype=np.int64).reshape(-1)


def _overrun(
    problem: Problem, labels: Ints, cells: Problem, relaxed: Relaxation
) -> tuple[Floats, Floats]:
    """What the cells hide: cost of carrying their coverage over to each hour.

    Returns
    -------
    (S, cells) dollars of overrun, an upper estimate; (S, N) load minus capacity.
    """
    over = -problem.capacity(relaxed.quantity)[:, problem.period]
    worth = np.zeros(len(problem.sources))
    fallback = np.where(np.isfinite(problem.price), problem.price, 0.0).max(axis=1, initial=0.0)
    for pair, (source, pool, draw) in enumerate(
        zip(problem.pair_source, problem.pair_pool, problem.pair_draw, strict=True)
    ):
        covered = relaxed.covered[pair]
        if not covered.any():
            continue
        with np.errstate(divide="ignore", invalid="ignore"):
            share = np.where(cells.demand[pool] > 0, covered / cells.demand[pool], 0.0)
        over[source] += draw * share[labels] * problem.demand[pool]
        if draw > 0:  # what burns nothing cannot overrun
            worth[source] = max(worth[source], fallback[pool] / draw)
    excess = np.maximum(over, 0.0) * worth[:, None] * problem.weight
    count = cells.hours
    hidden = np.stack([np.bincount(labels, row, minlength=count) for row in excess])
    return np.asarray(hidden, dtype=np.float64), over


def _split(labels: Ints, hidden: Floats, over: Floats, relaxed: Relaxation) -> Ints | None:
    """Split the cells that hide most, each at the source that overruns most; none left: None."""
    count = hidden.shape[1]
    room = MOST_CELLS - count
    if room <= 0:
        return None
    worst = hidden.max(axis=0)
    threshold = 1e-6 * abs(relaxed.objective) / max(count, 1)
    finer, fresh = labels.copy(), count
    for cell in np.argsort(-worst, kind="stable")[: min(room, max(16, count))]:
        if worst[cell] <= threshold:
            break
        hours = np.flatnonzero(labels == cell)
        if len(hours) < 2:
            continue
        load = over[int(np.argmax(hidden[:, cell])), hours]
        above = load > 0
        if above.all() or not above.any():
            above = load > np.median(load)
        if above.all() or not above.any():
            continue
        finer[hours[above]] = fresh
        fresh += 1
    return finer if fresh > count else None
