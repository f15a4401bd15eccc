# SPDX-License-Identifier: Apache-2.0
"""The rows of the readable program (PuLP) that link all hours, and those that price excess.

Which rows there are, and their coefficients, is the business of
:mod:`optimizer.program.linking`; here each is written as it stands in
:class:`~optimizer.program.problem.Links`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pulp

from optimizer.program.coverage import CoverageVariables, PairHour
from optimizer.program.problem import Problem


def define_excess_variables(model: pulp.LpProblem, problem: Problem) -> dict[int, pulp.LpVariable]:
    """z[i] ≥ 0: what a row with a price is exceeded by, in dollars."""
    return {
        int(row): model.add_variable(f"excess_{row}", lowBound=0)
        for row in np.flatnonzero(np.isfinite(problem.links.excess_price))
    }


def define_link_rows(
    model: pulp.LpProblem,
    problem: Problem,
    quantity: Sequence[pulp.LpAffineExpression],
    variables: CoverageVariables,
    excess: Mapping[int, pulp.LpVariable],
    arriving: Mapping[PairHour, pulp.LpAffineExpression] | None = None,
) -> None:
    """Σ p·Q + Σₜ h·[t ∈ window](Σ a·u + b·r + c·y) − z ≤ most, in dollars.

    The rows ``purchase.cash``, ``coverage.spot_share``, ``coverage.unused`` and
    ``agreement.shortfall``.  ``arriving`` is demand by (pool, hour) that work which may move
    adds, where the right-hand side follows the demand.
    """
    links = problem.links
    families = (
        (variables.on_demand, links.on_demand),
        (variables.spot, links.spot),
        (variables.covered, links.covered),
    )
    for row, name in enumerate(links.names):
        terms = [
            float(each) * amount
            for each, amount in zip(links.purchase[row], quantity, strict=True)
            if each
        ]
        for group, factors in families:
            terms += [
                float(factors[row, where] * problem.count[hour]) * variable
                for (where, hour), variable in group.items()
                if factors[row, where] and links.window[row, hour]
            ]
        if links.demand.any():
            terms += [
                -float(links.demand[row, pool] * problem.count[hour]) * units
                for (pool, hour), units in (arriving or {}).items()
                if links.demand[row, pool] and links.window[row, hour]
            ]
        if row in excess:
            terms.append(-1.0 * excess[row])
        if not terms:
            # Nothing can be done about it: a constant, kept as 0 · Q so that it is a row.
            terms = [pulp.LpAffineExpression()]
        # Large sums of dollars are scaled, so that the solver's tolerance is relative.
        size = max([1.0, *(abs(value) for term in terms for value in term.values())])
        model += (
            pulp.lpSum(terms) * (1.0 / size) <= float(links.most[row]) / size,
            f"{name}[{row}]",
        )


def excess_cost(problem: Problem, excess: Mapping[int, pulp.LpVariable]) -> pulp.LpAffineExpression:
    """Σ price·z, in dollars."""
    return pulp.lpSum(
        float(problem.links.excess_price[row]) * variable for row, variable in excess.items()
    )
