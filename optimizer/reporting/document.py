# SPDX-License-Identifier: Apache-2.0
"""What a report is, whatever it is rendered as: figures, sections, tables, charts.

A document holds exact values, never formatted text: a renderer (HTML, Markdown, JSON, CSV)
formats each value by the kind of its column. Nothing here computes; what is shown was reckoned
by ``optimizer.planning`` or a lower floor.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

Value = str | Decimal | int | float | bool | date | datetime | None


class Kind(StrEnum):
    """How a value is shown; in JSON and CSV it is written exactly, in the unit named here."""

    text = "text"
    money = "money"  # Decimal, in the document's currency
    change = "change"  # money with its sign always shown
    quantity = "quantity"  # a number in the column's unit
    whole = "whole"  # a whole number
    share = "share"  # 0 to 1, shown as a percentage
    points = "points"  # a difference of two shares, shown in percentage points
    rate = "rate"  # money per something small: as many digits as it needs
    day = "day"  # a date
    moment = "moment"  # an hour or moment in UTC
    state = "state"  # one of a few words; shown as a label, never by colour alone


class Better(StrEnum):
    """Which way of a change is good news; ``neither`` for figures that are not judged."""

    up = "up"
    down = "down"
    neither = "neither"


@dataclass(frozen=True)
class Column:
    """A column: its name in JSON and CSV, its heading, and how its values are shown.

    ``formula`` says how a value is made, and is shown where a pointer rests on the heading;
    ``unit`` is that of a quantity, a rate or a whole number (``GPU-hours``, ``1,000 requests``).
    ``heat`` shades the cells of a share by their value, which stands there all the same.
    """

    name: str
    title: str
    kind: Kind = Kind.text
    unit: str = ""
    formula: str = ""
    heat: bool = False


@dataclass(frozen=True)
class Row:
    """Values in the order of the columns; ``key`` names the row, ``source`` where it is from.

    ``source`` is a file of the case and a row of it, or a key of the plan's document, so that
    each number can be followed. ``emphasis`` marks a total.
    """

    values: tuple[Value, ...]
    key: str = ""
    source: str = ""
    emphasis: bool = False


@dataclass(frozen=True)
class Table:
    """A table; ``rest`` says what was left out of ``rows`` and where all of it is.

    ``stack`` is for rows that are read one by one: a phone shows each as a block of its own.

    Raises
    ------
    ValueError
        If a row has another number of values than there are columns, or two columns a name.
    """

    name: str
    title: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    note: str = ""
    rest: str = ""
    empty: str = "Nothing to show."
    stack: bool = False

    def __post_init__(self) -> None:
        names = [column.name for column in self.columns]
        if len(set(names)) != len(names):
            raise ValueError(f"table {self.name} has two columns of one name: {names}")
        for row in self.rows:
            if len(row.values) != len(names):
                raise ValueError(f"table {self.name}: {row.values} does not fit {names}")


@dataclass(frozen=True)
class Chart:
    """A chart: a Vega-Lite specification with its data inside, and the table of the same data.

    ``summary`` says in a sentence what there is to see, for those who do not see it.
    """

    name: str
    title: str
    summary: str
    spec: Mapping[str, Any]
    table: Table


@dataclass(frozen=True)
class Prose:
    """A paragraph; ``tone`` tells a warning from a remark."""

    text: str
    tone: str = "plain"  # plain, good, warning, bad


@dataclass(frozen=True)
class Figure:
    """A key figure, what it was before, and the formula that makes it.

    ``before`` is ``None`` where nothing is known of the week before.
    """

    name: str
    title: str
    value: Value
    kind: Kind
    before: Value = None
    better: Better = Better.neither
    formula: str = ""
    unit: str = ""
    note: str = ""


@dataclass(frozen=True)
class Figures:
    """A strip of key figures."""

    name: str
    figures: tuple[Figure, ...]


Block = Prose | Table | Chart | Figures


@dataclass(frozen=True)
class Section:
    """A heading with what stands under it."""

    name: str
    title: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True)
class Document:
    """A whole report.

    ``facts`` are what a reader needs to follow it back, in the order to be shown: plan id,
    snapshot, as-of, age of the data. ``currency`` is ISO 4217 and that of every money value.
    """

    name: str
    title: str
    currency: str
    headline: str
    sections: tuple[Section, ...]
    facts: Mapping[str, str] = field(default_factory=dict)
    schema_version: str = "1.0"

    def blocks(self) -> Iterator[Block]:
        """All blocks in the order of reading."""
        for section in self.sections:
            yield from section.blocks

    def tables(self) -> Iterator[Table]:
        """All tables, those of the charts too, in the order of reading."""
        for block in self.blocks():
            if isinstance(block, Table):
                yield block
            elif isinstance(block, Chart):
                yield block.table
