# SPDX-License-Identifier: Apache-2.0
"""Read one table with DuckDB and check each of its columns.

A CSV is read as text and judged by SQL, so that a decimal never passes through a
float and a usage table may be larger than memory.  A Parquet column is taken in its
own type.  Inside DuckDB a read table holds hours, integers, shares and numbers as
numbers, decimals and everything else as text, and ``_row`` (the first data row is 1).
"""

from __future__ import annotations

import re
import tempfile
import uuid
import weakref
from collections.abc import Sequence
from contextlib import suppress
from copy import copy
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import duckdb

from optimizer.errors import DataError
from optimizer.tables import csvfile, schema
from optimizer.tables.hours import HOUR_PATTERN, hour_problem
from optimizer.tables.schema import NUMERIC, Column, Table

PLAIN = r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)"
# Programs write small shares as 1e-05; a decimal of money has to be plain.
PATTERNS = {
    "decimal": PLAIN,
    "number": PLAIN + "([eE][+-]?[0-9]+)?",
    "share": PLAIN + "([eE][+-]?[0-9]+)?",
    "integer": r"[+-]?[0-9]{1,15}(\.0*)?",
}


@dataclass(frozen=True)
class Loaded:
    """A table that DuckDB holds, checked column by column.

    Parameters
    ----------
    table
        Its declaration.
    file
        The name of its file, for messages.
    given
        The declared columns that the file has; the others are all absent.
    extras
        The undeclared columns: (name in the file, name in DuckDB), of text.
    """

    table: Table
    file: str
    given: frozenset[str]
    extras: tuple[tuple[str, str], ...]


class _Sql(NamedTuple):
    """SQL of one column: as it was read, whether it is refused (empty: never), as it is kept."""

    raw: str
    refused: str
    value: str


class Store:
    """The tables of one case in a private DuckDB that spills to the temporary folder."""

    def __init__(self) -> None:
        # DuckDB makes the folder when it spills; two processes must not share one.
        spill = Path(tempfile.gettempdir(), f"gpuopt-{uuid.uuid4().hex}")
        self._connection = duckdb.connect(config={"temp_directory": str(spill)})
        self._layers: tuple[str, ...] = ()
        self.tables: dict[str, Loaded] = {}

    def derived(self) -> Store:
        """Return a store with the same tables, of which those made in it hide the others'.

        The tables that are not changed are not copied; this store does not change.
        """
        other = copy(self)
        other.tables = dict(self.tables)
        other._add_layer()  # noqa: SLF001 (a store of the same class)
        return other

    def _add_layer(self) -> None:
        layer = f"layer_{uuid.uuid4().hex}"
        self.run(f"CREATE SCHEMA {layer}")
        self._layers = (layer, *self._layers)
        weakref.finalize(self, _drop, self._connection, layer)

    def replace(self, name: str, by: str) -> None:
        """Put a table of this derived store in the place of another one of its own, or hide it."""
        layer = self._layers[0]
        self.run(f"DROP TABLE IF EXISTS {layer}.{_quoted(name)}")
        self.run(f"ALTER TABLE {layer}.{_quoted(by)} RENAME TO {_quoted(name)}")

    def run(self, sql: str, parameters: Sequence[Any] = ()) -> duckdb.DuckDBPyConnection:
        """Run a statement on a cursor of its own, so that threads do not meet."""
        cursor = self._connection.cursor()
        if self._layers:
            cursor.execute(f"SET search_path = '{','.join((*self._layers, 'main'))}'")
        return cursor.execute(sql, list(parameters))

    def rows(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Run a query and return its rows."""
        return self.run(sql, parameters).fetchall()

    def load(self, name: str, path: Path) -> Loaded:
        """Read and check ``path`` as table ``name``.

        Raises
        ------
        DataError
            If the file cannot be read, lacks a required column, or holds a value that
            its column refuses; the first such row is named.
        """
        table = schema.table(name)
        try:
            copy = self._copy_csv if path.suffix == ".csv" else self._copy_parquet
            columns = copy(path)
            loaded = self._type(table, path.name, columns)
        finally:
            self.run("DROP TABLE IF EXISTS raw")
        self.tables[name] = loaded
        return loaded

    def export(self, name: str, path: Path) -> None:
        """Write a loaded table as Parquet: hours as TIMESTAMP in UTC, decimals as text."""
        loaded = self.tables[name]
        chosen = []
        for column in loaded.table.columns:
            if column.name in loaded.given:
                quoted = _quoted(column.name)
                hours = f"make_timestamp({quoted} * 3600000000) AS {quoted}"
                chosen.append(hours if column.kind == "hour" else quoted)
        chosen += [f"{inner} AS {_quoted(extra)}" for extra, inner in loaded.extras]
        self.run(
            f"COPY (SELECT {', '.join(chosen)} FROM {_quoted(name)} ORDER BY _row)"
            f" TO '{str(path).replace(chr(39), chr(39) * 2)}' (FORMAT parquet)"
        )

    def _copy_csv(self, path: Path) -> list[tuple[str, str]]:
        """Copy a CSV as text into ``raw``; return (name, type) of its columns."""
        names = csvfile.header(path)
        columns = ", ".join(f"'c{i}': 'VARCHAR'" for i in range(len(names)))
        try:
            ((count,),) = self.rows(  # how many rows were created
                "CREATE TABLE raw AS SELECT * FROM read_csv(?, auto_detect=false, header=true,"
                " delim=',', quote='\"', escape='\"', strict_mode=true, null_padding=false,"
                f" max_line_size=16777216, columns={{{columns}}})",
                [_literal(path)],
            )
        except duckdb.OutOfMemoryException:
            raise
        except duckdb.Error as error:
            csvfile.diagnose(path, len(names))
            raise DataError(
                f"not a readable CSV: {_first_line(error)}",
                mend="write it again as a comma-separated file in UTF-8",
                file=path.name,
            ) from error
        # DuckDB takes no offence at one comma too many at the end of a row.
        if csvfile.may_be_ragged(path, len(names), count):
            csvfile.diagnose(path, len(names))
        return [(name, "VARCHAR") for name in names]

    def _copy_parquet(self, path: Path) -> list[tuple[str, str]]:
        """Copy a Parquet file into ``raw``; return (name, type) of its columns."""
        if path.stat().st_size == 0:
            raise csvfile.empty(path)
        # A folder named a=b above the file must not become a column.
        source = "read_parquet(?, hive_partitioning=false)"
        try:
            found = self.rows(f"DESCRIBE SELECT * FROM {source}", [_literal(path)])
            columns = ", ".join(f"{_quoted(row[0])} AS c{i}" for i, row in enumerate(found))
            self.run(f"CREATE TABLE raw AS SELECT {columns} FROM {source}", [_literal(path)])
        except duckdb.OutOfMemoryException:
            raise
        except duckdb.Error as error:
            raise DataError(
                f"not a complete Parquet file: {_first_line(error)}",
                mend="write or pull it again",
                file=path.name,
            ) from error
        return [(row[0], row[1]) for row in found]

    def _type(self, table: Table, file: str, columns: list[tuple[str, str]]) -> Loaded:
        """Check ``raw`` and turn it into the table of its own name."""
        names = [name for name, _ in columns]
        for name in names:
            if names.count(name) > 1:
                raise DataError(
                    f"column '{name}' appears twice", mend="keep one", file=file, column=name
                )
        declared = {column.name: column for column in table.columns}
        for column in table.columns:
            if column.required and column.name not in names:
                raise DataError(
                    "required column is missing",
                    mend=f"add the column {column.name} ({column.description})",
                    file=file,
                    column=column.name,
                )
        values: dict[str, _Sql] = {}
        extras = []
        for i, (name, kind) in enumerate(columns):
            if name in declared:
                values[name] = self._expressions(declared[name], f"c{i}", kind, file)
            else:
                extras.append((name, f"x{i}"))
        self._refuse(file, [declared[name] for name in values], values)
        chosen = [f"{values[name].value} AS {_quoted(name)}" for name in values]
        chosen += [
            f"CAST(NULL AS {_sql_type(column)}) AS {_quoted(column.name)}"
            for column in table.columns
            if column.name not in values
        ]
        chosen += [f"CAST(c{internal[1:]} AS VARCHAR) AS {internal}" for _, internal in extras]
        self.run(
            f"CREATE TABLE {_quoted(table.name)} AS"
            f" SELECT rowid + 1 AS _row, {', '.join(chosen)} FROM raw"
        )
        return Loaded(table, file, frozenset(values), tuple(extras))

    def _expressions(self, column: Column, raw: str, kind: str, file: str) -> _Sql:
        """Return the SQL of one column; refuse a Parquet type that its kind cannot take."""
        family = _family(kind)
        if family not in _accepted(column.kind):
            if self.rows(f"SELECT count({raw}) FROM raw")[0][0]:
                raise DataError(
                    f"a column of type {kind} cannot be read as {column.kind}",
                    mend=f"write it as {' or '.join(_accepted(column.kind))}",
                    file=file,
                    column=column.name,
                )
            raw, family = "CAST(NULL AS VARCHAR)", "text"  # a writer's type for "all absent"
        fine, value = _judge(column, raw, family)
        absent = f"{_present(raw, family)} IS NULL"
        if fine == "true":
            return _Sql(raw, absent if column.required else "", value)
        if column.required:
            return _Sql(raw, f"({absent} OR NOT coalesce({fine}, false))", value)
        return _Sql(raw, f"NOT ({absent} OR coalesce({fine}, false))", value)

    def _refuse(self, file: str, columns: list[Column], values: dict[str, _Sql]) -> None:
        """Raise for the first row with a refused value, if there is one; one pass."""
        columns = [column for column in columns if values[column.name].refused]
        if not columns:
            return
        tests = ", ".join(f"min(rowid) FILTER (WHERE {values[c.name].refused})" for c in columns)
        firsts = self.rows(f"SELECT {tests} FROM raw")[0]
        hits = [(row, i) for i, row in enumerate(firsts) if row is not None]
        if not hits:
            return
        row, i = min(hits)
        raw = values[columns[i].name].raw
        found = self.rows(f"SELECT CAST({raw} AS VARCHAR) FROM raw WHERE rowid = {row}")
        problem, mend = explain(columns[i], (found[0][0] or "").strip())
        raise DataError(problem, mend=mend, file=file, row=row + 1, column=columns[i].name)


def explain(column: Column, text: str) -> tuple[str, str]:
    """Say what is wrong with a refused value of a column, and how to mend it."""
    if not text:
        return f"{column.name} is empty", f"fill it in: {column.description}"
    if column.kind == "hour":
        return hour_problem(text)
    if column.kind == "enum":
        return f"'{text}' is not allowed", f"use one of {', '.join(column.choices)}"
    if column.kind == "boolean":
        return f"'{text}' is neither true nor false", "write true or false, or leave it empty"
    try:
        number = float(text)
    except ValueError:
        number = float("nan")
    mend = "write a plain number such as 12.5, without signs of currency or thousands"
    if number in (float("inf"), float("-inf")) or text.lower() in ("nan", "-nan", "+nan"):
        return f"'{text}' is not a finite number", "write a number, or leave it empty if absent"
    if re.fullmatch(PATTERNS.get(column.kind, ".*"), text) is None:
        if column.kind == "integer":
            mend = "write a whole number such as 8760, without thousands separators"
        kind = {"integer": "a whole number", "decimal": "a plain decimal"}
        return f"'{text}' is not {kind.get(column.kind, 'a number')}", mend
    if column.kind == "share":
        return f"the share {text} is not in 0 to 1", "write a share, so 0.25 for 25 percent"
    return (
        f"{text} is not {column.bound} {column.limit}",
        f"write a value {column.bound} {column.limit}",
    )


def _judge(column: Column, raw: str, family: str) -> tuple[str, str]:
    """Return the SQL of (this value is fine, this value as it is kept)."""
    value = _present(raw, family)
    if column.kind in ("id", "text", "list"):
        return "true", value
    if column.kind == "enum":
        return f"{value} IN ({', '.join(repr(choice) for choice in column.choices)})", value
    if column.kind == "boolean":
        if family == "boolean":
            return "true", raw
        return f"lower({value}) IN ('true', 'false')", f"(lower({value}) = 'true')"
    if column.kind == "hour":
        if family == "timestamp":
            # epoch_us needs no time zone tables, a cast from TIMESTAMPTZ would.
            return f"(isfinite({raw}) AND epoch_us({raw}) % 3600000000 = 0)", (
                f"(epoch_us({raw}) // 3600000000)"
            )
        moment = f"TRY_CAST(rtrim({value}, 'Z') AS TIMESTAMP)"
        return (
            f"(regexp_full_match({value}, '{HOUR_PATTERN}') AND {moment} IS NOT NULL)",
            f"(epoch_us({moment}) // 3600000000)",
        )
    number = f"TRY_CAST({value} AS DOUBLE)"
    tests = [f"isfinite({number})"]
    if family == "text":
        tests.append(f"regexp_full_match({value}, '{PATTERNS[column.kind]}')")
    if column.kind == "share":
        tests.append(f"{number} BETWEEN 0 AND 1")
    if column.bound:
        tests.append(f"{number} {column.bound} {column.limit}")
    if column.kind == "integer":
        tests.append(f"{number} = floor({number}) AND abs({number}) < 1e15")
        number = f"CAST({number} AS BIGINT)"
    fine = f"({' AND '.join(tests)})"
    return fine, value if column.kind == "decimal" else number


def _present(raw: str, family: str) -> str:
    """Return the SQL of the value, NULL if it is absent; a number as its shortest exact text."""
    if family == "text":
        return f"NULLIF(trim({raw}), '')"
    if family in ("number", "integer"):
        return f"CAST({raw} AS VARCHAR)"
    return raw


def _family(kind: str) -> str:
    if kind == "VARCHAR":
        return "text"
    if kind in ("DOUBLE", "FLOAT") or kind.startswith("DECIMAL"):
        return "number"
    if re.fullmatch("U?(TINY|SMALL|BIG|HUGE)?INT(EGER)?", kind):
        return "integer"
    if kind.startswith("TIMESTAMP"):
        return "timestamp"
    return kind.lower()


def _accepted(kind: str) -> tuple[str, ...]:
    if kind in NUMERIC:
        return ("text", "number", "integer")
    return {"hour": ("text", "timestamp"), "boolean": ("text", "boolean")}.get(kind, ("text",))


def _sql_type(column: Column) -> str:
    types = {"number": "DOUBLE", "share": "DOUBLE", "integer": "BIGINT", "hour": "BIGINT"}
    return {**types, "boolean": "BOOLEAN"}.get(column.kind, "VARCHAR")


def _drop(connection: duckdb.DuckDBPyConnection, layer: str) -> None:
    # At the end of a process the database may be gone before its layers are.
    with suppress(duckdb.Error):
        connection.cursor().execute(f"DROP SCHEMA IF EXISTS {layer} CASCADE")


def _literal(path: Path) -> str:
    """Return the path so that DuckDB does not take its characters for a pattern."""
    return re.sub(r"([*?\[])", r"[\1]", str(path))


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0].removesuffix(".")
