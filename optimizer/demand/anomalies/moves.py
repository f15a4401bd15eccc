# SPDX-License-Identifier: Apache-2.0
"""How far hours are from what was expected of them, and from which distance on that is an alarm.

For the last k = 3 hours, of which o is the first:

    normal   = median of y over the 14 hours before o
    recent   = median of y over the 3 hours before o
    expected = normal + φ·(recent − normal)
    r        = mean of y over the k hours − expected

An alarm is raised where r is above a threshold, the least of the k hours is too, and the k
hours are above ``normal`` as well (a recovery is no spike); drops likewise, downwards.  The
threshold is the larger of a ratio that is worth telling and of what the series itself did in
the eight weeks before: a robust scale, of |r| with the median of the k hours for their mean, so
that a single hour that is partly missing does not make a series a wild one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from optimizer.demand.anomalies.baseline import MONTH, Baseline, median_before
from optimizer.demand.anomalies.parameters import Detector
from optimizer.demand.horizon import DAY

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
Integers = NDArray[np.int64]


@dataclass(frozen=True)
class Moves:
    """Of L series, (L, T) each: the formulas above; nan where there are too few hours before.

    ``mean``, ``least``, ``most`` and ``middle`` are those of y over the last k hours.
    """

    normal: Floats
    expected: Floats
    mean: Floats
    least: Floats
    most: Floats
    middle: Floats

    @property
    def r(self) -> Floats:
        """(L, T) r; 0 where it is not known."""
        return np.asarray(np.nan_to_num(self.mean - self.expected))

    @property
    def size(self) -> Floats:
        """(L, T) |r| of the middle hour, which scales are measured by."""
        return np.abs(np.nan_to_num(self.middle - self.expected))


@dataclass(frozen=True)
class Facts:
    """Of L series, beside their moves.

    Attributes
    ----------
    known
        (T,) hours with data.
    own
        (L,) column of the first hour that is judged.
    start
        Column before which scales are not needed.
    ran, usual, mean
        (L, T) mean of the last k hours, what was expected of them, and mean of the four weeks
        before, in units.
    """

    known: Flags
    own: Integers
    start: int
    ran: Floats
    usual: Floats
    mean: Floats


def moves_of(rest: Floats, detector: Detector) -> Moves:
    """Return the moves of (L, T) logarithms without their profile."""
    k = detector.hours
    normal = median_before(rest, detector.level, k)
    recent = median_before(rest, detector.recent, k)
    mean, least, most, middle = last_hours(rest, k)
    expected = normal + detector.follow * (recent - normal)
    return Moves(normal, expected, mean, least, most, middle)


def facts_of(
    values: Floats,
    known: Flags,
    own: Integers,
    start: int,
    baseline: Baseline,
    moves: Moves,
    detector: Detector,
) -> Facts:
    """Return what else decides about alarms of (L, T) values."""
    ran = last_hours(values, detector.hours)[0]
    usual = np.exp(np.nan_to_num(moves.expected) + baseline.profile) - baseline.least
    return Facts(known, own, start, ran, usual, baseline.mean)


def raised(
    moves: Moves, facts: Facts, detector: Detector, *, by_record: bool = True
) -> tuple[Flags, Flags]:
    """(L, T) alarms up and down at the hours whose data raise them.

    ``by_record`` says whether a series that passes what it did in the last four weeks needs no
    more than the least ratio.
    """
    r = moves.r
    scale = _scales(moves.size, facts.own, facts.start, detector)
    wild = detector.wild * scale[0]
    passed = facts.ran > detector.record * _records(facts.ran) if by_record else np.False_
    rise = np.maximum(detector.rise, np.where(passed, 0.0, wild))
    wilder = rise / detector.rise
    each = np.clip(detector.each - detector.noise * scale[1], 0.2, 0.5) * wilder
    above = detector.above * wilder
    fall = detector.fall + detector.doubt * scale[1]
    fall = np.maximum(fall, np.where(passed, 0.0, wild) * detector.fall / detector.rise)
    enough = np.abs(facts.ran - facts.usual) >= detector.material * facts.mean
    seen = last_hours(facts.known[None].astype(float), detector.hours)[1] > 0
    judged = enough & seen & np.isfinite(moves.normal)
    least, most = moves.least - moves.expected, moves.most - moves.expected
    distance = moves.mean - moves.normal
    with np.errstate(invalid="ignore"):  # nan where nothing is judged
        up = judged & (r > rise) & (least > each) & (distance > above)
        down = judged & (r < -fall) & (most < -each) & (distance < -above)
    return up, down


def last_hours(values: Floats, k: int) -> tuple[Floats, Floats, Floats, Floats]:
    """Mean, least, most and median of the last k hours; of those there are at the beginning."""
    padded = np.concatenate([np.repeat(values[:, :1], k - 1, axis=1), values], axis=1)
    parts = [padded[:, j : j + values.shape[1]] for j in range(k)]
    return (
        np.asarray(sum(parts) / k),
        np.minimum.reduce(parts),
        np.maximum.reduce(parts),
        np.asarray(np.median(np.stack(parts), axis=0)),
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
