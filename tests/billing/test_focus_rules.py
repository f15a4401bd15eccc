# SPDX-License-Identifier: Apache-2.0
"""Bills as FOCUS 1.2 rows: what holds for all, and what the check of the rows finds."""

from __future__ import annotations

import tempfile
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from optimizer.billing import read_holdings
from optimizer.billing.focus import (
    check_focus,
)
from optimizer.billing.focus_facts import share_out
from optimizer.tables import parse_hour

from .conftest import Small
from .focus_rows import Export, export


def test_share_out_is_exact_and_fair() -> None:
    group = np.array([0, 0, 0, 1, 2, 2])
    weight = np.array([1, 1, 1, 7, 0, 0])
    assert share_out([100, 5, 3], group, weight).tolist() == [34, 33, 33, 5, 2, 1]
    large = share_out([10**18], np.zeros(3, dtype=np.int64), np.array([10**18, 10**18, 1]))
    assert int(large.sum()) == 10**18


@st.composite
def worlds(draw: st.DrawFn) -> dict[str, Any]:
    amounts = st.decimals("0", "9", places=3)
    prices = st.decimals("0.000001", "90", places=7)
    hours = draw(st.integers(1, 60))
    usage = st.lists(amounts, min_size=hours, max_size=hours)
    payment = st.fixed_dictionaries(
        {},
        optional=dict.fromkeys(("upfront", "hourly", "monthly", "premium"), prices),
    ).filter(lambda paid: bool(paid.keys() - {"premium"}))
    held = st.tuples(
        st.sampled_from(["plan", "reserved"]),
        st.decimals("0.001", "20", places=3),
        payment,
        st.integers(-30, 60),
        st.integers(1, 40),
        st.integers(1, 3),
    )
    return {
        "prices": draw(st.lists(st.tuples(prices, prices, prices), min_size=1, max_size=3)),
        "usage": draw(
            st.lists(
                st.tuples(st.integers(0, 2), usage, st.sampled_from([0, 0.25, 1])),
                min_size=1,
                max_size=4,
            )
        ),
        "held": draw(st.lists(held, max_size=3)),
        "start": draw(st.sampled_from(["2026-11-02", "2024-02-28", "2026-12-31"])),
    }


@settings(max_examples=25, deadline=None)
@given(world=worlds())
def test_rows_obey_the_rules_and_add_up(world: dict[str, Any]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        small = Small(Path(folder) / "case", parse_hour(f"{world['start']}T00:00:00Z"))
        meters = [f"m{index}" for index in range(len(world["prices"]))]
        for name, (on_demand, listed, spot) in zip(meters, world["prices"], strict=True):
            small.meter(name, f"{on_demand:f}", list_price=f"{listed:f}", spot=f"{spot:f}")
        for index, (which, quantities, share) in enumerate(world["usage"]):
            texts = [f"{quantity:f}" for quantity in quantities]
            small.use(meters[which % len(meters)], texts, account=f"a{index}", spot_share=share)
        for index, (law, quantity, payment, at, hours, factor) in enumerate(world["held"]):
            money = {name: f"{amount:f}" for name, amount in payment.items()}
            name = f"offer{index}"
            rule = "aws.savings.compute" if law == "plan" else "aws.reserved.regional"
            covers = {meter: f"0.{position + 3}" for position, meter in enumerate(meters)}
            small.offer(name, rule, covers, term_hours=hours, **money)
            small.hold(name, f"{quantity:f}", at=at, hours=hours * min(factor, 2))
        found = export(small)
        assert found.problems == []
        usage = {"ChargeCategory": "Usage"}
        effective = found.total("EffectiveCost", **usage)
        assert effective == found.bill.total.quantize(Decimal("1e-9"))
        for holding in found.bill.holdings:
            mine = usage | {"CommitmentDiscountId": holding.commitment}
            assert abs(found.total("EffectiveCost", **mine) - holding.cost) <= Decimal("1e-9")
            eligible = found.total("CommitmentDiscountQuantity", **mine)
            assert float(eligible) == pytest.approx(float(holding.used + holding.unused), abs=1e-6)
            idle = mine | {"CommitmentDiscountStatus": "Unused"}
            unused = float(found.total("CommitmentDiscountQuantity", **idle))
            assert unused == pytest.approx(float(holding.unused), abs=1e-6)
        consumed = sum(row["ConsumedQuantity"] for row in found.of(**usage) if row["ConsumedUnit"])
        asked = sum(line.quantity for line in found.bill.lines)
        assert float(consumed) == pytest.approx(float(asked), rel=1e-6, abs=1e-6)


@pytest.fixture
def good(january: Small) -> Export:
    january.meter("vm", 1, spot="0.25")
    january.use("vm", [0.5, 2])
    january.use("vm", 1, account="org/b", spot_share=1)
    january.offer("sp", "aws.savings.compute", {"vm": "0.6"})
    january.hold("sp", 1, "plan", hours=2)
    return export(january)


def put(frame: pd.DataFrame, rows: pd.Series[bool], column: str, value: Any) -> pd.DataFrame:
    spoiled = frame.copy()
    values = spoiled[column].astype(object)
    values[rows] = value
    dtype = spoiled[column].dtype
    text = isinstance(dtype, pd.CategoricalDtype)
    spoiled[column] = values.astype("category") if text else values.astype(dtype)
    return spoiled


@pytest.mark.parametrize(
    ("where", "value", "column", "new", "rule"),
    [
        ("ChargeCategory", "Usage", "BilledCost", 1, "BilledCost"),
        ("ChargeCategory", "Purchase", "EffectiveCost", 1, "purchase has an EffectiveCost"),
        ("ChargeCategory", "Purchase", "BilledCost", 10**9 + 7, "payments of plan"),
        ("ChargeCategory", "Purchase", "ResourceId", None, "ResourceId"),
        ("ChargeCategory", "Purchase", "PricingCategory", "Committed", "priced Standard"),
        ("ChargeCategory", "Purchase", "CommitmentDiscountStatus", "Used", "Status"),
        ("ChargeCategory", "Usage", "ChargeFrequency", "Recurring", "Usage-Based"),
        ("CommitmentDiscountStatus", "Unused", "ConsumedQuantity", 1, "ConsumedQuantity"),
        ("CommitmentDiscountStatus", "Unused", "CommitmentDiscountUnit", "EUR", "two units"),
        ("CommitmentDiscountStatus", "Used", "EffectiveCost", 7, "EffectiveCost of plan"),
        ("CommitmentDiscountStatus", "Used", "CommitmentDiscountQuantity", None, "Quantity"),
        ("CommitmentDiscountStatus", "Used", "CommitmentDiscountStatus", None, "Status"),
        ("PricingCategory", "Dynamic", "ListCost", 5, "ListUnitPrice × PricingQuantity"),
        ("PricingCategory", "Dynamic", "BilledCost", -1, "negative"),
        ("PricingCategory", "Dynamic", "PricingCategory", "Spot", "values other than"),
        ("PricingCategory", "Dynamic", "RegionName", "N/A", "stands for no value"),
        ("PricingCategory", "Dynamic", "SubAccountName", None, "SubAccountName"),
        ("PricingCategory", "Dynamic", "BillingCurrency", None, "BillingCurrency is null"),
        ("ChargeCategory", "Usage", "ChargePeriodEnd", pd.Timestamp("2023-01-09"), "hourly"),
        ("ChargeCategory", "Usage", "BillingPeriodEnd", pd.Timestamp("2023-01-01"), "billing"),
    ],
)
def test_the_check_finds(
    good: Export, january: Small, where: str, value: str, column: str, new: Any, rule: str
) -> None:
    assert good.problems == []
    spoiled = put(good.frame, good.frame[where] == value, column, new)
    held = read_holdings(january.made(), good.bill.catalogue)
    problems = check_focus(spoiled, good.bill, held)
    assert any(rule in problem for problem in problems), problems


def test_the_check_finds_a_total_that_is_off_by_a_billionth(good: Export) -> None:
    first = np.arange(len(good.frame)) == int(np.flatnonzero(good.frame["EffectiveCost"] > 0)[0])
    value = good.frame.loc[first, "EffectiveCost"].iloc[0] + 1
    spoiled = put(good.frame, pd.Series(first), "EffectiveCost", value)
    assert any("of all rows" in problem for problem in check_focus(spoiled, good.bill))


def test_the_check_wants_the_columns_in_their_order(good: Export) -> None:
    (problem,) = check_focus(good.frame[good.frame.columns[::-1]])
    assert "focus_columns.csv" in problem
