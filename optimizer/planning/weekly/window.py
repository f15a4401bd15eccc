# SPDX-License-Identifier: Apache-2.0
"""The week that a report is of: the last seven complete days, and the usage in them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from optimizer.tables import UsageLines

DAY = 24
WEEK = 7 * DAY

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
Mixed = Callable[[NDArray[Any], NDArray[Any]], NDArray[Any]]


@dataclass(frozen=True)
class Weeks:
    """The week ``[start, end)`` and the one before it, ``[before, start)``; hours."""

    before: int
    start: int
    end: int

    @classmethod
    def until(cls, as_of: int) -> Weeks:
        """The last seven complete days (UTC) before a moment."""
        end = as_of - as_of % DAY
        return cls(end - 2 * WEEK, end - WEEK, end)


def hours_of(usage: UsageLines, start: int, end: int) -> UsageLines:
    """Return the usage of the hours ``[start, end)``; hours beyond the rows have none."""
    count = end - start
    low = min(max(start - usage.first_hour, 0), usage.quantity.shape[1])
    high = min(max(end - usage.first_hour, 0), usage.quantity.shape[1])
    offset = usage.first_hour + low - start

    def part(array: NDArray[Any]) -> NDArray[Any]:
        found = np.zeros((array.shape[0], count), dtype=array.dtype)
        found[:, offset : offset + high - low] = array[:, low:high]
        return found

    return replace(
        usage,
        first_hour=start,
        quantity=part(usage.quantity),
        spot=part(usage.spot),
        spot_taken=part(usage.spot_taken),
        tolerant=part(usage.tolerant),
        present=part(usage.present),
    )


def seen(usage: UsageLines) -> Flags:
    """Return, of each hour, whether any line has a row in it; shape (T,)."""
    return np.asarray(usage.present.any(axis=0), dtype=np.bool_)


def at_hours(usage: UsageLines, first_hour: int) -> UsageLines:
    """Return the same usage in other hours."""
    return replace(usage, first_hour=first_hour)


def with_hours_of(usage: UsageLines, other: UsageLines, chosen: Flags) -> UsageLines:
    """Return usage in which some hours are those of another week; ``chosen`` has shape (T,)."""

    def mixed(mine: NDArray[Any], theirs: NDArray[Any]) -> NDArray[Any]:
        return np.where(chosen[None, :], theirs, mine)

    return _changed(usage, other, mixed)


def with_lines_of(usage: UsageLines, other: UsageLines, chosen: Flags) -> UsageLines:
    """Return usage in which some lines are those of another week; ``chosen`` has shape (L,)."""

    def mixed(mine: NDArray[Any], theirs: NDArray[Any]) -> NDArray[Any]:
        return np.where(chosen[:, None], theirs, mine)

    return _changed(usage, other, mixed)


def with_spot_of(usage: UsageLines, other: UsageLines) -> UsageLines:
    """Return usage that runs on spot as much as another week's, line by line.

    Where the other week had no usage of a line, the line runs on spot as it does.
    """
    share = _share(other.spot, other.quantity)
    taken = _share(other.spot_taken, other.spot)
    known = other.quantity.sum(axis=1) > 0
    spot = np.where(known[:, None], usage.quantity * share[:, None], usage.spot)
    gone = np.where(known[:, None], spot * taken[:, None], usage.spot_taken)
    return replace(usage, spot=spot, spot_taken=gone)


def _share(part: Floats, whole: Floats) -> Floats:
    """The share of a line's week, at most 1; shape (L,)."""
    total = whole.sum(axis=1)
    share = np.divide(part.sum(axis=1), total, out=np.zeros(len(total)), where=total > 0)
    return np.asarray(np.minimum(share, 1.0), dtype=np.float64)


def _changed(usage: UsageLines, other: UsageLines, mixed: Mixed) -> UsageLines:
    return replace(
        usage,
        quantity=mixed(usage.quantity, other.quantity),
        spot=mixed(usage.spot, other.spot),
        spot_taken=mixed(usage.spot_taken, other.spot_taken),
        tolerant=mixed(usage.tolerant, other.tolerant),
        present=mixed(usage.present, other.present),
    )
