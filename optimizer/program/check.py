# SPDX-License-Identifier: Apache-2.0
"""Independent checks: a solver's word is not proof.

Nothing here is shared with a formulation: constraints are recomputed from the arrays, and
the answer is held against plans that need no solver at all.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from optimizer.program.problem import Floats, Problem
from optimizer.program.solution import ProgramSolution

TOLERANCE = 1e-6


@dataclass(frozen=True)
class Check:
    """One check of an answer: its name, whether it holds, and the figures behind it."""

    name: str
    ok: bool
    detail: str


def check_solution(problem: Problem, solution: ProgramSolution) -> list[Check]:
    """Recompute every constraint family, and the objective, from an answer's coverage."""
    problem = problem.expand()
    checks = [check_amounts(problem, solution.quantity)]
    if solution.covered is None or solution.spot is None or solution.on_demand is None:
        return checks
    unmet = np.zeros_like(solution.spot) if solution.unmet is None else solution.unmet
    met = solution.spot + solution.on_demand + unmet
    np.add.at(met, problem.pair_pool, solution.covered)
    drawn = np.zeros_like(problem.held)
    np.add.at(drawn, problem.pair_source, problem.pair_draw[:, None] * solution.covered)
    size = 1.0 + float(problem.demand.max(initial=0.0))
    capacity = problem.capacity(solution.quantity)
    cost = float(problem.cost @ solution.quantity)
    for units, price in (
        (solution.on_demand, problem.price),
        (solution.spot, np.broadcast_to(problem.spot_price[:, None], solution.spot.shape)),
        (unmet, np.broadcast_to(problem.penalty[:, None], unmet.shape)),
    ):
        priced = np.zeros_like(units)
        np.multiply(units, price, out=priced, where=units > 0)
        cost += float(priced.sum(axis=0) @ problem.weight)
    excess = np.zeros(len(problem.links.names)) if solution.excess is None else solution.excess
    priced = np.zeros_like(excess)
    np.multiply(excess, problem.links.excess_price, out=priced, where=excess > 0)
    cost += float(priced.sum())
    least = min(
        float(units.min(initial=0.0))
        for units in (solution.covered, solution.spot, solution.on_demand, unmet, excess)
    )
    checks += [
        _within("coverage.positive", -least, size),
        _within("coverage.meet", float(np.abs(met - problem.demand).max(initial=0.0)), size),
        _within(
            "coverage.draw",
            float((drawn - capacity).max(initial=0.0)),
            1.0 + float(capacity.max(initial=0.0)),
        ),
        _within("coverage.spot", float((solution.spot - problem.tolerant).max(initial=0.0)), size),
        *_limits(problem, solution.covered, solution.spot, solution.on_demand),
        *_links(problem, solution, excess),
        _within("objective", abs(cost - solution.objective), 1.0 + abs(cost)),
    ]
    return checks


def _limits(problem: Problem, covered: Floats, spot: Floats, on_demand: Floats) -> list[Check]:
    """coverage.availability and every hourly limit, from what serves each pool."""
    secured, loose = np.zeros_like(spot), np.zeros_like(spot)
    capacity = problem.secures[problem.pair_source]
    np.add.at(secured, problem.pair_pool[capacity], covered[capacity])
    np.add.at(loose, problem.pair_pool[~capacity], covered[~capacity])
    market = on_demand + loose
    units = (market, spot, market + secured + spot)
    size = 1.0 + float(problem.demand.max(initial=0.0))
    over = np.where(problem.availability < 1.0, market - problem.availability * problem.demand, 0.0)
    checks = [_within("coverage.availability", float(over.max(initial=0.0)), size)]
    limits = problem.limits
    load = np.zeros_like(limits.most)
    for limit, pool, counts, weight in zip(
        limits.entry_limit, limits.entry_pool, limits.entry_counts, limits.entry_weight, strict=True
    ):
        load[limit] += weight * units[counts][pool]
    worst = float((load - limits.most).max(initial=0.0)) if limits.names else 0.0
    return [*checks, _within("coverage.limit", worst, size + float(load.max(initial=0.0)))]


def _links(problem: Problem, solution: ProgramSolution, excess: Floats) -> list[Check]:
    """Every row that links the hours, by its name."""
    links, checks = problem.links, []
    for row, name in enumerate(links.names):
        hours = problem.count * links.window[row]
        parts = [
            links.purchase[row] * solution.quantity,
            (links.on_demand[row][:, None] * solution.on_demand) @ hours,
            (links.spot[row][:, None] * solution.spot) @ hours,
            (links.covered[row][:, None] * solution.covered) @ hours,
        ]
        total = sum(float(part.sum()) for part in parts) - float(excess[row])
        size = 1.0 + sum(float(np.abs(part).sum()) for part in parts) + abs(float(links.most[row]))
        checks.append(_within(name, total - float(links.most[row]), size))
    return checks


def check_amounts(problem: Problem, quantity: Floats) -> Check:
    """purchase.range: every amount is 0, or within [min, max] and on its step if whole."""
    bought = quantity > TOLERANCE
    off_step = np.abs(quantity / problem.step - np.round(quantity / problem.step))
    bad = (quantity < -TOLERANCE) | bought & (
        (quantity < problem.minimum - TOLERANCE)
        | (quantity > problem.maximum + TOLERANCE)
        | (problem.integer & (off_step > TOLERANCE))
    )
    names = ", ".join(problem.columns[index] for index in np.flatnonzero(bad))
    return Check("purchase.range", not bad.any(), names or f"{len(quantity)} amounts")


def check_bound(bound: float, objectives: dict[str, float]) -> list[Check]:
    """The bound is above none of the plans that are known."""
    return [
        Check(
            f"bound <= {name}",
            bool(bound <= value + TOLERANCE * (1.0 + abs(value))),
            f"{bound:.6f} <= {value:.6f}",
        )
        for name, value in objectives.items()
    ]


def check_incumbents(answer: float, incumbents: dict[str, float], *, proven: bool) -> list[Check]:
    """No simple plan is cheaper than an answer that is called optimal.

    ``answer`` is the free-choice value that the solver claims; an incumbent's replayed
    objective can only be higher than the true free-choice optimum.
    """
    return [
        Check(
            f"answer <= {name}",
            bool(not proven or answer <= value + TOLERANCE * (1.0 + abs(value))),
            f"{answer:.6f} <= {value:.6f}",
        )
        for name, value in incumbents.items()
    ]


def _within(name: str, violation: float, size: float) -> Check:
    ok = bool(np.isfinite(violation) and violation <= TOLERANCE * size)
    return Check(name, ok, f"largest violation {violation:.3g}")
