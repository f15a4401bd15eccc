# SPDX-License-Identifier: Apache-2.0
"""Tables of a page: sorted and filtered by what the URL says, and as CSV at the same URL.

``NAME.sort=column`` or ``-column``, ``NAME.q=words``, ``NAME.all=1``, ``csv=NAME``, and
``per=hour|month|year`` for all rates of money an hour. All work without JavaScript.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from decimal import Decimal
from typing import Any, TypeGuard
from urllib.parse import urlencode

from fastapi import Response
from markupsafe import Markup, escape

from api.http.csvs import csv_response
from api.http.problems import ProblemError
from optimizer.reporting.document import Column, Kind, Row, Table, Value
from optimizer.reporting.render.values import NOTHING, RIGHT, shown

SHOWN_ROWS = 100
PERIODS = {"hour": 1, "month": 730, "year": 8760}  # hours; a month is 730 for display only

# What stands in a cell in the place of its text: a link's target, or markup.
Link = Callable[[Row], "str | Markup | None"]
Links = Mapping[str, Link]


@dataclass(frozen=True)
class Cell:
    """A cell as a template shows it."""

    text: str
    column: Column
    link: str = ""
    markup: Markup | None = None

    @property
    def right(self) -> bool:
        """Whether it is a number."""
        return self.column.kind in RIGHT

    @property
    def nothing(self) -> bool:
        """Whether nothing is known."""
        return self.text == NOTHING

    @property
    def state(self) -> bool:
        """Whether it is one of a few words."""
        return self.column.kind == Kind.state


@dataclass(frozen=True)
class Heading:
    """A heading: where a click on it leads, and how the table is sorted by it."""

    title: str
    column: Column
    url: str
    sorted: str  # ascending, descending, none; as aria-sort has it

    @property
    def right(self) -> bool:
        """Whether it stands above numbers."""
        return self.column.kind in RIGHT


@dataclass(frozen=True)
class TableView:
    """A table as a template shows it; see ``table`` in ``parts.html``."""

    table: Table
    headings: list[Heading]
    rows: list[tuple[Row, list[Cell]]]
    matching: int
    words: str
    csv: str
    all: str
    hidden: list[tuple[str, str]]  # the rest of the URL, for the filter's form
    path: str

    @property
    def name(self) -> str:
        """The table's name."""
        return self.table.name

    @property
    def header(self) -> int:
        """The column that names a row: the first that is no label."""
        kinds = [column.kind for column in self.table.columns]
        return next((n for n, kind in enumerate(kinds) if kind != Kind.state), 0)

    @property
    def left_out(self) -> int:
        """Rows that match and are not shown."""
        return self.matching - len(self.rows)


@dataclass
class Tables:
    """The tables of one page."""

    path: str
    query: dict[str, str]
    views: dict[str, tuple[Table, TableView]] = field(default_factory=dict)
    has_rates: bool = False

    @property
    def wanted(self) -> str | None:
        """The table that is asked for as CSV."""
        return self.query.get("csv")

    @property
    def per(self) -> str:
        """The period that rates of money an hour are shown for."""
        asked = self.query.get("per", "hour")
        return asked if asked in PERIODS else "hour"

    def url(self, **changes: str | None) -> str:
        """Return the page's URL with some parameters changed; ``None`` takes one away."""
        query = {**self.query, **changes}
        query.pop("csv" if "csv" not in changes else "", None)
        kept = {key: value for key, value in query.items() if _says(key, value)}
        return f"{self.path}?{urlencode(kept)}" if kept else self.path

    def add(self, table: Table, currency: str, links: Links) -> TableView:
        """Sort, filter and format a table; two tables of a page need two names."""
        if table.name in self.views:
            raise ValueError(f"two tables of a page are called {table.name}")
        words = self.query.get(f"{table.name}.q", "")[:200]
        texts = [(row, self._texts(table, row, currency)) for row in table.rows]
        wanted = words.casefold().split()
        matching = [
            (row, text)
            for row, text in texts
            if all(word in " ".join(text).casefold() for word in wanted)
        ]
        name, descending = self._sorting(table)
        if name is not None:
            place = [column.name for column in table.columns].index(name)
            matching.sort(key=lambda item: _key(item[0].values[place]), reverse=descending)
            matching.sort(key=lambda item: item[0].values[place] is None)  # unknown ones last
            matching.sort(key=lambda item: item[0].emphasis)  # totals below all
        everything = self.query.get(f"{table.name}.all") == "1"
        cut = matching if everything else matching[:SHOWN_ROWS]
        view = TableView(
            table=table,
            headings=[self._heading(table, column, name, descending) for column in table.columns],
            rows=[(row, self._cells(table, row, text, links)) for row, text in cut],
            matching=len(matching),
            words=words,
            csv=self.url(csv=table.name),
            all=self.url(**{f"{table.name}.all": "1"}),
            hidden=[
                (key, value)
                for key, value in self.query.items()
                if key not in {f"{table.name}.q", "csv"} and _says(key, value)
            ],
            path=self.path,
        )
        self.has_rates |= any(_hourly(column) for column in table.columns)
        self.views[table.name] = (
            replace(table, rows=tuple(row for row, _ in matching), rest=""), view
        )  # fmt: skip
        return view

    def csv(self, name: str) -> Response:
        """Return all rows of a table that match, exact, in the order that is shown.

        Raises
        ------
        ProblemError
            If the page has no such table.
        """
        if name not in self.views:
            raise ProblemError(
                "not-found",
                f"this page has no table '{name[:80]}'. To mend it: use the link above a table",
            )
        table, _ = self.views[name]
        columns = [column.name for column in table.columns]
        rows = (dict(zip(columns, map(_exact, row.values), strict=True)) for row in table.rows)
        return csv_response(columns, rows, f"{name}.csv")

    def _texts(self, table: Table, row: Row, currency: str) -> list[str]:
        return [
            shown(self._scaled(value, column), column.kind, currency)
            for value, column in zip(row.values, table.columns, strict=True)
        ]

    def _scaled(self, value: Value, column: Column) -> Value:
        if value is None or not _hourly(column) or isinstance(value, str):
            return value
        number = value if isinstance(value, Decimal) else Decimal(str(value))
        return number * PERIODS[self.per]

    def _cells(self, table: Table, row: Row, texts: list[str], links: Links) -> list[Cell]:
        cells = []
        for column, text in zip(table.columns, texts, strict=True):
            made = links[column.name](row) if column.name in links else None
            if isinstance(made, Markup):
                cells.append(Cell(text, column, markup=made))
            else:
                cells.append(Cell(text, column, link=made or ""))
        return cells

    def _sorting(self, table: Table) -> tuple[str | None, bool]:
        asked = self.query.get(f"{table.name}.sort", "")
        name = asked.removeprefix("-")
        known = any(column.name == name for column in table.columns)
        return (name, asked.startswith("-")) if known else (None, False)

    def _heading(self, table: Table, column: Column, name: str | None, descending: bool) -> Heading:
        by_this = column.name == name
        first = "-" if column.kind in RIGHT else ""  # of numbers the largest first
        other = "" if first else "-"
        now = "-" if descending else ""
        turned = other if by_this and now == first else first
        title = column.title
        if _hourly(column):
            title = f"{title} / {self.per}"
        return Heading(
            title,
            column,
            self.url(**{f"{table.name}.sort": f"{turned}{column.name}"}),
            ("descending" if descending else "ascending") if by_this else "none",
        )


def _says(key: str, value: str | None) -> TypeGuard[str]:
    """Whether a parameter says something: of tables an empty one does not, of a page it may."""
    return bool(value) or (value is not None and "." not in key)


def _hourly(column: Column) -> bool:
    """Whether a column is a rate of money an hour."""
    return column.kind == Kind.rate and column.unit == "hour"


def _key(value: Value) -> tuple[int, Any]:
    """Numbers by size, texts and days by their letters; of the same kind in one column."""
    if value is None:
        return (2, "")
    if isinstance(value, bool | int | float | Decimal):
        return (0, Decimal(str(value)) if not isinstance(value, Decimal) else value)
    return (1, str(value).casefold())


def _exact(value: Value) -> Any:
    if isinstance(value, Decimal):
        return f"{value:f}"
    return value.isoformat() if isinstance(value, date) else value


def badge(word: str) -> Markup:
    """Return a word as a label whose shape and colour say what it means."""
    return Markup('<span class="state state-{}">{}</span>').format(
        escape(word.replace(" ", "-").lower()), word
    )
