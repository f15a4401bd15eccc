# SPDX-License-Identifier: Apache-2.0
"""The certificate: a lower bound that holds for any prices, whoever supplied them.

For any prices λ ≥ 0 of the sources (``docs/program.md``, section 5):

    π̂ = min(e, minₒ a·λₒ)
    LB = Σ wγ [ Σₚ d((1−τ)π̂ + τ·min(π̂, ŝ)) − Σₛ λH ] + Σₖ min over Q ∈ X of (F − Σ wγλ)·Q

It is Lagrangian duality of coverage.draw: no solver is asked, so that no solver can make
it wrong; a poor λ only makes it loose.
"""

from __future__ import annotations

import numpy as np

from optimizer.program.arrays import Box
from optimizer.program.problem import Floats, Problem

# What float64 sums may be off by, relative to the sum of the terms' magnitudes.
ROUNDING = 1e-12


def whole_box(problem: Problem) -> Box:
    """All amounts that an optimal plan may need."""
    return Box(np.zeros(len(problem.columns)), problem.needed())


def lower_bound(problem: Problem, prices: Floats, box: Box | None = None) -> float:
    """The bound for prices λ of shape (S, N), in dollars per unit of the source's measure.

    Without a box it bounds every plan; with one, every plan whose purchases lie in it.
    Excludes the constant cost of what is held.  ``inf`` if demand cannot be met at all
    because a pool has neither a price nor a source.

    Raises
    ------
    ValueError
        If a price is negative or not finite.
    """
    if not np.all(np.isfinite(prices)) or (prices < 0).any():
        msg = "prices of a certificate must be finite and not negative"
        raise ValueError(msg)
    box = whole_box(problem) if box is None else box
    unit = pool_prices(problem, prices)
    spot = np.minimum(unit, problem.spot_price[:, None])
    firm = problem.demand - problem.tolerant
    with np.errstate(invalid="ignore"):
        usage = np.where(firm > 0, firm * unit, 0.0) + np.where(
            problem.tolerant > 0, problem.tolerant * spot, 0.0
        )
    held = prices * problem.held
    bracket = reduced_costs(problem, prices)
    purchases = np.array(
        [_least(problem, box, column, float(bracket[column])) for column in range(len(bracket))]
    )
    if np.isposinf(usage).any() or np.isposinf(purchases).any():
        return np.inf  # usage that nothing serves, or a box that holds no amount
    hourly = usage.sum(axis=0) - held.sum(axis=0)
    size = float(problem.weight @ (np.abs(usage).sum(axis=0) + held.sum(axis=0)))
    # A bracket is a small difference of a cost and of what it earns: both count.
    most = np.where(np.isfinite(box.upper), box.upper, 0.0)
    size += float((2.0 * np.abs(problem.cost) + np.abs(bracket)) @ most)
    bound = float(problem.weight @ hourly) + float(purchases.sum())
    return bound - ROUNDING * size if np.isfinite(bound) else bound


def pool_prices(problem: Problem, prices: Floats) -> Floats:
    """π̂ = min(e, min over pairs of a·λ): the most a further unit can be worth; (P, N)."""
    unit = problem.price.copy()
    usable = (problem.held > 0) | problem.active
    for source, pool, draw in zip(
        problem.pair_source, problem.pair_pool, problem.pair_draw, strict=True
    ):
        np.minimum(
            unit[pool], np.where(usable[source], draw * prices[source], np.inf), out=unit[pool]
        )
    return unit


def reduced_costs(problem: Problem, prices: Floats) -> Floats:
    """F − Σ wγλ over the hours in which the purchase is in force; (K,)."""
    worth = (prices * problem.active) @ problem.weight
    earned = np.bincount(
        problem.member_column,
        weights=problem.member_ratio * worth[problem.member_source],
        minlength=len(problem.columns),
    )
    return np.asarray(problem.cost - earned, dtype=np.float64)


def _least(problem: Problem, box: Box, column: int, bracket: float) -> float:
    """Min bracket·Q over the amounts in X that lie in the box."""
    step = float(problem.step[column]) if problem.integer[column] else 0.0
    least, most = float(box.lower[column]), float(box.upper[column])
    from_minimum = max(least, float(problem.minimum[column]))
    low = 0.0 if least <= 0 else _snap(from_minimum, step, np.ceil)
    if low > most + 1e-9:
        return np.inf  # there is no amount in the box
    if bracket >= 0:
        return bracket * low
    if np.isinf(most):
        return -np.inf
    high = _snap(most, step, np.floor)
    # Where the box holds no amount but zero, low is zero here.
    return bracket * (high if high >= _snap(from_minimum, step, np.ceil) - 1e-9 else low)


def _snap(amount: float, step: float, to: np.ufunc) -> float:
    if step <= 0:
        return amount
    slack = 1e-9 if to is np.floor else -1e-9
    return float(to(amount / step + slack) * step)
