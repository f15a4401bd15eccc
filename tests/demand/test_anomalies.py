# SPDX-License-Identifier: Apache-2.0
"""Anomalies of made-up series: what has to be found, and what must not be."""

from __future__ import annotations

import numpy as np
import pytest

from optimizer.demand.anomalies import HourlySeries, Kind, judge, judge_together
from optimizer.demand.anomalies.series import filled

WEEK, DAY = 168, 24
HOURS = 10 * WEEK
FIRST = 480_000


def weekly(lines: int = 1, noise: float = 0.05, seed: int = 3, level: float = 100.0) -> np.ndarray:
    """Office hours on a level, with noise that remembers the hour before."""
    random = np.random.default_rng(seed)
    hour = np.arange(HOURS)
    shape = 1.0 + 0.4 * np.sin(2 * np.pi * (hour % DAY) / DAY) * (hour % WEEK < 5 * DAY)
    drift = np.zeros((lines, HOURS))
    shocks = random.normal(0, noise, (lines, HOURS))
    for t in range(1, HOURS):
        drift[:, t] = 0.7 * drift[:, t - 1] + shocks[:, t]
    return level * shape * np.exp(drift)


def series(values: np.ndarray, known: np.ndarray | None = None) -> HourlySeries:
    every = np.ones(values.shape[1], dtype=bool) if known is None else known
    return HourlySeries(FIRST, values, every)


def found(values: np.ndarray, known: np.ndarray | None = None) -> list:
    return list(judge(series(values, known)).episodes)


def test_quiet_series_raise_no_alarm():
    """Twenty series, eight judged weeks each: at most one false alarm per series and month."""
    values = weekly(20)
    months = 20 * (HOURS - WEEK) / 730
    assert len(found(values)) <= 0.2 * months


def test_spikes_are_found_within_three_hours_of_data():
    """Spikes of 2x over four hours at random places, one in each of forty series."""
    random = np.random.default_rng(5)
    values = weekly(40, seed=4)
    starts = random.integers(2 * WEEK, HOURS - DAY, 40)
    for line, start in enumerate(starts):
        values[line, start : start + 4] *= 2
    episodes = found(values)
    hits = 0
    for line, start in enumerate(starts):
        mine = [e for e in episodes if e.line == line and e.kind is Kind.spike]
        hits += any(0 <= e.told - FIRST - start <= 2 for e in mine)
    assert hits >= 38


def test_a_spike_is_measured():
    """Its hours and its units above what was expected, on a series without noise."""
    values = weekly(1, noise=0.0)
    usual = values[0, 1000:1004].copy()
    values[0, 1000:1004] *= 3
    (episode,) = found(values)
    assert (episode.kind, episode.start, episode.hours) == (Kind.spike, FIRST + 1000, 4)
    assert not episode.ongoing
    assert episode.actual == pytest.approx(3 * usual.sum())
    assert episode.expected == pytest.approx(usual.sum(), rel=0.05)


def test_nothing_after_an_hour_decides_about_it():
    """The alarms of a prefix are those of the whole: no hour is judged by later ones."""
    values = weekly(3, seed=8)
    values[0, 900:904] *= 2.5
    values[1, 1200:] *= 0.3
    whole = [(e.line, e.told) for e in judge(series(values)).episodes]
    for hours in (903, 1203, 1400):
        prefix = judge(series(values[:, :hours])).episodes
        assert [(e.line, e.told) for e in prefix] == [
            (line, told) for line, told in whole if told < FIRST + hours
        ]


def test_a_level_shift_is_one_anomaly_that_is_learned():
    values = weekly(1)
    values[0, 1000:] *= 2.5
    (episode,) = found(values)
    assert episode.kind is Kind.rise
    assert episode.start == FIRST + 1000
    assert episode.hours == DAY


@pytest.mark.parametrize("factor", [0.3, 0.0])
def test_drops_are_found(factor: float):
    values = weekly(1)
    values[0, 1000:1006] *= factor
    (episode,) = found(values)
    assert (episode.kind, episode.start) == (Kind.drop, FIRST + 1000)
    assert episode.told == FIRST + 1002


def test_a_week_without_data_is_a_gap_and_no_fall():
    values = weekly(2)
    known = np.ones(HOURS, dtype=bool)
    known[1000 : 1000 + WEEK] = False
    values[:, ~known] = 0.0
    (episode,) = found(values, known)
    assert (episode.kind, episode.line) == (Kind.gap, None)
    assert (episode.start, episode.hours) == (FIRST + 1000, WEEK)
    assert not episode.ongoing


def test_hours_without_data_are_never_read():
    values = weekly(1)
    known = np.ones(HOURS, dtype=bool)
    known[1000:1030] = False
    other = values.copy()
    other[:, ~known] = 1e6
    assert found(values, known) == found(other, known)


def test_a_young_series_is_too_short_to_judge():
    values = np.repeat(weekly(1), 3, axis=0)
    values[1, : HOURS - 13 * DAY] = 0.0
    values[1, -3:] *= 5.0
    values[2] = 0.0
    verdict = judge(series(values))
    assert verdict.too_short.tolist() == [False, True, False]
    assert verdict.judged.tolist() == [HOURS - WEEK, 0, 0]
    assert not verdict.episodes


def test_the_same_episodes_whether_all_is_judged_or_the_last_week():
    values = weekly(4, seed=11)
    values = np.concatenate([values, values], axis=1)
    values[2, -30:-26] *= 2.4
    values[3, -5:] *= 2.4
    whole = [e for e in judge(series(values)).episodes if e.end > FIRST + 2 * HOURS - WEEK]
    last = list(judge(series(values), since=FIRST + 2 * HOURS - WEEK).episodes)
    assert [(e.line, e.kind, e.start, e.end) for e in last] == [
        (e.line, e.kind, e.start, e.end) for e in whole
    ]
    assert [e.ongoing for e in last] == [False, True]


def test_values_that_are_no_amounts_are_refused():
    with pytest.raises(ValueError, match="negative"):
        series(np.array([[1.0, -1.0]]))
    with pytest.raises(ValueError, match="shape"):
        HourlySeries(0, np.zeros((1, 3)), np.ones(2, dtype=bool))


def companions(
    lines: int = 1, seed: int = 21, common: float = 0.15, own: float = 0.05
) -> np.ndarray:
    """Requests, input and output tokens that move together, (3, lines, hours)."""
    requests = weekly(lines, noise=common, seed=seed)
    shape = weekly(1, noise=0.0, level=1.0)
    lengths = [weekly(lines, noise=own, seed=seed + i, level=1.0) / shape for i in (1, 2)]
    return np.stack([requests, *(requests * length for length in lengths)])


def together(values: np.ndarray) -> list[list]:
    return [list(v.episodes) for v in judge_together([series(one) for one in values])]


def test_what_one_measure_does_alone_is_found_where_it_drowns_in_its_own_noise():
    """Tokens double while requests, that move by a third every few hours, do not."""
    starts = np.random.default_rng(9).integers(3 * WEEK, HOURS - DAY, 20)
    values = companions(20, common=0.2, own=0.03)
    for line, start in enumerate(starts):
        values[1, line, start : start + 4] *= 2
    alone, beside = found(values[1]), together(values)[1]

    def hits(episodes: list) -> int:
        return sum(
            any(
                e.line == line and e.kind is Kind.spike and 0 <= e.told - FIRST - start <= 2
                for e in episodes
            )
            for line, start in enumerate(starts)
        )

    assert hits(beside) >= 18
    assert hits(beside) > hits(alone)
    assert len(beside) <= 22  # hardly any other
    assert len(alone) > 100


def test_what_all_measures_do_is_told_once_of_the_first():
    values = companions(own=0.02)
    values[:, 0, 1000:1004] *= 3
    requests, *tokens = (
        [e for e in one if abs(e.start - FIRST - 1000) < DAY] for one in together(values)
    )
    (episode,) = requests
    assert (episode.kind, episode.start, episode.hours) == (Kind.spike, FIRST + 1000, 4)
    assert tokens == [[], []]


def test_a_measure_that_stands_still_is_no_anomaly():
    """Requests double and tokens do not: requests are the anomaly, tokens are not a drop."""
    values = companions(own=0.02)
    values[0, 0, 1000:1004] *= 2.5
    told = [[e for e in one if abs(e.start - FIRST - 1000) < DAY] for one in together(values)]
    assert [len(one) for one in told] == [1, 0, 0]


def test_companions_that_are_never_used_change_nothing():
    """A class without tokens is judged by its requests alone."""
    values = np.concatenate([companions()[:1], np.zeros((2, 1, HOURS))])
    values[0, 0, 1000:1004] *= 3
    assert [(e.start, e.kind) for e in together(values)[0]] == [
        (e.start, e.kind) for e in found(values[0])
    ]


def test_companions_of_a_prefix_and_of_the_last_week_have_the_same_episodes():
    values = np.concatenate([companions(), companions(seed=33), companions(seed=44)], axis=2)
    hours = values.shape[2]
    values[1, 0, hours - 100 : hours - 96] *= 2
    values[:, 0, hours - 40 :] *= 3
    whole = [
        [(e.told, e.kind, e.end) for e in one if e.end > FIRST + hours - WEEK]
        for one in together(values)
    ]
    last = judge_together([series(one) for one in values], since=FIRST + hours - WEEK)
    assert [[(e.told, e.kind, e.end) for e in one.episodes] for one in last] == whole
    assert whole[0]
    assert whole[1]
    prefix = together(values[:, :, : hours - 30])
    assert [[e.told for e in one if e.end > FIRST + hours - WEEK] for one in prefix] == [
        [told for told, _, _ in one if told < FIRST + hours - 30] for one in whole
    ]


def test_series_of_other_hours_are_no_companions():
    with pytest.raises(ValueError, match="shapes"):
        judge_together([series(weekly(1)), series(weekly(2))])


def test_a_gap_is_filled_on_the_level_of_now():
    """A series that has doubled since the week before is no drop after a short gap."""
    values = weekly(1, noise=0.01)
    values[0, 1000:] *= 2.0
    known = np.ones(HOURS, dtype=bool)
    known[1100:1104] = False
    values[0, 1104] *= 0.01  # the first hour after it is partly missing
    filled_values = filled(series(values, known), np.zeros(1, dtype=np.int64))
    usual = weekly(1, noise=0.0)[0, 1100:1105] * 2.0
    assert filled_values[0, 1100:1105] == pytest.approx(usual, rel=0.1)


def test_one_hour_partly_missing_does_not_hide_a_spike():
    """Dropouts of single hours are no scale of what a series does."""
    values = weekly(1, noise=0.02)
    values[0, 200:1000:30] *= 0.01
    values[0, 1010:1014] *= 2.0
    assert [e.start - FIRST for e in found(values) if e.kind is Kind.spike] == [1010]
