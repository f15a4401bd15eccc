# SPDX-License-Identifier: Apache-2.0
"""The usage of a whole month: hours that ran, and sample paths of those to come."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from optimizer.demand import RepeatedWeeks, Seasonal, history_of
from optimizer.demand.history import SHORT
from optimizer.demand.horizon import WEEK
from optimizer.tables import UsageLines

Floats = NDArray[np.float64]

LATELY = 4 * WEEK


@dataclass(frozen=True)
class MonthPaths:
    """S equally likely usages of the hours ``[start, end)`` of a month.

    Attributes
    ----------
    known
        Hours of it that ran; the rest is forecast, or given by rows.
    paths
        One of them if history is too short for a band.
    notes
        What a reader must know.
    """

    start: int
    end: int
    known: int
    paths: tuple[UsageLines, ...]
    notes: tuple[str, ...]


def month_paths(
    usage: UsageLines, as_of: int, start: int, end: int, count: int, seed: int
) -> MonthPaths:
    """Fill a month: rows as they are, hours to come from the forecaster.

    Rows at or after ``as_of`` are given demand of their line and are kept.  Lines run on spot
    in the share of the last four weeks.
    """
    history, notes = history_of(usage, as_of)
    notes = tuple(note for note in notes if "weeks" not in note)
    last = min(history.end, as_of)
    told = []
    if history.first_hour > start:
        told.append(
            f"usage of the first {history.first_hour - start} hours of the month is not in the "
            "case: they cost what commitments cost"
        )
    if as_of > last and history.hours:
        told.append(f"the last {as_of - last} hours before now have no rows: they are forecast")
    shape = (len(usage.meter), end - start)
    ran, given = _rows(usage, start, end, last)
    ahead = end - max(last, start)
    if not history.hours or ahead <= 0:
        forecast = np.zeros((1, shape[0], max(ahead, 0)))
    elif history.hours < SHORT:
        told.append("history is shorter than two weeks: the pace has no band")
        unit = history.hours - history.hours % 24 or history.hours
        source = history.hours - unit + np.arange(ahead) % unit
        forecast = history.quantity[:, source][None]
    else:
        forecaster = Seasonal() if count > 1 else RepeatedWeeks()
        # What lies between the last row and the month's first hour is forecast, and not used.
        skip = max(0, start - last)
        forecast = forecaster.paths(history, ahead + skip, count, seed)[:, :, skip:]
    share = _spot_share(usage, last)
    made = []
    for path in forecast:
        quantity = ran.copy()
        quantity[:, shape[1] - path.shape[1] :] = path
        quantity = np.where(given, ran, quantity)
        made.append(_lines(usage, quantity, share, start, last))
    return MonthPaths(start, end, max(0, last - start), tuple(made), (*told, *notes))


def _rows(usage: UsageLines, start: int, end: int, last: int) -> tuple[Floats, NDArray[np.bool_]]:
    """(L, N) rows of the month, and whether they stand: they ran, or are given."""
    shape = (len(usage.meter), end - start)
    ran, given = np.zeros(shape), np.zeros(shape, dtype=np.bool_)
    low = max(start, usage.first_hour)
    high = max(low, min(end, usage.first_hour + usage.quantity.shape[1]))
    into, of = (
        slice(low - start, high - start),
        slice(low - usage.first_hour, high - usage.first_hour),
    )
    ran[:, into] = usage.quantity[:, of]
    given[:, into] = usage.present[:, of]
    given[:, : max(0, last - start)] = True
    return ran, given


def _spot_share(usage: UsageLines, last: int) -> Floats:
    """(L,) share of each line's usage that ran on spot lately."""
    at = max(0, last - usage.first_hour)
    part = slice(max(0, at - LATELY), at)
    ran = usage.quantity[:, part].sum(axis=1)
    spot = usage.spot[:, part].sum(axis=1)
    return np.asarray(np.divide(spot, ran, out=np.zeros(len(ran)), where=ran > 0))


def _lines(usage: UsageLines, quantity: Floats, share: Floats, start: int, last: int) -> UsageLines:
    """The lines with the usage of a month; what ran on spot did, the rest does as lately."""
    spot = quantity * share[:, None] if share.any() else np.zeros(quantity.shape)
    taken = np.zeros(quantity.shape)
    low, high = max(start, usage.first_hour), min(last, start + quantity.shape[1])
    if high > low:
        into = slice(low - start, high - start)
        of = slice(low - usage.first_hour, high - usage.first_hour)
        spot[:, into], taken[:, into] = usage.spot[:, of], usage.spot_taken[:, of]
    return replace(
        usage,
        first_hour=start,
        quantity=quantity,
        spot=np.minimum(spot, quantity),
        spot_taken=taken,
        tolerant=np.zeros(quantity.shape),
        present=np.ones(quantity.shape, dtype=np.bool_),
    )
