# SPDX-License-Identifier: Apache-2.0
"""The certificate: a lower bound that holds for any prices, whoever supplied them.

For any prices λ, μ, σ ≥ 0 of shared sources, hourly limits and linking rows, and any rents
ρ ≥ 0 of a pool's own capacity (``docs/program.md``, section 5):

    LB = Σ w[ Σₚ cost(d) − Σₛ λH − Σᵢ μL ] + Σₚᵣ min over m of (ρ·m + Σ_{t∈r} w·cost((d − H − m)⁺))
       + Σₖ min over Q ∈ X of (F + σp − Σ wλ − Σ ρ)·Q − σ·most

where cost(x) serves x units in the cheapest ways at these prices; the first sum runs over
pools without own sources.  It is Lagrangian duality of the shared rows, with the own ones
kept exactly: no solver is asked, so that no solver can make it wrong; poor prices only make
it loose.
"""

from __future__ import annotations

import numpy as np

from optimizer.program.arrays import Box
from optimizer.program.prices import Prices, UnitCosts, unit_costs, usage_cost
from optimizer.program.problem import Floats, Ints, Problem

# What float64 sums may be off by, relative to the sum of the terms' magnitudes.
ROUNDING = 1e-12
# Steps of own capacity up to which all of them are tried; beyond, the continuous minimum.
MOST_STEPS = 200_000
CHUNK = 64  # pools at once: a year of hours of them fits a processor's cache and little memory


def whole_box(problem: Problem) -> Box:
    """All amounts that an optimal plan may need."""
    return Box(np.zeros(len(problem.columns)), problem.needed())


def lower_bound(problem: Problem, prices: Prices, box: Box | None = None) -> float:
    """The bound for the given prices, in dollars.

    Without a box it bounds every plan; with one, every plan whose purchases lie in it.
    Excludes the constant cost of what is held.  ``inf`` if demand cannot be met at all
    because a pool has neither a price nor a source.

    Raises
    ------
    ValueError
        If a price is negative or not finite.
    """
    for values in (prices.shared, prices.rent, prices.limits, prices.links):
        if not np.all(np.isfinite(values)) or (values < 0).any():
            msg = "prices of a certificate must be finite and not negative"
            raise ValueError(msg)
    if (
        problem.limits.names
        and ((prices.limits > 0) & np.isinf(problem.limits.most[:, problem.period])).any()
    ):
        msg = "an hourly limit has a price in an hour in which it does not apply"
        raise ValueError(msg)
    if (prices.links > problem.links.excess_price).any():
        msg = "the price of a linking row is above what exceeding it costs"
        raise ValueError(msg)
    box = whole_box(problem) if box is None else box
    brackets = reduced_costs(problem, prices)
    purchases = np.array(
        [
            least_of_column(problem, box, column, float(bracket))
            for column, bracket in enumerate(brackets)
        ]
    )
    if np.isposinf(purchases).any():
        return np.inf  # a box that holds no amount
    # A bracket is a small difference of a cost and of what it earns: both count.
    most = np.where(np.isfinite(box.upper), box.upper, 0.0)
    size = float((2.0 * np.abs(problem.cost) + np.abs(brackets)) @ most)
    total = float(purchases.sum())
    for pools in np.array_split(
        np.arange(len(problem.pools)), max(1, -(-len(problem.pools) // CHUNK))
    ):
        least, magnitude = _pools_cost(problem, prices, pools, box)
        total += least
        size += magnitude
    fixed = _fixed(problem, prices)
    bound = total - float(fixed.sum())
    size += float(np.abs(fixed).sum())
    return bound - ROUNDING * size if np.isfinite(bound) else bound


def reduced_costs(problem: Problem, prices: Prices) -> Floats:
    """F + σp − Σ wλ − Σ ρ over the hours in which the purchase is in force; (K,)."""
    structure = problem.structure
    # Worth of one more unit of each source in each period; own ones have rents by regime.
    shared = np.zeros((len(problem.sources), problem.periods))
    shared[structure.shared] = _by_period(problem, prices.shared * problem.weight)
    own = np.flatnonzero(structure.own[problem.pair_source])
    source, pool = problem.pair_source[own], problem.pair_pool[own]
    rent = np.zeros((len(problem.sources), structure.regimes))
    rent[source] = (
        prices.rent[pool]
        / np.where(problem.pair_draw[own] > 0, problem.pair_draw[own], np.inf)[:, None]
    )
    worth = np.array(
        [
            shared[source] @ active + rent[source] @ active[structure.lead]
            for source, active in zip(problem.member_source, problem.in_force, strict=True)
        ]
    )
    earned = np.bincount(
        problem.member_column,
        weights=problem.member_ratio * worth,
        minlength=len(problem.columns),
    )
    asked = prices.links @ problem.links.purchase if problem.links.names else 0.0
    return np.asarray(problem.cost + asked - earned, dtype=np.float64)


def hourly_floor(problem: Problem, prices: Prices, quantity: Floats) -> Floats:
    """What an hour costs at least with these purchases, by the same duality; (N,) dollars.

    Of a problem without linking rows, or with their share of the price in every hour.
    """
    structure, capacity = problem.structure, problem.capacity(quantity)
    floor = -(prices.shared * capacity[structure.shared][:, problem.period]).sum(axis=0)
    if problem.limits.names:
        floor = floor - _limit_rent(problem, prices).sum(axis=0)
    for pools in np.array_split(
        np.arange(len(problem.pools)), max(1, -(-len(problem.pools) // CHUNK))
    ):
        units = residual(problem, capacity, pools)
        costs = unit_costs(problem, prices, pools)
        floor = floor + usage_cost(problem, costs, pools, units).sum(axis=0)
    return np.asarray(floor)


def residual(problem: Problem, capacity: Floats, pools: Ints) -> Floats:
    """Units of the pools that their own sources leave, (pools, N): they serve first, free."""
    units = problem.demand[pools].copy()
    for position, pool in enumerate(pools):
        pairs = problem.structure.own_pairs[pool]
        if len(pairs):
            able = (capacity[problem.pair_source[pairs]] / problem.pair_draw[pairs][:, None]).sum(
                axis=0
            )
            units[position] = np.maximum(units[position] - able[problem.period], 0.0)
    return units


def pool_prices(problem: Problem, prices: Prices, quantity: Floats | None = None) -> Floats:
    """π̂: the price of one more unit of each pool in each hour; shape (P, N).

    With ``quantity``, nothing in hours in which the pool's own capacity is not used up.
    """
    every = np.arange(len(problem.pools))
    unit = unit_costs(problem, prices, every).firm
    if quantity is not None:
        left = residual(problem, problem.capacity(quantity), every)
        unit = np.where(left > 0, unit, 0.0)
    return unit


def _pools_cost(problem: Problem, prices: Prices, pools: Ints, box: Box) -> tuple[float, float]:
    """Cost of the pools' usage at these prices, with the best of their own capacity."""
    costs = unit_costs(problem, prices, pools)
    owning = np.array([len(problem.structure.own_pairs[pool]) > 0 for pool in pools], dtype=bool)
    total = size = 0.0
    rest = pools[~owning]
    if len(rest):
        part = UnitCosts(costs.market[~owning], costs.secured[~owning], costs.spot[~owning])
        usage = usage_cost(problem, part, rest, problem.demand[rest])
        if np.isposinf(usage).any():
            return np.inf, 0.0
        total += float((usage @ problem.weight).sum())
        size += float((np.abs(usage) @ problem.weight).sum())
    for position in np.flatnonzero(owning):
        one = UnitCosts(costs.market[position], costs.secured[position], costs.spot[position])
        least, magnitude = _own_cost(problem, prices, int(pools[position]), one, box)
        total += least
        size += magnitude
    return total, size


def _own_cost(
    problem: Problem, prices: Prices, pool: int, costs: UnitCosts, box: Box
) -> tuple[float, float]:
    """Σᵣ min over m of ρ·m + Σ_{t∈r} w·cost((d − H − m)⁺): a newsvendor for each regime.

    m runs over what the columns' steps can add up to; cost(x) is ŝ·x up to the tolerant
    units and π̂ beyond, so that usage is a sum of hinges (z − m)⁺ with slopes ≥ 0.
    """
    held, low, high = _own_capacity(problem, pool, box)
    grid = own_grid(problem, pool)
    firm = np.minimum(costs.market, costs.secured)
    on_spot = np.isfinite(problem.spot_price[pool]) and problem.tolerant[pool].any()
    total = size = 0.0
    regimes = problem.structure.regimes
    for number in range(regimes):
        hours: Ints | slice = slice(None)
        if regimes > 1:
            hours = np.flatnonzero(problem.structure.regime[problem.period] == number)
        level = problem.demand[pool, hours]
        if held.any():
            level = level - held[problem.period[hours]]
        unit, weight = firm[hours], problem.weight[hours]
        position, slope = [level], [weight * unit]
        if on_spot:
            spot = np.minimum(costs.spot[hours], unit)
            slope = [weight * spot]
            extra = spot < unit
            if extra.any():
                with np.errstate(invalid="ignore"):
                    step = np.where(extra, unit - spot, 0.0)
                position.append((level - problem.tolerant[pool, hours])[extra])
                slope.append((weight * step)[extra])
        z = position[0] if len(position) == 1 else np.concatenate(position)
        c = slope[0] if len(slope) == 1 else np.concatenate(slope)
        least, most = float(low[number]), float(high[number])
        if not np.isfinite(c.max(initial=0.0)):
            must = np.isinf(c) & (z > 0)
            least = max(least, float(z[must].max(initial=0.0)))
            c = np.where(np.isinf(c), 0.0, c)
        # Usage that a linking row pays for: not covering any of it is the least it can cost.
        paid = 0.0
        if c.min(initial=0.0) < 0:
            paid = float(np.minimum(c, 0.0) @ np.maximum(z, 0.0))
            c = np.maximum(c, 0.0)
        if least > most * (1 + 1e-9) + 1e-9:
            return np.inf, 0.0
        rent = float(prices.rent[pool, number])
        if grid > 0 and z.max(initial=0.0) < MOST_STEPS * grid:
            amount, usage = _newsvendor_steps(z, c, rent, grid, least, most)
        else:
            amount, usage = _newsvendor(z, c, rent, least, most)
        cost, magnitude = usage + rent * amount, usage + rent * amount
        total += cost + paid
        size += magnitude - paid
    return total, size


def own_grid(problem: Problem, pool: int) -> float:
    """What amounts of a pool's own capacity are multiples of; 0 if they are continuous."""
    grids = [
        problem.step[column] * ratio / problem.pair_draw[pair] if problem.integer[column] else 0.0
        for pair in problem.structure.own_pairs[pool]
        for column, ratio, _ in problem.feeds[problem.pair_source[pair]]
    ]
    # Steps that are multiples of the smallest add up to its multiples alone.
    grid = float(min(grids, default=0.0))
    if grid > 0 and any(abs(g / grid - round(g / grid)) > 1e-9 for g in grids):
        return 0.0
    return grid


def _own_capacity(problem: Problem, pool: int, box: Box) -> tuple[Floats, Floats, Floats]:
    """Held capacity by period, and the least and most bought by regime."""
    lead = problem.structure.lead
    held = np.zeros(problem.periods)
    low, high = np.zeros(len(lead)), np.zeros(len(lead))
    for pair in problem.structure.own_pairs[pool]:
        source, draw = problem.pair_source[pair], problem.pair_draw[pair]
        held += problem.held[source] / draw
        for column, ratio, active in problem.feeds[source]:
            each = ratio / draw
            low += active[lead] * box.lower[column] * each
            high += active[lead] * box.upper[column] * each
    return held, low, high


def _newsvendor(
    z: Floats, c: Floats, rent: float, least: float, most: float
) -> tuple[float, float]:
    """The least m in [least, most] beyond which a unit earns no more than its rent.

    Returns
    -------
    m, and Σ c·(z − m)⁺ there.
    """
    order = np.argsort(-z, kind="stable")
    reached = np.cumsum(c[order])
    position = int(np.searchsorted(reached, rent, side="right"))
    amount = z[order[position]] if position < len(z) else 0.0
    amount = float(min(max(amount, least, 0.0), most))
    return amount, float(np.maximum(z - amount, 0.0) @ c)


def _newsvendor_steps(
    z: Floats, c: Floats, rent: float, grid: float, least: float, most: float
) -> tuple[float, float]:
    """The best multiple of ``grid`` in [least, most], by sums over the hinges above each."""
    above = np.maximum(np.ceil(z / grid - 1e-9), 0.0).astype(np.int64)
    count = int(above.max(initial=0)) + 1
    # At step j the hinges with above > j are left: sums from the far end.
    slopes = np.bincount(above, c, minlength=count)
    moments = np.bincount(above, c * z, minlength=count)
    slopes = np.append(np.cumsum(slopes[::-1])[::-1], 0.0)[1:]
    moments = np.append(np.cumsum(moments[::-1])[::-1], 0.0)[1:]
    steps = np.arange(count)
    usage = moments - slopes * steps * grid
    total = usage + rent * steps * grid
    last = count if np.isinf(most) else int(np.floor(most / grid + 1e-9))
    first = int(np.ceil(least / grid - 1e-9))
    if first > last:
        # No step lies in the range: its ends bound the cost from below.
        return _newsvendor(z, c, rent, least, most)
    if first >= count:
        return first * grid, 0.0
    best = first + int(np.argmin(total[first : min(last, count - 1) + 1]))
    return best * grid, max(float(usage[best]), 0.0)


def _fixed(problem: Problem, prices: Prices) -> Floats:
    """Worth of what is there anyway: held capacity, limits, right-hand sides of links."""
    structure = problem.structure
    held = _by_period(problem, prices.shared * problem.weight) * problem.held[structure.shared]
    parts = [held.sum(axis=1)]
    if problem.limits.names:
        parts.append(_limit_rent(problem, prices) @ problem.weight)
    parts.append(prices.links * problem.links.most)
    return np.concatenate(parts)


def _limit_rent(problem: Problem, prices: Prices) -> Floats:
    """μ·L by limit and hour; nothing where the limit does not apply."""
    most = problem.limits.most[:, problem.period]
    return np.asarray(np.where(np.isfinite(most), most, 0.0) * prices.limits)


def _by_period(problem: Problem, hourly: Floats) -> Floats:
    """Sums over the hours of each period; shape (rows, R)."""
    if problem.periods == 1 or not len(hourly):
        return np.asarray(hourly.sum(axis=1, keepdims=True).repeat(problem.periods, axis=1))
    rows = [np.bincount(problem.period, row, minlength=problem.periods) for row in hourly]
    return np.stack(rows).astype(np.float64)


def least_of_column(problem: Problem, box: Box, column: int, bracket: float) -> float:
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
