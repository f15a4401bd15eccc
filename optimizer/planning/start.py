# SPDX-License-Identifier: Apache-2.0
"""A plan to start from where rows restrict what is bought."""

from __future__ import annotations

from optimizer.program.certificate import whole_box
from optimizer.program.lawcost import LawCost
from optimizer.program.partition import partition_hours
from optimizer.program.problem import Floats, Problem
from optimizer.program.reference import solve_reference
from optimizer.program.solve import MIP_NODES, REFERENCE_ROWS
from optimizer.program.within import links_purchases, within_limits
from optimizer.tables import Settings


def starts_of(settings: Settings, problem: Problem, law: LawCost) -> dict[str, Floats]:
    """Amounts to start from where rows restrict what is bought, by name."""
    near = near_limits(settings, problem, law) if links_purchases(problem) else None
    return {} if near is None else {"amounts lowered to the limits": near}


def near_limits(settings: Settings, problem: Problem, law: LawCost) -> Floats | None:
    """The program's amounts where they keep the rows over purchases, or as many as do."""
    if problem.rows <= REFERENCE_ROWS:
        solution = solve_reference(problem, nodes=MIP_NODES)
        found, quantity = solution.status.has_plan, solution.quantity
    else:
        # Where units are many, rounding the relaxation down is near enough to start from.
        program = partition_hours(problem, gap=settings.solve.gap).program
        relaxed = program.relax(whole_box(problem))
        found, quantity = relaxed.feasible, relaxed.quantity
    return within_limits(problem, law.objective, quantity) if found else None
