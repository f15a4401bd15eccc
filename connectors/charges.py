# SPDX-License-Identifier: Apache-2.0
"""Billing rows of any export, reduced to hourly cells in one pass over each file.

An export says in SQL how its rows read as charges (``COLUMNS``). They are added up by hour
and by everything that a table of the case is told apart by; what is kept grows with the
hours and meters, not with the rows. Sums are exact decimals, so that neither the order
of rows nor the number of threads shows in the result.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from types import TracebackType
from typing import Any

import duckdb

from connectors.usage_file import connect
from optimizer.errors import DataError

# What a tag may say about usage: the column of ``usage``, and its keys. Exports spell a
# key with a colon, an underscore, or behind "user".
ROLES = ("workload", "spot_tolerant", "lost_hours", "restart_cost", "unmet_penalty")

_DECIMAL = "DECIMAL(38, 12)"
# Of a charge: name, SQL type, and whether rows are told apart by it (else it is summed).
COLUMNS: tuple[tuple[str, str, bool], ...] = (
    ("start", "TIMESTAMP", True),
    ("span", "INTEGER", True),  # whole hours of the charge period, at least 1
    ("billed_month", "VARCHAR", True),
    ("currency", "VARCHAR", True),
    ("category", "VARCHAR", True),  # FOCUS ChargeCategory
    ("frequency", "VARCHAR", True),  # FOCUS ChargeFrequency
    ("pricing", "VARCHAR", True),  # FOCUS PricingCategory
    ("provider", "VARCHAR", True),
    ("region", "VARCHAR", True),
    ("zone", "VARCHAR", True),
    ("account", "VARCHAR", True),
    ("service", "VARCHAR", True),
    ("scoped", "BOOLEAN", True),  # whether it is work that this program plans
    ("machine", "VARCHAR", True),
    ("platform", "VARCHAR", True),  # empty: Linux
    ("sku", "VARCHAR", True),
    ("unit", "VARCHAR", True),
    ("contracted", _DECIMAL, True),  # unit price of this customer
    ("listed", _DECIMAL, True),
    ("held", "VARCHAR", True),  # CommitmentDiscountId
    ("held_type", "VARCHAR", True),
    ("held_category", "VARCHAR", True),
    ("held_status", "VARCHAR", True),
    ("held_unit", "VARCHAR", True),
    ("law", "VARCHAR", True),
    ("offer", "VARCHAR", True),
    ("reserved", "VARCHAR", True),  # CapacityReservationStatus
    ("quantity", _DECIMAL, False),
    ("billed", _DECIMAL, False),
    ("effective", _DECIMAL, False),
    ("held_quantity", _DECIMAL, False),
)

METER = (
    "CASE WHEN category <> 'Usage' AND (machine = '' OR NOT scoped) THEN provider || '/charges'"
    " WHEN machine <> '' THEN provider || '/' || region || '/' || machine"
    " || CASE WHEN platform = '' THEN '' ELSE '/' || platform END"
    " || CASE WHEN reserved = 'Unused' AND held = '' THEN '/unused-reservation' ELSE '' END"
    " WHEN sku LIKE provider || '/%' THEN sku"
    " ELSE provider || '/' || CASE WHEN region = '' THEN 'global' ELSE region END || '/' || sku END"
)


@dataclass(frozen=True)
class TagKeys:
    """Which tags are read: the columns they become, each with the spellings of its key."""

    kept: tuple[str, ...] = ()

    @property
    def columns(self) -> list[str]:
        """The columns that tags become: what usage says of itself, then ``tag_*``."""
        return [*ROLES, *(f"tag_{key}" for key in self.kept)]

    @property
    def spellings(self) -> list[list[str]]:
        """For each column, the keys under which exports may hold it."""
        roles = [
            [f"gpuopt:{r}", f"gpuopt_{r}", f"user:gpuopt:{r}", f"user_gpuopt_{r}"] for r in ROLES
        ]
        return [*roles, *([key, f"user:{key}", f"user_{key}"] for key in self.kept)]


@dataclass
class Charges:
    """The cells of all files that were added, in a DuckDB of its own; close it in the end.

    Parameters
    ----------
    since, until
        The half-open window in UTC; charges that start outside are not read.
    tags
        Which tags are kept.
    """

    since: datetime
    until: datetime
    tags: TagKeys = field(default_factory=TagKeys)
    connection: duckdb.DuckDBPyConnection = field(default_factory=lambda: connect("400MB"))

    def __post_init__(self) -> None:
        keyed = [f"{name} {kind}" for name, kind, key in COLUMNS if key]
        summed = [f"{name} {kind}" for name, kind, key in COLUMNS if not key]
        tags = [f'"{name}" VARCHAR' for name in self.tags.columns]
        columns = ", ".join([*keyed, *tags, *summed, "rows BIGINT"])
        self.connection.execute(f"CREATE TABLE cells ({columns})")

    def __enter__(self) -> Charges:
        """Use it in a ``with`` block, so that it is closed."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.connection.close()

    def add(self, charges: str, parameters: Sequence[Any], file: str) -> None:
        """Add the rows of a file.

        Parameters
        ----------
        charges
            SQL that yields ``COLUMNS`` and one column per tag, in their order.
        parameters
            Of that SQL.
        file
            Its name, for messages.

        Raises
        ------
        DataError
            If the file is cut off, is no such file, or holds a value that is no number
            or no time.
        """
        names = [name for name, _, key in COLUMNS if key]
        keys = ", ".join([*names, *(f'"{name}"' for name in self.tags.columns)])
        sums = ", ".join(f"sum({name})" for name, _, key in COLUMNS if not key)
        window = "start < ? AND start + to_hours(span) > ?"
        try:
            self.connection.execute(
                f"INSERT INTO cells SELECT {keys}, {sums}, count(*)"
                f" FROM ({charges}) WHERE {window} GROUP BY ALL",
                [*parameters, _naive(self.until), _naive(self.since)],
            )
        except duckdb.OutOfMemoryException:
            raise
        except duckdb.Error as error:
            raise DataError(
                f"the file cannot be read as billing rows: {str(error).splitlines()[0]}",
                mend="export or download it again; if a value is wrong, correct it",
                file=file,
            ) from error

    def rows(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Run a query over the cells and return its rows."""
        return self.connection.execute(sql, list(parameters)).fetchall()

    def finish(self) -> None:
        """Add up the cells of all files, and spread what is longer than a day over its days.

        Adds the columns ``hour``, ``grain``, ``meter`` and ``is_usage``.
        """
        names = [name for name, _, key in COLUMNS if key and name not in ("start", "span")]
        keys = ", ".join([*names, *(f'"{name}"' for name in self.tags.columns)])
        summed = [name for name, _, key in COLUMNS if not key]
        days = "CASE WHEN category = 'Usage' AND span > 25 THEN (span + 23) // 24 ELSE 1 END"
        # What is longer than a day is given to its days in equal parts.
        parts = ", ".join(f"CAST(sum({n} / days) AS {_DECIMAL}) AS {n}" for n in summed)
        self.connection.execute(
            f"CREATE TABLE charges AS SELECT hour, grain, {keys}, {METER} AS meter,"
            " (category = 'Usage' AND held_status <> 'Unused') AS is_usage,"
            f" {parts}, sum(rows) AS rows FROM ("
            "  SELECT *, CASE WHEN span > 1 AND category = 'Usage' THEN 'day' ELSE 'hour' END"
            "   AS grain,"
            "   CASE WHEN span > 1 AND category = 'Usage' THEN date_trunc('day', start)"
            "   ELSE date_trunc('hour', start) END + to_days(CAST(day AS INTEGER)) AS hour"
            f"  FROM (SELECT *, {days} AS days, unnest(range({days})) AS day FROM cells)"
            " ) WHERE hour >= ? AND hour < ? GROUP BY ALL",
            [_naive(self.since), _naive(self.until)],
        )
        self.connection.execute("DROP TABLE cells")


def _naive(moment: datetime) -> datetime:
    return moment.replace(tzinfo=None)
