# SPDX-License-Identifier: Apache-2.0
"""Random cases with limits: the plan keeps them under the law, and no plan costs less."""

from __future__ import annotations

import math
from decimal import Decimal
from typing import Any

import numpy as np
import pytest

from optimizer.errors import Infeasible, SolverError
from optimizer.planning import Plan, make_plan, plan_document

from .folders import Row, at, random_rows
from .memory import memory_case
from .small import brute_force

SEEDS = range(60)


def limited_rows(seed: int) -> tuple[int, str, dict[str, list[Row]]]:
    """A random case of ``folders.random_rows`` with limits of every kind."""
    horizon, toml, tables = random_rows(seed)
    rng = np.random.default_rng(5000 + seed)
    whole: dict[str, float] = {}
    for row in tables["usage"]:
        whole[row["meter"]] = whole.get(row["meter"], 0.0) + row["quantity"] / horizon
    limits = {}
    for row in tables["meters"]:
        mean = whole.get(row["meter"], 1.0)
        row |= {
            "on_demand_limit": round(mean * 0.9, 1) if rng.random() < 0.4 else "",
            "spot_limit": round(mean * 0.3, 1) if rng.random() < 0.4 else "",
            "availability": 0.75 if rng.random() < 0.25 else "",
        }
        limits[row["meter"]] = Decimal(row["on_demand"]) * int(rng.integers(1, 4))
    for row in tables["usage"]:
        row |= {"unmet_penalty": limits[row["meter"]] if rng.random() < 0.97 else ""}
        if seed % 4:
            row["unmet_penalty"] = limits[row["meter"]]
    for row in tables["offers"]:
        row |= {"guarantees_capacity": "true" if rng.random() < 0.3 else "false"}
    if rng.random() < 0.4:
        tables["limits"] = [
            {"limit": "q", "meter": name, "weight": 1, "maximum": round(sum(whole.values()), 1)}
            for name in whole
        ]
    if rng.random() < 0.4:
        spend = sum(whole.values()) * horizon * 5
        tables["agreements"] = [
            {
                "agreement": "ea",
                "provider": "aws",
                "start": at(int(rng.integers(0, 2))),
                "end": at(horizon + int(rng.integers(0, 3))),
                "committed": round(spend, 2),
                "counted_share": 0.9,
                "shortfall_share": float(rng.choice([0.3, 0.9])),
            }
        ]
    keys = []
    if rng.random() < 0.3:
        keys.append(f'upfront_cash = "{int(rng.integers(0, 30))}"')
    if rng.random() < 0.3:
        keys.append(f'largest_purchase = "{int(rng.integers(5, 60))}"')
    if rng.random() < 0.3:
        keys.append("spot_share = 0.1")
    if rng.random() < 0.3:
        keys.append("max_unused_share = 0.1")
    return horizon, toml + "[limits]\n" + "\n".join(keys) + "\n", tables


@pytest.fixture(scope="module")
def plans() -> dict[int, Plan | Exception]:
    made: dict[int, Plan | Exception] = {}
    for seed in SEEDS:
        horizon, toml, tables = limited_rows(seed)
        try:
            made[seed] = make_plan(memory_case(horizon, toml, **tables))
        except (Infeasible, SolverError) as error:
            made[seed] = error
    return made


@pytest.mark.parametrize("seed", SEEDS)
def test_limits_are_kept_and_no_plan_costs_less(
    seed: int, plans: dict[int, Plan | Exception]
) -> None:
    plan = plans[seed]
    if not isinstance(plan, Plan):
        assert isinstance(plan, Infeasible), plan
        return
    constant = sum(part.window.held_cost for part in plan.parts) + plan.idle_cost
    best = sum(brute_force(part.problem) for part in plan.parts)
    assert math.isfinite(best)
    near = 1e-6 * (1.0 + abs(best))
    assert float(plan.lower_bound) - constant <= best + near
    replayed = sum(part.answer.objective for part in plan.parts) + constant
    assert float(plan.total) == pytest.approx(replayed, rel=1e-6, abs=1e-6)
    assert replayed - constant >= best - near
    assert plan.objective == plan.total
    document = plan_document(plan)
    for row in document.get("limits", []):
        assert float(row["used"]) <= float(row["maximum"]) + 1e-6, row
    keeps_availability(plan)
    assert all(check.ok for part in plan.parts for check in part.answer.checks)


def keeps_availability(plan: Plan) -> None:
    for part in plan.parts:
        outcome, problem = part.answer.outcome, part.problem
        market = part.window.lines.quantity - outcome.unmet - outcome.spot - outcome.secured
        for pool in range(len(problem.pools)):
            lines = part.law.keeper.pool_of == pool
            able = problem.availability[pool][problem.period] * problem.demand[pool]
            assert (market[lines].sum(axis=0) <= able + 1e-6).all()


def test_the_cases_are_worth_planning(plans: dict[int, Plan | Exception]) -> None:
    made = [plan for plan in plans.values() if isinstance(plan, Plan)]
    documents: list[dict[str, Any]] = [plan_document(plan) for plan in made]
    rows = [row for document in documents for row in document.get("shadow_prices", [])]
    assert len(made) >= 45
    assert {row["row"] for row in rows} >= {
        *("coverage.on_demand_limit", "coverage.spot_limit", "coverage.limit"),
        *("purchase.cash", "agreement.shortfall", "coverage.unused", "coverage.spot_share"),
    }
    assert sum(bool(plan.unmet) for plan in made) >= 15
    assert sum(bool(plan.shortfall) for plan in made) >= 8
    assert sum(plan.gap <= 1e-3 for plan in made) >= 25
