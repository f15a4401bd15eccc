# SPDX-License-Identifier: Apache-2.0
"""Quality is counted right, and the built-in forecaster earns it on known kinds of history."""

from __future__ import annotations

import json

import numpy as np
import pytest

from optimizer.demand import (
    History,
    RepeatedWeeks,
    Seasonal,
    SeasonalNaive,
    demand_of_horizon,
    forecast_quality,
    quality_of_forecast,
)

from . import series

WEEK = series.WEEK


class Fixed:
    """Says the same numbers whatever the history: eleven weeks of 0, 1, …, 10."""

    name = "fixed"

    def paths(self, history, hours, scenarios, seed):
        lines = len(history.quantity)
        return np.broadcast_to(np.arange(11.0)[:, None, None], (11, lines, hours))


def test_pinball_and_coverage_by_hand():
    """Quantiles 1, 2.5, 5, 7.5, 9 against 8 and 20; the naive loss is half the step."""
    history = np.full((2, 30 * WEEK), 8.0)
    history[1] = np.where(np.arange(30 * WEEK) < 25 * WEEK, 10.0, 20.0)
    found = forecast_quality(Fixed(), History.of(history), leads=(4,), step=100)
    of_8, of_20 = found.lines[4]
    assert found.origins == 1  # 26 weeks known, the 30th forecast
    assert of_8.coverage == 1
    losses = [0.1 * 7, 0.25 * 5.5, 0.5 * 3, 0.75 * 0.5, 0.1 * 1]
    assert of_8.pinball == pytest.approx(sum(losses) / 5)
    assert of_8.naive == 0
    assert of_20.coverage == 0
    losses = [0.1 * 19, 0.25 * 17.5, 0.5 * 15, 0.75 * 12.5, 0.9 * 11]
    assert of_20.pinball == pytest.approx(sum(losses) / 5)
    assert found.pooled[4].coverage == 0.5
    assert found.pooled[4].outcomes == 2


def test_seasonal_naive_has_the_naive_loss():
    found = forecast_quality(SeasonalNaive(), History.of(series.steady(40, 1)[None]), scenarios=2)
    for quality in found.pooled.values():
        assert quality.pinball == pytest.approx(quality.naive)


def test_what_is_too_short_is_told():
    history = History.of(series.steady(18, 1)[None])
    found = forecast_quality(Seasonal(), history)
    assert list(found.pooled) == [4]
    assert any("12 weeks ahead" in note for note in found.notes)
    nothing = forecast_quality(Seasonal(), History.of(np.zeros((1, 40 * WEEK))))
    assert not nothing.pooled
    assert len(nothing.notes) == 2
    assert json.dumps(found.as_dict(["a"]))


def many(kind: str, weeks: int = 78, lines: int = 8) -> History:
    return History.of(np.stack([series.KINDS[kind](weeks, seed) for seed in range(lines)]))


@pytest.mark.parametrize("kind", ["growth", "decline", "level shift", "regime change", "bursty"])
def test_the_band_holds_on_known_kinds_of_history(kind):
    """No parameter knows the kind: the band holds most outcomes, and the loss is not naive's."""
    found = forecast_quality(Seasonal(), many(kind), scenarios=50, step=6)
    for lead, quality in found.pooled.items():
        assert 0.6 <= quality.coverage <= 1.0, (kind, lead, quality)
        assert quality.pinball < quality.naive, (kind, lead, quality)


def test_a_trend_that_holds_is_followed_and_one_that_turns_is_not_trusted():
    """Growth of 1 % a week: twelve weeks ahead the forecast beats waiting by far."""
    found = forecast_quality(Seasonal(), many("growth"), scenarios=50, step=6)
    assert found.pooled[12].pinball < 0.6 * found.pooled[12].naive


@pytest.mark.parametrize("demand", ["", 'forecaster = "seasonal"'])
def test_quality_of_a_case(write_case, demand):
    """By the case's own forecaster; what the history lacks is told with it."""
    level = np.repeat(20 + np.arange(18) % 5, WEEK)
    rows = [(i - len(level), "a", int(q)) for i, q in enumerate(level)]
    names, found = quality_of_forecast(write_case([*rows, (-3, "b", 1)], demand))
    assert names == ("a", "b")
    assert found.pooled[4].outcomes == 1
    assert found.lines[4][1] is None
    assert any("meter b first ran" in note for note in found.notes)
    assert any("too short to judge forecasts 12 weeks" in note for note in found.notes)


def test_a_case_without_history_has_no_quality(write_case):
    _, found = quality_of_forecast(write_case([(0, "a", 1)]))
    assert not found.pooled
    assert any("no history" in note for note in found.notes)


def test_repeated_weeks_are_the_demand_of_the_plan(write_case):
    quantity = np.arange(3 * WEEK + 20) % 97
    rows = [(i - len(quantity), "a", int(q)) for i, q in enumerate(quantity)]
    case = write_case(rows)
    history = History.of(quantity[None].astype(float))
    found = RepeatedWeeks().paths(history, 336, 2, 1)
    assert (found == demand_of_horizon(case).usage.quantity).all()
