# SPDX-License-Identifier: Apache-2.0
"""The futures of a case: given rows stay, the rest is forecast, the odds come out right."""

from __future__ import annotations

import numpy as np
import pytest

from optimizer.demand import demand_of_horizon, scenarios_of_horizon
from optimizer.errors import DataError

WEEK = 168
SEASONAL = 'forecaster = "seasonal"'


def history(weeks: int = 10, meter: str = "a", seed: int = 1, tolerant: float = 0.0):
    random = np.random.default_rng(seed)
    level = np.repeat(np.round(20 * np.exp(np.cumsum(0.1 * random.standard_normal(weeks)))), WEEK)
    rows = zip(range(-weeks * WEEK, 0), level, strict=True)
    return [(hour, meter, quantity, tolerant) for hour, quantity in rows]


def test_weeks_give_the_one_future_of_a_plan_without_scenarios(write_case):
    case = write_case(history())
    found = scenarios_of_horizon(case)
    base = demand_of_horizon(case)
    assert len(found) == 1
    assert found.quantity[0].tobytes() == base.usage.quantity.tobytes()
    assert found.base.notes == base.notes


def test_seasonal_makes_twenty_unless_told(write_case):
    assert len(scenarios_of_horizon(write_case(history(), SEASONAL))) == 20
    found = scenarios_of_horizon(write_case(history(), SEASONAL + "\nscenarios = 7"))
    assert len(found) == 7
    assert found.odds == pytest.approx(1 / 7)
    assert any("forecast in 7 paths of equal odds (seasonal)" in n for n in found.base.notes)
    assert found.quantity.std(axis=0).max() > 0


def test_the_same_case_gives_the_same_bytes(write_case):
    case = write_case(history(), SEASONAL)
    first, second = scenarios_of_horizon(case), scenarios_of_horizon(case)
    assert first.quantity.tobytes() == second.quantity.tobytes()


def test_given_rows_are_the_same_in_every_future(write_case):
    rows = [*history(tolerant=0.3), (5, "a", 7.123, 0.7), (9, "a", 0)]
    found = scenarios_of_horizon(write_case(rows, SEASONAL))
    assert (found.quantity[:, 0, 5] == 7.123).all()
    assert (found.tolerant[:, 0, 5] == found.base.usage.tolerant[0, 5]).all()
    assert (found.quantity[:, 0, 9] == 0).all()
    free = found.quantity[:, 0, 20:] > 0
    share = found.tolerant[:, 0, 20:][free] / found.quantity[:, 0, 20:][free]
    assert share == pytest.approx(0.3)


def test_all_given_is_one_future(write_case):
    rows = [*history(), *((hour, "a", 3) for hour in range(336))]
    found = scenarios_of_horizon(write_case(rows, SEASONAL))
    assert len(found) == 1
    assert (found.quantity == 3).all()


def test_many_scenarios_of_repeated_weeks_are_refused(write_case):
    with pytest.raises(DataError, match="repeated weeks") as caught:
        scenarios_of_horizon(write_case(history(), "scenarios = 5"))
    assert caught.value.column == "demand.scenarios"


def test_less_than_two_weeks_is_told_and_is_one_future(write_case):
    found = scenarios_of_horizon(write_case(history(1), SEASONAL))
    assert len(found) == 1
    assert any("shorter than two weeks" in note for note in found.base.notes)


def test_a_gap_is_filled_and_told(write_case):
    rows = [row for row in history(10) if not -500 <= row[0] < -400]
    whole = scenarios_of_horizon(write_case(rows, SEASONAL))
    assert any("no rows in 100 hours" in note for note in whole.base.notes)
    # The gap has data beside it: no hour of any future is zero.
    assert (whole.quantity > 0).all()


def test_nights_without_rows_are_no_gap(write_case):
    rows = [row for row in history(10) if row[0] % 24 >= 8]
    found = scenarios_of_horizon(write_case(rows, SEASONAL))
    assert not any("no rows" in note for note in found.base.notes)
    night = np.arange(336) % 24 < 8
    assert (found.quantity[:, 0, night] == 0).all()
    assert (found.quantity[:, 0, ~night] > 0).all()


def test_a_meter_that_appears_yesterday_is_told(write_case):
    rows = [*history(), *((hour, "b", 4) for hour in range(-24, 0))]
    found = scenarios_of_horizon(write_case(rows, SEASONAL))
    (note,) = [note for note in found.base.notes if "meter b" in note]
    assert "first ran at 2026-11-01T00:00:00Z" in note
    line = found.base.usage.meter.index("b")
    assert (found.quantity[:, line] > 0).any(axis=1).all()


def test_history_that_ended_before_now_is_forecast_up_to_now(write_case):
    """The futures differ more, the longer ago the last row was."""
    late = [(hour - 8 * WEEK, *rest) for hour, *rest in history(30)]
    found = scenarios_of_horizon(write_case(late, SEASONAL))
    fresh = scenarios_of_horizon(write_case(history(30), SEASONAL))
    assert any("ends 1344 hours before now" in note for note in found.base.notes)
    assert found.quantity[:, 0, :WEEK].std() > fresh.quantity[:, 0, :WEEK].std()


def test_no_history_at_all_is_one_future(write_case):
    found = scenarios_of_horizon(write_case([(0, "a", 1), (5, "a", 2)], SEASONAL))
    assert len(found) == 1
    assert found.quantity[0, 0, :6].tolist() == [1, 0, 0, 0, 0, 2]
    assert any("no history to forecast from" in note for note in found.base.notes)


def test_statsforecast_is_chosen_by_its_name(write_case):
    pytest.importorskip("statsforecast")
    rows = [*history(16), (3, "a", 99)]
    found = scenarios_of_horizon(write_case(rows, 'forecaster = "statsforecast"\nscenarios = 5'))
    assert len(found) == 5
    assert (found.quantity[:, 0, 3] == 99).all()
    assert found.quantity.std(axis=0).max() > 0


def test_repeated_weeks_say_what_is_missing(write_case):
    """The default forecaster repeats a gap as zero and a new meter's weeks without it: told."""
    rows = [row for row in history(10) if not -500 <= row[0] < -400]
    rows += [(hour, "b", 4) for hour in range(-24, 0)]
    found = scenarios_of_horizon(write_case(rows))
    told = " ".join(found.base.notes)
    assert "no rows in 100 hours" in told
    assert "repeated as hours without usage" in told
    assert "meter b first ran at 2026-11-01T00:00:00Z" in told
    assert "it runs nothing" in told
