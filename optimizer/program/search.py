# SPDX-License-Identifier: Apache-2.0
"""Local search on the replayed bill: the only thing that can help against the law's order.

The bill is not convex in the commitments, so that no cut and no gradient may come from a
replay; amounts are tried one at a time, and a change stays when the replayed objective
falls.  It stops on work done, not on the clock.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from optimizer.program.problem import Floats, Problem


def on_step(problem: Problem, quantity: Floats) -> Floats:
    """Round amounts to their steps; below half of the minimum to zero, else up to it."""
    rounded = np.round(quantity / problem.step) * problem.step
    short = (rounded > 0) & (rounded < problem.minimum)
    rounded = np.where(
        short, np.where(rounded >= problem.minimum / 2, problem.minimum, 0.0), rounded
    )
    # Decimal steps such as 0.001 are not binary: take the nearest decimal of nine places.
    return np.asarray(np.round(np.minimum(rounded, problem.maximum), 9), dtype=np.float64)


def improve(
    problem: Problem,
    objective: Callable[[Floats], float],
    quantity: Floats,
    *,
    evaluations: int,
) -> tuple[Floats, float, int]:
    """Try each amount up and down with shrinking moves until nothing helps.

    Returns
    -------
    The best amounts, their objective, and the number of evaluations spent.
    """
    best, value, spent = quantity.copy(), objective(quantity), 1
    most = problem.needed()
    # Moves of money start at a tenth of what could be needed and shrink to a step.
    for share in (0.05, 0.01, 0.002):
        moved = True
        while moved and spent < evaluations:
            moved = False
            for column in range(len(best)):
                step = float(problem.step[column])
                size = max(step, np.round(share * most[column] / step) * step)
                for move in (size, -size):
                    if spent >= evaluations:
                        break
                    trial = best.copy()
                    trial[column] = min(max(0.0, trial[column] + move), most[column])
                    trial = on_step(problem, trial)
                    if trial[column] == best[column]:
                        continue
                    found = objective(trial)
                    spent += 1
                    if found < value - 1e-9 * abs(value):
                        best, value, moved = trial, found, True
                        break
    return best, value, spent
