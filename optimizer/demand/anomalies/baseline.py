# SPDX-License-Identifier: Apache-2.0
"""What an hour is expected to be: a profile of the week and the day on a level that moves.

    y(t) = ln(x(t) + c(t)) − profile(t)

``profile`` is the mean of two medians: of the same hour of the week in the four weeks before,
and of the same hour of the day in the fourteen days before, each relative to the level around
it, so that a level shift leaves the profile as it is.  While there are fewer than four weeks
the week counts for less, in proportion: one Tuesday is no rule for the next.  c is a twentieth
of the mean of the four weeks before: zero and next to nothing are alike.  Every number of an
hour rests on hours before it, and on hours that are at least half a day older than those it is
compared with.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from optimizer.demand.horizon import DAY, WEEK

Floats = NDArray[np.float64]

WEEKS = 4
DAYS = 14
LITTLE = 0.05
FIT = 3 * DAY
MONTH = 4 * WEEK
_TINY = 1e-12


@dataclass(frozen=True)
class Baseline:
    """L series, T hours.

    Attributes
    ----------
    least
        (L, T) c, in units.
    mean
        (L, T) mean of the four weeks before, in units.
    profile
        (L, T) natural logarithm of the hour over the level around it.
    week
        (L, T) the first of the two medians alone: for telling how much too much it was.
    rest
        (L, T) y: the logarithm of the hour without its profile.
    """

    least: Floats
    mean: Floats
    profile: Floats
    week: Floats
    rest: Floats

    def expected(self, line: int, start: int, end: int, level_hours: int) -> Floats:
        """Units of the hours ``[start, end)`` of a series, on the level of the hours before.

        The mean of two medians finds what is unusual with least noise, but a sum of units is
        biased by it where a weekend is not like a weekday, and by any profile where there is
        no rhythm: of both, the week's alone and none, it is by the one that was nearest to the
        three days before.
        """
        size = self.rest[line] + self.profile[line]
        before = slice(max(0, start - FIT), start)
        best: tuple[float, Floats] | None = None
        for profile in (self.profile[line], self.week[line], np.zeros_like(size)):
            rest = (size - profile)[before]
            off = float(np.abs(rest - np.median(rest)).mean())
            if best is None or off < best[0]:
                level = float(np.median(rest[-level_hours:]))
                best = off, np.exp(level + profile[start:end]) - self.least[line, start:end]
        assert best is not None
        return np.asarray(np.maximum(best[1], 0.0))


def baseline_of(values: Floats) -> Baseline:
    """Return the baseline of (L, T) values without gaps."""
    hours = values.shape[1]
    total = np.pad(np.cumsum(values, axis=1), ((0, 0), (1, 0)))
    now = np.arange(hours)
    # The first hours have no hours before them: they lean on the first day.
    mean = _mean(total, np.maximum(now - MONTH, 0), np.clip(now, min(DAY, hours), None))
    least = LITTLE * mean + _TINY
    around = _mean(total, np.maximum(now - DAY // 2, 0), np.minimum(now + DAY // 2, hours))
    shape = np.log((values + least) / (around + least))
    week = _median_of(shape, WEEK, WEEKS)
    trust = np.minimum(now // WEEK, WEEKS) / WEEKS / 2.0
    profile = trust * week + (1.0 - trust) * _median_of(shape, DAY, DAYS)
    return Baseline(least, mean, profile, week, np.log(values + least) - profile)


def _mean(total: Floats, low: NDArray[np.int64], high: NDArray[np.int64]) -> Floats:
    """Mean of ``[low, high)`` from running sums; sums of zeros leave crumbs."""
    found = (total[:, high] - total[:, low]) / np.maximum(high - low, 1)
    return np.asarray(np.maximum(found, 0.0))


def _median_of(shape: Floats, step: int, count: int) -> Floats:
    """Median of the hours 1 … ``count`` steps before; of those there are, 0 without any."""
    hours = shape.shape[1]
    found = np.zeros_like(shape)
    for known in range(1, count + 1):
        low = known * step
        high = hours if known == count else min((known + 1) * step, hours)
        if low >= high:
            break
        lags = [shape[:, low - k * step : high - k * step] for k in range(1, known + 1)]
        found[:, low:high] = np.median(np.stack(lags), axis=0)
    return found


def median_before(values: Floats, window: int, lag: int) -> Floats:
    """Median of the ``window`` hours that end ``lag`` hours before; nan where there are fewer."""
    hours = values.shape[1]
    found = np.full_like(values, np.nan)
    first = window + lag - 1
    if hours > first:
        windows = np.lib.stride_tricks.sliding_window_view(values, window, axis=1)
        found[:, first:] = np.median(windows[:, : hours - first], axis=2)
    return found
