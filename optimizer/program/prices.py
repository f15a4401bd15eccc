# SPDX-License-Identifier: Apache-2.0
"""Prices of capacity, limits and linking rows, and what they make a unit of usage cost.

A source that covers one pool alone is *own*: the certificate prices it by a rent over a
whole regime of hours, and decides exactly how much of it each would rent.  All other sources
are *shared* and have a price in every hour.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from optimizer.program.problem import Counts, Floats, Ints, Problem


@dataclass(frozen=True)
class Prices:
    """Prices ≥ 0 that price one problem's rows; any such prices prove a bound.

    Attributes
    ----------
    shared
        (shared sources, N) dollars for one unit of the source's measure in an hour: λ.
    rent
        (P, regimes) dollars for one unit of a pool's own capacity over a whole regime.
    limits
        (I, N) dollars for one unit of each hourly limit: μ.
    links
        (I,) dollars for one unit of each linking row: σ.
    """

    shared: Floats
    rent: Floats
    limits: Floats
    links: Floats

    def spread(self, labels: Ints) -> Prices:
        """Prices of merged hours as prices of the hours that they stand for."""
        return Prices(self.shared[:, labels], self.rent, self.limits[:, labels], self.links)


def zero_prices(problem: Problem) -> Prices:
    """Prices of nothing: a valid, weak bound that asks no solver."""
    structure = problem.structure
    return Prices(
        np.zeros((len(structure.shared), problem.hours)),
        np.zeros((len(problem.pools), structure.regimes)),
        np.zeros((len(problem.limits.names), problem.hours)),
        np.zeros(len(problem.links.names)),
    )


@dataclass(frozen=True)
class UnitCosts:
    """What a unit of some pools costs by each way to serve it, shape (pools, N) each.

    ``market`` on demand or under a discount without capacity, ``secured`` under a source
    that guarantees capacity, or unserved; ``spot`` on spot.
    """

    market: Floats
    secured: Floats
    spot: Floats

    @property
    def firm(self) -> Floats:
        """π̂: the cheapest way that is open to every unit where nothing is limited."""
        return np.minimum(self.market, self.secured)


def unit_costs(problem: Problem, prices: Prices, pools: Ints) -> UnitCosts:
    """Price every way to serve the pools ``pools`` at the given prices, own sources apart."""
    structure, period = problem.structure, problem.period
    links, shape = problem.links, (len(pools), problem.hours)
    market = problem.price[pools][:, period]
    # Constant over the hours unless something changes them: no copies of a year of hours.
    secured = np.broadcast_to(problem.penalty[pools][:, None], shape)
    spot = np.broadcast_to(problem.spot_price[pools][:, None], shape)
    if problem.secures.any() or problem.limits.names:
        secured = secured.copy()
    if links.names or problem.limits.names:
        spot = spot.copy()
    hourly = _link_hours(problem, prices) if links.names else None
    if hourly is not None:
        market += np.einsum("ip,in->pn", links.on_demand[:, pools], hourly)
        spot += np.einsum("ip,in->pn", links.spot[:, pools], hourly)
    for position, pool in enumerate(pools):
        for pair in structure.pairs[pool]:
            source = problem.pair_source[pair]
            cost = problem.pair_draw[pair] * prices.shared[structure.row[source]]
            if hourly is not None:
                cost = cost + links.covered[:, pair] @ hourly
            usable = (problem.held[source] > 0) | problem.active[source]
            if not usable.all():
                cost = np.where(usable[period], cost, np.inf)
            way = secured if problem.secures[source] else market
            np.minimum(way[position], cost, out=way[position])
    place = {int(pool): position for position, pool in enumerate(pools)}
    limits = problem.limits
    for limit, pool, counts, weight in zip(
        limits.entry_limit,
        limits.entry_pool,
        limits.entry_counts,
        limits.entry_weight,
        strict=True,
    ):
        if int(pool) not in place:
            continue
        row, extra = place[int(pool)], weight * prices.limits[limit]
        if counts in (Counts.MARKET, Counts.RUNNING):
            market[row] += extra
        if counts in (Counts.SPOT, Counts.RUNNING):
            spot[row] += extra
        if counts == Counts.RUNNING:
            # Unserved usage does not run; both share an entry, so the penalty is kept apart.
            secured[row] = np.minimum(secured[row] + extra, problem.penalty[pool])
    return UnitCosts(market, secured, spot)


def _link_hours(problem: Problem, prices: Prices) -> Floats:
    """σ·h / w for every linking row and hour in its window; shape (I, N)."""
    return np.asarray(
        prices.links[:, None]
        * problem.links.window[:, problem.period]
        * (problem.count / problem.weight)
    )


def usage_cost(problem: Problem, costs: UnitCosts, pools: Ints, units: Floats) -> Floats:
    """The least cost of serving ``units`` (pools, N) of the pools' demand at these prices.

    Market units are at most availability · demand and spot units at most the tolerant ones;
    what is left is secured or unserved.  The dearest way serves last.
    """
    rest = costs.secured
    share = problem.availability[pools][:, problem.period]
    most = np.where(share >= 1.0, units, np.minimum(share * problem.demand[pools], units))
    most = np.where(costs.market < rest, most, 0.0)
    tolerant = np.minimum(problem.tolerant[pools], units)
    tolerant = np.where(costs.spot < rest, tolerant, 0.0)
    spot = np.where(
        costs.spot < costs.market, tolerant, np.minimum(tolerant, np.maximum(units - most, 0.0))
    )
    market = np.minimum(most, units - spot)
    left = units - spot - market
    total = np.zeros_like(units)
    for amount, price in ((spot, costs.spot), (market, costs.market), (left, rest)):
        part = np.zeros_like(units)
        # What is left by rounding alone is nothing.
        np.multiply(amount, price, out=part, where=amount > 1e-12 * units)
        total += part
    return total
