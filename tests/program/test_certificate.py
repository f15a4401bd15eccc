# SPDX-License-Identifier: Apache-2.0
"""The certificate is a bound whoever supplies the prices; merging and removing bound too."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from optimizer.program.arrays import ArrayProgram, Box
from optimizer.program.branch import certified_bound
from optimizer.program.certificate import lower_bound, whole_box
from optimizer.program.prices import Prices, zero_prices
from optimizer.program.problem import Problem, merge_labels
from optimizer.program.reference import solve_reference
from optimizer.program.search import on_step

from .limited import limited_problem
from .small import Exact, brute_force, choices, random_problem, simple

# certificate._limit_rent multiplies ∞ by 0 where a limit does not apply, and drops it.
pytestmark = pytest.mark.filterwarnings("ignore:invalid value encountered in multiply")
seeds = st.integers(0, 100_000)
few = settings(max_examples=40, deadline=None, derandomize=True, database=None)
many = settings(max_examples=200, deadline=None, derandomize=True, database=None)


def some_amounts(problem: Problem, rng: np.random.Generator) -> np.ndarray:
    """Amounts that may be bought, also more than anybody needs."""
    amounts = []
    for ranges in choices(problem):
        low, high = ranges[int(rng.integers(len(ranges)))]
        amounts.append(float(rng.uniform(low, high)))
    return np.array(amounts)


def some_problem(seed: int) -> Problem:
    """With own and shared sources, and every other one with limits and linking rows."""
    return limited_problem(seed) if seed % 2 else random_problem(seed)


def some_prices(problem: Problem, rng: np.random.Generator) -> Prices:
    """From nothing, over what things cost, to absurd: within what a certificate allows."""
    none = zero_prices(problem)
    kind, good = int(rng.integers(4)), ArrayProgram(problem).relax(whole_box(problem)).prices
    if kind == 0:
        return good

    def priced(size: tuple[int, ...], near: np.ndarray) -> np.ndarray:
        if kind == 1:
            return np.asarray(near * rng.uniform(0.5, 1.5, size))
        absurd = rng.exponential(10.0 ** float(rng.integers(-3, 4)), size)
        return np.asarray(absurd * (rng.random(size) < 0.8))

    applies = np.isfinite(problem.limits.most[:, problem.period]) if problem.limits.names else 0
    return Prices(
        priced(none.shared.shape, good.shared),
        priced(none.rent.shape, good.rent),
        priced(none.limits.shape, good.limits) * applies,
        np.minimum(priced(none.links.shape, good.links), problem.links.excess_price),
    )


@many
@given(seeds)
def test_no_prices_give_a_bound_above_a_plan(seed: int) -> None:
    problem, rng = some_problem(seed), np.random.default_rng(seed + 1)
    amounts = some_amounts(problem, rng)
    plan = Exact(problem).at(amounts)
    prices = some_prices(problem, rng)
    slack = 1e-9 * (1 + abs(plan)) if math.isfinite(plan) else 0.0
    assert lower_bound(problem, prices) <= plan + slack
    around = Box(
        np.maximum(0.0, amounts - rng.choice([0.0, 0.5, 2.0], len(amounts))),
        amounts + rng.choice([0.0, 0.5, 2.0, 1000.0], len(amounts)),
    )
    assert lower_bound(problem, prices, around) <= plan + slack


@many
@given(seeds)
def test_at_the_prices_of_the_relaxation_it_is_the_relaxation(seed: int) -> None:
    problem = random_problem(seed)
    count = len(problem.columns)
    loose = replace(problem, integer=np.zeros(count, dtype=bool), minimum=np.zeros(count))
    box, rng = whole_box(problem), np.random.default_rng(seed + 1)
    if rng.random() < 0.5:  # any node of a search too
        low = box.upper * rng.choice([0.0, 0.3], count)
        box = Box(low, np.maximum(low, box.upper * rng.choice([1.0, 0.6], count)))
    relaxed = ArrayProgram(loose).relax(box)
    assume(relaxed.feasible)
    assert lower_bound(loose, relaxed.prices, box) == pytest.approx(
        relaxed.objective, rel=1e-8, abs=1e-8
    )
    # Whole units and minimums can only lift it.
    assert lower_bound(problem, relaxed.prices, box) >= relaxed.objective * (1 - 1e-8) - 1e-8


def priced(problem: Problem, *, shared: float = 0.0, rent: float = 0.0) -> Prices:
    """One price for all shared sources and hours, and one rent for all own ones."""
    none = zero_prices(problem)
    return replace(none, shared=none.shared + shared, rent=none.rent + rent)


def own_source() -> Problem:
    return simple([[1.0]], [2.0], [(0, 0, 1.0)], [{"cost": 3.0}])


def shared_source() -> Problem:
    """One source for two pools of one unit each, at 2 and 4 on demand; 3 a unit."""
    return simple([[1.0], [1.0]], [2.0, 4.0], [(0, 0, 1.0), (0, 1, 1.0)], [{"cost": 3.0}])


def test_refused_prices() -> None:
    for bad in (-1e-12, math.nan, math.inf):
        for problem, part in ((own_source(), "rent"), (shared_source(), "shared")):
            with pytest.raises(ValueError, match="finite and not negative"):
                lower_bound(problem, priced(problem, **{part: bad}))
    limited = next(p for p in map(limited_problem, range(1, 99)) if math.isinf(_least_limit(p)))
    none = zero_prices(limited)
    with pytest.raises(ValueError, match="does not apply"):
        lower_bound(limited, replace(none, limits=none.limits + 1.0))
    soft = next(
        p for p in map(limited_problem, range(1, 99)) if np.isfinite(p.links.excess_price).any()
    )
    none = zero_prices(soft)
    with pytest.raises(ValueError, match="above what exceeding it costs"):
        lower_bound(soft, replace(none, links=none.links + 1e6))


def _least_limit(problem: Problem) -> float:
    """Infinite where some limit does not apply in some hour."""
    return float(problem.limits.most.max(initial=0.0))


def test_the_bound_of_an_own_source_by_hand() -> None:
    """One unit for one hour at 3, on demand at 2: min(2, ρ), and the purchase min(0, 3 − ρ)·Q."""
    problem = own_source()
    assert problem.structure.own.tolist() == [True]
    for rent, bound in ((0.0, 0.0), (1.5, 1.5), (2.5, 2.0), (4.0, 2.0 - 1.0)):
        assert lower_bound(problem, priced(problem, rent=rent)) == pytest.approx(bound, abs=1e-10)
    # The more may be bought, the less a rent above the cost proves.
    wide = Box(np.zeros(1), np.full(1, 1000.0))
    assert lower_bound(problem, priced(problem, rent=4.0), wide) == pytest.approx(2.0 - 1000.0)
    # A box without amounts holds no plan.
    between = Box(np.full(1, 0.2), np.full(1, 0.8))
    assert lower_bound(problem, zero_prices(problem), between) == np.inf


@pytest.mark.parametrize(("rent", "bound"), [(0.5, 1.5), (1.5, 4.5), (2.0, 6.0), (2.5, 6.5)])
def test_how_much_each_pool_rents_by_hand(rent: float, bound: float) -> None:
    """Usage 3, 3, 1 at 1 on demand: three units up to a rent of 2, one up to 3."""
    problem = simple([[3.0, 3.0, 1.0]], [1.0], [(0, 0, 1.0)], [{"cost": 9.0}])
    assert lower_bound(problem, priced(problem, rent=rent)) == pytest.approx(bound, abs=1e-9)


def test_the_bound_of_a_shared_source_by_hand() -> None:
    """min(2, λ) + min(4, λ) + min(0, 3 − λ)·2; the best price is the cost, and it is tight."""
    problem = shared_source()
    assert problem.structure.own.tolist() == [False]
    for price, bound in ((0.0, 0.0), (2.5, 4.5), (3.0, 5.0), (5.0, 2.0 + 4.0 - 4.0)):
        assert lower_bound(problem, priced(problem, shared=price)) == pytest.approx(bound, abs=1e-9)
    assert brute_force(problem) == pytest.approx(5.0)
    endless = Box(np.zeros(1), np.full(1, np.inf))
    assert lower_bound(problem, priced(problem, shared=4.0), endless) == -np.inf


def test_usage_that_nothing_serves_costs_infinitely_much() -> None:
    problem = simple([[1.0]], [math.inf], [], [{"cost": 1.0}])
    assert lower_bound(problem, zero_prices(problem)) == math.inf


def test_branching_closes_what_the_relaxation_leaves() -> None:
    """Two pools share steps of 3 for three and a half: LP 3.5/3 of a step, truth 1 or 2."""
    half = [1.75, 1.75]
    pairs = [(0, 0, 1.0), (0, 1, 1.0)]
    problem = simple([half, half], [10.0, 10.0], pairs, [{"cost": 8.0, "step": 3.0}])
    program = ArrayProgram(problem)
    one, best = (
        certified_bound(problem, program, lambda prices: prices, target=np.inf, nodes=nodes)
        for nodes in (1, 50)
    )
    # 1 step: 24 + 2 × 5 = 34; 2 steps: 48.  LP: 3.5 × 8 = 28.
    assert one.bound == pytest.approx(28.0)
    assert best.bound == pytest.approx(34.0) == pytest.approx(brute_force(problem))
    assert one.nodes == 1 < best.nodes


@few
@given(seeds)
def test_removing_an_offer_never_helps(seed: int) -> None:
    problem = random_problem(seed)
    whole = solve_reference(problem).objective
    for column in range(len(problem.columns)):
        most = problem.maximum.copy()
        most[column] = 0.0
        less = solve_reference(replace(problem, maximum=most)).objective
        assert less >= whole - 1e-6 * (1 + abs(whole)) or math.isinf(less)


@few
@given(seeds)
def test_merging_identical_hours_is_exact(seed: int) -> None:
    problem, rng = random_problem(seed), np.random.default_rng(seed + 1)
    labels = np.concatenate(
        [np.arange(problem.hours), rng.integers(0, problem.hours, 2 * problem.hours)]
    )
    labels = rng.permutation(labels)
    many_hours = problem.take(labels)
    merged = merge_labels(many_hours, labels)
    assert merged.hours == problem.hours
    assert merged.weight.sum() == pytest.approx(many_hours.weight.sum())
    best = brute_force(many_hours)
    assert brute_force(merged) == (best if math.isinf(best) else pytest.approx(best, rel=1e-9))


@few
@given(seeds)
def test_merging_other_hours_only_lowers(seed: int) -> None:
    problem = random_problem(seed)
    best = brute_force(problem)
    assume(math.isfinite(best))
    assert brute_force(merge_labels(problem, problem.period)) <= best * (1 + 1e-9) + 1e-9


def test_merging_other_hours_loses_something() -> None:
    problem = simple([[0.0, 4.0]], [1.0], [(0, 0, 1.0)], [{"cost": 1.2}])
    merged = merge_labels(problem, np.zeros(2, dtype=np.int64))
    assert brute_force(problem) == pytest.approx(4.0)  # nothing is used in half of the hours
    assert brute_force(merged) == pytest.approx(2.4)  # 2 on average: bought for 1.2 each


def test_the_amounts_that_can_be_needed() -> None:
    columns = [
        {"step": 2.0},  # 3 units are needed: two steps
        {"step": 2.0, "minimum": 5.0},  # the least amount on the step is 6
        {"step": 2.0, "maximum": 3.0},  # the greatest is 2
        {"step": 2.0, "minimum": 3.0, "maximum": 3.5},  # there is none
        {"step": 0.001, "whole": 0.0, "maximum": 2.5},
    ]
    pairs = [(k, 0, 1.0) for k in range(5)]
    problem = simple([[3.0, 1.0]], [1.0], pairs, columns)
    assert problem.needed().tolist() == [4.0, 6.0, 2.0, 0.0, 2.5]


@pytest.mark.parametrize(
    ("asked", "rounded"),
    [
        (0.9, [0.0, 0.0, 0.0, 0.0, 0.9]),  # half a step, a sixth of the minimum, …
        (1.1, [2.0, 0.0, 2.0, 0.0, 1.1]),
        (3.2, [4.0, 6.0, 2.0, 0.0, 2.5]),
        (9.0, [8.0, 8.0, 2.0, 0.0, 2.5]),
        (0.12345, [0.0, 0.0, 0.0, 0.0, 0.123]),
    ],
)
def test_rounding_to_what_may_be_bought(asked: float, rounded: list[float]) -> None:
    columns = [
        {"step": 2.0},
        {"step": 2.0, "minimum": 5.0},  # the least amount on the step is 6
        {"step": 2.0, "maximum": 3.0},  # the greatest is 2
        {"step": 2.0, "minimum": 3.0, "maximum": 3.5},  # there is none
        {"step": 0.001, "whole": 0.0, "maximum": 2.5},
    ]
    problem = simple([[3.0]], [1.0], [(k, 0, 1.0) for k in range(5)], columns)
    assert on_step(problem, np.full(5, asked)).tolist() == rounded
