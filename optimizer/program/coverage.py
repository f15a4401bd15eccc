# SPDX-License-Identifier: Apache-2.0
"""The coverage family of the readable program (PuLP): how usage is met in every hour.

Each function writes one row of the table in ``docs/program.md``, section 1.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pulp

from optimizer.program.problem import Problem

PairHour = tuple[int, int]


@dataclass
class CoverageVariables:
    """y covered[j, n], r spot[p, n], u on demand[p, n]; only those that can be above zero."""

    covered: dict[PairHour, pulp.LpVariable] = field(default_factory=dict)
    spot: dict[PairHour, pulp.LpVariable] = field(default_factory=dict)
    on_demand: dict[PairHour, pulp.LpVariable] = field(default_factory=dict)


def define_coverage_variables(model: pulp.LpProblem, problem: Problem) -> CoverageVariables:
    """Create y, r, u ≥ 0, in units of the pool's meter.

    ``r`` carries the row ``coverage.spot``: r ≤ τ·d, as the variable's upper bound.
    """
    variables = CoverageVariables()
    usable = (problem.held > 0) | problem.active
    for pair, (source, served) in enumerate(
        zip(problem.pair_source, problem.pair_pool, strict=True)
    ):
        for hour in np.flatnonzero((problem.demand[served] > 0) & usable[source]):
            variables.covered[pair, int(hour)] = model.add_variable(
                f"covered_{pair}_{hour}", lowBound=0
            )
    for pool in range(len(problem.pools)):
        for hour in np.flatnonzero(problem.demand[pool] > 0):
            where = (pool, int(hour))
            if np.isfinite(problem.spot_price[pool]) and problem.tolerant[where] > 0:
                variables.spot[where] = model.add_variable(
                    f"spot_{pool}_{hour}", lowBound=0, upBound=float(problem.tolerant[where])
                )
            if np.isfinite(problem.price[where]):
                variables.on_demand[where] = model.add_variable(
                    f"on_demand_{pool}_{hour}", lowBound=0
                )
    return variables


def define_coverage_meet(
    model: pulp.LpProblem,
    problem: Problem,
    variables: CoverageVariables,
    demand: dict[PairHour, pulp.LpAffineExpression] | None = None,
) -> None:
    """coverage.meet[p, n]: Σⱼ y + r + u = d, in units of the pool's meter.

    ``demand`` are expressions that stand for d, where work that may move makes it.
    """
    terms: dict[PairHour, list[pulp.LpVariable]] = {}
    for (pair, hour), variable in variables.covered.items():
        terms.setdefault((int(problem.pair_pool[pair]), hour), []).append(variable)
    for group in (variables.spot, variables.on_demand):
        for where, variable in group.items():
            terms.setdefault(where, []).append(variable)
    for pool, when in np.argwhere(problem.demand > 0):
        model += (
            pulp.lpSum(terms.get((int(pool), int(when)), []))
            == (demand or {}).get((int(pool), int(when)), float(problem.demand[pool, when])),
            f"coverage.meet[{pool},{when}]",
        )


def define_coverage_draw(
    model: pulp.LpProblem,
    problem: Problem,
    variables: CoverageVariables,
    bought: dict[int, pulp.LpAffineExpression],
) -> None:
    """coverage.draw[s, n]: Σ a·y ≤ A = H + Q, in the source's measure per hour.

    ``bought[s]`` is the expression of what buying now adds to source s.
    """
    spent: dict[PairHour, list[tuple[pulp.LpVariable, float]]] = {}
    for (pair, hour), variable in variables.covered.items():
        where = int(problem.pair_source[pair]), hour
        spent.setdefault(where, []).append((variable, float(problem.pair_draw[pair])))
    for (source, hour), terms in spent.items():
        capacity = float(problem.held[source, hour])
        extra = bought.get(source, 0) if problem.active[source, hour] else 0
        model += (
            pulp.LpAffineExpression(terms) - extra <= capacity,
            f"coverage.draw[{source},{hour}]",
        )


def coverage_cost(problem: Problem, variables: CoverageVariables) -> pulp.LpAffineExpression:
    """Σ wγ(e·u + ŝ·r), in dollars."""
    terms = [
        (variable, float(problem.weight[hour] * problem.price[pool, hour]))
        for (pool, hour), variable in variables.on_demand.items()
    ] + [
        (variable, float(problem.weight[hour] * problem.spot_price[pool]))
        for (pool, hour), variable in variables.spot.items()
    ]
    return pulp.LpAffineExpression(terms)
