# SPDX-License-Identifier: Apache-2.0
"""Sources that cover alike are one to the arrays, and the answer is that of each on its own."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from optimizer.program.alike import first_alike
from optimizer.program.arrays import ArrayProgram
from optimizer.program.certificate import lower_bound, whole_box
from optimizer.program.problem import Problem
from optimizer.program.solution import may_be_bought
from optimizer.program.status import Status
from tests.benchmarks.awsome import as_problem, draw_case

from .small import brute_force, simple


def terms(seed: int) -> Problem:
    """Two pools, four hours; three sources alike with other terms, the second held; a bundle."""
    rng = np.random.default_rng(seed)
    problem = simple(
        rng.integers(0, 5, (2, 4)).tolist(),
        [2.0, 3.0],
        [(0, 0, 1.0), (1, 0, 1.0), (2, 0, 1.0), (3, 0, 2.0), (4, 1, 1.0)],
        [{"cost": c, "maximum": 3} for c in rng.integers(2, 8, 4).tolist()],
        held=[0, 1, 0, 0.5, 0],
        # The first column is a bundle of offers that are alike; the last one of others.
        members=[(0, 0, 1.0), (0, 1, 2.0), (1, 2, 1.0), (2, 3, 1.0), (3, 4, 1.0), (3, 3, 1.0)],
    )
    return replace(problem.expand(), active=rng.random((5, 4)) < 0.7)


def test_alike_is_same_pools_same_draws_same_capacity() -> None:
    problem = terms(0)
    assert first_alike(problem).tolist() == [0, 0, 0, 3, 4]
    secured = replace(problem, secures=np.array([False, True, False, False, False]))
    assert first_alike(secured).tolist() == [0, 1, 0, 3, 4]


@pytest.mark.parametrize("seed", range(20))
def test_the_answer_is_that_of_trying_everything(seed: int) -> None:
    problem = terms(seed)
    program, best = ArrayProgram(problem), brute_force(problem)
    found = program.solve(whole_box(problem), gap=0.0, nodes=2000)
    assert found.status is Status.OPTIMAL
    assert found.objective == pytest.approx(best, rel=1e-7, abs=1e-9)
    # The price of a row is that of all its sources: it proves the relaxation's value, or more.
    relaxed = program.relax(whole_box(problem))
    bound = lower_bound(problem, relaxed.prices)
    assert relaxed.objective * (1 - 1e-7) <= bound <= best * (1 + 1e-9)


def test_intervals_have_whole_corners() -> None:
    """Terms that begin in any of 72 hours: as many rows as hours, and nothing is branched."""
    problem = as_problem(draw_case(72, 1, 12, seed=3))
    program = ArrayProgram(problem)
    assert len(np.unique(first_alike(problem))) == 2  # reservations, and the plan
    relaxed = program.relax(whole_box(problem))
    found = program.solve(whole_box(problem), gap=0.0, nodes=0)
    assert found.objective == pytest.approx(relaxed.objective)
    assert may_be_bought(problem, relaxed.quantity) is not None


def test_what_may_not_be_bought_is_branched() -> None:
    problem = simple([[2.0]], [9.0], [(0, 0, 1.0)], [{"cost": 1.0, "minimum": 2, "step": 2}])
    for amount, there in ((0.0, True), (2.0, True), (1.0, False), (3.0, False), (2.5, False)):
        assert (may_be_bought(problem, np.array([amount])) is not None) == there
