# SPDX-License-Identifier: Apache-2.0
"""Limits, penalties, availability and linking rows: every way against trying everything."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from optimizer.program.arrays import ArrayProgram
from optimizer.program.branch import certified_bound, proven_infeasible
from optimizer.program.certificate import lower_bound, whole_box
from optimizer.program.check import check_solution
from optimizer.program.mathopt import solve_mathopt
from optimizer.program.prices import Prices, zero_prices
from optimizer.program.problem import Problem
from optimizer.program.reference import solve_reference
from optimizer.program.solution import ProgramSolution
from optimizer.program.status import Status

from ..seeds import Seeds
from .limited import limited_problem, without_limits
from .small import Exact, brute_force

SEEDS = Seeds(120, 60)  # the same over whole cases: test_families.py
WAYS = {
    "reference": solve_reference,
    "mathopt gscip": lambda problem: solve_mathopt(problem, solver="gscip"),
    "arrays": lambda problem: ArrayProgram(problem).solve(whole_box(problem), gap=0.0, nodes=2000),
}


@cache
def best_of(seed: int) -> float:
    return brute_force(limited_problem(seed))


@cache
def answer_of(seed: int) -> ProgramSolution:
    return solve_reference(limited_problem(seed))


@pytest.mark.parametrize("seed", SEEDS)
def test_all_ways_agree_with_trying_everything(seed: int) -> None:
    problem, best = limited_problem(seed), best_of(seed)
    for way, solve in WAYS.items():
        answer = solve(problem)
        if math.isinf(best):
            assert answer.status is Status.INFEASIBLE, way
            continue
        assert answer.status is Status.OPTIMAL, way
        assert answer.objective == pytest.approx(best, rel=1e-6, abs=1e-6), way
        assert answer.bound == pytest.approx(best, rel=1e-6, abs=1e-6), way
        assert [c.name for c in check_solution(problem, answer) if not c.ok] == [], way
        # A purchase at a limit is at it to the solver's tolerance alone.
        amounts = np.maximum(answer.quantity, 0.0)
        low, high = amounts * (1 - 1e-6), amounts * (1 + 1e-6)
        again = Exact(problem).cost(list(zip(low.tolist(), high.tolist(), strict=True)))
        assert again == pytest.approx(best, rel=1e-5, abs=1e-5), way


def random_prices(problem: Problem, rng: np.random.Generator) -> Prices:
    """Any prices at all, within what the certificate allows."""
    none = zero_prices(problem)
    most = problem.limits.most[:, problem.period] if problem.limits.names else none.limits
    most_link = np.minimum(problem.links.excess_price, 3.0)
    return Prices(
        rng.random(none.shared.shape) * rng.choice([0.1, 1.0, 5.0]),
        rng.random(none.rent.shape) * rng.choice([0.1, 1.0, 10.0]),
        np.where(np.isfinite(most), rng.random(none.limits.shape) * rng.choice([0.1, 2.0]), 0.0),
        rng.random(none.links.shape) * most_link,
    )


@pytest.mark.parametrize("seed", SEEDS)
def test_certificates_are_never_above_the_optimum(seed: int) -> None:
    problem, best = limited_problem(seed), best_of(seed)
    rng = np.random.default_rng(seed)
    relaxed = ArrayProgram(problem).relax(whole_box(problem))
    slack = 1e-7 * (1.0 + abs(best)) if math.isfinite(best) else 0.0
    if relaxed.feasible:
        bound = lower_bound(problem, relaxed.prices)
        assert bound <= best + slack
        # Strong duality: the relaxation's own prices prove the relaxation's value, or more.
        assert bound >= relaxed.objective - 1e-6 * (1.0 + abs(relaxed.objective))
        near = replace(relaxed.prices, links=relaxed.prices.links * rng.random())
        assert lower_bound(problem, near) <= best + slack
    for _ in range(8):
        assert lower_bound(problem, random_prices(problem, rng)) <= best + slack


@pytest.mark.parametrize("seed", range(0, len(SEEDS), 4))
def test_branch_and_bound_closes_the_gap(seed: int) -> None:
    problem, best = limited_problem(seed), best_of(seed)
    if math.isinf(best):
        return
    bounded = certified_bound(
        problem, ArrayProgram(problem), lambda prices: prices, target=best, nodes=300
    )
    assert bounded.bound <= best * (1 + 1e-9) + 1e-9
    assert bounded.bound >= best * (1 - 1e-5) - 1e-6


def test_the_problems_are_worth_solving() -> None:
    """Every family binds somewhere, and its price is above zero somewhere."""
    dearer, unmet, names, priced = 0, 0, set(), set()
    infeasible = 0
    for seed in SEEDS:
        problem = limited_problem(seed)
        best = best_of(seed)
        infeasible += math.isinf(best)
        free = solve_reference(without_limits(problem))
        dearer += bool(best > free.objective + 1e-6)
        names |= set(problem.links.names) | set(problem.limits.names)
        relaxed = ArrayProgram(problem).relax(whole_box(problem))
        if not relaxed.feasible:
            continue
        answer = answer_of(seed)
        unmet += answer.unmet is not None and bool((answer.unmet > 1e-6).any())
        for prices, of in (
            (relaxed.prices.limits.max(axis=1, initial=0), problem.limits.names),
            (relaxed.prices.links, problem.links.names),
        ):
            priced |= {name for price, name in zip(prices, of, strict=True) if price > 1e-6}
    assert len(names) == 7
    assert priced == names
    assert dearer >= SEEDS.share(45)
    assert unmet >= SEEDS.share(15)
    assert SEEDS.share(5) <= infeasible <= SEEDS.share(45)


@pytest.mark.parametrize("family", ["limit", "availability", "link", "unmet", "excess"])
def test_a_mutated_answer_fails_its_check(family: str) -> None:
    """Lower a limit below what an answer uses: the check of that family fails."""
    caught = 0
    for seed in SEEDS:
        problem = limited_problem(seed)
        answer = answer_of(seed)
        if not answer.status.has_plan:
            continue
        wanted = {"limit": "coverage.limit", "availability": "coverage.availability"}.get(family)
        if family == "limit" and problem.limits.names:
            most = problem.limits.most
            tight = np.where(np.isfinite(most), 0.0, most)
            changed = replace(problem, limits=replace(problem.limits, most=tight))
        elif family == "availability":
            changed = replace(problem, availability=problem.availability * 0.0)
        elif family == "link" and problem.links.names:
            wanted = problem.links.names[0]
            hard = replace(problem.links, most=problem.links.most - 1e4)
            changed = replace(problem, links=hard)
        elif family == "unmet" and answer.unmet is not None and answer.unmet.any():
            wanted, changed = "coverage.meet", problem
            answer = replace(answer, unmet=answer.unmet * 0.5)
        elif family == "excess" and answer.excess is not None and answer.excess.any():
            wanted, changed = "objective", problem
            answer = replace(answer, excess=answer.excess * 2.0)
        else:
            continue
        caught += wanted in {c.name for c in check_solution(changed, answer) if not c.ok}
    assert caught >= SEEDS.share(10)


def test_infeasible_is_proven_exactly_where_it_is_so() -> None:
    """The first phase's certificate, with its tree, decides every random problem rightly."""
    for seed in SEEDS:
        problem = limited_problem(seed)
        assert proven_infeasible(problem, nodes=300) == math.isinf(best_of(seed)), seed
