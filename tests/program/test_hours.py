# SPDX-License-Identifier: Apache-2.0
"""The hour oracle against one linear program of all hours, which owes it nothing."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from optimizer.program.arrays import ArrayProgram, Box
from optimizer.program.certificate import hourly_floor
from optimizer.program.engine import Engine, solve_engine
from optimizer.program.hours import HourOracle
from optimizer.program.prices import Prices, zero_prices
from optimizer.program.problem import Problem
from tests.benchmarks.instances import make_instance

from .small import Exact, choices, random_problem, simple

NEAR = 1e-3  # what the oracle may lose to the exact hours where sources nest


def priced(problem: Problem, shared: np.ndarray) -> Prices:
    """The oracle's worths as prices of a certificate, which must be finite."""
    return replace(zero_prices(problem), shared=np.where(np.isfinite(shared), shared, 1e3))


@cache
def nested(pools: int) -> tuple[Problem, Engine]:
    problem = make_instance(pools, 200, seed=pools).problem
    return problem, solve_engine(problem, gap=1e-3)


@pytest.mark.parametrize("amounts", ["the plan", "a fifth more", "at random", "nothing"])
@pytest.mark.parametrize("pools", range(6, 13))
def test_nested_hours_are_served_nearly_best(pools: int, amounts: str) -> None:
    """Near the amounts that the guessed prices are of; elsewhere the guess is a poor one."""
    problem, found = nested(pools)
    near = NEAR if amounts in ("the plan", "a fifth more") else 0.05
    rng = np.random.default_rng(pools)
    quantity = {
        "the plan": found.quantity,
        "a fifth more": 1.2 * found.relaxed,
        "at random": problem.needed() * rng.uniform(0, 0.3, len(problem.columns)),
        "nothing": np.zeros(len(problem.columns)),
    }[amounts]
    exact = ArrayProgram(problem).relax(Box(quantity, quantity)).objective
    bought = float(problem.cost @ quantity)
    hours = HourOracle(problem).run(quantity, found.prices.shared)
    cost = bought + float(problem.weight @ hours.cost)
    # HiGHS itself is exact to 1e-7 or so.
    assert exact * (1 - 1e-7) <= cost <= exact * (1 + near)
    floor = hourly_floor(problem, priced(problem, hours.prices), quantity)
    proven = bought + float(problem.weight @ floor)
    assert exact * (1 - near) <= proven <= exact * (1 + 1e-7)
    # Hour by hour the proof is below the coverage.
    assert (floor <= hours.cost + 1e-9 * (1 + hours.cost)).all()
    assert (hours.load >= -1e-9).all()


@pytest.mark.parametrize("seed", range(200))
def test_any_hours_are_bounded_from_both_sides(seed: int) -> None:
    """Sources that do not nest are served in a good order, not in the best: bounds hold."""
    problem = random_problem(seed)
    rng = np.random.default_rng(seed)
    oracle, exact = HourOracle(problem), Exact(problem)
    for guess in (0.0, 1.0):
        quantity = np.array(
            [row[int(rng.integers(len(row)))][1] for row in choices(problem)], dtype=np.float64
        )
        best = exact.at(quantity)
        shared = np.full((len(problem.structure.shared), problem.hours), guess)
        hours = oracle.run(quantity, shared)
        bought = float(problem.cost @ quantity)
        cost = bought + float(problem.weight @ hours.cost)
        assert cost >= best * (1 - 1e-7) - 1e-9
        floor = hourly_floor(problem, priced(problem, hours.prices), quantity)
        assert math.isinf(best) or bought + float(problem.weight @ floor) <= best * (1 + 1e-7)


def test_a_unit_goes_where_it_is_worth_most() -> None:
    """A narrow source leaves to the wide one what the wide one is better at.

    Two dollars of the narrow source save 5 on p0 or 4 on p1 each; the wide one covers both
    and p2.  Of three units each, it is left with p1 and p2 and takes the dearer one.
    """
    problem = simple(
        [[3.0], [3.0], [3.0]],
        [5.0, 4.0, 3.0],
        [(0, 0, 1.0), (0, 1, 1.0), (1, 0, 1.0), (1, 1, 1.0), (1, 2, 1.0)],
        [{"cost": 1.0}, {"cost": 1.0}],
    )
    hours = HourOracle(problem).run(np.array([4.0, 3.0]), np.zeros((2, 1)))
    # 7 units for 3 of p0, 3 of p1 and 1 of p2: two units of p2 are left on demand.
    assert hours.cost.tolist() == [6.0]
    assert hours.prices.tolist() == [[3.0], [3.0]]
    assert hours.marginal.tolist()[1] == [2]


def test_what_cannot_be_served_is_infinite_in_its_hour_alone() -> None:
    problem = simple(
        [[1.0, 3.0], [1.0, 1.0]],
        [np.inf, 2.0],
        [(0, 0, 1.0), (0, 1, 1.0)],
        [{"cost": 1.0}],
    )
    hours = HourOracle(problem).run(np.array([1.0]), np.zeros((1, 2)))
    assert hours.cost.tolist() == [2.0, np.inf]  # the unit without price goes first
    assert hours.prices.tolist()[0] == [2.0, np.inf]
