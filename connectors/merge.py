# SPDX-License-Identifier: Apache-2.0
"""Puts the tables of several sources together; a row that two of them state is refused.

Usage goes through DuckDB, because it may have millions of rows; the other tables are
small. Rows are ordered by their keys, so that the same rows give the same bytes.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import duckdb
import pandas as pd

from optimizer.errors import DataError
from optimizer.tables import schema
from optimizer.tables.checks import KEYS, USAGE_KEY

Parts = Mapping[str, pd.DataFrame]
_TYPES = {"hour": "TIMESTAMP", "number": "DOUBLE", "share": "DOUBLE", "boolean": "BOOLEAN"}


def merge_tables(sources: Mapping[str, Parts]) -> dict[str, pd.DataFrame]:
    """Return all tables but ``usage``, with the union of the columns.

    Parameters
    ----------
    sources
        The tables by source, then by name.

    Raises
    ------
    DataError
        If a table is unknown, or two rows have the same key; it names both sources.
    """
    for source, tables in sources.items():
        for name in tables:
            if name not in schema.TABLES:
                raise DataError(
                    f"the source {source} gave a table '{name}', which no case has",
                    mend=f"the tables are {', '.join(schema.TABLES)}",
                    file=name,
                )
    merged = {}
    for name in schema.TABLES:
        parts = {s: t[name] for s, t in sources.items() if name in t and len(t[name])}
        if name != "usage" and parts:
            merged[name] = _merge(name, parts)
    return merged


def _merge(name: str, parts: Parts) -> pd.DataFrame:
    columns = ordered_columns(name, list(parts.values()))
    key = [column for column in KEYS.get(name, ()) if column in columns]
    seen: dict[tuple[str, ...], str] = {}
    rows = []
    for source, frame in parts.items():
        for row in frame.to_dict("records"):
            plain = {c: None if absent(row.get(c)) else row[c] for c in columns}
            label = tuple(str(plain[c] if plain[c] is not None else "") for c in key)
            if key and label in seen:
                raise _twice(name, dict(zip(key, label, strict=True)), [seen[label], source])
            seen[label] = source
            rows.append((label, plain))
    rows.sort(key=lambda pair: (pair[0], tuple(map(str, pair[1].values()))))
    return pd.DataFrame([plain for _, plain in rows], columns=columns, dtype=object)


def ordered_columns(name: str, frames: Sequence[pd.DataFrame]) -> list[str]:
    """Return the columns of some frames of a table: declared ones first, then the others."""
    declared = [column.name for column in schema.table(name).columns]
    given = {str(column) for frame in frames for column in frame.columns}
    return [c for c in declared if c in given] + sorted(given - set(declared))


def absent(value: Any) -> bool:
    """Whether a cell holds nothing."""
    if value is None or value is pd.NaT or value is pd.NA or value == "":
        return True
    return isinstance(value, float) and math.isnan(value)


def load_usage(connection: duckdb.DuckDBPyConnection, sources: Parts) -> list[str]:
    """Create the table ``usage`` with the rows of all sources; return its columns.

    A last column ``_source`` says which source gave the row.

    Raises
    ------
    DataError
        If two rows have the same hour, meter, place, purpose, charge and tags.
    """
    # Without this, a column of objects is typed by a sample of it.
    connection.execute("SET GLOBAL pandas_analyze_sample = 0")
    parts = {source: frame for source, frame in sources.items() if len(frame.columns)}
    columns = ordered_columns("usage", list(parts.values()))
    chosen = ", ".join(f"{_quoted(c)} {_type(c)}" for c in columns)
    connection.execute(f"CREATE OR REPLACE TABLE usage ({chosen}, _source VARCHAR)")
    for source, frame in parts.items():
        connection.register("part", frame)
        cells = ", ".join(_cell(c, frame) for c in columns)
        connection.execute(f"INSERT INTO usage SELECT {cells}, ? FROM part", [source])
        connection.unregister("part")
    _refuse_twice(connection, columns)
    return columns


def usage_order(columns: Sequence[str]) -> str:
    """Return the SQL of the one order of the rows of usage: by meter, place and hour first."""
    first = [c for c in ("meter", "account", "zone", "workload", "hour") if c in columns]
    rest = [c for c in columns if c not in first]
    return ", ".join(f"{_quoted(c)} NULLS FIRST" for c in first + rest)


def _refuse_twice(connection: duckdb.DuckDBPyConnection, columns: Sequence[str]) -> None:
    key = [c for c in columns if c in USAGE_KEY or c.startswith("tag_")]
    if not key:
        return
    names = ", ".join(_quoted(c) for c in key)
    found = connection.execute(
        f"SELECT {', '.join(f'CAST({_quoted(c)} AS VARCHAR)' for c in key)},"
        " string_agg(_source, ' and ' ORDER BY _source)"
        f" FROM usage GROUP BY {names} HAVING count(*) > 1 ORDER BY ALL LIMIT 1"
    ).fetchone()
    if found:
        values = {c: v for c, v in zip(key, found[:-1], strict=True) if v is not None}
        raise _twice("usage", values, found[-1].split(" and "))


def _twice(name: str, key: Mapping[str, str], sources: Sequence[str]) -> DataError:
    said = ", ".join(f"{column} {value}" for column, value in key.items() if value)
    return DataError(
        f"{' and '.join(sources)} both state {said}"
        if sources[0] != sources[1]
        else f"{sources[0]} states {said} twice",
        mend="pull each account from one source only, for instance either from the cloud or "
        "from its FOCUS export",
        file=name,
    )


def _type(column: str) -> str:
    kinds = {c.name: c.kind for c in schema.table("usage").columns}
    return _TYPES.get(kinds.get(column, "text"), "VARCHAR")


def _cell(column: str, frame: pd.DataFrame) -> str:
    type_ = _type(column)
    if column not in frame.columns:
        return f"CAST(NULL AS {type_})"
    quoted = _quoted(column)
    if frame[column].dtype == object or isinstance(frame[column].dtype, pd.StringDtype):
        return f"CAST(NULLIF(CAST({quoted} AS VARCHAR), '') AS {type_})"
    return f"CAST({quoted} AS {type_})"


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
