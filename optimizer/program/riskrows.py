# SPDX-License-Identifier: Apache-2.0
"""Mean and CVaR in the readable program (PuLP), for small trees: the definition of the measure.

    minimise    (1−χ) Σ p·C + χ (η + Σ p·ζ / (1−α))
    subject to  risk.tail[s]   C[s] − η − ζ[s] ≤ 0, ζ ≥ 0

At any size the futures are weighed anew instead (:mod:`optimizer.program.risk`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pulp

from optimizer.program.coverage import (
    CoverageVariables,
    define_coverage_availability,
    define_coverage_draw,
    define_coverage_limit,
    define_coverage_meet,
    define_coverage_variables,
)
from optimizer.program.linkrows import define_excess_variables, define_link_rows
from optimizer.program.problem import Floats, Ints, Problem
from optimizer.program.purchase import (
    PurchaseVariables,
    bought_by_source,
    define_purchase_range,
    define_purchase_variables,
)
from optimizer.program.reference import solved
from optimizer.program.risk import Measure


@dataclass(frozen=True)
class RiskSolution:
    """Amounts (K,), dollars of each future (S,) and of the measure, under free choice."""

    quantity: Floats
    costs: Floats
    objective: float


def solve_risk_reference(
    problem: Problem, future: Ints, futures: Sequence[tuple[int, ...] | None], measure: Measure
) -> RiskSolution:
    """Solve a program over futures under its measure, written out in full.

    Parameters
    ----------
    problem
        At the odds of the measure.
    future
        (N,) the future of each hour.
    futures
        Of each column, the futures in which it is bought; ``None`` for all.
    """
    problem = problem.expand()
    model = pulp.LpProblem("risk", pulp.LpMinimize)
    purchases = define_purchase_variables(model, problem)
    coverage = define_coverage_variables(model, problem)
    excess = define_excess_variables(model, problem)
    cost = future_costs(problem, purchases, coverage, future, futures, measure)
    size = float(problem.weight.sum()) or 1.0
    define_risk_tail(model, cost, measure, size)
    define_coverage_meet(model, problem, coverage)
    define_coverage_draw(model, problem, coverage, bought_by_source(problem, purchases))
    define_coverage_availability(model, problem, coverage)
    define_coverage_limit(model, problem, coverage)
    define_link_rows(model, problem, purchases.quantity, coverage, excess)
    define_purchase_range(model, problem, purchases)
    solved(model, {"mip_rel_gap": 0.0, "random_seed": 0, "presolve": "off"})
    found = np.array([float(pulp.value(c)) for c in cost])
    quantity = np.array([float(pulp.value(q)) for q in purchases.quantity])
    return RiskSolution(quantity, found, measure.of(found))


def future_costs(
    problem: Problem,
    purchases: PurchaseVariables,
    coverage: CoverageVariables,
    future: Ints,
    futures: Sequence[tuple[int, ...] | None],
    measure: Measure,
) -> list[pulp.LpAffineExpression]:
    """C[s]: dollars of each future, its purchases and its hours, not weighed by its odds."""
    terms: list[list[pulp.LpAffineExpression]] = [[] for _ in measure.odds]
    for column, quantity in enumerate(purchases.quantity):
        mine = futures[column]
        members = range(len(terms)) if mine is None else mine
        paid = float(problem.cost[column]) / float(measure.odds[list(members)].sum())
        for s in members:
            terms[s].append(paid * quantity)
    prices = (
        (coverage.on_demand, problem.price),
        (coverage.spot, np.broadcast_to(problem.spot_price[:, None], problem.price.shape)),
        (coverage.unmet, np.broadcast_to(problem.penalty[:, None], problem.price.shape)),
    )
    for group, price in prices:
        for (pool, hour), variable in group.items():
            s = int(future[hour])
            each = float(problem.weight[hour] / measure.odds[s] * price[pool, hour])
            terms[s].append(each * variable)
    return [pulp.lpSum(parts) for parts in terms]


def define_risk_tail(
    model: pulp.LpProblem,
    cost: Sequence[pulp.LpAffineExpression],
    measure: Measure,
    size: float,
) -> None:
    """risk.tail[s]: C[s] − η − ζ[s] ≤ 0 with ζ ≥ 0, and the objective, in dollars ÷ ``size``."""
    eta = model.add_variable("eta", cat="Continuous")
    tail = [model.add_variable(f"zeta_{s}", lowBound=0) for s in range(len(cost))]
    expected = pulp.lpSum(float(p) * c for p, c in zip(measure.odds, cost, strict=True))
    beyond = pulp.lpSum(float(m) * z for m, z in zip(measure.most, tail, strict=True))
    model.setObjective((1.0 - measure.weight) / size * expected + measure.weight * (eta + beyond))
    for s, (c, z) in enumerate(zip(cost, tail, strict=True)):
        model += (1.0 / size) * c - eta - z <= 0, f"risk.tail[{s}]"
