# SPDX-License-Identifier: Apache-2.0
"""The history that a forecast starts from: what ran up to its last hour, gaps mended."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from optimizer.demand.horizon import DAY, WEEK
from optimizer.tables import UsageLines, format_hour

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

SHORT = 2 * WEEK


@dataclass(frozen=True)
class History:
    """Usage of L lines over the H hours up to an origin; the forecast begins right after.

    Attributes
    ----------
    first_hour
        The hour of the first column, in hours since 1970-01-01T00Z.
    quantity
        (L, H) units within the hour; hours without a row are zero.
    born
        (L,) column of the line's first usage; H for a line that has none.
    """

    first_hour: int
    quantity: Floats
    born: Integers

    @classmethod
    def of(cls, quantity: Floats, first_hour: int = 0) -> History:
        """A history whose lines are born with their first usage."""
        used = quantity > 0
        # A column without usage behind the last, so that no history at all has a first, too.
        first = np.pad(used, ((0, 0), (0, 1)), constant_values=True).argmax(axis=1)
        born = np.asarray(first, dtype=np.int64)
        return cls(first_hour, quantity, born.astype(np.int64))

    @property
    def hours(self) -> int:
        """Number of hours, H."""
        return int(self.quantity.shape[1])

    @property
    def end(self) -> int:
        """The hour after the last: the first hour that is forecast."""
        return self.first_hour + self.hours

    def until(self, hours: int) -> History:
        """The first hours of it: what was known then."""
        return History(
            self.first_hour, self.quantity[:, :hours], np.minimum(self.born, max(hours, 0))
        )


def history_of(
    usage: UsageLines, as_of: int, *, repeated: bool = False
) -> tuple[History, tuple[str, ...]]:
    """Return the history of usage before ``as_of``, and what a reader must know of it.

    It ends with the last row before ``as_of``.  A gap is an hour without a row of any
    line, of which the same hour of the week has rows in most other weeks: data that is
    missing, not demand that was zero.  It takes the value of the nearest week that has
    it.  An hour in which one line alone has no row is zero, as the table says.

    ``repeated``: it is not forecast from but repeated as it is; gaps stay zero.
    """
    count = min(max(0, as_of - usage.first_hour), usage.quantity.shape[1])
    present = np.asarray(usage.present[:, :count].any(axis=0))
    rows = np.flatnonzero(present)
    if not len(rows):
        empty = np.zeros((len(usage.meter), 0))
        return History.of(empty, as_of), ("there is no history to forecast from",)
    first, last = int(rows[0]), int(rows[-1]) + 1
    quantity = np.array(usage.quantity[:, first:last])
    present = present[first:last]
    gap = gaps(present)
    notes = []
    if gap.any():
        where = np.flatnonzero(gap)
        if not repeated:
            quantity[:, gap] = quantity[:, _nearest(gap)[gap]]
        notes.append(
            f"history has no rows in {len(where)} hours from "
            f"{format_hour(usage.first_hour + first + int(where[0]))}: they are "
            + (
                "repeated as hours without usage"
                if repeated
                else "taken from the same hours of the nearest week, not as zero"
            )
        )
    history = History.of(quantity, usage.first_hour + first)
    return history, (*notes, *_missing(history, usage, as_of, repeated))


def gaps(present: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Hours without any row, of which the hour of the week has rows in most other weeks."""
    phase = np.arange(len(present)) % WEEK
    weeks = np.bincount(phase, minlength=WEEK)
    with_rows = np.bincount(phase, weights=present, minlength=WEEK)
    usual = with_rows > (weeks - 1) / 2
    return ~present & usual[phase] & (weeks > 1)[phase]


def _nearest(gap: NDArray[np.bool_]) -> Integers:
    """For each hour the nearest one, whole weeks away, that is no gap; the earlier of two."""
    hours = len(gap)
    source = np.arange(hours)
    open_ = gap.copy()
    for weeks in range(1, hours // WEEK + 2):
        for shift in (-weeks * WEEK, weeks * WEEK):
            where = np.flatnonzero(open_)
            other = where + shift
            fine = (other >= 0) & (other < hours)
            where, other = where[fine], other[fine]
            where, other = where[~gap[other]], other[~gap[other]]
            source[where] = other
            open_[where] = False
        if not open_.any():
            break
    return source


def _missing(history: History, usage: UsageLines, as_of: int, repeated: bool) -> list[str]:
    """What the history lacks, in words."""
    notes = []
    hours = history.hours
    if hours < SHORT:
        notes.append(
            f"history is shorter than two weeks ({hours} hours from "
            f"{format_hour(history.first_hour)}): how demand changes from week to week is unknown"
        )
    elif hours < 8 * WEEK and not repeated:
        notes.append(
            f"history has {hours // WEEK} whole weeks: how demand changes over months is unknown, "
            "and is reckoned from its changes from week to week"
        )
    if as_of - history.end >= DAY:
        notes.append(
            f"history ends {as_of - history.end} hours before now: "
            + ("what changed since is unknown" if repeated else "they are forecast as well")
        )
    young = [i for i, born in enumerate(history.born) if 0 < hours - born < SHORT]
    for meter in dict.fromkeys(usage.meter[i] for i in young if hours >= SHORT):
        lines = [i for i in young if usage.meter[i] == meter]
        if any(usage.meter[i] == meter and i not in young for i in range(len(usage.meter))):
            continue  # the meter is known; only an account or a zone of it is new
        since = history.first_hour + min(int(history.born[i]) for i in lines)
        notes.append(
            f"meter {meter} first ran at {format_hour(since)}, less than two weeks before now: "
            + (
                "in the weeks before, which are repeated, it runs nothing"
                if repeated
                else "how its usage changes is taken from the other meters"
            )
        )
    return notes
