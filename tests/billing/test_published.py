# SPDX-License-Identifier: Apache-2.0
"""Published worked examples that no other file of tests holds; ``docs/laws.md`` lists them all."""

from __future__ import annotations

from decimal import Decimal

import pytest

from optimizer.billing.kpis import key_figures
from optimizer.billing.sustained import rates_of
from optimizer.tables import parse_hour

from .conftest import Small, held, line

PLACES = Decimal("1e-12")

# AWS: plans, and the rows of the cost report.

# meter: (count, rate of the plan); RHEL, eu-central-1, one year, nothing upfront.
CALC_1 = {
    "r6i.xlarge": (2, "0.28025"),
    "r6i.2xlarge": (4, "0.5705"),
    "m6i.2xlarge": (1, "0.48074"),
    "m6idn-host": (1, "10.83"),
}


@pytest.mark.parametrize(
    ("law", "rates", "commitment"),
    [
        ("aws.savings.compute", CALC_1, "14.15324"),
        ("aws.savings.compute", {"one": (1, "0.26318")}, "0.26318"),
        ("aws.savings.instance", {"m5": (2, "0.157")}, "0.314"),
    ],
)
def test_calc_1(small: Small, law: str, rates: dict[str, tuple[int, str]], commitment: str) -> None:
    """CALC-1: the commitment is Σ rate × count, and exactly that usage spends all of it."""
    for name, (count, rate) in rates.items():
        small.meter(name, 2 * Decimal(rate))
        small.use(name, count)
    small.offer("plan", law, {name: rate for name, (_, rate) in rates.items()})
    small.hold("plan", sum(count * Decimal(rate) for count, rate in rates.values()))
    bill = small.bill()
    assert bill.total == held(bill, "plan").used == Decimal(commitment)
    assert (bill.utilization, bill.on_demand, held(bill, "plan").unused) == (1, 0, 0)


def test_calc_1_terms_are_plans_of_their_own(small: Small) -> None:
    """CALC-1: a one-year and a three-year plan are two commitments, each paid for itself."""
    small.meter("m", 1)
    small.use("m", 2)
    for name, hours in (("one", 8760), ("three", 26280)):
        small.offer(name, "aws.savings.compute", {"m": "0.5"}, term_hours=hours)
        small.hold(name, "0.5", hours=hours)
    bill = small.bill()
    assert [row.used for row in bill.holdings] == [Decimal("0.5")] * 2
    assert bill.total == 1


def test_cur_sp_upfront_over_the_year(small: Small) -> None:
    """CUR-SP: $43.80 all upfront are $0.005 in each of 8,760 hours, used or not."""
    small.meter("t3.nano", "0.0052")
    small.use("t3.nano", 1)
    small.use("t3.nano", 1, at=8759)
    small.offer("sp", "aws.savings.compute", {"t3.nano": "0.0026"}, payment="all", upfront=8760)
    small.hold("sp", "0.005")
    bill = small.bill()
    assert bill.total == bill.commitment_cost == Decimal("43.80")
    assert bill.commitment_by_hour[[0, 8759]].tolist() == pytest.approx([0.005] * 2, rel=1e-12)
    assert held(bill, "sp").used == Decimal("0.0052")


def test_consol_blended_rate(small: Small) -> None:
    """CONSOL: $16.56 over 2,880 h are $0.00575; two accounts of one instance owe $4.14 each."""
    small.meter("t2.small", "0.023")
    for account, count in (("org/a", 2), ("org/b", 1), ("org/c", 1)):
        small.use("t2.small", [count] * 720, account=account)
    small.offer("ri", "aws.reserved.regional", {"t2.small": 1})
    small.hold("ri", 2, name="all upfront", account="org/a")
    small.hold("ri", 1, name="partial upfront", account="org/b")
    bill = small.bill()
    blended = bill.on_demand / sum(row.quantity for row in bill.lines)
    assert blended == Decimal("0.00575")
    allocated = {row.account: row.quantity * blended for row in bill.lines}
    assert allocated == {
        "org/a": Decimal("8.28"),
        "org/b": Decimal("4.14"),
        "org/c": Decimal("4.14"),
    }
    assert sum(allocated.values()) == bill.on_demand == Decimal("16.56")
    # Unblended, as ours: the third account alone runs on demand.
    assert line(bill, "t2.small", "org/c").on_demand == Decimal("16.56")


def test_ri_term(small: Small) -> None:
    """RI-term: 31,536,000 s and 94,608,000 s; the hour behind the term is on demand."""
    hours = {"one": 31_536_000 // 3600, "three": 94_608_000 // 3600}
    assert hours == {"one": 365 * 24, "three": 1095 * 24}
    small.meter("m", 3)
    small.use("m", 1, at=hours["one"] - 1)
    small.use("m", 1, at=hours["one"])
    small.offer("ri", "aws.reserved.regional", {"m": 1}, term_hours=hours["one"])
    small.hold("ri", 1, hours=hours["one"])
    bill = small.bill()
    assert (held(bill, "ri").used, bill.on_demand) == (1, 3)


# AWS: capacity reservations and capacity blocks.


def reservation(small: Small) -> None:
    """m4.large at $0.10, and the unused part of reservations for it."""
    small.meter("running", "0.10")
    small.meter("unused", "0.10", capacity_reservation_status="unused")


def test_odcr_1_twenty_reserved_fifteen_running(small: Small) -> None:
    """ODCR-1: 15 instances and 5 unused, all at the on-demand price."""
    reservation(small)
    small.use("running", 15)
    small.use("unused", 5)
    bill = small.bill()
    assert (line(bill, "running").on_demand, line(bill, "unused").on_demand) == (
        Decimal("1.50"),
        Decimal("0.50"),
    )


def test_odcr_2_by_the_second(small: Small) -> None:
    """ODCR-2: 24 h 15 min are 24.25 hours of reservation."""
    reservation(small)
    small.use("unused", [1] * 24 + ["0.25"])
    bill = small.bill()
    assert line(bill, "unused").quantity == Decimal("24.25")
    assert bill.total == Decimal("2.425")


def test_odcr_3_six_hours(small: Small) -> None:
    """ODCR-3: unused, occupied for four hours, cancelled while it runs: $0.60, once an hour."""
    reservation(small)
    small.use("unused", 1)
    small.use("running", [1] * 5, at=1)
    bill = small.bill()
    assert bill.total == Decimal("0.60")
    assert bill.on_demand_by_hour.tolist() == pytest.approx([0.10] * 6, rel=1e-12)


@pytest.mark.parametrize(("hours", "used", "unused"), [(1, 2, 8), (24, 48, 192)])
def test_odcr_4_units_of_the_cost_report(small: Small, hours: int, used: int, unused: int) -> None:
    """ODCR-4: 2 of 10 used; the row of the reservation itself has a rate of 0."""
    reservation(small)
    small.meter("reservation", 0)
    for name, count in (("running", 2), ("unused", 8), ("reservation", 10)):
        small.use(name, [count] * hours)
    bill = small.bill()
    assert (line(bill, "running").quantity, line(bill, "unused").quantity) == (used, unused)
    assert line(bill, "reservation").quantity == 10 * hours
    assert bill.total == Decimal("0.10") * (used + unused)


def test_odcr_5_both_discounts_then_none_left(small: Small) -> None:
    """ODCR-5: running instances first for the Reserved Instance, and then for the plan."""
    reservation(small)
    small.use("running", 3)
    small.use("unused", 3)
    small.offer("ri", "aws.reserved.regional", {"running": 1, "unused": 1})
    small.offer("sp", "aws.savings.compute", {"running": "0.05", "unused": "0.05"})
    small.hold("ri", 2)
    small.hold("sp", "0.10")
    bill = small.bill()
    assert line(bill, "running").covered == 3
    assert line(bill, "unused").covered_by == (("aws.savings.compute", 1),)
    assert bill.on_demand == Decimal("0.20")


def test_cb_1_prepaid_and_the_operating_system(small: Small) -> None:
    """CB-1: the block is paid whole whether used or not, the system's fee while it runs."""
    small.meter("p5", 50)
    small.meter("rhel", 2)
    small.use("p5", [8] * 6 + [0] * 18)
    small.use("rhel", [8] * 6 + [0] * 18)
    small.offer("block", "capacity.block", {"p5": 1}, term_hours=24, upfront=24 * 30)
    small.hold("block", 8, hours=24)
    bill = small.bill()
    assert bill.commitment_cost == 8 * 24 * 30
    assert bill.on_demand == 8 * 6 * 2


# Azure: rows of the retail price list.


def test_az_retail_price_of_the_whole_term(small: Small) -> None:
    """AZ-RETAIL: $3,478.00 "per 1 Hour" are those of a year: 0.39703 an hour, 41.0 % off."""
    small.meter("B16als_v2", "0.673", provider="azure")
    small.use("B16als_v2", [1] * 10)
    small.offer("res", "azure.reservation", {"B16als_v2": 1}, upfront="3478.0")
    small.hold("res", 1)
    bill = small.bill()
    assert bill.total == (Decimal(3478) / 8760 * 10).quantize(PLACES)
    assert round(bill.total / 10, 5) == Decimal("0.39703")
    assert round(bill.savings_rate("on_demand"), 3) == 0.410


@pytest.mark.parametrize(
    ("years", "rate", "saving"), [(3, "0.34323", 0.490), (1, "0.49129", 0.270)]
)
def test_az_retail_savings_plans(small: Small, years: int, rate: str, saving: float) -> None:
    """AZ-RETAIL: the rates of the savings plans are by the hour."""
    small.meter("B16als_v2", "0.673", provider="azure")
    small.use("B16als_v2", 1)
    small.offer("plan", "azure.savings", {"B16als_v2": rate}, term_hours=8760 * years)
    small.hold("plan", rate, hours=8760 * years)
    bill = small.bill()
    assert bill.total == Decimal(rate)
    assert round(bill.savings_rate("on_demand"), 3) == saving


def test_az_retail_gpu_four_meters_of_one_name(small: Small) -> None:
    """AZ-RETAIL-GPU: Linux, Windows, Spot and Low Priority keep their own prices."""
    small.meter("ND96isr_H100_v5", "98.32", provider="azure", spot="18.169536")
    small.meter("ND96isr_H100_v5 Windows", "102.736", provider="azure")
    small.meter("ND96isr_H100_v5 Low Priority", "41.094", provider="azure")
    for row in list(small.tables["meters"]):
        small.use(row["meter"], 1)
    small.use("ND96isr_H100_v5", 1, spot_share=1, charge_id="spot")
    bill = small.bill()
    assert {row.meter: row.on_demand for row in bill.lines} == {
        "ND96isr_H100_v5": Decimal("98.32"),
        "ND96isr_H100_v5 Windows": Decimal("102.736"),
        "ND96isr_H100_v5 Low Priority": Decimal("41.094"),
    }
    assert bill.spot == Decimal("18.169536")
    small.offer("res", "azure.reservation", {"ND96isr_H100_v5": 1})
    small.hold("res", 4)
    bill = small.bill()
    assert held(bill, "res").used == 1  # neither Windows nor Spot nor Low Priority
    assert bill.on_demand == Decimal("102.736") + Decimal("41.094")


# Google Cloud: list prices.


@pytest.mark.parametrize(
    ("machine", "on_demand", "rate", "factor"),
    [
        ("c4-standard-2", "0.096866", "0.06974352", "0.72"),
        ("c4-standard-2", "0.096866", "0.05230764", "0.54"),
        ("h4d-standard-192", "7.85376", "6.5186208", "0.83"),
        ("h4d-standard-192", "7.85376", "4.8693312", "0.62"),
        ("m3-ultramem-32", "6.0912", "6.0912", "1"),
        ("m3-ultramem-32", "6.0912", "2.253744", "0.37"),
    ],
)
def test_gcp_flex_rates(small: Small, machine: str, on_demand: str, rate: str, factor: str) -> None:
    """GCP-FLEX: one year at ×0.72, ×0.83 and no discount, three at ×0.54, ×0.62, ×0.37."""
    assert Decimal(on_demand) * Decimal(factor) == Decimal(rate)
    small.meter(machine, on_demand, provider="gcp")
    small.use(machine, [1] * 3)
    small.offer("flex", "gcp.flexible", {machine: rate})
    small.hold("flex", rate)
    bill = small.bill()
    assert bill.total == 3 * Decimal(rate)
    assert bill.savings_rate("on_demand") == pytest.approx(1 - float(factor), abs=1e-12)


# us-central1, dollars an hour: on demand, one year, three years, and their savings in percent.
GPUS = [
    ("a3-ultragpu-8g", "84.806908493", "58.471933151", "37.208420822", 31.1, 56.1),
    ("a3-megagpu-8g", "93.400712807", "64.206558727", "40.650103355", 31.3, 56.5),
    ("a3-highgpu-8g", "88.490000119", "61.383674231", "38.864383195", 30.6, 56.1),
    ("a2-highgpu-1g", "3.673385", "2.31420704", "1.285708338", 37.0, 65.0),
    ("g4-standard-48", "4.49993", "3.105", "1.97945", 31.0, 56.0),
    ("g2-standard-4", "0.706832276", "0.445304335", "0.318074524", 37.0, 55.0),
    ("n1-t4", "0.35", "0.22", "0.16", 37.1, 54.3),
    ("n1-p4", "0.60", "0.378", "0.27", 37.0, 55.0),
    ("n1-v100", "2.48", "1.562", "1.116", 37.0, 55.0),
    ("n1-p100", "1.46", "0.919", "0.657", 37.1, 55.0),
]


@pytest.mark.parametrize("years", [1, 3])
@pytest.mark.parametrize("gpu", GPUS, ids=lambda row: row[0])
def test_gcp_gpu_savings_of_commitments(
    small: Small, gpu: tuple[str, str, str, str, float, float], years: int
) -> None:
    """GCP-GPU: a machine that runs on a commitment saves what the list says."""
    name, on_demand, one, three, saving_one, saving_three = gpu
    rate, saving = (one, saving_one) if years == 1 else (three, saving_three)
    small.meter(name, on_demand, provider="gcp")
    small.use(name, [2] * 5)
    hours = 8760 * years
    small.offer("cud", "gcp.resource", {name: 1}, hourly=rate, term_hours=hours)
    small.hold("cud", 2, hours=hours)
    bill = small.bill()
    assert bill.total == 10 * Decimal(rate)
    assert round(100 * bill.savings_rate("on_demand"), 1) == saving


def test_gcp_gpu_without_on_demand(small: Small) -> None:
    """GCP-GPU: a4-highgpu-8g cannot be had on demand; committed it costs its rate."""
    small.meter("a4-highgpu-8g", None, provider="gcp")
    small.use("a4-highgpu-8g", 1)
    small.offer("cud", "gcp.resource", {"a4-highgpu-8g": 1}, hourly="56.7072", term_hours=26280)
    small.hold("cud", 1, hours=26280)
    bill = small.bill()
    assert bill.total == Decimal("56.7072")
    assert bill.savings_rate("on_demand") is None


@pytest.mark.parametrize(
    ("flex_start", "three_years", "cheaper"),
    [
        ("42.40", "37.208420822", False),
        ("40.32", "40.650103355", True),
        ("38.32", "38.864383195", True),
    ],
    ids=["a3-ultra", "a3-mega", "a3-high"],
)
def test_gcp_gpu_flex_start_below_three_years(
    small: Small, flex_start: str, three_years: str, cheaper: bool
) -> None:
    """GCP-GPU: to commit is not always cheapest: flex-start is below three years for two."""
    small.meter("committed", 90, provider="gcp")
    small.meter("flex-start", flex_start, provider="gcp")
    small.use("committed", 1)
    small.use("flex-start", 1)
    small.offer("cud", "gcp.resource", {"committed": 1}, hourly=three_years, term_hours=26280)
    small.hold("cud", 1, hours=26280)
    bill = small.bill()
    assert (bill.on_demand < bill.commitment_cost) == cheaper


def test_gcp_sud_of_a_month_of_730_hours() -> None:
    """GCP-SUD: the four quarters of 730 hours at $0.0475 are $24.2725; N2's most is 20 %."""
    assert 0.0475 * 730 * rates_of(0.3).mean() == pytest.approx(24.2725, rel=1e-12)
    assert rates_of(0.2).mean() == pytest.approx(0.8, rel=1e-12)


def test_gcp_sud_not_on_a_gpu_machine(small: Small) -> None:
    """GCP-SUD: a machine that earns none, such as A3, costs its full price all month."""
    small.start = parse_hour("2026-11-01T00:00:00Z")
    small.meter("a3-highgpu-8g", "88.490000119", provider="gcp")
    small.use("a3-highgpu-8g", [1] * 720)
    assert small.bill().total == 720 * Decimal("88.490000119")


# Key figures.


def key_figure(small: Small, name: str) -> float:
    (value,) = (row["value"] for row in key_figures(small.bill()) if row["name"] == name)
    return value


def test_focus_coverage(small: Small) -> None:
    """FOCUS: 150 covered by effective cost, 200 eligible, 50 of support: 42.9 %.

    Ours weighs covered usage at its on-demand price: the same where nothing is saved, and
    200 / 400 where the 150 would have cost 200.
    """
    small.meter("vm", 1)
    small.meter("support", 50)
    small.use("vm", 350)
    small.use("support", 1)
    small.offer("plan", "aws.savings.compute", {"vm": 1})
    small.hold("plan", 150)
    assert round(key_figure(small, "coverage"), 3) == 0.429
    small.tables["usage"][0]["quantity"] = 400
    small.tables["covers"][0]["draw"] = "0.75"
    bill = small.bill()
    by_effective_cost = held(bill, "plan").used / (
        held(bill, "plan").used + line(bill, "vm").on_demand
    )
    assert round(by_effective_cost, 3) == Decimal("0.429")
    assert key_figure(small, "coverage") == 0.5


def test_esr_1_in_the_key_figures(small: Small) -> None:
    """ESR-1: $5,000 saved of $10,000 are 50 %."""
    small.meter("m", 1)
    small.use("m", 10_000)
    small.offer("plan", "aws.savings.compute", {"m": "0.5"})
    small.hold("plan", 5000)
    assert key_figure(small, "effective_savings_rate_on_demand") == 0.5


def test_esr_2_the_product_leaves_out_the_waste(small: Small) -> None:
    """ESR-2: 90 % × 100 % × 50 % are 45 %; the rate itself is 40 of 90 dollars, 44.4 %."""
    small.meter("m", 10)
    small.use("m", 9)
    small.offer("ri", "aws.reserved.regional", {"m": 1}, hourly=5)
    small.hold("ri", 10)
    discount = 1 - key_figure(small, "break_even")
    product = key_figure(small, "utilization") * key_figure(small, "coverage") * discount
    assert product == pytest.approx(0.45, rel=1e-12)
    rate = key_figure(small, "effective_savings_rate_on_demand")
    assert rate == pytest.approx(40 / 90, rel=1e-12)


def test_esr_3_worksheet(small: Small) -> None:
    """ESR-3: (savings of plans + of Reserved Instances) / (what both cover + on demand)."""
    for name in ("a", "b"):
        small.meter(name, 10)
        small.use(name, 10)
    small.offer("ri", "aws.reserved.regional", {"a": 1}, hourly=6)
    small.offer("sp", "aws.savings.compute", {"b": 7})
    small.hold("ri", 8)
    small.hold("sp", 35)
    bill = small.bill()
    base = 80 + 50 + bill.on_demand  # under Reserved Instances, under plans, and the rest
    assert base == 200
    savings = (80 - held(bill, "ri").cost) + (50 - held(bill, "sp").cost)
    rate = key_figure(small, "effective_savings_rate_on_demand")
    assert rate == pytest.approx(float(savings / base), rel=1e-12)


@pytest.mark.parametrize(("discount", "utilization"), [(30, 70), (40, 60), (72, 28)])
def test_break_even(small: Small, discount: int, utilization: int) -> None:
    """BREAKEVEN: 1 − discount; used that much, the commitment saves nothing."""
    small.meter("m", 1)
    small.use("m", [1] * utilization + [0] * (100 - utilization))
    rate = Decimal(100 - discount) / 100
    small.offer("ri", "aws.reserved.regional", {"m": 1}, hourly=rate)
    small.hold("ri", 1)
    assert key_figure(small, "break_even") == pytest.approx(utilization / 100, rel=1e-12)
    assert key_figure(small, "utilization") == pytest.approx(utilization / 100, rel=1e-12)
    rate_of_all = key_figure(small, "effective_savings_rate_on_demand")
    assert rate_of_all == pytest.approx(0, abs=1e-12)


# Tokens.


@pytest.mark.parametrize(
    ("model", "prices"),
    [
        ("gpt-5.5", "12.50 1.25 75"),
        ("gpt-5.4", "5 0.50 30"),
        ("gpt-5.1", "2.50 0.25 20"),
    ],
)
def test_openai_priority_prices(small: Small, model: str, prices: str) -> None:
    """OPENAI-PRIORITY: input, cached input and output, of models without a published standard."""
    expected = Decimal(0)
    for kind, price, units in zip(("in", "cached", "out"), prices.split(), (7, 5, 3), strict=True):
        small.meter(f"{model} {kind}", price, provider="openai", product="tokens", unit="1M Tokens")
        small.use(f"{model} {kind}", units)
        expected += Decimal(price) * units
    assert small.bill().total == expected


@pytest.mark.parametrize("price", [2, 1])
def test_focus_virtual_currency_at_a_discount(small: Small, price: int) -> None:
    """FOCUS: 245, 5 × 2 and 120 × 3 tokens at $2 are 490, 20 and 720; at $1 their number."""
    small.meter("token", price, provider="vendor", product="tokens", unit="Tokens")
    for account, count in (("one", 245), ("two", 5 * 2), ("three", 120 * 3)):
        small.use("token", count, account=account)
    bill = small.bill()
    costs = {row.account: row.on_demand / price for row in bill.lines}
    assert costs == {"one": 245, "two": 10, "three": 360}


# What no page publishes: equals are taken in one order, whatever the order of the rows.


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({"meter": "a", "hours": 200}, {"meter": "b", "hours": 100}),
        ({"hours": 100, "name": "z"}, {"hours": 200, "name": "y"}),
        ({"name": "y"}, {"name": "z"}),
    ],
    ids=["meter", "end", "name"],
)
@pytest.mark.parametrize("turned", [False, True])
def test_ties_of_commitments(
    small: Small, first: dict[str, str | int], second: dict[str, str | int], turned: bool
) -> None:
    """Ties go by meter, then end, then name, each before what comes behind it.

    The meter decides which usage the first commitment of a shared offer is spent on.
    """
    both = [{"meter": "a", "hours": 100, "name": "x", **row} for row in (first, second)]
    meters = sorted({row["meter"] for row in both}, reverse=turned)
    for name in meters:
        small.meter(name, 1)
        small.use(name, 1)
    small.offer("ri", "aws.reserved.regional", dict.fromkeys(meters, 1))
    if len(meters) == 2:
        small.hold("ri", 1)
        bill = small.bill()
        assert (line(bill, "a").covered, line(bill, "b").covered) == (1, 0)
        return
    for row in reversed(both) if turned else both:
        small.hold("ri", 1, name=row["name"], hours=row["hours"])
    bill = small.bill()
    assert held(bill, first["name"]).used == 1
    assert held(bill, second["name"]).used == 0


@pytest.mark.parametrize("turned", [False, True])
def test_ties_of_usage(small: Small, turned: bool) -> None:
    """Then by account, then by zone: of four lines alike the first two are covered."""
    small.meter("m", 1)
    places = [("org/a", "z1"), ("org/a", "z2"), ("org/b", "z0"), ("org/b", "z1")]
    for account, zone in reversed(places) if turned else places:
        small.use("m", 1, account=account, zone=zone)
    small.offer("ri", "aws.reserved.regional", {"m": 1})
    small.hold("ri", 3)
    bill = small.bill()
    assert [line(bill, "m", account, zone).covered for account, zone in places] == [1, 1, 1, 0]


def test_remaining_commitment(small: Small) -> None:
    """After the last hour: 3 of 5 hours at $0.30 × 2, and all of a queued one."""
    small.meter("vm", 1)
    small.use("vm", [1, 1])
    small.offer("ri", "aws.reserved.regional", {"vm": 1}, hourly="0.3")
    small.hold("ri", 2, name="now", hours=5)
    small.hold("ri", 1, name="queued", at=10, hours=4)
    figures = {row["name"]: row for row in key_figures(small.bill())}
    assert figures["remaining_commitment"]["value"] == Decimal("1.8") + Decimal("1.2")
    assert all(row["formula"] for row in figures.values())
