# SPDX-License-Identifier: Apache-2.0
"""The plan document against the contract of ``gpuopt plan``."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from optimizer.planning import Plan, make_plan, plan_document, to_json

from .conftest import HOURS, Build, tables

# The contract's keys that this case asks for; the others belong to what is not planned yet.
HEAD = ("schema_version", "currency", "snapshot", "settings", "seed")
KEYS = (
    *("plan", "status", "baseline", "total", "savings", "objective", "lower_bound"),
    *("gap", "gap_solver", "gap_law", "purchases", "considered", "commitments", "spot"),
    *("kpis", "baseline_bill", "bill", "checks", "explanation", "gate"),
)
PURCHASE = (
    *("offer", "provider_offer_id", "quantity", "upfront", "hourly", "term_hours"),
    *("break_even_hours", "remaining_at_horizon", "marginal_value"),
)
BILL = (
    *("total", "on_demand", "spot", "commitment_cost", "covered_at_on_demand", "coverage"),
    *("utilization", "effective_savings_rate", "commitments"),
)
NOT_ASKED = ("substitutions", "jobs", "routes", "replicas", "relaxations", "cvar")
MONEY = ("baseline", "total", "savings", "objective", "lower_bound")


@pytest.fixture
def plan(build: Build) -> Plan:
    return make_plan(build())


@pytest.fixture
def document(plan: Plan) -> dict[str, Any]:
    """As it is printed and read again."""
    return json.loads(to_json(plan_document(plan)))


def leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield from leaves(item, f"{path}.{key}")
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from leaves(item, f"{path}[{index}]")
    else:
        yield path, value


def test_it_has_the_keys_of_the_contract(document: dict[str, Any]) -> None:
    assert set(HEAD) | set(KEYS) <= set(document)
    assert not set(NOT_ASKED) & set(document)
    assert {"ranges", "lock_in", "ladder"} <= set(document)
    assert document["status"] in ("optimal", "within_gap", "stopped", "infeasible", "error")
    assert document["purchases"]
    for row in document["purchases"]:
        assert set(PURCHASE) <= set(row)
    for row in document["considered"]:
        assert {"offer", "reason", "cost"} <= set(row)
    for row in document["commitments"]:
        assert {"commitment", "action", "quantity", "end"} <= set(row)
        assert row["action"] in ("keep", "let_expire", "resize")
    for bill in (document["bill"], document["baseline_bill"]):
        assert set(BILL) <= set(bill)
        for row in bill["commitments"]:
            assert {"commitment", "used", "unused", "cost"} <= set(row)
    assert document["plan"].startswith("pln_")


def test_money_is_a_decimal_string_and_numbers_are_finite(document: dict[str, Any]) -> None:
    for key in MONEY:
        text = document[key]
        assert isinstance(text, str)
        assert "E" not in text.upper()
        assert len(text.split(".")[1]) >= 9
    for row in document["purchases"]:
        for key in ("upfront", "hourly", "remaining_at_horizon", "marginal_value"):
            assert isinstance(row[key], str)
            Decimal(row[key])
        assert isinstance(row["quantity"], float)
    for path, value in leaves(document):
        if isinstance(value, float):
            assert math.isfinite(value), path
        assert value not in ("nan", "NaN", "inf", "Infinity"), path


def test_a_number_that_is_not_finite_is_refused() -> None:
    for bad in (math.nan, math.inf):
        with pytest.raises(ValueError, match="not finite"):
            to_json({"a": [{"b": bad}]})


def test_the_figures_add_up(document: dict[str, Any], plan: Plan) -> None:
    amounts = {key: Decimal(document[key]) for key in MONEY}
    assert amounts["savings"] == amounts["baseline"] - amounts["total"]
    assert amounts["objective"] == amounts["total"]  # no tail, discounting or rework
    assert document["gap"] == pytest.approx(document["gap_solver"] + document["gap_law"], abs=1e-12)
    share = (amounts["objective"] - amounts["lower_bound"]) / amounts["objective"]
    assert document["gap"] == pytest.approx(float(share), abs=1e-9)
    bill = document["bill"]
    parts = [Decimal(bill[key]) for key in ("on_demand", "spot", "commitment_cost")]
    assert sum(parts) == Decimal(bill["total"]) == amounts["total"]
    assert Decimal(document["baseline_bill"]["total"]) == amounts["baseline"]
    assert all(check["ok"] for check in document["checks"])
    assert document["checks"]


def test_every_offer_is_bought_or_has_a_reason(document: dict[str, Any]) -> None:
    bought = [row["offer"] for row in document["purchases"]]
    lost = {row["offer"]: row for row in document["considered"]}
    assert sorted([*bought, *lost]) == sorted(row["offer"] for row in tables()["offers"])
    assert all(len(row["reason"]) > 10 for row in lost.values())
    assert bought == ["ri", "sp"]
    assert lost["ri-closed"]["reason"] == "its purchase window is closed"
    assert lost["ri-idle"]["reason"] == "nothing that it covers is used in the horizon"
    assert lost["ri-above"]["reason"] == "dominated by ri: the same coverage for less"
    assert (lost["ri-closed"]["cost"], lost["ri-idle"]["cost"]) == (None, None)
    # Buying a unit of what lost adds to the objective.
    assert Decimal(lost["ri-dear"]["cost"]) > 0


def test_break_even_is_the_term_times_what_is_not_saved(document: dict[str, Any]) -> None:
    """`ri`: 12/6 + 3 = 5 of 10 on demand, 50 % saved: 3 of 6 hours pay for it."""
    rows = {row["offer"]: row for row in document["purchases"]}
    assert rows["ri"]["break_even_hours"] == pytest.approx(HOURS * (1 - 0.5))
    # `sp` covers CPUs here: 0.8 of 1; or GPUs: 7 of 10; or a mixture between the two.
    assert 0.7 * HOURS <= rows["sp"]["break_even_hours"] <= 0.8 * HOURS
    assert rows["ri"]["provider_offer_id"] == "ri-123"
    quantity = Decimal(repr(rows["ri"]["quantity"]))
    assert Decimal(rows["ri"]["upfront"]) == 12 * quantity
    assert Decimal(rows["ri"]["hourly"]) == 3 * quantity
    assert Decimal(rows["ri"]["remaining_at_horizon"]) == 0


def test_remaining_cost_behind_the_horizon(build: Build) -> None:
    offers = [row | {"term_hours": 3 * HOURS} for row in tables()["offers"]]
    document = plan_document(make_plan(build(offers=offers)))
    rows = {row["offer"]: row for row in document["purchases"]}
    quantity = Decimal(repr(rows["ri"]["quantity"]))
    rate = Decimal(12) / (3 * HOURS) + 3
    assert rows["ri"]["remaining_at_horizon"] == pytest.approx(2 * HOURS * rate * quantity)
    assert rows["ri"]["cost"] == pytest.approx(HOURS * rate * quantity)
    assert document["objective"] > document["total"]  # whole terms


def test_spot_and_commitments(document: dict[str, Any]) -> None:
    (spot,) = document["spot"]
    assert spot["meter"] == "gpu"
    # At most a quarter of 28 GPU-hours tolerates it; what is paid for already is used first.
    assert 0 < spot["quantity"] <= 0.25 * 28
    assert spot["share"] == pytest.approx(spot["quantity"] / 28)
    assert Decimal(spot["cost"]) == 4 * Decimal(repr(spot["quantity"]))
    (held,) = document["commitments"]
    assert (held["commitment"], held["action"], held["quantity"]) == ("c", "let_expire", 1.0)
    assert any(line.startswith("c ends 2026-11-21") for line in document["explanation"])


@pytest.mark.parametrize(("meters", "said"), [((), 0), (("tpu",), 0), (("gpu", "cpu"), 1)])
def test_sustained_use_in_the_horizon_is_explained(
    build: Build, meters: tuple[str, ...], said: int
) -> None:
    """Nobody uses the TPU."""
    rows = [
        row | {"sustained_use": "0.3" if row["meter"] in meters else ""}
        for row in tables()["meters"]
    ]
    case = build(meters=rows)
    plan = make_plan(case)
    lines = [
        line for line in plan_document(plan)["explanation"] if "full sustained use discount" in line
    ]
    assert len(lines) == said
    assert not said or lines[0].startswith("Purchases for cpu and 1 more are weighed")


def test_the_same_case_has_the_same_plan(build: Build) -> None:
    one, two = (to_json(plan_document(make_plan(build()))) for _ in range(2))
    assert one == two
    other = json.loads(to_json(plan_document(make_plan(build("[solve]\nseed = 8\n")))))
    assert other["plan"] != json.loads(one)["plan"]
    assert other["seed"] == 8


def test_marginal_values_are_below_cost_at_the_optimum(document: dict[str, Any]) -> None:
    """One more unit of what is bought would not pay: else it would have been bought."""
    whole = {"ri": 12 + 3 * HOURS, "sp": HOURS}
    for row in document["purchases"]:
        assert Decimal(row["marginal_value"]) <= whole[row["offer"]] + Decimal("1e-6")
