# SPDX-License-Identifier: Apache-2.0
"""The purchase family of the readable program (PuLP): what is bought, and how much."""

from __future__ import annotations

from dataclasses import dataclass

import pulp

from optimizer.program.problem import Flags, Problem


@dataclass(frozen=True)
class PurchaseVariables:
    """Q as an expression for each column, in units or dollars per hour."""

    quantity: tuple[pulp.LpAffineExpression, ...]


def define_purchase_variables(model: pulp.LpProblem, problem: Problem) -> PurchaseVariables:
    """Q[k]: a whole number of steps for units; continuous for money (rounded afterwards)."""
    quantities = []
    most = problem.needed()
    for column in range(len(problem.columns)):
        step = float(problem.step[column])
        if problem.integer[column]:
            count = model.add_variable(
                f"steps_{column}",
                lowBound=0,
                upBound=round(float(most[column]) / step),
                cat="Integer",
            )
            quantities.append(step * count)
        else:
            amount = model.add_variable(f"amount_{column}", lowBound=0, upBound=float(most[column]))
            quantities.append(1.0 * amount)
    return PurchaseVariables(tuple(quantities))


def define_purchase_range(
    model: pulp.LpProblem, problem: Problem, variables: PurchaseVariables
) -> None:
    """purchase.range[k]: min·β ≤ Q ≤ max·β with β ∈ {0, 1}, where a minimum is asked for.

    The upper end needs no β where there is no minimum: it is a bound of the variable.
    """
    most = problem.needed()
    for column, quantity in enumerate(variables.quantity):
        least = float(problem.minimum[column])
        if (least <= problem.step[column] and problem.integer[column]) or least <= 0:
            continue
        opened = model.add_variable(f"opened_{column}", cat="Binary")
        model += quantity >= least * opened, f"purchase.range.least[{column}]"
        model += quantity <= float(most[column]) * opened, f"purchase.range.most[{column}]"


def purchase_cost(problem: Problem, variables: PurchaseVariables) -> pulp.LpAffineExpression:
    """Σ F·Q, in dollars over the terms."""
    return pulp.lpSum(
        float(cost) * quantity
        for cost, quantity in zip(problem.cost, variables.quantity, strict=True)
    )


def bought_by_source(
    problem: Problem, variables: PurchaseVariables
) -> dict[int, list[tuple[pulp.LpAffineExpression, Flags]]]:
    """What the purchases add to each source, in its measure, and (R,) when."""
    bought: dict[int, list[tuple[pulp.LpAffineExpression, Flags]]] = {}
    for column, source, ratio, active in zip(
        problem.member_column,
        problem.member_source,
        problem.member_ratio,
        problem.in_force,
        strict=True,
    ):
        part = float(ratio) * variables.quantity[int(column)]
        bought.setdefault(int(source), []).append((part, active))
    return bought
