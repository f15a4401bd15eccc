# SPDX-License-Identifier: Apache-2.0
"""The bill as FOCUS 1.2 rows: the specification's examples, invariants, files."""

from __future__ import annotations

import gzip
import tempfile
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from api.cli import app
from optimizer.billing import Bill, bill_case, read_holdings
from optimizer.billing import focus as focus_module
from optimizer.billing.focus import (
    AMOUNTS,
    PRICES,
    check_focus,
    focus_columns,
    focus_frame,
    write_focus,
)
from optimizer.billing.focus_facts import share_out
from optimizer.errors import DataError, GpuoptError, UsageError
from optimizer.tables import parse_hour, read_case

from .conftest import Small

Row = dict[str, Any]
ROOT = Path(__file__).parents[2]
YEAR = 8760
NEW_YEAR = parse_hour("2023-01-01T00:00:00Z")
COMMITMENT = [column.name for column in focus_columns() if column.name.startswith("Commitment")]


@dataclass(frozen=True)
class Export:
    """Rows as people read them: amounts and prices are decimals, no value is ``None``."""

    bill: Bill
    frame: pd.DataFrame
    rows: list[Row]
    problems: list[str]

    def of(self, **wanted: str | None) -> list[Row]:
        return [
            row for row in self.rows if all(row[name] == value for name, value in wanted.items())
        ]

    def one(self, **wanted: str | None) -> Row:
        (row,) = self.of(**wanted)
        return row

    def total(self, column: str, **wanted: str | None) -> Decimal:
        return sum((row[column] for row in self.of(**wanted)), Decimal(0))


def rows_of(frame: pd.DataFrame) -> list[Row]:
    columns: dict[str, list[Any]] = {}
    for name in frame.columns:
        values = [None if pd.isna(value) else value for value in frame[name].astype(object)]
        if name in AMOUNTS:
            values = [None if value is None else Decimal(value) / 10**9 for value in values]
        elif name in PRICES:
            values = [None if value is None else Decimal(value) for value in values]
        columns[name] = values
    return [
        dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)
    ]


def export(small: Small) -> Export:
    case = small.made()
    bill = bill_case(case)
    frame = focus_frame(case, bill)
    problems = check_focus(frame, bill, read_holdings(case, bill.catalogue))
    return Export(bill, frame, rows_of(frame), problems)


@pytest.fixture
def january(tmp_path: Path) -> Small:
    return Small(tmp_path / "case", NEW_YEAR)


def plan(small: Small, quantity: float, *, hours: int = 1, **payment: Any) -> Export:
    """A plan of $1.00 an hour for a year, bought on 1 January 2023, and usage at $1.00."""
    small.meter("vm", 1)
    small.use("vm", quantity)
    if hours > 1:
        small.use("vm", quantity, at=hours - 1)
    small.offer("sp", "aws.savings.compute", {"vm": 1}, **payment)
    small.hold("sp", 1, "plan")
    return export(small)


# The specification's examples of purchases (appendix "commitment discounts").


def assert_purchase(row: Row) -> None:
    assert row["ChargeCategory"] == "Purchase"
    assert row["PricingCategory"] == "Standard"
    assert row["ResourceId"] == row["CommitmentDiscountId"] == "plan"
    assert row["EffectiveCost"] == 0
    assert row["CommitmentDiscountUnit"] == "USD"
    assert row["CommitmentDiscountCategory"] == "Spend"
    for name in ("CommitmentDiscountStatus", "ConsumedQuantity", "ConsumedUnit"):
        assert row[name] is None


def test_p1_all_upfront(january: Small) -> None:
    found = plan(january, 1, hours=YEAR, upfront=8760)
    row = found.one(ChargeCategory="Purchase")
    assert_purchase(row)
    assert row["ChargeFrequency"] == "One-Time"
    assert row["BilledCost"] == row["CommitmentDiscountQuantity"] == 8760
    assert row["ChargePeriodStart"] == pd.Timestamp("2023-01-01")
    assert row["ChargePeriodEnd"] == pd.Timestamp("2024-01-01")
    assert row["BillingPeriodEnd"] == pd.Timestamp("2023-02-01")
    assert found.total("EffectiveCost", ChargeCategory="Usage") == 8760
    assert found.problems == []


def test_p2_no_upfront(january: Small) -> None:
    found = plan(january, 1, hours=YEAR, hourly=1)
    rows = found.of(ChargeCategory="Purchase")
    assert len(rows) == YEAR
    for row in rows:
        assert_purchase(row)
        assert row["ChargeFrequency"] == "Recurring"
        assert row["BilledCost"] == row["CommitmentDiscountQuantity"] == 1
        assert row["ChargePeriodEnd"] - row["ChargePeriodStart"] == pd.Timedelta(hours=1)
    assert found.problems == []


def test_p3_partial_upfront_by_the_hour(january: Small) -> None:
    found = plan(january, 1, hours=YEAR, upfront=4380, hourly="0.5")
    upfront = found.one(ChargeFrequency="One-Time")
    hourly = found.of(ChargeFrequency="Recurring")
    assert upfront["BilledCost"] == upfront["CommitmentDiscountQuantity"] == 4380
    assert len(hourly) == YEAR
    for row in (upfront, *hourly):
        assert_purchase(row)
    assert {row["BilledCost"] for row in hourly} == {Decimal("0.5")}
    assert {row["CommitmentDiscountQuantity"] for row in hourly} == {Decimal("0.5")}
    assert found.problems == []


def test_p3_partial_upfront_by_the_month_is_365(january: Small) -> None:
    found = plan(january, 1, hours=YEAR, upfront=4380, monthly=365)
    monthly = found.of(ChargeFrequency="Recurring")
    assert [row["BilledCost"] for row in monthly] == [365] * 12
    assert monthly[1]["ChargePeriodStart"] == pd.Timestamp("2023-02-01")
    assert monthly[1]["ChargePeriodEnd"] == pd.Timestamp("2023-03-01")
    assert sum(row["CommitmentDiscountQuantity"] for row in monthly) == 4380
    assert found.total("BilledCost", ChargeCategory="Purchase") == 8760
    assert found.problems == []


# The specification's examples of usage.


def test_u1_all_used(january: Small) -> None:
    row = plan(january, 1).one(ChargeCategory="Usage")
    assert row["PricingCategory"] == "Committed"
    assert row["CommitmentDiscountStatus"] == "Used"
    assert row["BilledCost"] == 0
    assert row["EffectiveCost"] == row["CommitmentDiscountQuantity"] == 1
    assert row["ConsumedQuantity"] == 1
    assert row["ConsumedUnit"] == "Instance-Hours"
    assert row["ResourceId"] is None  # a case does not know which machine ran


def test_u2_nothing_used(january: Small) -> None:
    row = plan(january, 0).one(ChargeCategory="Usage")
    assert row["PricingCategory"] == "Committed"
    assert row["CommitmentDiscountStatus"] == "Unused"
    assert row["BilledCost"] == 0
    assert row["EffectiveCost"] == row["CommitmentDiscountQuantity"] == 1
    assert row["ResourceId"] == "plan"
    assert row["ConsumedQuantity"] is row["ConsumedUnit"] is None


def test_u3_three_quarters_used(january: Small) -> None:
    found = plan(january, 0.75)
    used = found.one(CommitmentDiscountStatus="Used")
    unused = found.one(CommitmentDiscountStatus="Unused")
    assert used["EffectiveCost"] == used["CommitmentDiscountQuantity"] == Decimal("0.75")
    assert unused["EffectiveCost"] == unused["CommitmentDiscountQuantity"] == Decimal("0.25")
    assert used["ConsumedQuantity"] == Decimal("0.75")
    assert unused["ConsumedQuantity"] is None


def test_u4_more_than_the_commitment(january: Small) -> None:
    found = plan(january, 1.5)
    used = found.one(CommitmentDiscountStatus="Used")
    over = found.one(ChargeCategory="Usage", PricingCategory="Standard")
    assert used["EffectiveCost"] == used["CommitmentDiscountQuantity"] == 1
    assert over["BilledCost"] == over["EffectiveCost"] == Decimal("0.5")
    assert over["ChargeFrequency"] == "Usage-Based"
    assert [over[name] for name in COMMITMENT] == [None] * 7
    assert found.of(CommitmentDiscountStatus="Unused") == []
    assert found.problems == []


# The specification's examples of commitment flexibility.


def test_f1_no_flexibility_all_used(small: Small) -> None:
    small.meter("VM_LARGE", 3)
    small.use("VM_LARGE", 1)
    small.offer("ri", "aws.reserved.regional", {"VM_LARGE": 1}, hourly="1.5")
    small.hold("ri", 1)
    found = export(small)
    used = found.one(CommitmentDiscountStatus="Used")
    assert found.one(ChargeCategory="Purchase")["BilledCost"] == Decimal("1.5")
    assert used["EffectiveCost"] == Decimal("1.5")
    assert (used["CommitmentDiscountQuantity"], used["CommitmentDiscountUnit"]) == (1, "Hours")
    assert used["CommitmentDiscountCategory"] == "Usage"
    assert used["ListUnitPrice"] == used["ListCost"] == 3
    assert found.problems == []


def test_f2_no_flexibility_nothing_used(small: Small) -> None:
    small.meter("VM_LARGE", 3)
    small.meter("VM_MEDIUM", 2)
    small.use("VM_MEDIUM", 1)
    small.offer("ri", "aws.reserved.regional", {"VM_LARGE": 1}, hourly="1.5")
    small.hold("ri", 1)
    found = export(small)
    unused = found.one(CommitmentDiscountStatus="Unused")
    medium = found.one(SkuId="VM_MEDIUM")
    assert found.one(ChargeCategory="Purchase")["BilledCost"] == Decimal("1.5")
    assert unused["EffectiveCost"] == Decimal("1.5")
    assert unused["ConsumedQuantity"] is None  # erratum: the published file fills it
    assert unused["ResourceId"] == "ri"
    assert medium["PricingCategory"] == "Standard"
    assert medium["BilledCost"] == medium["EffectiveCost"] == 2
    assert found.problems == []


def flexible(small: Small, units: int, price: str) -> None:
    """Units of a size-flexible group: VM_SMALL is 1, VM_MEDIUM 2, VM_LARGE 3."""
    sizes = {"VM_SMALL": 1, "VM_MEDIUM": 2, "VM_LARGE": 3}
    for name, size in sizes.items():
        small.meter(name, size, size=size)
    small.offer("ri", "aws.reserved.regional", sizes, hourly=price, group="vm")
    small.hold("ri", units)


def test_f3_flexibility_two_smaller_resources(small: Small) -> None:
    flexible(small, 4, "0.5")
    for account in ("a", "b"):
        small.use("VM_MEDIUM", 1, account=account)
    found = export(small)
    purchase = found.one(ChargeCategory="Purchase")
    assert purchase["BilledCost"] == 2
    assert purchase["CommitmentDiscountQuantity"] == 4
    assert purchase["CommitmentDiscountUnit"] == "Normalized Hours"
    used = found.of(CommitmentDiscountStatus="Used")
    assert len(used) == 2
    for row in used:
        assert row["EffectiveCost"] == row["PricingQuantity"] == 1
        assert row["CommitmentDiscountQuantity"] == row["ListUnitPrice"] == 2
    assert found.of(CommitmentDiscountStatus="Unused") == []
    assert found.problems == []


def test_f4_flexibility_one_larger_resource(small: Small) -> None:
    flexible(small, 1, "0.5")
    small.use("VM_LARGE", 1)
    found = export(small)
    used = found.one(CommitmentDiscountStatus="Used")
    rest = found.one(ChargeCategory="Usage", PricingCategory="Standard")
    assert used["EffectiveCost"] == Decimal("0.5")
    assert used["CommitmentDiscountQuantity"] == 1
    assert used["PricingQuantity"] == Decimal("0.333333333")
    # Errata: the published file has ListCost 3.00, and 0.75 hours for 2.25.
    assert used["ListCost"] == pytest.approx(Decimal(1), abs=Decimal("1e-8"))
    assert rest["PricingQuantity"] == Decimal("0.666666667")
    assert rest["BilledCost"] == rest["EffectiveCost"] == Decimal(2)
    assert found.problems == []


# Examples of the AWS cost and usage report, told as FOCUS rows.


def test_cur_savings_plan_covered_usage(small: Small) -> None:
    small.meter("t3.nano", "0.0052")
    small.use("t3.nano", 1, account="a")
    small.use("t3.nano", 0.5, account="b")
    small.offer("sp", "aws.savings.compute", {"t3.nano": "0.0026"}, hourly=1)
    small.hold("sp", "0.01")
    found = export(small)
    first, second = found.of(CommitmentDiscountStatus="Used")
    assert (first["ContractedCost"], first["EffectiveCost"]) == (
        Decimal("0.0052"),
        Decimal("0.0026"),
    )
    assert (second["ContractedCost"], second["EffectiveCost"]) == (
        Decimal("0.0026"),
        Decimal("0.0013"),
    )
    # The report's negation row takes back what FOCUS never bills.
    assert found.total("ContractedCost", CommitmentDiscountStatus="Used") == Decimal("0.0078")
    assert found.one(CommitmentDiscountStatus="Unused")["EffectiveCost"] == Decimal("0.0061")
    assert found.one(ChargeCategory="Purchase")["BilledCost"] == Decimal("0.01")


def test_cur_savings_plan_upfront_fee(small: Small) -> None:
    small.meter("t3.nano", "0.0052")
    small.use("t3.nano", 1)
    small.offer("sp", "aws.savings.compute", {"t3.nano": "0.0026"}, upfront=8760)
    small.hold("sp", "0.005")
    found = export(small)
    assert found.one(ChargeCategory="Purchase")["BilledCost"] == Decimal("43.80")
    assert found.one(CommitmentDiscountStatus="Unused")["EffectiveCost"] == Decimal("0.0024")


def test_cur_reserved_instance_month_and_normalised_units(small: Small) -> None:
    small.meter("m4.large", "0.1", size=4)
    small.use("m4.large", [2] * 744)
    small.offer("ri", "aws.reserved.regional", {"m4.large": 4}, hourly="0.007725", group="m4")
    small.hold("ri", 8)
    found = export(small)
    assert found.total("BilledCost", ChargeCategory="Purchase") == Decimal("45.9792")
    assert found.total("CommitmentDiscountQuantity", ChargeCategory="Usage") == 5952
    assert found.total("EffectiveCost") == Decimal("45.9792")
    assert found.total("BilledCost", ChargeCategory="Usage") == 0


def test_cur_amortised_dollar_a_day(small: Small) -> None:
    small.meter("m", 1)
    small.use("m", [1] * 48)
    small.offer("ri", "aws.reserved.regional", {"m": 1}, upfront=365)
    small.hold("ri", 1)
    found = export(small)
    assert found.total("EffectiveCost") == 2
    assert found.one(ChargeCategory="Purchase")["BilledCost"] == 365
    assert {row["EffectiveCost"] for row in found.of(ChargeCategory="Usage")} == {
        Decimal("0.041666666"),
        Decimal("0.041666667"),
    }


# What the examples leave open.


def test_upfront_before_the_window_is_no_row(small: Small) -> None:
    small.meter("m", 1)
    small.use("m", 1)
    small.offer("ri", "aws.reserved.regional", {"m": 1}, upfront=8760)
    small.hold("ri", 1, at=-1)
    found = export(small)
    assert found.of(ChargeCategory="Purchase") == []
    assert found.total("EffectiveCost") == 1
    assert found.problems == []


def test_twelve_payments_even_if_a_leap_day_cuts_the_last_month_short(tmp_path: Path) -> None:
    small = Small(tmp_path / "case", parse_hour("2023-03-01T00:00:00Z"))
    small.meter("m", 1, provider="azure")
    small.use("m", 1)
    small.use("m", 1, at=YEAR - 1)  # until 29 February 2024
    small.offer("res", "azure.reservation", {"m": 1}, monthly=100)
    small.hold("res", 3)
    found = export(small)
    paid = found.of(ChargeCategory="Purchase")
    assert [row["BilledCost"] for row in paid] == [300] * 12
    assert paid[-1]["ChargePeriodEnd"] == pd.Timestamp("2024-02-29")
    assert found.total("CommitmentDiscountQuantity", ChargeCategory="Purchase") == 3 * YEAR
    assert found.problems == []


def test_spot_is_dynamic_and_free_when_taken_in_its_first_hour(small: Small) -> None:
    small.meter("m", 2, spot="0.5", list_price=3)
    small.use("m", [4, 2], spot_share=0.5, interrupted="false")
    small.use("m", 2, at=2, spot_share=1, interrupted="true")
    found = export(small)
    spot = found.of(PricingCategory="Dynamic")
    assert [row["BilledCost"] for row in spot] == [1, Decimal("0.5"), 0]
    assert [row["PricingQuantity"] for row in spot] == [2, 1, 0]
    assert [row["ConsumedQuantity"] for row in spot] == [2, 1, 2]
    assert {row["ContractedUnitPrice"] for row in spot} == {Decimal("0.5")}
    assert [row["ListCost"] for row in spot] == [6, 3, 0]
    assert found.problems == []


def test_list_cost_of_usage_is_all_usage_at_list_price(small: Small) -> None:
    small.meter("m", "1.9", list_price=2)
    small.use("m", [3, 1, 5])
    small.offer("sp", "aws.savings.compute", {"m": "1.2"})
    small.hold("sp", 4)
    found = export(small)
    used_list = found.total("ListCost", ChargeCategory="Usage")
    rate = found.bill.savings_rate("list_price")
    assert used_list == pytest.approx(18, abs=Decimal("1e-8"))
    assert 1 - float(found.bill.total / used_list) == pytest.approx(rate)


def test_a_meter_without_price_has_null_prices_and_costs_as_billed(small: Small) -> None:
    small.meter("block", None)
    small.use("block", [1, 2])
    small.offer("cb", "capacity.block", {"block": 1}, upfront=10, term_hours=2)
    small.hold("cb", 2, hours=2)
    found = export(small)
    used = found.of(CommitmentDiscountStatus="Used")
    assert [row["EffectiveCost"] for row in used] == [5, 10]
    for row in used:
        assert row["ListUnitPrice"] is row["ContractedUnitPrice"] is None
        assert row["ListCost"] == row["ContractedCost"] == row["BilledCost"] == 0
        assert (row["CapacityReservationId"], row["CapacityReservationStatus"]) == ("cb", "Used")
    unused = found.one(CommitmentDiscountStatus="Unused")
    assert unused["CapacityReservationStatus"] == "Unused"
    purchase = found.one(ChargeCategory="Purchase")
    assert purchase["BilledCost"] == 20
    assert purchase["CapacityReservationId"] == "cb"
    assert purchase["CapacityReservationStatus"] is None
    assert found.problems == []


def test_accounts_and_regions(small: Small) -> None:
    small.meter("a", 1, region="us-east-1", gpu="H100", gpus=8, family="p5")
    small.meter("z", 1, provider="azure", region="eastus")
    small.use("a", 1, account="org/team/111122223333", zone="us-east-1a")
    small.use("z", 1, account="mg/sub/group")
    found = export(small)
    ours, theirs = found.one(SkuId="a"), found.one(SkuId="z")
    assert ours["BillingAccountId"] == "org"
    assert (ours["SubAccountId"], ours["SubAccountType"]) == ("111122223333", "Account")
    assert ours["x_Account"] == "org/team/111122223333"
    assert (ours["RegionId"], ours["AvailabilityZone"]) == ("us-east-1", "us-east-1a")
    assert ours["ProviderName"] == "AWS"
    assert ours["SkuPriceDetails"] == (
        '{"GpuCount": 8, "InstanceSeries": "p5", "x_GpuModel": "H100"}'
    )
    assert (theirs["SubAccountId"], theirs["SubAccountType"]) == ("sub", "Subscription")
    assert theirs["ServiceName"] == "Virtual Machines"
    assert theirs["AvailabilityZone"] is None


def test_no_usage_and_no_commitment_are_no_rows(small: Small, tmp_path: Path) -> None:
    small.meter("m", 1)
    small.use("m", [0, 0])
    case = small.case()
    for ending in ("csv", "parquet"):
        assert write_focus(case, bill_case(case), tmp_path / f"none.{ending}") == 0
    assert (tmp_path / "none.csv").read_text().splitlines() == [
        ",".join(column.name for column in focus_columns())
    ]


def test_an_amount_that_fits_no_row_is_refused(small: Small) -> None:
    small.meter("tokens", "0.000001", product="tokens", unit="Tokens")
    small.use("tokens", 10**11)
    with pytest.raises(DataError, match="larger unit"):
        export(small)


def test_sustained_use_lowers_billed_and_effective_cost(small: Small) -> None:
    small.meter("n1", 1, provider="gcp", sustained_use=0.3)
    small.use("n1", [1] * 720)
    found = export(small)
    assert found.total("BilledCost") == found.bill.on_demand < 720
    assert found.total("ContractedCost") == 720
    assert found.problems == []


# Invariants.


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


# Files.


def read(path: Path) -> tuple[list[str], list[tuple[str | None, ...]]]:
    """A file's header, and its rows as texts."""
    with duckdb.connect() as connection:
        if path.name.endswith(".parquet"):
            source = f"read_parquet('{path}')"
            kinds = connection.execute(f"DESCRIBE SELECT * FROM {source}").fetchall()
            chosen = ", ".join(
                f"strftime(\"{name}\", '%Y-%m-%dT%H:%M:%SZ')"
                if kind == "TIMESTAMP"
                else f'CAST("{name}" AS VARCHAR)'
                for name, kind, *_ in kinds
            )
            return [row[0] for row in kinds], connection.execute(
                f"SELECT {chosen} FROM {source}"
            ).fetchall()
        source = f"read_csv('{path}', all_varchar=true, header=true)"
        found = connection.execute(f"SELECT * FROM {source}")
        return [column[0] for column in found.description or []], found.fetchall()


@pytest.fixture
def filled(january: Small) -> Small:
    january.meter("vm, large", "1.23456789012", spot="0.25", region="us-east-1", family='a "b"')
    january.use("vm, large", [0.5, 2, 3])
    january.use("vm, large", 1, account="org/ü", spot_share=1)
    january.offer("sp", "aws.savings.compute", {"vm, large": "0.6"})
    january.hold("sp", 1, "plan")
    return january


def write(small: Small, path: Path) -> int:
    case = read_case(small.write())
    return write_focus(case, bill_case(case), path)


def test_csv_gzip_and_parquet_say_the_same(filled: Small, tmp_path: Path) -> None:
    files = [tmp_path / f"focus{ending}" for ending in (".csv", ".csv.gz", ".parquet")]
    counts = [write(filled, file) for file in files]
    plain, zipped, parquet = (read(file) for file in files)
    assert plain == zipped == parquet
    assert counts == [len(plain[1])] * 3
    assert gzip.decompress(files[1].read_bytes()) == files[0].read_bytes()


def test_columns_are_those_of_the_list_in_its_order(filled: Small, tmp_path: Path) -> None:
    write(filled, tmp_path / "focus.csv")
    names = [column.name for column in focus_columns()]
    assert read(tmp_path / "focus.csv")[0] == names
    own = [name for name in names if name.startswith("x_")]
    assert names == sorted(set(names) - set(own)) + own
    levels = {column.name: column.level for column in focus_columns()}
    assert {levels[name] for name in own} == {"Own"}


def test_types_in_parquet(filled: Small, tmp_path: Path) -> None:
    write(filled, tmp_path / "focus.parquet")
    found = duckdb.sql(f"DESCRIBE SELECT * FROM read_parquet('{tmp_path}/focus.parquet')")
    types = {row[0]: row[1] for row in found.fetchall()}
    for column in focus_columns():
        expected = {"decimal": "DECIMAL", "time": "TIMESTAMP"}.get(column.kind, "VARCHAR")
        assert types[column.name].startswith(expected)
    assert types["ListUnitPrice"] == "DECIMAL(38,11)"  # no digit of a price is lost


def test_no_value_is_null_and_nothing_else(filled: Small, tmp_path: Path) -> None:
    write(filled, tmp_path / "focus.csv")
    names, rows = read(tmp_path / "focus.csv")
    table = [dict(zip(names, row, strict=True)) for row in rows]
    for row in table:
        assert not {str(value).lower() for value in row.values() if value is not None} & {
            "", "null", "none", "nan", "n/a", "<na>",
        }  # fmt: skip
        for column in focus_columns():
            assert column.nullable or row[column.name] is not None
        for name in ("BillingAccountName", "ChargeClass", "InvoiceId", "ResourceName", "Tags"):
            assert row[name] is None
        if row["PricingCategory"] in ("Standard", "Dynamic") and row["ChargeCategory"] == "Usage":
            assert {row[name] for name in [*COMMITMENT, "ResourceId", "x_Law"]} == {None}
        if row["CommitmentDiscountStatus"] == "Unused":
            assert row["ConsumedQuantity"] is row["ListUnitPrice"] is None
    # An empty text would be quoted; what is quoted here is JSON.
    text = (tmp_path / "focus.csv").read_text()
    assert ',"",' not in text
    assert "2023-01-01T00:00:00Z" in text


def test_two_writes_are_the_same_bytes(filled: Small, tmp_path: Path) -> None:
    for ending in (".csv", ".parquet"):
        first, second = tmp_path / f"1{ending}", tmp_path / f"2{ending}"
        write(filled, first)
        write(filled, second)
        assert first.read_bytes() == second.read_bytes()


@pytest.mark.parametrize("name", ["focus.xlsx", "focus", "focus.CSV", "focus.gz", ".csv"])
def test_other_endings_are_refused(filled: Small, tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match=r"\.csv, \.csv\.gz or \.parquet.*To mend it"):
        write(filled, tmp_path / name)
    assert not (tmp_path / name).exists()


def test_an_existing_file_is_replaced(filled: Small, tmp_path: Path) -> None:
    file = tmp_path / "focus.csv"
    file.write_text("old")
    write(filled, file)
    assert file.read_text().startswith("AvailabilityZone,")
    assert leftovers(tmp_path) == ["focus.csv"]


def leftovers(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.is_file())


def test_rows_that_break_a_rule_are_not_written(
    filled: Small, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "focus.csv"
    file.write_text("old")
    monkeypatch.setattr(focus_module, "check_focus", lambda *_: ["a rule is broken"])
    with pytest.raises(GpuoptError, match="a rule is broken"):
        write(filled, file)
    assert file.read_text() == "old"
    assert leftovers(tmp_path) == ["focus.csv"]


def test_a_write_that_fails_leaves_the_old_file(
    filled: Small, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "focus.parquet"
    file.write_text("old")
    monkeypatch.setattr(focus_module, "_select", lambda _: "SELECT error('disk full')")
    with pytest.raises(duckdb.Error, match="disk full"):
        write(filled, file)
    assert file.read_text() == "old"
    assert leftovers(tmp_path) == ["focus.parquet"]


def test_a_folder_that_is_not_there_is_a_usage_error(filled: Small, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot write"):
        write(filled, tmp_path / "nowhere" / "focus.csv")
    (tmp_path / "taken.csv").mkdir()
    with pytest.raises(UsageError, match="cannot write"):
        write(filled, tmp_path / "taken.csv")


def test_the_command_writes_rows_beside_the_bill(filled: Small, tmp_path: Path) -> None:
    file = tmp_path / "it's here.csv"
    plain = tmp_path / "rows.csv"
    case = filled.write()
    outcome = CliRunner().invoke(app, ["bill", str(case), "--json", "--focus", str(file)])
    assert outcome.exit_code == 0
    assert "FOCUS rows in" in outcome.stderr
    without = CliRunner().invoke(app, ["bill", str(case), "--json"])
    assert outcome.stdout == without.stdout
    write(filled, plain)
    assert file.read_bytes() == plain.read_bytes()


def test_the_command_refuses_an_ending_before_the_work(tmp_path: Path) -> None:
    outcome = CliRunner().invoke(app, ["bill", str(tmp_path), "--focus", "rows.json"])
    assert outcome.exit_code == 2
    assert "rows.parquet" in outcome.stderr


def test_the_demonstration_fits_into_a_spreadsheet(tmp_path: Path) -> None:
    case = read_case(ROOT / "fixtures" / "frontier-lab")
    bill = bill_case(case)
    file = tmp_path / "rows.parquet"
    assert write_focus(case, bill, file) < 1_048_576
    sums = "sum(EffectiveCost), sum(EffectiveCost) FILTER (ChargeCategory = 'Purchase')"
    found = duckdb.sql(f"SELECT {sums} FROM read_parquet('{file}')").fetchall()
    assert found == [(bill.total.quantize(Decimal("1e-9")), 0)]
