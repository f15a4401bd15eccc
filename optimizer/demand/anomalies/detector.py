# SPDX-License-Identifier: Apache-2.0
"""Alarms: runs of hours that their baseline does not explain, hour by hour as data arrives.

For the last k = 3 hours, of which o is the first:

    normal   = median of y over the 14 hours before o
    recent   = median of y over the 3 hours before o
    expected = normal + φ·(recent − normal)
    r        = mean of y over the k hours − expected

An alarm is raised where r is above a threshold, the least of the k hours is too, and the k
hours are above ``normal`` as well (a recovery is no spike); drops likewise, downwards.  The
threshold is the larger of a ratio that is worth telling and of what the series itself did in
the eight weeks before (a robust scale, of |r|).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from optimizer.demand.anomalies.baseline import MONTH, Baseline, baseline_of, median_before
from optimizer.demand.anomalies.episodes import Alarms, Episode, gap_episodes
from optimizer.demand.anomalies.series import HourlySeries, filled
from optimizer.demand.horizon import DAY, WEEK

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

_CHUNK = 64  # lines at once: windows of medians take 14 times the memory of the values


@dataclass(frozen=True)
class Detector:
    """Parameters, the same for every series; logarithms are natural.

    Chosen on the first half of two regions of the data of docs/anomalies.md.

    Attributes
    ----------
    hours
        Hours of data that make an alarm, k.
    level, recent
        Hours that ``normal`` and ``recent`` are medians of.
    follow
        φ.
    rise, fall, doubt
        Least r of a spike; least −r of a drop is ``fall`` + ``doubt`` × scale, where the scale
        is the upper quartile of |r|.
    each, noise
        Every one of the k hours has to be ``each`` − ``noise`` × scale above, with the same
        scale.
    above
        Least distance from ``normal``.
    wild
        Times the 90 % quantile of |r| that a threshold is at least.
    record
        Times the most of the four weeks before from which on ``wild`` is no excuse.
    unknown
        The scale that ``noise`` is reckoned with before there is one.
    scale
        Hours that scales are measured over.
    material
        Least distance in units, as a share of the mean of the four weeks before.
    probation
        Hours of its own that a series has before it is judged.
    least
        Hours that a series spans, before any of it is judged.
    """

    hours: int = 3
    level: int = 14
    recent: int = 3
    follow: float = 0.85
    rise: float = 0.52
    fall: float = 0.58
    doubt: float = 1.0
    each: float = 0.7
    noise: float = 2.5
    above: float = 0.15
    wild: float = 1.25
    record: float = 1.15
    unknown: float = 0.1
    scale: int = 8 * WEEK
    material: float = 0.2
    probation: int = WEEK
    least: int = 2 * WEEK

    @property
    def memory(self) -> int:
        """Hours before an hour that its judgement rests on."""
        return self.scale + 4 * WEEK + 2 * DAY


DEFAULT = Detector()


@dataclass(frozen=True)
class Verdict:
    """What was found in L series.

    Attributes
    ----------
    episodes
        In the order of their series and first hours.
    too_short
        (L,) series that are not judged: used, but for less than two weeks.
    judged
        (L,) hours of each series that were judged.
    """

    episodes: tuple[Episode, ...]
    too_short: Flags
    judged: NDArray[np.int64]


def judge(series: HourlySeries, since: int | None = None, detector: Detector = DEFAULT) -> Verdict:
    """Find the anomalies of each series, knowing at each hour only the hours before it.

    Parameters
    ----------
    series
        L series; a series begins with its first usage.
    since
        Episodes that ended before this hour are left out; absent: all hours.  The rest is the
        same, and takes less time.
    """
    born = series.born()
    spans = series.hours - born
    too_short = (spans > 0) & (spans < detector.least)
    first = series.first_hour if since is None else max(since, series.first_hour)
    # Episodes that began a day before may still be on; scales are measured once a day.
    start = max(0, (first - series.first_hour) - detector.memory - 2 * DAY) // DAY * DAY
    whole = filled(series, born)
    part = series.since(start)
    own = np.maximum(born + detector.probation - start, 0)
    ripe_from = np.where(too_short, part.hours, own)
    judged_from = max(0, first - part.first_hour - 2 * DAY)
    found: list[Episode] = []
    for low in range(0, len(part.values), _CHUNK):
        lines = slice(low, low + _CHUNK)
        chunk = HourlySeries(part.first_hour, part.values[lines], part.known)
        values = whole[lines, start:]
        baseline = baseline_of(values)
        up, down, normal = _alarms(values, part.known, own[lines], judged_from, baseline, detector)
        ripe = np.arange(part.hours) >= np.maximum(ripe_from[lines, None], judged_from)
        alarms = Alarms(
            chunk, values, baseline, up & ripe, down & ripe, normal,
            detector.hours, detector.level, detector.rise, low,
        )  # fmt: skip
        found += alarms.episodes()
    found += gap_episodes(part)
    kept = [e for e in found if since is None or e.end > since or e.ongoing]
    kept.sort(key=lambda e: (-1 if e.line is None else e.line, e.start, e.kind))
    open_ = np.maximum(part.hours - np.maximum(ripe_from, first - part.first_hour), 0)
    return Verdict(tuple(kept), too_short, open_.astype(np.int64))


def _alarms(
    values: Floats,
    known: Flags,
    own: NDArray[np.int64],
    start: int,
    baseline: Baseline,
    detector: Detector,
) -> tuple[Flags, Flags, Floats]:
    """(L, T) alarms up and down at the hours whose data raise them, and ``normal``."""
    k = detector.hours
    rest = baseline.rest
    normal = median_before(rest, detector.level, k)
    recent = median_before(rest, detector.recent, k)
    expected = normal + detector.follow * (recent - normal)
    mean, least, most = _last(rest, k)
    r = np.nan_to_num(mean - expected)
    size = np.abs(r)
    scale = _scales(size, own, start, detector)
    ran = _last(values, k)[0]
    wild = np.where(ran > detector.record * _records(ran), 0.0, detector.wild * scale[0])
    rise = np.maximum(detector.rise, wild)
    wilder = rise / detector.rise
    each = np.clip(detector.each - detector.noise * scale[1], 0.2, 0.5) * wilder
    above = detector.above * wilder
    fall = detector.fall + detector.doubt * scale[1]
    fall = np.maximum(fall, detector.wild * scale[0] * detector.fall / detector.rise)
    usual = np.exp(np.nan_to_num(expected) + baseline.profile) - baseline.least
    enough = np.abs(ran - usual) >= detector.material * baseline.mean
    seen = _last(known[None].astype(float), k)[1] > 0
    judged = enough & seen & np.isfinite(normal)
    with np.errstate(invalid="ignore"):  # nan where nothing is judged
        up = judged & (r > rise) & (least - expected > each) & (mean - normal > above)
        down = judged & (r < -fall) & (most - expected < -each) & (mean - normal < -above)
    return up, down, normal


def _last(values: Floats, k: int) -> tuple[Floats, Floats, Floats]:
    """Mean, least and most of the last k hours; of those there are at the beginning."""
    padded = np.concatenate([np.repeat(values[:, :1], k - 1, axis=1), values], axis=1)
    parts = [padded[:, j : j + values.shape[1]] for j in range(k)]
    return (
        np.asarray(sum(parts) / k),
        np.minimum.reduce(parts),
        np.maximum.reduce(parts),
    )


def _records(ran: Floats) -> Floats:
    """(L, T) the most of the four weeks that ended with the day before; inf without them."""
    lines, hours = ran.shape
    days = -(-hours // DAY)
    padded = np.pad(ran, ((0, 0), (0, days * DAY - hours)), constant_values=0.0)
    daily = padded.reshape(lines, days, DAY).max(axis=2)
    before = np.pad(daily[:, :-1], ((0, 0), (MONTH // DAY, 0)), constant_values=0.0)
    most = np.lib.stride_tricks.sliding_window_view(before, MONTH // DAY, axis=1).max(axis=2)
    most[:, 0] = np.inf
    return np.repeat(most, DAY, axis=1)[:, :hours]


def _scales(size: Floats, own: NDArray[np.int64], start: int, detector: Detector) -> Floats:
    """(2, L, T) 90 % and 75 % quantile of |r| over the hours before, measured once a day.

    A series' first hours, ``own`` of them, have no profile of its own to be measured by; days
    before the column ``start`` are not measured.
    """
    hours = size.shape[1]
    found = np.zeros((2, *size.shape))
    found[1] = detector.unknown
    for day in range(max(DAY, start // DAY * DAY), hours, DAY):
        low = max(0, day - detector.scale)
        old = own <= low
        groups = [(old, low)] if old.any() else []
        groups += [(own == at, int(at)) for at in np.unique(own[~old]) if day - at >= 2 * DAY]
        for lines, first in groups:
            quantiles = np.quantile(size[lines, first:day], (0.9, 0.75), axis=1)
            found[:, lines, day : day + DAY] = quantiles[:, :, None]
    return found
