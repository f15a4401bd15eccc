# SPDX-License-Identifier: Apache-2.0
"""Random small problems, and what they cost by exhaustive search.

The search shares nothing with the program: it is written from the definition in the
docstring of ``Problem``, enumerates every amount that may be bought, and leaves to a
linear program (GLOP, which no formulation of the house uses) only what is continuous.
"""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
from ortools.linear_solver import pywraplp

from optimizer.program.problem import Counts, HourlyLimits, Links, Problem

MOST_COMBINATIONS = 1500
KINDS = {
    Counts.MARKET: ("market",),
    Counts.SPOT: ("spot",),
    Counts.RUNNING: ("market", "spot", "secured"),
}


def hourly(**arrays: Any) -> Problem:
    """A problem from prices (P, N), held and active (S, N) given by hour.

    Hours that agree in all that a period has become one; what is not given is unlimited.
    ``limits`` and ``links`` have the hours' ``most`` and ``window``.
    """
    price, held, active = (np.asarray(arrays[name]) for name in ("price", "held", "active"))
    pools, hours = price.shape
    availability = np.asarray(arrays.pop("availability", np.ones(pools)))
    if availability.ndim == 1:
        availability = np.repeat(availability[:, None], hours, axis=1)
    limits = arrays.pop("limits", HourlyLimits(most=np.zeros((0, hours))))
    links = arrays.pop("links", Links(window=np.zeros((0, hours), dtype=bool)))
    tables = [price, held, active, availability, limits.most, links.window]
    _, first, period = np.unique(np.vstack(tables), axis=1, return_index=True, return_inverse=True)
    period = period.reshape(hours)
    return Problem(
        **{
            "count": np.ones(hours),
            "penalty": np.full(pools, np.inf),
            "secures": np.zeros(len(held), dtype=bool),
            **arrays,
            "period": period,
            "price": price[:, first],
            "availability": availability[:, first],
            "limits": replace(limits, most=limits.most[:, first]),
            "links": replace(links, window=links.window[:, first]),
            "held": held[:, first],
            "active": active[:, first].astype(bool),
        }
    )


class Exact:
    """All hours of a problem as one linear program, for amounts that are fixed or ranges."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        self._write()

    def _write(self) -> None:
        self.expanded = p = self.problem.expand()
        self.solver = lp = pywraplp.Solver.CreateSolver("GLOP")
        # By pool and hour, for who adds demand: rows of meeting it and of what the market
        # can serve, and the variable on spot.
        self.meets: dict[tuple[int, int], Any] = {}
        self.able: dict[tuple[int, int], Any] = {}
        self.on_spot: dict[tuple[int, int], Any] = {}
        objective = lp.Objective()
        self.amounts = [lp.NumVar(0, 0, f"Q{k}") for k in range(len(p.columns))]
        for k, amount in enumerate(self.amounts):
            objective.SetCoefficient(amount, float(p.cost[k]))
        self.ties = ties = [lp.Constraint(-lp.infinity(), float(most)) for most in p.links.most]
        for row, price, asked in zip(ties, p.links.excess_price, p.links.purchase, strict=True):
            for amount, each in zip(self.amounts, asked, strict=True):
                row.SetCoefficient(amount, float(each))
            if math.isfinite(price):
                above = lp.NumVar(0, lp.infinity(), "")
                row.SetCoefficient(above, -1.0)
                objective.SetCoefficient(above, float(price))
        for t in range(p.hours):
            meets = [lp.Constraint(float(d), float(d)) for d in p.demand[:, t]]
            self.meets |= {(pool, t): meet for pool, meet in enumerate(meets)}
            rooms = [lp.Constraint(-lp.infinity(), float(h)) for h in p.held[:, t]]
            for k, s, ratio in zip(p.member_column, p.member_source, p.member_ratio, strict=True):
                if p.active[s, t]:
                    rooms[s].SetCoefficient(self.amounts[k], -float(ratio))
            # What serves each pool in this hour: on the market, on spot, with capacity.
            serving: list[dict[str, list[Any]]] = [
                {"market": [], "spot": [], "secured": []} for _ in p.pools
            ]
            for j, (s, pool, draw) in enumerate(
                zip(p.pair_source, p.pair_pool, p.pair_draw, strict=True)
            ):
                unit = lp.NumVar(0, lp.infinity(), "")
                serving[pool]["secured" if p.secures[s] else "market"].append(unit)
                for tie, row in enumerate(ties):
                    if p.links.window[tie, t]:
                        row.SetCoefficient(unit, float(p.count[t] * p.links.covered[tie, j]))
                meets[pool].SetCoefficient(unit, 1.0)
                rooms[s].SetCoefficient(unit, float(draw))
            self._uncovered(t, meets, ties, serving)
            self._limits(t, serving)
        objective.SetMinimization()

    def _uncovered(
        self, t: int, meets: list[Any], ties: list[Any], serving: list[dict[str, list[Any]]]
    ) -> None:
        """On demand, on spot, unserved; and how much the market has."""
        p, lp, objective = self.expanded, self.solver, self.solver.Objective()
        for pool, meet in enumerate(meets):
            for kind, price, most, counted in (
                ("market", p.price[pool, t], lp.infinity(), p.links.on_demand),
                ("spot", p.spot_price[pool], float(p.tolerant[pool, t]), p.links.spot),
                ("", p.penalty[pool], lp.infinity(), None),
            ):
                if math.isfinite(price):
                    unit = lp.NumVar(0, most, "")
                    meet.SetCoefficient(unit, 1.0)
                    objective.SetCoefficient(unit, float(p.weight[t] * price))
                    if kind:
                        serving[pool][kind].append(unit)
                    if kind == "spot":
                        self.on_spot[pool, t] = unit
                    for tie, row in enumerate(ties if kind else []):
                        if p.links.window[tie, t]:
                            row.SetCoefficient(unit, float(p.count[t] * counted[tie, pool]))
            if p.availability[pool, t] < 1:
                able = self.able[pool, t] = lp.Constraint(
                    -lp.infinity(), float(p.availability[pool, t] * p.demand[pool, t])
                )
                for unit in serving[pool]["market"]:
                    able.SetCoefficient(unit, 1.0)

    def _limits(self, t: int, serving: list[dict[str, list[Any]]]) -> None:
        """The limits that apply in the hour."""
        p, lp = self.expanded, self.solver
        for limit in range(len(p.limits.names)):
            if math.isinf(p.limits.most[limit, t]):
                continue
            row = lp.Constraint(-lp.infinity(), float(p.limits.most[limit, t]))
            load: dict[Any, float] = {}
            for entry in np.flatnonzero(p.limits.entry_limit == limit):
                ways = serving[p.limits.entry_pool[entry]]
                for kind in KINDS[Counts(p.limits.entry_counts[entry])]:
                    for unit in ways[kind]:
                        load[unit] = load.get(unit, 0.0) + p.limits.entry_weight[entry]
            for unit, each in load.items():
                row.SetCoefficient(unit, float(each))

    def cost(self, ranges: list[tuple[float, float]]) -> float:
        """The least cost with each amount in its range; ``inf`` if usage cannot be met."""
        for attempt in range(2):
            for amount, (low, high) in zip(self.amounts, ranges, strict=True):
                amount.SetBounds(low, high)
            status = self.solver.Solve()
            if status == pywraplp.Solver.OPTIMAL:
                return float(self.solver.Objective().Value())
            if status == pywraplp.Solver.INFEASIBLE and attempt:
                return math.inf
            self._write()  # without a warm start
        msg = f"GLOP ended with status {status}"
        raise AssertionError(msg)

    def at(self, quantity: np.ndarray) -> float:
        """Free-choice cost of these amounts."""
        return self.cost([(float(q), float(q)) for q in quantity])


def choices(problem: Problem) -> list[list[tuple[float, float]]]:
    """For each column all amounts, and ranges of amounts, that may be bought."""
    rows = []
    for k in range(len(problem.columns)):
        least, most, step = (float(x[k]) for x in (problem.minimum, problem.maximum, problem.step))
        need = 0.0
        for column, source, ratio in zip(
            problem.member_column, problem.member_source, problem.member_ratio, strict=True
        ):
            if column == k:
                draws = problem.pair_source == source
                load = problem.pair_draw[draws] @ problem.demand[problem.pair_pool[draws]]
                need = max(need, float(np.max(load, initial=0.0)) / float(ratio))
        enough = min(most, max(need, least) + step)
        if not problem.integer[k]:
            ranges = [(0.0, 0.0)] if least > 0 else [(0.0, enough)]
            if 0 < least <= most:
                ranges.append((least, max(least, enough)))
        else:
            counts = range(math.floor(enough / step + 1e-9) + 1)
            ranges = [
                (n * step, n * step)
                for n in counts
                if n == 0 or least - 1e-9 <= n * step <= most + 1e-9
            ]
        rows.append(ranges)
    return rows


def simple(
    demand: list[list[float]],
    price: list[float],
    pairs: list[tuple[int, int, float]],
    columns: list[dict[str, float]],
    *,
    held: list[float] | None = None,
    spot_price: list[float] | None = None,
    tolerant: float = 0.0,
    members: list[tuple[int, int, float]] | None = None,
) -> Problem:
    """A problem in which everything is in force in every hour.

    ``pairs`` are (source, pool, draw); ``columns`` have a cost and may have minimum,
    maximum, step and whole; ``members`` are (column, source, ratio), by default source k
    for column k.
    """
    need = np.array(demand, dtype=np.float64)
    members = members or [(k, k, 1.0) for k in range(len(columns))]
    sources = 1 + max([s for s, _, _ in pairs] + [s for _, s, _ in members])

    def column(name: str, default: float) -> np.ndarray:
        return np.array([row.get(name, default) for row in columns], dtype=np.float64)

    hours = need.shape[1]
    return hourly(
        pools=tuple(f"p{i}" for i in range(len(need))),
        sources=tuple(f"s{i}" for i in range(sources)),
        columns=tuple(f"k{i}" for i in range(len(columns))),
        weight=np.ones(hours),
        demand=need,
        tolerant=tolerant * need,
        price=np.repeat(np.array(price, dtype=np.float64)[:, None], hours, axis=1),
        spot_price=np.array(spot_price or [np.inf] * len(need), dtype=np.float64),
        held=np.repeat(np.array(held or [0.0] * sources)[:, None], hours, axis=1),
        active=np.ones((sources, hours), dtype=bool),
        pair_source=np.array([x[0] for x in pairs], dtype=np.int64),
        pair_pool=np.array([x[1] for x in pairs], dtype=np.int64),
        pair_draw=np.array([x[2] for x in pairs], dtype=np.float64),
        cost=column("cost", 1.0),
        minimum=column("minimum", 0.0),
        maximum=column("maximum", np.inf),
        step=column("step", 1.0),
        integer=column("whole", 1.0).astype(bool),
        member_column=np.array([x[0] for x in members], dtype=np.int64),
        member_source=np.array([x[1] for x in members], dtype=np.int64),
        member_ratio=np.array([x[2] for x in members], dtype=np.float64),
    )


def brute_force(problem: Problem) -> float:
    """The free-choice optimum, by trying everything; ``inf`` if there is no plan."""
    exact = Exact(problem)
    return min(exact.cost(list(combination)) for combination in product(*choices(problem)))


def random_problem(seed: int) -> Problem:
    """A problem of 1–3 pools, 1–3 columns (units and money), 2–6 hours."""
    rng = np.random.default_rng(seed)
    pools, columns, hours = (
        int(rng.integers(1, 4)),
        int(rng.integers(1, 4)),
        int(rng.integers(2, 7)),
    )
    held_only = int(rng.random() < 0.3)
    bundle = rng.random() < 0.2
    sources = columns + held_only + int(bundle)
    weight = rng.choice([1.0, 1.0, 2.0, 0.9, 3.5], hours)
    demand = rng.integers(0, 9, (pools, hours)) / rng.choice([2.0, 4.0])
    share = rng.choice([0.0, 0.0, 0.5, 1.0], pools)
    price = np.repeat(rng.integers(4, 33, pools)[:, None] / 8.0, hours, axis=1)
    if rng.random() < 0.25:  # behind a horizon, hours have another price
        price[:, hours // 2 :] *= 0.75
    spot_price = np.where(
        rng.random(pools) < 0.5, price[:, 0] * rng.choice([0.3, 0.6], pools), np.inf
    )
    if rng.random() < 0.2:
        price[0] = np.inf
    money = rng.random(sources) < 0.4
    pairs = []
    for source in range(sources):
        for pool in np.flatnonzero(rng.random(pools) < 0.6):
            worth = price[pool, 0] if np.isfinite(price[pool, 0]) else 3.0
            draw = worth * rng.integers(4, 9) / 10 if money[source] else rng.choice([1.0, 0.5, 2.0])
            pairs.append((source, int(pool), float(draw)))
    active = np.zeros((sources, hours), dtype=bool)
    held = np.zeros((sources, hours))
    for source in range(sources):
        if source >= columns + int(bundle):
            held[source] = rng.integers(1, 4) / 2
        elif rng.random() < 0.25:
            held[source, : rng.integers(1, hours + 1)] = rng.integers(1, 3)
    members = [(column, column, 1.0) for column in range(columns)]
    if bundle:
        members.append((0, columns, float(rng.choice([2.0, 0.5]))))
    for column in range(columns):
        in_force = np.ones(hours, dtype=bool)
        if rng.random() < 0.3:
            in_force[rng.integers(1, hours) :] = False
        for c, source, _ in members:
            if c == column:
                active[source] = in_force
    integer = np.array([not (money[c] and not (bundle and c == 0)) for c in range(columns)])
    cost = _costs(rng, members, pairs, price, weight @ active.T)
    problem = hourly(
        pools=tuple(f"p{i}" for i in range(pools)),
        sources=tuple(f"s{i}" for i in range(sources)),
        columns=tuple(f"k{i}" for i in range(columns)),
        weight=weight,
        demand=demand,
        tolerant=share[:, None] * demand,
        price=price,
        spot_price=spot_price,
        held=held,
        active=active,
        pair_source=np.array([x[0] for x in pairs], dtype=np.int64),
        pair_pool=np.array([x[1] for x in pairs], dtype=np.int64),
        pair_draw=np.array([x[2] for x in pairs], dtype=np.float64),
        cost=cost,
        minimum=rng.choice([0.0, 0.0, 0.7, 2.0, 3.0], columns),
        maximum=rng.choice([np.inf, np.inf, 1.0, 3.0, 7.0, 2.5], columns),
        step=np.where(integer, rng.choice([1.0, 1.0, 2.0, 3.0], columns), 0.001),
        integer=integer,
        member_column=np.array([x[0] for x in members], dtype=np.int64),
        member_source=np.array([x[1] for x in members], dtype=np.int64),
        member_ratio=np.array([x[2] for x in members], dtype=np.float64),
    )
    while math.prod(len(row) for row in choices(problem)) > MOST_COMBINATIONS:
        problem = replace(problem, maximum=np.minimum(problem.maximum, 6.0) * 0.8)
    return problem


def _costs(
    rng: np.random.Generator,
    members: list[tuple[int, int, float]],
    pairs: list[tuple[int, int, float]],
    price: np.ndarray,
    hours: np.ndarray,
) -> np.ndarray:
    """A rate of 30–90 % of what full use would avoid, for the hours of each source."""
    cost = np.zeros(1 + max(column for column, _, _ in members))
    for column, source, ratio in members:
        worth = [np.nan_to_num(price[p, 0], posinf=3.0) / d for s, p, d in pairs if s == source]
        rate = max(worth, default=1.0) * rng.integers(3, 10) / 10
        cost[column] += ratio * rate * float(hours[source])
    return cost
