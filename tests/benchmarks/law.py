# SPDX-License-Identifier: Apache-2.0
"""What amounts cost under the law's order: the plain replay that an engine is held against."""

from __future__ import annotations

from collections import Counter

import numpy as np

from .instances import Instance


def replay_bill(instance: Instance, quantity: np.ndarray) -> float:
    """Dollars of a year: the purchases, and on demand what the law leaves uncovered.

    Parameters
    ----------
    quantity
        (K,) amounts of the columns, in their units or in dollars per hour.
    """
    problem = instance.problem
    capacity = problem.capacity(quantity)
    left = problem.demand.copy()
    there = capacity.any(axis=1)
    # A source's hours exist from its first pair to its last, so that they take little memory.
    pairs = Counter(source for source, _, _ in instance.order)
    free: dict[int, np.ndarray] = {}
    for source, pool, draw in instance.order:
        pairs[source] -= 1
        if not there[source]:
            continue
        if source not in free:
            free[source] = capacity[source][problem.period]
        have, need = free[source], left[pool]
        take = np.minimum(need, have / draw)
        need -= take
        if pairs[source]:
            have -= take * draw
            np.maximum(have, 0.0, out=have)  # rounding may leave −1e-17 behind
        else:
            del free[source]
    total = float(problem.cost @ quantity)
    for period in range(problem.periods):
        hours = problem.period == period
        units = left @ np.where(hours, problem.weight, 0.0)
        total += float(units @ problem.price[:, period])
    return total
