# SPDX-License-Identifier: Apache-2.0
"""Branch and bound for small programs with few whole variables, one after the other.

A MIP solver's start costs more than an hour of routing needs: its relaxation solves in a
millisecond, and again in half of one from where the last ended.  Best bound first; rounding
up is a plan where more replicas do no harm.
"""

from __future__ import annotations

import heapq
from itertools import count

import highspy
import numpy as np

from optimizer.program.linear import LinearAnswer, LinearProgram, Matrix, highs_lp
from optimizer.program.problem import Floats
from optimizer.program.status import Status

WHOLE = 1e-6
ROUND_EVERY = 10  # nodes between two roundings


class _Relaxation:
    """The linear program, solved again for other bounds of its whole variables."""

    def __init__(self, program: LinearProgram) -> None:
        self.whole = np.flatnonzero(program.whole).astype(np.int32)
        self.solver = highspy.Highs()
        self.solver.silent()
        self.solver.setOptionValue("threads", 1)
        self.solver.setOptionValue("random_seed", 0)
        self.solver.setOptionValue("presolve", "off")
        self.solver.passModel(highs_lp(program, Matrix.of(program)))
        self.solved = 0

    def solve(self, lower: Floats, upper: Floats) -> tuple[float, Floats]:
        """Objective and values; ``inf`` if there is none."""
        self.solver.changeColsBounds(len(self.whole), self.whole, lower, upper)
        self.solver.run()
        self.solved += 1
        if self.solver.getModelStatus() != highspy.HighsModelStatus.kOptimal:
            return np.inf, np.zeros(0)
        values = np.array(self.solver.getSolution().col_value, dtype=np.float64)
        return float(self.solver.getInfo().objective_function_value), values


def branch(program: LinearProgram, *, gap: float, nodes: int) -> LinearAnswer:
    """Solve to a relative gap, or until so many relaxations are solved."""
    relaxed = _Relaxation(program)
    whole = relaxed.whole
    lower = np.array(program.lower, dtype=np.float64)[whole]
    upper = np.array(program.upper, dtype=np.float64)[whole]
    value, values = relaxed.solve(lower, upper)
    if np.isinf(value):
        # Whether it is infeasible is for a solver of whole programs to say.
        return LinearAnswer(Status.ERROR, np.zeros(len(program.names)), np.inf, -np.inf)
    best, plan, pruned = np.inf, values, np.inf
    tick = count()
    queue = [(value, next(tick), lower, upper, values)]
    rounded = -ROUND_EVERY
    while queue and relaxed.solved < nodes:
        value, _, low, high, values = queue[0]
        if value >= best - gap * abs(best):
            break
        heapq.heappop(queue)
        amounts = values[whole]
        off = np.abs(amounts - np.round(amounts))
        if off.max(initial=0.0) <= WHOLE:
            best, plan = value, values
            continue
        if relaxed.solved - rounded >= ROUND_EVERY:
            rounded = relaxed.solved
            up = np.clip(np.ceil(amounts - WHOLE), low, high)
            found, there = relaxed.solve(up, up)
            if found < best:
                best, plan = found, there
        where = int(np.argmax(off))
        for side in (0, 1):
            below, above = low.copy(), high.copy()
            if side:
                below[where] = np.ceil(amounts[where])
            else:
                above[where] = np.floor(amounts[where])
            found, there = relaxed.solve(below, above)
            if np.isinf(found):
                continue
            if np.abs(there[whole] - np.round(there[whole])).max() <= WHOLE and found < best:
                pruned, best, plan = min(pruned, best), found, there
            if found < best - gap * abs(best):
                heapq.heappush(queue, (found, next(tick), below, above, there))
            else:
                pruned = min(pruned, found)
    bound = min([best, pruned, *(item[0] for item in queue)])
    if np.isinf(best):
        return LinearAnswer(Status.ERROR, plan, np.inf, bound)
    done = best - bound <= gap * abs(best) + 1e-9
    return LinearAnswer(Status.OPTIMAL if done else Status.STOPPED, plan, best, bound)
