# SPDX-License-Identifier: Apache-2.0
"""``fixtures/tiny``: what its README reckons by hand is what the program says."""

from __future__ import annotations

import re
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from optimizer.billing import bill_case
from optimizer.planning import make_plan, plan_document
from optimizer.tables import read_case

TINY = Path(__file__).parent.parent / "fixtures" / "tiny"

GPU, CPU = (3, 3, 2, 2), (4, 4, 4, 10)
RI, PLAN_GPU, PLAN_CPU = Decimal(5), Decimal(7), Decimal("0.8")
KINKS = ("0", "3.2", "7", "8", "10.2", "14", "15", "17.2", "21", "22", "24.2")


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return plan_document(make_plan(read_case(TINY)))


def by_hand(bought: int, money: Decimal) -> Decimal:
    """The README's bill of a plan: GPUs by Reserved Instances, GPUs and then CPUs by money."""
    total = 4 * (RI * (1 + bought) + money)
    for gpu, cpu in zip(GPU, CPU, strict=True):
        rest = max(0, gpu - 1 - bought)
        covered = min(Decimal(rest), money / PLAN_GPU)
        total += 10 * (rest - covered)
        total += max(Decimal(0), cpu - (money - covered * PLAN_GPU) / PLAN_CPU)
    return total


def test_bill_today() -> None:
    bill = bill_case(read_case(TINY))
    assert bill.total == by_hand(0, Decimal(0)) == 102
    assert (bill.on_demand, bill.commitment_cost) == (82, 20)
    assert bill.covered_at_on_demand == 40
    assert bill.coverage == pytest.approx(40 / 122, rel=1e-12)
    assert bill.utilization == 1
    assert bill.savings_rate("on_demand") == pytest.approx(20 / 122, rel=1e-12)
    assert bill.on_demand_by_hour.tolist() == [24, 24, 14, 20]


def test_best_plan_by_enumeration(document: dict[str, Any]) -> None:
    """The bill is linear in the money between kinks, so that these 44 plans are enough."""
    plans = {(q, c): by_hand(q, Decimal(c)) for q in range(4) for c in KINKS}
    best = min(plans, key=lambda plan: plans[plan])
    assert best == (1, "7")
    assert plans[best] == Decimal("77.25")
    assert sorted(plans.values())[1] > plans[best]  # and it is the only one
    bought = {row["offer"]: row["quantity"] for row in document["purchases"]}
    assert bought == {"ri": 1, "plan": 7}
    assert document["total"] == plans[best]


def test_plan_figures(document: dict[str, Any]) -> None:
    assert document["status"] == "optimal"
    assert document["baseline"] == 102
    assert document["savings"] == Decimal("24.75")
    assert document["objective"] == document["total"] == Decimal("77.25")
    assert document["lower_bound"] == pytest.approx(Decimal("77.25"), abs=Decimal("1e-6"))
    assert document["gap"] == pytest.approx(0, abs=1e-7)
    assert document["gap_law"] == pytest.approx(0, abs=1e-7)
    bill = document["bill"]
    assert bill["on_demand"] == Decimal("9.25")
    assert bill["commitment_cost"] == 68
    assert bill["covered_at_on_demand"] == Decimal("112.75")
    assert bill["coverage"] == pytest.approx(112.75 / 122, rel=1e-12)
    assert bill["utilization"] == pytest.approx(64.2 / 68, rel=1e-12)
    used = {row["commitment"]: (row["used"], row["unused"]) for row in bill["commitments"]}
    assert used == {
        "held-ri": (4, 0),
        "plan ri": (4, 0),
        "plan plan": pytest.approx((24.2, 3.8), rel=1e-12),
    }


def test_purchases(document: dict[str, Any]) -> None:
    """What is to be paid, and that whole terms end with the horizon: there is no tail."""
    rows = {row["offer"]: row for row in document["purchases"]}
    assert (rows["ri"]["upfront"], rows["ri"]["hourly"], rows["ri"]["cost"]) == (8, 3, 20)
    assert (rows["plan"]["upfront"], rows["plan"]["hourly"], rows["plan"]["cost"]) == (0, 7, 28)
    assert all(row["remaining_at_horizon"] == 0 for row in rows.values())


def test_certificate_by_hand(document: dict[str, Any]) -> None:
    """The README's prices prove the bound: LB = Σ d·π − Σ λ·H + Σ (F − Σ λ)·Q, + what is held."""
    plan = [Decimal("1.375"), Decimal("1.375"), Decimal(0), Decimal("1.25")]  # λ of $1/h
    ri = [Decimal("9.625"), Decimal("9.625"), Decimal(0), Decimal("0.75")]  # λ of one RI
    assert (sum(plan), sum(ri)) == (4, 20)  # as much as they cost: no amount of them gains
    bound = Decimal(20) - sum(ri)  # what is held costs 20 and is worth λ·H
    for hour in range(4):
        bound += GPU[hour] * min(Decimal(10), 7 * plan[hour], ri[hour])
        bound += CPU[hour] * min(Decimal(1), PLAN_CPU * plan[hour])
    assert bound == Decimal("77.25")
    assert float(document["lower_bound"]) >= float(bound) - 1e-6


def test_readme_says_these_figures() -> None:
    """A figure that changes must change in the README too."""
    text = (TINY / "README.md").read_text()
    for figure in ("102.00", "77.25", "24.75", "78.80", "85.25", "98.80", "9.25", "68.00"):
        assert re.search(rf"\b{re.escape(figure)}\b", text), figure
