# SPDX-License-Identifier: Apache-2.0
"""Programs over several futures: waiting has its value and no more, and every way agrees."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from optimizer.planning import make_plan
from optimizer.program.certificate import lower_bound
from optimizer.program.engine import solve_engine
from optimizer.program.mathopt import solve_mathopt
from optimizer.program.prices import zero_prices
from optimizer.program.problem import Problem
from optimizer.program.reference import solve_reference
from optimizer.program.scenario_tree import ScenarioTree
from optimizer.tables import parse_settings

from .folders import at
from .many_futures import draw_futures
from .memory import RowCase

SEEDS = range(6)


def value(problems: list[Problem]) -> float:
    return sum(solve_reference(problem).objective for problem in problems)


@pytest.mark.parametrize("seed", SEEDS)
def test_waiting_has_its_value_and_no_more(seed: int) -> None:
    futures = draw_futures(seed)
    clairvoyant, tree, none = (
        value(futures.problems(how)) for how in ("clairvoyant", "tree", "none")
    )
    assert clairvoyant <= tree * (1 + 1e-9)
    assert tree <= none * (1 + 1e-9)


def test_the_three_differ() -> None:
    """Else the test above would pass for nothing."""
    found = np.array(
        [
            [value(draw_futures(seed).problems(how)) for how in ("clairvoyant", "tree", "none")]
            for seed in (1, 2, 3)
        ]
    )
    assert (np.diff(found, axis=1) > 1e-6 * found[:, :1]).any(axis=0).all()


@pytest.mark.parametrize("seed", SEEDS)
def test_every_way_agrees(seed: int) -> None:
    for problem in draw_futures(seed).problems("tree"):
        best = solve_reference(problem).objective
        assert solve_mathopt(problem, solver="highs").objective == pytest.approx(best, rel=1e-6)
        engine = solve_engine(problem, gap=1e-4)
        assert engine.bound <= best * (1 + 1e-9)
        assert best <= engine.free * (1 + 1e-9)
        assert engine.free <= best * 1.02


@pytest.mark.parametrize("seed", SEEDS)
def test_no_policy_undercuts_the_bound(seed: int) -> None:
    """Random prices bound every random policy of the tree, priced by the law."""
    rng = np.random.default_rng(seed)
    for program in draw_futures(seed).programs():
        problem, law = program.law.problem, program.law
        none = zero_prices(problem)
        prices = replace(
            none,
            shared=rng.random(none.shared.shape) * 10,
            rent=rng.random(none.rent.shape) * 1e4,
        )
        bound = max(lower_bound(problem, prices), lower_bound(problem, none))
        for _ in range(5):
            amounts = np.floor(rng.random(len(problem.columns)) * 3)
            outcome = law.outcome(amounts)
            assert outcome.objective >= bound * (1 - 1e-9)
            each = law.by_future(outcome, amounts, program.columns)
            assert law.stack.odds @ each == pytest.approx(outcome.objective, rel=1e-9)


def test_alike_futures_are_one() -> None:
    """The program of futures that are all the same is that of one of them."""
    drawn = draw_futures(3)
    same = replace(drawn.scenarios, quantity=drawn.scenarios.quantity[:1].repeat(4, axis=0))
    one = replace(
        same,
        names=("f0",),
        odds=np.ones(1),
        quantity=same.quantity[:1],
        tolerant=same.tolerant[:1],
    )
    several = make_plan(drawn.case, scenarios=same)
    assert len(several.ground.tree.leaves) == 1
    toml = drawn.case.toml.replace("steps = [1, 2]", "steps = []")
    alone = make_plan(replace_settings(drawn.case, toml), scenarios=one)
    stacked = make_plan(replace_settings(drawn.case, toml), scenarios=same)
    assert stacked.bought == alone.bought
    assert float(stacked.objective) == pytest.approx(float(alone.objective), rel=1e-9)
    assert float(stacked.total) == pytest.approx(float(alone.total), rel=1e-9)


def replace_settings(case: RowCase, toml: str) -> RowCase:
    head = f'currency = "USD"\nas_of = "{at(0)}"\nhorizon_hours = {case.settings.horizon_hours}\n'
    return replace(case, settings=parse_settings(head + toml))


def test_more_ways_to_wait_never_cost() -> None:
    futures = draw_futures(5)
    tree = futures.ground.tree
    fewer = ScenarioTree(tree.hours, np.zeros_like(tree.node))
    assert value(futures.problems("tree")) <= value(
        [program.law.problem for program in futures.programs(fewer)]
    ) * (1 + 1e-9)
