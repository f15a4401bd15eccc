# SPDX-License-Identifier: Apache-2.0
"""Offers that do not fit the meters that they are said to cover are refused, with their place."""

from __future__ import annotations

from decimal import Decimal

import pytest

from optimizer.billing.fit import open_catalogue
from optimizer.errors import DataError
from optimizer.tables import parse_hour

from .conftest import Small, held, line


def refusal(small: Small) -> tuple[str | None, int | None, str | None]:
    """Where the case is refused: file, row, column; the message names what and how to mend."""
    with pytest.raises(DataError) as caught:
        open_catalogue(small.case())
    assert caught.value.mend
    return caught.value.file, caught.value.row, caught.value.column


def sizes(small: Small, **sized: float | None) -> None:
    for name, size in sized.items():
        small.meter(name, 1, size=size)


@pytest.mark.parametrize(
    ("law", "provider"),
    [
        ("aws.reserved.regional", "azure"),
        ("aws.savings.compute", "gcp"),
        ("azure.reservation", "aws"),
        ("azure.savings", "gcp"),
        ("gcp.resource", "aws"),
        ("gcp.flexible.legacy", "azure"),
    ],
)
def test_a_law_of_another_provider(small: Small, law: str, provider: str) -> None:
    small.meter("own", 1, provider=law.split(".", maxsplit=1)[0])
    small.meter("other", 1, provider=provider)
    small.offer("o", law, {"own": 1, "other": 1})
    assert refusal(small) == ("covers.csv", 2, "meter")


@pytest.mark.parametrize("provider", ["aws", "azure", "gcp", "openai"])
@pytest.mark.parametrize("law", ["capacity.block", "throughput.units"])
def test_prepaid_laws_are_nobodys(small: Small, law: str, provider: str) -> None:
    small.meter("m", 1, provider=provider)
    small.offer("o", law, {"m": 1})
    assert open_catalogue(small.case()).draws == {"o": {"m": Decimal(1)}}


@pytest.mark.parametrize(
    ("law", "measure"),
    [
        ("aws.reserved.zonal", "money"),
        ("aws.savings.instance", "units"),
        ("azure.savings", "units"),
        ("gcp.flexible", "units"),
        ("gcp.resource", "money"),
        ("throughput.units", "money"),
    ],
)
def test_the_wrong_measure(small: Small, law: str, measure: str) -> None:
    provider = law.split(".", maxsplit=1)[0]
    small.meter("m", 1, provider=provider)
    small.offer("right", "capacity.block", {"m": 1})
    small.offer("wrong", law, {"m": 1}, measure=measure, zone="z")
    assert refusal(small) == ("offers.csv", 2, "measure")


def test_an_unknown_law(small: Small) -> None:
    small.meter("m", 1)
    small.offer("o", "aws.reserved.lunar", {"m": 1})
    assert refusal(small) == ("offers.csv", 1, "law")


def test_a_size_flexible_offer_on_a_meter_without_a_size(small: Small) -> None:
    sizes(small, large=4, xlarge=None)
    small.offer("ri", "aws.reserved.regional", {"large": 1, "xlarge": 2}, group="m4")
    assert refusal(small) == ("meters.csv", 2, "size")


def test_one_meter_needs_no_size(small: Small) -> None:
    sizes(small, large=None)
    small.offer("ri", "aws.reserved.regional", {"large": 1}, group="m4")
    assert open_catalogue(small.case()).draws["ri"]


def test_draws_are_in_the_ratio_of_sizes(small: Small) -> None:
    sizes(small, large=4, xlarge=8, big=16)
    small.offer("ri", "aws.reserved.regional", {"large": 1, "xlarge": 2, "big": 3}, group="m4")
    assert refusal(small) == ("covers.csv", 3, "draw")
    small.tables["covers"][2]["draw"] = 4
    assert len(open_catalogue(small.case()).draws["ri"]) == 3


def test_ratios_agree_to_a_millionth(small: Small) -> None:
    sizes(small, one=3, two=1)
    small.offer("ri", "azure.reservation", {"one": 1, "two": "0.3333333"}, group="g")
    small.tables["meters"] = [row | {"provider": "azure"} for row in small.tables["meters"]]
    assert open_catalogue(small.case()).draws["ri"]
    small.tables["covers"][1]["draw"] = "0.33333"
    assert refusal(small) == ("covers.csv", 2, "draw")


def test_without_a_group_draws_are_free(small: Small) -> None:
    """And so they are for money, where a group says nothing about sizes."""
    sizes(small, large=4, xlarge=None)
    small.offer("ri", "aws.reserved.regional", {"large": 1, "xlarge": 3})
    small.offer("sp", "aws.savings.instance", {"large": 1, "xlarge": 3}, group="m4")
    assert len(open_catalogue(small.case()).draws) == 2


def test_a_meter_in_two_groups_of_a_law(small: Small) -> None:
    sizes(small, large=4, xlarge=8)
    small.offer("a", "aws.reserved.regional", {"large": 1, "xlarge": 2}, group="m4")
    small.offer("b", "aws.reserved.regional", {"large": 1}, group="other")
    assert refusal(small) == ("covers.csv", 3, "meter")
    small.tables["offers"][1]["group"] = "m4"
    assert len(open_catalogue(small.case()).offers) == 2


def test_a_meter_in_groups_of_two_laws(small: Small) -> None:
    sizes(small, large=4)
    small.offer("a", "aws.reserved.regional", {"large": 1}, group="m4")
    small.offer("b", "aws.reserved.zonal", {"large": 1}, group="other", zone="z")
    assert len(open_catalogue(small.case()).offers) == 2


@pytest.mark.parametrize(
    ("fee", "fits"),
    [
        ({"hourly": "0.54"}, True),
        ({"hourly": 1}, True),
        ({"hourly": "1.01"}, False),
        ({"hourly": "0.5", "upfront": 8760}, False),
        ({"hourly": "0.5", "upfront": 4380}, True),
    ],
)
def test_a_legacy_fee_above_its_dollars(small: Small, fee: dict[str, object], fits: bool) -> None:
    """The fee of legacy flexible commitments is a share of the list dollars they cover."""
    small.meter("m", 1, provider="gcp")
    small.offer("o", "gcp.flexible.legacy", {"m": 1}, **fee)
    if fits:
        assert open_catalogue(small.case()).offers["o"]
    else:
        assert refusal(small) == ("offers.csv", 1, "hourly")


def test_a_mode_that_changes_at_the_month_s_end(small: Small) -> None:
    """The setting of 20 December decides all of December, and nothing of November."""
    small.start = parse_hour("2026-11-30T22:00:00Z")
    small.toml = "".join(
        f'[[sharing.aws]]\nfrom = "{day}"\nmode = "{mode}"\n'
        for day, mode in (("2026-01-01", "organization"), ("2026-12-20", "off"))
    )
    small.meter("m", 1)
    small.use("m", [1] * 5, account="org/g1/other")
    small.offer("ri", "aws.reserved.regional", {"m": 1})
    small.hold("ri", 1, account="org/g1/owner")
    bill = small.bill()
    assert line(bill, "m", "org/g1/other").covered == 2
    assert (held(bill, "ri").used, held(bill, "ri").unused) == (2, 3)
    assert list(bill.on_demand_by_hour) == [0, 0, 1, 1, 1]
