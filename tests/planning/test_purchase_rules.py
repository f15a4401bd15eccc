# SPDX-License-Identifier: Apache-2.0
"""Each peer's rule on series small enough to reckon by hand, and none of them looks ahead."""

from __future__ import annotations

import numpy as np
import pytest

from optimizer.planning.backtest.outlook import Beliefs
from optimizer.planning.backtest.policy import Policy
from optimizer.planning.backtest.rules import (
    BreakEven,
    FixedCoverage,
    MostSaved,
    OnDemand,
    StableUsage,
    gap_split,
    peers,
)
from optimizer.planning.backtest.walk import Calendar, Rule, decide_all

from .markets import book, one, several

TWO_LEVELS = np.tile([10.0, 4.0], 30 * 12)[None]  # ten in one hour, four in the next


def test_all_on_demand_buys_nothing() -> None:
    market = one(0.6)
    assert OnDemand().decide(market, TWO_LEVELS, book(market, 720)) == [0.0]


@pytest.mark.parametrize(
    ("rate", "amount"),
    [
        (0.6, 4.0),  # between four and ten a unit is used half of the time: 0.5 < 0.6
        (0.5, 10.0),  # it just pays
        (0.4, 10.0),
        (1.1, 0.0),  # dearer than on demand
    ],
)
def test_the_providers_rule_buys_the_last_unit_that_would_have_paid(
    rate: float, amount: float
) -> None:
    market = one(rate)
    assert MostSaved(7).decide(market, TWO_LEVELS, book(market, 720)) == pytest.approx([amount])


def test_the_providers_rule_is_net_of_what_is_held_and_not_of_what_has_expired() -> None:
    market = one(0.6, term=730)
    held = book(market, 800, {400: [3.0]})
    expired = book(market, 1200, {400: [3.0]})
    assert MostSaved(7).decide(market, TWO_LEVELS, held) == pytest.approx([1.0])
    assert MostSaved(7).decide(market, TWO_LEVELS, expired) == pytest.approx([4.0])


def test_the_providers_rule_sees_its_look_back_alone() -> None:
    market, seen = one(0.6), np.concatenate([np.full(1000, 9.0), np.full(168, 2.0)])[None]
    assert MostSaved(7).decide(market, seen, book(market, 1168)) == pytest.approx([2.0])
    assert MostSaved(30).decide(market, seen, book(market, 1168)) == pytest.approx([9.0])


def test_several_instruments_are_bought_narrow_first_each_on_what_is_left() -> None:
    market, seen = several(2), np.tile([[2.0, 2.0], [3.0, 1.0]], 360)
    # Line 1 has one unit always and two half of the time, too little for 0.6; the plan as well
    # needs 0.72, so that nothing is left for it.
    bought = MostSaved(7).decide(market, seen, book(market, 720))
    assert bought == pytest.approx([2.0, 1.0, 0.0])
    plans = MostSaved(7, "money").decide(market, seen, book(market, 720))
    assert plans == pytest.approx([0.0, 0.0, 3 * 0.72])
    alone = MostSaved(7, "units").decide(market, seen, book(market, 720))
    assert alone == pytest.approx([2.0, 1.0, 0.0])


def test_stable_usage_is_what_ran_in_every_hour() -> None:
    market = one(0.6)
    assert StableUsage().decide(market, TWO_LEVELS, book(market, 720)) == pytest.approx([4.0])
    dear = one(1.2)
    assert StableUsage().decide(dear, TWO_LEVELS, book(dear, 720)) == [0.0]


def test_fixed_coverage_tops_up_to_its_share_of_the_spend() -> None:
    market = one(0.6)
    # Seven on average; 70 % of it is 4.9 = (x + 4) / 2.
    assert FixedCoverage(0.7).decide(market, TWO_LEVELS, book(market, 720)) == pytest.approx([5.8])
    held = book(market, 720, {100: [5.0]})
    assert FixedCoverage(0.7).decide(market, TWO_LEVELS, held) == pytest.approx([0.8])
    assert FixedCoverage(0.6).decide(market, TWO_LEVELS, held) == [0.0]


def test_gap_split_buys_half_of_the_gap_each_time() -> None:
    market = one(0.6)
    assert gap_split().decide(market, TWO_LEVELS, book(market, 720)) == pytest.approx([2.0])
    held = book(market, 720, {100: [2.0]})
    assert gap_split().decide(market, TWO_LEVELS, held) == pytest.approx([1.0])


def test_break_even_waits_until_the_fee_has_been_spent_on_demand() -> None:
    market = one(0.5, term=100)  # a fee of fifty hours on demand
    usage = np.full((1, 300), 3.0)
    assert BreakEven().decide(market, usage[:, :49], book(market, 49)) == [0.0]
    assert BreakEven().decide(market, usage[:, :50], book(market, 50)) == pytest.approx([3.0])
    # Hours before the purchase are not counted twice, and those under it cost nothing.
    held = book(market, 90, {50: [3.0]})
    assert BreakEven().decide(market, usage[:, :90], held) == [0.0]
    # The fifty hours after its end bring the next one.
    late = {50: [3.0]}
    assert BreakEven().decide(market, usage[:, :199], book(market, 199, late)) == [0.0]
    assert BreakEven().decide(market, usage[:, :200], book(market, 200, late)) == pytest.approx(
        [3.0]
    )


def test_the_policy_covers_what_has_always_run_and_not_twice() -> None:
    market = one(0.6)
    seen = np.full((1, 90 * 24), 5.0)
    assert Policy().decide(market, seen, book(market, 2160)) == pytest.approx([5.0], rel=1e-3)
    held = book(market, 2160, {2000: [5.0]})
    assert Policy().decide(market, seen, held) == pytest.approx([0.0], abs=0.01)


def test_the_policy_buys_less_than_the_provider_of_what_falls_and_no_less_of_what_grows() -> None:
    market, hours = one(0.6), np.arange(180 * 24)
    falling = 100 * np.exp(-hours / 730 * 0.04)[None]
    policy, provider = (
        rule.decide(market, falling, book(market, len(hours)))[0]
        for rule in (Policy(), MostSaved(30))
    )
    # At 4 % a month what pays for sixty percent of a year lasts 7.2 months: e^(−0.29) of today.
    today = falling[0, -1]
    assert policy == pytest.approx(today * np.exp(-0.04 * 7.2), rel=0.03)
    assert provider > today
    growing = falling[:, ::-1].copy()
    bought = Policy().decide(market, growing, book(market, len(hours)))[0]
    assert bought >= MostSaved(30).decide(market, growing, book(market, len(hours)))[0]
    assert bought <= growing[0, -1] * 1.04  # and not what it may grow to


def test_the_policy_trusts_a_plan_with_hardware_of_unknown_age_and_a_reservation_with_new() -> None:
    market, months = several(2), 18
    hours = np.arange(months * 730)
    moved = hours >= 14 * 730
    old, new = np.where(moved, 0.0, 10.0), np.where(moved, 10.0, 0.0)
    before = Policy().decide(market, np.vstack([old, new])[:, : 12 * 730], book(market, 12 * 730))
    assert before[:2] == pytest.approx([0.0, 0.0], abs=0.05)
    assert before[2] == pytest.approx(7.2, rel=0.02)  # dollars of plan for ten units
    after = Policy().decide(market, np.vstack([old, new]), book(market, len(hours)))
    assert after[0] == pytest.approx(0.0, abs=0.05)
    assert after[1] == pytest.approx(10.0, rel=0.05)  # the new line's reservation


def test_a_line_that_appeared_yesterday_is_not_reserved() -> None:
    market = several(2)
    seen = np.vstack([np.full(2000, 5.0), np.zeros(2000)])
    seen[1, -24:] = 50.0
    bought = Policy().decide(market, seen, book(market, 2000))
    assert np.isfinite(bought).all()
    assert bought[1] == pytest.approx(0.0, abs=0.5)


@pytest.mark.parametrize("rule", [*peers(several(3)), Policy(Beliefs(scenarios=4))])
def test_no_rule_looks_ahead(rule: Rule) -> None:
    """What comes after a date changes nothing of what was bought on it or before it."""
    draws = np.random.default_rng(3)
    market = several(3, term=1000)
    demand = draws.poisson(20, (3, 2000)).astype(float)
    calendar = Calendar.every(400, 2000, 400)
    asked = decide_all(market, demand, calendar, rule)
    other = demand.copy()
    other[:, 1200:] = draws.poisson(60, (3, 800))
    again = decide_all(market, other, calendar, rule)
    assert (asked[:3] == again[:3]).all()  # dates 400, 800 and 1200 have seen the same
    if rule.name not in (OnDemand().name, BreakEven().name):
        assert (asked[3] != again[3]).any()
