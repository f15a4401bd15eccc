# SPDX-License-Identifier: Apache-2.0
"""What runs on spot is the plan's choice, and makes the law cover what it should."""

from __future__ import annotations

import pytest

from optimizer.planning import make_plan

from .folders import at, cover, meter, money, usage
from .memory import memory_case

HELD = {"commitment": "held", "offer": "plan", "quantity": 70, "start": at(-1), "end": at(4)}


def test_spot_is_chosen_by_what_it_frees_for_each_dollar() -> None:
    """A plan of $70 an hour covers B1 for $1, B2 for $4 and A for $6 a unit, all worth $10.

    The law spends it on B1, then B2, and leaves all of A on demand: 100 + 3.75·4 = $115.
    Freeing the $60 that A needs by the cheapest spot first takes B1 ($2) off, too: $80.
    Best is B2 alone ($4): 18.75 units of it, which is 75: the other policies take all of it
    or none, because at the margin spot and commitment cost the same.
    """
    case = memory_case(
        2,
        meters=[meter("a", 10), meter("b1", 10, spot=2), meter("b2", 10, spot=4)],
        usage=[
            *usage("a", [10, 10]),
            *usage("b1", [5, 5], spot_tolerant=1),
            *usage("b2", [20, 20], spot_tolerant=1),
        ],
        offers=[money("plan", 5, available_until=at(0))],
        covers=[cover("plan", "a", "6"), cover("plan", "b1", "1"), cover("plan", "b2", "4")],
        commitments=[HELD],
    )
    plan = make_plan(case)
    assert float(plan.bill.spot) == 2 * 75.0
    assert float(plan.bill.on_demand) == 0.0
    assert plan.gap_law < 1e-9


def test_what_the_law_prefers_may_stay_covered() -> None:
    """Where the plan covers everything, nothing is moved for the sake of it."""
    case = memory_case(
        1,
        meters=[meter("a", 10), meter("b1", 10, spot=2)],
        usage=[*usage("a", [10]), *usage("b1", [5], spot_tolerant=1)],
        offers=[money("plan", 5, available_until=at(0))],
        covers=[cover("plan", "a", "6"), cover("plan", "b1", "1")],
        commitments=[HELD],
    )
    plan = make_plan(case)
    assert not plan.bill.spot
    assert not plan.bill.on_demand


def test_a_cap_on_spot_does_not_make_that_choice_dear() -> None:
    """The share of spot is capped after the hours have chosen: the other policies count too."""
    spots = {"m0": (2, 6), "m1": (2, 4), "m2": (6, 7), "m3": (3, 6)}
    used = {"m0": [15, 8, 7], "m1": [4, 9, 19], "m2": [3, 7, 12], "m3": [11, 5, 9]}
    case = memory_case(
        3,
        "[limits]\nspot_share = 0.25\n",
        meters=[meter(name, 10, spot=spot) for name, (spot, _) in spots.items()],
        usage=[row for name in used for row in usage(name, used[name], spot_tolerant=1)],
        offers=[money("plan", 5, available_until=at(0))],
        covers=[cover("plan", name, str(draw)) for name, (_, draw) in spots.items()],
        commitments=[HELD | {"quantity": 58}],
    )
    assert float(make_plan(case).total) == pytest.approx(667.75)
