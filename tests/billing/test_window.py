# SPDX-License-Identifier: Apache-2.0
"""The window of a bill, its key figures, and what it refuses."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest

from optimizer.errors import DataError, MissingPrice
from optimizer.tables import format_hour

from .conftest import START, Small, held


def ri(small: Small, hourly: str = "0.50", **more: str) -> None:
    small.meter("m", 1, list_price=2)
    small.offer("ri", "aws.reserved.regional", {"m": 1}, hourly=hourly, **more)


def test_gaps_count_for_commitments(small: Small) -> None:
    """Hours without usage between the first and the last cost what is held."""
    ri(small)
    small.use("m", 2)
    small.use("m", 1, at=9)
    small.hold("ri", 1)
    bill = small.bill()
    assert (bill.first_hour, bill.hours) == (START, 10)
    assert bill.commitment_cost == 5
    assert (held(bill, "ri").used, held(bill, "ri").unused) == (2, 8)
    assert bill.on_demand == 1


def test_commitments_are_clipped_to_start_and_end(small: Small) -> None:
    """The end is the hour after the last; what lies outside the window costs nothing."""
    ri(small)
    small.use("m", [1] * 10)
    small.hold("ri", 1, name="inside", at=2, hours=3)
    small.hold("ri", 1, name="before", at=-100, hours=101)
    small.hold("ri", 1, name="behind", at=9, hours=100)
    small.hold("ri", 1, name="never", at=10, hours=100)
    bill = small.bill()
    assert {row.commitment: (row.cost, row.used) for row in bill.holdings} == {
        "before": (Decimal("0.5"), 1),
        "behind": (Decimal("0.5"), 1),
        "inside": (Decimal("1.5"), 3),
        "never": (0, 0),
    }
    assert bill.on_demand == 5


def test_the_commitment_that_ends_first_is_used_first(small: Small) -> None:
    """Of two that are alike; the names, which come after that, say the opposite here."""
    ri(small)
    small.use("m", 1)
    small.hold("ri", 1, name="a-later", hours=200)
    small.hold("ri", 1, name="b-sooner", hours=100)
    bill = small.bill()
    assert (held(bill, "a-later").used, held(bill, "b-sooner").used) == (0, 1)


def test_a_queued_commitment_counts_from_its_start(small: Small) -> None:
    ri(small)
    small.use("m", [1] * 4)
    small.hold("ri", 1, at=3, state="queued")
    assert small.bill().on_demand == 3


def test_payments_are_amortised(small: Small) -> None:
    """Upfront over the term, hourly, and monthly over the hours of its month, times two."""
    small.meter("m", 1)
    small.use("m", [0] * 24)
    small.offer(
        "ri", "aws.reserved.regional", {"m": 1}, upfront=8760, hourly="0.25", monthly="72.00"
    )
    small.hold("ri", 2)
    assert small.bill().total == 2 * (24 + 6 + Decimal("72.00") / 30)


def test_a_monthly_payment_over_two_months(small: Small) -> None:
    """From 2 November: 30 days for the first month, 31 for the one from 2 December."""
    small.meter("m", 1)
    small.use("m", 0)
    small.use("m", 0, at=40 * 24 - 1)
    small.offer("ri", "aws.reserved.regional", {"m": 1}, monthly="930.00")
    small.hold("ri", 1)
    assert small.bill().total == 930 + 300


def test_a_monthly_payment_from_the_middle_of_its_month(small: Small) -> None:
    """Bought on 23 October, billed for one day of a month of 31."""
    small.meter("m", 1)
    small.use("m", [0] * 24)
    small.offer("ri", "aws.reserved.regional", {"m": 1}, monthly="31.00")
    small.hold("ri", 1, at=-10 * 24)
    assert small.bill().total == 1


def test_key_figures(small: Small) -> None:
    """Coverage is over meters that some offer covers; utilization is weighted by cost."""
    ri(small)
    small.meter("other", 10, list_price=20)
    small.use("m", [3, 0])
    small.use("other", [1, 0])
    small.offer("dear", "aws.reserved.regional", {"m": 1}, hourly="1.50")
    small.hold("ri", 1)
    small.hold("dear", 1)
    bill = small.bill()
    # One hour of each is used, one is not; 1 of 3 hours of m is on demand.
    assert bill.total == 1 + 3 + 1 + 10
    assert bill.covered_at_on_demand == 2
    assert bill.coverage == pytest.approx(2 / 3, rel=1e-12)
    assert bill.utilization == 0.5
    assert bill.unused_cost == 2
    assert bill.savings_rate("on_demand") == pytest.approx(1 - 15 / 13, rel=1e-12)
    assert bill.savings_rate("list_price") == pytest.approx(1 - 15 / 26, rel=1e-12)


def test_coverage_leaves_out_what_has_no_price(small: Small) -> None:
    """A meter that cannot be had on demand has no such cost, covered or not: 1 of 4 dollars."""
    small.meter("m", 1)
    small.meter("never on demand", None)
    small.use("m", 4)
    small.use("never on demand", 9)
    small.offer("ri", "aws.reserved.regional", {"m": 1, "never on demand": 1})
    small.hold("ri", 10)
    small.tables["meters"][0]["size"] = 2  # the other one is served first
    bill = small.bill()
    assert bill.covered_at_on_demand == 1
    assert bill.coverage == 0.25


def test_utilization_is_weighted_by_cost(small: Small) -> None:
    """A used dear one and an idle cheap one: 3 of 4 dollars are used."""
    small.meter("m", 5)
    small.meter("idle", 5)
    small.use("m", 1)
    small.offer("dear", "aws.reserved.regional", {"m": 1}, hourly=3)
    small.offer("cheap", "aws.reserved.regional", {"idle": 1}, hourly=1)
    small.hold("dear", 1)
    small.hold("cheap", 1)
    assert small.bill().utilization == 0.75


def test_utilization_of_free_commitments(small: Small) -> None:
    """Where nothing costs anything the mean of the shares is left."""
    small.meter("m", 5)
    small.use("m", 1)
    small.offer("free", "aws.reserved.regional", {"m": 1})
    small.hold("free", 2)
    assert small.bill().utilization == 0.5


def test_esr_1(small: Small) -> None:
    """ESR-1: savings of $5,000 on $10,000 on demand are 50 %."""
    small.meter("m", 10)
    small.use("m", 1000)
    small.offer("plan", "aws.savings.compute", {"m": 5})
    small.hold("plan", 5000)
    bill = small.bill()
    assert bill.savings_rate("on_demand") == bill.savings_rate("list_price") == 0.5


def test_esr_2(small: Small) -> None:
    """ESR-2: utilization 90 % × discount 50 %, everything covered: 10 − 50/9 of 90 dollars."""
    small.meter("m", 10)
    small.use("m", 9)
    small.offer("ri", "aws.reserved.regional", {"m": 1}, hourly=5)
    small.hold("ri", 10)
    bill = small.bill()
    assert bill.utilization == 0.9
    assert bill.coverage == 1
    assert bill.savings_rate("on_demand") == pytest.approx(1 - 0.5 / 0.9, rel=1e-12)


def test_no_figures_without_a_base(small: Small) -> None:
    """Nothing used, nothing held: no rate, rather than one of zero or of a hundred."""
    small.meter("m", 1)
    small.use("m", 0)
    document = small.bill().as_dict()
    assert document["total"] == 0
    assert document["coverage"] is None
    assert document["utilization"] is None
    assert document["effective_savings_rate"] == {"on_demand": None, "list_price": None}


def test_fully_covered_needs_no_price(small: Small) -> None:
    """A meter that cannot be had on demand is billed where commitments cover it whole."""
    small.meter("m", None)
    small.use("m", [1, 2])
    small.offer("ri", "aws.reserved.regional", {"m": 1}, hourly=3)
    small.hold("ri", 2)
    bill = small.bill()
    assert bill.total == 12
    assert bill.savings_rate("on_demand") is None


def test_residues_need_no_price(small: Small) -> None:
    """Floats leave 1e-15 uncovered in each of a thousand hours: that is no usage."""
    small.meter("a", 1, size=1)
    small.meter("b", None, size=2)
    small.use("a", [3] * 1000)
    small.use("b", [7] * 1000)
    small.offer("ri", "aws.reserved.regional", {"a": "0.1", "b": "0.1"}, hourly=1)
    small.hold("ri", 1)
    bill = small.bill()
    assert bill.total == 1000
    assert held(bill, "ri").unused == 0


def test_a_price_is_missed_where_it_is_needed(small: Small) -> None:
    small.meter("fine", 1)
    small.meter("m", None)
    small.use("fine", 1)
    small.use("m", 2)
    small.offer("ri", "aws.reserved.regional", {"m": 1})
    small.hold("ri", 1)
    with pytest.raises(MissingPrice) as caught:
        small.bill()
    error = caught.value
    assert (error.file, error.row, error.column) == ("meters.csv", 2, "on_demand")


def test_a_meter_that_is_not_used_needs_no_price(small: Small) -> None:
    small.meter("m", 1)
    small.meter("never", None)
    small.use("m", 1)
    small.use("never", 0)
    assert small.bill().total == 1


def test_unknown_law(small: Small) -> None:
    small.meter("m", 1)
    small.use("m", 1)
    small.offer("fine", "aws.reserved.regional", {"m": 1})
    small.offer("wrong", "aws.reserved.global", {"m": 1})
    with pytest.raises(DataError) as caught:
        small.bill()
    error = caught.value
    assert (error.file, error.row, error.column) == ("offers.csv", 2, "law")
    assert "aws.reserved.regional" in error.mend


def test_no_usage_table(small: Small) -> None:
    small.meter("m", 1)
    with pytest.raises(DataError, match="no table usage"):
        small.bill()


def test_daily_rows_are_marked_and_spread(small: Small) -> None:
    """A day's 48 hours are two in each: one is covered in every hour."""
    ri(small)
    small.use("m", 48, grain="day")
    small.hold("ri", 1)
    bill = small.bill()
    assert (bill.hours, bill.on_demand, held(bill, "ri").used) == (24, 24, 24)
    assert bill.as_dict(detail=True)["lines"][0]["grain"] == "day"


def test_detail_adds_up(small: Small) -> None:
    """Hours and lines of ``--detail`` add up to the figures above them."""
    small.meter("m", "1.10", spot="0.30")
    small.meter("n", "0.70")
    small.use("m", [3, 1, 4, 1, 5], account="org/a", spot_share="0.25")
    small.use("n", [2, 7, 1, 8, 2], account="org/b")
    small.offer(
        "plan", "aws.savings.compute", {"m": "0.77", "n": "0.35"}, upfront=4380, hourly=".5"
    )
    small.hold("plan", "2.345", at=1, hours=3)
    document = small.bill().as_dict(detail=True)
    assert len(document["hours"]) == 5
    assert document["hours"][0]["hour"] == format_hour(START)
    for key in ("on_demand", "spot"):
        assert sum(row[key] for row in document["lines"]) == document[key]
    for key in ("on_demand", "spot", "commitment_cost"):
        total = sum(row[key] for row in document["hours"])
        assert abs(total - document[key]) < Decimal("1e-10")
    assert [float(row["commitment_cost"]) for row in document["hours"]] == pytest.approx(
        [0, 2.345, 2.345, 2.345, 0]
    )
    assert json.dumps(document, default=str)
