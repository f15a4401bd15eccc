# SPDX-License-Identifier: Apache-2.0
"""How long the readable program and the partition take on the same synthetic year.

Run by ``make bench`` only.  What is asserted are proofs, not times: a machine may be busy.
"""

from __future__ import annotations

import time

import numpy as np
import pytest

from optimizer.program.branch import certified_bound
from optimizer.program.certificate import whole_box
from optimizer.program.free import free_choice_cost
from optimizer.program.partition import partition_hours
from optimizer.program.problem import Problem
from optimizer.program.reference import solve_reference
from optimizer.program.search import on_step

METERS, YEAR, GAP = 10, 8760, 1e-3
# The LP alone of a whole year takes HiGHS minutes: the readable program is given less.
REFERENCE_HOURS = 1500


def synthetic(meters: int, hours: int, seed: int = 7) -> Problem:
    """Weekly and daily waves with noise; per meter two reservations, two nested money plans."""
    rng = np.random.default_rng(seed)
    hour = np.arange(hours)
    day = np.sin(2 * np.pi * (hour[None, :] / 24 + rng.random((meters, 1))))
    week = np.sin(2 * np.pi * (hour[None, :] / 168 + rng.random((meters, 1))))
    size = rng.uniform(20, 200, (meters, 1))
    noise = rng.standard_normal((meters, hours))
    demand = np.maximum(0.0, np.round(size * (1 + 0.3 * day + 0.2 * week + 0.1 * noise), 2))
    price = rng.uniform(1, 40, meters)
    cost, pairs, whole = [], [], []
    for meter in range(meters):
        for rate in (0.62, 0.55):
            pairs.append((len(cost), meter, 1.0))
            cost.append(price[meter] * rate * hours)
            whole.append(True)
    for rate in (0.73, 0.58):
        pairs += [
            (len(cost), meter, price[meter] * (rate + 0.1 * rng.random()))
            for meter in range(meters)
        ]
        cost.append(1.0 * hours if rate > 0.6 else 1.1 * hours)
        whole.append(False)
    count = len(cost)
    return hourly(
        pools=tuple(f"p{i}" for i in range(meters)),
        sources=tuple(f"s{i}" for i in range(count)),
        columns=tuple(f"k{i}" for i in range(count)),
        weight=np.ones(hours),
        demand=demand,
        tolerant=0.2 * demand,
        price=np.repeat(price[:, None], hours, axis=1),
        spot_price=np.where(rng.random(meters) < 0.3, 0.5 * price, np.inf),
        held=np.zeros((count, hours)),
        active=np.ones((count, hours), dtype=bool),
        pair_source=np.array([pair[0] for pair in pairs]),
        pair_pool=np.array([pair[1] for pair in pairs]),
        pair_draw=np.array([pair[2] for pair in pairs]),
        cost=np.array(cost),
        minimum=np.zeros(count),
        maximum=np.full(count, np.inf),
        step=np.where(whole, 1.0, 0.001),
        integer=np.array(whole),
        member_column=np.arange(count),
        member_source=np.arange(count),
        member_ratio=np.ones(count),
    )


def best_coverage(problem: Problem, amounts: np.ndarray, prices: np.ndarray) -> float:
    """Free-choice cost of amounts in every hour, in quarters of the hours."""
    bought = float(problem.cost @ amounts)
    return bought + sum(
        free_choice_cost(
            problem.take(hours), amounts, prices[:, hours], np.full(len(hours), np.inf)
        )
        - bought
        for hours in np.array_split(np.arange(problem.hours), 4)
    )


@pytest.mark.parametrize(("meters", "hours"), [(METERS, 336), (METERS, 1344), (METERS, YEAR)])
def test_reference_and_partition(meters: int, hours: int) -> None:
    problem = synthetic(meters, hours)
    start = time.perf_counter()
    part = partition_hours(problem, gap=GAP)
    answer = part.program.solve(whole_box(problem), gap=0.1 * GAP, nodes=2000)
    bounded = certified_bound(
        problem, part.program, part.spread, target=answer.objective * (1 - 0.1 * GAP), nodes=12
    )
    partition_seconds = time.perf_counter() - start
    bound = max(bounded.bound, part.bound)
    cost = best_coverage(problem, on_step(problem, answer.quantity), part.prices)
    gap = (cost - bound) / cost
    cells = part.program.problem.hours
    print(f"\n{meters} meters x {hours} hours: {problem.rows} rows, {cells} cells")
    print(f"  partition  {partition_seconds:8.2f} s  gap {gap:.2e}")
    assert -1e-9 <= gap <= 10 * GAP

    if hours > REFERENCE_HOURS:
        return
    start = time.perf_counter()
    reference = solve_reference(problem, gap=GAP, nodes=2000)
    seconds = time.perf_counter() - start
    gap = (reference.objective - reference.bound) / reference.objective
    print(f"  reference  {seconds:8.2f} s  gap {gap:.2e}")
    print(f"  reference / partition: {seconds / partition_seconds:.1f} times")
    # Each way's plan is above the other's bound.
    assert bound <= reference.objective * (1 + 1e-9)
    assert reference.bound <= cost * (1 + 1e-6)
