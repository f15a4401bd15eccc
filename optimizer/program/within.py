# SPDX-License-Identifier: Apache-2.0
"""Amounts that keep the rows over purchases, near amounts that rounding or the law pushed over.

Rounding money to its step may exceed a limit of cash by a hair, and the law may leave more
unused than free choice would: such amounts cost ``inf``, and a search has nothing to start
from.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

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
    """The amounts, or less of each in the same proportion, that have a finite objective."""
    step = problem.step
    for share in SHARES:
        lower = np.floor(share * quantity / step + 1e-6) * step
        lower = np.where(lower < problem.minimum - 1e-9, 0.0, lower)
        trial = on_step(problem, lower)
        if np.isfinite(objective(trial)):
            return trial
    return None
