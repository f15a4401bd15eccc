# SPDX-License-Identifier: Apache-2.0
"""The readable program with work that may move: coverage, purchases, substitution, jobs."""

from __future__ import annotations

from dataclasses import dataclass, replace

import highspy
import numpy as np
import pulp

from optimizer.program.coverage import (
    CoverageVariables,
    PairHour,
    coverage_cost,
    define_coverage_availability,
    define_coverage_draw,
    define_coverage_limit,
    define_coverage_meet,
    define_coverage_variables,
)
from optimizer.program.jobs import (
    JobVariables,
    define_job_variables,
    define_jobs_finish,
    define_jobs_gang,
    define_jobs_place,
    define_jobs_restart,
    define_jobs_window,
    jobs_cost,
    jobs_demand,
)
from optimizer.program.linkrows import define_excess_variables, define_link_rows, excess_cost
from optimizer.program.moves import Moves, Placement, ceiling
from optimizer.program.problem import Problem
from optimizer.program.purchase import (
    bought_by_source,
    define_purchase_range,
    define_purchase_variables,
    purchase_cost,
)
from optimizer.program.reference import solved
from optimizer.program.runs import trim_run
from optimizer.program.solution import ProgramSolution
from optimizer.program.status import Status
from optimizer.program.substitution import (
    SubstitutionVariables,
    define_substitution_allow,
    define_substitution_move,
    define_substitution_place,
    define_substitution_stay,
    define_substitution_variables,
    substitution_cost,
    substitution_demand,
)

Expressions = dict[PairHour, list[pulp.LpAffineExpression]]


@dataclass(frozen=True)
class MovingSolution:
    """An answer under free choice, and the placement that it found; None without a plan."""

    solution: ProgramSolution
    placement: Placement | None


def solve_moving_reference(
    problem: Problem, moves: Moves, *, gap: float = 0.0, nodes: int | None = None
) -> MovingSolution:
    """Solve a problem of what cannot move, together with what may, in PuLP with HiGHS.

    ``gap`` and ``nodes`` are those of :func:`~optimizer.program.reference.solve_reference`.
    """
    fixed = problem.expand()
    # Coverage is written for all work in every place at once, so that every variable exists.
    whole = replace(ceiling(fixed, moves), arriving=None)
    model = pulp.LpProblem("moving", pulp.LpMinimize)
    purchases = define_purchase_variables(model, whole)
    coverage = define_coverage_variables(model, whole)
    parts = define_substitution_variables(model, moves)
    runs = define_job_variables(model, moves)
    scale = float(problem.weight.sum()) or 1.0
    cost = purchase_cost(whole, purchases) + coverage_cost(whole, coverage)
    excess = define_excess_variables(model, whole)
    cost = cost + substitution_cost(fixed, moves, parts) + jobs_cost(moves, runs)
    cost = cost + excess_cost(whole, excess)
    model.setObjective(cost * (1.0 / scale))
    demand, tolerant = _arriving(moves, parts, runs)
    total = _total(fixed.demand, demand)
    define_coverage_meet(model, whole, coverage, total)
    _define_coverage_spot(model, coverage, _total(fixed.tolerant, tolerant))
    define_coverage_draw(model, whole, coverage, bought_by_source(whole, purchases))
    define_coverage_availability(model, whole, coverage, arriving=total)
    define_coverage_limit(model, whole, coverage)
    moved = {where: pulp.lpSum(terms) for where, terms in demand.items()}
    define_link_rows(model, whole, purchases.quantity, coverage, excess, moved)
    define_purchase_range(model, whole, purchases)
    define_substitution_place(model, moves, parts)
    define_substitution_stay(model, moves, parts)
    define_substitution_move(model, parts)
    define_substitution_allow(model, moves, parts)
    define_jobs_place(model, moves, runs)
    define_jobs_gang(model, moves, runs)
    define_jobs_window(model, moves, runs)
    define_jobs_restart(model, moves, runs)
    define_jobs_finish(model, moves, runs)

    options: dict[str, object] = {"mip_rel_gap": gap, "mip_abs_gap": 0.0, "random_seed": 0}
    options["presolve"] = "off"  # wrong on small programs (tests/program/test_highs.py)
    if nodes is not None:
        options["mip_max_nodes"] = nodes
    solver = solved(model, options)
    state, info = solver.getModelStatus(), solver.getInfo()
    count = len(problem.columns)
    if state in (
        highspy.HighsModelStatus.kInfeasible,
        highspy.HighsModelStatus.kUnboundedOrInfeasible,
    ):
        none = ProgramSolution(Status.INFEASIBLE, np.zeros(count), np.inf, np.inf)
        return MovingSolution(none, None)
    if info.primal_solution_status != 2:  # 2: a feasible point
        none = ProgramSolution(Status.ERROR, np.zeros(count), np.inf, -np.inf)
        return MovingSolution(none, None)
    optimal = state == highspy.HighsModelStatus.kOptimal
    quantity = np.array([float(pulp.value(q)) for q in purchases.quantity]).reshape(count)
    objective = info.objective_function_value * scale
    is_mip = any(variable.cat == "Integer" for variable in model.variables())
    return MovingSolution(
        ProgramSolution(
            status=Status.OPTIMAL if optimal else Status.STOPPED,
            quantity=np.maximum(quantity, 0.0),
            objective=objective,
            bound=info.mip_dual_bound * scale if is_mip else objective,
        ),
        _placement(moves, parts, runs),
    )


def _arriving(
    moves: Moves, parts: SubstitutionVariables, runs: JobVariables
) -> tuple[Expressions, Expressions]:
    demand, tolerant = substitution_demand(moves, parts)
    more, of_it = jobs_demand(moves, runs)
    for into, terms in ((demand, more), (tolerant, of_it)):
        for where, expressions in terms.items():
            into.setdefault(where, []).extend(expressions)
    return demand, tolerant


def _total(fixed: np.ndarray, arriving: Expressions) -> dict[PairHour, pulp.LpAffineExpression]:
    """What is fixed, and what arrives, where anything does."""
    return {where: pulp.lpSum(terms) + float(fixed[where]) for where, terms in arriving.items()}


def _define_coverage_spot(
    model: pulp.LpProblem,
    coverage: CoverageVariables,
    tolerant: dict[PairHour, pulp.LpAffineExpression],
) -> None:
    """coverage.spot[p, n]: r ≤ τ·d where work that may move makes a part of it, in units."""
    for (pool, hour), spot in coverage.spot.items():
        if (pool, hour) in tolerant:
            model += spot <= tolerant[pool, hour], f"coverage.spot[{pool},{hour}]"


def _placement(moves: Moves, parts: SubstitutionVariables, runs: JobVariables) -> Placement:
    """Read the placement, made exact: shares within [0, share], hours on or off."""
    shares = []
    for b, work in enumerate(moves.works):
        part = np.zeros((moves.epochs, len(work.options)))
        for o, option in enumerate(work.options):
            for e in range(moves.epochs):
                value = float(parts.part[b, o, e].varValue or 0.0)
                part[e, o] = min(max(value, 0.0), option.share)
        part[part < 1e-9] = 0.0
        shares.append(part / np.maximum(part.sum(axis=1, keepdims=True), 1.0))
    units = []
    for j, job in enumerate(moves.jobs):
        on = np.array([(runs.on[j, h].varValue or 0.0) > 0.5 for h in range(len(job.hours))])
        run = np.array([float(runs.units[j, h].varValue or 0.0) for h in range(len(job.hours))])
        units.append(trim_run(job, np.where(on, np.clip(run, job.least, job.most), 0.0)))
    return Placement(tuple(shares), tuple(units))
