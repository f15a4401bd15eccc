# SPDX-License-Identifier: Apache-2.0
"""The columns of every table, as the attribute CSVs state them.

``attributes/NAME.csv`` is the only place that knows a column: the checks of the
reader, the documentation and the tests are derived from it.

    id  text  list  enum:a|b|c     text; a list has ``;`` between its values
    decimal                        exact, a price or an amount of money
    number  share  integer         a share lies in 0 to 1
    hour                           ``2026-11-21T05:00:00Z``
    boolean                        ``true`` or ``false``

``>=0``, ``>0`` or ``>=1`` after a type is a bound on its values.
"""

from __future__ import annotations

import csv
import functools
import re
from dataclasses import dataclass
from importlib import resources

CORE = ("meters", "usage", "offers", "covers", "commitments", "workloads", "deployments")
OPTIONAL = (
    "substitutes",
    "jobs",
    "limits",
    "agreements",
    "routes_today",
    "quality",
    "lengths",
    "initiatives",
    "price_scenarios",
    "budgets",
    "provider_advice",
)
TABLES = CORE + OPTIONAL

KINDS = ("id", "text", "list", "enum", "decimal", "number", "share", "integer", "hour", "boolean")
NUMERIC = ("decimal", "number", "share", "integer")

_TYPE = re.compile(r"([a-z]+)(?::([a-z_|]+)|(>=?)([0-9]+))?")


@dataclass(frozen=True)
class Column:
    """One column of a table.

    Parameters
    ----------
    name
        The column's name in the file.
    kind
        One of ``KINDS``.
    choices
        The allowed values of an ``enum``, else empty.
    bound, limit
        ``">="`` or ``">"`` and the number it refers to; ``""`` without a bound.
    unit, default, description
        For people. A default is what an absent value means; it is never filled in here.
    required
        Whether the column must be there and hold a value in every row.
    """

    name: str
    kind: str
    choices: tuple[str, ...]
    bound: str
    limit: int
    unit: str
    default: str
    description: str
    required: bool


@dataclass(frozen=True)
class Table:
    """A table: its name and its columns, in the order of the attribute CSV."""

    name: str
    columns: tuple[Column, ...]

    def column(self, name: str) -> Column:
        """Return the column of this name; ``KeyError`` if there is none."""
        for column in self.columns:
            if column.name == name:
                return column
        raise KeyError(f"{self.name}.{name}")


@functools.cache
def table(name: str) -> Table:
    """Return the declaration of one table; ``KeyError`` if there is no such table."""
    if name not in TABLES:
        raise KeyError(name)
    text = resources.files(__package__).joinpath("attributes", f"{name}.csv").read_text("utf-8")
    return Table(name, tuple(_column(row) for row in csv.DictReader(text.splitlines())))


def _column(row: dict[str, str]) -> Column:
    match = _TYPE.fullmatch(row["type"])
    if match is None or match[1] not in KINDS or row["status"] not in ("required", "optional"):
        raise ValueError(f"attribute {row['attribute']}: {row['type']}, {row['status']}")
    return Column(
        name=row["attribute"],
        kind=match[1],
        choices=tuple(match[2].split("|")) if match[2] else (),
        bound=match[3] or "",
        limit=int(match[4] or 0),
        unit=row["unit"],
        default=row["default"],
        description=row["description"],
        required=row["status"] == "required",
    )
