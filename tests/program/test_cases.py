# SPDX-License-Identifier: Apache-2.0
"""Random small cases from folder to plan: the program's cost, the bill, and what splits them."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from optimizer.planning import Plan, make_plan, plan_document
from optimizer.program.status import Status

from .folders import Row, at, case_of, cover, meter, money, random_rows, usage
from .memory import memory_case
from .small import Exact, brute_force

SEEDS = range(66)


@pytest.fixture(scope="module")
def plans() -> list[Plan]:
    """Of every seed, made once."""
    made = []
    for seed in SEEDS:
        horizon, toml, tables = random_rows(seed)
        made.append(make_plan(memory_case(horizon, toml, **tables)))
    return made


def constant(plan: Plan) -> float:
    """What is held, and is in every plan's cost alike."""
    return sum(part.window.held_cost for part in plan.parts) + plan.idle_cost


@pytest.mark.parametrize("seed", SEEDS)
def test_objective_is_free_choice_plus_the_laws_part(seed: int, plans: list[Plan]) -> None:
    plan = plans[seed]
    assert plan.tail_hours == 0
    assert plan.objective == plan.total
    whole = float(plan.objective)
    near = {"rel": 1e-7, "abs": 1e-7}
    # Objective: the bill of an independent replay over every hour, in decimals.
    replayed = sum(part.answer.objective for part in plan.parts) + constant(plan)
    assert whole == pytest.approx(replayed, **near)
    # The bound is the optimum of what the solver may choose freely, and the law's part is
    # what the bill is above it; rounding money to its step is all that is left.
    best = sum(brute_force(part.problem) for part in plan.parts)
    steps = plan_steps(plan)
    assert float(plan.lower_bound) - constant(plan) == pytest.approx(best, rel=1e-6, abs=1e-6)
    assert plan.gap_solver * whole <= steps
    assert plan.gap_law * whole == pytest.approx(whole - best - constant(plan), abs=steps)
    free = sum(Exact(part.problem).at(part.answer.quantity) for part in plan.parts)
    assert plan.gap_law * whole >= whole - free - constant(plan) - steps
    assert plan.gap == pytest.approx(plan.gap_solver + plan.gap_law, abs=1e-12)
    assert plan.gap == pytest.approx(1 - float(plan.lower_bound) / whole, abs=1e-9)
    assert min(plan.gap_solver, plan.gap_law) >= 0
    assert all(check.ok for part in plan.parts for check in part.answer.checks)
    assert plan.baseline is not None
    assert plan.total <= plan.baseline.total
    if seed % 3 != 2:  # one money plan, or exact reservations beside it: the law is best
        assert plan.gap_law <= 1e-9
        assert whole == pytest.approx(best + constant(plan), abs=steps)


def plan_steps(plan: Plan) -> float:
    """Dollars that rounding money to $0.001 may cost: two steps of each column's cost."""
    return 1e-6 + sum(
        float(0.002 * part.problem.cost[~part.problem.integer].sum()) for part in plan.parts
    )


def test_the_random_cases_are_worth_planning(plans: list[Plan]) -> None:
    assert sum(bool(plan.bought) for plan in plans) >= 50
    assert sum(plan.gap_law > 1e-4 for plan in plans) >= 5  # the law forbids the optimum
    assert sum(bool(plan.bill.spot) for plan in plans) >= 5
    assert sum(bool(plan.holdings) for plan in plans) >= 20


def test_what_the_law_makes_unwise_is_the_laws_part(tmp_path: Path) -> None:
    """By hand: a held plan that the law spends on the wrong usage.

    $8/h of `held` covers a (8 of 10: saves 20 %) or both units of b (4 of 6 each: 33 %), and
    the law takes b: 8 + 10 = 18 an hour.  `sp` covers b for 4.5.  Freely one would buy $9 of
    it for b and spend `held` on a: 17.  Under the law `sp` would be idle: 27.
    """
    case = case_of(
        tmp_path / "case",
        4,
        '[solve]\nmethod = "reference"\ngap = 0\n',
        meters=[meter("a", "10"), meter("b", "6")],
        usage=[*usage("a", [1] * 4), *usage("b", [2] * 4)],
        offers=[
            money("held", 4, law="aws.savings.instance", available_until="2026-01-01T00:00:00Z"),
            money("sp", 4),
        ],
        covers=[cover("held", "a", "8"), cover("held", "b", "4"), cover("sp", "b", "4.5")],
        commitments=[
            {"commitment": "c", "offer": "held", "quantity": "8", "start": at(0), "end": at(4)}
        ],
    )
    plan = make_plan(case)
    assert plan.bought == {}
    assert plan.total == plan.objective == 72
    assert float(plan.lower_bound) == pytest.approx(68.0)
    assert plan.gap_law == pytest.approx(4 / 72)
    assert plan.gap_solver == pytest.approx(0.0, abs=1e-9)
    assert plan.status is Status.OPTIMAL  # the solver can do no more


def test_size_1(tmp_path: Path) -> None:
    """FinOps worked example SIZE-1: a week, 30 % discount; 490 is best, at 100,320."""
    case = case_of(
        tmp_path / "case",
        168,
        meters=[meter("gpu", "1")],
        usage=usage("gpu", [1000] * 60 + [700] * 60 + [600] * 48),
        offers=[money("sp", 168)],
        covers=[cover("sp", "gpu", "0.7")],
    )
    plan = make_plan(case)
    assert plan.bought == {"sp": 490}
    assert plan.total == plan.objective == Decimal(100320)
    assert plan.baseline is not None
    assert plan.baseline.total == 130800
    assert plan.status is Status.OPTIMAL
    assert plan.gap <= 1e-9


def permuted(rows: list[Row], rng: np.random.Generator) -> list[Row]:
    return [rows[int(index)] for index in rng.permutation(len(rows))]


def without_identity(document: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in document.items() if key not in ("plan", "snapshot")}


@pytest.mark.parametrize("seed", range(2, 20, 3))
def test_the_order_of_rows_changes_nothing(seed: int, tmp_path: Path) -> None:
    horizon, toml, tables = random_rows(seed)
    rng = np.random.default_rng(seed)
    first = make_plan(memory_case(horizon, toml, **tables))
    shuffled = {name: permuted(rows, rng) for name, rows in tables.items()}
    assert shuffled["usage"] != tables["usage"]
    second = make_plan(case_of(tmp_path / "second", horizon, toml, **shuffled))
    assert without_identity(plan_document(first)) == without_identity(plan_document(second))


@pytest.mark.parametrize("seed", range(1, 20, 3))
def test_twice_the_prices_twice_the_plan(seed: int) -> None:
    horizon, toml, tables = random_rows(seed)
    one = make_plan(memory_case(horizon, toml, **tables))
    money_offers = {row["offer"] for row in tables["offers"] if row["measure"] == "money"}

    def doubled(table: str, row: Row) -> Row:
        in_money = row.get("offer") in money_offers
        keys = {
            "meters": ("on_demand", "spot"),
            "offers": () if in_money else ("hourly", "upfront"),
            "covers": ("draw",) if in_money else (),
            "commitments": ("quantity",) if in_money else (),
        }.get(table, ())
        return row | {key: Decimal(row[key]) * 2 for key in keys if row[key] != ""}

    dear = {name: [doubled(name, row) for row in rows] for name, rows in tables.items()}
    two = make_plan(memory_case(horizon, toml, **dear))
    assert float(two.objective) == pytest.approx(2 * float(one.objective), abs=plan_steps(two))
    assert float(two.lower_bound) == pytest.approx(2 * float(one.lower_bound), rel=1e-6)
    assert set(two.bought) == set(one.bought)
    for name, amount in one.bought.items():
        factor = 2 if name in money_offers else 1
        assert float(two.bought[name]) == pytest.approx(factor * float(amount), abs=0.004), name
