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
    """Round amounts to what may be bought: steps within [min, max], or nothing.

    Below half of the minimum an amount becomes zero, else the minimum.
    """
    step = problem.step
    least = np.ceil(problem.minimum / step - 1e-9) * step
    most = np.floor(problem.maximum / step + 1e-9) * step
    rounded = np.round(quantity / step) * step
    rounded = np.where(rounded < least, np.where(rounded >= least / 2, least, 0.0), rounded)
    rounded = np.where(most < least, 0.0, np.minimum(rounded, most))
    # Decimal steps such as 0.001 are not binary: take the nearest decimal of nine places,
    # unless the step is no decimal of so few places at all.
    decimal = np.round(rounded, 9)
    near = np.abs(decimal - rounded) <= 1e-12 * np.maximum(1.0, np.abs(rounded))
    return np.asarray(np.where(near, decimal, rounded), dtype=np.float64)


def improve(
    problem: Problem,
    objective: Callable[[Floats], float],
    quantity: Floats,
    *,
    evaluations: int,
    stop: Callable[[], bool] = lambda: False,
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
                    if spent >= evaluations or stop():
                        return best, value, spent
                    trial = best.copy()
                    trial[column] = min(max(0.0, trial[column] + move), most[column])
                    trial = on_step(problem, trial)
                    if trial[column] == best[column]:
                        continue
                    found = objective(trial)
                    spent += 1
                    # A plan that leaves usage unserved costs inf: any other is better.
                    if found < value - (1e-9 * abs(value) if np.isfinite(value) else 0.0):
                        best, value, moved = trial, found, True
                        break
    return best, value, spent
