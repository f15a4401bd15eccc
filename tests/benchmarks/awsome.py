# SPDX-License-Identifier: Apache-2.0
"""The peers' own formulation: the integer program of AWSome-Savings, restated.

Source: https://github.com/ufcg-lsd/AWSome-Savings (MIT; README.md and aws_model.py as of
commit b061815), Laboratório de Sistemas Distribuídos, UFCG.  What the model says:

* In every hour t any whole number r of each market of each instance type may be bought; it
  is active for the market's duration y, so that a(t) = r(t) + … + r(t − y + 1).  On demand
  is a market of one hour.
* In every hour whole dollars of the savings plan may be bought, with their own duration;
  whole instances run under it, and their plan prices add up to no more than its dollars.
* Active instances of all markets and of the plan are at least the demand.
* Cost: every purchase is paid for its whole duration, y · hourly + upfront.

Two differences to ours.  Ours covers part of an instance-hour with the last dollars of a
plan and pays the rest on demand, as the provider bills it; ``whole_coverage=False`` lets
theirs do so too.  And ours needs no purchase later than T − y: one at T − y costs the same
and covers as much.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from ortools.linear_solver import pywraplp

from optimizer.program.problem import Problem, merge_labels


@dataclass(frozen=True)
class PeerCase:
    """An input of theirs, for I instance types and T hours.

    Attributes
    ----------
    demand
        (I, T) whole instances.
    on_demand, plan_price
        (I,) dollars per instance-hour on demand and under the plan.
    hourly, upfront
        (I, M) dollars of each reserved market.
    durations, plan_duration
        Hours of each reserved market, and of the plan.
    """

    demand: np.ndarray
    on_demand: np.ndarray
    plan_price: np.ndarray
    hourly: np.ndarray
    upfront: np.ndarray
    durations: tuple[int, ...]
    plan_duration: int


def draw_case(hours: int, types: int, duration: int, *, seed: int, unit: bool = False) -> PeerCase:
    """A day's wave of whole instances; ``unit``: the plan prices of their example, 1 $."""
    rng = np.random.default_rng(seed)
    hour = np.arange(hours)
    wave = 1 + 0.5 * np.sin(2 * np.pi * (hour / 24 + rng.random((types, 1))))
    demand = rng.poisson(rng.uniform(3, 9, (types, 1)) * wave).astype(np.float64)
    on_demand = np.full(types, 2.0) if unit else np.round(rng.uniform(1, 4, types), 2)
    plan = np.ones(types) if unit else np.round(on_demand * rng.uniform(0.55, 0.7, types), 2)
    reserved = np.round(on_demand * rng.uniform(0.5, 0.6, types), 2)
    upfront = np.round(0.3 * reserved * duration, 2)
    return PeerCase(
        demand=demand,
        on_demand=on_demand,
        plan_price=plan,
        hourly=np.stack([reserved, 0.66 * reserved], axis=1),
        upfront=np.stack([np.zeros(types), upfront], axis=1),
        durations=(duration, duration),
        plan_duration=duration,
    )


def solve_theirs(case: PeerCase, *, whole_coverage: bool = True, seconds: float = 60.0) -> float:
    """The least cost by their program, with the solver that they use (SCIP); ``nan``: too long."""
    types, hours = case.demand.shape
    solver = pywraplp.Solver.CreateSolver("SCIP")
    solver.SetTimeLimit(int(1000 * seconds))
    whole, infinity = solver.IntVar, solver.infinity()
    parts = whole if whole_coverage else solver.NumVar
    cost = []

    def bought(duration: int, price: float) -> list[pywraplp.LinearExpr]:
        kind = whole if duration > 1 else parts
        new = [kind(0, infinity, "") for _ in range(hours)]
        cost.extend(price * each for each in new)
        return [sum(new[max(0, t - duration + 1) : t + 1]) for t in range(hours)]

    plan = bought(case.plan_duration, float(case.plan_duration))
    spent = [[] for _ in range(hours)]
    for i in range(types):
        markets = [bought(1, float(case.on_demand[i]))]
        for m, duration in enumerate(case.durations):
            price = float(case.hourly[i, m] * duration + case.upfront[i, m])
            markets.append(bought(duration, price))
        for t in range(hours):
            under = parts(0, infinity, "")
            spent[t].append(float(case.plan_price[i]) * under)
            solver.Add(under + sum(market[t] for market in markets) >= float(case.demand[i, t]))
    for t in range(hours):
        solver.Add(sum(spent[t]) <= plan[t])
    solver.Minimize(sum(cost))
    found = solver.Solve()
    return solver.Objective().Value() if found == pywraplp.Solver.OPTIMAL else float("nan")


def as_problem(case: PeerCase) -> Problem:
    """Their input as ours: a source and a column for every purchase and hour of buying it."""
    types, hours = case.demand.shape
    spans: list[tuple[int, int]] = []
    costs: list[float] = []
    pairs: list[tuple[int, int, float]] = []

    def offer(duration: int, cost: float, draws: list[tuple[int, float]]) -> None:
        for start in range(max(0, hours - duration) + 1):
            pairs.extend((len(costs), pool, draw) for pool, draw in draws)
            spans.append((start, start + duration))
            costs.append(cost)

    for i in range(types):
        for m, duration in enumerate(case.durations):
            offer(duration, float(case.hourly[i, m] * duration + case.upfront[i, m]), [(i, 1.0)])
    offer(case.plan_duration, float(case.plan_duration), list(enumerate(case.plan_price.tolist())))
    begin, end = np.array(spans).T
    active = (begin[:, None] <= np.arange(hours)) & (np.arange(hours) < end[:, None])
    # Hours in which the same purchases are in force are one period.
    _, first, period = np.unique(active, axis=1, return_index=True, return_inverse=True)
    count = len(costs)
    names = tuple(f"purchase {k}" for k in range(count))
    return Problem(
        pools=tuple(f"type {i}" for i in range(types)),
        sources=names,
        columns=names,
        weight=np.ones(hours),
        count=np.ones(hours),
        period=period.reshape(-1),
        demand=case.demand,
        tolerant=np.zeros_like(case.demand),
        price=np.repeat(case.on_demand[:, None], len(first), axis=1),
        spot_price=np.full(types, np.inf),
        penalty=np.full(types, np.inf),
        availability=np.ones((types, len(first))),
        held=np.zeros((count, len(first))),
        active=active[:, first],
        secures=np.zeros(count, dtype=bool),
        pair_source=np.array([pair[0] for pair in pairs]),
        pair_pool=np.array([pair[1] for pair in pairs]),
        pair_draw=np.array([pair[2] for pair in pairs]),
        cost=np.array(costs),
        minimum=np.zeros(count),
        maximum=np.full(count, np.inf),
        step=np.ones(count),
        integer=np.ones(count, dtype=bool),
        member_column=np.arange(count),
        member_source=np.arange(count),
        member_ratio=np.ones(count),
    )


def merge_equal_hours(problem: Problem) -> Problem:
    """Hours of one period with the same demand are one hour of more weight: exact."""
    alike = np.vstack([problem.period, problem.demand])
    _, labels = np.unique(alike, axis=1, return_inverse=True)
    return merge_labels(problem, labels.reshape(-1))
