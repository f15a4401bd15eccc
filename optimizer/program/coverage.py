# SPDX-License-Identifier: Apache-2.0
"""The coverage family of the readable program (PuLP): how usage is met in every hour.

Each function writes one row of the table in ``docs/program.md``, section 1.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pulp

from optimizer.program.problem import Counts, Flags, Problem

PairHour = tuple[int, int]


@dataclass
class CoverageVariables:
    """y covered[j, n]; r spot, u on demand, v unmet[p, n]; only those that can be above zero."""

    covered: dict[PairHour, pulp.LpVariable] = field(default_factory=dict)
    spot: dict[PairHour, pulp.LpVariable] = field(default_factory=dict)
    on_demand: dict[PairHour, pulp.LpVariable] = field(default_factory=dict)
    unmet: dict[PairHour, pulp.LpVariable] = field(default_factory=dict)

    def by_pool_hour(self, problem: Problem) -> dict[PairHour, list[tuple[int, pulp.LpVariable]]]:
        """The covered units of each pool and hour, with their pairs."""
        found: dict[PairHour, list[tuple[int, pulp.LpVariable]]] = {}
        for (pair, hour), variable in self.covered.items():
            where = int(problem.pair_pool[pair]), hour
            found.setdefault(where, []).append((pair, variable))
        return found


def define_coverage_variables(model: pulp.LpProblem, problem: Problem) -> CoverageVariables:
    """Create y, r, u, v ≥ 0, in units of the pool's meter.

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
            if np.isfinite(problem.penalty[pool]):
                variables.unmet[where] = model.add_variable(f"unmet_{pool}_{hour}", lowBound=0)
    return variables


def define_coverage_meet(
    model: pulp.LpProblem,
    problem: Problem,
    variables: CoverageVariables,
    demand: dict[PairHour, pulp.LpAffineExpression] | None = None,
) -> None:
    """coverage.meet[p, n]: Σⱼ y + r + u + v = d, in units of the pool's meter.

    ``demand`` are expressions that stand for d, where work that may move makes it.
    """
    terms: dict[PairHour, list[pulp.LpVariable]] = {}
    for (pair, hour), variable in variables.covered.items():
        terms.setdefault((int(problem.pair_pool[pair]), hour), []).append(variable)
    for group in (variables.spot, variables.on_demand, variables.unmet):
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
    bought: dict[int, list[tuple[pulp.LpAffineExpression, Flags]]],
) -> None:
    """coverage.draw[s, n]: Σ a·y ≤ A = H + Q, in the source's measure per hour.

    ``bought[s]`` are the expressions of what purchases add to source s, and when.
    """
    spent: dict[PairHour, list[tuple[pulp.LpVariable, float]]] = {}
    for (pair, hour), variable in variables.covered.items():
        where = int(problem.pair_source[pair]), hour
        spent.setdefault(where, []).append((variable, float(problem.pair_draw[pair])))
    for (source, hour), terms in spent.items():
        capacity = float(problem.held[source, hour])
        extra = [-amount for amount, active in bought.get(source, []) if active[hour]]
        model += (
            pulp.lpSum([pulp.LpAffineExpression(terms), *extra]) <= capacity,
            f"coverage.draw[{source},{hour}]",
        )


def define_coverage_availability(
    model: pulp.LpProblem,
    problem: Problem,
    variables: CoverageVariables,
    room: Mapping[int, pulp.LpVariable] | None = None,
    arriving: Mapping[PairHour, pulp.LpAffineExpression] | None = None,
) -> None:
    """coverage.availability[p, n]: u + Σ over j without capacity of y ≤ availability·d.

    In units of the pool's meter.  ``room[p]`` is a share by which the row may be relaxed;
    ``arriving`` are expressions that stand for d, where work that may move makes it.
    """
    covered = variables.by_pool_hour(problem)
    for pool, when in np.argwhere((problem.availability < 1.0) & (problem.demand > 0)):
        where, demand = (int(pool), int(when)), float(problem.demand[pool, when])
        market = _market(problem, variables, covered, where)
        more = demand * room[where[0]] if room and where[0] in room else 0
        able = (arriving or {}).get(where, demand) * float(problem.availability[where])
        model += (
            pulp.lpSum(market) - more <= able,
            f"coverage.availability[{pool},{when}]",
        )


def define_coverage_limit(
    model: pulp.LpProblem,
    problem: Problem,
    variables: CoverageVariables,
    room: Mapping[int, pulp.LpVariable] | None = None,
) -> None:
    """coverage.limit[i, n]: Σ weight · (what counts of the pools) ≤ most, in the limit's unit.

    ``room[i]`` is an amount by which the limit may be relaxed.
    """
    limits, covered = problem.limits, variables.by_pool_hour(problem)
    for limit, when in np.argwhere(np.isfinite(limits.most)):
        terms: list[pulp.LpAffineExpression] = []
        for entry in np.flatnonzero(limits.entry_limit == limit):
            where = int(limits.entry_pool[entry]), int(when)
            counts, weight = limits.entry_counts[entry], float(limits.entry_weight[entry])
            running = []
            if counts in (Counts.SPOT, Counts.RUNNING) and where in variables.spot:
                running.append(variables.spot[where])
            if counts == Counts.MARKET:
                running += _market(problem, variables, covered, where)
            if counts == Counts.RUNNING:
                running += [variable for _, variable in covered.get(where, [])]
                if where in variables.on_demand:
                    running.append(variables.on_demand[where])
            terms += [weight * variable for variable in running]
        if room and int(limit) in room:
            terms.append(-1.0 * room[int(limit)])
        if terms:
            model += (
                pulp.lpSum(terms) <= float(limits.most[limit, when]),
                f"coverage.limit[{limit},{when}]",
            )


def _market(
    problem: Problem,
    variables: CoverageVariables,
    covered: Mapping[PairHour, list[tuple[int, pulp.LpVariable]]],
    where: PairHour,
) -> list[pulp.LpVariable]:
    """What needs the market's capacity: on demand, or covered without guaranteed capacity."""
    market = [
        variable
        for pair, variable in covered.get(where, [])
        if not problem.secures[problem.pair_source[pair]]
    ]
    if where in variables.on_demand:
        market.append(variables.on_demand[where])
    return market


def coverage_cost(problem: Problem, variables: CoverageVariables) -> pulp.LpAffineExpression:
    """Σ wγ(e·u + ŝ·r + penalty·v), in dollars."""
    terms = [
        (variable, float(problem.weight[hour] * problem.price[pool, hour]))
        for (pool, hour), variable in variables.on_demand.items()
    ] + [
        (variable, float(problem.weight[hour] * problem.spot_price[pool]))
        for (pool, hour), variable in variables.spot.items()
    ]
    terms += [
        (variable, float(problem.weight[hour] * problem.penalty[pool]))
        for (pool, hour), variable in variables.unmet.items()
    ]
    return pulp.LpAffineExpression(terms)
