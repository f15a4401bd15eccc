# SPDX-License-Identifier: Apache-2.0
"""The engine against trying everything, against a slow bound, and against itself."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from optimizer.program.balance import Balanced
from optimizer.program.certificate import lower_bound
from optimizer.program.engine import Engine, hours_apart, solve_engine
from optimizer.program.problem import Problem
from tests.benchmarks.instances import make_instance

from ..seeds import Seeds
from .slow_bound import SlowBound
from .small import Exact, brute_force, random_problem, simple

SEEDS = Seeds(120, 60)
GAP = 1e-3


def small(seed: int, *, minimums: bool) -> Problem:
    problem = random_problem(seed)
    return problem if minimums else replace(problem, minimum=np.zeros(len(problem.columns)))


@cache
def best_and_found(seed: int, *, minimums: bool) -> tuple[float, Engine]:
    problem = small(seed, minimums=minimums)
    return brute_force(problem), solve_engine(problem, gap=1e-6)


def may_be_bought(problem: Problem, quantity: np.ndarray) -> bool:
    """Nothing, or within the range and, of units, on the step."""
    for k, amount in enumerate(quantity):
        step = float(problem.step[k])
        inside = problem.minimum[k] - 1e-9 <= amount <= problem.maximum[k] + 1e-9
        if amount and not (inside and abs(amount / step - round(amount / step)) < 1e-6):
            return False
    return True


@pytest.mark.parametrize("minimums", [False, True], ids=["no minimums", "minimums"])
@pytest.mark.parametrize("seed", SEEDS)
def test_its_gap_covers_the_truth(seed: int, *, minimums: bool) -> None:
    problem = small(seed, minimums=minimums)
    assert hours_apart(problem)
    best, found = best_and_found(seed, minimums=minimums)
    slack = 1e-9 * (1 + abs(best)) if math.isfinite(best) else 0.0
    assert found.bound <= best + slack
    # The prices are a proof by themselves, of all but what branching added.
    assert found.nodes or found.bound <= lower_bound(problem, found.prices) + slack
    if not found.feasible:
        assert math.isinf(found.free)
        return
    assert may_be_bought(problem, found.quantity)
    exact = Exact(problem).at(found.quantity)
    assert math.isfinite(best)
    assert found.free >= exact - 1e-7 * (1 + abs(exact))
    assert exact >= best - 1e-7 * (1 + abs(best))
    # What it says it lost is no less than what it lost.
    stated = (found.free - found.bound) / max(found.free, 1e-12)
    assert found.free - best <= stated * found.free + slack


def test_the_engine_is_worth_asking() -> None:
    """It nearly always has a plan where there is one, and mostly the best: no empty tests."""
    plans = best_plans = possible = 0
    for seed in SEEDS:
        best, found = best_and_found(seed, minimums=False)
        possible += math.isfinite(best)
        plans += found.feasible
        best_plans += found.feasible and found.free <= best * (1 + 1e-6) + 1e-9
    assert possible >= 0.85 * len(SEEDS)
    assert plans >= 0.9 * possible
    assert best_plans >= 0.7 * possible


def test_a_first_round_without_a_plan_is_not_the_last() -> None:
    """A third of a box of three rounds to none, and leaves usage without a price unserved."""
    problem = simple(
        [[1.0, 0.5], [0.0, 0.5]],
        [np.inf, 2.0],
        [(0, 0, 1.0), (0, 1, 1.0)],
        [{"cost": 1.0, "step": 3.0}],
    )
    best = brute_force(problem)
    assert best == pytest.approx(3.0)
    found = solve_engine(problem, gap=1e-6)
    assert found.feasible
    assert found.free == pytest.approx(best)


def test_a_failing_presolve_is_mended() -> None:
    """HiGHS 1.11's presolve throws; without it the same program is solved to 24.78."""
    problem = random_problem(164)
    found = solve_engine(problem, gap=1e-6)
    assert found.feasible
    assert found.free == pytest.approx(brute_force(problem))


@cache
def fleet(seed: int) -> tuple[Problem, Engine]:
    problem = make_instance(10, seed=seed).problem
    return problem, solve_engine(problem, gap=GAP)


@pytest.mark.parametrize("seed", range(3))
def test_a_year_of_ten_pools_is_proven(seed: int) -> None:
    problem, found = fleet(seed)
    assert found.feasible
    assert 0 <= found.free - found.bound <= GAP * found.free
    assert may_be_bought(problem, found.quantity)
    proven = lower_bound(problem, found.prices)
    assert proven <= found.bound * (1 + 1e-9)
    assert found.nodes or proven == pytest.approx(found.bound, rel=1e-9)
    # A sample of the hours that weighs as much as the year, with the same prices.
    sample = np.arange(seed, problem.hours, 73)
    part = problem.take(sample)
    share = np.bincount(problem.period, problem.weight) / np.bincount(part.period, part.weight)
    part = replace(part, weight=part.weight * share[part.period])
    prices = replace(found.prices, shared=found.prices.shared[:, sample])
    assert lower_bound(part, prices) == pytest.approx(SlowBound(part, prices).value(), rel=1e-9)


def test_the_same_problem_has_the_same_answer() -> None:
    problem, first = fleet(0)
    again = solve_engine(make_instance(10, seed=0).problem, gap=GAP)
    assert np.array_equal(first.quantity, again.quantity)
    assert np.array_equal(first.prices.shared, again.prices.shared)
    assert (first.free, first.bound, first.rows) == (again.free, again.bound, again.rows)
    named = replace(
        problem,
        pools=tuple(f"other {name}" for name in reversed(problem.pools)),
        columns=tuple(reversed(problem.columns)),
        sources=tuple(reversed(problem.sources)),
    )
    renamed = solve_engine(named, gap=GAP)
    assert np.array_equal(first.quantity, renamed.quantity)
    assert first.bound == renamed.bound


def reordered(problem: Problem, what: str) -> Problem:
    """The problem with its pools, columns or hours shuffled."""
    rng = np.random.default_rng(3)
    if what == "hours":
        return problem.take(rng.permutation(problem.hours))
    if what == "pools":
        order = rng.permutation(len(problem.pools))
        place = np.argsort(order)
        by_pool = ("demand", "tolerant", "price", "spot_price", "penalty", "availability")
        moved = {name: getattr(problem, name)[order] for name in by_pool}
        names = tuple(problem.pools[pool] for pool in order)
        return replace(problem, pools=names, pair_pool=place[problem.pair_pool], **moved)
    order = rng.permutation(len(problem.columns))
    place = np.argsort(order)
    by_column = ("cost", "minimum", "maximum", "step", "integer")
    moved = {name: getattr(problem, name)[order] for name in by_column}
    names = tuple(problem.columns[column] for column in order)
    return replace(problem, columns=names, member_column=place[problem.member_column], **moved)


@pytest.mark.parametrize(("what", "near"), [("hours", 1e-9), ("columns", GAP), ("pools", GAP)])
def test_the_order_of_the_input_is_not_the_plan(what: str, near: float) -> None:
    """Hours in another order add up otherwise, that is all.

    Pools and columns in another order may end the master in another of several optimal
    corners, and so split other cells: that is worth less than the gap.
    """
    for seed in Seeds(3, 1):
        problem, first = fleet(seed)
        moved = solve_engine(reordered(problem, what), gap=GAP)
        assert moved.bound == pytest.approx(first.bound, rel=near)
        assert moved.free == pytest.approx(first.free, rel=near)
        # Both prove a bound of one truth.
        assert max(moved.bound, first.bound) <= min(moved.free, first.free)


def test_balanced_and_plain_agree() -> None:
    """A fleet in its own units is the same fleet: powers of two change no digit of a proof."""
    problem, first = fleet(1)
    balanced = Balanced.of(problem)
    found = solve_engine(balanced.problem, gap=GAP)
    bound = lower_bound(problem, balanced.prices(found.prices))
    own = lower_bound(balanced.problem, found.prices) * balanced.money
    assert bound == pytest.approx(own, rel=1e-12)
    assert found.bound * balanced.money <= first.free


def test_amounts_in_its_own_units_may_be_bought() -> None:
    """$0.001 in units of 256 is 3.9e-6, of which nine decimals leave 3.906e-6."""
    problem, _ = fleet(1)
    balanced = Balanced.of(problem)
    found = solve_engine(balanced.problem, gap=GAP)
    assert may_be_bought(problem, balanced.amounts(found.quantity))


# Seven pools share two plans: 16 cells of a group forget older incumbents and split no more;
# with 60 (Grain.group) the gap closes in four rounds.
@pytest.mark.parametrize("seed", [3, 4, 5, 6, 7, 8, 9])
def test_more_fleets_of_ten_pools_are_proven(seed: int) -> None:
    _, found = fleet(seed)
    assert 0 <= found.free - found.bound <= GAP * found.free
