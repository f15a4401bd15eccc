# SPDX-License-Identifier: Apache-2.0
"""Numbers of charts agree with the bills and the plan that they are drawn from."""

from __future__ import annotations

import json
import shutil
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from optimizer.billing import bill_case, make_bill
from optimizer.planning import make_plan, plan_document
from optimizer.planning.curve import commitment_curve
from optimizer.planning.document import to_json
from optimizer.planning.hardware import hardware_of
from optimizer.planning.hourly import history_hours, horizon_hours
from optimizer.planning.replayed import planned_holdings
from optimizer.reporting import charts
from optimizer.tables import Case, read_case

FIXTURES = Path(__file__).parents[2] / "fixtures"
LAB = FIXTURES / "frontier-lab"


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Case:
    folder = tmp_path_factory.mktemp("tiny") / "case"
    return read_case(Path(shutil.copytree(FIXTURES / "tiny", folder)))


@pytest.fixture(scope="module")
def lab() -> Case:
    return read_case(LAB)


def test_history_agrees_with_the_bill(lab: Case):
    bill, hourly = bill_case(lab), history_hours(lab)
    assert hourly.hours == bill.hours
    assert hourly.covered.sum() == pytest.approx(float(bill.covered_at_on_demand), rel=1e-9)
    assert bill.coverage is not None
    share = hourly.covered.sum() / hourly.eligible.sum()
    assert share == pytest.approx(bill.coverage, rel=1e-6)
    assert hourly.provider == tuple(name.split()[0] for name in hourly.groups)


def test_horizon_of_a_plan(tiny: Case):
    plan = make_plan(tiny)
    document = json.loads(to_json(plan_document(plan)))
    hourly = horizon_hours(tiny, document)
    prices = {name: meter.on_demand for name, meter in plan.catalogue.meters.items()}
    asked = sum(
        float(quantity.sum()) * float(prices[meter] or 0)
        for meter, quantity in zip(plan.demand.usage.meter, plan.demand.usage.quantity, strict=True)
    )
    assert hourly.demand.sum() == pytest.approx(asked)
    assert hourly.covered.sum() == pytest.approx(float(plan.bill.covered_at_on_demand))
    assert {c.name for c in hourly.capacities if c.bought} == set(plan.bought)
    chart = charts.demand_chart(None, hourly)
    assert len(chart.table.rows) == tiny.settings.horizon_hours


def test_curve_is_the_plans_replay(tiny: Case):
    plan = make_plan(tiny)
    document = plan_document(plan)
    curve: dict[str, Any] = document["commitment_curve"]
    assert curve == commitment_curve(plan)
    assert [row["level"] for row in curve["levels"]] == [n / 10 for n in range(16)]
    at = {row["level"]: row for row in curve["levels"]}
    by_demand = {row["demand"]: row["savings"] for row in document["sensitivity"]}
    assert at[1.0]["savings"] == [by_demand[factor] for factor in curve["demand"]]
    assert at[0.0]["commitment"] == 0
    for name in ("utilization", "coverage"):
        assert at[1.0][name][1] == pytest.approx(document["kpis"]["plan"][name])
    bought = planned_holdings(plan.case, plan.catalogue, plan.bought)
    cost = sum(h.cost for h in plan.bill.holdings if h.commitment in {b.name for b in bought})
    assert at[1.0]["commitment"] == pytest.approx(cost / plan.bill.hours)
    half = {name: amount / 2 for name, amount in plan.bought.items()}
    usage = plan.demand.usage
    bill = make_bill(
        plan.case, plan.catalogue, usage,
        [*plan.holdings, *planned_holdings(plan.case, plan.catalogue, half)],
    )  # fmt: skip
    if not plan.spot.any():
        assert at[0.5]["savings"][1] == plan.baseline_total - bill.total
    assert isinstance(at[0.5]["savings"][1], Decimal)
    chart = charts.commitment_chart(json.loads(to_json(document)))
    assert "The plan commits" in chart.summary


def test_no_curve_where_nothing_is_bought(tiny: Case, tmp_path: Path):
    folder = Path(shutil.copytree(tiny.path, tmp_path / "case"))
    for name in ("offers", "covers", "commitments"):
        path = folder / f"{name}.csv"
        path.write_text(path.read_text(encoding="utf-8").splitlines()[0] + "\n", encoding="utf-8")
    plan = make_plan(read_case(folder))
    assert commitment_curve(plan) is None
    assert "commitment_curve" not in plan_document(plan)


def test_hardware_of_deployments(lab: Case):
    found = hardware_of(read_case(FIXTURES / "frontier-lab-llm"))
    assert found["qwen3-235b/a3"] == "gcp H100-80GB"
    assert found["gpt-5-chat"] == "openai API"
    assert found["gpt-5-chat/provisioned"] == "azure throughput"
    assert hardware_of(lab) == {}
