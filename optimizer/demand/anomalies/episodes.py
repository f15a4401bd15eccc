# SPDX-License-Identifier: Apache-2.0
"""From alarms to episodes: when an anomaly began, how long it lasted, what it amounts to.

The level before the first alarm is kept as what was normal.  An episode lasts while usage is
nearer to what raised the alarm than to that; after a day it is a level shift, which is
learned: it is told once and is normal from then on.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from optimizer.demand.anomalies.baseline import Baseline
from optimizer.demand.anomalies.series import HourlySeries
from optimizer.demand.horizon import DAY

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

LEARNED = DAY  # hours after which a level is no anomaly any more
LEAST_GAP = 6  # hours without data that are worth telling
APART = 2  # hours back at normal that end an episode


class Kind(StrEnum):
    """What an anomaly looks like."""

    spike = "spike"
    drop = "drop"
    rise = "rise"  # a level shift upwards
    fall = "fall"  # a level shift downwards
    gap = "gap"  # hours without data


@dataclass(frozen=True)
class Episode:
    """One anomaly of one series, in the hours ``[start, end)``.

    Attributes
    ----------
    line
        Which series; ``None``: all of them (a gap in the data).
    told
        The hour whose data raised the alarm; ``start`` is at most two hours earlier.
    ongoing
        Whether the last hour of data belongs to it and it is not yet learned.
    actual, expected
        Units over its hours; 0 for a gap.
    level
        What was normal, as ``Baseline.rest``; 0 for a gap.
    """

    line: int | None
    kind: Kind
    start: int
    end: int
    told: int
    ongoing: bool
    actual: float
    expected: float
    level: float

    @property
    def hours(self) -> int:
        """How long it lasted, or lasts."""
        return self.end - self.start


def episodes_of(
    series: HourlySeries,
    values: Floats,
    baseline: Baseline,
    alarms: tuple[Flags, Flags],
    normal: Floats,
    hours: int,
    first_line: int,
) -> list[Episode]:
    """Group the alarms of each series into episodes.

    Parameters
    ----------
    values
        (L, T) as they were judged.
    alarms
        (L, T) upwards and downwards, at the last of the ``hours`` that raised them.
    normal
        (L, T) level that an alarm was judged by.
    first_line
        Number of the first series, to be added to all.
    """
    found = []
    for sign, flags in zip((1.0, -1.0), alarms, strict=True):
        for line in np.flatnonzero(flags.any(axis=1)):
            told = np.flatnonzero(flags[line])
            over = -1
            for at in told:
                start = int(at) - hours + 1
                if start < over or at < over:
                    continue
                level = float(normal[line, at])
                over, ongoing = _end(baseline.rest[line], start, hours, level, sign)
                found.append(
                    _episode(
                        series, values, baseline, int(line), first_line,
                        (start, over, int(at), ongoing), level, sign,
                    )
                )  # fmt: skip
    return found


def _end(rest: Floats, start: int, hours: int, level: float, sign: float) -> tuple[int, bool]:
    """The column after the last of an episode, and whether it is still on."""
    limit = min(start + LEARNED, len(rest))
    distance = sign * (rest[start:limit] - level)
    size = float(distance[:hours].mean())
    back = distance < size / 2.0
    for k in range(hours, len(distance)):
        if back[k] and (k + 1 == len(distance) or back[k : k + APART].all()):
            return start + k, False
    return limit, limit == len(rest) and len(distance) < LEARNED


def _episode(
    series: HourlySeries,
    values: Floats,
    baseline: Baseline,
    line: int,
    first_line: int,
    when: tuple[int, int, int, bool],
    level: float,
    sign: float,
) -> Episode:
    start, end, told, ongoing = when
    part = slice(start, end)
    known = series.known[part]
    expected = baseline.units(np.array(level), slice(line, line + 1), part)[0]
    learned = end - start >= LEARNED
    kinds = (Kind.rise, Kind.fall) if learned else (Kind.spike, Kind.drop)
    return Episode(
        line=first_line + line,
        kind=kinds[0] if sign > 0 else kinds[1],
        start=series.first_hour + start,
        end=series.first_hour + end,
        told=series.first_hour + told,
        ongoing=ongoing,
        actual=float(values[line, part][known].sum()),
        expected=float(expected[known].sum()),
        level=level,
    )


def gap_episodes(series: HourlySeries) -> list[Episode]:
    """Runs of hours without data, each an anomaly of its own kind."""
    edges = np.diff(np.concatenate([[0], (~series.known).astype(np.int8), [0]]))
    found = []
    for start, end in zip(np.flatnonzero(edges > 0), np.flatnonzero(edges < 0), strict=True):
        if end - start >= LEAST_GAP:
            first = series.first_hour + int(start)
            found.append(
                Episode(
                    line=None,
                    kind=Kind.gap,
                    start=first,
                    end=series.first_hour + int(end),
                    told=first + LEAST_GAP - 1,
                    ongoing=end == series.hours,
                    actual=0.0,
                    expected=0.0,
                    level=0.0,
                )
            )
    return found
