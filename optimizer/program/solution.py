# SPDX-License-Identifier: Apache-2.0
"""What a formulation returns, whichever way it was solved."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from optimizer.program.problem import Floats, Problem
from optimizer.program.status import Status


@dataclass(frozen=True)
class ProgramSolution:
    """An answer to a :class:`~optimizer.program.problem.Problem` under free choice.

    Attributes
    ----------
    status
        Of the solver, translated; ``infeasible`` has no quantities.
    quantity
        (K,) amounts of the columns.
    objective
        Dollars, without the constant cost of what is held; the solver's own word.
    bound
        The solver's own dual bound, in dollars; a claim, not a proof.
    covered, spot, on_demand, unmet
        (J, N), (P, N), (P, N), (P, N) units, where the formulation keeps them.
    excess
        (I,) by how much each linking row that has a price is exceeded.
    """

    status: Status
    quantity: NDArray[np.float64]
    objective: float
    bound: float
    covered: NDArray[np.float64] | None = None
    spot: NDArray[np.float64] | None = None
    on_demand: NDArray[np.float64] | None = None
    unmet: NDArray[np.float64] | None = None
    excess: NDArray[np.float64] | None = None


def may_be_bought(problem: Problem, quantity: Floats) -> Floats | None:
    """Amounts (K,) on their steps, where they are that already, and within their ranges."""
    amounts = np.maximum(quantity, 0.0)
    counted = np.where(problem.integer, np.round(amounts / problem.step) * problem.step, amounts)
    inside = (counted >= problem.minimum - 1e-9) & (counted <= problem.maximum + 1e-9)
    near = np.abs(counted - amounts) <= 1e-9 * (1.0 + amounts)
    return counted if bool((near & (inside | (counted == 0))).all()) else None
