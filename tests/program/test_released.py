# SPDX-License-Identifier: Apache-2.0
"""Offers that may be given back, in closed form and against trying every purchase."""

from __future__ import annotations

import json
from decimal import Decimal
from itertools import product
from pathlib import Path

import numpy as np
import pytest

from optimizer.billing import Offer
from optimizer.billing.cost import amortised_cost, hourly_costs, payment_months
from optimizer.billing.fit import open_catalogue
from optimizer.planning import Plan, make_plan, plan_document
from optimizer.planning.document import to_json
from optimizer.planning.realised import Held, matched
from optimizer.program.purchases import planned
from optimizer.reporting.document import Chart, Table
from optimizer.reporting.ladder import ladder_page
from optimizer.reporting.sections.ladder import ladder_section
from optimizer.reporting.text import render
from optimizer.tables import Case

from .folders import Row, at, cover, meter, units, usage
from .memory import case_of

MONTH, YEAR = 730, 8760
HALF = 6 * MONTH
STEPS = "[ladder]\nsteps = [3, 6, 9]\n"
PLAIN = "[solve]\ngap = 0\n" + STEPS
NONE = {"premium": "", "buyback_share": "", "buyback_after": "", "upfront": "", "monthly": ""}


def offers_of(*rows: Row) -> list[Row]:
    return [NONE | row for row in rows]


def flex(hourly: str = "0.4", term: int = YEAR, **more: str | int) -> Row:
    return units("flex", term, hourly, **({"premium": "0", "buyback_share": "1"} | more))


def case(folder: Path, offers: list[Row], demand: list[float], toml: str = PLAIN) -> Case:
    """One meter at 1.00 on demand; every offer covers it one to one."""
    return case_of(
        folder,
        len(demand),
        toml,
        meters=[meter("m", "1")],
        usage=usage("m", demand),
        offers=offers,
        covers=[cover(offer["offer"], "m") for offer in offers],
    )


def halved(units: float = 5.0) -> list[float]:
    """Demand that stops after six months."""
    return [units] * HALF + [0.0] * (YEAR - HALF)


def sound(plan: Plan) -> Plan:
    """Proven, checked, and the replayed bill is not below the bound."""
    assert plan.gap < 1e-6
    assert plan.lower_bound <= plan.objective + Decimal("1e-6")
    assert all(check.ok for part in plan.parts for check in part.answer.checks)
    return plan


@pytest.mark.parametrize(("premium", "bought"), [("0.39", "flex@release-6m"), ("0.41", "plain")])
def test_a_right_pays_while_its_premium_is_below_the_loss(
    tmp_path: Path, premium: str, bought: str
) -> None:
    """Kept, half a year at 0.40 is lost; given back, only its premium of half a year is."""
    offers = offers_of(units("plain", YEAR, "0.4"), flex(premium=premium))
    plan = sound(make_plan(case(tmp_path, offers, halved())))
    assert plan.bought == {bought: 5}
    rate = Decimal("0.4") + Decimal(premium)
    assert plan.total == 5 * (HALF * rate if "flex" in bought else YEAR * Decimal("0.4"))


def test_what_is_used_to_its_end_is_bought_without_the_right(tmp_path: Path) -> None:
    offers = offers_of(units("plain", YEAR, "0.4"), flex(premium="0.01"))
    plan = sound(make_plan(case(tmp_path, offers, [5.0] * YEAR)))
    assert plan.bought == {"plain": 5}


@pytest.mark.parametrize("toml", ["", '[finance]\ndiscount_rate = "0.1"\n'])
def test_nothing_comes_back_is_the_plain_offer(tmp_path: Path, toml: str) -> None:
    right = offers_of(flex(buyback_share="0"))
    without = offers_of(flex(buyback_share="", premium=""))
    plan = sound(make_plan(case(tmp_path / "right", right, halved(), PLAIN + toml)))
    plain = sound(make_plan(case(tmp_path / "plain", without, halved(), PLAIN + toml)))
    assert plan.bought == plain.bought == {"flex": 5}
    assert (plan.objective, plan.total) == (plain.objective, plain.total)


@pytest.mark.parametrize(("after", "released"), [(HALF, 6), (HALF + 1, 9), (9 * MONTH + 1, 0)])
def test_it_is_given_back_at_the_first_step_that_is_allowed(
    tmp_path: Path, after: int, released: int
) -> None:
    plan = sound(make_plan(case(tmp_path, offers_of(flex(buyback_after=after)), halved())))
    name = f"flex@release-{released}m" if released else "flex"
    assert plan.bought == {name: 5}
    assert plan.total == 5 * Decimal("0.4") * (released * MONTH or YEAR)


def test_part_of_it_is_kept(tmp_path: Path) -> None:
    """Five units for half a year, two of them all year."""
    demand = [5.0] * HALF + [2.0] * (YEAR - HALF)
    plan = sound(make_plan(case(tmp_path, offers_of(flex()), demand)))
    assert plan.bought == {"flex": 2, "flex@release-6m": 3}
    assert plan.total == Decimal("0.4") * (2 * YEAR + 3 * HALF)


def test_the_bill_to_the_cent(tmp_path: Path) -> None:
    """876 upfront, 0.30 an hour, 0.05 of premium; a quarter of what remains is lost.

    Until then 4380 × (0.10 + 0.30 + 0.05) = 1971; of 4380 × 0.40 = 1752 then 438 are lost.
    """
    offers = offers_of(flex("0.3", upfront="876", premium="0.05", buyback_share="0.75"))
    plan = sound(make_plan(case(tmp_path, offers, halved(2.0))))
    assert plan.bought == {"flex@release-6m": 2}
    assert plan.total == plan.objective == 2 * Decimal(2409)
    by_hour = plan.bill.commitment_by_hour
    assert by_hour[: HALF - 1] == pytest.approx(2 * 0.45)
    assert by_hour[HALF - 1] == pytest.approx(2 * (0.45 + 438))
    assert not by_hour[HALF:].any()
    document = plan_document(plan)
    (row,) = document["purchases"]
    assert (row["cost"], row["upfront"], row["term_hours"]) == (4818, 1752, HALF)
    assert (row["end"], row["remaining_at_horizon"]) == (at(HALF), 0)
    told = {"date": at(HALF), "comes_back": Decimal(2 * 1314), "lost": Decimal(2 * 438)}
    assert row["release"] == {"offer": "flex", **told}
    assert document["kpis"]["upfront_cash"] == 1752
    assert document["kpis"]["new_commitment"] == 4818
    assert document["lock_in"][0]["bought"] == 4818
    (release,) = [step for step in document["ladder"] if step["action"] == "release"]
    assert (release["quantity"], release["measure"]) == (2.0, "units")
    assert {key: release[key] for key in told} == told
    line = "Of flex the plan gives 2 back on 2027-05-22: $2,628 comes back or is no longer owed"
    assert any(line in text for text in document["explanation"])


def test_cash_is_capped_by_what_is_paid_first(tmp_path: Path) -> None:
    """876 upfront each: 2,000 are two of them, whatever comes back later."""
    toml = PLAIN + '[limits]\nupfront_cash = "2000"\n'
    plan = sound(make_plan(case(tmp_path, offers_of(flex("0.3", upfront="876")), halved(), toml)))
    assert plan.bought == {"flex@release-6m": 2}


def test_cash_that_comes_back_is_discounted(tmp_path: Path) -> None:
    """All upfront: paid now; half of what is left comes back in the last hour."""
    toml = PLAIN + '[finance]\ndiscount_rate = "0.2"\n'
    offers = offers_of(flex("0", upfront="3504", buyback_share="0.5"))
    plan = sound(make_plan(case(tmp_path, offers, halved(), toml)))
    assert plan.bought == {"flex@release-6m": 5}
    then = 1.2 ** (-(HALF - 1) / YEAR)
    assert float(plan.objective) == pytest.approx(5 * (3504 - 876 * then))
    assert plan.total == 5 * Decimal(3504 - 876)


def test_monthly_payments_remain_by_their_own_months(tmp_path: Path) -> None:
    """The months are those of the term, not of the time until the release."""
    made = case(tmp_path, offers_of(flex("0", monthly="292", buyback_share="0.5")), halved())
    offer: Offer = open_catalogue(made).offers["flex@release-6m"]
    start = made.settings.as_of
    month = [Decimal(0)] * YEAR
    for low, high in payment_months(start, start + YEAR):
        for hour in range(low, high):
            month[hour - start] = Decimal(292) / (high - low)
    expected = sum(month[:HALF]) + sum(month[HALF:]) / 2
    holding = planned(offer, Decimal(1), start)
    assert amortised_cost(holding, start, start + YEAR) == pytest.approx(expected)
    hours = hourly_costs(offer, holding.start, holding.end, start, start + YEAR)
    assert hours.sum() == pytest.approx(float(expected))


def test_prorata_charges_the_loss_within_the_horizon(tmp_path: Path) -> None:
    """A term of two years, half of which lies behind: giving it back costs a tenth of the rest."""
    toml = PLAIN + '[finance]\nafter_horizon = "prorata"\n'
    offers = offers_of(flex(term=2 * YEAR, buyback_share="0.9"))
    plan = sound(make_plan(case(tmp_path, offers, halved(), toml)))
    assert plan.bought == {"flex@release-6m": 5}
    assert plan.total == 5 * Decimal("0.4") * (HALF + (2 * YEAR - HALF) / Decimal(10))


def test_a_term_beyond_the_horizon_is_weighed_whole(tmp_path: Path) -> None:
    """Two years at 0.40 and 0.02 of premium; a year at 0.55, bought again behind the horizon."""
    long = flex(term=2 * YEAR, premium="0.02")
    offers = offers_of(units("one", YEAR, "0.55"), long)
    plan = sound(make_plan(case(tmp_path / "stays", offers, [5.0] * YEAR)))
    assert plan.bought == {"flex": 5}
    assert float(plan.objective) == pytest.approx(5 * 0.42 * 2 * YEAR)
    plan = sound(make_plan(case(tmp_path / "stops", offers, halved())))
    assert plan.bought == {"flex@release-6m": 5}
    assert plan.total == 5 * HALF * Decimal("0.42")


def test_what_is_held_is_listed_from_the_date_on(tmp_path: Path) -> None:
    held = [{"commitment": "c", "offer": "flex", "quantity": 2, "start": at(-100), "end": at(YEAR)}]
    made = case_of(
        tmp_path,
        48,
        PLAIN,
        meters=[meter("m", "1")],
        usage=usage("m", [2.0] * 48),
        offers=offers_of(flex(buyback_after=HALF, buyback_share="0.7")),
        covers=[cover("flex", "m")],
        commitments=held,
    )
    rows = plan_document(make_plan(made))["ladder"]
    (row,) = [row for row in rows if row["action"] == "may_release"]
    assert (row["name"], row["date"], row["share"]) == ("c", at(HALF - 100), 0.7)


def test_a_purchase_is_found_among_the_commitments_of_its_offer() -> None:
    held = [Held("c", "flex", Decimal(3), 0, YEAR)]
    assert matched("flex@release-6m", Decimal(3), held) == held
    assert matched("other@release-6m", Decimal(3), held) == []


def test_pages_tell_what_is_given_back(tmp_path: Path) -> None:
    offers = offers_of(flex("0.3", upfront="876", premium="0.05", buyback_share="0.75"))
    document = plan_document(make_plan(case(tmp_path, offers, halved(2.0))))
    text = render(ladder_page(document), width=150, colour=False)
    assert "give back: $2,628 comes back, $876.00 is lost" in text
    kept = json.loads(to_json(document))
    table, chart, _ = ladder_section(kept).blocks
    assert isinstance(table, Table)
    assert isinstance(chart, Chart)
    told = [row.values[1:3] for row in table.rows]
    assert ("give back", "flex@release-6m") in told
    events = [row.values[1:3] for row in chart.table.rows]
    assert sorted(events) == [("buy now", "flex@release-6m"), ("given back", "flex@release-6m")]


@pytest.mark.parametrize("seed", range(12))
def test_no_other_purchase_is_cheaper(tmp_path: Path, seed: int) -> None:
    """Every amount of every offer, given back at every step or kept, reckoned month by month."""
    pick = np.random.default_rng(seed)
    months, steps = 4, (1, 3)
    demand = pick.integers(0, 4, months)
    if seed % 4:  # what falls is given back
        demand = np.sort(demand)[::-1]
    rows, ways = [], []  # a way: months in force, dollars of a unit
    for name in ("one", "two"):
        hourly, premium = pick.integers(30, 80) / 100, pick.integers(0, 15) / 100
        share, after = pick.integers(0, 11) / 10, int(pick.choice([0, MONTH + 1]))
        right = {"premium": premium, "buyback_share": share, "buyback_after": after}
        rows.append(units(name, months * MONTH, hourly, **right))
        ways.append((months, months * MONTH * (hourly + premium)))
        for step in steps:
            if step * MONTH >= after:
                lost = (1 - share) * (months - step) * MONTH * hourly
                ways.append((step, step * MONTH * (hourly + premium) + lost))
    rows.append(units("plain", months * MONTH, pick.integers(40, 90) / 100))
    ways.append((months, months * MONTH * float(rows[-1]["hourly"])))
    amounts = np.array(list(product(range(4), repeat=len(ways))))
    there = np.array([[month < until for month in range(months)] for until, _ in ways])
    left = np.maximum(demand - amounts @ there, 0).sum(axis=1) * MONTH
    best = (amounts @ np.array([cost for _, cost in ways]) + left).min()
    method = ("reference", "partition", "mathopt")[seed % 3]
    toml = f'[solve]\nmethod = "{method}"\ngap = 0\n[ladder]\nsteps = [1, 3]\n'
    plan = sound(
        make_plan(case(tmp_path, offers_of(*rows), np.repeat(demand, MONTH).tolist(), toml))
    )
    assert float(plan.total) == pytest.approx(best, rel=1e-9)
