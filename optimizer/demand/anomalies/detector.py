# SPDX-License-Identifier: Apache-2.0
"""Alarms: runs of hours that their baseline does not explain, hour by hour as data arrives.

How far is too far says :mod:`optimizer.demand.anomalies.moves`, when an anomaly began and ended
:mod:`optimizer.demand.anomalies.episodes`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from optimizer.demand.anomalies.baseline import Baseline, baseline_of
from optimizer.demand.anomalies.companions import moves_beyond, shared
from optimizer.demand.anomalies.episodes import Alarms, Episode, gap_episodes
from optimizer.demand.anomalies.moves import Facts, Moves, facts_of, moves_of, raised
from optimizer.demand.anomalies.parameters import DEFAULT, Detector
from optimizer.demand.anomalies.series import HourlySeries, filled
from optimizer.demand.horizon import DAY

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
Integers = NDArray[np.int64]

_CHUNK = 64  # lines at once: windows of medians take 14 times the memory of the values


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
    judged: Integers


@dataclass(frozen=True)
class _Part:
    """Some lines of one measure, from a column on.

    ``values`` (L, T) without gaps; ``own`` (L,) first column that is judged, ``ripe`` (L, T)
    what may raise an alarm, ``alive`` (L,) lines that were ever used.
    """

    series: HourlySeries
    values: Floats
    own: Integers
    ripe: Flags
    alive: Flags


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
    return judge_together((series,), since, detector)[0]


def judge_together(
    measures: Sequence[HourlySeries], since: int | None = None, detector: Detector = DEFAULT
) -> tuple[Verdict, ...]:
    """Find the anomalies of series that move together, knowing only the hours before each.

    Parameters
    ----------
    measures
        M times L series of the same hours: line l of each measures one thing, such as the
        requests, input and output tokens of a class.  What they do in common is told of the
        first, what one does beyond the others of that one.
    since
        As in :func:`judge`.

    Returns
    -------
    tuple of Verdict
        One for each measure; gaps are in the first.
    """
    if any(one.values.shape != measures[0].values.shape for one in measures):
        msg = f"series of different shapes: {[one.values.shape for one in measures]}"
        raise ValueError(msg)
    whole = measures[0]
    first = whole.first_hour if since is None else max(since, whole.first_hour)
    memory = detector.memory if len(measures) == 1 else detector.memory_together
    # Episodes that began a day before may still be on; scales are measured once a day.
    start = max(0, (first - whole.first_hour) - memory - 2 * DAY) // DAY * DAY
    judged_from = max(0, first - whole.first_hour - start - 2 * DAY)
    born = [series.born() for series in measures]
    values = [filled(series, b)[:, start:] for series, b in zip(measures, born, strict=True)]
    parts = [series.since(start) for series in measures]
    too_short = [(whole.hours > b) & (whole.hours - b < detector.least) for b in born]
    own = [np.maximum(b + detector.probation - start, 0) for b in born]
    ripe_from = [
        np.where(short, parts[0].hours, o) for short, o in zip(too_short, own, strict=True)
    ]
    columns = np.arange(parts[0].hours)
    found: list[list[Episode]] = [[] for _ in measures]
    for low in range(0, len(whole.values), _CHUNK):
        lines = slice(low, low + _CHUNK)
        chunk = [
            _Part(
                HourlySeries(part.first_hour, part.values[lines], part.known),
                values[m][lines],
                own[m][lines],
                columns >= np.maximum(ripe_from[m][lines, None], judged_from),
                born[m][lines] < whole.hours,
            )
            for m, part in enumerate(parts)
        ]
        for m, episodes in enumerate(_episodes(chunk, judged_from, low, detector)):
            found[m] += episodes
    found[0] += gap_episodes(parts[0])
    return tuple(
        _verdict(
            found[m], since, too_short[m],
            parts[m].hours - np.maximum(ripe_from[m], first - parts[m].first_hour),
        )
        for m in range(len(measures))
    )  # fmt: skip


def _verdict(found: list[Episode], since: int | None, too_short: Flags, open_: Integers) -> Verdict:
    kept = [e for e in found if since is None or e.end > since or e.ongoing]
    kept.sort(key=lambda e: (-1 if e.line is None else e.line, e.start, e.kind))
    return Verdict(tuple(kept), too_short, np.maximum(open_, 0).astype(np.int64))


def _episodes(
    parts: list[_Part], start: int, first_line: int, detector: Detector
) -> list[list[Episode]]:
    """The episodes of some lines, of each measure."""
    baselines = [baseline_of(part.values) for part in parts]
    moves = [moves_of(baseline.rest, detector) for baseline in baselines]
    facts = [
        facts_of(part.values, part.series.known, part.own, start, baseline, move, detector)
        for part, baseline, move in zip(parts, baselines, moves, strict=True)
    ]
    if len(parts) == 1:
        alarms = [raised(moves[0], facts[0], detector)]
    else:
        alarms = _alarms_together(parts, baselines, moves, facts, start, detector)
    return [
        Alarms(
            part.series, part.values, baselines[m], alarms[m][0] & part.ripe,
            alarms[m][1] & part.ripe, moves[m].normal, detector.hours, detector.level,
            detector.rise, first_line,
        ).episodes()
        for m, part in enumerate(parts)
    ]  # fmt: skip


def _alarms_together(
    parts: list[_Part],
    baselines: list[Baseline],
    moves: list[Moves],
    facts: list[Facts],
    start: int,
    detector: Detector,
) -> list[tuple[Flags, Flags]]:
    """Alarms up and down of each measure: of the first also what all have in common."""
    rests = np.stack([baseline.rest for baseline in baselines])
    alarms = []
    for m, beyond in enumerate(moves_beyond(rests, moves, start, detector)):
        up, down = raised(beyond, facts[m], detector, by_record=False)
        least = detector.moved * detector.rise
        alarms.append((up & (moves[m].r > least), down & (moves[m].r < -least)))
    common = shared(baselines, np.stack([part.alive for part in parts]))
    move = moves_of(common.baseline.rest, detector)
    known, own = parts[0].series.known, parts[0].own
    fact = facts_of(common.values, known, own, start, common.baseline, move, detector)
    up, down = raised(move, fact, detector)
    alarms[0] = alarms[0][0] | up, alarms[0][1] | down
    return alarms
