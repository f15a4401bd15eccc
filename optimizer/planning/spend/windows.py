# SPDX-License-Identifier: Apache-2.0
"""Windows of hours in the words of OpenCost: ``7d``, ``lastmonth``, ``2026-10``, ``A..B``.

All are half-open and in UTC; *now* is the case's ``as_of``; weeks begin on Monday.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from optimizer.errors import DataError, UsageError
from optimizer.tables import format_hour, month_hours, month_of, parse_hour
from optimizer.tables.hours import EPOCH, hour_of

DAY = 24
WEEK = 168
ALL = "all"
# The hours that have a date: those of the years 1 to 9999.
_FIRST = hour_of(datetime(1, 1, 1, tzinfo=UTC))
_LAST = hour_of(datetime(9999, 12, 31, 23, tzinfo=UTC))

_LENGTH = re.compile(r"([1-9][0-9]{0,5})([hdw])")
_MONTH = re.compile(r"([0-9]{4})-(0[1-9]|1[0-2])")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_HOURS = {"h": 1, "d": DAY, "w": WEEK}
MEND = (
    "write a length such as 24h, 7d or 4w, one of today yesterday week lastweek month lastmonth "
    "all, a month as 2026-10, a day as 2026-10-05, or two times as A..B"
)


@dataclass(frozen=True)
class Window:
    """The hours ``[first, last)`` and the words they were asked for by."""

    first: int
    last: int
    words: str

    @property
    def hours(self) -> int:
        """How many hours it has."""
        return self.last - self.first

    @property
    def text(self) -> str:
        """Its first hour and the hour after its last; days alone where it is of whole days."""
        ends = [format_hour(hour) for hour in (self.first, self.last)]
        if not (self.first % DAY or self.last % DAY):
            ends = [end[:10] for end in ends]
        return "..".join(ends)

    def before(self) -> Window:
        """The window before it: the month before a calendar month, else as many hours."""
        year, month = month_of(self.first)
        if (self.first, self.last) == month_hours(year, month):
            first, last = month_hours(*month_of(self.first - 1))
            return Window(first, last, "the month before")
        return Window(2 * self.first - self.last, self.first, "the same length before")

    def within(self, first: int, last: int) -> bool:
        """Whether all of it lies in the hours ``[first, last)``."""
        return first <= self.first and self.last <= last

    def clipped(self, first: int, last: int) -> Window:
        """Its part within the hours ``[first, last)`` of which usage is known.

        Raises
        ------
        DataError
            If there is none.
        """
        low, high = max(self.first, first), min(self.last, last)
        if low >= high:
            known = f"{format_hour(first)}..{format_hour(last)}"
            raise DataError(
                f"no usage is known in {self.text} ({self.words}); the case has {known}"
                if last > first
                else "the case has no usage",
                mend="name a window within those hours, as --window all"
                if last > first
                else "add rows of usage",
                file="usage.csv",
            )
        return Window(low, high, self.words)


def parse_window(words: str, as_of: int, known: tuple[int, int]) -> Window:
    """The window of some words.

    Parameters
    ----------
    words
        See the module.
    as_of
        The hour that *now* is.
    known
        The hours ``[first, last)`` of usage, which ``all`` means.

    Raises
    ------
    UsageError
        If the words mean no window, one without hours, or one outside the years 1 to 9999.
    """
    text = words.strip()
    if text == ALL:
        return Window(known[0], known[1], ALL)
    if text in _WORDS:
        first, last = _WORDS[text](as_of)
    elif length := length_of(text):
        first, last = as_of - length, as_of
    elif month := _MONTH.fullmatch(text):
        first, last = _month(int(month[1]), int(month[2]), words)
    elif ".." in text or "," in text:
        left, _, right = text.partition(".." if ".." in text else ",")
        first, last = _time(left, words), _time(right, words)
    elif _DATE.fullmatch(text):
        first = _time(text, words)
        last = first + DAY
    else:
        raise _refused(words)
    if last <= first:
        raise UsageError(f"the window '{words}' has no hour. To mend it: {MEND}")
    if first < _FIRST or last > _LAST:
        raise _undated(words)
    return Window(first, last, text)


def length_of(words: str) -> int | None:
    """Hours of a length such as ``6h``, ``1d`` or ``2w``; ``None`` if it is none."""
    length = _LENGTH.fullmatch(words.strip())
    return int(length[1]) * _HOURS[length[2]] if length else None


def weeks_until(last: int, count: int, known: tuple[int, int]) -> list[Window]:
    """Up to ``count`` whole weeks that end at an hour and lie in the known hours, in order."""
    found = []
    for back in range(count, 0, -1):
        week = Window(last - back * WEEK, last - (back - 1) * WEEK, "week")
        if week.within(*known):
            found.append(week)
    return found


def _time(text: str, words: str) -> int:
    text = text.strip()
    try:
        return parse_hour(f"{text}T00:00:00Z" if _DATE.fullmatch(text) else text)
    except DataError:
        raise _refused(words) from None


def _month(year: int, month: int, words: str) -> tuple[int, int]:
    if year < 1 or (year, month) == (9999, 12):  # there is no year 0, and no hour after it
        raise _undated(words)
    return month_hours(year, month)


def _refused(words: str) -> UsageError:
    return UsageError(f"'{words}' is no window. To mend it: {MEND}")


def _undated(words: str) -> UsageError:
    return UsageError(f"the window '{words}' is not in the years 1 to 9999. To mend it: {MEND}")


def _midnight(hour: int) -> int:
    return hour - hour % DAY


def _monday(hour: int) -> int:
    moment = EPOCH + timedelta(hours=int(hour))
    day = datetime(moment.year, moment.month, moment.day, tzinfo=UTC)
    return hour_of(day - timedelta(days=day.weekday()))


def _month_start(hour: int) -> int:
    return month_hours(*month_of(hour))[0]


_WORDS: dict[str, Callable[[int], tuple[int, int]]] = {
    "today": lambda now: (_midnight(now), now),
    "yesterday": lambda now: (_midnight(now) - DAY, _midnight(now)),
    "week": lambda now: (_monday(now), now),
    "lastweek": lambda now: (_monday(now) - WEEK, _monday(now)),
    "month": lambda now: (_month_start(now), now),
    "lastmonth": lambda now: month_hours(*month_of(_month_start(now) - 1)),
}
