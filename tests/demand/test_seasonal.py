# SPDX-License-Identifier: Apache-2.0
"""The built-in forecaster: what its paths keep of the history, whatever the history is."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from optimizer.demand import History, Seasonal
from optimizer.demand.levels import damped, levels_of

from . import series

WEEK = series.WEEK


def paths(history: np.ndarray, weeks: int = 12, scenarios: int = 20, seed: int = 7) -> np.ndarray:
    return Seasonal().paths(History.of(np.atleast_2d(history)), weeks * WEEK, scenarios, seed)


@pytest.mark.parametrize("kind", series.KINDS)
@pytest.mark.parametrize("weeks", [2, 3, 7, 60])
def test_every_kind_of_history_gives_finite_paths_that_are_not_negative(kind, weeks):
    history = series.KINDS[kind](weeks, 1)
    found = paths(history, weeks=30, scenarios=5)
    assert found.shape == (5, 1, 30 * WEEK)
    assert np.isfinite(found).all()
    assert (found >= 0).all()
    # A path may double from block to block, but does not run away.
    assert found.max() <= 50 * max(history.max(), 1e-9)


@settings(max_examples=40, deadline=None)
@given(
    st.integers(2 * WEEK, 5 * WEEK + 30),
    st.integers(1, 400),
    st.lists(st.sampled_from([0.0, 1e-9, 0.5, 1.0, 3.0, 1e9]), min_size=3, max_size=40),
    st.integers(0, 3),
)
def test_any_history_is_forecast(hours, ahead, values, seed):
    quantity = np.resize(np.array(values), (2, hours))
    quantity[1, : hours - 40] = 0
    found = Seasonal().paths(History.of(quantity), ahead, 4, seed)
    assert found.shape == (4, 2, ahead)
    assert np.isfinite(found).all()
    assert (found >= 0).all()


def test_a_seed_repeats_and_another_differs():
    history = series.steady(40, 3)
    assert paths(history).tobytes() == paths(history).tobytes()
    assert paths(history).tobytes() != paths(history, seed=8).tobytes()


def test_what_never_changes_stays():
    """Zero stays zero, and a constant the constant: no uncertainty is made up."""
    assert (paths(np.zeros(20 * WEEK)) == 0).all()
    assert (paths(np.full(20 * WEEK, 3.0)) == 3).all()


def test_the_hour_of_the_week_agrees_where_history_is_no_whole_weeks():
    history = series.steady(30, 5, noise=0.0)[50:]
    found = paths(history, weeks=1).mean(axis=0)[0]
    expected = history[-WEEK:]
    assert np.corrcoef(found, expected)[0, 1] > 0.98


def test_whole_units_stay_whole():
    history = np.random.default_rng(1).poisson(5, 30 * WEEK).astype(float)
    found = paths(history)
    assert (found == np.rint(found)).all()
    assert not (paths(history + 0.5) == np.rint(paths(history + 0.5))).all()


def test_bursts_are_kept():
    """Hours of nothing stay nothing and bursts stay high: the quantiles of hourly values."""
    history = series.bursty(60, 2)
    found = paths(history, weeks=26, scenarios=50)
    busy = (found > 0).mean(), (history > 0).mean()
    assert busy[0] == pytest.approx(busy[1], rel=0.35)
    assert np.quantile(found[found > 0], 0.5) == pytest.approx(64, rel=0.35)
    assert np.quantile(found, 0.99) >= 40


def test_lines_keep_their_correlation():
    """Two lines that trade places, one that goes its own way: hour by hour and week by week."""
    weeks = 80
    swing = 0.2 * np.cumsum(np.random.default_rng(4).standard_normal(weeks)) / 4
    up, down = (np.repeat(100 + sign * 40 * np.tanh(swing), WEEK) for sign in (1, -1))
    noise = np.random.default_rng(5).standard_normal((3, weeks * WEEK))
    history = np.stack([up + noise[0], down + noise[1], 50 + 5 * noise[2]])
    found = Seasonal().paths(History.of(history), 12 * WEEK, 100, 7)
    sums = found[:, :, 11 * WEEK :].mean(axis=2)
    assert np.corrcoef(sums[:, 0], sums[:, 1])[0, 1] < -0.8
    assert abs(np.corrcoef(sums[:, 0], sums[:, 2])[0, 1]) < 0.4
    total = sums[:, :2].sum(axis=1)
    assert total.std() < 0.5 * sums[:, 0].std()


def test_uncertainty_grows_with_the_lead():
    found = paths(series.steady(100, 6, noise=0.04), weeks=52, scenarios=200)
    weekly = found.reshape(200, 52, WEEK).mean(axis=2)
    width = np.quantile(weekly, 0.9, axis=0) - np.quantile(weekly, 0.1, axis=0)
    assert width[0] < width[3] < width[11] < width[51]
    # A random walk of 4 % a week: the band of 12 weeks is about ±1.28·0.04·√12 = ±18 %.
    assert 0.2 < width[11] / weekly[:, 11].mean() < 0.6


def test_the_level_follows_a_shift():
    history = series.shifted(60, 7, at=57, factor=0.5)
    found = paths(history, weeks=4, scenarios=40)
    assert np.median(found.mean(axis=2)) == pytest.approx(history[-2 * WEEK :].mean(), rel=0.12)


def test_a_trend_is_doubted_where_it_did_not_hold():
    steady = levels_of(History.of(series.steady(80, 8, 0.02, noise=0.005)[None]))
    turned = levels_of(History.of(series.turning(80, 8, 66, 0.02)[None]))
    assert 0.008 < steady.trend[0] <= 0.022
    assert abs(turned.trend[0]) < abs(steady.trend[0])


def test_a_line_born_yesterday_borrows_its_uncertainty():
    old = series.steady(60, 9, noise=0.05)
    young = np.zeros_like(old)
    young[-30:] = 8.0
    found = Seasonal().paths(History.of(np.stack([old, young])), 12 * WEEK, 40, 7)
    last = found[:, 1, 11 * WEEK :].mean(axis=1)
    assert np.median(last) == pytest.approx(8, rel=0.25)
    assert np.quantile(last, 0.9) - np.quantile(last, 0.1) > 0.5


def test_a_line_that_is_gone_stays_gone():
    gone = series.steady(90, 9)
    gone[-40 * WEEK :] = 0
    assert (paths(gone) == 0).all()


@pytest.mark.parametrize("seed", range(5, 11))
def test_the_mean_of_a_year_out_of_twelve_weeks_does_not_wander(seed):
    """Chained blocks of errors, with a floor at zero, grew such histories to several times."""
    random = np.random.default_rng(seed)
    weeks = np.repeat(np.exp(random.normal(0, 0.5, (6, 12))), WEEK, axis=1)
    history = History.of(weeks * random.uniform(0.5, 1.5, weeks.shape))
    levels = levels_of(history)
    trend = (levels.now * (1 + damped(np.array([52]))[:, None] * levels.trend)).sum()
    drawn = Seasonal().paths(history, 52 * WEEK, 40, 3).sum(axis=1)
    last = drawn.reshape(40, 52, WEEK)[:, -8:].mean()
    assert trend / 1.35 < last < trend * 1.35
