# SPDX-License-Identifier: Apache-2.0
"""Prepaid capacity lies outside every discount; spot is charged by its own rules."""

from __future__ import annotations

from decimal import Decimal

import pytest

from optimizer.errors import MissingPrice

from .conftest import Small, held, line


@pytest.mark.parametrize("law", ["capacity.block", "throughput.units"])
def test_capacity_block_outside_discounts(small: Small, law: str) -> None:
    """CB-1: neither reservation nor plan applies to what runs in a block, used or not."""
    small.meter("p5", 50)
    small.use("p5", [4, 1])
    small.offer("z-block", law, {"p5": 1}, term_hours=24, upfront=24 * 30)
    small.offer("a-plan", "aws.savings.compute", {"p5": 25})
    small.offer("b-ri", "aws.reserved.regional", {"p5": 1})
    small.hold("z-block", 2, hours=24)
    small.hold("a-plan", 25)
    small.hold("b-ri", 1)
    bill = small.bill()
    # 4 run: two in the block, one reserved, one by the plan; 1 runs: in the block.
    assert held(bill, "z-block").used == 3
    assert held(bill, "z-block").unused == 1
    assert held(bill, "b-ri").used == 1
    assert held(bill, "a-plan").used == 25
    assert held(bill, "z-block").cost == 2 * 2 * 30
    assert bill.on_demand == 0


def reservation(small: Small) -> None:
    """ODCR-1: a reservation for 20 m4.large of which 15 run; the names sort the other way."""
    small.meter("z-running", "0.10")
    small.meter("a-unused", "0.10", capacity_reservation_status="unused")
    small.use("z-running", 15, zone="1a")
    small.use("a-unused", 5, zone="1a")


def test_odcr_1_unused_reservation_at_on_demand(small: Small) -> None:
    reservation(small)
    bill = small.bill()
    assert bill.total == 2
    assert line(bill, "a-unused", zone="1a").on_demand == Decimal("0.50")


@pytest.mark.parametrize("law", ["aws.reserved.regional", "aws.savings.compute"])
def test_odcr_5_running_instances_first(small: Small, law: str) -> None:
    """Regional ones and plans apply to what runs, then to what the reservation leaves unused."""
    reservation(small)
    draw = "0.05" if "savings" in law else 1
    small.offer("offer", law, {"z-running": draw, "a-unused": draw})
    small.hold("offer", Decimal(str(draw)) * 17)
    bill = small.bill()
    assert line(bill, "z-running", zone="1a").covered == 15
    assert line(bill, "a-unused", zone="1a").covered == 2


def test_odcr_5_no_zonal_reserved_instances(small: Small) -> None:
    reservation(small)
    small.offer("ri", "aws.reserved.zonal", {"z-running": 1, "a-unused": 1}, zone="1a")
    small.hold("ri", 20)
    bill = small.bill()
    assert line(bill, "z-running", zone="1a").covered == 15
    assert line(bill, "a-unused", zone="1a").covered == 0


def test_capacity_block_lasts_for_its_length(small: Small) -> None:
    """A block starts and ends at fixed hours; outside them usage is on demand."""
    small.meter("p5", 50)
    small.use("p5", [1] * 72)
    small.offer("block", "capacity.block", {"p5": 1}, term_hours=24, upfront=720)
    small.hold("block", 1, at=24, hours=24)
    bill = small.bill()
    assert bill.on_demand == 48 * 50
    assert bill.commitment_cost == 720


def test_capacity_block_owner_first(small: Small) -> None:
    small.meter("p5", 50)
    small.use("p5", 1, account="org/a")
    small.use("p5", 1, account="org/b")
    small.offer("block", "capacity.block", {"p5": 1}, term_hours=24)
    small.hold("block", 1, account="org/b", hours=24)
    assert line(small.bill(), "p5", "org/b").covered == 1


@pytest.mark.parametrize(
    ("provider", "interrupted", "spot"),
    [("aws", "true", 0), ("aws", "false", 2), ("azure", "true", 2), ("gcp", "true", 2)],
)
def test_spot_1_first_hour(small: Small, provider: str, interrupted: str, spot: int) -> None:
    """SPOT-1: AWS does not charge an instance that it takes in its first hour."""
    small.meter("vm", 5, provider=provider, spot=1)
    small.use("vm", 4, spot_share="0.5", interrupted=interrupted)
    bill = small.bill()
    assert (bill.spot, bill.on_demand) == (spot, 10)
    assert line(bill, "vm").spot_quantity == 2


def test_spot_1_later_interruption_is_charged(small: Small) -> None:
    """Only the part that was taken is free, the rest of the hour's spot usage is not."""
    small.meter("vm", 5, spot="0.25")
    small.use("vm", 3, spot_share=1, interrupted="true", charge_id="taken")
    small.use("vm", 2, spot_share=1, charge_id="stayed")
    bill = small.bill()
    assert bill.spot == Decimal("0.50")
    assert bill.spot_by_hour.tolist() == [0.5]


def test_spot_needs_its_price(small: Small) -> None:
    small.meter("unused", 1)
    small.meter("vm", 5)
    small.use("vm", 1, spot_share=1)
    with pytest.raises(MissingPrice) as caught:
        small.bill()
    assert (caught.value.file, caught.value.row, caught.value.column) == ("meters.csv", 2, "spot")


def test_spot_that_is_free_needs_no_price(small: Small) -> None:
    small.meter("vm", 5)
    small.use("vm", 1, spot_share=1, interrupted="true")
    assert small.bill().total == 0
