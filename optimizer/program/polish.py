# SPDX-License-Identifier: Apache-2.0
"""Prices of single hours, made to earn what the purchases cost.

At the optimum the worth of what a purchase serves, over its term, is what it costs.  Near
the optimum the oracle's prices almost do; scaling them so closes most of what the constant
prices of cells leave open.  Any prices are valid, so nothing here needs to be exact.
"""

from __future__ import annotations

import numpy as np

from optimizer.program.certificate import residual
from optimizer.program.prices import Prices, unit_costs
from optimizer.program.problem import Floats, Problem


def hourly_prices(problem: Problem, prices: Prices, shared: Floats, quantity: Floats) -> Prices:
    """Prices with ``shared`` in place of the cells', scaled to costs; rents to match.

    Parameters
    ----------
    prices
        The master's, whose prices of limits and linking rows are kept.
    shared
        (shared sources, N) of the hour oracle at ``quantity``.
    """
    structure = problem.structure
    cost = problem.cost
    if problem.links.names:
        cost = cost + prices.links @ problem.links.purchase
    shared = np.where(np.isfinite(shared), shared, prices.shared)
    worth = np.zeros(len(problem.sources))
    active = problem.active[structure.shared]
    for row, source in enumerate(structure.shared):
        inside = active[row][problem.period]
        worth[source] = float(shared[row] @ (problem.weight * inside))
    factor = np.ones(len(problem.sources))
    for column in range(len(problem.columns)):
        members = problem.member_column == column
        sources = problem.member_source[members]
        earned = float(problem.member_ratio[members] @ worth[sources])
        if earned > 0 and not structure.own[sources].any():
            scale = cost[column] / earned
            bought = quantity[column] > 0
            # What is not bought earns at most its cost; what is bought, exactly that.
            factor[sources] = np.minimum(
                np.where(bought, np.inf, factor[sources]), min(scale, 1.5 if bought else 1.0)
            )
    shared = shared * factor[structure.shared][:, None]
    polished = Prices(shared, prices.rent.copy(), prices.limits, prices.links)
    _rents(problem, polished, cost, quantity)
    return polished


def _rents(problem: Problem, prices: Prices, cost: Floats, quantity: Floats) -> None:
    """Rents of own capacity at the amounts: between what one unit less and more is worth."""
    structure, capacity = problem.structure, problem.capacity(quantity)
    for pool, pairs in enumerate(structure.own_pairs):
        if not len(pairs):
            continue
        index = np.array([pool])
        unit = unit_costs(problem, prices, index).firm[0]
        spot = np.minimum(unit, problem.spot_price[pool])
        left = residual(problem, capacity, index)[0]
        own = (
            capacity[problem.pair_source[pairs]] / problem.pair_draw[pairs][:, None]
        ).sum(axis=0)[problem.period]
        level = problem.demand[pool] - own  # negative where there is capacity left
        dear = left > problem.tolerant[pool]
        with np.errstate(invalid="ignore"):
            worth = np.where(left > 1e-9, np.where(dear, unit, spot), 0.0) * problem.weight
            # One unit less: hours that are just served would lose it too.
            less = np.where(
                (level > -1.0 + 1e-9) & (left <= 1e-9), spot * problem.weight * (1.0 + level), 0.0
            )
        if not (np.isfinite(worth).all() and np.isfinite(less).all()):
            continue
        regime = structure.regime[problem.period]
        low = np.bincount(regime, worth, minlength=structure.regimes)
        more = np.bincount(regime, less, minlength=structure.regimes)
        best = None
        for pair in pairs:
            source, draw = problem.pair_source[pair], problem.pair_draw[pair]
            inside = problem.active[source][structure.lead]
            for member in np.flatnonzero(problem.member_source == source):
                due = cost[problem.member_column[member]] * draw / problem.member_ratio[member]
                base, extra = float(low[inside].sum()), float(more[inside].sum())
                share = 0.0 if extra <= 0 else min(max((due - base) / extra, 0.0), 1.0)
                got = base + share * extra
                scale = min(1.0, due / got) if got > 0 else 1.0
                best = (share, scale) if best is None else min(best, (share, scale))
        if best is not None:
            prices.rent[pool] = best[1] * (low + best[0] * more)
