# SPDX-License-Identifier: Apache-2.0
"""A solve that starts where that of a similar problem ended: same truth, less work."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from optimizer.planning.make import make_plan
from optimizer.program.balance import Balanced
from optimizer.program.cellmeans import Knots
from optimizer.program.engine import Engine, solve_engine
from optimizer.program.levels import Levels
from optimizer.program.master import Master
from optimizer.program.problem import Problem
from optimizer.program.warm import WarmStart, total_usage
from tests.benchmarks.instances import make_instance

from .folders import cover, meter, money, units, usage
from .memory import memory_case

GAP = 1e-3
HOURS = 240


@cache
def base() -> tuple[Problem, Engine]:
    problem = make_instance(10, seed=2).problem
    return problem, solve_engine(Balanced.of(problem).problem, gap=GAP)


def started(other: Problem, *, learnt: bool = True) -> tuple[Balanced, WarmStart]:
    problem, answer = base()
    balanced = Balanced.of(other)
    amounts = Balanced.of(problem).amounts(answer.quantity)
    start = WarmStart.of(problem, amounts, answer.learnt if learnt else None, other)
    return balanced, start.balanced(balanced)


def used(number: int) -> Problem:
    problem, _ = base()
    rng = np.random.default_rng([number, 1])
    groups = Levels.of(problem).group_of
    size = rng.uniform(0.05, 0.20, groups.max() + 1) * rng.choice([-1, 1], groups.max() + 1)
    return replace(problem, demand=problem.demand * (1 + size[groups])[:, None])


@pytest.mark.parametrize("number", range(4))
def test_other_usage_is_proven_in_half_of_the_rounds(number: int) -> None:
    balanced, start = started(used(number))
    cold = solve_engine(replace(balanced.problem), gap=GAP)
    warm = solve_engine(replace(balanced.problem), gap=GAP, start=start)
    assert 2 * warm.rounds <= cold.rounds
    assert warm.free - warm.bound <= GAP * warm.free
    assert max(warm.bound, cold.bound) <= min(warm.free, cold.free) * (1 + 1e-12)


@pytest.mark.parametrize("number", range(4))
def test_the_basis_saves_the_steps(number: int) -> None:
    """Counted, not timed: from the old basis the simplex method takes a fifth of the steps."""
    balanced, start = started(used(number))
    learnt, problem = start.learnt, balanced.problem
    assert learnt is not None
    knots = Knots(problem)
    learnt.scale(knots)
    steps, values = [], []
    for basis in (None, learnt.basis):
        master = Master(problem, Levels.of(problem), learnt.cells, knots, idle=learnt.idle)
        values.append(master.solve(basis=basis).objective)
        assert master.solved is not None
        steps.append(master.solved.getInfo().simplex_iteration_count)
    assert values[0] == pytest.approx(values[1], rel=1e-7)
    assert 5 * steps[1] <= steps[0]


def test_its_own_problem_takes_no_steps() -> None:
    """Where nothing changed the old basis is optimal: every row and column found its place."""
    problem, _ = base()
    balanced, start = started(problem)
    assert start.learnt is not None
    knots = Knots(balanced.problem)
    start.learnt.scale(knots)
    master = Master(
        balanced.problem,
        Levels.of(balanced.problem),
        start.learnt.cells,
        knots,
        idle=start.learnt.idle,
    )
    assert master.solve(basis=start.learnt.basis).feasible
    assert master.solved is not None
    assert master.solved.getInfo().simplex_iteration_count == 0


def test_amounts_follow_usage() -> None:
    problem, answer = base()
    double = replace(problem, demand=problem.demand * 2.0)
    amounts = Balanced.of(problem).amounts(answer.quantity)
    start = WarmStart(amounts, total_usage(problem))
    assert start.amounts(double) == pytest.approx(2.0 * amounts)
    assert start.amounts(problem) == pytest.approx(amounts)
    assert WarmStart(amounts).amounts(double) is amounts


@pytest.mark.parametrize("name", ["price", "cost", "penalty", "spot_price"])
def test_a_basis_of_other_prices_is_not_taken(name: str) -> None:
    problem, answer = base()
    rng = np.random.default_rng(3)
    values = np.where(np.isfinite(getattr(problem, name)), getattr(problem, name), 100.0)
    other = replace(problem, **{name: values * rng.uniform(0.8, 1.2, values.shape)})
    assert WarmStart.of(problem, answer.quantity, answer.learnt, other).learnt is None
    alike = replace(
        problem,
        price=problem.price * 1.1,
        cost=problem.cost * 1.1,
        penalty=problem.penalty * 1.1,
        spot_price=problem.spot_price * 1.1,
    )
    assert WarmStart.of(problem, answer.quantity, answer.learnt, alike).learnt is not None


def test_prices_of_a_few_pools_keep_the_basis() -> None:
    problem, answer = base()
    factor = np.ones(len(problem.pools))
    factor[:2] = 0.8
    few = replace(problem, price=problem.price * factor[:, None])
    assert WarmStart.of(problem, answer.quantity, answer.learnt, few).learnt is not None
    factor[:6] = 0.8
    many = replace(problem, price=problem.price * factor[:, None])
    assert WarmStart.of(problem, answer.quantity, answer.learnt, many).learnt is None


def test_what_does_not_fit_is_left() -> None:
    """Other hours: the amounts are all that is taken over, and the proof is as good."""
    problem, answer = base()
    assert answer.learnt is not None
    part = problem.take(np.arange(0, problem.hours, 2))
    assert not answer.learnt.fits(part, len(Levels.of(part).groups))
    found = solve_engine(part, gap=GAP, start=WarmStart(answer.quantity, None, answer.learnt))
    assert found.free - found.bound <= GAP * found.free
    assert solve_engine(part, gap=GAP).bound <= found.free


def test_a_plan_starts_from_its_base() -> None:
    plans = []
    for factor in (1.0, 2.0):
        hour = np.arange(HOURS)
        tables: dict[str, list] = {"meters": [], "usage": [], "covers": []}
        tables["offers"] = [money("sp", HOURS)]
        for number, price in enumerate((2, 5, 9)):
            name = f"m{number}"
            wave = 1 + 0.5 * np.sin(2 * np.pi * (hour + 7 * number) / 24)
            noise = np.random.default_rng(number).uniform(0.8, 1.2, HOURS)
            tables["meters"].append(meter(name, price))
            amounts = np.round((8 + 5 * number) * wave * noise, 1) * factor
            tables["usage"] += usage(name, amounts.tolist())
            tables["offers"].append(units(f"ri{number}", HOURS, price * 0.6))
            tables["covers"] += [cover(f"ri{number}", name), cover("sp", name, price * 0.7)]
        case = memory_case(HOURS, '[solve]\nmethod = "partition"\n', **tables)
        plans.append((case, make_plan(case, base=plans[0][1] if plans else None)))
    (_, first), (case, warm) = plans
    cold = make_plan(case)
    assert warm.parts[0].answer.work["rounds"] == 1
    assert first.parts[0].answer.work["rounds"] > 1
    assert cold.parts[0].answer.work["rounds"] > 1
    assert float(warm.objective) == pytest.approx(float(cold.objective), rel=GAP)
    assert float(warm.lower_bound) <= float(cold.objective) * (1 + 1e-9)


def test_few_rounds_are_few() -> None:
    """A quick what-if: two rounds at most, one from an earlier plan's cells where it is enough."""
    other = used(0)
    for learnt, gap, rounds in ((False, 1e-7, 2), (True, 1e-7, 2), (True, 2e-2, 1)):
        balanced, start = started(other, learnt=learnt)
        found = solve_engine(replace(balanced.problem), gap=gap, start=start, rounds=2)
        assert (found.rounds, found.nodes) == (rounds, 0)
        assert found.bound <= found.free
