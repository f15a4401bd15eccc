# SPDX-License-Identifier: Apache-2.0
"""Many futures by a few: the bound over all of them holds, and so does what they cost."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from optimizer.demand.representatives import representatives
from optimizer.errors import DataError
from optimizer.planning import aggregated, make_plan, plan_document
from optimizer.planning.uncertain_plan import UncertainPlan
from optimizer.program.batches import BatchedBound, newsvendor
from optimizer.program.certificate import lower_bound
from optimizer.program.prices import Prices
from optimizer.program.reference import solve_reference
from optimizer.tables import parse_settings

from .folders import at
from .many_futures import Futures, draw_futures
from .memory import RowCase

COUNT = 12
RISK = '[risk]\nmeasure = "cvar"\ncvar_alpha = 0.6\ncvar_weight = 0.5\n'


def planning(drawn: Futures, planned: int, more: str = "") -> UncertainPlan:
    """The drawn futures by so many of them."""
    case = drawn.case
    head = f'currency = "USD"\nas_of = "{at(0)}"\nhorizon_hours = {case.settings.horizon_hours}\n'
    toml = head + case.toml + f"[demand]\nplanned = {planned}\n" + more
    few: RowCase = replace(case, settings=parse_settings(toml))
    plan = make_plan(few, scenarios=drawn.scenarios)
    assert isinstance(plan, UncertainPlan)
    return plan


@pytest.mark.parametrize(("seed", "planned"), [(0, 3), (2, 6), (5, 6)])
def test_bound_optimum_and_plan_are_in_order(
    seed: int, planned: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn = draw_futures(seed, count=COUNT)
    lines, hours = drawn.scenarios.base.usage.quantity.shape
    monkeypatch.setattr(aggregated, "BATCH_SIZE", 5 * lines * hours)  # three batches
    monkeypatch.setattr(aggregated, "HINDSIGHT_SIZE", 0)
    best = sum(
        solve_reference(program.law.problem).objective + program.law.window.held_cost
        for program in drawn.programs()
    )
    plan = planning(drawn, planned)
    assert plan.whole is not None
    assert len(plan.futures) == COUNT
    assert len(plan.planned_futures) >= planned
    assert float(plan.lower_bound) <= best * (1 + 1e-7)
    assert best <= float(plan.objective) * (1 + 1e-7)
    # And neither says nothing.
    assert float(plan.lower_bound) >= best * 0.96
    assert float(plan.objective) <= best * 1.04


@pytest.mark.parametrize("seed", [0, 5])
def test_all_futures_are_replayed_with_what_their_node_buys(seed: int) -> None:
    """The same amounts in the program of all futures at once cost the same in each."""
    drawn = draw_futures(seed, count=COUNT)
    plan = planning(drawn, 4)
    assert plan.whole is not None
    costs = np.zeros(COUNT)
    for program, part in zip(drawn.programs(), plan.parts, strict=True):
        assert program.law.problem.columns == part.problem.columns
        amounts = part.answer.quantity
        outcome = program.law.outcome(amounts)
        costs += program.law.by_future(outcome, amounts, program.columns)
        costs += program.law.window.held_cost
    assert plan.costs == pytest.approx(costs, rel=1e-9)
    assert float(plan.objective) == pytest.approx(drawn.scenarios.odds @ costs, rel=1e-9)
    document = plan_document(plan)
    assert len(document["scenarios"]) == COUNT
    assert sum(row["odds"] for row in document["scenarios"]) == pytest.approx(1)
    for row, cost in zip(document["scenarios"], costs, strict=True):
        assert float(row["hindsight"]) <= cost * (1 + 1e-9)
        assert float(row["regret"]) == pytest.approx(cost - float(row["hindsight"]), abs=1e-6)
    told = document["aggregation"]
    assert (told["futures"], told["planned"]) == (COUNT, len(plan.scenarios))
    assert told["gap"] == document["gap_solver"]
    mean = sum(row["odds"] * float(row["total"]) for row in document["scenarios"])
    assert float(document["total"]) == pytest.approx(mean, rel=1e-9)


def test_a_future_each_is_the_plan_of_all() -> None:
    drawn = draw_futures(3, count=4)
    direct, enough = make_plan(drawn.case, scenarios=drawn.scenarios), planning(drawn, 4)
    assert enough.whole is None
    assert enough.bought == direct.bought
    # By aggregation, were it asked for, the futures stand for themselves.
    plan = aggregated.solve_representatives(
        replace(drawn.ground, case=enough.case),
        [program.component for program in drawn.programs()],
        watch=aggregated.Watch(),
    )
    assert plan.chosen.stands.tolist() == [0, 1, 2, 3]
    for mine, theirs in zip(plan.solved.parts, direct.parts, strict=True):
        assert mine.answer.quantity == pytest.approx(theirs.answer.quantity)


@pytest.mark.parametrize("seed", [1, 2])
def test_one_batch_bounds_what_the_certificate_bounds(seed: int) -> None:
    """At the same prices of all hours it is the certificate, levels of usage being exact."""
    rng = np.random.default_rng(seed)
    for program in draw_futures(seed).programs():
        problem = program.law.problem
        structure = problem.structure
        prices = Prices(
            rng.random((len(structure.shared), problem.hours)) * 5,
            rng.random((len(problem.pools), structure.regimes)) * 1e4,
            np.zeros((0, problem.hours)),
            np.zeros(len(problem.links.names)),
        )
        batched = BatchedBound(problem, problem.cost, prices, problem.demand.max(axis=1), 1)
        batched.add(problem, [prices.shared], 1.0)
        assert batched.bound() == pytest.approx(lower_bound(problem, prices), rel=1e-9)


def test_the_tail_is_bounded_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aggregated, "HINDSIGHT_SIZE", 0)
    drawn = draw_futures(1, RISK, count=8)
    direct = make_plan(drawn.case, scenarios=drawn.scenarios)
    plan = planning(drawn, 4)
    assert plan.whole is not None
    # The direct plan's measure is that of some plan, its bound of all.
    assert float(plan.lower_bound) <= float(direct.objective) * (1 + 1e-7)
    assert float(direct.lower_bound) <= float(plan.objective) * (1 + 1e-7)
    mean = float(plan.measure.expected(plan.costs))
    assert mean < float(plan.objective)  # the tail counts
    assert float(plan.lower_bound) >= float(plan.objective) * 0.9


def test_usage_that_nothing_else_may_serve_is_refused_by_name() -> None:
    drawn = draw_futures(0, count=COUNT)
    meters = drawn.case.table("meters").assign(on_demand=None)
    frames = {**drawn.case._frames, "meters": meters}
    drawn = replace(drawn, case=replace(drawn.case, _frames=frames))
    with pytest.raises(DataError, match="leaves usage unserved in the future 'f"):
        planning(drawn, 3)


def test_representatives_stand_for_their_own_group() -> None:
    rng = np.random.default_rng(4)
    costs, odds = rng.random((40, 6)), rng.dirichlet(np.ones(40))
    groups = np.arange(40) % 3
    found = representatives(costs, odds, groups, 10)
    assert len(found.chosen) == 10
    assert (groups[found.chosen[found.stands]] == groups).all()
    for group in range(3):
        mine = groups[found.chosen] == group
        assert found.odds[mine].sum() == pytest.approx(odds[groups == group].sum())
    apart = np.linalg.norm(costs[:, None] - costs[None, found.chosen], axis=2)
    apart[groups[:, None] != groups[found.chosen][None, :]] = np.inf
    assert apart[np.arange(40), found.stands] == pytest.approx(apart.min(axis=1))
    assert len(representatives(costs, odds, groups, 1).chosen) == 3


def test_continuous_amounts_are_bounded_from_below_and_closely() -> None:
    rng = np.random.default_rng(5)
    for _ in range(50):
        z, c = rng.random(200) * 10, rng.random(200)
        rent = float(rng.random() * c.sum())
        exact = min(rent * m + float(c @ np.maximum(z - m, 0.0)) for m in (0.0, *z))
        width = 10 / 64
        level = np.ceil(z / width).astype(np.int64)
        slope, moment = (np.bincount(level, w, minlength=65) for w in (c, c * z))
        bound = newsvendor(slope, moment, rent, width, 0.0, np.inf, whole=False)
        assert bound <= exact * (1 + 1e-12)
        assert bound >= exact * 0.995
