# SPDX-License-Identifier: Apache-2.0
"""Capacity and prices of tokens: published examples of model providers as small cases."""

from __future__ import annotations

from decimal import Decimal

import pytest

from optimizer.tables import parse_hour

from .conftest import Small, held, line

M = Decimal(10) ** 6
KINDS = ("global", "data_zone", "regional")


def ptu(small: Small, **reserved: float) -> None:
    """A meter of PTU-Hours at $2 for each kind, and reservations of theirs at $1."""
    for kind in KINDS:
        small.meter(kind, 2, provider="azure", product="throughput", unit="PTU-Hours")
        small.offer(f"res-{kind}", "azure.reservation", {kind: 1}, hourly=1)
    for kind, units in reserved.items():
        small.hold(f"res-{kind}", units)


def test_az_ptu_1_reserved_is_deployed(small: Small) -> None:
    """AZ-PTU (1): reserve 100, deploy 100 regional: the reservation's price only."""
    ptu(small, regional=100)
    small.use("regional", 100)
    bill = small.bill()
    assert (bill.total, bill.on_demand, bill.utilization) == (100, 0, 1)


def test_az_ptu_2_more_is_reserved(small: Small) -> None:
    """AZ-PTU (2): reserve 300 global, deploy 100: 200 are lost."""
    ptu(small, **{"global": 300})
    small.use("global", 100)
    bill = small.bill()
    assert (held(bill, "res-global").used, held(bill, "res-global").unused) == (100, 200)
    assert bill.total == 300


def test_az_ptu_3_more_is_deployed(small: Small) -> None:
    """AZ-PTU (3): reserve 200 data zone, deploy 600: 400 by the hour."""
    ptu(small, data_zone=200)
    small.use("data_zone", 600)
    bill = small.bill()
    assert line(bill, "data_zone").on_demand_quantity == 400
    assert bill.total == 200 + 400 * 2


def test_az_ptu_4_two_deployments(small: Small) -> None:
    """AZ-PTU (4): reserve 200, two deployments of 100 in two subscriptions: all covered."""
    ptu(small, regional=200)
    for name in ("one", "two"):
        small.use("regional", 100, account=f"org/ai/{name}", deployment=name)
    assert small.bill().total == 200


@pytest.mark.parametrize(
    ("units", "minutes", "billed"), [(100, 15, 25), (300, 60, 300), (100, 60, 100), (60, 1, 1)]
)
def test_az_ptu_5_by_the_minute(small: Small, units: int, minutes: int, billed: int) -> None:
    """AZ-PTU (5): 100 PTU for 15 minutes are 25 in that hour; 300 for an hour are 300."""
    ptu(small)
    small.use("regional", Decimal(units * minutes) / 60)
    assert small.bill().total == billed * 2
    small.hold("res-regional", 10)
    assert small.bill().on_demand == max(0, billed - 10) * 2


def test_az_ptu_6_any_model(small: Small) -> None:
    """AZ-PTU (6): a Global reservation of 300 covers 250 of one model and 50 of another."""
    ptu(small, **{"global": 300})
    small.use("global", 250, account="org/ai", deployment="azure-openai")
    small.use("global", 50, account="org/ai", deployment="deepseek")
    bill = small.bill()
    assert (bill.total, held(bill, "res-global").unused) == (300, 0)


@pytest.mark.parametrize("kind", KINDS)
def test_az_ptu_kinds_do_not_interchange(small: Small, kind: str) -> None:
    ptu(small, **{kind: 100})
    for deployed in KINDS:
        small.use(deployed, 40)
    bill = small.bill()
    assert {row.meter for row in bill.lines if row.covered} == {kind}
    assert bill.total == 100 + 80 * 2


def test_az_ptu_monthly_reservation(small: Small) -> None:
    """A reservation for a month of $260 for each unit, in November: $260/720 in each hour."""
    small.start = parse_hour("2026-11-01T00:00:00Z")
    small.meter("global", 2, provider="azure", product="throughput", unit="PTU-Hours")
    small.use("global", [300] * 720)
    small.offer(
        "res", "azure.reservation", {"global": 1}, monthly=260, payment="monthly", term_hours=720
    )
    small.hold("res", 300, hours=720)
    assert small.bill().total == 260 * 300


@pytest.mark.parametrize(("month", "hours"), [("2026-11", 720), ("2026-12", 744)])
def test_bedrock_model_units(small: Small, month: str, hours: int) -> None:
    """Two model units, paid by the month; a third one runs without commitment at $40."""
    small.start = parse_hour(f"{month}-01T00:00:00Z")
    small.meter("claude", 40, product="throughput", unit="Model-Unit-Hours")
    small.use("claude", [3] + [1] * (hours - 1))
    monthly = {"monthly": 15000, "payment": "monthly", "term_hours": hours}
    small.offer("one-month", "throughput.units", {"claude": 1}, **monthly)
    small.hold("one-month", 2, hours=hours)
    bill = small.bill()
    assert bill.commitment_cost == 30000
    assert bill.on_demand == 40
    assert held(bill, "one-month").unused == hours - 1
    assert bill.commitment_by_hour[5] == pytest.approx(30000 / hours)


def test_bedrock_bills_to_the_end_of_its_term(small: Small) -> None:
    """A committed unit costs in every hour of its month, and is on demand behind it."""
    small.start = parse_hour("2026-11-30T00:00:00Z")
    small.meter("claude", 40, product="throughput", unit="Model-Unit-Hours")
    small.use("claude", [0] * 24 + [1] * 24)
    small.offer("one-month", "throughput.units", {"claude": 1}, monthly=7200, term_hours=720)
    small.hold("one-month", 1, at=-29 * 24, hours=720)
    bill = small.bill()
    assert (bill.commitment_cost, bill.on_demand) == (24 * 10, 24 * 40)


@pytest.mark.parametrize(
    ("model", "per_minute", "per_day", "per_million", "standard", "multiple"),
    [
        ("gpt-5 in", 25_000, 75, "2.083", "1.25", "1.67"),
        ("gpt-5 out", 2_500, 60, "16.667", "10", "1.67"),
        ("gpt-4.1 in", 30_000, 110, "2.546", "2", "1.27"),
        ("gpt-4.1 out", 2_500, 36, "10.000", "8", "1.25"),
    ],
)
def test_openai_scale(
    small: Small,
    model: str,
    per_minute: int,
    per_day: int,
    per_million: str,
    standard: str,
    multiple: str,
) -> None:
    """OPENAI-SCALE: what a unit costs per million tokens if all of it is used."""
    an_hour = Decimal(per_minute * 60) / M
    small.meter(model, standard, provider="openai", product="tokens", unit="1M Tokens")
    draw = (1 / an_hour).quantize(Decimal("1e-12"))
    small.offer(
        "scale", "throughput.units", {model: draw}, hourly=Decimal(per_day) / 24, term_hours=720
    )
    small.hold("scale", 4, hours=720)
    small.use(model, [4 * an_hour] * 24)
    bill = small.bill()
    assert bill.on_demand == 0
    assert bill.total == 4 * per_day
    price = bill.total / line(bill, model).quantity
    assert round(price, 3) == Decimal(per_million)
    assert round(price / Decimal(standard), 2) == Decimal(multiple)
    # Scale Tier never beats the standard price, not even when all of it is used.
    assert bill.savings_rate("on_demand") < 0


def test_openai_scale_beyond_the_unit(small: Small) -> None:
    """Twice the tokens of a unit in one hour, none in the next: half at the standard price."""
    small.meter("gpt-4.1 out", 8, provider="openai", product="tokens", unit="1M Tokens")
    small.offer("scale", "throughput.units", {"gpt-4.1 out": "6.4"}, hourly="1.5")
    small.hold("scale", 1)
    small.use("gpt-4.1 out", ["0.3125", 0])
    bill = small.bill()
    assert bill.on_demand == Decimal("0.15625") * 8
    assert bill.total == 3 + Decimal("1.25")


CACHE = ("input", "write-5m", "write-1h", "read", "output")


@pytest.mark.parametrize(
    ("model", "prices"),
    [
        ("opus", "5 6.25 10 0.50 25"),
        ("sonnet", "3 3.75 6 0.30 15"),
        ("haiku", "1 1.25 2 0.10 5"),
        # Not every model reads at a tenth: its prices are meters, no rule derives them.
        ("fable", "10 12.50 20 0.25 50"),
    ],
)
def test_anthropic_cache(small: Small, model: str, prices: str) -> None:
    """ANTHROPIC-CACHE: tokens written to and read from a cache have meters of their own."""
    million = {"provider": "anthropic", "product": "tokens", "unit": "1M Tokens"}
    mix = dict(zip(CACHE, (2, 3, 1, 40, 1), strict=True))
    expected = Decimal(0)
    for kind, price in zip(CACHE, prices.split(), strict=True):
        for name, share in ((kind, Decimal(1)), (f"batch {kind}", Decimal("0.5"))):
            small.meter(f"{model} {name}", Decimal(price) * share, **million)
            small.use(f"{model} {name}", mix[kind])
            expected += Decimal(price) * share * mix[kind]
    bill = small.bill()
    assert bill.total == expected
    batch = sum(row.on_demand for row in bill.lines if "batch" in row.meter)
    assert batch == bill.total / 3  # half the price of everything, caches included


def test_anthropic_cache_against_none(small: Small) -> None:
    """A prefix of 0.1M tokens read ten times: 1.25 + 9 × 0.1 of the price of sending it once."""
    for name, price in (("input", 5), ("write", "6.25"), ("read", "0.5")):
        small.meter(name, price, provider="anthropic", product="tokens", unit="1M Tokens")
    small.use("write", "0.1")
    small.use("read", ["0.1"] * 9)
    assert small.bill().total == Decimal("0.5") * (Decimal("1.25") + Decimal("0.9"))


@pytest.mark.parametrize(
    ("model", "standard", "priority", "multiple"),
    [
        ("gpt-5", "1.25 0.125 10", "2.50 0.25 20", "2"),
        ("gpt-4.1", "2 0.50 8", "3.50 0.875 14", "1.75"),
        ("gpt-5-mini", "0.25 0.025 2", "0.45 0.045 3.60", "1.8"),
    ],
)
def test_openai_priority(
    small: Small, model: str, standard: str, priority: str, multiple: str
) -> None:
    """OPENAI-PRIORITY: the same tokens on the meters of the other tier."""
    mix = (7, 5, 3)
    for tier, prices in (("standard", standard), ("priority", priority)):
        for kind, price, units in zip(("in", "cached", "out"), prices.split(), mix, strict=True):
            name = f"{model} {tier} {kind}"
            small.meter(name, price, provider="openai", product="tokens", unit="1M Tokens")
            small.use(name, units)
    bill = small.bill()
    paid = {
        tier: sum(row.on_demand for row in bill.lines if tier in row.meter)
        for tier in ("standard", "priority")
    }
    assert paid["priority"] == paid["standard"] * Decimal(multiple)


@pytest.mark.parametrize(("count", "each", "dollars"), [(245, 1, 490), (5, 2, 20), (120, 3, 720)])
def test_focus_virtual_currency(small: Small, count: int, each: int, dollars: int) -> None:
    """FOCUS 1.2: tokens at $2; calls that burn one, two or three of them."""
    small.meter("token", 2, provider="vendor", product="tokens", unit="Tokens")
    small.use("token", count * each)
    assert small.bill().total == dollars
