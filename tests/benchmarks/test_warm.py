# SPDX-License-Identifier: Apache-2.0
"""A what-if from the base answer against the same what-if solved cold, to the same gap.

Usage of every group changes by 5 to 20 %, up or down; or the on-demand prices of one group do;
or those of every group.  A third of the cold time is what is wanted.  It is printed, not
asserted: machines are busy.  Usage alone reaches it, because the last program's basis stays
dual feasible.  Where all prices change at once nothing of it is left.
"""

from __future__ import annotations

import time
from dataclasses import replace
from functools import cache
from statistics import median

import numpy as np
import pytest

from optimizer.program.balance import Balanced
from optimizer.program.engine import Engine, solve_engine
from optimizer.program.levels import Levels
from optimizer.program.problem import Problem
from optimizer.program.warm import WarmStart

from .instances import make_instance

GAP = 1e-3
CASES = 20


@cache
def base(pools: int) -> tuple[Problem, Engine]:
    problem = make_instance(pools, seed=0).problem
    return problem, solve_engine(Balanced.of(problem).problem, gap=GAP)


def changed(problem: Problem, number: int, what: str) -> Problem:
    """Other usage, other prices of one group, or other prices of all."""
    rng = np.random.default_rng([number, 5])
    levels = Levels.of(problem)
    groups = len(levels.groups)
    size = rng.uniform(0.05, 0.20, groups) * rng.choice([-1, 1], groups)
    if what == "prices of a group":
        size[np.arange(groups) != rng.integers(groups)] = 0.0
    factor = 1.0 + size[levels.group_of]
    if what == "usage":
        return replace(problem, demand=problem.demand * factor[:, None])
    return replace(problem, price=problem.price * factor[:, None])


def timed(balanced: Balanced, start: WarmStart | None) -> tuple[float, Engine]:
    # A problem's cached parts are part of the work: each solve gets a problem of its own.
    fresh = replace(balanced.problem)
    begin = time.process_time()
    found = solve_engine(fresh, gap=GAP, start=start)
    return time.process_time() - begin, found


@pytest.mark.parametrize("pools", [10, 50])
@pytest.mark.parametrize("what", ["usage", "prices of a group", "prices of all"])
def test_a_what_if_from_a_warm_start(pools: int, what: str, capsys) -> None:
    problem, answer = base(pools)
    amounts = Balanced.of(problem).amounts(answer.quantity)
    ratios, lines = [], []
    for number in range(CASES):
        other = changed(problem, number, what)
        balanced = Balanced.of(other)
        start = WarmStart.of(problem, amounts, answer.learnt, other).balanced(balanced)
        cold_time, cold = timed(balanced, None)
        warm_time, warm = timed(balanced, start)
        ratios.append(warm_time / cold_time)
        lines.append(
            f"{number:3}: cold {cold_time:6.3f} s {cold.rounds} rounds {left(cold):.2e}"
            f" | {warm_time:6.3f} s {warm.rounds} rounds {left(warm):.2e}"
        )
        # Both prove bounds of one truth, and the warm one ends as near to it.
        assert max(warm.bound, cold.bound) <= min(warm.free, cold.free) * (1 + 1e-12)
        assert left(warm) <= max(GAP, left(cold)) * 1.5
    with capsys.disabled():
        print(f"\n{pools} pools x 8,760 h, {what}: warm / cold, median of {CASES}:")
        print(f"  {median(ratios):.2f} (of {min(ratios):.2f} to {max(ratios):.2f})")
        print("\n".join(lines))


def left(found: Engine) -> float:
    return (found.free - found.bound) / found.free
