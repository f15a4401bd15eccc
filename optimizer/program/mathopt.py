# SPDX-License-Identifier: Apache-2.0
"""A second opinion: the same problem written anew in OR-Tools' MathOpt.

It shares the arrays with the readable program and not one line of its formulation, so
that an error in either shows as a difference.  It is also the other way that is taken
when an answer fails its checks.
"""

from __future__ import annotations

import math
from datetime import timedelta

import numpy as np
from ortools.math_opt.python import mathopt

from optimizer.program.problem import Counts, Problem
from optimizer.program.solution import ProgramSolution
from optimizer.program.status import Status


def solve_mathopt(
    problem: Problem, *, gap: float = 0.0, solver: str = "gscip", seconds: float = 600.0
) -> ProgramSolution:
    """Solve a problem with MathOpt; ``solver`` is ``gscip`` or ``highs``."""
    problem = problem.expand()
    model = mathopt.Model(name="coverage")
    scale = float(problem.weight.sum()) or 1.0
    most = problem.needed()
    quantity: list[mathopt.LinearBase] = []
    for k in range(len(problem.columns)):
        step, least = float(problem.step[k]), float(problem.minimum[k])
        if problem.integer[k]:
            steps = model.add_integer_variable(lb=0.0, ub=round(most[k] / step))
            quantity.append(step * steps)
        else:
            quantity.append(1.0 * model.add_variable(lb=0.0, ub=float(most[k])))
        if least > (step if problem.integer[k] else 0.0):
            chosen = model.add_binary_variable()
            model.add_linear_constraint(quantity[k] - least * chosen >= 0.0)
            model.add_linear_constraint(quantity[k] - float(most[k]) * chosen <= 0.0)
    objective = mathopt.fast_sum(float(f) * q for f, q in zip(problem.cost, quantity, strict=True))
    spending: list[mathopt.LinearBase] = []
    ties, limits = problem.links, problem.limits
    linked: list[list[mathopt.LinearBase]] = [
        [float(p) * q for p, q in zip(row, quantity, strict=True)] for row in ties.purchase
    ]
    for hour in range(problem.hours):
        served: list[list[mathopt.LinearBase]] = [[] for _ in problem.pools]
        drawn: list[list[mathopt.LinearBase]] = [[] for _ in problem.sources]
        market: list[list[mathopt.LinearBase]] = [[] for _ in problem.pools]
        secured: list[list[mathopt.LinearBase]] = [[] for _ in problem.pools]
        on_spot: list[list[mathopt.LinearBase]] = [[] for _ in problem.pools]
        inside = (
            [(row, float(problem.count[hour])) for row in np.flatnonzero(ties.window[:, hour])]
            if ties.names
            else []
        )
        for pair, (source, pool, draw) in enumerate(
            zip(problem.pair_source, problem.pair_pool, problem.pair_draw, strict=True)
        ):
            unit = model.add_variable(lb=0.0, ub=float(problem.demand[pool, hour]))
            served[pool].append(unit)
            drawn[source].append(float(draw) * unit)
            (secured if problem.secures[source] else market)[pool].append(unit)
            for row, hours in inside:
                linked[row].append(hours * float(ties.covered[row, pair]) * unit)
        for pool in range(len(problem.pools)):
            cost, spot = problem.price[pool, hour], problem.spot_price[pool]
            weight = float(problem.weight[hour])
            if math.isfinite(cost):
                unit = model.add_variable(lb=0.0)
                served[pool].append(unit)
                spending.append(weight * float(cost) * unit)
                market[pool].append(unit)
                for row, hours in inside:
                    linked[row].append(hours * float(ties.on_demand[row, pool]) * unit)
            if math.isfinite(spot):
                unit = model.add_variable(lb=0.0, ub=float(problem.tolerant[pool, hour]))
                served[pool].append(unit)
                spending.append(weight * float(spot) * unit)
                on_spot[pool].append(unit)
                for row, hours in inside:
                    linked[row].append(hours * float(ties.spot[row, pool]) * unit)
            if math.isfinite(problem.penalty[pool]):
                unit = model.add_variable(lb=0.0)
                served[pool].append(unit)
                spending.append(weight * float(problem.penalty[pool]) * unit)
            if problem.availability[pool, hour] < 1.0:
                able = float(problem.availability[pool, hour] * problem.demand[pool, hour])
                model.add_linear_constraint(mathopt.fast_sum(market[pool]) <= able)
            model.add_linear_constraint(
                mathopt.fast_sum(served[pool]) == float(problem.demand[pool, hour])
            )
        for source in range(len(problem.sources)):
            supply: mathopt.LinearBase = mathopt.LinearSum(())
            if problem.active[source, hour]:
                supply = mathopt.fast_sum(
                    float(ratio) * quantity[column]
                    for column, member, ratio in zip(
                        problem.member_column,
                        problem.member_source,
                        problem.member_ratio,
                        strict=True,
                    )
                    if member == source
                )
            model.add_linear_constraint(
                mathopt.fast_sum(drawn[source]) - supply <= float(problem.held[source, hour])
            )
        for limit in range(len(limits.names)):
            most_now = float(limits.most[limit, hour])
            if math.isinf(most_now):
                continue
            counted: list[mathopt.LinearBase] = []
            for number, pool, counts, each in zip(
                limits.entry_limit,
                limits.entry_pool,
                limits.entry_counts,
                limits.entry_weight,
                strict=True,
            ):
                if number == limit:
                    units = {
                        Counts.MARKET: market[pool],
                        Counts.SPOT: on_spot[pool],
                        Counts.RUNNING: [*market[pool], *secured[pool], *on_spot[pool]],
                    }[Counts(counts)]
                    counted += [float(each) * unit for unit in units]
            model.add_linear_constraint(mathopt.fast_sum(counted) <= most_now)
    for row, terms in enumerate(linked):
        size = max(1.0, abs(float(ties.most[row])))
        if math.isfinite(ties.excess_price[row]):
            above = model.add_variable(lb=0.0)
            terms.append(-1.0 * above)
            spending.append(float(ties.excess_price[row]) * above)
        model.add_linear_constraint(
            mathopt.fast_sum(terms) * (1.0 / size) <= float(ties.most[row]) / size
        )
    model.minimize((objective + mathopt.fast_sum(spending)) / scale)
    parameters = mathopt.SolveParameters(
        relative_gap_tolerance=gap,
        absolute_gap_tolerance=0.0,
        # MathOpt refuses a number of threads for HiGHS.
        threads=None if solver == "highs" else 1,
        # Presolve of HiGHS is wrong on some small programs (tests/program/test_highs.py).
        presolve=mathopt.Emphasis.OFF if solver == "highs" else None,
        time_limit=timedelta(seconds=seconds),
    )
    kind = {"gscip": mathopt.SolverType.GSCIP, "highs": mathopt.SolverType.HIGHS}[solver]
    result = mathopt.solve(model, kind, params=parameters)
    reason = result.termination.reason
    if reason == mathopt.TerminationReason.INFEASIBLE:
        return ProgramSolution(Status.INFEASIBLE, np.zeros(len(quantity)), np.inf, np.inf)
    if not result.has_primal_feasible_solution():
        return ProgramSolution(Status.ERROR, np.zeros(len(quantity)), np.inf, -np.inf)
    values = result.variable_values()
    return ProgramSolution(
        status=Status.OPTIMAL if reason == mathopt.TerminationReason.OPTIMAL else Status.STOPPED,
        quantity=np.array(
            [mathopt.evaluate_expression(q, values) for q in quantity], dtype=np.float64
        ),
        objective=result.objective_value() * scale,
        bound=result.dual_bound() * scale,
    )
