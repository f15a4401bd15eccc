# SPDX-License-Identifier: Apache-2.0
"""Weekly levels of a history, their trend, and the errors of its own rolling origins.

L lines, n whole weeks (counted back from the end of the history), origins o = 1 … n−1
(the number of weeks known then), leads k = 1 … b weeks.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from optimizer.demand.history import History
from optimizer.demand.horizon import WEEK

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Flags = NDArray[np.bool_]

# Chosen on the first 104 weeks of the data of docs/forecast.md, both ways in time.
# Of how many weeks the level is the mean; the first is what the others are compared with.
WINDOWS = (1, 2, 4, 8, 13)
PRIOR_ORIGINS = 26.0  # a line's own verdict counts as much as all lines' after so many origins
LONG = 26  # weeks after which a line without usage is taken as gone
FLOOR = 0.25  # the level that changes are measured by is at least this share of the long mean
TREND_WEEKS = 13
ROBUST = 3.0  # changes further from their median than so many mean distances are drawn in
DAMPING = 0.95  # per week
LONGEST_BLOCK = 13


@dataclass(frozen=True)
class Levels:
    """What the weeks of a history say about their level and how it changes.

    Attributes
    ----------
    weeks
        (L, n, 168) the history in whole weeks.
    first
        (L,) first whole week after the line's birth; n if there is none.
    local
        (L, n) level around a week, in units per hour.
    now, floor
        (L,) level at the end; changes are shares of the level, or of the floor if it is lower.
    trend
        (L,) relative change per week at the end, doubted but not yet damped.
    errors
        (L, O, b) relative error of the level, k weeks after origin o; nan where the line
        was not yet born.
    """

    weeks: Floats
    first: Integers
    local: Floats
    now: Floats
    floor: Floats
    trend: Floats
    errors: Floats

    @property
    def block(self) -> int:
        """Weeks of a block of errors, b."""
        return int(self.errors.shape[2])


def damped(leads: Integers) -> Floats:
    """Σ_{j=1…k} φ^j: the weeks of trend that are believed k weeks ahead."""
    return np.asarray(DAMPING * (1.0 - DAMPING**leads) / (1.0 - DAMPING), dtype=np.float64)


def levels_of(history: History) -> Levels:
    """Measure a history of at least two whole weeks."""
    lines = len(history.quantity)
    n = history.hours // WEEK
    start = history.hours - n * WEEK
    weeks = history.quantity[:, start:].reshape(lines, n, WEEK)
    first = np.clip(-(-(history.born - start) // WEEK), 0, n)
    mean = weeks.mean(axis=2)
    known = np.arange(n) >= first[:, None]
    block = int(np.clip(n // 4, 1, LONGEST_BLOCK))
    causal, window = _best_level(mean, known, block)  # by the number of weeks known
    floor = FLOOR * _window(mean, known, LONG)
    local = _centred(mean, known, window)
    young = first >= n
    if young.any():
        causal[young, n] = [_since_birth(history, int(line)) for line in np.flatnonzero(young)]
    scale = np.maximum(causal, floor)
    slope = _slope(causal, scale, first)
    origins = np.arange(1, n)
    ahead = origins[:, None] + np.arange(block)  # index of the week k weeks after the origin
    inside = ahead < n
    target = local[:, np.minimum(ahead, n - 1)]
    base = causal[:, 1:n, None]
    by = np.maximum(scale[:, 1:n, None], target)
    with np.errstate(invalid="ignore", divide="ignore"):
        change = (target - base) / by
    fine = inside & (origins > first[:, None])[:, :, None] & (by > 0)
    change = np.where(fine, change, np.nan)
    lead = damped(np.arange(1, block + 1))
    doubt = _doubt(change, slope[:, 1:n, None] * lead)
    errors = change - doubt[:, None, None] * slope[:, 1:n, None] * lead
    return Levels(weeks, first, local, causal[:, n], floor[:, n], doubt * slope[:, n], errors)


def _since_birth(history: History, line: int) -> float:
    """The level of a line without a whole week: the mean since it was born."""
    hours = history.quantity[line, history.born[line] :]
    return float(hours.mean()) if len(hours) else 0.0


def _window(mean: Floats, known: Flags, weeks: int) -> Floats:
    """(L, n + 1) mean of the last weeks that were known at each origin; 0 if none."""
    high = np.arange(mean.shape[1] + 1)
    return _mean_of(mean, known, np.maximum(high - weeks, 0)[None], high[None])


def _centred(mean: Floats, known: Flags, window: Integers) -> Floats:
    """(L, n) mean of the weeks around a week, as many as the line's window, where known."""
    n = mean.shape[1]
    half = (window // 2)[:, None]
    low = np.maximum(np.arange(n) - half, 0)
    high = np.minimum(np.arange(n) + half + 1, n)
    return np.where(known, _mean_of(mean, known, low, high), mean)


def _mean_of(mean: Floats, known: Flags, low: Integers, high: Integers) -> Floats:
    """Mean of the known weeks ``[low, high)`` of each line; 0 if there are none."""

    def within(values: Floats) -> Floats:
        total = np.pad(np.cumsum(values, axis=1), ((0, 0), (1, 0)))
        shape = (len(values), low.shape[1])
        ends = (np.broadcast_to(edge, shape) for edge in (low, high))
        first, last = (np.take_along_axis(total, end, axis=1) for end in ends)
        return np.asarray(last - first)

    total, used = within(np.where(known, mean, 0.0)), within(np.where(known & (mean > 0), 1.0, 0.0))
    # Differences of running sums leave crumbs where the weeks are all zero.
    return np.where(
        used > 0, np.maximum(total, 0.0) / np.maximum(within(np.where(known, 1.0, 0.0)), 1.0), 0.0
    )


def _best_level(mean: Floats, known: Flags, block: int) -> tuple[Floats, Integers]:
    """(L, n + 1) level by the window that was nearest to the weeks that followed; (L,) window."""
    lines, n = mean.shape
    candidates = np.stack([_window(mean, known, weeks) for weeks in WINDOWS])
    first = n - known.sum(axis=1)
    origins = np.arange(1, n)
    losses = np.zeros(candidates.shape[:2])
    counted = (origins > first[:, None]).astype(float)
    for k in range(block):
        use = origins + k < n
        o = origins[use]
        gap = np.abs(mean[None][:, :, o + k] - candidates[:, :, o])
        losses += (gap * counted[:, use]).sum(axis=2)
    relative = np.where(losses[0] > 0, losses / np.where(losses[0] > 0, losses[0], 1.0), 1.0)
    own = counted.sum(axis=1)
    pooled = np.median(relative, axis=1, keepdims=True)
    score = (relative * own + pooled * PRIOR_ORIGINS) / (own + PRIOR_ORIGINS)
    best = np.argmin(score, axis=0)
    return np.array(candidates[best, np.arange(lines)]), np.array(WINDOWS)[best]


def _slope(causal: Floats, scale: Floats, first: Integers) -> Floats:
    """(L, n + 1) relative change per week over the last weeks; 0 where they are too few.

    The mean of the weekly changes, of which those far from their median are drawn in: a
    level that shifts once has no trend.
    """
    lines, weeks = causal.shape
    before = np.maximum(scale[:, 1:], scale[:, :-1])
    change = np.divide(
        causal[:, 1:] - causal[:, :-1], before, out=np.zeros_like(before), where=before > 0
    )
    # The first level of a line rests on its birth, from which no change is reckoned.
    change[np.arange(weeks - 1) <= first[:, None]] = np.nan
    padded = np.pad(change, ((0, 0), (TREND_WEEKS, 0)), constant_values=np.nan)
    window = np.lib.stride_tricks.sliding_window_view(padded, TREND_WEEKS, axis=1)
    count = np.isfinite(window).sum(axis=2)
    fine = count >= 4
    known = np.where(fine[:, :, None], window, 0.0)
    middle = np.nanmedian(known, axis=2, keepdims=True)
    far = ROBUST * np.nanmean(np.abs(known - middle), axis=2, keepdims=True)
    drawn = np.clip(known, middle - far, middle + far)
    return np.where(fine, np.nanmean(drawn, axis=2), 0.0).reshape(lines, weeks)


def _doubt(change: Floats, promised: Floats) -> Floats:
    """(L,) share of the trend that came true in the history's own past, between 0 and 1.

    The regression of what followed on what the trend promised, of each line and of all,
    weighed by how much each line had to show.
    """
    fine = np.isfinite(change)
    x = np.where(fine, promised, 0.0)
    y = np.clip(np.where(fine, change, 0.0), -1.0, 1.0)
    product, square = (x * y).sum(axis=(1, 2)), (x * x).sum(axis=(1, 2))
    all_ = product.sum() / square.sum() if square.sum() > 0 else 0.0
    prior = square.mean() if len(square) else 0.0
    share = (product + prior * all_) / np.where(square + prior > 0, square + prior, 1.0)
    return np.asarray(np.clip(share, 0.0, 1.0))
