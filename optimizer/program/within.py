# SPDX-License-Identifier: Apache-2.0
"""Amounts that keep the rows over purchases, near amounts that rounding or the law pushed over.

Rounding money to its step may exceed a limit of cash by a hair, and the law may leave more
unused than free choice would: such amounts cost ``inf``, and a search has nothing to start
from.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from optimizer.program.peaks import purchase_rows
from optimizer.program.problem import Floats, Problem
from optimizer.program.search import on_step

SHARES = (1.0, 0.999, 0.99, 0.97, 0.94, 0.9, 0.8, 0.65, 0.5, 0.35, 0.2, 0.1, 0.0)


def links_purchases(problem: Problem) -> bool:
    """Whether some row that may not be exceeded restricts what is bought."""
    hard = np.isinf(problem.links.excess_price)
    return bool((problem.links.purchase[hard] != 0).any())


def within_limits(
    problem: Problem, objective: Callable[[Floats], float], quantity: Floats
) -> Floats | None:
    """Amounts near these that have a finite objective; ``None`` if none was found.

    First the rounded amounts, less single steps of those that were rounded up most; then
    less of each in the same proportion.
    """
    step = problem.step
    trial = _without_last_steps(problem, quantity)
    if np.isfinite(objective(trial)):
        return trial
    for share in SHARES:
        lower = np.floor(share * quantity / step + 1e-6) * step
        lower = np.where(lower < problem.minimum - 1e-9, 0.0, lower)
        trial = on_step(problem, lower)
        if np.isfinite(objective(trial)):
            return trial
    return None


def _without_last_steps(problem: Problem, quantity: Floats) -> Floats:
    """Rounded amounts, lowered step by step until the rows of purchases alone are kept."""
    alone = purchase_rows(problem)
    alone = alone[np.isinf(problem.links.excess_price[alone])]
    asked, most = problem.links.purchase[alone], problem.links.most[alone]
    trial = on_step(problem, quantity)
    if not len(alone):
        return trial
    for _ in range(4 * len(trial)):
        over = asked @ trial - most
        if (over <= 0).all():
            break
        row = asked[int(np.argmax(over))]
        above = np.where((row > 0) & (trial > 0), (trial - quantity) / problem.step, -np.inf)
        column = int(np.argmax(above))
        if np.isinf(above[column]):
            break
        trial[column] = max(0.0, trial[column] - problem.step[column])
        if trial[column] < problem.minimum[column] - 1e-9:
            trial[column] = 0.0
    return on_step(problem, trial)
