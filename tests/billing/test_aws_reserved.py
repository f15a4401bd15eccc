# SPDX-License-Identifier: Apache-2.0
"""AWS Reserved Instances: the examples of the EC2 user guide and of the cost report guide.

One unit of an offer is one instance of its own type, so that ``draw`` is the size of the
meter over the size of that type.
"""

from __future__ import annotations

from decimal import Decimal

import pytest

from optimizer.tables import parse_hour

from .conftest import Small, held, line

# "Instance size flexibility": normalization factors.
FACTOR = {
    "small": 1,
    "medium": 2,
    "large": 4,
    "xlarge": 8,
    "2xlarge": 16,
    "4xlarge": 32,
    "8xlarge": 64,
    "16xlarge": 128,
    "metal": 128,
}


def factor(instance: str) -> int:
    return FACTOR[instance.split(".")[1]]


def run(small: Small, **running: float) -> None:
    """Instances that run in the hour at $1 per normalised unit; ``m4__large`` is m4.large."""
    for key, quantity in running.items():
        name = key.replace("__", ".").lstrip("_")
        if name not in {row["meter"] for row in small.tables["meters"]}:
            small.meter(name, factor(name), size=factor(name))
        small.use(name, quantity)


def regional(small: Small, instance: str, quantity: float, **more: str) -> None:
    """A size-flexible regional Reserved Instance covers the sizes of its family."""
    family = instance.split(".", maxsplit=1)[0]
    names = [row["meter"] for row in small.tables["meters"]]
    covers = {
        name: factor(name) / factor(instance) for name in names if name.split(".")[0] == family
    }
    small.offer(instance, "aws.reserved.regional", covers)
    small.hold(instance, quantity, **more)


def test_ri_0a_one_medium_covers_two_small(small: Small) -> None:
    run(small, t2__small=2)
    regional(small, "t2.medium", 1)
    assert small.bill().on_demand == 0


def test_ri_0b_one_medium_covers_half_a_large(small: Small) -> None:
    run(small, t2__large=1)
    regional(small, "t2.medium", 1)
    assert line(small.bill(), "t2.large").covered == Decimal("0.5")


@pytest.mark.parametrize(("size", "count"), [("16xlarge", 1), ("8xlarge", 2), ("4xlarge", 4)])
def test_ri_0c_metal_covers_sizes(small: Small, size: str, count: int) -> None:
    run(small, **{f"i3__{size}": count + 1})
    regional(small, "i3.metal", 1)
    assert line(small.bill(), f"i3.{size}").covered == count


def test_ri_0c_two_8xlarge_cover_one_metal(small: Small) -> None:
    run(small, i3__metal=1)
    regional(small, "i3.8xlarge", 2)
    assert small.bill().on_demand == 0


def test_ri_1_zonal_exact_size_and_flexible(small: Small) -> None:
    """RI-1: m3 by the zonal, m4 by four smaller regional ones, half of the c4."""
    for name, zone, quantity in (
        ("m3.large", "us-east-1a", 4),
        ("m4.xlarge", "us-east-1b", 2),
        ("c4.xlarge", "us-east-1c", 1),
    ):
        small.meter(name, factor(name), size=factor(name))
        small.use(name, quantity, zone=zone)
    small.offer("m3", "aws.reserved.zonal", {"m3.large": 1}, zone="us-east-1a")
    small.offer("m4", "aws.reserved.regional", {"m4.xlarge": "2"})
    small.offer("c4", "aws.reserved.regional", {"c4.xlarge": "2"})
    for name, quantity in (("m3", 4), ("m4", 4), ("c4", 1)):
        small.hold(name, quantity)
    bill = small.bill()
    assert line(bill, "m3.large", zone="us-east-1a").covered == 4
    assert line(bill, "m4.xlarge", zone="us-east-1b").covered == 2
    assert line(bill, "c4.xlarge", zone="us-east-1c").covered == Decimal("0.5")
    assert bill.on_demand == 4


def test_ri_2_smallest_size_first(small: Small) -> None:
    """RI-2: 16 units cover both m3.large, then one m3.xlarge; the other is on demand."""
    run(small, m3__xlarge=2, m3__large=2, m3__2xlarge=0)
    regional(small, "m3.2xlarge", 1)
    bill = small.bill()
    assert line(bill, "m3.large").covered == 2
    assert line(bill, "m3.xlarge").covered == 1


def test_ri_3_owner_first(small: Small) -> None:
    """RI-3: account A, which owns all, uses all up; B's two m4.xlarge get nothing."""
    sizes = ("m4.xlarge", "m4.2xlarge", "c4.xlarge", "c4.2xlarge")
    for name, quantity in zip(sizes, (2, 1, 2, 1), strict=True):
        small.meter(name, factor(name), size=factor(name))
        small.use(name, quantity, account="org/b-a")  # sorts behind B's
    small.use("m4.xlarge", 2, account="org/a-b")
    regional(small, "m4.xlarge", 4, account="org/b-a")
    regional(small, "c4.xlarge", 2, account="org/b-a")
    bill = small.bill()
    covered = [line(bill, name, "org/b-a").covered for name in sizes]
    assert covered == [2, 1, 2, 0]
    assert line(bill, "m4.xlarge", "org/a-b").covered == 0


def zonal_and_regional(small: Small) -> None:
    small.meter("m4.xlarge", 8, size=8)
    small.use("m4.xlarge", 1, account="org/a", zone="us-east-1a")
    small.use("m4.xlarge", 1, account="org/b", zone="us-east-1b")
    small.offer("regional", "aws.reserved.regional", {"m4.xlarge": 1})
    small.offer("zonal", "aws.reserved.zonal", {"m4.xlarge": 1}, zone="us-east-1a")
    small.hold("regional", 1, account="org/a")


def test_ri_4_zonal_of_others_before_own_regional(small: Small) -> None:
    """RI-4: C's zonal one covers A, so that A's regional one is left for B."""
    zonal_and_regional(small)
    small.hold("zonal", 1, account="org/c")
    bill = small.bill()
    assert bill.on_demand == 0
    assert [holding.used for holding in bill.holdings] == [1, 1]


def test_zonal_covers_its_zone_only(small: Small) -> None:
    """Without usage in its zone a zonal one is unused; the meter's zone stands in for none."""
    zonal_and_regional(small)
    small.tables["commitments"].clear()
    small.tables["usage"][0]["zone"] = "us-east-1c"
    small.hold("zonal", 1, account="org/c")
    assert held(small.bill(), "zonal").used == 0
    small.tables["usage"][0]["zone"] = ""
    small.tables["meters"][0]["zone"] = "us-east-1a"
    assert line(small.bill(), "m4.xlarge", "org/a", "us-east-1a").covered == 1


def test_ri_sec_1_four_instances_for_an_hour(small: Small) -> None:
    run(small, m4__large=4)
    regional(small, "m4.large", 1)
    bill = small.bill()
    assert (line(bill, "m4.large").covered, line(bill, "m4.large").on_demand_quantity) == (1, 3)


def test_ri_sec_2_four_instances_for_a_quarter_each(small: Small) -> None:
    """3,600 seconds of benefit per clock hour may be spread over instances at once."""
    small.meter("m4.large", 4)
    for charge in range(4):
        small.use("m4.large", "0.25", charge_id=charge)
    small.offer("ri", "aws.reserved.regional", {"m4.large": 1})
    small.hold("ri", 1)
    bill = small.bill()
    assert (bill.on_demand, held(bill, "ri").used) == (0, 1)


def test_cur_ri_fee_of_a_month(tmp_path_factory: pytest.TempPathFactory) -> None:
    """CUR-RI: $0.0309 in 744 hours are $22.99 (the report prints 23), used or not."""
    january = parse_hour("2026-01-01T00:00:00Z")
    small = Small(tmp_path_factory.mktemp("month") / "case", start=january)
    small.meter("m4.large", "0.10")
    small.use("m4.large", 1)
    small.use("m4.large", 1, at=743)
    small.offer("ri", "aws.reserved.regional", {"m4.large": 1}, hourly="0.0309")
    small.hold("ri", 1)
    bill = small.bill()
    assert bill.total == Decimal("22.9896")
    assert (held(bill, "ri").used, held(bill, "ri").unused) == (2, 742)


def test_cur_flex_one_xlarge_for_two_large(small: Small) -> None:
    """CUR-FLEX: $0.0618 in 744 hours are $45.98; both m4.large cost nothing more."""
    for name in ("m4.large", "m4.xlarge"):
        small.meter(name, "0.10", size=factor(name))
    small.use("m4.large", [1] * 744, account="org/a")
    small.use("m4.large", [1] * 744, account="org/b")
    small.offer("ri", "aws.reserved.regional", {"m4.large": "0.5", "m4.xlarge": 1}, hourly="0.0618")
    small.hold("ri", 1)
    bill = small.bill()
    assert bill.total == bill.commitment_cost == Decimal("45.9792")
    assert held(bill, "ri").used == 744


def test_cur_amort_all_upfront(small: Small) -> None:
    """CUR-AMORT: $365 all upfront for a year is $1 a day."""
    small.meter("m", 1)
    small.use("m", [1] * 24)
    small.offer("ri", "aws.reserved.regional", {"m": 1}, payment="all", upfront=365)
    small.hold("ri", 1)
    assert small.bill().total == 1


def test_ri_list_value_partial_upfront(small: Small) -> None:
    """RI-list-value: 60.00 + 0.007 × 8760 = 121.32 for the whole year."""
    small.meter("t2.small", "0.023")
    small.use("t2.small", 1)
    small.use("t2.small", 1, at=8759)
    terms = {"payment": "partial", "upfront": "60.00", "hourly": "0.007"}
    small.offer("ri", "aws.reserved.regional", {"t2.small": 1}, **terms)
    small.hold("ri", 1)
    assert small.bill().total == Decimal("121.32")


def test_consolidated_on_demand(small: Small) -> None:
    """CONSOL: three reservations and a fourth instance on demand, 720 h × $0.023 = $16.56."""
    small.meter("t2.small", "0.023")
    small.use("t2.small", [4] * 720)
    small.offer("ri", "aws.reserved.regional", {"t2.small": 1})
    small.hold("ri", 2, name="all upfront")
    small.hold("ri", 1, name="partial upfront")
    bill = small.bill()
    assert bill.on_demand == Decimal("16.56")
    assert line(bill, "t2.small").covered == 2160
