# SPDX-License-Identifier: Apache-2.0
"""Hours as integers: hours since 1970-01-01T00:00:00Z, and half-open months of them."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from optimizer.errors import DataError

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

# The same pattern is given to DuckDB, so that one row and a million are judged alike.
HOUR_PATTERN = "[0-9]{4}-[0-9]{2}-[0-9]{2}T([01][0-9]|2[0-3]):00:00Z"
_HOUR = re.compile(HOUR_PATTERN)
_OFFSET = re.compile(r".*T.*[+-][0-9]{2}:?[0-9]{2}")
_OFF_THE_HOUR = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?Z")

MEND = "write the hour in UTC as in 2026-11-21T05:00:00Z"


def hour_problem(text: str) -> tuple[str, str]:
    """Say what is wrong with a text that is no hour, and how to mend it."""
    if _OFFSET.fullmatch(text):
        return f"the time '{text}' has an offset", f"convert it to UTC; {MEND}"
    if _OFF_THE_HOUR.fullmatch(text) and not text.endswith("00:00Z"):
        return f"the time '{text}' is not on the hour", MEND
    return f"'{text}' is not an hour", MEND


def parse_hour(text: str) -> int:
    """Return the hours since 1970-01-01T00Z of a text such as ``2026-11-21T05:00:00Z``.

    Raises
    ------
    DataError
        If the text is not in that format, is off the hour, or has an offset.
    """
    if _HOUR.fullmatch(text):
        try:
            moment = datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
        except ValueError:  # the 30th of February
            pass
        else:
            return hour_of(moment)
    problem, mend = hour_problem(text)
    raise DataError(problem, mend=mend)


def format_hour(hour: int) -> str:
    """Return an hour as text, ``parse_hour`` reversed."""
    # Not strftime, which does not pad years before 1000.
    return (EPOCH + timedelta(hours=int(hour))).isoformat()[:13] + ":00:00Z"


def hour_of(moment: datetime) -> int:
    """Return the hour that a moment on the hour begins; a naive moment is UTC.

    Raises
    ------
    DataError
        If the moment is not on the hour.
    """
    aware = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
    hours, rest = divmod(aware - EPOCH, timedelta(hours=1))
    if rest:
        raise DataError(f"the time '{moment}' is not on the hour", mend=MEND)
    return hours


def month_of(hour: int) -> tuple[int, int]:
    """Return the calendar month (year, month) in which an hour lies."""
    moment = EPOCH + timedelta(hours=int(hour))
    return moment.year, moment.month


def month_hours(year: int, month: int) -> tuple[int, int]:
    """Return the hours ``[start, end)`` of a calendar month."""
    following = (year + 1, 1) if month == 12 else (year, month + 1)
    start, end = (datetime(y, m, 1, tzinfo=UTC) for y, m in ((year, month), following))
    return hour_of(start), hour_of(end)
