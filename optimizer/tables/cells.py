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
COLUMNS = ("meter", "account", "zone", "workload", "deployment", "job")


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
    loaded, held = store.tables["usage"], store.usage
    columns = {name: f'"{name}"' for name in COLUMNS if name in loaded.given}
    columns |= {name: inner for name, inner in loaded.extras if name.startswith(TAG)}
    keys = {f"t{i}": text for i, text in enumerate(LINE_TEXTS)}
    keys |= {f"k{i}": f"coalesce({inner}, '')" for i, inner in enumerate(columns.values())}
    chosen = ", ".join(f"{sql} AS {name}" for name, sql in keys.items())
    # Series that differ in what is no label here (the grain, the kind of charge) are one.
    ranked = f"dense_rank() OVER (ORDER BY {', '.join(keys)}) - 1 AS s"
    found = store.run(
        f"SELECT {ranked}, * FROM (SELECT _series, coalesce(grain = 'day', false) AS of_day,"
        f" {chosen} FROM {held.labelled} WHERE {IS_USAGE})"
    ).fetchnumpy()
    code = np.full(store.rows(f"SELECT count(*) FROM {held.series}")[0][0], -1, dtype=np.int32)
    code[found["_series"]] = found["s"]
    daily = np.zeros(len(code), dtype=np.bool_)
    daily[found["_series"]] = found["of_day"]
    _, first_of = np.unique(found["s"], return_index=True)
    texts = {name: np.asarray(found[name])[first_of] for name in keys}
    rows = _rows(store, first, code, daily, "charge_id" in loaded.given)
    return UsageCells(
        labels={name: _labels(texts, f"k{i}") for i, name in enumerate(columns)},
        line=_lines(store, texts),
        first_hour=first,
        hours=last - first + 1,
        series=_plain(rows["series"], np.int32),
        hour=_plain(rows["hour"], np.int32),
        quantity=_plain(rows["quantity"], np.float64),
        spot=_plain(rows["spot"], np.float64),
        spot_taken=_plain(rows["taken"], np.float64),
        of_day=_plain(rows["of_day"], np.bool_),
    )


def _rows(
    store: Store, first: int, code: Integers, daily: Flags, charged: bool
) -> dict[str, NDArray[Any]]:
    """The rows of usage by hour and series; of charges that share both, by their amounts."""
    given = store.tables["usage"].given
    chosen = f"_series, CAST(hour - {first} AS INTEGER) AS hour, quantity"
    if "spot_share" in given:
        taken = "interrupted" if "interrupted" in given else "false"
        chosen += (
            ", CAST(quantity * coalesce(spot_share, 0) AS DOUBLE) AS spot, CAST(CASE WHEN"
            f" {taken} THEN quantity * coalesce(spot_share, 0) ELSE 0 END AS DOUBLE) AS taken"
        )
    found = store.run(f"SELECT {chosen} FROM {store.usage.rows}").fetchnumpy()
    rows = {name: np.ma.getdata(values) for name, values in found.items()}
    held = rows.pop("_series")
    rows["series"], rows["of_day"] = code[held], daily[held]
    if (code < 0).any():
        mine = rows["series"] >= 0
        rows = {name: values[mine] for name, values in rows.items()}
    if charged:
        amounts = [rows[name] for name in ("taken", "spot", "quantity") if name in rows]
        order = np.lexsort((*amounts, rows["series"], rows["hour"]))
    else:
        order = _order(rows["hour"].astype(np.int64) * len(code) + rows["series"])
    rows = {name: values[order] for name, values in rows.items()}
    none = np.zeros(len(order))
    return {"spot": none, "taken": none, **rows}


def _order(key: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the order of keys that are no less than 0, and each there once."""
    bits = len(key).bit_length()
    if not len(key) or int(key.max()).bit_length() + bits > 62:
        return np.argsort(key)
    # Numbers are sorted several times as fast as places.
    packed = (key << bits) | np.arange(len(key))
    packed.sort()
    return packed & ((1 << bits) - 1)


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
