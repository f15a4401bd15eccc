# SPDX-License-Identifier: Apache-2.0
"""Renewals behind the horizon: by hand, and against every plan of small cases.

48 hours stand for a year, 144 for three.
"""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from optimizer.billing import read_holdings
from optimizer.billing.fit import open_catalogue
from optimizer.demand import demand_of_horizon
from optimizer.planning import Plan, make_plan, plan_document
from optimizer.program.purchases import open_columns
from optimizer.program.renewal import last_resort_prices, renewals

from .folders import Row, at, cover, meter, money, units, usage
from .memory import case_of
from .renewing import HORIZON, World

YEAR = 8760
SHORT, LONG = 48, 144
PRORATA = '[finance]\nafter_horizon = "prorata"\n'


def planned(
    folder: Path, offers: list[Row], quantities: list[float], toml: str = "", **more: Any
) -> Plan:
    """One meter at 1.00 on demand; every offer covers it one to one."""
    return make_plan(
        case_of(
            folder / "case",
            len(quantities),
            toml,
            meters=[meter("m", "1")],
            usage=usage("m", quantities),
            offers=offers,
            covers=[cover(offer["offer"], "m") for offer in offers],
            **more,
        )
    )


def renewed(plan: Plan) -> dict[tuple[str, int], float]:
    """Amounts by offer and by the hour, counted from now, from which on they are renewed."""
    found = {}
    for part in plan.parts:
        amounts = part.answer.quantity[len(part.columns) :]
        for column, amount in zip(part.renewals, amounts, strict=True):
            assert column.renewed is not None
            if amount:
                start = column.renewed[0] - plan.case.settings.as_of
                found[column.members[0][0].name, start] = float(amount)
    return found


def old(quantity: float, until: int) -> dict[str, Any]:
    """An offer that is closed, and so much of it in force until an hour."""
    offer = units("old", until, "0.5", available_until=at(0))
    row = {
        "commitment": "c",
        "offer": "old",
        "quantity": quantity,
        "start": at(0),
        "end": at(until),
    }
    return {"offer": offer, "commitments": [row]}


@pytest.mark.parametrize("rate", ["0.40", "0.60"])
def test_every_level_is_renewed_at_its_own_use(tmp_path: Path, rate: str) -> None:
    """4 and 2 by turns; a year at 0.40, or at 0.60, which pays for the base alone.

    At one price for all, 0.40 / 0.75, three years at 0.45 would serve the base: 129.60 for
    what a year, renewed, serves for 115.20.
    """
    three = "0.45" if rate == "0.40" else "0.65"
    offers = [units("one", SHORT, rate), units("three", LONG, three)]
    plan = planned(tmp_path, offers, [4.0, 2.0] * 24)
    bought = 4 if rate == "0.40" else 2
    assert plan.bought == {"one": bought}
    assert renewed(plan) == {("one", SHORT): bought}
    peak = 0.0 if bought == 4 else 2 * LONG / 2
    assert float(plan.objective) == pytest.approx(float(rate) * bought * LONG + peak)
    assert plan.gap == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("long", ["0.30", "0.39", "0.399"])
def test_a_long_term_wins_below_the_short_ones_rate(tmp_path: Path, long: str) -> None:
    """Base of 5 and a peak of half of the hours: three years serve both."""
    quantities = [10.0 if hour % 24 < 12 else 5.0 for hour in range(SHORT)]
    offers = [units("one", SHORT, "0.40"), units("three", LONG, long)]
    plan = planned(tmp_path, offers, quantities)
    assert plan.bought == {"three": 10}
    assert renewed(plan) == {}
    assert float(plan.objective) == pytest.approx(10 * float(long) * LONG)


@pytest.mark.parametrize(
    ("until", "long", "now", "later"),
    [
        # 36 hours are left: a year for 19.20 beats them on demand, and is renewed for 38.40.
        (12, "0.41", {"one": 5}, {("one", SHORT): 5}),
        (12, "0.39", {"three": 5}, {}),  # 56.16 < 57.60
        # 8 hours are left: on demand, and then a year for 38.40.
        (40, "0.33", {}, {("one", SHORT): 5}),  # 46.40 < 47.52
        (40, "0.32", {"three": 5}, {}),  # 46.08
    ],
)
def test_what_is_held_delays_what_pays(
    tmp_path: Path, until: int, long: str, now: dict[str, int], later: dict[tuple[str, int], int]
) -> None:
    """Five are held for a while: what is bought beside them is paid and not used."""
    held = old(5, until)
    offers = [units("one", SHORT, "0.40"), units("three", LONG, long), held["offer"]]
    plan = planned(tmp_path, offers, [5.0] * SHORT, commitments=held["commitments"])
    assert plan.bought == now
    assert renewed(plan) == later


def test_renewals_follow_what_expires_behind_the_horizon(tmp_path: Path) -> None:
    """Two of five are held for 96 hours: three are renewed at 48, and two at 96."""
    held = old(2, 96)
    offers = [units("one", SHORT, "0.40"), units("three", LONG, "0.45"), held["offer"]]
    plan = planned(tmp_path, offers, [5.0] * SHORT, commitments=held["commitments"])
    assert plan.bought == {"one": 3}
    assert renewed(plan) == {("one", SHORT): 3, ("one", 96): 2}
    assert float(plan.objective) == pytest.approx(2 * 0.5 * 96 + 0.40 * (3 * 144 + 2 * 48))


@pytest.mark.parametrize(
    ("ends", "starts"),
    [([52], [48]), ([53], [48, 53]), ([53, 57, 58], [48, 53, 58]), ([47, 96, 144], [48, 96])],
)
def test_starts_are_some_way_apart(tmp_path: Path, ends: list[int], starts: list[int]) -> None:
    """A twentieth of 96 hours is 4.8; what expires sooner is replaced a little early."""
    held = [old(1, end)["commitments"][0] | {"commitment": f"c{end}"} for end in ends]
    offers = [units("one", SHORT, "0.4"), units("three", LONG, "0.4"), old(1, 9)["offer"]]
    assert columns_behind(tmp_path, offers, commitments=held) == {"one": starts}


def test_a_middle_term_is_renewed_from_its_expiry(tmp_path: Path) -> None:
    """72 hours at 0.38, 48 at 0.40: after 72 hours the cheaper is bought again."""
    offers = [
        units("one", SHORT, "0.40"),
        units("middle", 72, "0.38"),
        units("three", LONG, "0.39"),
    ]
    plan = planned(tmp_path, offers, [5.0] * SHORT)
    assert plan.bought == {"middle": 5}
    assert renewed(plan) == {("middle", 72): 5}
    assert float(plan.objective) == pytest.approx(0.38 * 5 * LONG)


@pytest.mark.parametrize(("long", "bought"), [("0.65", {"one": 2.4}), ("0.55", {"three": 2.2})])
def test_a_plan_is_renewed_across_meters(
    tmp_path: Path, long: str, bought: dict[str, float]
) -> None:
    """Two meters by turns use 4: reservations lie idle for half the time, plans never do.

    A year of the plan at 0.60 a unit; three years at 0.65 lose and at 0.55 win.  Meter by
    meter no level is used in 60 % of the hours, so that no price of one would renew it.
    """
    offers = [
        money("one", SHORT),
        money("three", LONG),
        units("ri", SHORT, "0.58"),
    ]
    draws = {"one": "0.60", "three": long}
    plan = make_plan(
        case_of(
            tmp_path / "case",
            SHORT,
            meters=[meter("a", "1"), meter("b", "1")],
            usage=[*usage("a", [4.0, 0.0] * 24), *usage("b", [0.0, 4.0] * 24)],
            offers=offers,
            covers=[
                *(cover(name, m, draw) for name, draw in draws.items() for m in "ab"),
                cover("ri", "a"),
            ],
        )
    )
    assert {name: float(amount) for name, amount in plan.bought.items()} == bought
    (hourly,) = bought.values()
    assert renewed(plan) == ({("one", SHORT): hourly} if "one" in bought else {})
    assert float(plan.objective) == pytest.approx(hourly * LONG)


@pytest.mark.parametrize("rate", [0.0, 0.10])
@pytest.mark.parametrize("side", [-1, 1])
def test_upfronts_are_paid_when_a_term_begins(tmp_path: Path, rate: float, side: int) -> None:
    """A year for 3,000 upfront, renewed twice: three years win below 3,000 (1 + γ + γ²).

    Spread over its hours and discounted there, a renewal's upfront would be paid too late.
    """
    gamma = 1 / (1 + rate)
    even = 3000 * (1 + gamma + gamma**2)
    upfront = round(even * (1 + side * 1e-4), 2)
    offers = [
        units("one", YEAR, "0", upfront=3000, payment="all"),
        units("three", 3 * YEAR, "0", upfront=Decimal(repr(upfront)), payment="all"),
    ]
    toml = f'[finance]\ndiscount_rate = "{rate}"\n[solve]\ngap = 0\n'
    plan = planned(tmp_path, offers, [5.0] * YEAR, toml)
    assert plan.bought == {"one" if side > 0 else "three": 5}
    assert float(plan.objective) == pytest.approx(5 * min(even, upfront), rel=1e-9)
    assert float(plan.total) == pytest.approx(5 * (3000 if side > 0 else upfront / 3))


@pytest.mark.parametrize("limit", ["upfront_cash = 48", "largest_purchase = 24"])
def test_limits_are_of_what_is_bought_now(tmp_path: Path, limit: str) -> None:
    """A year for 19.20 upfront: two for 48 of cash, one of at most 24; all five later."""
    offers = [
        units("one", SHORT, "0", upfront="19.2", payment="all"),
        units("three", LONG, "0", upfront="64.8", payment="all"),
    ]
    plan = planned(tmp_path, offers, [5.0] * SHORT, f"[limits]\n{limit}\n")
    now = 2 if limit.startswith("upfront") else 1
    assert plan.bought == {"one": now}
    assert renewed(plan) == {("one", SHORT): 5}


def test_unused_purchases_are_of_the_horizon(tmp_path: Path) -> None:
    """5 % may be unused.  The peak is used in half of the hours, so it is not bought: now."""
    offers = [units("one", SHORT, "0.40"), units("three", LONG, "0.45")]
    toml = "[limits]\nmax_unused_share = 0.05\n"
    plan = planned(tmp_path, offers, [4.0, 2.0] * 24, toml)
    assert plan.bought == {"one": 2}
    assert renewed(plan) == {("one", SHORT): 4}


def test_a_bundle_is_renewed_in_ratio(tmp_path: Path) -> None:
    """A GPU for 4.00 with 12 vCPU for 0.50 each, and three years of GPU alone for 8.00."""
    plan = make_plan(
        case_of(
            tmp_path / "bundle",
            SHORT,
            meters=[meter("gpu", "10"), meter("cpu", "1")],
            usage=[*usage("gpu", [6] * SHORT), *usage("cpu", [72] * SHORT)],
            offers=[
                units("g", SHORT, "4", bundle="b", bundle_ratio=1),
                units("c", SHORT, "0.5", bundle="b", bundle_ratio=12),
                units("three", LONG, "8"),
            ],
            covers=[cover("g", "gpu"), cover("c", "cpu"), cover("three", "gpu")],
        )
    )
    assert plan.bought == {"g": 6, "c": 72}
    assert renewed(plan) == {("c", SHORT): 6}  # bundles, by the name of their first offer
    assert float(plan.objective) == pytest.approx(6 * 10 * LONG)


def columns_behind(
    folder: Path, offers: list[Row], toml: str = "", **more: Any
) -> dict[str, list[int]]:
    """What may be renewed of one meter's offers, by the hours it may start at."""
    tables: dict[str, Any] = {
        "meters": [meter("m", "1")],
        "usage": usage("m", [5] * SHORT),
        "covers": [cover(offer["offer"], "m") for offer in offers],
    }
    case = case_of(folder / "case", SHORT, toml, offers=offers, **tables | more)
    catalogue = open_catalogue(case)
    columns, _ = open_columns(case, catalogue)
    as_of = case.settings.as_of
    found: dict[str, list[int]] = {}
    held = read_holdings(case, catalogue)
    for column in renewals(case.settings, catalogue, demand_of_horizon(case).usage, held, columns):
        assert column.renewed is not None
        assert column.renewed[1] == max(known.term(as_of)[1] for known in columns)
        found.setdefault(column.members[0][0].name, []).append(column.renewed[0] - as_of)
    return found


def test_nothing_is_renewed_without_a_tail(tmp_path: Path) -> None:
    """Where all terms end with the horizon, and where the horizon alone counts."""
    short = [units("one", SHORT, "0.4"), units("half", 24, "0.5")]
    assert columns_behind(tmp_path / "no tail", short) == {}
    assert columns_behind(tmp_path / "none", []) == {}
    three = [*short, units("three", LONG, "0.4")]
    assert columns_behind(tmp_path / "prorata", three, PRORATA) == {}
    assert columns_behind(tmp_path / "tail", three) == {"one": [SHORT]}  # it undercuts half a year


@pytest.mark.parametrize(
    ("other", "renewable"),
    [
        ({"hourly": "0.5"}, False),  # dearer
        ({"hourly": "0.4"}, False),  # alike: the first of them by name stays
        ({"hourly": "0.3"}, True),
        ({"hourly": "0.5", "minimum": 2}, True),  # another range or step may fit better
        ({"hourly": "0.5", "step": 2}, True),
        ({"hourly": "0.5", "maximum": 9}, True),
        ({"hourly": "0.5", "scope": "account"}, True),  # reaches something else
        ({"hourly": "0.1", "starts": at(2)}, False),  # a window in time
        ({"hourly": "0", "upfront": "14.4", "payment": "all"}, True),  # 0.30
        ({"hourly": "0", "upfront": "24", "payment": "all"}, False),  # 0.50
    ],
)
def test_what_another_undercuts_is_left_out(
    tmp_path: Path, other: dict[str, Any], renewable: bool
) -> None:
    offers = [units("one", SHORT, "0.4"), units("three", LONG, "0.4")]
    offers.append(units("other", SHORT, other.pop("hourly"), **other))
    found = columns_behind(tmp_path, offers)
    assert ("other" in found) == renewable


def test_a_wider_plan_is_not_undercut_by_what_is_cheaper_on_a_part(tmp_path: Path) -> None:
    offers = [money("plan", SHORT), money("narrow", SHORT), money("three", LONG)]
    more = {
        "meters": [meter("m", "1"), meter("n", "1")],
        "covers": [
            cover("plan", "m", "0.6"),
            cover("plan", "n", "0.6"),
            cover("narrow", "m", "0.5"),
            cover("three", "m", "0.4"),
        ],
    }
    assert set(columns_behind(tmp_path / "apart", offers, **more)) == {"narrow", "plan"}
    more["covers"][2]["draw"] = "0.7"  # now the wide one is no dearer anywhere
    assert set(columns_behind(tmp_path / "under", offers, **more)) == {"plan"}


@pytest.mark.parametrize(
    ("columns", "line", "longest"),
    [
        ({}, {}, False),
        ({"on_demand": ""}, {}, True),
        ({"on_demand": ""}, {"unmet_penalty": 9}, False),
    ],
)
def test_usage_that_cannot_be_had_otherwise_renews_the_longest_term(
    tmp_path: Path, columns: dict[str, Any], line: dict[str, Any], longest: bool
) -> None:
    """Only three years are sold; without a price or a penalty they are bought again."""
    more = {
        "meters": [{**meter("m", "1"), **columns}],
        "usage": usage("m", [5] * SHORT, **line),
    }
    found = columns_behind(tmp_path, [units("three", LONG, "0.4")], **more)
    assert found == ({"three": [SHORT]} if longest else {})


def test_a_last_resort_is_dear_enough_for_every_level(tmp_path: Path) -> None:
    """Usage without price is at its peak in a quarter of the hours: 0.40 ÷ 0.25.

    So the top unit costs the same renewed or not, and every other one less when renewed.
    """
    case = case_of(
        tmp_path / "case",
        SHORT,
        meters=[meter("m"), meter("n")],
        usage=[*usage("m", [1.0, 2.0, 3.0, 9.0] * 12), *usage("n", [1.0] * SHORT)],
        offers=[units("one", SHORT, "0.40"), units("three", LONG, "0.45")],
        covers=[cover("one", "m"), cover("three", "m")],
    )
    catalogue = open_catalogue(case)
    columns, _ = open_columns(case, catalogue)
    lines = demand_of_horizon(case).usage
    prices = last_resort_prices(case.settings, catalogue, lines, columns)
    assert dict(zip(lines.meter, prices.tolist(), strict=True)) == pytest.approx(
        {"m": 0.40 / 0.25, "n": 0.0}  # nothing is sold for n: nothing could be decided
    )


def test_usage_without_price_is_renewed_to_its_peak(tmp_path: Path) -> None:
    """Nine are bought, and renewed: nothing else serves the peak."""
    plan = make_plan(
        case_of(
            tmp_path / "case",
            SHORT,
            meters=[meter("m")],
            usage=usage("m", [1.0, 2.0, 3.0, 9.0] * 12),
            offers=[units("one", SHORT, "0.40"), units("three", LONG, "0.45")],
            covers=[cover("one", "m"), cover("three", "m")],
        )
    )
    assert plan.bought == {"one": 9}
    assert float(plan.objective) == pytest.approx(9 * 0.40 * LONG)


def test_an_earlier_plan_is_renewed_before_it_is_compared(tmp_path: Path) -> None:
    """The same plan again costs what it cost, whatever it starts from."""
    held = old(2, 96)
    offers = [units("one", SHORT, "0.40"), units("three", LONG, "0.45"), held["offer"]]
    plan = planned(tmp_path, offers, [5.0, 7.0] * 24, commitments=held["commitments"])
    again = make_plan(plan.case, previous=plan.bought)
    assert again.bought == plan.bought
    assert again.objective == plan.objective
    (part,) = again.parts
    names = {check.name: check.detail for check in part.answer.checks}
    assert any("the previous plan" in name for name in names)


def test_renewals_are_no_purchases(tmp_path: Path) -> None:
    """Neither in the purchases nor in what is said of them, nor in the horizon's bill."""
    offers = [units("one", SHORT, "0.40"), units("three", LONG, "0.45")]
    plan = planned(tmp_path, offers, [5.0] * SHORT)
    document = plan_document(plan)
    assert [row["offer"] for row in document["purchases"]] == ["one"]
    assert [row["offer"] for row in document["considered"]] == ["three"]
    assert plan.total == Decimal("0.40") * 5 * SHORT
    assert document["kpis"]["new_commitment"] == Decimal("0.40") * 5 * SHORT


def test_a_plan_tells_what_it_counts_on(tmp_path: Path) -> None:
    """Offer, amount, hour and the cost of one term: the dearest first, and in words."""
    held = old(2, 96)
    offers = [units("one", SHORT, "0.40"), units("three", LONG, "0.45"), held["offer"]]
    plan = planned(tmp_path, offers, [5.0] * SHORT, commitments=held["commitments"])
    document = plan_document(plan)
    row = {"offer": "one", "measure": "units", "term_hours": SHORT}
    assert document["renewals"] == [
        row | {"quantity": 3.0, "start": at(SHORT), "cost": Decimal("57.6")},
        row | {"quantity": 2.0, "start": at(96), "cost": Decimal("38.4")},
    ]
    (line,) = [text for text in document["explanation"] if "renewing" in text]
    assert "renewing 3 x one from 2026-11-23, 2 x one from 2026-11-25." in line


def test_what_a_long_term_would_add_is_beside_fewer_renewals(tmp_path: Path) -> None:
    """One unit of three years for 64.80: nothing avoided now, 38.40 of renewals later.

    Of two renewals the earlier goes: three years end with both.
    """
    held = old(2, 96)
    offers = [units("one", SHORT, "0.40"), units("three", LONG, "0.45"), held["offer"]]
    plan = planned(tmp_path, offers, [5.0] * SHORT, commitments=held["commitments"])
    (row,) = (row for row in plan_document(plan)["considered"] if row["offer"] == "three")
    assert float(row["cost"]) == pytest.approx(64.80 - 38.40)


def test_what_a_plan_would_add_counts_in_its_own_measure(tmp_path: Path) -> None:
    """1 % of what three years of a plan could need: 0.65 × 4 × 1 % = $0.026 an hour.

    It serves 0.04 units, which the renewed plan serves for 0.60 each.
    """
    offers = [money("one", SHORT), money("three", LONG)]
    plan = make_plan(
        case_of(
            tmp_path / "case",
            SHORT,
            meters=[meter("m", "1")],
            usage=usage("m", [4.0] * SHORT),
            offers=offers,
            covers=[cover("one", "m", "0.60"), cover("three", "m", "0.65")],
        )
    )
    assert renewed(plan) == {("one", SHORT): 2.4}
    (row,) = (row for row in plan_document(plan)["considered"] if row["offer"] == "three")
    assert float(row["cost"]) == pytest.approx(0.026 * LONG - 0.04 * 0.60 * (LONG - SHORT))


def test_a_plan_without_renewals_does_not_speak_of_them(tmp_path: Path) -> None:
    document = plan_document(planned(tmp_path, [units("one", SHORT, "0.40")], [5.0] * SHORT))
    assert "renewals" not in document
    assert not [text for text in document["explanation"] if "outlast" in text]


@pytest.mark.parametrize("seed", range(48))
def test_every_plan_of_a_small_case(tmp_path: Path, seed: int) -> None:
    """Two terms, a plan beside reservations, something held, discounting: the optimum."""
    world = World.random(seed)
    plan = make_plan(case_of(tmp_path / "case", HORIZON, world.toml, **world.tables))
    held = sum(part.window.held_cost for part in plan.parts) + plan.idle_cost
    best = world.best()
    assert float(plan.objective) - held == pytest.approx(best, rel=1e-7, abs=1e-7)
    assert float(plan.lower_bound) - held <= best + 1e-7


@pytest.mark.parametrize("method", ["partition", "mathopt"])
@pytest.mark.parametrize("seed", range(100, 106))
def test_every_way_finds_the_same(tmp_path: Path, seed: int, method: str) -> None:
    world = World.random(seed)
    toml = world.toml + f'method = "{method}"\n'
    plan = make_plan(case_of(tmp_path / "case", HORIZON, toml, **world.tables))
    assert {part.answer.method for part in plan.parts} == {method}
    held = sum(part.window.held_cost for part in plan.parts) + plan.idle_cost
    best = world.best()
    assert float(plan.objective) - held == pytest.approx(best, rel=1e-6)
    assert float(plan.lower_bound) - held <= best + 1e-7


def test_the_random_cases_decide_something() -> None:
    """Long terms win in some and lose in others; some have plans, held units, discounting."""
    worlds = [World.random(seed) for seed in range(48)]
    assert {bool(w.plan) for w in worlds} == {bool(w.held) for w in worlds} == {True, False}
    assert {bool(w.discount) for w in worlds} == {True, False}
    rates = np.array([[w.rate[n] + w.upfront[n] / w.term[n] for n in (0, 1)] for w in worlds])
    assert 10 <= int((rates[:, 1] < rates[:, 0]).sum()) <= 38
