# SPDX-License-Identifier: Apache-2.0
"""Our problem says all that the peers' integer program says, and finds the same optimum."""

from __future__ import annotations

import numpy as np
import pytest

from optimizer.program.arrays import ArrayProgram
from optimizer.program.branch import certified_bound
from optimizer.program.check import check_solution
from optimizer.program.reference import solve_reference
from optimizer.program.status import Status
from tests.benchmarks.awsome import (
    PeerCase,
    as_problem,
    draw_case,
    merge_equal_hours,
    solve_theirs,
)


def ours(case: PeerCase) -> float:
    """The optimum of our program, checked and proven without a solver's word."""
    problem = merge_equal_hours(as_problem(case))
    answer = solve_reference(problem)
    assert answer.status is Status.OPTIMAL
    assert [check.name for check in check_solution(problem, answer) if not check.ok] == []
    bounded = certified_bound(
        problem, ArrayProgram(problem), lambda prices: prices, target=answer.objective, nodes=200
    )
    assert bounded.bound == pytest.approx(answer.objective, rel=1e-3)
    assert bounded.bound <= answer.objective * (1 + 1e-9)
    return answer.objective


def test_their_own_example() -> None:
    """Two types, four hours, everything for a dollar an hour but on demand: 60 instance-hours."""
    case = PeerCase(
        demand=np.array([[10.0, 10, 5, 5], [5, 5, 10, 10]]),
        on_demand=np.array([2.0, 2.0]),
        plan_price=np.ones(2),
        hourly=np.ones((2, 1)),
        upfront=np.zeros((2, 1)),
        durations=(4,),
        plan_duration=4,
    )
    # Fifteen instances run in every hour, ten of them of one type and five of the other, so
    # that a plan of 15 $ for four hours is always used in full.
    assert solve_theirs(case) == pytest.approx(60.0)
    assert ours(case) == pytest.approx(60.0)


@pytest.mark.parametrize("seed", range(6))
def test_whole_dollars_and_whole_instances_agree(seed: int) -> None:
    """Where a unit costs the plan a dollar, whole coverage loses nothing: as they write it."""
    case = draw_case(24, 2, 4 + 4 * (seed % 3), seed=seed, unit=True)
    assert ours(case) == pytest.approx(solve_theirs(case), rel=1e-6)


@pytest.mark.parametrize("size", [(24, 2), (48, 1), (96, 1)])
@pytest.mark.parametrize("seed", range(2))
def test_billed_by_parts_agree_too(size: tuple[int, int], seed: int) -> None:
    hours, types = size
    case = draw_case(hours, types, hours, seed=seed)
    assert ours(case) == pytest.approx(solve_theirs(case, whole_coverage=False), rel=1e-6)


@pytest.mark.parametrize("seed", range(4))
def test_covering_whole_instances_only_costs_no_less(seed: int) -> None:
    case = draw_case(8, 1, 4, seed=seed)
    assert ours(case) <= solve_theirs(case) * (1 + 1e-6)
