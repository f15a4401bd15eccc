# SPDX-License-Identifier: Apache-2.0
"""A second opinion on work that may move: written anew in MathOpt, and solved by SCIP.

It shares arrays with the readable program and no line of its formulation.  Shares are
written without the work in each hour; a job is a choice among whole windows, and one that
may pause among its first windows and later ones, each with what resuming loses.
"""

from __future__ import annotations

import math
from collections import defaultdict
from datetime import timedelta

import numpy as np
from ortools.math_opt.python import mathopt

from optimizer.program.moves import Job, Moves, ceiling
from optimizer.program.problem import Counts, Floats, Problem
from optimizer.program.solution import ProgramSolution
from optimizer.program.status import Status

Terms = list[mathopt.LinearBase]
Cells = defaultdict[tuple[int, int], Terms]


def solve_moving_mathopt(
    problem: Problem, moves: Moves, *, gap: float = 0.0, seconds: float = 600.0
) -> ProgramSolution:
    """Solve a problem of what cannot move, together with what may; for small cases."""
    p = problem.expand()
    model = mathopt.Model(name="moving")
    costs: Terms = []
    quantity = _amounts(model, p, ceiling(problem, moves).needed(), costs)
    load: Cells = defaultdict(list)
    spotty: Cells = defaultdict(list)
    _works(model, p, moves, load, spotty, costs)
    for job in moves.jobs:
        _job(model, job, load, spotty, costs)
    linked = [
        [float(each) * amount for each, amount in zip(row, quantity, strict=True)]
        for row in p.links.purchase
    ]
    for t in range(p.hours):
        _hour(model, p, t, quantity, load, spotty, linked, costs)
    _link_rows(model, p, linked, costs)
    scale = float(p.weight.sum()) or 1.0
    model.minimize(mathopt.fast_sum(costs) / scale)
    parameters = mathopt.SolveParameters(
        relative_gap_tolerance=gap,
        absolute_gap_tolerance=0.0,
        threads=1,
        time_limit=timedelta(seconds=seconds),
    )
    result = mathopt.solve(model, mathopt.SolverType.GSCIP, params=parameters)
    reason = result.termination.reason
    count = len(p.columns)
    if reason == mathopt.TerminationReason.INFEASIBLE:
        return ProgramSolution(Status.INFEASIBLE, np.zeros(count), np.inf, np.inf)
    if not result.has_primal_feasible_solution():
        return ProgramSolution(Status.ERROR, np.zeros(count), np.inf, -np.inf)
    values = result.variable_values()
    return ProgramSolution(
        status=Status.OPTIMAL if reason == mathopt.TerminationReason.OPTIMAL else Status.STOPPED,
        quantity=np.array([mathopt.evaluate_expression(q, values) for q in quantity]),
        objective=result.objective_value() * scale,
        bound=result.dual_bound() * scale,
    )


def _amounts(model: mathopt.Model, p: Problem, needed: Floats, costs: Terms) -> Terms:
    """What is bought: 0, or an amount within its range."""
    quantity: Terms = []
    for k in range(len(p.columns)):
        step, least, most = float(p.step[k]), float(p.minimum[k]), float(needed[k])
        if p.integer[k]:
            quantity.append(step * model.add_integer_variable(lb=0.0, ub=round(most / step)))
        else:
            quantity.append(1.0 * model.add_variable(lb=0.0, ub=most))
        if least > 0:
            chosen = model.add_binary_variable()
            model.add_linear_constraint(quantity[k] - least * chosen >= 0.0)
            model.add_linear_constraint(quantity[k] - most * chosen <= 0.0)
        costs.append(float(p.cost[k]) * quantity[k])
    return quantity


def _hour(
    model: mathopt.Model,
    p: Problem,
    t: int,
    quantity: Terms,
    load: Cells,
    spotty: Cells,
    linked: list[Terms],
    costs: Terms,
) -> None:
    """Coverage of one hour: what meets the usage, what sources give, what is limited."""
    ways: list[dict[Counts, Terms]] = [{counts: [] for counts in Counts} for _ in p.pools]
    drawn: list[Terms] = [[] for _ in p.sources]
    served: list[Terms] = [[] for _ in p.pools]
    for j, (s, pool, draw) in enumerate(zip(p.pair_source, p.pair_pool, p.pair_draw, strict=True)):
        unit = model.add_variable(lb=0.0)
        served[pool].append(unit)
        drawn[s].append(float(draw) * unit)
        ways[pool][Counts.RUNNING].append(unit)
        if not p.secures[s]:
            ways[pool][Counts.MARKET].append(unit)
        _link(p, linked, p.links.covered, j, t, unit)
    for pool in range(len(p.pools)):
        _uncovered(model, p, (pool, t), served[pool], ways[pool], spotty, linked, costs)
        model.add_linear_constraint(
            mathopt.fast_sum(served[pool]) - mathopt.fast_sum(load[pool, t])
            == float(p.demand[pool, t])
        )
        share = float(p.availability[pool, t])
        if share < 1.0:
            model.add_linear_constraint(
                mathopt.fast_sum(ways[pool][Counts.MARKET])
                - share * mathopt.fast_sum(load[pool, t])
                <= share * float(p.demand[pool, t])
            )
        if p.links.demand.any():
            _link(p, linked, -p.links.demand, pool, t, mathopt.fast_sum(load[pool, t]))
    for s in range(len(p.sources)):
        supply = [ratio * quantity[column] for column, ratio, active in p.feeds[s] if active[t]]
        model.add_linear_constraint(
            mathopt.fast_sum(drawn[s]) - mathopt.fast_sum(supply) <= float(p.held[s, t])
        )
    _limit(model, p, t, ways)


def _uncovered(
    model: mathopt.Model,
    p: Problem,
    where: tuple[int, int],
    served: Terms,
    ways: dict[Counts, Terms],
    spotty: Cells,
    linked: list[Terms],
    costs: Terms,
) -> None:
    """On demand, unserved, on spot: whatever of them has a price."""
    pool, t = where
    if math.isfinite(p.price[pool, t]):
        unit = model.add_variable(lb=0.0)
        served.append(unit)
        costs.append(float(p.weight[t]) * float(p.price[pool, t]) * unit)
        ways[Counts.MARKET].append(unit)
        ways[Counts.RUNNING].append(unit)
        _link(p, linked, p.links.on_demand, pool, t, unit)
    if math.isfinite(p.penalty[pool]):
        unit = model.add_variable(lb=0.0)
        served.append(unit)
        costs.append(float(p.weight[t]) * float(p.penalty[pool]) * unit)
    if math.isfinite(p.spot_price[pool]):
        unit = model.add_variable(lb=0.0)
        served.append(unit)
        costs.append(float(p.weight[t]) * float(p.spot_price[pool]) * unit)
        ways[Counts.SPOT].append(unit)
        ways[Counts.RUNNING].append(unit)
        _link(p, linked, p.links.spot, pool, t, unit)
        model.add_linear_constraint(
            unit - mathopt.fast_sum(spotty[pool, t]) <= float(p.tolerant[pool, t])
        )


def _link_rows(model: mathopt.Model, p: Problem, linked: list[Terms], costs: Terms) -> None:
    """The rows that link the hours, in parts of their right-hand side."""
    for row, terms in enumerate(linked):
        if math.isfinite(p.links.excess_price[row]):
            above = model.add_variable(lb=0.0)
            terms.append(-1.0 * above)
            costs.append(float(p.links.excess_price[row]) * above)
        size = max(1.0, abs(float(p.links.most[row])))
        most = float(p.links.most[row]) / size
        model.add_linear_constraint(mathopt.fast_sum(terms) * (1.0 / size) <= most)


def _link(
    p: Problem,
    linked: list[Terms],
    factors: Floats,
    which: int,
    t: int,
    unit: mathopt.LinearBase,
) -> None:
    """Add a unit of an hour to every linking row that counts it."""
    for row, terms in enumerate(linked):
        if p.links.window[row, t] and factors[row, which]:
            terms.append(float(p.count[t] * factors[row, which]) * unit)


def _limit(model: mathopt.Model, p: Problem, t: int, ways: list[dict[Counts, Terms]]) -> None:
    """The limits that hold in an hour."""
    for limit in range(len(p.limits.names)):
        most = float(p.limits.most[limit, t])
        counted = [
            float(p.limits.entry_weight[entry]) * unit
            for entry in np.flatnonzero(p.limits.entry_limit == limit)
            for unit in ways[p.limits.entry_pool[entry]][Counts(int(p.limits.entry_counts[entry]))]
        ]
        if math.isfinite(most):
            model.add_linear_constraint(mathopt.fast_sum(counted) <= most)


def _works(
    model: mathopt.Model,
    p: Problem,
    moves: Moves,
    load: Cells,
    spotty: Cells,
    costs: Terms,
) -> None:
    """Shares by epoch: what they take from one pool and bring to another."""
    for work in moves.works:
        taken: Cells = defaultdict(list)
        for option in work.options:
            before: mathopt.LinearBase = mathopt.LinearSum(())
            for epoch in range(moves.epochs):
                share = model.add_variable(lb=0.0, ub=float(option.share))
                rise = model.add_variable(lb=0.0)
                model.add_linear_constraint(rise - share + before >= 0.0)
                costs.append(float(option.switch[epoch]) * rise)
                taken[epoch, 0].append(share)
                before = share
                for hour in np.flatnonzero((moves.epoch == epoch) & (option.open > 0)):
                    t = int(hour)
                    units, tolerant = float(work.units[t]), float(work.tolerant[t])
                    load[work.pool, t].append(-units * share)
                    load[option.pool, t].append(option.ratio * units * share)
                    spotty[work.pool, t].append(-tolerant * share)
                    spotty[option.pool, t].append(option.ratio * tolerant * share)
                    costs.append(float(p.weight[t]) * option.egress * units * share)
        for parts in taken.values():
            model.add_linear_constraint(mathopt.fast_sum(parts) <= 1.0)
        for t in range(p.hours):
            load[work.pool, t].append(mathopt.LinearSum((float(work.units[t]),)))
            spotty[work.pool, t].append(mathopt.LinearSum((float(work.tolerant[t]),)))


def _job(
    model: mathopt.Model,
    job: Job,
    load: Cells,
    spotty: Cells,
    costs: Terms,
) -> None:
    """Windows [a, b) that do not touch each other; the first one loses nothing."""
    hours = len(job.hours)
    chosen: dict[tuple[int, int, bool], mathopt.Variable] = {}
    done: Terms = []
    late = model.add_variable(lb=0.0)
    costs.append(job.delay * late)
    for a in range(hours):
        for b in range(a + 1, hours + 1):
            for first in (True, False) if job.preemptible else (True,):
                window = chosen[a, b, first] = model.add_binary_variable()
                model.add_linear_constraint(late - (b - job.shortest) * window >= 0.0)
                for h in range(a, b):
                    # Units of this very window: its own gang, its own loss at the start.
                    unit = model.add_variable(lb=0.0)
                    model.add_linear_constraint(unit - job.least * window >= 0.0)
                    model.add_linear_constraint(unit - job.most * window <= 0.0)
                    loss = job.restart if h == a and not first else 0.0
                    done.append((1.0 - loss) * unit)
                    load[job.pool, int(job.hours[h])].append(unit)
                    if job.preemptible:
                        spotty[job.pool, int(job.hours[h])].append(unit)
    model.add_linear_constraint(mathopt.fast_sum(done) >= job.work)
    firsts = [window for (_, _, first), window in chosen.items() if first]
    model.add_linear_constraint(mathopt.fast_sum(firsts) == 1.0)
    for h in range(hours):
        # One window at most covers an hour, or ends where the hour begins.
        near = [window for (a, b, _), window in chosen.items() if a <= h <= b]
        model.add_linear_constraint(mathopt.fast_sum(near) <= 1.0)
    for (a, _, first), window in chosen.items():
        if not first:
            earlier = [w for (_, end, is_first), w in chosen.items() if is_first and end < a]
            model.add_linear_constraint(window - mathopt.fast_sum(earlier) <= 0.0)
