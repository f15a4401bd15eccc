# SPDX-License-Identifier: Apache-2.0
"""Every way of solving a small program finds what trying everything finds."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from optimizer.program.arrays import ArrayProgram
from optimizer.program.branch import certified_bound
from optimizer.program.certificate import lower_bound, whole_box
from optimizer.program.check import check_solution
from optimizer.program.mathopt import solve_mathopt
from optimizer.program.problem import Problem
from optimizer.program.reference import solve_reference
from optimizer.program.solution import ProgramSolution
from optimizer.program.status import Status

from ..seeds import Seeds
from .small import Exact, brute_force, random_problem

# The same over everything that a case may have: test_families.py.
SEEDS = Seeds(100, 50)

WAYS = {
    "reference": solve_reference,
    "mathopt gscip": lambda problem: solve_mathopt(problem, solver="gscip"),
    "mathopt highs": lambda problem: solve_mathopt(problem, solver="highs"),
    "arrays": lambda problem: ArrayProgram(problem).solve(whole_box(problem), gap=0.0, nodes=2000),
}


def agrees(problem: Problem, way: str, answer: ProgramSolution, best: float) -> None:
    if math.isinf(best):
        assert answer.status is Status.INFEASIBLE, way
        return
    assert answer.status is Status.OPTIMAL, way
    assert answer.objective == pytest.approx(best, rel=1e-6, abs=1e-9), way
    assert answer.bound == pytest.approx(best, rel=1e-6, abs=1e-6), way
    # The amounts cost what the answer says they do, and may be bought.
    assert Exact(problem).at(answer.quantity) == pytest.approx(best, rel=1e-6, abs=1e-6), way
    assert [c.name for c in check_solution(problem, answer) if not c.ok] == [], way


@pytest.mark.parametrize("seed", SEEDS)
def test_all_ways_agree_with_trying_everything(seed: int) -> None:
    problem = random_problem(seed)
    best = brute_force(problem)
    for way, solve in WAYS.items():
        agrees(problem, way, solve(problem), best)


@pytest.mark.parametrize("seed", SEEDS)
def test_certified_branch_and_bound_closes_the_gap(seed: int) -> None:
    problem = random_problem(seed)
    best = brute_force(problem)
    bounded = certified_bound(
        problem, ArrayProgram(problem), lambda prices: prices, target=best, nodes=400
    )
    if math.isinf(best):
        return
    assert bounded.bound <= best * (1 + 1e-9) + 1e-12
    assert bounded.bound >= best * (1 - 1e-6) - 1e-9


def test_the_random_problems_are_worth_solving() -> None:
    """They buy, they branch, some cannot be met: the tests above do not pass for nothing."""
    problems = [random_problem(seed) for seed in SEEDS]
    best = np.array([brute_force(problem) for problem in problems])
    nothing = np.array([Exact(problem).at(np.zeros(len(problem.columns))) for problem in problems])
    root = np.array(
        [
            lower_bound(problem, ArrayProgram(problem).relax(whole_box(problem)).prices)
            for problem in problems
        ]
    )
    assert SEEDS.share(2) <= np.isinf(best).sum() <= SEEDS.share(15)
    assert (best < nothing - 1e-6).sum() >= SEEDS.share(40)
    finite = np.isfinite(best)
    # The relaxation is not enough.
    assert (root[finite] < best[finite] - 1e-3).sum() >= SEEDS.share(15)
    assert sum(bool(problem.integer.any()) for problem in problems) >= SEEDS.share(50)
    assert sum(bool((~problem.integer).any()) for problem in problems) >= SEEDS.share(40)


@pytest.mark.parametrize("seed", range(20))
def test_a_minimum_or_maximum_off_the_step_is_kept(seed: int) -> None:
    """Steps of 2 with a minimum of 3 and a maximum of 7: 4 and 6 may be bought."""
    problem = random_problem(seed)
    count = len(problem.columns)
    problem = replace(
        problem,
        minimum=np.full(count, 3.0),
        maximum=np.full(count, 7.0),
        step=np.where(problem.integer, 2.0, 0.001),
    )
    best = brute_force(problem)
    for way, solve in WAYS.items():
        agrees(problem, way, solve(problem), best)
