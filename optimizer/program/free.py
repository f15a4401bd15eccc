# SPDX-License-Identifier: Apache-2.0
"""The cost of a plan's purchases under free choice: what splits the gap in two.

``bill − free`` is what the law's order costs; ``free − bound`` is what the solver left.
"""

from __future__ import annotations

import numpy as np

from optimizer.program.arrays import ArrayProgram, Box
from optimizer.program.certificate import hourly_floor
from optimizer.program.prices import Prices
from optimizer.program.problem import Floats, Problem

CHUNK = 200  # hours per LP: they do not meet once the purchases are fixed
MOST_HOURS = 4000


def free_choice_cost(
    problem: Problem, quantity: Floats, prices: Prices, law_hourly: Floats
) -> float:
    """Cost of the purchases ``quantity`` with the best coverage of every hour, in dollars.

    The law's hours are feasible coverage, and prices bound each hour from below; an hour in
    which the two agree is proven.  The others are solved as linear programs, the most
    promising first, up to 4,000 of them; the law's cost stands for the rest, so that
    what is not known counts against the solver.
    """
    floor = hourly_floor(problem, prices, quantity)
    open_gap = np.maximum(0.0, law_hourly - floor) * problem.weight
    hourly = problem.weight * law_hourly
    finite = np.isfinite(hourly)
    total_size = float(np.abs(hourly[finite]).sum()) or 1.0
    order = np.argsort(-open_gap, kind="stable")
    # Hours whose whole gap is below rounding are proven already.
    open_hours = [
        int(hour)
        for hour in order[:MOST_HOURS]
        if open_gap[hour] > 1e-9 * total_size / problem.hours
    ]
    box = Box(quantity, quantity)
    known = np.ones(problem.hours, dtype=bool)
    known[open_hours] = False
    total = float(problem.cost @ quantity) + float(hourly[known].sum())
    for begin in range(0, len(open_hours), CHUNK):
        chunk = np.array(sorted(open_hours[begin : begin + CHUNK]))
        part = ArrayProgram(problem.take(chunk)).relax(box)
        best = part.objective - float(problem.cost @ quantity) if part.feasible else np.inf
        total += min(best, float(hourly[chunk].sum()))
    return total
