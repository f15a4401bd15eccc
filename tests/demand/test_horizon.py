# SPDX-License-Identifier: Apache-2.0
"""Demand of the horizon: given rows as they are, else whole weeks of history as they were."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from optimizer.demand import HorizonDemand, demand_of_horizon
from optimizer.demand.horizon import has_routing
from optimizer.errors import DataError
from optimizer.tables import format_hour, parse_hour, read_case

WEEK = 168
AS_OF = parse_hour("2026-11-02T00:00:00Z")
COLUMNS = "hour,meter,quantity,account,spot_share,spot_tolerant,grain\n"


@pytest.fixture
def demand(tmp_path: Path):
    """The horizon's demand of rows (hour from as_of, meter, quantity, the other columns)."""

    def make(rows, horizon: int = WEEK) -> HorizonDemand:
        (tmp_path / "case.toml").write_text(
            f'currency = "USD"\nas_of = "{format_hour(AS_OF)}"\nhorizon_hours = {horizon}\n'
        )
        (tmp_path / "meters.csv").write_text(
            "meter,provider,product,unit,on_demand\n"
            "a,aws,instance,Instance-Hours,1\nb,aws,instance,Instance-Hours,1\n"
        )
        text = COLUMNS
        for hour, meter, quantity, *more in rows:
            rest = (*more, "", "", "", "")[:4]
            text += f"{format_hour(AS_OF + hour)},{meter},{quantity},{','.join(map(str, rest))}\n"
        (tmp_path / "usage.csv").write_text(text)
        return demand_of_horizon(read_case(tmp_path))

    return make


def history(first: int, last: int, value=lambda hour: 1 + hour % 1000, meter: str = "a"):
    """One row for each hour of ``[first, last)`` from as_of, of a value told by the hour."""
    return [(hour, meter, value(hour)) for hour in range(first, last)]


def test_given_rows_are_used_as_they_are(demand) -> None:
    found = demand([(0, "a", 3), (1, "a", 0), (2, "a", "0.125"), (3, "a", 7)], horizon=4)
    assert found.usage.quantity.tolist() == [[3, 0, 0.125, 7]]
    assert found.usage.first_hour == AS_OF
    assert found.given.all()
    assert found.notes == ()


def test_given_rows_hide_history(demand) -> None:
    """Given in full, the horizon repeats nothing, and says nothing of history."""
    rows = history(-2 * WEEK, 0) + [(hour, "a", 5) for hour in range(WEEK)]
    found = demand(rows)
    assert (found.usage.quantity == 5).all()
    assert found.notes == ()


def test_whole_weeks_are_repeated(demand) -> None:
    """Every hour is the same hour of the week, of two weeks that differ: no mean of them."""
    rows = history(-2 * WEEK, 0, value=lambda hour: hour + 1000)
    found = demand(rows, horizon=5 * WEEK + 10)
    quantity = found.usage.quantity[0]
    for hour in range(5 * WEEK + 10):
        assert quantity[hour] == 1000 - 2 * WEEK + hour % (2 * WEEK)
    assert not found.given.any()
    assert found.notes == ("2 whole weeks of history are repeated as they were",)


def test_bursts_survive(demand) -> None:
    """One hour of 900 in four weeks is one hour of 900, not four of 225."""
    rows = history(-4 * WEEK, 0, value=lambda hour: 900 if hour == -3 * WEEK + 5 else 1)
    quantity = demand(rows, horizon=4 * WEEK).usage.quantity[0]
    assert np.flatnonzero(quantity == 900).tolist() == [WEEK + 5]
    assert (np.delete(quantity, WEEK + 5) == 1).all()


def test_part_of_a_week_is_left_out(demand) -> None:
    """Of 17 days the last 14 are repeated; the oldest three are not."""
    rows = history(-17 * 24, 0, value=lambda hour: 1 if hour < -2 * WEEK else 2 + hour % WEEK)
    found = demand(rows, horizon=3 * WEEK)
    assert found.usage.quantity[0].tolist() == [2 + hour % WEEK for hour in range(3 * WEEK)]
    (note,) = found.notes
    assert "last 2 whole weeks" in note
    assert format_hour(AS_OF - 2 * WEEK) in note


def test_history_that_ends_before_as_of(demand) -> None:
    """History ends with its last row, not at as_of; the hour of the week stays the same."""
    gap = 31
    rows = history(-WEEK - gap, -gap, value=lambda hour: 1 + hour % WEEK)
    found = demand(rows, horizon=2 * WEEK)
    assert found.usage.quantity[0].tolist() == [1 + hour % WEEK for hour in range(2 * WEEK)]


def test_history_shorter_than_a_week(demand) -> None:
    """Three and a half days: three whole days are repeated by the hour of the day."""
    rows = history(-84, 0, value=lambda hour: 100 + hour)
    found = demand(rows, horizon=200)
    assert found.usage.quantity[0].tolist() == [28 + hour % 72 for hour in range(200)]
    (note,) = found.notes
    assert "shorter than a week (84 hours" in note
    assert "pattern of a week is unknown" in note


def test_history_shorter_than_a_day(demand) -> None:
    found = demand(history(-5, 0, value=lambda hour: 10 + hour), horizon=12)
    assert found.usage.quantity[0].tolist() == [5 + hour % 5 for hour in range(12)]
    assert "pattern of a day is unknown" in found.notes[0]


def test_lines_given_in_some_hours_only(demand) -> None:
    """A line's given hours are as given, zero too; its others, and other lines, repeat."""
    rows = history(-WEEK, 0) + history(-WEEK, 0, value=lambda hour: 9, meter="b")
    rows += [(3, "a", 0), (4, "a", 77)]
    found = demand(rows)
    a, b = found.usage.quantity
    assert (a[3], a[4]) == (0, 77)
    others = [hour for hour in range(WEEK) if hour not in (3, 4)]
    assert a[others].tolist() == [1 + (hour - WEEK) % 1000 for hour in others]
    assert (b == 9).all()
    assert np.argwhere(found.given).tolist() == [[0, 3], [0, 4]]


def test_a_line_that_is_only_in_the_future(demand) -> None:
    """A new account has no history: in its other hours it uses nothing."""
    rows = [*history(-WEEK, 0), (2, "a", 5, "org/new")]
    found = demand(rows)
    assert found.usage.account == ("", "org/new")
    assert found.usage.quantity[1].nonzero()[0].tolist() == [2]


def test_hours_without_rows_in_history_are_zero(demand) -> None:
    """An hour in which a line has no row had no usage; it does not shorten the week."""
    rows = [row for row in history(-WEEK, 0) if row[0] != -100]
    quantity = demand(rows).usage.quantity[0]
    assert np.flatnonzero(quantity == 0).tolist() == [WEEK - 100]


def test_rows_outside_the_horizon_do_not_count(demand) -> None:
    found = demand([(0, "a", 1), (1, "a", 2), (2, "a", 99)], horizon=2)
    assert found.usage.quantity.tolist() == [[1, 2]]


def test_without_history_hours_that_are_not_given_are_told(demand) -> None:
    """Nothing to repeat: the hours without rows are zero, and the reader hears of it."""
    found = demand([(0, "a", 1)], horizon=3)
    assert found.usage.quantity.tolist() == [[1, 0, 0]]
    (note,) = found.notes
    assert "no history" in note


def test_spot_and_tolerance_go_with_their_hour(demand) -> None:
    """What ran on spot, and what may, is repeated with the hour that it belongs to."""
    rows = [(hour, "a", 4, "", 0.5 if hour == -7 else 0, 0.25) for hour in range(-WEEK, 0)]
    found = demand(rows)
    assert np.flatnonzero(found.usage.spot[0]).tolist() == [WEEK - 7]
    assert found.usage.spot[0, WEEK - 7] == 2
    assert (found.usage.tolerant == 1).all()


def test_daily_rows_are_told(demand) -> None:
    """A day's row is spread evenly: the plan may commit too much, and says so."""
    rows = [(-24 * day, "a", 48, "", "", "", "day") for day in range(1, 8)]
    found = demand(rows)
    assert (found.usage.quantity == 2).all()
    assert any("daily rows" in note for note in found.notes)


def test_no_usage_at_all(demand) -> None:
    with pytest.raises(DataError) as caught:
        demand([])
    assert caught.value.file == "usage.csv"


def test_what_was_asked_without_deployments_counts_and_is_not_routed(demand, tmp_path: Path):
    """History of requests tells unit costs; the usage that served them is planned as it ran."""
    rows = history(-2 * WEEK, 0)
    plain = demand(rows)
    asked = "workload,hour,requests\n" + "".join(
        f"chat,{format_hour(AS_OF + hour)},900\n" for hour in range(-2 * WEEK, 0)
    )
    (tmp_path / "workloads.csv").write_text(asked)
    case = read_case(tmp_path)
    assert not has_routing(case)
    found = demand_of_horizon(case)
    assert (found.usage.quantity == plain.usage.quantity).all()
    assert found.notes == plain.notes


@pytest.mark.parametrize("mend", ["an hour ahead", "deployments", "no usage"])
def test_requests_are_routed_where_there_is_something_to_decide(demand, tmp_path: Path, mend: str):
    """Given requests, or what could answer them, or nothing else: routing, as ever."""
    demand(history(-WEEK, 0))
    ahead = AS_OF if mend == "an hour ahead" else AS_OF - 1
    (tmp_path / "workloads.csv").write_text(
        f"workload,hour,requests\nchat,{format_hour(ahead)},900\n"
    )
    if mend == "deployments":
        (tmp_path / "deployments.csv").write_text(
            "deployment,model,kind,meter,meter_units,requests_per_second,per\n"
            "own,m,replica,a,1,5,replica_hour\n"
        )
    if mend == "no usage":
        (tmp_path / "usage.csv").unlink()
    assert has_routing(read_case(tmp_path))
