# SPDX-License-Identifier: Apache-2.0
"""The readable program: written in PuLP, solved with HiGHS.

    minimise    Σ F·Q + Σ wγ(e·u + ŝ·r + penalty·v) + Σ price·z
    subject to  coverage.meet          Σ y + r + u + v = d
                coverage.draw          Σ a·y ≤ H + Q
                coverage.spot          r ≤ τ·d
                coverage.availability  u + Σ y without capacity ≤ availability·d
                coverage.limit         Σ weight · what counts ≤ most
                purchase.range         Q = 0, or a multiple of its step within [min, max]
                linking rows           Σ p·Q + Σ h(a·u + b·r + c·y) − z ≤ most

It writes every (merged) hour out, and serves as the definition that the faster ways are
tested against.  Dollars are divided by the total weight, so that the solver sees the cost
of an average hour.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress

import highspy
import numpy as np
import pulp

from optimizer.program.coverage import (
    CoverageVariables,
    coverage_cost,
    define_coverage_availability,
    define_coverage_draw,
    define_coverage_limit,
    define_coverage_meet,
    define_coverage_variables,
)
from optimizer.program.linkrows import define_excess_variables, define_link_rows, excess_cost
from optimizer.program.problem import Problem
from optimizer.program.purchase import (
    bought_by_source,
    define_purchase_range,
    define_purchase_variables,
    purchase_cost,
)
from optimizer.program.solution import ProgramSolution
from optimizer.program.status import Status

# Rows from which a solve without presolve takes too long; the checks of solve() are what
# guards the answer there.
PRESOLVE_ROWS = 50_000


def solve_reference(
    problem: Problem,
    *,
    gap: float = 0.0,
    nodes: int | None = None,
    seconds: float | None = None,
) -> ProgramSolution:
    """Solve a problem in PuLP with HiGHS.

    Parameters
    ----------
    gap
        Relative MIP gap at which HiGHS may stop.
    nodes
        Branch-and-bound nodes after which it stops; work, not time, so that a run repeats.
    seconds
        A safety stop.

    Returns
    -------
    The answer with the coverage of every hour.
    """
    problem = problem.expand()
    model = pulp.LpProblem("coverage", pulp.LpMinimize)
    purchases = define_purchase_variables(model, problem)
    coverage = define_coverage_variables(model, problem)
    excess = define_excess_variables(model, problem)
    scale = float(problem.weight.sum()) or 1.0
    cost = purchase_cost(problem, purchases) + coverage_cost(problem, coverage)
    model.setObjective((cost + excess_cost(problem, excess)) * (1.0 / scale))
    define_coverage_meet(model, problem, coverage)
    define_coverage_draw(model, problem, coverage, bought_by_source(problem, purchases))
    define_coverage_availability(model, problem, coverage)
    define_coverage_limit(model, problem, coverage)
    define_link_rows(model, problem, purchases.quantity, coverage, excess)
    define_purchase_range(model, problem, purchases)

    options: dict[str, object] = {"mip_rel_gap": gap, "mip_abs_gap": 0.0, "random_seed": 0}
    if problem.rows <= PRESOLVE_ROWS:
        # HiGHS 1.11's is wrong on 1 of 1,000 small programs (tests/program/test_highs.py).
        options["presolve"] = "off"
    if nodes is not None:
        options["mip_max_nodes"] = nodes
    if seconds is not None:
        options["time_limit"] = max(seconds, 1.0)
    solved(model, options)
    return _read(model, problem, purchases.quantity, coverage, excess, scale)


def solved(model: pulp.LpProblem, options: Mapping[str, object]) -> highspy.Highs:
    """Solve a program, and return HiGHS as it stands afterwards.

    PuLP knows no status for HiGHS's limit of nodes, and fails over it once it has read the
    values; the status is taken from HiGHS itself anyway.
    """
    with suppress(KeyError, IndexError):
        model.solve(pulp.HiGHS(msg=False, threads=1, **options))
    return model.solverModel


def _read(
    model: pulp.LpProblem,
    problem: Problem,
    quantities: Sequence[pulp.LpAffineExpression],
    coverage: CoverageVariables,
    excess: Mapping[int, pulp.LpVariable],
    scale: float,
) -> ProgramSolution:
    """Read the answer from HiGHS itself: a status is never taken from PuLP alone."""
    solver = model.solverModel
    state = solver.getModelStatus()
    info = solver.getInfo()
    infeasible = (
        highspy.HighsModelStatus.kInfeasible,
        highspy.HighsModelStatus.kUnboundedOrInfeasible,
    )
    count = len(problem.columns)
    if state in infeasible:
        return ProgramSolution(Status.INFEASIBLE, np.zeros(count), np.inf, np.inf)
    if info.primal_solution_status != 2:  # 2: a feasible point
        return ProgramSolution(Status.ERROR, np.zeros(count), np.inf, -np.inf)
    optimal = state == highspy.HighsModelStatus.kOptimal
    quantity = np.array([float(pulp.value(q)) for q in quantities]).reshape(count)

    def table(variables: dict[tuple[int, int], pulp.LpVariable], rows: int) -> np.ndarray:
        values = np.zeros((rows, problem.hours))
        for where, variable in variables.items():
            values[where] = max(0.0, float(variable.varValue))
        return values

    is_mip = any(variable.cat == "Integer" for variable in model.variables())
    objective = info.objective_function_value * scale
    return ProgramSolution(
        status=Status.OPTIMAL if optimal else Status.STOPPED,
        quantity=np.maximum(quantity, 0.0),
        objective=objective,
        bound=info.mip_dual_bound * scale if is_mip else objective,
        covered=table(coverage.covered, len(problem.pair_source)),
        spot=table(coverage.spot, len(problem.pools)),
        on_demand=table(coverage.on_demand, len(problem.pools)),
        unmet=table(coverage.unmet, len(problem.pools)),
        excess=np.array(
            [
                max(0.0, float(excess[row].varValue)) if row in excess else 0.0
                for row in range(len(problem.links.names))
            ]
        ),
    )
