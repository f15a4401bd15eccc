# SPDX-License-Identifier: Apache-2.0
"""The bill as FOCUS 1.2 rows: the specification's examples, and what they leave open."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from optimizer.billing import bill_case
from optimizer.billing.focus import (
    focus_columns,
    write_focus,
)
from optimizer.errors import DataError
from optimizer.tables import parse_hour

from .conftest import Small
from .focus_rows import Export, Row, export

YEAR = 8760
COMMITMENT = [column.name for column in focus_columns() if column.name.startswith("Commitment")]


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
