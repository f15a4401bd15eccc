# SPDX-License-Identifier: Apache-2.0
"""Simple plans: each kind of offer alone.  What they cost holds every answer to account.

Where a tail lies behind the horizon, plans of what to buy now are completed by what is bought
again there: they would be compared at on-demand prices otherwise.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property

import numpy as np

from optimizer.program.arrays import Box
from optimizer.program.cellmeans import Knots
from optimizer.program.cells import Cells, Refinement
from optimizer.program.grains import grain_of
from optimizer.program.hours import HourOracle
from optimizer.program.levels import Levels
from optimizer.program.master import Master
from optimizer.program.problem import Flags, Floats, Ints, Problem

# Above this many pools a coarse program for every kind takes longer than it is worth.
MOST_POOLS = 300


class Coarse:
    """The program over the coarsest cells of a problem; they are made when first asked for."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem

    @cached_property
    def _ground(self) -> tuple[Levels, Cells, Knots]:
        problem, levels = self.problem, Levels.of(self.problem)
        chain = HourOracle(problem).chain
        cells = Refinement(problem, levels, chain, grain_of(problem, 0)).cells
        return levels, cells, Knots(problem)

    def master(self, allowed: Flags) -> Master:
        """The program for the columns that are allowed."""
        levels, cells, knots = self._ground
        return Master(self.problem, levels, cells, knots, allowed=allowed)


def each_alone(coarse: Coarse, kinds: Mapping[str, Ints]) -> dict[str, Floats]:
    """Amounts of the columns of one kind, as if nothing else could be bought.

    They come from one linear program over coarse cells each: good, not best, plans.
    Renewals go with every kind.
    """
    problem = coarse.problem
    if not kinds or len(problem.pools) > MOST_POOLS:
        return {}
    plans = {}
    for name, columns in kinds.items():
        allowed = np.zeros(len(problem.columns), dtype=bool)
        allowed[columns] = True
        allowed[problem.renewals] = True
        proposal = coarse.master(allowed).solve()
        if proposal.feasible:
            plans[f"{name} alone"] = np.where(allowed, proposal.quantity, 0.0)
    return plans


def with_renewals(coarse: Coarse, plans: Mapping[str, Floats]) -> dict[str, Floats]:
    """The same purchases with good renewals behind them, by the same program.

    As they are if they have renewals of their own, or where the program would be large.
    """
    problem = coarse.problem
    renewals = problem.renewals
    completed = dict(plans)
    bare = [name for name, amounts in plans.items() if not amounts[renewals].any()]
    if not len(renewals) or not bare or len(problem.pools) > MOST_POOLS:
        return completed
    master = coarse.master(np.ones(len(problem.columns), dtype=bool))
    for name in bare:
        low, high = plans[name].copy(), plans[name].copy()
        high[renewals] = problem.needed()[renewals]
        found = master.relax(Box(low, high))
        if found.feasible:
            completed[name] = np.where(problem.renewal, found.quantity, plans[name])
    return completed
