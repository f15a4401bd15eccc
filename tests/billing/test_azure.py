# SPDX-License-Identifier: Apache-2.0
"""Azure: reservations, savings plans and provisioned throughput, by Microsoft's examples."""

from __future__ import annotations

from decimal import Decimal
from itertools import pairwise

import pytest

from optimizer.billing.cost import payment_months
from optimizer.errors import MissingPrice
from optimizer.tables import format_hour, parse_hour

from .conftest import Small, held, line

SUB = "mg/sub-1"
GROUP = "mg/sub-1/rg-1"


def azure(small: Small, **on_demand: float | str) -> None:
    for name, price in on_demand.items():
        small.meter(name, price, provider="azure")


def test_az_res_1_two_machines_share_a_reservation(small: Small) -> None:
    """AZ-RES-1: 0.25, 1, 1 and 0.5 hours of 6.75 are paid; an hour's rest is not kept."""
    azure(small, vm=1)
    small.use("vm", ["0.75", 1, 1, "0.5"], account="mg/sub-1/vm-1")
    small.use("vm", ["0.5", 1, 1, 1], account="mg/sub-1/vm-2")
    small.offer("res", "azure.reservation", {"vm": 1})
    small.hold("res", 1)
    bill = small.bill()
    assert bill.on_demand_by_hour.tolist() == [0.25, 1, 1, 0.5]
    assert bill.on_demand == Decimal("2.75")
    assert bill.covered_at_on_demand == Decimal("4")


def test_unused_reservation_hours_are_lost(small: Small) -> None:
    """What an hour leaves unused does not help the next hour."""
    azure(small, vm=1)
    small.use("vm", [0, 2])
    small.offer("res", "azure.reservation", {"vm": 1})
    small.hold("res", 1)
    bill = small.bill()
    assert (bill.on_demand, held(bill, "res").unused) == (1, 1)


def test_az_order_2_reservation_then_plan_then_on_demand(small: Small) -> None:
    """AZ-ORDER 2: a D4s_v3 covers half of a D8s_v3 (4/8); then the plan, then on demand."""
    azure(small, D8s_v3=2)
    small.use("D8s_v3", 1)
    small.offer("res", "azure.reservation", {"D8s_v3": 2})
    small.offer("plan", "azure.savings", {"D8s_v3": "1.00"})
    small.hold("res", 1)
    small.hold("plan", "0.20")
    bill = small.bill()
    assert held(bill, "res").used == 1
    assert held(bill, "plan").used == Decimal("0.20")  # 0.2 of the machine
    assert line(bill, "D8s_v3").on_demand_quantity == Decimal("0.3")
    assert bill.on_demand == Decimal("0.6")


def test_reservation_first_even_if_the_plan_saves_more(small: Small) -> None:
    azure(small, vm=10)
    small.use("vm", 1)
    small.offer("res", "azure.reservation", {"vm": 1}, hourly=9)
    small.offer("plan", "azure.savings", {"vm": 1}, term_hours=26280)
    small.hold("res", 1)
    small.hold("plan", 1)
    bill = small.bill()
    assert (held(bill, "res").used, held(bill, "plan").used) == (1, 0)


@pytest.mark.parametrize(
    ("narrow", "wide"), [(GROUP, SUB), (SUB, "mg"), ("mg", "shared"), (GROUP, "shared")]
)
@pytest.mark.parametrize("law", ["azure.reservation", "azure.savings"])
def test_narrower_scope_first(small: Small, law: str, narrow: str, wide: str) -> None:
    """Resource group, subscription, management group, shared: for either benefit."""
    azure(small, vm=2)
    small.use("vm", 1, account=GROUP)
    small.offer("offer", law, {"vm": 1})
    small.hold("offer", 1, name="a-wide", scope=wide)
    small.hold("offer", 1, name="b-narrow", scope=narrow)
    bill = small.bill()
    assert (held(bill, "b-narrow").used, held(bill, "a-wide").used) == (1, 0)


def test_scope_account_is_the_owner_s_path(small: Small) -> None:
    """Scope ``account`` is as narrow as the owner's path, and reaches nothing outside it."""
    azure(small, vm=2)
    small.use("vm", 1, account=GROUP)
    small.use("vm", 1, account="mg/sub-2/rg-9")
    small.offer("res", "azure.reservation", {"vm": 1})
    small.hold("res", 2, name="a-wide")
    small.hold("res", 2, name="b-own", account=SUB, scope="account")
    bill = small.bill()
    assert (held(bill, "b-own").used, held(bill, "a-wide").used) == (1, 1)


def test_reservation_smallest_size_first(small: Small) -> None:
    """Instance size flexibility: "first come, first served", for us the smallest first."""
    for name, size in (("a8", 8), ("b4", 4)):
        small.meter(name, size, provider="azure", size=size)
        small.use(name, 1)
    small.offer("res", "azure.reservation", {"a8": 2, "b4": 1})
    small.hold("res", 1)
    bill = small.bill()
    assert (line(bill, "b4").covered, line(bill, "a8").covered) == (1, 0)


def test_three_year_plan_before_one_year_plan(small: Small) -> None:
    """The longer term first, although the one-year plan would save more here."""
    azure(small, vm=2)
    small.use("vm", 1)
    small.offer("a-one", "azure.savings", {"vm": "0.5"}, term_hours=8760)
    small.offer("b-three", "azure.savings", {"vm": "1.0"}, term_hours=26280)
    small.hold("a-one", 1)
    small.hold("b-three", 1)
    bill = small.bill()
    assert (held(bill, "b-three").used, held(bill, "a-one").used) == (1, 0)


def test_narrower_plan_before_longer_plan(small: Small) -> None:
    azure(small, vm=2)
    small.use("vm", 1, account=GROUP)
    small.offer("one", "azure.savings", {"vm": 1}, term_hours=8760)
    small.offer("three", "azure.savings", {"vm": 1}, term_hours=26280)
    small.hold("one", 1, scope=SUB)
    small.hold("three", 1)
    bill = small.bill()
    assert (held(bill, "one").used, held(bill, "three").used) == (1, 0)


def test_plan_greatest_discount_first(small: Small) -> None:
    azure(small, low="1.00", high="1.00")
    small.use("low", 1)
    small.use("high", 1)
    small.offer("plan", "azure.savings", {"low": "0.60", "high": "0.70"})
    small.hold("plan", "0.60")
    bill = small.bill()
    assert (line(bill, "low").covered, line(bill, "high").covered) == (1, 0)


def test_negotiated_price_below_the_plan_s(small: Small) -> None:
    """The lower negotiated price is charged, and that amount burns the commitment."""
    azure(small, negotiated="0.40", other="1.00")
    small.use("negotiated", 1)
    small.use("other", 1)
    small.offer("plan", "azure.savings", {"negotiated": "0.60", "other": "0.50"})
    small.hold("plan", "0.90")
    bill = small.bill()
    assert bill.on_demand == 0
    assert held(bill, "plan").used == Decimal("0.90")  # 0.50 first, then 0.40 and not 0.60


def test_negotiated_price_of_nothing(small: Small) -> None:
    """A price of zero burns nothing: the free meter is covered, the other one as well."""
    azure(small, free=0, other=1)
    small.use("free", [5, 5])
    small.use("other", [1, 0])
    small.offer("plan", "azure.savings", {"free": "0.60", "other": "0.50"})
    small.hold("plan", "0.50", hours=1)
    bill = small.bill()
    assert bill.on_demand == 0
    assert held(bill, "plan").used == Decimal("0.50")


def test_plan_needs_the_price_it_is_compared_with(small: Small) -> None:
    small.meter("vm", None, provider="azure")
    small.use("vm", 1)
    small.offer("plan", "azure.savings", {"vm": 1})
    small.hold("plan", 1)
    with pytest.raises(MissingPrice) as caught:
        small.bill()
    assert (caught.value.file, caught.value.row, caught.value.column) == (
        "meters.csv",
        1,
        "on_demand",
    )


@pytest.mark.parametrize(("month", "days"), [("05", 31), ("02", 28)])
def test_az_amort_monthly_payment_by_day(tmp_path_factory, month: str, days: int) -> None:
    """AZ-AMORT: $200 a month are $200/31 a day in May and $200/28 in February."""
    small = Small(
        tmp_path_factory.mktemp("month") / "case", start=parse_hour(f"2026-{month}-01T00:00:00Z")
    )
    azure(small, ptu=1)
    small.use("ptu", [0] * 24)
    small.offer("res", "azure.reservation", {"ptu": 1}, payment="monthly", monthly=200)
    small.hold("res", 1)
    assert small.bill().total == (Decimal(200) / days).quantize(Decimal("1e-12"))


def test_az_amort_months_of_30_december() -> None:
    """30 Dec – 29 Jan, 30 Jan – 27 Feb, 28 Feb – 27 Mar: a short month moves the day."""
    start = parse_hour("2026-12-30T00:00:00Z")
    months = list(payment_months(start, start + 8760))[:3]
    assert [format_hour(hour)[:10] for month in months for hour in month] == [
        "2026-12-30",
        "2027-01-30",
        "2027-01-30",
        "2027-02-28",
        "2027-02-28",
        "2027-03-28",
    ]


def ptu(small: Small, **deployed: float) -> None:
    """Deployed provisioned throughput units by kind, at $1 per unit and hour."""
    for name, quantity in deployed.items():
        small.meter(name, 1, provider="azure", product="throughput", unit="PTU-Hours")
        small.use(name, quantity)


@pytest.mark.parametrize(
    ("reserved", "deployed", "lost", "on_demand"),
    [(100, 100, 0, 0), (300, 100, 200, 0), (200, 600, 0, 400), (300, "25", 275, 0)],
)
def test_az_ptu_reserved_and_deployed(small: Small, reserved, deployed, lost, on_demand) -> None:
    """AZ-PTU 1, 2, 3 and 5 (100 PTU for a quarter of an hour are 25)."""
    ptu(small, data_zone=deployed)
    small.offer("res", "throughput.units", {"data_zone": 1})
    small.hold("res", reserved)
    bill = small.bill()
    assert (held(bill, "res").unused, bill.on_demand) == (lost, on_demand)


def test_az_ptu_models_share_but_kinds_do_not(small: Small) -> None:
    """AZ-PTU 4 and 6: two deployments share a reservation; Global covers no Regional."""
    ptu(small, global_openai=250, global_deepseek=50, regional=10)
    small.offer("res", "throughput.units", {"global_openai": 1, "global_deepseek": 1})
    small.hold("res", 310)
    bill = small.bill()
    assert held(bill, "res").used == 300
    assert line(bill, "regional").on_demand == 10


def test_a_years_term_has_twelve_payments() -> None:
    """However the days of the months move, the twelfth month ends with the term."""
    for first in ("2026-12-30", "2026-02-01", "2027-03-01", "2027-08-31"):
        start = parse_hour(f"{first}T00:00:00Z")
        months = list(payment_months(start, start + 8760))
        assert len(months) == 12
        assert months[-1][1] == start + 8760
        assert all(a[1] == b[0] for a, b in pairwise(months))
