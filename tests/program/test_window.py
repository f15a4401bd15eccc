# SPDX-License-Identifier: Apache-2.0
"""Terms, tails, discounting, purchase windows, bundles, blocks, minimums: by hand."""

from __future__ import annotations

import math
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from optimizer.errors import DataError, SolverError
from optimizer.planning import Plan, make_plan

from .folders import Row, at, cover, meter, money, units, usage
from .memory import case_of

YEAR = 8760
PRORATA = '[finance]\nafter_horizon = "prorata"\n'


def one_meter(
    folder: Path, offers: list[Row], quantities: list[float], toml: str = "", **more: Any
) -> Plan:
    """One meter at 1.00 on demand, every offer covers it one to one."""
    case = case_of(
        folder,
        len(quantities),
        toml,
        meters=[meter("m", "1", **more)],
        usage=usage("m", quantities),
        offers=offers,
        covers=[cover(offer["offer"], "m") for offer in offers],
    )
    return make_plan(case)


def test_a_long_term_above_the_short_ones_rate_is_not_bought(tmp_path: Path) -> None:
    """Steady use: a year at 0.60, three years at 0.65 an hour.

    Priced at on demand behind the horizon, three years would win: 3 × 0.65 = 1.95 against
    0.60 + 2 × 1.00 = 2.60.  Bought again every year, one year costs 1.80.
    """
    offers = [units("one", 48, "0.60"), units("three", 144, "0.65")]
    plan = one_meter(tmp_path / "tail", offers, [5] * 48)
    assert plan.bought == {"one": 5}
    assert plan.tail_hours == 96
    assert plan.total == Decimal("0.60") * 5 * 48
    # The objective is that of three years of one-year terms.
    assert float(plan.objective) == pytest.approx(0.60 * 5 * 144)


def test_a_long_term_below_the_short_ones_rate_is_bought(tmp_path: Path) -> None:
    offers = [units("one", 48, "0.60"), units("three", 144, "0.55")]
    plan = one_meter(tmp_path / "tail", offers, [5] * 48)
    assert plan.bought == {"three": 5}
    assert float(plan.objective) == pytest.approx(0.55 * 5 * 144)
    assert plan.total == Decimal("0.55") * 5 * 48


def test_a_long_term_alone_must_pay_over_all_of_it(tmp_path: Path) -> None:
    """Used in the whole horizon: on demand is its only alternative, there is no renewal."""
    plan = one_meter(tmp_path / "alone", [units("three", 144, "0.9")], [5] * 48)
    assert plan.bought == {"three": 5}
    assert plan.parts[0].window.price.min() == 1.0


def test_prorata_counts_the_horizon_only(tmp_path: Path) -> None:
    """As providers reckon: the cheapest rate wins whatever the term; upfront is spread."""
    offers = [
        units("one", 48, "0.60"),
        units("three", 144, "0", upfront=Decimal("0.55") * 144, payment="all"),
    ]
    plan = one_meter(tmp_path / "prorata", offers, [5] * 48, PRORATA)
    assert plan.bought == {"three": 5}
    assert plan.tail_hours == 0
    assert plan.objective == plan.total == Decimal("0.55") * 5 * 48


def test_cash_now_costs_more_than_cash_later(tmp_path: Path) -> None:
    """A year at 25 % a year: paying upfront 7,500 or 0.90 an hour, both below on demand.

    Without discounting upfront is cheaper (7,500 < 7,884); discounted, hourly payments are
    worth 0.90 × Σ γ = 7,066.
    """
    offers = [
        units("upfront", YEAR, "0", upfront=7500, payment="all"),
        units("hourly", YEAR, "0.90"),
    ]
    use = [5.0] * YEAR
    rate = '[finance]\ndiscount_rate = "0.25"\n'
    assert one_meter(tmp_path / "plain", offers, use).bought == {"upfront": 5}
    plan = one_meter(tmp_path / "discounted", offers, use, rate)
    assert plan.bought == {"hourly": 5}
    gamma = (1 - 1.25**-1.0) / (1 - 1.25 ** (-1 / YEAR))
    assert gamma * 0.90 == pytest.approx(7066, abs=1)
    assert float(plan.objective) == pytest.approx(5 * 0.90 * gamma)
    assert plan.total == 5 * YEAR * Decimal("0.90")  # the bill is what will be charged


def test_closed_purchase_windows(tmp_path: Path) -> None:
    offers = [
        units("late", 4, "0.1", available_from=at(1)),
        units("gone", 4, "0.1", available_until=at(0)),
        units("passed", 4, "0.1", starts=at(-1)),
        units("after", 4, "0.1", starts=at(4)),
        units("open", 4, "0.5", available_from=at(0), available_until=at(1)),
    ]
    plan = one_meter(tmp_path / "closed", offers, [3] * 4)
    assert plan.bought == {"open": 3}
    assert plan.closed == {
        "late": "its purchase window has not opened yet",
        "gone": "its purchase window is closed",
        "passed": "its fixed start has passed",
        "after": "it starts after the horizon",
    }


def test_a_block_with_a_fixed_start(tmp_path: Path) -> None:
    """Two hours from hour 1 on at 0.40; use before and after is on demand."""
    block = units("block", 2, "0.40", law="capacity.block", starts=at(1), maximum=4)
    plan = one_meter(tmp_path / "block", [block], [3, 6, 3, 3])
    # In hour 1 four units, in hour 2 three are used: the fourth saves 1.00 and costs 0.80.
    assert plan.bought == {"block": 4}
    assert plan.total == Decimal("0.40") * 2 * 4 + 3 + 2 + 0 + 3
    assert plan.parts[0].window.tail_hours == 0


def test_a_minimum_is_all_or_nothing(tmp_path: Path) -> None:
    """Three units are used; at least four must be bought, for 0.70 or 0.80 each."""
    use = [3.0] * 4
    for rate, bought, total in (("0.70", {"ri": 4}, "11.2"), ("0.80", {}, "12")):
        plan = one_meter(tmp_path / rate, [units("ri", 4, rate, minimum=4)], use)
        assert plan.bought == bought
        assert plan.total == Decimal(total)


def test_steps_and_maximums(tmp_path: Path) -> None:
    """Boxes of 8 up to 20: 16 is the most, though 20 would be used."""
    plan = one_meter(tmp_path / "steps", [units("box", 4, "0.5", step=8, maximum=20)], [20.0] * 4)
    assert plan.bought == {"box": 16}
    assert plan.gap_solver == pytest.approx(0, abs=1e-9)


def bundle(folder: Path, gpu_step: int, cpu_step: int, cpu_ratio: str) -> Plan:
    """A GPU for 4.00 (on demand 10) with `cpu_ratio` vCPU for 0.50 (on demand 1)."""
    return make_plan(
        case_of(
            folder,
            4,
            meters=[meter("gpu", "10"), meter("cpu", "1")],
            usage=[*usage("gpu", [6] * 4), *usage("cpu", [48] * 4)],
            offers=[
                units("g", 4, "4", bundle="b", bundle_ratio=1, step=gpu_step),
                units("c", 4, "0.5", bundle="b", bundle_ratio=cpu_ratio, step=cpu_step),
            ],
            covers=[cover("g", "gpu"), cover("c", "cpu")],
        )
    )


def test_a_bundle_is_bought_in_ratio(tmp_path: Path) -> None:
    plan = bundle(tmp_path / "b", 1, 1, "12")
    assert plan.bought == {"g": 6, "c": 72}  # 24 vCPU idle: they cost 12, the GPUs save 36
    assert plan.total == 4 * (6 * 4 + 36)
    assert len(plan.parts) == 1  # what is bought together is planned together


def test_a_bundle_keeps_every_members_step(tmp_path: Path) -> None:
    """Steps of 2 GPUs and 3 vCPUs, one to one: only multiples of 6 keep both.

    The larger of the two steps, 3, would buy three GPUs.
    """
    plan = bundle(tmp_path / "b", 2, 3, "1")
    assert plan.bought == {"g": 6, "c": 6}
    small = make_plan(
        case_of(
            tmp_path / "small",
            4,
            meters=[meter("gpu", "10"), meter("cpu", "1")],
            usage=[*usage("gpu", [3] * 4), *usage("cpu", [48] * 4)],
            offers=[
                units("g", 4, "4", bundle="b", bundle_ratio=1, step=2),
                units("c", 4, "0.5", bundle="b", bundle_ratio=1, step=3),
            ],
            covers=[cover("g", "gpu"), cover("c", "cpu")],
        )
    )
    # Six for three GPUs: 6 × 4.50 = 27 an hour saves 30 + 6.
    assert small.bought == {"g": 6, "c": 6}


def test_a_bundle_of_different_terms_is_refused(tmp_path: Path) -> None:
    case = case_of(
        tmp_path / "case",
        4,
        meters=[meter("a", "1")],
        usage=usage("a", [1] * 4),
        offers=[
            units("x", 4, "0.5", bundle="b"),
            units("y", 8, "0.5", bundle="b"),
        ],
        covers=[cover("x", "a"), cover("y", "a")],
    )
    with pytest.raises(DataError, match="different terms or starts") as caught:
        make_plan(case)
    assert (caught.value.file, caught.value.column) == ("offers.csv", "bundle")


def test_a_bundle_with_a_closed_member_is_closed(tmp_path: Path) -> None:
    case = case_of(
        tmp_path / "case",
        4,
        meters=[meter("a", "1")],
        usage=usage("a", [1] * 4),
        offers=[
            units("x", 4, "0.1", bundle="b"),
            units("y", 4, "0.1", bundle="b", available_until=at(0)),
        ],
        covers=[cover("x", "a"), cover("y", "a")],
    )
    plan = make_plan(case)
    assert plan.bought == {}
    assert plan.closed == {
        "x": "another offer of its bundle is not open",
        "y": "its purchase window is closed",
    }


def test_usage_without_price_is_served_in_spite_of_rounding(tmp_path: Path) -> None:
    """7 units of a draw of 0.07 are 100 units of usage, but 7 / 0.07 is 99.99999999999999."""
    assert 7 / 0.07 < 100
    case = case_of(
        tmp_path / "case",
        4,
        meters=[meter("m")],
        usage=usage("m", [100.0] * 4),
        offers=[units("ri", 4, "1")],
        covers=[cover("ri", "m", "0.07")],
    )
    plan = make_plan(case)
    assert plan.bought == {"ri": 7}
    assert plan.total == plan.objective == 28
    assert plan.gap == pytest.approx(0, abs=1e-9)


def test_what_the_law_leaves_unserved_is_said(tmp_path: Path) -> None:
    """Free choice keeps the reservation for the meter that has no price; the law does not.

    Regional reservations serve the smallest size first: `small`, which has a price.
    """
    case = case_of(
        tmp_path / "case",
        4,
        meters=[meter("small", "1", size=1), meter("large", size=2)],
        usage=[*usage("small", [4] * 4), *usage("large", [1] * 4)],
        offers=[units("ri", 4, "0.1", maximum=2)],
        covers=[cover("ri", "small", "1"), cover("ri", "large", "2")],
    )
    with pytest.raises(SolverError, match="providers' order of applying discounts"):
        make_plan(case)


def test_the_law_is_served_by_buying_more(tmp_path: Path) -> None:
    """As above, but there is enough to buy: four for `small`, and two more for `large`."""
    case = case_of(
        tmp_path / "case",
        4,
        meters=[meter("small", "1", size=1), meter("large", size=2)],
        usage=[*usage("small", [4] * 4), *usage("large", [1] * 4)],
        offers=[units("ri", 4, "1.5")],
        covers=[cover("ri", "small", "1"), cover("ri", "large", "2")],
    )
    plan = make_plan(case)
    assert plan.bought == {"ri": 6}
    assert plan.total == 4 * 6 * Decimal("1.5")
    # Freely, two units would do: 3.00 and 4.00 on demand an hour.
    assert float(plan.lower_bound) == pytest.approx(4 * 7)
    assert plan.gap_law == pytest.approx(2 / 9)
    assert plan.status == "optimal"


def test_the_tail_repeats_what_is_held_until_it_ends(tmp_path: Path) -> None:
    """Two units are held for twice the horizon: a longer offer need not cover them before."""
    case = case_of(
        tmp_path / "case",
        48,
        meters=[meter("m", "1")],
        usage=usage("m", [2] * 48),
        offers=[units("three", 144, "0.5"), units("old", 96, "0.5", available_until=at(0))],
        covers=[cover("three", "m"), cover("old", "m")],
        commitments=[
            {"commitment": "c", "offer": "old", "quantity": 2, "start": at(0), "end": at(96)}
        ],
    )
    plan = make_plan(case)
    # Needed in the last third only: 144 × 0.5 = 72 for what 48 hours on demand cost: 48.
    assert plan.bought == {}
    assert plan.tail_hours == 96
    assert float(plan.objective) == pytest.approx(96 * 2 * 0.5 + 48 * 2 * 1.0)


def test_interruptions_raise_the_price_of_spot(tmp_path: Path) -> None:
    """ŝ = 0.5 (1 + δω) + δι with δ = 0.2, ω = 1.5 h, ι = 0.5: 0.75 in the objective."""
    case = case_of(
        tmp_path / "case",
        4,
        meters=[meter("m", "1", spot="0.5", spot_interruption="0.2")],
        usage=usage("m", [10] * 4, spot_tolerant=0.4, lost_hours=1.5, restart_cost="0.5"),
        offers=[units("ri", 4, "0.9")],
        covers=[cover("ri", "m")],
    )
    plan = make_plan(case)
    assert plan.parts[0].problem.spot_price.tolist() == pytest.approx([0.75])
    assert plan.bought == {"ri": 6}
    assert float(plan.objective) == pytest.approx(4 * (6 * 0.9 + 4 * 0.75))
    assert float(plan.total) == pytest.approx(4 * (6 * 0.9 + 4 * 0.5))
    assert math.isclose(plan.gap, 0.0, abs_tol=1e-9)


def test_money_is_bought_in_steps_of_a_tenth_of_a_cent(tmp_path: Path) -> None:
    case = case_of(
        tmp_path / "case",
        3,
        meters=[meter("m", "1")],
        usage=usage("m", [1 / 3] * 3),
        offers=[money("sp", 3)],
        covers=[cover("sp", "m", "0.7")],
    )
    plan = make_plan(case)
    assert plan.bought == {"sp": Decimal("0.233")}  # of 0.23333…
    assert plan.gap < 0.001


def test_the_tail_makes_no_case_infeasible(tmp_path: Path) -> None:
    """A meter without price is served in the horizon; behind it, it can be bought again.

    `both` ends with the horizon; `a3`, which does not serve b, makes the tail.
    """
    plan = make_plan(
        case_of(
            tmp_path / "linked",
            48,
            meters=[meter("a", "1", size=2), meter("b", size=1)],  # the law serves b first
            usage=[*usage("a", [5] * 48), *usage("b", [2] * 48)],
            offers=[units("both", 48, "0.6"), units("a3", 144, "0.5")],
            covers=[cover("both", "a"), cover("both", "b"), cover("a3", "a")],
        )
    )
    assert plan.bought == {"both": 2, "a3": 5}
    # b is bought again for 96 hours at 0.60.
    assert float(plan.objective) == pytest.approx(144 * 5 * 0.5 + 144 * 2 * 0.6)
    assert plan.gap == pytest.approx(0, abs=1e-9)


def test_a_block_need_not_be_replaced_in_the_tail(tmp_path: Path) -> None:
    """A peak of 10 is served by a block; the longer offer has room for 5 only."""
    plan = make_plan(
        case_of(
            tmp_path / "block",
            48,
            meters=[meter("m")],
            usage=usage("m", [10] * 24 + [2] * 24),
            offers=[
                units("block", 24, "0.5", law="capacity.block", starts=at(0)),
                units("long", 480, "0.3", maximum=5),
            ],
            covers=[cover("block", "m"), cover("long", "m")],
        )
    )
    assert plan.bought["block"] >= 5
    assert sum(plan.bought.values()) == 10


def test_what_is_not_sold_any_more_costs_nothing_in_the_tail(tmp_path: Path) -> None:
    """b has no price and is held only, for as long as the horizon and a little more."""
    plan = make_plan(
        case_of(
            tmp_path / "held",
            48,
            meters=[meter("a", "1", size=2), meter("b", size=1)],  # the law serves b first
            usage=[*usage("a", [4] * 48), *usage("b", [2] * 48)],
            offers=[
                units("old", 60, "0.6", available_until=at(0)),
                units("new", 144, "0.5", maximum=4),
            ],
            covers=[cover("new", "a"), cover("old", "a", "3"), cover("old", "b")],
            commitments=[
                {"commitment": "c", "offer": "old", "quantity": 2, "start": at(0), "end": at(60)}
            ],
        )
    )
    assert plan.bought == {"new": 4}
    assert float(plan.objective) == pytest.approx(144 * 4 * 0.5 + 60 * 2 * 0.6)
