# SPDX-License-Identifier: Apache-2.0
"""Cash over whole terms, in closed form: what a long term, an upfront, a holding is worth.

Terms are a small number of hours where the tail is what counts (48 hours stand for a year,
144 for three), and true years where discounting does.
"""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest

from optimizer.planning import Plan, make_plan, plan_document

from .folders import Row, at, cover, meter, units, usage
from .memory import case_of

YEAR = 8760
SHORT, LONG = 48, 144
BASE = [5.0] * SHORT


def planned(
    folder: Path,
    offers: list[Row],
    quantities: list[float],
    toml: str = "",
    held: list[Row] | None = None,
) -> Plan:
    """One meter at 1.00 on demand; every offer covers it one to one."""
    case = case_of(
        folder / "case",
        len(quantities),
        toml,
        meters=[meter("m", "1")],
        usage=usage("m", quantities),
        offers=offers,
        covers=[cover(offer["offer"], "m") for offer in offers],
        commitments=held or [],
    )
    return make_plan(case)


def discounting(rate: str) -> str:
    return f'[finance]\ndiscount_rate = "{rate}"\n'


def gammas(rate: float, hours: int) -> float:
    """Σ γ over the hours from now: a geometric series in (1 + i)^(−1/8760)."""
    if not rate:
        return float(hours)
    step = (1 + rate) ** (-1 / YEAR)
    return (1 - step**hours) / (1 - step)


def all_upfront(name: str, term: int, total: float) -> Row:
    return units(name, term, "0", upfront=Decimal(repr(total)), payment="all")


def test_three_years_do_not_win_by_amortising_within_one(tmp_path: Path) -> None:
    """Base load: a year at 0.40, three at 0.45; of the latter two thirds lie behind.

    Against on demand behind the horizon three years would cost 3 × 0.45 = 1.35 and one
    0.40 + 2 = 2.40.  Bought again, one year costs 1.20.
    """
    offers = [units("one", YEAR, "0.40"), units("three", 3 * YEAR, "0.45")]
    plan = planned(tmp_path, offers, [5.0] * YEAR)
    assert plan.bought == {"one": 5}
    assert plan.tail_hours == 2 * YEAR
    assert float(plan.total) == pytest.approx(5 * 0.40 * YEAR)
    assert float(plan.objective) == pytest.approx(5 * 0.40 * 3 * YEAR)


@pytest.mark.parametrize("paid", ["hourly", "upfront"])
@pytest.mark.parametrize("long", [0.35, 0.39, 0.41, 0.45, 0.60, 0.95])
def test_of_a_base_load_the_lower_rate_wins(tmp_path: Path, long: float, paid: str) -> None:
    """Whatever the term, and however it is paid: upfront, the rate is spread over the term."""
    three = (
        units("three", LONG, repr(long))
        if paid == "hourly"
        else all_upfront("three", LONG, round(long * LONG, 6))
    )
    plan = planned(tmp_path, [units("one", SHORT, "0.40"), three], BASE)
    assert plan.bought == {"one" if long > 0.40 else "three": 5}
    assert float(plan.objective) == pytest.approx(5 * min(long, 0.40) * LONG)


def with_a_peak(used: int) -> list[float]:
    """A base of 5, and 5 more in ``used`` of every 24 hours."""
    return [10.0 if hour % 24 < used else 5.0 for hour in range(SHORT)]


@pytest.mark.parametrize("used", [0, 6, 9, 24])
@pytest.mark.parametrize("long", ["0.41", "0.45"])
def test_three_years_do_not_win_beside_a_rare_peak(tmp_path: Path, used: int, long: str) -> None:
    """A peak that is used in less than 0.40 of the hours is left on demand."""
    offers = [units("one", SHORT, "0.40"), units("three", LONG, long)]
    plan = planned(tmp_path, offers, with_a_peak(used))
    assert plan.bought == {"one": 10 if used == 24 else 5}


@pytest.mark.parametrize("long", ["0.41", "0.45", "0.48"])
def test_three_years_do_not_win_beside_a_peak_that_is_bought(tmp_path: Path, long: str) -> None:
    """Base and a peak of half of the hours: ten of a year cost 0.40 each and hour, for ever.

    Five of three years cost 5 × long more and nothing less: 5 × 0.40 serves the base.
    """
    offers = [units("one", SHORT, "0.40"), units("three", LONG, long)]
    plan = planned(tmp_path, offers, with_a_peak(12))
    assert plan.bought == {"one": 10}
    assert float(plan.objective) == pytest.approx(10 * 0.40 * LONG)


@pytest.mark.parametrize("rate", ["0", "0.03", "0.08", "0.25"])
@pytest.mark.parametrize("side", [-1, 1])
def test_upfront_wins_exactly_below_the_discounted_payments(
    tmp_path: Path, rate: str, side: int
) -> None:
    """All upfront beats none upfront if and only if upfront < Σ γ · hourly: to one in 10⁴."""
    hourly = 0.60
    even = hourly * gammas(float(rate), YEAR)
    upfront = round(even * (1 + side * 1e-4), 2)
    assert (upfront < even) == (side < 0)
    offers = [all_upfront("all", YEAR, upfront), units("none", YEAR, repr(hourly))]
    toml = discounting(rate) + "[solve]\ngap = 0\n"
    plan = planned(tmp_path, offers, [5.0] * YEAR, toml)
    assert plan.bought == {"all" if side < 0 else "none": 5}
    assert float(plan.objective) == pytest.approx(5 * min(upfront, even), rel=1e-9)


@pytest.mark.parametrize("side", [-1, 1])
def test_a_discount_rate_has_a_break_even(tmp_path: Path, side: int) -> None:
    """The same two offers, and the rate at which they cost the same: found by bisection.

    5,000 upfront for 0.60 an hour, which is 5,256 in a year.
    """
    low, high = 0.0, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if 0.60 * gammas(middle, YEAR) > 5000 else (low, middle)
    assert 0.05 < low < 0.15
    rate = f"{low * (1 + side * 0.01):.6f}"
    offers = [all_upfront("all", YEAR, 5000.0), units("none", YEAR, "0.60")]
    plan = planned(tmp_path, offers, [5.0] * YEAR, discounting(rate) + "[solve]\ngap = 0\n")
    # Money is dearer above it, and what is paid later is worth more.
    assert plan.bought == {"none" if side > 0 else "all": 5}


@pytest.mark.parametrize("side", [-1, 1])
def test_a_part_upfront_is_weighed_alike(tmp_path: Path, side: int) -> None:
    """Half upfront beats none upfront if and only if upfront < Σ γ · (what is saved hourly)."""
    even = (0.60 - 0.28) * gammas(0.08, YEAR)
    half = units(
        "half", YEAR, "0.28", upfront=round(even * (1 + side * 1e-4), 2), payment="partial"
    )
    plan = planned(
        tmp_path,
        [half, units("none", YEAR, "0.60")],
        [5.0] * YEAR,
        discounting("0.08") + "[solve]\ngap = 0\n",
    )
    assert plan.bought == {"half" if side < 0 else "none": 5}


@pytest.mark.parametrize("rate", ["0.05", "0.25"])
def test_hours_of_the_tail_are_discounted(tmp_path: Path, rate: str) -> None:
    """A term of three years costs Σ γ · hourly over all of it; the bill counts one year."""
    plan = planned(tmp_path, [units("three", 3 * YEAR, "0.50")], [5.0] * YEAR, discounting(rate))
    assert plan.bought == {"three": 5}
    assert float(plan.objective) == pytest.approx(5 * 0.50 * gammas(float(rate), 3 * YEAR))
    assert float(plan.total) == pytest.approx(5 * 0.50 * YEAR)


@pytest.mark.parametrize("toml", ["", discounting("0.10")], ids=["plain", "discounted"])
def test_what_is_held_is_a_constant(tmp_path: Path, toml: str) -> None:
    """Dearer or cheaper by the hour, two held units change the cost alone, not the plan."""
    plans = []
    for number, rate in enumerate(("0.10", "0.80")):
        offers = [
            units("one", SHORT, "0.60"),
            units("old", SHORT, rate, available_until=at(0)),
        ]
        held = [
            {"commitment": "c", "offer": "old", "quantity": 2, "start": at(0), "end": at(SHORT)}
        ]
        folder = tmp_path / str(number)
        folder.mkdir()
        plans.append(planned(folder, offers, BASE, toml, held))
    cheap, dear = plans
    assert cheap.bought == dear.bought == {"one": 3}
    gamma = gammas(0.10, SHORT) if toml else SHORT
    extra = 2 * 0.70 * gamma
    assert float(dear.objective - cheap.objective) == pytest.approx(extra)
    assert float(dear.lower_bound - cheap.lower_bound) == pytest.approx(extra)
    assert float(dear.total - cheap.total) == pytest.approx(2 * 0.70 * SHORT)
    answers = [plan.parts[0].answer for plan in plans]
    # What the solver sees does not know it.
    assert answers[0].objective == pytest.approx(answers[1].objective)
    assert answers[0].bound == pytest.approx(answers[1].bound)


def test_a_held_upfront_is_spent(tmp_path: Path) -> None:
    """What was paid before now is amortised in the cost; no plan avoids or repeats it."""
    offers = [units("old", SHORT, "0", upfront=24, payment="all", available_until=at(0))]
    held = [{"commitment": "c", "offer": "old", "quantity": 2, "start": at(-24), "end": at(24)}]
    plan = planned(tmp_path, offers, BASE, "", held)
    assert plan.bought == {}
    # 0.50 an hour for each of two units in the 24 hours that are left; the rest on demand.
    on_demand = 24 * 3 + 24 * 5
    assert float(plan.total) == pytest.approx(2 * 0.50 * 24 + on_demand)


@pytest.mark.parametrize(("term", "paid"), [(SHORT, "all"), (LONG, "all"), (LONG, "none")])
def test_what_remains_of_a_purchase_at_the_horizon(tmp_path: Path, term: int, paid: str) -> None:
    """Two thirds of three years, however they are paid; nothing of one."""
    rate = Decimal("0.5")
    offer = (
        units("it", term, "0", upfront=rate * term, payment="all")
        if paid == "all"
        else units("it", term, rate)
    )
    plan = planned(tmp_path, [offer], BASE)
    (row,) = plan_document(plan)["purchases"]
    behind = term - SHORT
    assert row["quantity"] == 5
    assert row["cost"] == 5 * rate * SHORT
    assert row["remaining_at_horizon"] == 5 * rate * behind
    assert row["cost"] + row["remaining_at_horizon"] == 5 * rate * term
    assert row["upfront"] == (5 * rate * term if paid == "all" else 0)


def test_the_tail_is_weighed_as_so_many_hours(tmp_path: Path) -> None:
    plan = planned(tmp_path, [units("one", SHORT, "0.4"), units("three", LONG, "0.5")], BASE)
    window = plan.parts[0].window
    assert window.weight.sum() == pytest.approx(LONG)
    assert window.count[window.horizon].sum() == pytest.approx(SHORT)
    # What nothing covers runs on demand behind the horizon too; a year may be bought again.
    assert np.unique(window.price).tolist() == [1.0]
    (again,) = plan.parts[0].renewals
    assert again.members[0][0].name == "one"
    assert again.renewed == (plan.case.settings.as_of + SHORT, plan.case.settings.as_of + LONG)
    assert plan.parts[0].answer.quantity.tolist() == [5, 0, 5]
