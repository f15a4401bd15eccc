# SPDX-License-Identifier: Apache-2.0
"""Sustained use discounts: what Google Cloud takes off usage that lasts."""

from __future__ import annotations

import random
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest

from optimizer.billing import Bill
from optimizer.billing.sustained import rates_of, sustained_rates
from optimizer.tables import parse_hour

from .conftest import Small, held, line

NOVEMBER = parse_hour("2026-11-01T00:00:00Z")
MONTH = 720  # hours of November
DECEMBER = 744
PRICE = Decimal("0.0475")  # n1-standard-1


def bill_of(small: Small, *runs: list[float], start: int = NOVEMBER, **more: str) -> Bill:
    """One bill of quantities hour by hour, one list for each account."""
    small.start = start
    small.meter("n1", PRICE, provider="gcp", sustained_use="0.3", **more)
    for number, quantities in enumerate(runs):
        small.use("n1", quantities, account=f"org/p{number}")
    return small.bill()


@pytest.mark.parametrize(
    ("quarters", "discount"), [(1, "0"), (2, "0.10"), (3, "0.20"), (4, "0.30")]
)
def test_gcp_sud_effective_discounts(small: Small, quarters: int, discount: str) -> None:
    """GCP-SUD: 25 % of a month save nothing, 50 % 10 %, 75 % 20 %, 100 % 30 %."""
    hours = MONTH // 4 * quarters
    bill = bill_of(small, [1] * hours + [0] * (MONTH - hours))
    assert bill.total == PRICE * hours * (1 - Decimal(discount))


def test_gcp_sud_rates() -> None:
    """GCP-SUD: 0.0475, 0.0380, 0.0285 and 0.0190; the rates average what is left of the price."""
    rates = [round(float(PRICE) * rate, 10) for rate in rates_of(0.3)]
    assert rates == [0.0475, 0.038, 0.0285, 0.019]
    for maximum in (0.3, 0.2, 0.0):
        assert rates_of(maximum).mean() == pytest.approx(1 - maximum)


@pytest.mark.parametrize(
    ("month", "hours", "dollars"),
    [
        ("2026-11", 720, "23.94"),
        ("2026-12", 744, "24.738"),
        ("2027-02", 672, "22.344"),
        ("2028-02", 696, "23.142"),
    ],
)
def test_a_full_month_of_any_length(small: Small, month: str, hours: int, dollars: str) -> None:
    """$24.2725 is for 730 hours; every real month pays 70 % of its own hours."""
    bill = bill_of(small, [1] * hours, start=parse_hour(f"{month}-01T00:00:00Z"))
    assert bill.total == Decimal(dollars) == PRICE * hours * Decimal("0.7")


def test_two_halves_are_one_instance(small: Small) -> None:
    """Inferred instances: rows of two machines, one after the other, are one full month."""
    half = MONTH // 2
    small.start = NOVEMBER
    small.meter("n1", PRICE, provider="gcp", sustained_use="0.3")
    for number, at in enumerate((0, half)):
        small.use("n1", [1] * half, at=at, account="org/p", charge_id=f"machine{number}")
    assert small.bill().total == PRICE * MONTH * Decimal("0.7")


def test_two_halves_at_once_are_two_instances(small: Small) -> None:
    """Two machines in the same half of the month: each has run for half of it, 10 %."""
    half = MONTH // 2
    bill = bill_of(small, [2] * half + [0] * half)
    assert bill.total == PRICE * MONTH * Decimal("0.9")


def test_projects_count_apart(small: Small) -> None:
    """The halves of two projects are not put together."""
    half = MONTH // 2
    bill = bill_of(small, [1] * half, [0] * half + [1] * half)
    assert bill.total == PRICE * MONTH * Decimal("0.9")


@pytest.mark.parametrize("column", ["zone", "lost_hours"])
def test_lines_of_one_project_are_put_together(small: Small, column: str) -> None:
    """Half a month in each of two zones (or ways of losing work) is a full month of a project."""
    half = MONTH // 2
    small.start = NOVEMBER
    small.meter("n1", PRICE, provider="gcp", sustained_use="0.3")
    small.use("n1", [1] * half, account="org/p", **{column: "1"})
    small.use("n1", [1] * half, at=half, account="org/p", **{column: "2"})
    assert small.bill().total == PRICE * MONTH * Decimal("0.7")


def test_months_count_apart(small: Small) -> None:
    """Half of November and half of December: each saves 10 %, nothing carries over."""
    nothing = [0] * (MONTH // 2)
    bill = bill_of(small, nothing + [1] * (MONTH // 2) + [1] * (DECEMBER // 2))
    assert bill.total == PRICE * (MONTH // 2 + DECEMBER // 2) * Decimal("0.9")


def test_a_window_within_a_month_counts_against_the_whole_month(small: Small) -> None:
    """Ten days that the usage shows are a third of November: 180 hours full, 60 at 80 %."""
    bill = bill_of(small, [1] * 240, start=NOVEMBER + 100)
    assert bill.total == PRICE * (180 + 60 * Decimal("0.8"))


def test_covered_usage_earns_none(small: Small) -> None:
    """A commitment for one of two units all month; the other runs for half of it."""
    half = MONTH // 2
    small.start = NOVEMBER
    small.offer("cud", "gcp.resource", {"n1": 1})
    small.hold("cud", 1, account="org/p0")
    bill = bill_of(small, [2] * half + [1] * half)
    assert held(bill, "cud").used == MONTH
    assert bill.total == PRICE * half * Decimal("0.9")
    small.tables["usage"] = [row | {"quantity": 1} for row in small.tables["usage"]]
    assert small.bill().total == 0


def test_spot_usage_earns_none(small: Small) -> None:
    """A month of which half ran on spot, hour by hour: half a unit on demand, all month."""
    small.start = NOVEMBER
    small.meter("n1", PRICE, provider="gcp", sustained_use="0.3", spot="0.01")
    small.use("n1", [1] * MONTH, spot_share="0.5")
    bill = small.bill()
    assert bill.spot == Decimal("0.01") * MONTH / 2
    assert bill.on_demand == PRICE * MONTH / 2 * Decimal("0.7")


def test_spot_of_one_half_does_not_lift_the_other(small: Small) -> None:
    small.start = NOVEMBER
    small.meter("n1", PRICE, provider="gcp", sustained_use="0.3", spot="0.01")
    half = MONTH // 2
    small.use("n1", [1] * half, spot_share=1)
    small.use("n1", [1] * half, at=half)
    assert small.bill().on_demand == PRICE * half * Decimal("0.9")


def test_without_the_column_there_is_none(small: Small) -> None:
    small.start = NOVEMBER
    small.meter("a2", 1, provider="gcp")
    small.use("a2", [1] * MONTH)
    assert small.bill().total == MONTH


@pytest.mark.parametrize("seed", range(5))
def test_level_by_level_agrees(seed: int) -> None:
    """Each unit apart: the k-th runs in the hours that need k, and pays by how many they are."""
    pick = random.Random(seed)
    lengths = (MONTH, DECEMBER, 744)
    units = [pick.choice((0, 0, 1, 2, 5, pick.randint(0, 9))) for _ in range(sum(lengths))]
    first = pick.choice((0, 77))  # the first month is seen in part
    rates = sustained_rates(np.array(units[first:], dtype=float), NOVEMBER + first, 0.3)
    got = float((rates * units[first:]).sum())
    steps = [Fraction(1), Fraction(8, 10), Fraction(6, 10), Fraction(4, 10)]
    paid, begin = Fraction(0), 0
    for length in lengths:
        month = units[max(begin, first) : begin + length]
        for level in range(1, 10):
            ran = Fraction(sum(amount >= level for amount in month), length)
            for quarter, step in enumerate(steps):
                paid += length * step * min(max(ran - Fraction(quarter, 4), 0), Fraction(1, 4))
        begin += length
    assert got == pytest.approx(float(paid), abs=1e-8)


def test_the_hours_of_the_bill_add_up(small: Small) -> None:
    """The detail by hour is the same money as the line."""
    bill = bill_of(small, [1 + hour % 3 for hour in range(MONTH)])
    assert sum(bill.on_demand_by_hour) == pytest.approx(float(bill.on_demand))
    assert line(bill, "n1", "org/p0").on_demand == bill.total
