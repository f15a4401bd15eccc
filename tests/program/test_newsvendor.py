# SPDX-License-Identifier: Apache-2.0
"""The certificate with own sources: a newsvendor on the grid of what may be bought."""

from __future__ import annotations

import math
from itertools import product

import numpy as np
import pytest

from optimizer.program.certificate import lower_bound, own_grid
from optimizer.program.prices import Prices, zero_prices
from optimizer.program.problem import Problem

from .slow_bound import SlowBound
from .small import brute_force, choices, hourly, simple


def drawn(seed: int) -> tuple[Problem, Prices]:
    """One to three pools with one to three own offers each, one shared offer, any prices.

    Held capacity that ends, a price that changes, spot, steps of 1/2, 1 and 2, pools
    without on-demand price, and draws of 1, 2 and 1/2.
    """
    rng = np.random.default_rng([seed, 7])
    pools, hours = int(rng.integers(1, 4)), int(rng.integers(2, 13))
    own = [(pool, int(k)) for pool in range(pools) for k in range(rng.integers(1, 4))]
    count = len(own) + 1
    price = np.repeat(rng.integers(4, 33, pools)[:, None] / 8.0, hours, axis=1)
    if rng.random() < 0.4:
        price[:, hours // 2 :] *= 0.75
    if rng.random() < 0.3:
        price[0] = np.inf
    held, active = np.zeros((count, hours)), np.ones((count, hours), dtype=bool)
    for source in range(count):
        if rng.random() < 0.3:
            held[source, : rng.integers(1, hours + 1)] = rng.integers(1, 5) / 2
        if rng.random() < 0.3:
            active[source, rng.integers(1, hours) :] = False
    pairs = [(s, pool, float(rng.choice([1.0, 1.0, 2.0, 0.5]))) for s, (pool, _) in enumerate(own)]
    pairs += [(count - 1, pool, float(rng.integers(1, 9) / 4)) for pool in range(pools)]
    demand = rng.integers(0, 17, (pools, hours)) / rng.choice([1.0, 2.0, 4.0])
    whole = rng.random(count) < 0.85
    whole[-1] = False
    problem = hourly(
        pools=tuple(f"p{i}" for i in range(pools)),
        sources=tuple(f"s{i}" for i in range(count)),
        columns=tuple(f"k{i}" for i in range(count)),
        weight=rng.choice([1.0, 2.0, 0.9, 3.5], hours),
        demand=demand,
        tolerant=rng.choice([0.0, 0.5, 1.0], pools)[:, None] * demand,
        price=price,
        spot_price=np.where(rng.random(pools) < 0.5, 0.4 * price[:, -1], np.inf),
        held=held,
        active=active,
        pair_source=np.array([x[0] for x in pairs], dtype=np.int64),
        pair_pool=np.array([x[1] for x in pairs], dtype=np.int64),
        pair_draw=np.array([x[2] for x in pairs], dtype=np.float64),
        cost=rng.uniform(0.2, 2.0, count) * hours,
        minimum=np.where(whole, rng.choice([0.0, 0.0, 2.0], count), 0.0),
        maximum=rng.choice([np.inf, np.inf, 4.0], count),
        step=np.where(whole, rng.choice([1.0, 2.0, 0.5], count), 0.001),
        integer=whole,
        member_column=np.arange(count),
        member_source=np.arange(count),
        member_ratio=np.ones(count),
    )
    zero = zero_prices(problem)
    reach = np.bincount(problem.pair_source, minlength=count)
    shared = rng.uniform(0, 2, zero.shared.shape) * (reach[problem.structure.shared] > 1)[:, None]
    rent = rng.uniform(0, 3, zero.rent.shape) * hours / 2
    return problem, Prices(shared, rent, zero.limits, zero.links)


@pytest.mark.parametrize("seed", range(300))
def test_the_bound_is_its_formula(seed: int) -> None:
    problem, prices = drawn(seed)
    slow = SlowBound(problem, prices).value()
    fast = lower_bound(problem, prices)
    if math.isinf(slow):
        assert fast == slow
        return
    assert fast == pytest.approx(slow, rel=1e-9, abs=1e-9)
    assert fast <= slow + 1e-9 * (1 + abs(slow))


def test_the_drawn_ones_are_worth_it() -> None:
    every = [drawn(seed)[0] for seed in range(300)]
    assert len(SMALL) >= 60
    assert sum(p.structure.regimes > 1 for p in every) >= 100
    assert sum(bool(p.held.any()) for p in every) >= 100
    assert sum(bool((np.isfinite(p.spot_price) & p.tolerant.any(axis=1)).any()) for p in every) > 80
    assert sum(bool(np.isinf(p.price).any()) for p in every) >= 60
    grids = [own_grid(p, pool) for p in every for pool in range(len(p.pools))]
    assert {0.25, 0.5, 1.0, 2.0} <= set(grids)
    assert 0.0 in grids  # an offer of money, or steps that are no multiples of each other


SMALL = [s for s in range(300) if math.prod(len(row) for row in choices(drawn(s)[0])) <= 500]


@pytest.mark.parametrize("seed", SMALL)
def test_any_prices_stay_below_everything_that_may_be_bought(seed: int) -> None:
    problem, prices = drawn(seed)
    best = brute_force(problem)
    assert lower_bound(problem, prices) <= best + 1e-9 * (1 + abs(best))


@pytest.mark.parametrize("step", [1.0, 2.0, 0.5])
def test_at_the_best_rents_one_offer_has_no_gap(step: float) -> None:
    """A pool with one offer is decided by its newsvendor alone: rent = cost proves it."""
    need, price, cost = [3.0, 5.0, 4.0, 0.5], 2.0, 3.3
    problem = simple([need], [price], [(0, 0, 1.0)], [{"cost": cost, "step": step}])
    counts = range(int(5 / step) + 2)
    best = min(cost * n * step + price * sum(max(d - n * step, 0) for d in need) for n in counts)
    zero = zero_prices(problem)
    rent = np.full_like(zero.rent, cost)
    found = lower_bound(problem, Prices(zero.shared, rent, zero.limits, zero.links))
    assert found == pytest.approx(best, rel=1e-9)
    assert brute_force(problem) == pytest.approx(best)


def test_two_offers_meet_on_the_finer_grid() -> None:
    """Steps 2 and 1/2 in draws of 1 and 2: capacity in quarters, and all of them reachable."""
    problem = simple(
        [[3.1, 2.6, 4.4]],
        [2.0],
        [(0, 0, 1.0), (1, 0, 2.0)],
        [{"cost": 3.0, "step": 2.0}, {"cost": 1.9, "step": 0.5}],
    )
    assert own_grid(problem, 0) == 0.25
    zero = zero_prices(problem)
    for first, second in product((2.0, 3.0, 3.8, 5.0), repeat=2):
        rent = np.full_like(zero.rent, min(first, second))
        found = lower_bound(problem, Prices(zero.shared, rent, zero.limits, zero.links))
        assert found <= brute_force(problem) + 1e-9
