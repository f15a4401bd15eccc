# SPDX-License-Identifier: Apache-2.0
"""Who carries an episode: its excess, cell by cell, so that the parts of a column add up.

What a cell was expected to use is its usual use of the same hours (of the day before, or the
median of three days and four weeks before), scaled so that the cells of the series add up to
what was expected of the series.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from optimizer.billing.bill import exact
from optimizer.demand.anomalies import Episode, Kind
from optimizer.demand.horizon import DAY, WEEK
from optimizer.planning.anomalies.anomaly import Carrier, Measure, series_name
from optimizer.planning.anomalies.cells import Cells, Judged

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

BEFORE = (DAY, 2 * DAY, 3 * DAY, WEEK, 2 * WEEK, 3 * WEEK, 4 * WEEK)
NEAR = 6  # hours between the beginnings of what may be one event
ALIKE = 0.5  # share of a series' excess that the leading one has as well
LEADING = 0.8  # share of the largest excess that a series must show to stand for an event
TOP = 5  # carriers of a column that are told
LEAST_SHARE = 0.05


@dataclass(frozen=True)
class Seen:
    """An episode of one series, with the excess of each cell.

    ``units`` and ``dollars`` have shape (S,); ``cost`` is what all of the series cost in its
    hours at on-demand prices; ``owners`` are the units, in the way of the
    episode, by who used them whatever the meter.
    """

    measure: Measure
    column: str
    value: str
    episode: Episode
    units: Floats
    dollars: Floats
    cost: float
    owners: Floats

    @property
    def upward(self) -> bool:
        """Whether it is above what was expected."""
        return self.episode.kind in (Kind.spike, Kind.rise)

    @property
    def size(self) -> float:
        """Dollars above or below, without their sign; 0 where there is no price."""
        return abs(float(self.dollars.sum()))

    @property
    def name(self) -> str:
        """The series in words."""
        return series_name(self.measure, self.column, self.value)


@dataclass(frozen=True)
class Event:
    """Series that show one event; ``lead`` is the narrowest that shows nearly all of it."""

    lead: Seen
    others: tuple[Seen, ...]


def seen(cells: Cells, judged: Judged, episode: Episode) -> Seen:
    """Split the excess of an episode over the cells of its series."""
    assert episode.line is not None
    value = judged.values[episode.line]
    member = np.ones(len(cells.line), dtype=bool)
    if judged.column:
        values, code = cells.labels[judged.column]
        member = code == values.index(value)
    weight = cells.dollars if judged.measure is Measure.cost else np.ones(len(cells.line))
    start, end = episode.start - cells.first_hour, episode.end - cells.first_hour
    ran = np.where(member, cells.sums(start, end), 0.0)
    usual = _usual(cells, member, weight, start, end, episode.expected)
    units = np.where(weight > 0, ran - usual, 0.0)
    sign = 1.0 if episode.kind in (Kind.spike, Kind.rise) else -1.0
    owners = np.bincount(cells.owner, np.maximum(sign * units, 0.0)).astype(np.float64)
    return Seen(
        measure=judged.measure,
        column=judged.column,
        value=value,
        episode=episode,
        units=units,
        dollars=units * cells.dollars,
        cost=float((ran * cells.dollars).sum()),
        owners=owners,
    )


def _usual(
    cells: Cells, member: Flags, weight: Floats, start: int, end: int, expected: float
) -> Floats:
    """(S,) units that the cells of a series were expected to use, adding up to ``expected``.

    Shares are those of the same hours of the day before, or of the median of days and weeks
    before: of the one whose sum is nearer, so that what began or ended lately is not forgotten.
    """
    past = [cells.sums(start - back, end - back) for back in BEFORE if start >= back]
    if not past:
        return np.zeros(len(cells.line))
    known = [np.where(member, usual, 0.0) for usual in (np.median(np.stack(past), axis=0), past[0])]
    sums = [float((usual * weight).sum()) for usual in known]
    nearest = min((0, 1), key=lambda i: (not sums[i], abs(sums[i] - expected)))
    whole = sums[nearest]
    return np.asarray(known[nearest] * (expected / whole if whole else 0.0))


def events(episodes: Sequence[Seen]) -> list[Event]:
    """Group what began within hours of each other, in one direction, with cells in common.

    A series that shows two events at once (an account with two teams) does not tie them: what
    has little in common with the leading series of a group is an event of its own.
    """
    found = []
    rest = sorted(episodes, key=lambda one: (-one.size, one.name))
    while rest:
        near = [one for one in rest if _near(rest[0], one)]
        shows = [one for one in near if one.size >= LEADING * rest[0].size]
        shows = [one for one in shows if _common(one, rest[0]) >= ALIKE]
        lead = min(shows, key=_narrowness)
        mine = [one for one in near if one is lead or _common(one, lead) >= ALIKE]
        found.append(Event(lead, tuple(one for one in mine if one is not lead)))
        taken = {id(one) for one in mine} | {id(rest[0])}
        rest = [one for one in rest if id(one) not in taken]
    return found


def _narrowness(one: Seen) -> tuple[float, bool, str, str]:
    """Series of least cost first; of those that are one usage, its meter."""
    return round(one.cost, 2), one.measure is not Measure.usage, one.column, one.value


def _near(one: Seen, other: Seen) -> bool:
    return one.upward == other.upward and abs(one.episode.start - other.episode.start) <= NEAR


def _common(one: Seen, other: Seen) -> float:
    """The share of the excess of one that the other has as well.

    Meters of one machine (GPU, vCPU, memory) share no cell: those that moved within an hour of
    each other are compared by who used them.
    """
    meters = one.measure is other.measure is Measure.usage and one.value != other.value
    if meters and abs(one.episode.start - other.episode.start) <= 1:
        shares = [x.owners / x.owners.sum() for x in (one, other) if x.owners.sum() > 0]
        return float(np.minimum(*shares).sum()) if len(shares) == 2 else 0.0
    a, b = (
        (one.dollars, other.dollars)
        if one.dollars.any() and other.dollars.any()
        else (one.units, other.units)
    )
    whole = np.abs(a).sum()
    common = np.minimum(np.abs(a), np.abs(b))[a * b > 0].sum()
    return float(common / whole) if whole else float(one is other)


def carriers(cells: Cells, one: Seen) -> tuple[Carrier, ...]:
    """The values of each column that carry most of it."""
    priced = bool(one.dollars.any())
    excess = one.dollars if priced else one.units
    whole = float(excess.sum())
    found: list[Carrier] = []
    if not whole:
        return ()
    for column, (values, code) in cells.labels.items():
        if not any(values):
            continue
        parts = np.bincount(code, excess, minlength=len(values))
        shares = parts / whole
        for place in np.argsort(-shares, kind="stable")[:TOP]:
            if shares[place] < LEAST_SHARE:
                break
            found.append(
                Carrier(
                    column,
                    values[place],
                    exact(float(parts[place])) if priced else None,
                    float(shares[place]),
                )
            )
    return tuple(found)
