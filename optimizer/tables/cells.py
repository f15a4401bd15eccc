# SPDX-License-Identifier: Apache-2.0
"""Usage as it was written: who used what in which hour, with all tags.

`UsageLines` adds up what one price and one law are for; cells keep apart whatever the rows
keep apart (workload, deployment, job, tags), so that the cost of a line can be followed to
those who caused it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from optimizer.tables.lines import IS_USAGE, LINE_TEXTS, line_keys, usage_hours
from optimizer.tables.reader import Store

Floats = NDArray[np.float64]
Integers = NDArray[np.int32]
Flags = NDArray[np.bool_]

TAG = "tag_"
OF_LINES = ("meter", "account", "zone")
COLUMNS = (*OF_LINES, "workload", "deployment", "job")
_DAY = 24


@dataclass(frozen=True)
class Labels:
    """One column of the series as codes into its distinct values; ``""`` is absent.

    Parameters
    ----------
    values
        Distinct values, sorted.
    code
        Shape (S,), index into ``values``.
    """

    values: tuple[str, ...]
    code: Integers

    def text(self, series: int) -> str:
        """The value of one series."""
        return self.values[int(self.code[series])]


@dataclass(frozen=True)
class UsageCells:
    """Rows of usage; S series (distinct combinations of labels), R rows ordered by hour.

    Parameters
    ----------
    labels
        By column: ``meter account zone workload deployment job`` and every ``tag_*``.
    line
        Shape (S,), the line of :class:`UsageLines` that the series is part of.
    first_hour, hours
        The hours of the lines' arrays.
    series, hour
        Shape (R,), the series of a row, and its first hour counted from ``first_hour``.
    quantity, spot, spot_taken
        Shape (R,), in the meter's unit within the row's hours: all; the part on spot; the
        part of that which the provider took in its first hour.
    of_day
        Shape (R,), whether the row is a whole day's, spread evenly over 24 hours.
    """

    labels: Mapping[str, Labels]
    line: Integers
    first_hour: int
    hours: int
    series: Integers
    hour: Integers
    quantity: Floats
    spot: Floats
    spot_taken: Floats
    of_day: Flags

    @property
    def count(self) -> int:
        """How many series there are."""
        return len(self.line)


def usage_cells(store: Store, as_of: int) -> UsageCells:
    """Read the cells of a store; without any usage all is empty, from ``as_of``.

    The order of the rows of the file changes nothing.
    """
    hours = usage_hours(store)
    if hours is None:
        return _empty(as_of)
    first, last = hours
    loaded = store.tables["usage"]
    columns = {name: f'"{name}"' for name in COLUMNS if name in loaded.given}
    columns |= {name: inner for name, inner in loaded.extras if name.startswith(TAG)}
    keys = {f"t{i}": text for i, text in enumerate(LINE_TEXTS)}
    keys |= {f"k{i}": f"coalesce({inner}, '')" for i, inner in enumerate(columns.values())}
    twice = {f"k{i}" for i, name in enumerate(columns) if name in OF_LINES}
    chosen = ", ".join(f"{sql} AS {name}" for name, sql in keys.items())
    cursor = store.run(
        "CREATE OR REPLACE TEMP TABLE series AS"
        f" SELECT CAST(row_number() OVER (ORDER BY {', '.join(keys)}) - 1 AS INTEGER) AS s, *"
        f" FROM (SELECT DISTINCT {chosen} FROM usage WHERE {IS_USAGE})"
    )
    try:
        found = cursor.execute("SELECT * FROM series ORDER BY s").fetchnumpy()
        spot = "coalesce(spot_share, 0)" if "spot_share" in loaded.given else "0"
        taken = "interrupted" if "interrupted" in loaded.given else "false"
        # What is the same in all rows needs no comparing, and is most of it.
        differing = [
            name
            for name in keys
            if name not in twice and len(np.unique(np.asarray(found[name], object))) > 1
        ]
        same = " AND ".join(f"{keys[name]} = series.{name}" for name in differing) or "true"
        # Only charges make several rows of one series and hour.
        charged = ", quantity, spot, taken" if "charge_id" in loaded.given else ""
        rows = cursor.execute(
            "SELECT s, CAST(hour - ? AS INTEGER) AS hour, quantity,"
            f" CAST(quantity * {spot} AS DOUBLE) AS spot,"
            f" CAST(CASE WHEN {taken} THEN quantity * {spot} ELSE 0 END AS DOUBLE) AS taken,"
            " coalesce(grain = 'day', false) AS of_day"
            f" FROM usage JOIN series ON {same} WHERE {IS_USAGE}"
            f" ORDER BY hour, s{charged}",
            [first],
        ).fetchnumpy()
    finally:
        cursor.execute("DROP TABLE IF EXISTS series")
    return UsageCells(
        labels={name: _labels(found, f"k{i}") for i, name in enumerate(columns)},
        line=_lines(store, found),
        first_hour=first,
        hours=last - first + 1,
        series=_plain(rows["s"], np.int32),
        hour=_plain(rows["hour"], np.int32),
        quantity=_plain(rows["quantity"], np.float64),
        spot=_plain(rows["spot"], np.float64),
        spot_taken=_plain(rows["taken"], np.float64),
        of_day=_plain(rows["of_day"], np.bool_),
    )


def _labels(found: Mapping[str, Any], name: str) -> Labels:
    values, code = np.unique(np.asarray(found[name], dtype=object), return_inverse=True)
    return Labels(tuple(str(value) for value in values), code.astype(np.int32).reshape(-1))


def _lines(store: Store, found: Mapping[str, Any]) -> Integers:
    """The line of each series: several texts may mean one line (0.10 and 0.1)."""
    place = {
        texts: index for index, group in enumerate(line_keys(store).values()) for texts in group
    }
    columns = [np.asarray(found[f"t{i}"]).tolist() for i in range(len(LINE_TEXTS))]
    return np.array([place[texts] for texts in zip(*columns, strict=True)], dtype=np.int32)


def _plain(values: Any, kind: Any) -> NDArray[Any]:
    """A column without DuckDB's mask (nothing is absent here); read-only."""
    array = np.ascontiguousarray(np.ma.getdata(values), dtype=kind)
    array.flags.writeable = False
    return array


def _empty(as_of: int) -> UsageCells:
    none = np.zeros(0)
    return UsageCells(
        labels={},
        line=none.astype(np.int32),
        first_hour=as_of,
        hours=0,
        series=none.astype(np.int32),
        hour=none.astype(np.int32),
        quantity=none,
        spot=none,
        spot_taken=none,
        of_day=none.astype(np.bool_),
    )
