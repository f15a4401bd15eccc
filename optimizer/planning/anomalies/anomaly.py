# SPDX-License-Identifier: Apache-2.0
"""What an anomaly is, whoever is told of it."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Any

from optimizer.demand.anomalies import Kind
from optimizer.tables import decimal_string, format_hour


class Measure(StrEnum):
    """What was judged."""

    usage = "usage"  # units of a meter
    cost = "cost"  # usage at on-demand prices
    bill = "bill"  # what the laws make of usage and commitments
    requests = "requests"
    input_tokens = "input_tokens"
    output_tokens = "output_tokens"
    data = "data"  # whether there are rows at all


@dataclass(frozen=True)
class Carrier:
    """A value of a column and its part of an anomaly.

    ``dollars`` above (or, negative, below) what was expected, at on-demand prices; ``None`` for
    what has no price.  ``share`` is its part of the whole; a value that went the other way has
    a negative one.
    """

    column: str
    value: str
    dollars: Decimal | None
    share: float

    def as_dict(self) -> dict[str, Any]:
        """For JSON: money as a decimal string."""
        return {
            "column": self.column,
            "value": self.value,
            "dollars": _money(self.dollars),
            "share": self.share,
        }


@dataclass(frozen=True)
class Anomaly:
    """One event in the hours ``[start, end)``.

    Attributes
    ----------
    kind
        ``spike drop rise fall gap``; a rise or fall is a level that stayed: it is told once
        and is expected after a day, so that its figures are those of its first day.
    measure, column, value
        The narrowest series that shows most of it; column and value are ``""`` for a total.
    told
        The hour whose data raised the alarm.
    ongoing
        Whether the last hour of data belongs to it.
    actual, expected, unit
        Over its hours, in the unit of the measure (``currency``: that of the case).
    dollars
        Above expected at on-demand prices, negative below; ``None`` for requests and gaps.
    bill
        The bill of its hours less that of what was expected, both replayed with what is held;
        ``None`` where a price is missing.
    carriers
        By column, the most first.
    seen_in
        The other series that show it.
    """

    kind: Kind
    measure: Measure
    column: str
    value: str
    start: int
    end: int
    told: int
    ongoing: bool
    actual: float
    expected: float
    unit: str
    dollars: Decimal | None = None
    bill: Decimal | None = None
    carriers: tuple[Carrier, ...] = ()
    seen_in: tuple[str, ...] = ()

    @property
    def hours(self) -> int:
        """How long it lasted, or lasts."""
        return self.end - self.start

    @property
    def name(self) -> str:
        """The series in words."""
        return series_name(self.measure, self.column, self.value)

    def carrier(self, column: str) -> Carrier | None:
        """The value of a column that carries most of it."""
        return next((c for c in self.carriers if c.column == column), None)

    def as_dict(self) -> dict[str, Any]:
        """For JSON: hours as text, money as decimal strings."""
        return {
            "kind": self.kind.value,
            "measure": self.measure.value,
            "column": self.column or None,
            "value": self.value or None,
            "start": format_hour(self.start),
            "end": format_hour(self.end),
            "hours": self.hours,
            "told": format_hour(self.told),
            "ongoing": self.ongoing,
            "actual": self.actual,
            "expected": self.expected,
            "unit": self.unit,
            "dollars": _money(self.dollars),
            "bill": _money(self.bill),
            "carriers": [carrier.as_dict() for carrier in self.carriers],
            "seen_in": list(self.seen_in),
        }


@dataclass(frozen=True)
class Findings:
    """The anomalies of a window ``[start, end)``, and what was not judged.

    Attributes
    ----------
    anomalies
        Gaps first (they hide the rest), then by dollars, the most first.
    series
        Series that were judged.
    too_short
        Names of series that have run for less than two weeks.
    small
        Events left out because they are below ``least`` dollars.
    notes
        What a reader must know.
    """

    start: int
    end: int
    anomalies: tuple[Anomaly, ...]
    series: int
    too_short: tuple[str, ...]
    small: int
    least: Decimal
    notes: tuple[str, ...]
    currency: str

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "start": format_hour(self.start),
            "end": format_hour(self.end),
            "anomalies": [anomaly.as_dict() for anomaly in self.anomalies],
            "series": self.series,
            "too_short": list(self.too_short),
            "small": self.small,
            "least": _money(self.least),
            "notes": list(self.notes),
            "currency": self.currency,
        }


def series_name(measure: Measure, column: str, value: str) -> str:
    """A series in words: ``cost of team alignment``."""
    of = f" of {column.removeprefix('tag_')} {value}" if column else ""
    return f"{measure.value.replace('_', ' ')}{of}"


def _money(amount: Decimal | None) -> str | None:
    return None if amount is None else decimal_string(amount)
