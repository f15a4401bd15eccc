# SPDX-License-Identifier: Apache-2.0
"""Initiatives and price scenarios: what they do to the futures, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest

from optimizer.demand import movable_demand, scenarios_of_horizon
from optimizer.errors import DataError

from .conftest import at

WEEK = 168


def usage(weeks: int = 4, quantity: float = 10.0, meter: str = "a"):
    return [(hour, meter, quantity, 0.5) for hour in range(-weeks * WEEK, 0)]


def row(name: str = "lab", stage: str = "explore", meter: str = "b", quantity: float = 4, **more):
    start, end = more.pop("start", 24), more.pop("end", 240)
    return {
        "initiative": name,
        "stage": stage,
        "meter": meter,
        "quantity": quantity,
        "start": at(start),
        "end": at(end),
    } | more


def price(scenario: str = "cut", odds: float = 0.3, hour: int = 100, factor: float = 0.8, **more):
    selector = more or {"meter": "a"}
    return {"scenario": scenario, "odds": odds, "hour": at(hour), "factor": factor} | selector


def line(found, meter: str) -> int:
    return found.base.usage.meter.index(meter)


def chance(found, mask) -> float:
    return float(found.odds[mask].sum())


def test_an_initiative_adds_its_quantity_with_its_odds(write_case):
    """One demand path: a future without it and one with it; the meter gets a line."""
    found = scenarios_of_horizon(write_case(usage(), initiatives=[row(odds=0.3)]))
    assert found.names == ("as planned", "as planned, lab")
    assert found.odds == pytest.approx([0.7, 0.3], abs=1e-15)
    without, with_ = found.quantity[:, line(found, "b")]
    assert not without.any()
    assert np.flatnonzero(with_).tolist() == list(range(24, 240))
    assert set(with_[24:240]) == {4.0}
    assert (found.quantity[:, line(found, "a")] == 10).all()
    assert not found.base.usage.quantity[line(found, "b")].any()


def test_a_certain_initiative_is_in_every_future_and_in_the_plan_without_scenarios(write_case):
    found = scenarios_of_horizon(write_case(usage(), initiatives=[row(), row("never", odds=0)]))
    assert len(found) == 1
    assert found.quantity[0, line(found, "b"), 24:240].tolist() == [4.0] * 216
    assert found.base.usage.quantity[line(found, "b"), 100] == 4


def test_retiring_takes_away_what_runs_and_never_more(write_case):
    rows = [*usage(), *usage(quantity=30, meter="c")]
    retire = [row("old", "retire", "a", 12, odds=0.5), row("less", "retire", "c", 12, odds=1)]
    found = scenarios_of_horizon(write_case(rows, initiatives=retire))
    assert len(found) == 2
    a, c = line(found, "a"), line(found, "c")
    assert found.quantity[0, a].tolist() == [10.0] * 336
    assert not found.quantity[1, a, 24:240].any()
    assert (found.quantity[1, a, :24] == 10).all()
    assert (found.quantity[:, c, 24:240] == 18).all()
    # The part that may run on spot goes in proportion.
    assert (found.tolerant[:, c, 24:240] == 9).all()
    (note,) = [note for note in found.base.notes if "retires" in note]
    assert "old retires more of a than runs in up to 216 hours (by up to 2 units)" in note


def test_rows_of_one_initiative_happen_together(write_case):
    """A new generation draws demand away: one event of two rows, at one odds."""
    rows = [row("b200", "retire", "a", 6, odds=0.4), row("b200", "exploit", "b", 3)]
    found = scenarios_of_horizon(write_case(usage(), initiatives=rows))
    drawn = found.quantity[:, line(found, "a"), 100] == 4
    assert (drawn == (found.quantity[:, line(found, "b"), 100] == 3)).all()
    assert chance(found, drawn) == pytest.approx(0.4, abs=1e-12)


def test_an_initiative_that_bears_the_name_of_a_price_scenario_comes_with_it(write_case):
    rows = [row("b200", "retire", "a", 6), row("b200", "exploit", "b", 3)]
    found = scenarios_of_horizon(
        write_case(usage(), initiatives=rows, price_scenarios=[price("b200", 0.25)])
    )
    assert len(found) == 2
    drawn = found.quantity[:, line(found, "a"), 120] == 4
    assert (drawn == (found.price_factor["a"][:, 120] == 0.8)).all()
    assert chance(found, drawn) == pytest.approx(0.25, abs=1e-12)


def test_price_scenarios_change_prices_from_their_hour(write_case):
    prices = [price("cut", 0.3), price("cut", 0.3, 200, 0.5), price("war", 0.2, provider="aws")]
    found = scenarios_of_horizon(write_case(usage(), price_scenarios=prices))
    assert found.names == ("as planned", "as planned, cut", "as planned, war")
    assert found.odds == pytest.approx([0.5, 0.3, 0.2], abs=1e-15)
    assert set(found.price_factor) == {"a", "b"}
    factor = found.price_factor["a"]
    assert (factor[0] == 1).all()
    assert [factor[1, hour] for hour in (99, 100, 199, 200, 335)] == [1, 0.8, 0.8, 0.5, 0.5]
    assert [factor[2, hour] for hour in (99, 100)] == [1, 0.8]
    assert [found.price_factor["b"][:, 300].tolist()] == [[1, 1, 0.8]]


def test_the_most_exact_row_decides(write_case):
    prices = [
        price("cut", 1.0, 0, 0.5),
        price("cut", 1.0, 50, 0.9, provider="aws"),
        price("cut", 1.0, 10, 0.7, family="p6"),
    ]
    found = scenarios_of_horizon(write_case(usage(), price_scenarios=prices))
    assert len(found) == 1  # odds of 1: nothing is open
    assert (found.price_factor["a"] == 0.5).all()
    assert found.price_factor["b"][0, [0, 10, 60]].tolist() == [1, 0.7, 0.7]


def test_odds_are_exact_in_sampled_futures(write_case):
    """Twenty demand paths, three initiatives and two price scenarios: every odds comes out."""
    random = np.random.default_rng(3)
    level = np.repeat(10 + random.random(12), WEEK)
    rows = [(i - len(level), "a", f"{q:.6f}") for i, q in enumerate(level)]
    items = [row("x", odds=0.37), row("y", odds=0.5, quantity=7), row("z", odds=0.04, quantity=90)]
    case = write_case(
        rows,
        'forecaster = "seasonal"',
        initiatives=items,
        price_scenarios=[price("cut", 0.31), price("rise", 0.11, factor=1.2)],
    )
    found = scenarios_of_horizon(case)
    assert len(found) == 20
    extra = found.quantity[:, line(found, "b"), 100]
    for name, quantity, odds in [("x", 4, 0.37), ("y", 7, 0.5), ("z", 90, 0.04)]:
        mask = np.array([f", {name}" in text for text in found.names])
        assert chance(found, mask) == pytest.approx(odds, abs=1e-10)
        assert (extra[mask] >= quantity).all()
    factor = found.price_factor["a"][:, 300]
    assert chance(found, factor == 0.8) == pytest.approx(0.31, abs=1e-10)
    assert chance(found, factor == 1.2) == pytest.approx(0.11, abs=1e-10)


def test_many_initiatives_of_one_path_are_sampled(write_case):
    items = [row(f"i{i}", quantity=2**i, odds=0.1 + 0.1 * i) for i in range(7)]
    case = write_case(usage(), "scenarios = 16", initiatives=items)
    found = scenarios_of_horizon(case)
    assert len(found) == 16
    extra = found.quantity[:, line(found, "b"), 100].astype(int)
    for i in range(7):
        assert chance(found, (extra >> i) % 2 == 1) == pytest.approx(0.1 + 0.1 * i, abs=1e-10)


def test_initiatives_of_a_workload_change_its_requests(write_case):
    workloads = [{"workload": "chat", "hour": at(hour), "requests": 100} for hour in range(3)]
    item = row("grow", meter="", odds=0.4, quantity=50) | {"workload": "chat"}
    found = scenarios_of_horizon(write_case(usage(), initiatives=[item], workloads=workloads))
    assert found.requests_added["chat"].shape == (2, 336)
    assert found.requests_added["chat"][:, [23, 24, 239, 240]].tolist() == [
        [0, 0, 0, 0],
        [0, 50, 50, 0],
    ]


def test_outside_the_horizon_is_told(write_case):
    late = row("late", start=400, end=500, odds=0.5)
    case = write_case(usage(), initiatives=[late], price_scenarios=[price(hour=336)])
    found = scenarios_of_horizon(case)
    assert len(found) == 1
    assert any("initiative late lies outside" in note for note in found.base.notes)
    assert any("scenario cut changes nothing" in note for note in found.base.notes)


REFUSED = {
    "an initiative without an end": ({"initiatives": [row() | {"end": ""}]}, "end", 1),
    "an end before its start": ({"initiatives": [row(start=9, end=9)]}, "end", 1),
    "odds above one": ({"initiatives": [row(), row(odds=1.2)]}, "odds", 2),
    "odds below zero": ({"initiatives": [row(odds=-0.1)]}, "odds", 1),
    "a stage that is none": ({"initiatives": [row(stage="hope")]}, "stage", 1),
    "odds of one initiative that differ": (
        {"initiatives": [row(odds=0.4), row(stage="retire", odds=0.5)]},
        "odds",
        2,
    ),
    "a workload without workloads": (
        {"initiatives": [row(meter="") | {"workload": "chat"}]},
        "workload",
        1,
    ),
    "odds that add up to more than one": (
        {"price_scenarios": [price("x", 0.6), price("y", 0.5)]},
        "odds",
        2,
    ),
    "odds of one scenario that differ": (
        {"price_scenarios": [price("x", 0.2), price("x", 0.3, 120)]},
        "odds",
        2,
    ),
    "a negative factor": ({"price_scenarios": [price(factor=-0.5)]}, "factor", 1),
    "a family without a meter": ({"price_scenarios": [price(family="p9")]}, "family", 1),
    "two factors at one time": (
        {"price_scenarios": [price("x", 0.2), price("x", 0.2, factor=0.7)]},
        "hour",
        2,
    ),
    "odds of one event that differ": (
        {"initiatives": [row("x", odds=0.5)], "price_scenarios": [price("x", 0.3)]},
        "odds",
        1,
    ),
}


@pytest.mark.parametrize("what", REFUSED)
def test_refused_by_name(write_case, what):
    tables, column, number = REFUSED[what]
    with pytest.raises(DataError) as caught:
        scenarios_of_horizon(write_case(usage(), **tables))
    assert caught.value.column == column
    assert caught.value.row == number
    assert caught.value.mend


def test_too_few_scenarios_for_what_may_happen(write_case):
    prices = [price(name, 0.2) for name in ("x", "y", "z")]
    with pytest.raises(DataError, match="cannot hold all") as caught:
        scenarios_of_horizon(write_case(usage(), "scenarios = 3", price_scenarios=prices))
    assert caught.value.column == "demand.scenarios"
    assert "at least 4" in caught.value.mend


def test_work_that_may_move_is_part_of_the_scenario(write_case):
    """A workload has the share of a scenario's demand that it had of history."""
    substitutes = [{"from_meter": "a", "to_meter": "b", "ratio": 1, "workload": ""}]
    items = [row("old", "retire", "a", 4, start=0, end=336, odds=0.5), row("new", odds=0.5)]
    case = write_case(usage(), initiatives=items, substitutes=substitutes)
    found = scenarios_of_horizon(case)
    for future in range(len(found)):
        (work,) = movable_demand(case, found.demand(future)).works
        assert (work.units == found.quantity[future, line(found, "a")]).all()
