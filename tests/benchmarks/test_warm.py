# SPDX-License-Identifier: Apache-2.0
"""A what-if from the base answer against the same what-if solved cold, to the same gap.

Prices or demand of every group change by 5 to 20 %, up or down.  A warm start is what a
user who asks what-if all day has: the amounts of the base plan, and its prices.

A third of the cold time is what is wanted.  It is printed, not asserted: a warm start saves
half a round today and pays for it with finer cells in the first, so that the median is
about 1 for 10 pools and 1.3 for 50.
"""

from __future__ import annotations

import time
from dataclasses import replace
from functools import cache
from statistics import median

import numpy as np
import pytest

from optimizer.program.balance import Balanced
from optimizer.program.engine import Engine, WarmStart, solve_engine
from optimizer.program.levels import Levels
from optimizer.program.problem import Problem

from .instances import make_instance

GAP = 1e-3
CASES = 20


@cache
def base(pools: int) -> tuple[Problem, Engine]:
    problem = make_instance(pools, seed=0).problem
    return problem, solve_engine(Balanced.of(problem).problem, gap=GAP)


def changed(problem: Problem, number: int) -> Problem:
    """Other prices (even cases) or other demand (odd ones), by group."""
    rng = np.random.default_rng([number, 5])
    levels = Levels.of(problem)
    size = rng.uniform(0.05, 0.20, len(levels.groups)) * rng.choice([-1, 1], len(levels.groups))
    factor = 1.0 + size[levels.group_of]
    if number % 2:
        return replace(problem, demand=problem.demand * factor[:, None])
    return replace(problem, price=problem.price * factor[:, None])


def timed(balanced: Balanced, start: WarmStart | None) -> tuple[float, Engine]:
    # A problem's cached parts are part of the work: each solve gets a problem of its own.
    fresh = replace(balanced.problem)
    begin = time.process_time()
    found = solve_engine(fresh, gap=GAP, start=start)
    return time.process_time() - begin, found


@pytest.mark.parametrize("pools", [10, 50])
def test_a_what_if_from_a_warm_start(pools: int, capsys) -> None:
    problem, answer = base(pools)
    units = Balanced.of(problem)
    amounts, prices = units.amounts(answer.quantity), units.prices(answer.prices)
    ratios, lines = {"amounts": [], "amounts and prices": []}, []
    for number in range(CASES):
        balanced = Balanced.of(changed(problem, number))
        cold_time, cold = timed(balanced, None)
        shared = balanced.source[problem.structure.shared] / balanced.money
        own = replace(
            prices,
            shared=prices.shared * shared[:, None],
            rent=prices.rent * (balanced.unit / balanced.money)[:, None],
        )
        starts = {
            "amounts": WarmStart(amounts * balanced.column),
            "amounts and prices": WarmStart(amounts * balanced.column, own),
        }
        line = f"{number:3} {'demand' if number % 2 else 'prices'}: cold {cold_time:6.3f} s"
        line += f" {cold.rounds} rounds {left(cold):.2e}"
        for name, start in starts.items():
            warm_time, warm = timed(balanced, start)
            ratios[name].append(warm_time / cold_time)
            line += f" | {warm_time:6.3f} s {warm.rounds} rounds {left(warm):.2e}"
            # Both prove bounds of one truth, and the warm one ends as near to it.
            assert max(warm.bound, cold.bound) <= min(warm.free, cold.free) * (1 + 1e-12)
            assert left(warm) <= max(GAP, left(cold)) * 1.5
        lines.append(line)
    with capsys.disabled():
        print(f"\n{pools} pools x 8,760 h, warm / cold, median of {CASES}:")
        for name, found in ratios.items():
            print(f"  from {name}: {median(found):.2f} (of {min(found):.2f} to {max(found):.2f})")
        print("\n".join(lines))


def left(found: Engine) -> float:
    return (found.free - found.bound) / found.free
