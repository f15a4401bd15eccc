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
    """

    line: int | None
    kind: Kind
    start: int
    end: int
    told: int
    ongoing: bool
    actual: float
    expected: float

    @property
    def hours(self) -> int:
        """How long it lasted, or lasts."""
        return self.end - self.start


@dataclass(frozen=True)
class Alarms:
    """What was judged of some series, and with which outcome.

    Attributes
    ----------
    series, values
        As they are, and (L, T) as they were judged: without gaps.
    baseline
        What they were judged by.
    up, down
        (L, T) alarms, at the last of the ``hours`` hours that raised them.
    normal
        (L, T) median of the ``level_hours`` hours before those.
    hours, level_hours, apart
        Parameters of the detector: k, the hours of ``normal``, the least r of an alarm.
    first_line
        Number of the first series.
    """

    series: HourlySeries
    values: Floats
    baseline: Baseline
    up: Flags
    down: Flags
    normal: Floats
    hours: int
    level_hours: int
    apart: float
    first_line: int

    def episodes(self) -> list[Episode]:
        """The alarms of each series, grouped.

        One that sounds while another of its direction is on is part of it; one of the other
        direction that follows is what it was before again, and no anomaly.
        """
        found = []
        either = self.up | self.down
        for line in np.flatnonzero(either.any(axis=1)):
            over = {1.0: -1, -1.0: -1}
            level = {1.0: 0.0, -1.0: 0.0}
            for at in np.flatnonzero(either[line]):
                start = int(at) - self.hours + 1
                sign = 1.0 if self.up[line, at] else -1.0
                if start < over[sign] or (
                    start <= over[-sign] + self.level_hours
                    and self._back(int(line), start, sign, level[-sign])
                ):
                    continue
                episode, over[sign] = self._episode(int(line), int(at), sign)
                level[sign] = float(self.normal[line, at])
                found.append(episode)
        return found

    def _back(self, line: int, start: int, sign: float, level: float) -> bool:
        """Whether some hours are no further from a level than an alarm has to be."""
        rest = self.baseline.rest[line, start : start + self.hours]
        return sign * (float(rest.mean()) - level) < self.apart

    def _episode(self, line: int, told: int, sign: float) -> tuple[Episode, int]:
        """The episode of an alarm, and the column after its last."""
        start = told - self.hours + 1
        level = float(self.normal[line, told])
        end, ongoing = _end(self.baseline.rest[line], start, self.hours, level, sign)
        known = self.series.known[start:end]
        expected = self.baseline.expected(line, start, end, self.level_hours)
        learned = end - start >= LEARNED
        kinds = (Kind.rise, Kind.fall) if learned else (Kind.spike, Kind.drop)
        first = self.series.first_hour
        episode = Episode(
            line=self.first_line + line,
            kind=kinds[0] if sign > 0 else kinds[1],
            start=first + start,
            end=first + end,
            told=first + told,
            ongoing=ongoing,
            actual=float(self.values[line, start:end][known].sum()),
            expected=float(expected[known].sum()),
        )
        return episode, end


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
                )
            )
    return found
