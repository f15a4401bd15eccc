# SPDX-License-Identifier: Apache-2.0
"""Work that may move within limits: both programs agree, and no prices pass the optimum."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache

import numpy as np
import pytest

from optimizer.program.certificate import whole_box
from optimizer.program.moves import Moves, move_cost, place
from optimizer.program.moves_bound import moves_bound
from optimizer.program.moving_arrays import MovingProgram
from optimizer.program.moving_mathopt import solve_moving_mathopt
from optimizer.program.moving_reference import solve_moving_reference
from optimizer.program.problem import Problem
from optimizer.program.proposals import proven_unplaceable
from optimizer.program.status import Status

from ..seeds import Seeds
from .moving import brute_force_moving, limited_base, random_jobs, random_substitution
from .small import Exact
from .test_limits import random_prices

MAKE: dict[str, Callable[[int], tuple[Problem, Moves]]] = {
    "substitution": lambda seed: random_substitution(seed, limited_base),
    "jobs": lambda seed: random_jobs(seed, limited_base),
}

CASES = [(kind, seed) for kind in MAKE for seed in Seeds(40, 20)]


@cache
def best_of(kind: str, seed: int) -> float:
    return brute_force_moving(*MAKE[kind](seed))


@pytest.mark.parametrize(("kind", "seed"), CASES)
def test_limits_hold_for_every_placement(kind: str, seed: int) -> None:
    problem, moves = MAKE[kind](seed)
    found, second = solve_moving_reference(problem, moves), solve_moving_mathopt(problem, moves)
    best = best_of(kind, seed)
    assert found.solution.status is second.status
    proven = proven_unplaceable(problem, moves)
    if math.isinf(best):
        assert second.status is Status.INFEASIBLE
        return
    assert second.status is Status.OPTIMAL
    assert second.objective == pytest.approx(best, rel=1e-6, abs=1e-6)
    assert not proven
    assert found.solution.objective == pytest.approx(best, rel=1e-6, abs=1e-6)
    # The placement keeps the rows of the problem that it makes, at what the answer says.
    assert found.placement is not None
    amounts = found.solution.quantity
    around = list(
        zip((amounts * (1 - 1e-6)).tolist(), (amounts * (1 + 1e-6)).tolist(), strict=True)
    )
    placed = place(problem, moves, found.placement)
    cost = Exact(placed).cost(around) + move_cost(problem, moves, found.placement)
    assert cost == pytest.approx(best, rel=1e-4, abs=1e-4)
    # Any prices bound it; those of the relaxation too.
    relaxed = MovingProgram(problem, moves).relax(whole_box(problem))
    assert relaxed.feasible
    assert relaxed.objective <= best * (1 + 1e-6) + 1e-6
    rng = np.random.default_rng(seed)
    for prices in (relaxed.prices, *(random_prices(problem, rng) for _ in range(5))):
        assert moves_bound(problem, moves, prices) <= best * (1 + 1e-7) + 1e-7


def test_most_placements_without_a_plan_are_proven() -> None:
    """The proof is that of the relaxation: whole purchases may need more."""
    none = [MAKE[kind](seed) for kind, seed in CASES if math.isinf(best_of(kind, seed))]
    proven = sum(proven_unplaceable(problem, moves) for problem, moves in none)
    assert len(none) >= 5
    assert proven >= len(none) // 2
