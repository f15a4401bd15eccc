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

from optimizer.program.problem import Counts, Floats, Problem
from optimizer.program.solution import ProgramSolution
from optimizer.program.status import Status

Terms = list[mathopt.LinearBase]


def solve_mathopt(
    problem: Problem, *, gap: float = 0.0, solver: str = "gscip", seconds: float = 600.0
) -> ProgramSolution:
    """Solve a problem with MathOpt; ``solver`` is ``gscip`` or ``highs``."""
    problem = problem.expand()
    scale = float(problem.weight.sum()) or 1.0
    program = _Program(problem)
    model, quantity = program.model, program.quantity
    for hour in range(problem.hours):
        program.write_hour(hour)
    program.write_links()
    model.minimize(mathopt.fast_sum(program.spending) / scale)
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


class _Program:
    """The model, its purchases, and what accumulates over the hours: spending and links."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        self.model = model = mathopt.Model(name="coverage")
        self.quantity: Terms = []
        most = problem.needed()
        for k in range(len(problem.columns)):
            step, least = float(problem.step[k]), float(problem.minimum[k])
            if problem.integer[k]:
                steps = model.add_integer_variable(lb=0.0, ub=round(most[k] / step))
                self.quantity.append(step * steps)
            else:
                self.quantity.append(1.0 * model.add_variable(lb=0.0, ub=float(most[k])))
            if least > (step if problem.integer[k] else 0.0):
                chosen = model.add_binary_variable()
                model.add_linear_constraint(self.quantity[k] - least * chosen >= 0.0)
                model.add_linear_constraint(self.quantity[k] - float(most[k]) * chosen <= 0.0)
        self.spending: Terms = [
            float(f) * q for f, q in zip(problem.cost, self.quantity, strict=True)
        ]
        self.linked: list[Terms] = [
            [float(p) * q for p, q in zip(row, self.quantity, strict=True)]
            for row in problem.links.purchase
        ]

    def write_hour(self, hour: int) -> None:
        """Coverage of one hour: what meets the usage, what sources give, what is limited."""
        problem = self.problem
        # What serves each pool: secured, on the market, on spot, unserved.
        ways: list[dict[str, Terms]] = [
            {"secured": [], "market": [], "spot": [], "unserved": []} for _ in problem.pools
        ]
        drawn: list[Terms] = [[] for _ in problem.sources]
        for pair, (source, pool, draw) in enumerate(
            zip(problem.pair_source, problem.pair_pool, problem.pair_draw, strict=True)
        ):
            unit = self.model.add_variable(lb=0.0, ub=float(problem.demand[pool, hour]))
            ways[pool]["secured" if problem.secures[source] else "market"].append(unit)
            drawn[source].append(float(draw) * unit)
            self._link(hour, problem.links.covered, pair, unit)
        for pool in range(len(problem.pools)):
            self._uncovered(hour, pool, ways[pool])
            served = [unit for units in ways[pool].values() for unit in units]
            demand = float(problem.demand[pool, hour])
            self.model.add_linear_constraint(mathopt.fast_sum(served) == demand)
            if problem.availability[pool, hour] < 1.0:
                able = float(problem.availability[pool, hour]) * demand
                self.model.add_linear_constraint(mathopt.fast_sum(ways[pool]["market"]) <= able)
        for source in range(len(problem.sources)):
            supply = mathopt.fast_sum(
                ratio * self.quantity[column]
                for column, ratio, active in problem.feeds[source]
                if active[hour]
            )
            self.model.add_linear_constraint(
                mathopt.fast_sum(drawn[source]) - supply <= float(problem.held[source, hour])
            )
        self._limit(hour, ways)

    def _uncovered(self, hour: int, pool: int, ways: dict[str, Terms]) -> None:
        """On demand, on spot, unserved: whatever of them has a price."""
        problem, links = self.problem, self.problem.links
        for way, price, most, factors in (
            ("market", problem.price[pool, hour], math.inf, links.on_demand),
            ("spot", problem.spot_price[pool], problem.tolerant[pool, hour], links.spot),
            ("unserved", problem.penalty[pool], math.inf, None),
        ):
            if math.isfinite(price):
                unit = self.model.add_variable(lb=0.0, ub=float(most))
                ways[way].append(unit)
                self.spending.append(float(problem.weight[hour] * price) * unit)
                if factors is not None:
                    self._link(hour, factors, pool, unit)

    def _link(self, hour: int, factors: Floats, which: int, unit: mathopt.LinearBase) -> None:
        """Add a unit to every linking row whose window the hour lies in."""
        for row, terms in enumerate(self.linked):
            if self.problem.links.window[row, hour] and factors[row, which]:
                terms.append(float(self.problem.count[hour] * factors[row, which]) * unit)

    def _limit(self, hour: int, ways: list[dict[str, Terms]]) -> None:
        """The hourly limits that apply in the hour."""
        limits = self.problem.limits
        counted: list[Terms] = [[] for _ in limits.names]
        for number, pool, counts, each in zip(
            limits.entry_limit,
            limits.entry_pool,
            limits.entry_counts,
            limits.entry_weight,
            strict=True,
        ):
            units = {
                Counts.MARKET: ways[pool]["market"],
                Counts.SPOT: ways[pool]["spot"],
                Counts.RUNNING: [
                    unit for way in ("secured", "market", "spot") for unit in ways[pool][way]
                ],
            }[Counts(counts)]
            counted[number] += [float(each) * unit for unit in units]
        for limit, terms in enumerate(counted):
            if math.isfinite(limits.most[limit, hour]):
                self.model.add_linear_constraint(
                    mathopt.fast_sum(terms) <= float(limits.most[limit, hour])
                )

    def write_links(self) -> None:
        """The linking rows, in parts of their right-hand side; excess where it has a price."""
        links = self.problem.links
        for row, terms in enumerate(self.linked):
            most, price = float(links.most[row]), float(links.excess_price[row])
            size = max(1.0, abs(most))
            if math.isfinite(price):
                above = self.model.add_variable(lb=0.0)
                terms.append(-1.0 * above)
                self.spending.append(price * above)
            self.model.add_linear_constraint(mathopt.fast_sum(terms) * (1.0 / size) <= most / size)
