# SPDX-License-Identifier: Apache-2.0
"""Hourly series with the hours of which nothing is known."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from optimizer.demand.horizon import DAY, WEEK

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
Integers = NDArray[np.int64]

LEVEL = 14  # hours that tell the level by which a gap is filled
PARTLY = 0.2  # of what is usual, below which an hour after a gap is taken for partly missing


@dataclass(frozen=True)
class HourlySeries:
    """L series over the T hours from ``first_hour`` on.

    Attributes
    ----------
    first_hour
        The hour of the first column, in hours since 1970-01-01T00Z.
    values
        (L, T) units within the hour, not negative.
    known
        (T,) whether there is data of the hour at all; what ``values`` holds elsewhere is
        not read.
    """

    first_hour: int
    values: Floats
    known: Flags

    def __post_init__(self) -> None:
        """Values that cannot be judged are a defect of whoever made them."""
        if self.values.ndim != 2 or self.known.shape != self.values.shape[1:]:
            msg = f"values of shape {self.values.shape}, known of shape {self.known.shape}"
            raise ValueError(msg)
        seen = self.values[:, self.known]
        if not np.isfinite(seen).all() or (seen < 0).any():
            msg = "a value is negative, or not a number: mark hours without data as not known"
            raise ValueError(msg)

    @property
    def hours(self) -> int:
        """Number of hours, T."""
        return int(self.values.shape[1])

    @property
    def end(self) -> int:
        """The hour after the last."""
        return self.first_hour + self.hours

    def born(self) -> Integers:
        """(L,) column of the first usage; T for a series that has none."""
        used = np.pad((self.values > 0) & self.known, ((0, 0), (0, 1)), constant_values=True)
        return np.asarray(used.argmax(axis=1), dtype=np.int64)

    def since(self, column: int) -> HourlySeries:
        """The hours from a column on."""
        return HourlySeries(self.first_hour + column, self.values[:, column:], self.known[column:])


def filled(series: HourlySeries, born: Integers) -> Floats:
    """(L, T) values without gaps, and without the hours before a series was born.

    Hours without data are those of a week before, or, in the first week, of the day before,
    on the level of the hours before the gap; so is an hour right after it with next to nothing.
    Hours before a series was born repeat its first week backwards, so that the weeks before
    its second are weeks of its own; in its first week it is not judged.
    """
    values = series.values.copy()
    gap = np.flatnonzero(~series.known)
    for hour in gap:
        values[:, hour] = _usual(values, int(hour))
    # The first hour after a gap is often the rest of an hour.
    for hour in gap + 1:
        if hour < series.hours and series.known[hour]:
            usual = _usual(values, int(hour))
            partly = values[:, hour] < PARTLY * usual
            values[partly, hour] = usual[partly]
    young = (born > 0) & (born < series.hours)
    for line in np.flatnonzero(young):
        first = int(born[line])
        week = min(WEEK, series.hours - first)
        earlier = np.arange(first) - first
        values[line, :first] = values[line, first + earlier % week]
    return values


def _usual(values: Floats, hour: int) -> Floats:
    """(L,) what an hour would have been by the week or the day before, on the level of now."""
    back = next((back for back in (WEEK, DAY, 1) if hour >= back), 0)
    if not back:
        return np.zeros(len(values))
    low = max(back, hour - LEVEL)
    if low >= hour:
        return values[:, hour - back]
    now = np.median(values[:, low:hour], axis=1)
    then = np.median(values[:, low - back : hour - back], axis=1)
    ratio = np.divide(now, then, out=np.ones(len(now)), where=(then > 0) & (now > 0))
    return np.asarray(values[:, hour - back] * ratio)
