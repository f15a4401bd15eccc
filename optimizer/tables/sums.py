# SPDX-License-Identifier: Apache-2.0
"""Sums of usage by line and hour: exact in decimals of twelve places, each rounded once.

Quantities of few decimals are added up as whole numbers with NumPy; where any of them is too
long or too large for that, DuckDB adds all of them up as decimals, which takes longer. Both
give the same to the last bit.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from optimizer.tables.reader import Store

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

DAY = 24
SUMMED = ("quantity", "spot", "spot_taken", "tolerant")

# A double below 1000 times 10^12 still rounds to the decimal that was written; of larger
# ones the shortest text is taken, which is slower.
_QUANTITY = (
    "CASE WHEN quantity < 1000 THEN CAST(quantity AS DECIMAL(24, 12))"
    " ELSE CAST(CAST(quantity AS VARCHAR) AS DECIMAL(24, 12)) END"
)
_SHARE = "CAST(coalesce({}, 0) AS DECIMAL(14, 12))"
# A decimal of 12 places below 9000 is a whole number below 2^53 over 10^12, of which
# DuckDB finds the nearest double; of larger ones its cast may be off by one bit.
_DOUBLE = (
    "CASE WHEN {0} < 9000 THEN CAST({0} AS DOUBLE) ELSE CAST(CAST({0} AS VARCHAR) AS DOUBLE) END"
)
_UNIT, _COARSE = 10**12, 10**6  # parts of one that are counted
_SMALL = 1000.0
_MOST = 9e6  # times 10^12 it is still a whole number of 64 bits
_MOST_COARSE = 1e15  # up to 15 digits there is one decimal for each double
_EXACT = 1 << 53
_CHUNK = 1024  # vectors of 2048 rows

# The SQL of ``_series, line, of_day``, and its parameters.
Lines = tuple[str, list[Any]]


@dataclass(frozen=True)
class Sums:
    """Sums in N cells, ``line × hours + hour``, each there once; shape (N,) each."""

    cell: Integers
    values: Mapping[str, Floats]


def sums_of(store: Store, lines: Lines, first: int, shape: tuple[int, int]) -> dict[bool, Sums]:
    """Return the sums of hourly rows (``False``) and of daily rows (``True``)."""
    found = whole_sums(store, lines, first, shape)
    return decimal_sums(store, lines, first, shape) if found is None else found


def decimal_sums(
    store: Store, lines: Lines, first: int, shape: tuple[int, int]
) -> dict[bool, Sums]:
    """Add up in DuckDB's decimals."""
    given = store.tables["usage"].given
    spot = _part("spot_share") if "spot_share" in given else "0"
    taken = f"CASE WHEN interrupted THEN {spot} ELSE 0 END" if "interrupted" in given else "0"
    tolerant = _part("spot_tolerant") if "spot_tolerant" in given else "0"
    sums = ", ".join(f"{_DOUBLE.format(f'sum({name})')} AS {name}" for name in SUMMED)
    found = store.run(
        f"SELECT CAST(line AS BIGINT) * {shape[1]} + hour - {first} AS cell, of_day, {sums}"
        f" FROM (SELECT line, hour, of_day, {_QUANTITY} AS quantity,"
        f" CAST({spot} AS DECIMAL(38, 12)) AS spot, CAST({taken} AS DECIMAL(38, 12)) AS spot_taken,"
        f" CAST({tolerant} AS DECIMAL(38, 12)) AS tolerant"
        f" FROM {store.usage.rows} JOIN ({lines[0]}) USING (_series)) GROUP BY line, hour, of_day",
        lines[1],
    ).fetchnumpy()
    of_day = np.asarray(found["of_day"], dtype=np.bool_)
    cell = np.asarray(found["cell"], dtype=np.int64)
    return {
        is_day: Sums(
            cell[of_day == is_day],
            {name: np.asarray(found[name], np.float64)[of_day == is_day] for name in SUMMED},
        )
        for is_day in (False, True)
    }


def _part(share: str) -> str:
    """Return the SQL of the part of the quantity that a share states; absent is none."""
    return f"CAST({_QUANTITY} * {_SHARE.format(share)} AS DECIMAL(38, 12))"


def whole_sums(
    store: Store, lines: Lines, first: int, shape: tuple[int, int]
) -> dict[bool, Sums] | None:
    """Add up whole numbers of 10⁻¹²; ``None`` where a quantity or a sum does not allow it."""
    series = store.run(*lines).fetchnumpy()
    if not len(series["_series"]):
        return {}
    count = store.rows(f"SELECT count(*) FROM {store.usage.series}")[0][0]
    line = np.full(count, -1, dtype=np.int64)
    line[series["_series"]] = series["line"]
    of_day = np.zeros(count, dtype=np.bool_)
    of_day[series["_series"]] = series["of_day"]
    size = shape[0] * shape[1]
    grains = {is_day: _Grain(size) for is_day in np.unique(of_day[line >= 0]).tolist()}
    for rows in _chunks(store, first):
        at = rows["_series"]
        for is_day, grain in grains.items():
            mine = (line[at] >= 0) & (of_day[at] == is_day)
            mine = slice(None) if mine.all() else mine
            cell = line[at[mine]] * shape[1] + rows["hour"][mine]
            if not grain.add(cell, {name: values[mine] for name, values in rows.items()}):
                return None
    return {is_day: grain.sums() for is_day, grain in grains.items()}


class _Grain:
    """Whole sums of the rows of one grain, in all cells."""

    def __init__(self, size: int) -> None:
        self._rough = np.zeros(size)
        self._present = np.zeros(size, dtype=np.bool_)
        self._whole: dict[str, Integers] = {}

    def add(self, cell: Integers, rows: Mapping[str, NDArray[Any]]) -> bool:
        """Add rows; ``False`` where one cannot be added exactly."""
        quantity = rows["quantity"]
        parts = {"quantity": _whole(quantity)}
        for name in SUMMED[1:]:
            if name in rows:
                parts[name] = _whole_part(quantity, parts["quantity"], rows[name])
        self._present[cell] = True
        np.add.at(self._rough, cell, quantity)
        exact = {name: part for name, part in parts.items() if part is not None}
        if len(exact) < len(parts) or self._rough.max() >= _MOST:
            return False
        for name, part in exact.items():
            if name not in self._whole:
                self._whole[name] = np.zeros(len(self._rough), dtype=np.int64)
            np.add.at(self._whole[name], cell, part)
        return True

    def sums(self) -> Sums:
        """The sums of the cells with any row, as the nearest doubles."""
        cell = np.flatnonzero(self._present)
        values = {name: _double(whole[cell]) for name, whole in self._whole.items()}
        return Sums(cell, values)


def _chunks(store: Store, first: int) -> Iterator[dict[str, NDArray[Any]]]:
    """The rows of usage, some millions at a time; shares only where the file states them."""
    given = store.tables["usage"].given
    chosen = [f"_series, CAST(hour - {first} AS INTEGER) AS hour, quantity"]
    if "spot_share" in given:
        chosen.append("coalesce(spot_share, 0) AS spot")
        if "interrupted" in given:
            chosen.append(
                "CASE WHEN interrupted THEN coalesce(spot_share, 0) ELSE 0 END AS spot_taken"
            )
    if "spot_tolerant" in given:
        chosen.append("coalesce(spot_tolerant, 0) AS tolerant")
    cursor = store.run(f"SELECT {', '.join(chosen)} FROM {store.usage.rows}")
    while len(frame := cursor.fetch_df_chunk(_CHUNK)):
        yield {str(name): frame[name].to_numpy() for name in frame.columns}


def _whole(quantity: Floats) -> Integers | None:
    """Quantities in 10⁻¹², as DuckDB rounds them; ``None`` if one is too long or too large."""
    scaled = quantity * _UNIT
    whole = np.floor(scaled)
    whole += scaled - whole >= 0.5
    large = quantity >= _SMALL
    if large.any():
        coarse = _coarse(quantity[large])
        if coarse is None:
            return None
        whole[large] = 0
        result = whole.astype(np.int64)
        result[large] = coarse * _COARSE
        return result
    return whole.astype(np.int64)


def _whole_part(quantity: Floats, whole: Integers | None, share: Floats) -> Integers | None:
    """The parts that shares state, in 10⁻¹²; ``None`` if one is no whole number of them."""
    if whole is None or not ((share == 0) | (share == 1)).all():
        coarse, part = _coarse(quantity), _coarse(share)
        return None if coarse is None or part is None else coarse * part
    return whole * share.astype(np.int64)


def _coarse(values: Floats) -> Integers | None:
    """Values in 10⁻⁶, where each has no more than six decimals and 15 digits; else ``None``."""
    coarse = np.rint(values * _COARSE)
    fits = (values < _MOST) & (coarse < _MOST_COARSE) & (coarse / _COARSE == values)
    return coarse.astype(np.int64) if fits.all() else None


def _double(whole: Integers) -> Floats:
    """The doubles nearest to whole numbers of 10⁻¹²."""
    values: Floats = whole / _UNIT
    large = np.flatnonzero(whole >= _EXACT)
    # Python divides whole numbers of any length with a single rounding.
    values[large] = [number / _UNIT for number in whole[large].tolist()]
    return values
