# SPDX-License-Identifier: Apache-2.0
"""Simple plans: each kind of offer alone.  What they cost holds every answer to account."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from optimizer.program.cellmeans import Knots
from optimizer.program.cells import Refinement
from optimizer.program.engine import grain_of
from optimizer.program.hours import HourOracle
from optimizer.program.levels import Levels
from optimizer.program.master import Master
from optimizer.program.problem import Floats, Ints, Problem

# Above this many pools a coarse program for every kind takes longer than it is worth.
MOST_POOLS = 300


def each_alone(problem: Problem, kinds: Mapping[str, Ints]) -> dict[str, Floats]:
    """Amounts of the columns of one kind, as if nothing else could be bought.

    They come from one linear program over coarse cells each: good, not best, plans.
    """
    if not kinds or len(problem.pools) > MOST_POOLS:
        return {}
    levels = Levels.of(problem)
    oracle = HourOracle(problem)
    cells = Refinement(problem, levels, oracle.chain, grain_of(problem, 0)).cells
    knots = Knots(problem)
    plans = {}
    for name, columns in kinds.items():
        allowed = np.zeros(len(problem.columns), dtype=bool)
        allowed[columns] = True
        proposal = Master(problem, levels, cells, knots, allowed=allowed).solve()
        if proposal.feasible:
            plans[f"{name} alone"] = np.where(allowed, proposal.quantity, 0.0)
    return plans
