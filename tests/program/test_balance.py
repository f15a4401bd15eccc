# SPDX-License-Identifier: Apache-2.0
"""A problem in its own units is the same problem: there and back, no digit changes."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from optimizer.program.arrays import ArrayProgram
from optimizer.program.balance import Balanced
from optimizer.program.certificate import lower_bound, whole_box
from optimizer.program.check import check_solution
from optimizer.program.prices import Prices
from optimizer.program.problem import Counts, HourlyLimits, Links, Problem
from optimizer.program.reference import solve_reference
from optimizer.program.status import Status

from .limited import limited_problem
from .scaled import newsvendor, one_pool, rescaled, through
from .small import brute_force, random_problem, simple


def powers_of_two(values: np.ndarray) -> bool:
    return bool((np.frexp(values)[0] == 0.5).all())


@cache
def drawn(seed: int) -> Problem:
    """A small problem in units from millionths to millions."""
    kind = ("sources", "columns", "dollars", "usage")[seed % 4]
    return rescaled(random_problem(seed), kind, seed)[0]


@pytest.mark.parametrize("seed", range(60))
def test_the_units_are_powers_of_two_and_exact(seed: int) -> None:
    problem = drawn(seed)
    balanced = Balanced.of(problem)
    assert all(powers_of_two(u) for u in (balanced.unit, balanced.source, balanced.column))
    assert powers_of_two(np.array([balanced.money]))
    own = balanced.problem
    # Every figure comes back to its last digit.
    assert np.array_equal(own.demand * balanced.unit[:, None], problem.demand)
    assert np.array_equal(own.held * balanced.source[:, None], problem.held)
    assert np.array_equal(own.price * balanced.money, problem.price * balanced.unit[:, None]), (
        "a unit of usage costs what so many units cost"
    )
    assert np.array_equal(balanced.amounts(own.maximum), problem.maximum)
    assert np.array_equal(balanced.amounts(own.minimum), problem.minimum)
    assert np.array_equal(balanced.amounts(own.step), problem.step)
    assert np.array_equal(own.cost * balanced.column * balanced.money, problem.cost)
    amounts = np.random.default_rng(seed).uniform(0, 5, len(problem.columns))
    assert np.array_equal(balanced.amounts(amounts * balanced.column), amounts)
    # Capacity of amounts is the same capacity.
    there = own.capacity(amounts * balanced.column) * balanced.source[:, None]
    assert np.array_equal(there, problem.capacity(amounts))


@pytest.mark.parametrize("seed", range(60))
def test_its_own_figures_are_about_one(seed: int) -> None:
    problem = drawn(seed)
    own = Balanced.of(problem).problem
    peaks = own.demand.max(axis=1)
    assert ((peaks == 0) | ((peaks > 0.7) & (peaks < 1.5))).all()
    finite = own.price[np.isfinite(own.price)]
    if finite.max(initial=0.0) > 0:
        assert 0.7 < finite.max() < 1.5


@pytest.mark.parametrize("seed", range(60))
def test_a_bound_comes_back_exactly(seed: int) -> None:
    """Prices of its own rows prove the same dollars for the original rows."""
    problem = drawn(seed)
    balanced = Balanced.of(problem)
    rng = np.random.default_rng(seed)
    structure = problem.structure
    prices = Prices(
        rng.uniform(0, 1, (len(structure.shared), problem.hours)),
        rng.uniform(0, 1, (len(problem.pools), structure.regimes)) * problem.hours,
        np.zeros((0, problem.hours)),
        np.zeros(0),
    )
    own = lower_bound(balanced.problem, prices) * balanced.money
    assert lower_bound(problem, balanced.prices(prices)) == pytest.approx(own, rel=1e-13)


@pytest.mark.parametrize("seed", range(40))
def test_limits_and_links_come_back_exactly(seed: int) -> None:
    """With hourly limits, capacity and rows over all hours: the relaxation's own proof."""
    problem = limited_problem(seed)
    balanced = Balanced.of(problem)
    relaxed = ArrayProgram(balanced.problem).relax(whole_box(balanced.problem))
    if not relaxed.feasible:
        assert not ArrayProgram(problem).relax(whole_box(problem)).feasible
        return
    own = lower_bound(balanced.problem, relaxed.prices) * balanced.money
    back = lower_bound(problem, balanced.prices(relaxed.prices))
    assert back == pytest.approx(own, rel=1e-12, abs=1e-12)
    best = solve_reference(problem).objective
    assert back <= best * (1 + 1e-9) + 1e-9


@pytest.mark.parametrize("seed", range(40))
def test_an_answer_in_original_units_passes_the_checks(seed: int) -> None:
    problem = drawn(seed)
    balanced = Balanced.of(problem)
    answer = solve_reference(balanced.problem)
    if answer.status is Status.INFEASIBLE:
        return
    back = balanced.solution(answer)
    assert [c.name for c in check_solution(balanced.problem, answer) if not c.ok] == []
    for name in ("quantity", "objective", "bound"):
        assert np.isfinite(getattr(back, name)).all()
    assert float(problem.cost @ back.quantity) <= back.objective * (1 + 1e-9) + 1e-12
    assert back.objective == answer.objective * balanced.money
    # Usage adds up in the original units too.
    served = back.on_demand + back.spot
    served += np.array(
        [back.covered[problem.pair_pool == pool].sum(axis=0) for pool in range(len(problem.pools))]
    )
    if back.unmet is not None:
        served += back.unmet
    peak = problem.demand.max()
    assert served == pytest.approx(problem.demand, abs=1e-6 * peak)


@pytest.mark.parametrize("way", ["reference", "mathopt", "partition"])
def test_ten_million_tokens_are_bought(way: str) -> None:
    """Five cents a million; a plan for one hour's dollar at 1.2 of it serves both hours."""
    problem = simple([[1e7, 1e7]], [5e-8], [(0, 0, 1.0)], [{"cost": 6e-8, "whole": 0.0}])
    found = through(problem, way)
    assert found.solution.objective == pytest.approx(0.6, rel=1e-9)
    assert found.solution.quantity == pytest.approx([1e7], rel=1e-9)
    assert found.bounded.bound == pytest.approx(0.6, rel=1e-6)
    assert found.bounded.bound <= 0.6 * (1 + 1e-12)
    assert all(check.ok for check in found.checks)


@pytest.mark.parametrize("way", ["reference", "mathopt", "partition"])
@pytest.mark.parametrize("usage", [1e-9, 1e-3, 1.0, 1e6, 1e12])
@pytest.mark.parametrize("dollars", [1e-9, 1.0, 1e6])
def test_any_units_of_usage_and_money(way: str, usage: float, dollars: float) -> None:
    demand = [3.0 * usage, 5.0 * usage, 4.0 * usage]
    price, cost = 2.0 * dollars / usage, 3.0 * dollars / usage
    problem = one_pool(demand, price, cost, whole=0.0, step=1e-9 * usage)
    best = newsvendor(demand, price, cost)
    found = through(problem, way)
    # Cells know continuous amounts of one pool in 4096ths of its peak.
    near = 2.0**-13 if way == "partition" else 1e-6
    assert found.solution.objective == pytest.approx(best, rel=near, abs=0)
    assert found.solution.objective >= best * (1 - 1e-9)
    assert found.bounded.bound == pytest.approx(best, rel=near, abs=0)
    assert found.bounded.bound <= best * (1 + 1e-9)


@pytest.mark.parametrize("way", ["reference", "mathopt"])
@pytest.mark.parametrize("seed", range(0, 60, 3))
def test_random_problems_in_any_units(way: str, seed: int) -> None:
    kind = ("sources", "columns", "dollars", "usage")[seed % 4]
    plain = random_problem(seed)
    problem, factor = rescaled(plain, kind, seed)
    best = brute_force(plain) * factor
    found = through(problem, way)
    if math.isinf(best):
        assert found.solution.status is Status.INFEASIBLE
        return
    assert found.solution.objective == pytest.approx(best, rel=1e-6, abs=1e-9 * factor)
    assert found.bounded.bound <= best * (1 + 1e-9) + 1e-12
    assert all(check.ok for check in found.checks)


def test_nothing_to_balance() -> None:
    """No usage, prices of zero or of infinity: the units are ones, and nothing divides by 0."""
    problem = simple(
        [[0.0, 0.0], [1.0, 1.0]],
        [0.0, np.inf],
        [(0, 0, 0.0), (1, 1, 1.0)],
        [{"cost": 0.0}, {"cost": 0.0}],
    )
    balanced = Balanced.of(problem)
    assert balanced.unit.tolist() == [1.0, 1.0]
    assert balanced.money == 1.0
    assert balanced.source.tolist() == [1.0, 1.0]
    assert np.isfinite(balanced.problem.pair_draw).all()


def test_limits_are_weighed_in_original_units() -> None:
    """Half a million units count 1e-6 each: 0.5 of a limit of 0.5, in whatever units."""
    problem = simple([[1e6, 5e5]], [1e-6], [(0, 0, 1.0)], [{"cost": 5e-6, "whole": 0.0}])
    problem = replace(
        problem,
        penalty=np.array([1e-5]),
        limits=HourlyLimits(
            names=("quota",),
            most=np.full((1, problem.periods), 0.5),
            entry_limit=np.array([0]),
            entry_pool=np.array([0]),
            entry_counts=np.array([Counts.RUNNING]),
            entry_weight=np.array([1e-6]),
        ),
        links=Links(window=np.zeros((0, problem.periods), dtype=bool)),
    )
    # Half of the first hour is unserved: 5 $ of penalty and 0.5 $ on demand, then 0.5 $.
    found = through(problem, "reference")
    assert found.solution.objective == pytest.approx(6.0)
    assert found.solution.unmet == pytest.approx(np.array([[5e5, 0.0]]), rel=1e-6, abs=1.0)
