# SPDX-License-Identifier: Apache-2.0
"""A plan's document as tables: nothing of it is lost, and nothing is invented."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from optimizer.reporting import plan_tables
from optimizer.reporting.document import Kind

PURCHASE = {
    "offer": "sp", "provider_offer_id": None, "law": "aws.savings.compute", "measure": "money",
    "quantity": 105.829, "upfront": "1000.000000000000", "hourly": "2.000000000000",
    "monthly": "73.000000000000", "term_hours": 8760, "start": "2026-01-01T00:00:00Z",
    "end": "2027-01-01T00:00:00Z", "cost": "500.250000000000", "break_even_hours": 4380.0,
    "covers": [{"meter": "m", "quantity": 12.5}],
}  # fmt: skip


def document(**changes: Any) -> dict[str, Any]:
    made: dict[str, Any] = {
        "purchases": [PURCHASE],
        "commitments": [
            {"commitment": "old", "offer": "ri", "action": "let_expire", "quantity": 2.0,
             "end": "2026-03-01T00:00:00Z"}
        ],
        "bill": {
            "on_demand": "1.000000000000", "spot": "0.000000000000",
            "commitment_cost": "2.000000000000", "total": "3.000000000000",
            "commitments": [
                {"commitment": "plan sp", "used": 3.0, "unused": 1.0, "cost": "1.0"},
                {"commitment": "empty", "used": 0.0, "unused": 0.0, "cost": "0.0"},
            ],
        },
    }  # fmt: skip
    return {**made, **changes}


def cells(table: Any, number: int = 0) -> dict[str, Any]:
    names = [column.name for column in table.columns]
    return dict(zip(names, table.rows[number].values, strict=True))


def test_what_to_do_is_a_difference_to_what_is_held() -> None:
    table = plan_tables.actions(document())
    bought, held = cells(table), cells(table, 1)
    assert bought == {
        "action": "buy", "name": "sp", "quantity": 105.829, "unit": "$/hour",
        "upfront": Decimal(1000), "rate": Decimal("2.1"), "cost": Decimal("500.25"), "used": 0.75,
        "break_even": 0.5, "down_to": None, "until": date(2027, 1, 1),
    }  # fmt: skip
    assert (held["action"], held["name"], held["used"]) == ("let expire", "old", None)
    assert str(plan_tables.exact_amount(table.rows[0])) == "105.829"
    assert [row.source for row in table.rows] == ["purchases[0]", "commitments[0]"]


@pytest.mark.parametrize(
    ("amount", "text"),
    [(1955.0, "1,955"), (2.0, "2"), (0.001, "0.001"), (Decimal("1E+3"), "1,000")],
)
def test_amounts_are_exact(amount: Any, text: str) -> None:
    assert plan_tables.exact(amount) == text


def test_a_bill_without_today_has_no_change() -> None:
    table = plan_tables.bill(document())
    assert cells(table, 3) == {
        "what": "Total of the providers' bill", "today": None, "plan": Decimal(3), "change": None,
    }  # fmt: skip
    both = plan_tables.bill(document(baseline_bill=document()["bill"]))
    assert cells(both, 3)["change"] == 0


def test_what_a_plan_need_not_have_is_left_out() -> None:
    bare = document()
    for name in ("considered", "ranges", "scenarios", "sensitivity", "ladder", "lock_in", "spot"):
        assert getattr(plan_tables, name)(bare) is None
    assert plan_tables.beside(bare) == []
    assert plan_tables.checks(bare).rows == ()


def test_what_a_case_asks_for_beside_is_shown_as_it_is() -> None:
    rows = [
        {"meter": "m", "quantity": 1.5, "share": 0.25, "penalties": "12.500000000000",
         "start": "2026-01-01T00:00:00Z", "covers": [{"x": 1}]},
        {"meter": "=n", "quantity": 2, "share": None, "penalties": None, "zone": "a"},
    ]  # fmt: skip
    (table,) = plan_tables.beside(document(unmet=rows, limits={}, jobs=[]))
    assert table.title == "Left unserved"
    assert {column.name: column.kind for column in table.columns} == {
        "meter": Kind.text, "quantity": Kind.quantity, "share": Kind.share,
        "penalties": Kind.money, "start": Kind.moment, "zone": Kind.text,
    }  # fmt: skip
    assert cells(table)["penalties"] == Decimal("12.5")
    assert cells(table, 1)["penalties"] is None
