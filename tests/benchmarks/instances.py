# SPDX-License-Identifier: Apache-2.0
"""Made-up fleets of realistic shape and any size, as a problem and as the law's order.

**What can be bought.**  A group is one machine family in one region and has 2 to 7 pools,
its sizes.  Each pool has four reservations (one or three years, nothing or all upfront),
each group an instance savings plan of one and of three years, and everything together a
compute savings plan of one and of three years.

**What is held.**  Some pools hold reservations, some groups an instance plan, the fleet a
compute plan; all end within the year, at the end of a period, so that capacities change a
few times only.

**Usage.**  Whole instances: a size, a drift over the year, a day and a week, noise that
lasts for days, bursts of hours to days, a walk that all pools share, and pools that start
or stop within the year.  Scenarios redraw all but the pool's habits, and are more hours of
the same problem whose weight is multiplied by their odds.

**Costs** are prorata over one year, which the weights add up to whatever the number of
hours.  A three-year term is charged more than its share of the year: the obligation does
not end with it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from optimizer.program.problem import Problem

from .usage import YEAR, draw_habits, draw_usage

KINDS = ("1y none", "1y all", "3y none", "3y all")  # reservations: term and upfront
TERMS = ("1y", "3y")  # savings plans
PLAN_OBLIGATION = np.array([1.0, 1.38])  # $ of cost for $1/h and hour of commitment, by term
UPFRONT = np.array([1.0, 0.955, 1.0, 0.925])  # discount of paying ahead, by kind


@dataclass(frozen=True)
class Instance:
    """A problem with the order in which the law spends what is held and bought.

    Attributes
    ----------
    order
        (source, pool, draw) in the order of the law: reservations, then instance plans,
        then compute plans; plans by highest saving, then by lowest rate.  ``draw`` is in
        units of the source's measure for one unit of the pool.
    """

    problem: Problem
    order: list[tuple[int, int, float]]
    name: str


@dataclass(frozen=True)
class _Market:
    """Groups and prices; $/h for one instance, by pool (and kind or term)."""

    group: np.ndarray
    price: np.ndarray
    reservation: np.ndarray  # (P, 4), with the obligation of three years
    instance: np.ndarray  # (P, 2)
    compute: np.ndarray  # (P, 2)


def make_instance(
    pools: int, hours: int = YEAR, scenarios: int = 1, *, seed: int = 0, periods: int = 4
) -> Instance:
    """Draw an instance.

    Parameters
    ----------
    hours
        Hours of one scenario; the problem has ``hours · scenarios``.
    periods
        Equal parts of the year; what is held ends with one of them.
    """
    rng = np.random.default_rng([seed, 1])
    market = _market(rng, pools)
    habits = draw_habits(rng, pools, hours)
    demand = np.empty((pools, scenarios * hours))
    for scenario in range(scenarios):
        part = demand[:, scenario * hours : (scenario + 1) * hours]
        draw_usage(part, market.group, habits, (seed, 2, scenario), vary=scenarios > 1)
    period = np.arange(hours) * periods // hours
    problem = _problem(
        rng,
        market,
        demand,
        weight=np.full(scenarios * hours, YEAR / (scenarios * hours)),
        period=np.tile(period, scenarios),
        mean=demand[:, :hours].mean(axis=1),
    )
    name = f"{pools} pools x {hours} h x {scenarios}"
    return Instance(problem, _order(problem, market), name)


def _market(rng: np.random.Generator, pools: int) -> _Market:
    sizes = rng.integers(2, 8, pools)
    groups = int(np.searchsorted(np.cumsum(sizes), pools)) + 1
    group = np.repeat(np.arange(groups), sizes[:groups])[:pools]
    families = int(np.clip(groups // 3 + 1, 2, 20))
    family = rng.integers(0, families, groups)[group]
    first = np.searchsorted(group, np.arange(groups))
    machine = 2.0 ** np.minimum((np.arange(pools) - first[group] + rng.integers(0, 3)) % 8, 4)
    accelerator = 0.6 * rng.lognormal(0.6, 0.7, families)
    region = rng.uniform(0.95, 1.25, groups)
    price = np.round(accelerator[family] * region[group] * machine**0.98, 4)

    def near(share: float) -> np.ndarray:
        return rng.uniform(1 - share, 1 + share, pools)

    one = rng.uniform(0.58, 0.68, families)[family] * near(0.01)
    three = rng.uniform(0.38, 0.48, families)[family] * near(0.01)
    obligation = rng.uniform(1.25, 1.5, families)[family]
    rates = np.stack([one, three], axis=1)
    kinds = np.stack([one, one, three * obligation, three * obligation], axis=1)
    wider = rng.uniform(0.07, 0.12, (families, 2))[family]
    return _Market(
        group=group,
        price=price,
        reservation=np.round(kinds * UPFRONT * price[:, None], 6),
        instance=np.round(rates * rng.uniform(1.0, 1.03, (pools, 2)) * price[:, None], 6),
        compute=np.round((rates + wider) * near(0.01)[:, None] * price[:, None], 6),
    )


def _problem(
    rng: np.random.Generator,
    market: _Market,
    demand: np.ndarray,
    *,
    weight: np.ndarray,
    period: np.ndarray,
    mean: np.ndarray,
) -> Problem:
    pools, groups, periods = len(demand), int(market.group[-1]) + 1, int(period.max()) + 1
    every, kinds = np.arange(pools), len(KINDS)
    # Sources: 4 reservations of each pool, 2 plans of each group, 2 compute plans, held ones.
    group_plans, compute_plans = kinds * pools, kinds * pools + 2 * groups
    columns = compute_plans + 2
    holders = np.flatnonzero(rng.random(pools) < 0.35)
    amounts = rng.integers(1, 2 + (0.5 * mean[holders]).astype(np.int64))
    sources = columns + len(holders)
    held = np.zeros((sources, periods))
    ends = rng.integers(1, max(periods, 2), len(holders))
    held[columns:] = amounts[:, None] * (np.arange(periods) < ends[:, None])
    for group in np.flatnonzero(rng.random(groups) < 0.25):
        term, end = rng.integers(0, 2), rng.integers(1, max(periods, 2))
        spend = (market.instance[:, term] * mean)[market.group == group].sum()
        held[group_plans + 2 * group + term, :end] = round(0.25 * float(spend), 3)
    held[compute_plans, : max(1, periods // 3)] = round(
        0.05 * float(market.compute[:, 0] @ mean), 3
    )
    pairs = [(kinds * every + kind, every, np.ones(pools)) for kind in range(kinds)]
    for term in range(2):
        pairs.append((group_plans + 2 * market.group + term, every, market.instance[:, term]))
        pairs.append((np.full(pools, compute_plans + term), every, market.compute[:, term]))
    pairs.append((np.arange(columns, sources), holders, np.ones(len(holders))))
    names = (
        *(f"reservation {kind} of {pool}" for pool in range(pools) for kind in KINDS),
        *(f"instance {term} of {group}" for group in range(groups) for term in TERMS),
        *(f"compute {term}" for term in TERMS),
    )
    whole = np.arange(columns) < group_plans
    plan_cost = np.tile(PLAN_OBLIGATION, groups + 1)
    return Problem(
        pools=tuple(f"pool {pool}" for pool in range(pools)),
        sources=(*names, *(f"held by {pool}" for pool in holders)),
        columns=names,
        weight=weight,
        count=weight.copy(),
        period=period,
        demand=demand,
        tolerant=np.zeros_like(demand),  # pages that nobody writes take no memory
        price=np.repeat(market.price[:, None], periods, axis=1),
        spot_price=np.full(pools, np.inf),
        penalty=np.full(pools, np.inf),
        availability=np.ones((pools, periods)),
        held=held,
        active=np.repeat(np.arange(sources)[:, None] < columns, periods, axis=1),
        secures=np.zeros(sources, dtype=bool),
        pair_source=np.concatenate([source for source, _, _ in pairs]),
        pair_pool=np.concatenate([pool for _, pool, _ in pairs]),
        pair_draw=np.concatenate([draw for _, _, draw in pairs]),
        cost=YEAR * np.concatenate([market.reservation.ravel(), plan_cost]),
        minimum=np.zeros(columns),
        maximum=np.full(columns, np.inf),
        step=np.where(whole, 1.0, 0.001),
        integer=whole,
        member_column=np.arange(columns),
        member_source=np.arange(columns),
        member_ratio=np.ones(columns),
    )


def _order(problem: Problem, market: _Market) -> list[tuple[int, int, float]]:
    """Sort the pairs as AWS spends them; reservations of a pool are alike, held ones first."""
    source, pool, draw = problem.pair_source, problem.pair_pool, problem.pair_draw
    pools, columns = len(problem.pools), len(problem.columns)
    plan = (source >= len(KINDS) * pools) & (source < columns)
    tier = np.where(plan, np.where(source < columns - 2, 1, 2), 0)
    saving = np.where(plan, 1 - draw / market.price[pool], 1.0)
    kept = ~plan & (source < columns)
    order = np.lexsort((source, np.where(plan, draw, kept), -saving, tier))
    return list(
        zip(source[order].tolist(), pool[order].tolist(), draw[order].tolist(), strict=True)
    )
