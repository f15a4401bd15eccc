# SPDX-License-Identifier: Apache-2.0
"""A case with some rows, usage or settings changed: a case of its own, no file touched."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pandas as pd

from optimizer.tables import checks
from optimizer.tables.case import Case, frame_of
from optimizer.tables.columns import quoted, sql_type
from optimizer.tables.held import Kept, Source
from optimizer.tables.money import decimal_string
from optimizer.tables.reader import Loaded, Store
from optimizer.tables.schema import table
from optimizer.tables.settings import Settings
from optimizer.tables.writer import write_table


@dataclass(frozen=True)
class UsageScale:
    """Usage rows whose columns have one of some values (``""``: absent), times a factor."""

    only: Mapping[str, Sequence[str]]
    factor: Decimal


@dataclass(frozen=True)
class UsageRows:
    """A constant quantity of a meter in each of the hours ``[start, end)``; other columns' text."""

    start: int
    end: int
    quantity: Decimal
    texts: Mapping[str, str]


UsageChange = UsageScale | UsageRows


def usage_values(case: Case, column: str) -> list[str] | None:
    """Return what a column of ``usage`` holds, ``""`` for absent; ``None``: no such column."""
    inner = _inner(case, column)
    if inner is None:
        return None
    found = case.store.rows(f"SELECT DISTINCT coalesce(CAST({inner} AS VARCHAR), '') FROM usage")
    return sorted(row[0] for row in found)


def usage_columns(case: Case) -> list[str]:
    """Return the columns that the usage file has, its own extra ones too."""
    if not case.has("usage"):
        return []
    loaded = case.store.tables["usage"]
    return [*sorted(loaded.given), *(name for name, _ in loaded.extras)]


def edited_case(
    case: Case,
    *,
    name: str,
    settings: Settings | None = None,
    frames: Mapping[str, pd.DataFrame] | None = None,
    usage: Sequence[UsageChange] = (),
) -> Case:
    """Return a case in which some tables are others.

    Parameters
    ----------
    name
        What was changed, in words of which the same change has the same: the snapshot of the
        case is the hash of it and of what was edited.
    frames
        Whole tables in place of those of the case, with values as those of ``Case.table``.
    usage
        Changes of usage, one after the other.

    Raises
    ------
    DataError
        If a value is refused, or the tables contradict each other, as in a case that is read.
    """
    settings = settings or case.settings
    frames = frames or {}
    store = case.store.derived() if frames or usage else case.store
    files = {each: case.file(each) for each in case.tables}
    with tempfile.TemporaryDirectory(prefix="gpuopt-") as folder:
        for table_name, frame in frames.items():
            store.load(table_name, write_table(table_name, frame, Path(folder)))
            files.setdefault(table_name, f"{table_name}.csv")
    for change in usage:
        _change_usage(case, store, change)
    checks.check_all(store, settings)
    made = {table_name: frame_of(store, store.tables[table_name]) for table_name in frames}
    digest = hashlib.sha256(f"{case.snapshot}\n{name}".encode()).hexdigest()
    return replace(
        case,
        settings=settings,
        snapshot=f"sha256:{digest}",
        _frames={**{t: case.table(t) for t in case.tables if t != "usage"}, **made},
        _files=files,
        _store=store,
        _lines=[] if usage else case.lines_cache,
    )


def _change_usage(case: Case, store: Store, change: UsageChange) -> None:
    if isinstance(change, UsageRows):
        _add_usage(store, change)
        return
    tests, values = [], []
    for column, allowed in sorted(change.only.items()):
        inner = _inner(case, column)
        holes = ", ".join("?" for _ in allowed)
        tests.append(f"coalesce(CAST({inner} AS VARCHAR), '') IN ({holes})")
        values += list(allowed)
    test = " AND ".join(tests) or "true"
    factor = f"CAST('{decimal_string(change.factor)}' AS DOUBLE)"
    changed = (
        f"(SELECT * REPLACE (CASE WHEN {test} THEN quantity * {factor} ELSE quantity END"
        " AS quantity) FROM usage)"
    )
    _keep(store, store.tables["usage"], changed, values)


def _add_usage(store: Store, rows: UsageRows) -> None:
    none = Loaded(table("usage"), "usage.csv", frozenset({"meter"}), ())
    loaded = store.tables.get("usage", none)
    loaded = replace(loaded, given=loaded.given | {"hour", "quantity"} | set(rows.texts))
    declared = {column.name: sql_type(column) for column in loaded.table.columns}
    last, those = "0", ""
    if "usage" in store.tables:
        last, those = "(SELECT coalesce(max(_row), 0) FROM usage)", "SELECT * FROM usage UNION ALL"
    else:
        absent = ", ".join(f"CAST(NULL AS {kind}) AS {quoted(c)}" for c, kind in declared.items())
        those = f"SELECT CAST(0 AS BIGINT) AS _row, {absent} WHERE false UNION ALL"
    holes = "".join(f', CAST(? AS {declared[name]}) AS "{name}"' for name in rows.texts)
    added = (
        f"({those} BY NAME SELECT {last} + row_number() OVER () AS _row,"
        f" unnest(range(?, ?)) AS hour, CAST(? AS DOUBLE) AS quantity{holes})"
    )
    values = [rows.start, rows.end, decimal_string(rows.quantity), *rows.texts.values()]
    _keep(store, loaded, added, values)


def _keep(store: Store, loaded: Loaded, relation: str, values: Sequence[Any]) -> None:
    """Hold usage in the place of that of the store, as it is held of a file."""
    columns = [
        Kept(column.name, quoted(column.name), quoted(column.name))
        for column in loaded.table.columns
        if column.name in loaded.given
    ]
    columns += [Kept(inner, inner, inner, extra) for extra, inner in loaded.extras]
    store.keep_usage(loaded, columns, Source(relation, "_row", parameters=tuple(values)))


def _inner(case: Case, column: str) -> str | None:
    """The SQL name of a column of ``usage``; ``None`` if the file does not have it."""
    if not case.has("usage"):
        return None
    loaded = case.store.tables["usage"]
    if column in loaded.given:
        return f'"{column}"'
    return dict(loaded.extras).get(column)
