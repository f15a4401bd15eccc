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
    met = solution.spot + solution.on_demand
    np.add.at(met, problem.pair_pool, solution.covered)
    drawn = np.zeros_like(problem.held)
    np.add.at(drawn, problem.pair_source, problem.pair_draw[:, None] * solution.covered)
    size = 1.0 + float(problem.demand.max(initial=0.0))
    capacity = problem.capacity(solution.quantity)
    cost = float(problem.cost @ solution.quantity)
    for units, price in (
        (solution.on_demand, problem.price),
        (solution.spot, np.broadcast_to(problem.spot_price[:, None], solution.spot.shape)),
    ):
        priced = np.zeros_like(units)
        np.multiply(units, price, out=priced, where=units > 0)
        cost += float(priced.sum(axis=0) @ problem.weight)
    least = min(
        float(units.min(initial=0.0))
        for units in (solution.covered, solution.spot, solution.on_demand)
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
        _within("objective", abs(cost - solution.objective), 1.0 + abs(cost)),
    ]
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
            not proven or answer <= value + TOLERANCE * (1.0 + abs(value)),
            f"{answer:.6f} <= {value:.6f}",
        )
        for name, value in incumbents.items()
    ]


def _within(name: str, violation: float, size: float) -> Check:
    ok = bool(np.isfinite(violation)) and violation <= TOLERANCE * size
    return Check(name, ok, f"largest violation {violation:.3g}")
