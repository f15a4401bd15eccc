# SPDX-License-Identifier: Apache-2.0
"""Insured offers: a premium is paid in every hour, used or not, in plans and in bills."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from optimizer.billing import bill_case
from optimizer.planning import Plan, make_plan, plan_document
from optimizer.tables import Case

from .folders import Row, at, cover, meter, units, usage
from .memory import case_of

HOURS = 24


def insured(folder: Path, offers: list[Row], toml: str = "", **tables: list[Row]) -> Case:
    """Five units of one meter at 1.00 on demand, in every hour."""
    return case_of(
        folder,
        HOURS,
        toml,
        meters=[meter("m", "1")],
        usage=tables.pop("usage", usage("m", [5.0] * HOURS)),
        offers=offers,
        covers=[cover(offer["offer"], "m") for offer in offers],
        **tables,
    )


def figures(plan: Plan) -> tuple[Decimal, Decimal, Decimal]:
    return plan.total, plan.objective, plan.lower_bound


@pytest.mark.parametrize(("premium", "bought"), [("0.3", 5), ("0.45", 0)])
def test_a_premium_is_a_price_of_every_hour(tmp_path: Path, premium: str, bought: int) -> None:
    """0.60 an hour and 0.30 of premium cost less than 1.00; with 0.45 they cost more."""
    plan = make_plan(insured(tmp_path, [units("safe", HOURS, "0.6", premium=premium)]))
    assert plan.bought.get("safe", 0) == bought
    rate = Decimal("0.6") + Decimal(premium) if bought else Decimal(1)
    assert plan.total == 5 * HOURS * rate
    document = plan_document(plan)
    assert all(check["ok"] for check in document["checks"])
    if bought:
        (row,) = document["purchases"]
        assert (row["hourly"], row["premium"]) == (Decimal(3), 5 * Decimal(premium))
        assert row["cost"] == plan.total
        assert row["break_even_hours"] == pytest.approx(HOURS * 0.9)
        (step,) = document["ladder"]
        assert step["premium"] == Decimal(premium)


@pytest.mark.parametrize(
    "toml", ["", '[finance]\ndiscount_rate = "0.5"\n', '[finance]\nafter_horizon = "prorata"\n']
)
def test_a_premium_costs_what_an_hourly_price_does(tmp_path: Path, toml: str) -> None:
    """Beside a shorter term, with discounting, upfront and prorated: the same plan."""
    short = units("short", HOURS, "0.7", premium="", upfront="")
    long = {"term_hours": 3 * HOURS, "upfront": "7.2"}
    paid = units("long", 0, "0.45", premium="") | long
    other = units("long", 0, "0.35", premium="0.10") | long
    plain = make_plan(insured(tmp_path / "hourly", [short, paid], toml))
    plan = make_plan(insured(tmp_path / "premium", [short, other], toml))
    assert plan.bought == plain.bought == {"long": 5}
    assert figures(plan) == figures(plain)


def test_a_premium_costs_what_an_hourly_price_does_in_several_futures(tmp_path: Path) -> None:
    cut = [{"scenario": "cut", "odds": 0.5, "meter": "m", "hour": at(8), "factor": "0.9"}]
    plans = [
        make_plan(insured(tmp_path / premium, [offer], price_scenarios=cut))
        for hourly, premium in (("0.9", "0"), ("0.6", "0.3"))
        for offer in (units("safe", HOURS, hourly, premium=premium),)
    ]
    plain, plan = plans
    assert plan.bought == plain.bought == {"safe": 5}
    assert plan.total == plain.total == 5 * HOURS * Decimal("0.9")
    assert float(plan.objective) == pytest.approx(float(plain.objective))
    assert float(plan.lower_bound) == pytest.approx(float(plain.lower_bound))


def test_limits_count_the_premium(tmp_path: Path) -> None:
    """Of 24 × (0.5 + 0.1) = 14.40 each, a largest purchase of 50 buys three."""
    offers = [units("safe", HOURS, "0.5", premium="0.1")]
    plan = make_plan(insured(tmp_path, offers, '[limits]\nlargest_purchase = "50"\n'))
    assert plan.bought == {"safe": 3}


def test_what_is_held_is_billed_with_its_premium(tmp_path: Path) -> None:
    """Two units for ten of the hours: 2 × 10 × (0.60 + 0.05), used or not."""
    held = {"commitment": "c", "offer": "safe", "quantity": 2, "start": at(0), "end": at(10)}
    offers = [units("safe", 10, "0.6", premium="0.05")]
    case = insured(tmp_path, offers, usage=usage("m", [1.0] * HOURS), commitments=[held])
    bill = bill_case(case)
    assert bill.commitment_cost == Decimal("13.00")
    assert bill.total == Decimal("13.00") + 14
    assert float(bill.commitment_by_hour.sum()) == pytest.approx(13)
