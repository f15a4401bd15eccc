# SPDX-License-Identifier: Apache-2.0
"""Futures that stand for many: the medoids of what futures cost, within groups.

A future stands for those of its group that it is nearest to, and has their odds.  Groups are
futures that are never told apart, so that what is known of a future at each step is as likely
among those that stand for all as among all.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from optimizer.demand.scenarios import Scenarios

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

MONTH = 730
# Times that medoids are found anew for the futures that are nearest to them.
ROUNDS = 20


@dataclass(frozen=True)
class Representatives:
    """R of S futures, and which of them stands for each.

    Attributes
    ----------
    chosen
        (R,) futures, ascending.
    stands
        (S,) for each future the position in ``chosen`` of the one that stands for it.
    odds
        (R,) the odds of all that each stands for.
    """

    chosen: Integers
    stands: Integers
    odds: Floats


def monthly_costs(scenarios: Scenarios, prices: Floats) -> Floats:
    """(S, L × months) dollars of each line and month at ``prices`` (L,), and as they change."""
    hours = scenarios.quantity.shape[2]
    edges = np.arange(0, hours, MONTH)
    rows = []
    for future in range(len(scenarios)):
        units = scenarios.quantity[future]
        if scenarios.price_factor:
            units = units.copy()
            for line, meter in enumerate(scenarios.base.usage.meter):
                if meter in scenarios.price_factor:
                    units[line] *= scenarios.price_factor[meter][future]
        rows.append((np.add.reduceat(units, edges, axis=1) * prices[:, None]).reshape(-1))
    return np.array(rows)


def representatives(costs: Floats, odds: Floats, groups: Integers, count: int) -> Representatives:
    """Choose ``count`` futures, at least one of each group, that are near to all others.

    The sum of odds × distance to the nearest chosen future of the same group is brought down
    greedily, then each cluster's best future is taken until nothing changes; ties go to the
    first future, so that the same futures give the same choice.

    Parameters
    ----------
    costs
        (S, F) what tells futures apart; distances are Euclidean.
    groups
        (S,) 0 … n−1.
    count
        Futures to choose; as many as there are groups if that is more.
    """
    apart = _distances(costs)
    apart[groups[:, None] != groups[None, :]] = np.inf
    weighed = odds[:, None] * np.where(np.isfinite(apart), apart, 0.0)
    chosen = []
    for group in np.unique(groups):
        mine = np.flatnonzero(groups == group)
        chosen.append(int(mine[np.argmin(weighed[np.ix_(mine, mine)].sum(axis=0))]))
    nearest = apart[:, chosen].min(axis=1)
    while len(chosen) < min(count, len(odds)):
        # inf of another group saves nothing.
        saved = odds @ np.maximum(nearest[:, None] - apart, 0.0)
        saved[chosen] = -1.0
        chosen.append(int(np.argmax(saved)))
        nearest = np.minimum(nearest, apart[:, chosen[-1]])
    for _ in range(ROUNDS):
        stands = np.argmin(apart[:, chosen], axis=1)
        stands[chosen] = np.arange(len(chosen))
        better = []
        for number in range(len(chosen)):
            mine = np.flatnonzero(stands == number)
            better.append(int(mine[np.argmin(weighed[np.ix_(mine, mine)].sum(axis=0))]))
        if better == chosen:
            break
        chosen = better
    ordered = np.array(sorted(chosen), dtype=np.int64)
    stands = np.argmin(apart[:, ordered], axis=1)
    stands[ordered] = np.arange(len(ordered))  # of two that are the same, each for itself
    weight = np.zeros(len(ordered))
    np.add.at(weight, stands, odds)
    return Representatives(ordered, stands, weight)


def _distances(costs: Floats) -> Floats:
    """(S, S) Euclidean distances, zero between a future and itself."""
    squares = (costs**2).sum(axis=1)
    apart = np.sqrt(np.maximum(squares[:, None] + squares[None, :] - 2.0 * costs @ costs.T, 0.0))
    np.fill_diagonal(apart, 0.0)
    return np.asarray(apart)
