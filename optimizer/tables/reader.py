# SPDX-License-Identifier: Apache-2.0
"""Read one table with DuckDB and check each of its columns.

A CSV is read as text and judged by SQL, so that a decimal never passes through a
float and a usage table may be larger than memory.  A Parquet column is taken in its
own type.  Inside DuckDB a read table holds hours, integers, shares and numbers as
numbers, decimals and everything else as text, and ``_row`` (the first data row is 1).
Usage is a view of that form; ``held`` says what it is made of.
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
from typing import Any

import duckdb

from optimizer.errors import DataError
from optimizer.tables import csvfile, held, schema
from optimizer.tables.columns import Sql, accepted, explain, expressions, family_of, quoted
from optimizer.tables.held import LABELS, Held, Kept, Source
from optimizer.tables.schema import Column, Table
from optimizer.tables.words import Words


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


@dataclass(frozen=True)
class _File:
    """A file as a relation of ``c0``, ``c1``, … and ``place``, the place of a row from 0.

    ``columns`` are (name, type) of each; ``rows`` says how many rows there are.
    """

    relation: str
    columns: list[tuple[str, str]]
    rows: int


class Store:
    """The tables of one case in a private DuckDB that spills to the temporary folder."""

    def __init__(self) -> None:
        # DuckDB makes the folder when it spills; two processes must not share one.
        spill = Path(tempfile.gettempdir(), f"gpuopt-{uuid.uuid4().hex}")
        self._connection = duckdb.connect(config={"temp_directory": str(spill)})
        self._layers: tuple[str, ...] = ()
        self.tables: dict[str, Loaded] = {}
        self._usage: Held | None = None
        self._below: Store | None = None

    @property
    def usage(self) -> Held:
        """What the usage is held in; ``KeyError`` without usage."""
        if self._usage is None:
            raise KeyError("usage")
        return self._usage

    def derived(self) -> Store:
        """Return a store with the same tables, of which those made in it hide the others'.

        The tables that are not changed are not copied; this store does not change.
        """
        other = copy(self)
        other.tables = dict(self.tables)
        other._below = self  # noqa: SLF001 (its tables are shown, and go with it)
        other._add_layer()  # noqa: SLF001 (a store of the same class)
        return other

    def _add_layer(self) -> None:
        layer = f"layer_{uuid.uuid4().hex}"
        self.run(f"CREATE SCHEMA {layer}")
        self._layers = (layer, *self._layers)
        weakref.finalize(self, _drop, self._connection, layer)

    def keep_usage(self, loaded: Loaded, columns: Sequence[Kept], source: Source) -> None:
        """Hold a relation as the usage, in the place of any other of this store."""
        before, mine = self._usage, (*self._layers, "main")[0]
        self._usage = held.hold(self.run, mine, loaded.table, columns, source)
        self.tables["usage"] = loaded
        if before is not None and before.schema == mine:
            self.run(f"DROP TABLE {before.rows}")
            self.run(f"DROP TABLE {before.series}")

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
            read = self._load_csv if path.suffix == ".csv" else self._load_parquet
            loaded = read(table, path)
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
                name_ = quoted(column.name)
                hours = f"make_timestamp({name_} * 3600000000) AS {name_}"
                chosen.append(hours if column.kind == "hour" else name_)
        chosen += [f"{inner} AS {quoted(extra)}" for extra, inner in loaded.extras]
        self.run(
            f"COPY (SELECT {', '.join(chosen)} FROM {quoted(name)} ORDER BY _row)"
            f" TO {_text(str(path))} (FORMAT parquet)"
        )

    def _load_csv(self, table: Table, path: Path) -> Loaded:
        """Copy a CSV as text into ``raw``, and go on with that."""
        names = csvfile.header(path)
        columns = ", ".join(f"'c{i}': 'VARCHAR'" for i in range(len(names)))
        try:
            made = self.run(
                "CREATE TABLE raw AS SELECT * FROM read_csv(?, auto_detect=false, header=true,"
                " delim=',', quote='\"', escape='\"', strict_mode=true, null_padding=false,"
                f" max_line_size=16777216, columns={{{columns}}})",
                [_literal(path)],
            ).fetchall()
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
        rows = made[0][0]
        if csvfile.may_be_ragged(path, len(names), rows):
            csvfile.diagnose(path, len(names))
        chosen = ", ".join(f"c{i}" for i in range(len(names)))
        relation = f"(SELECT {chosen}, rowid AS place FROM raw)"
        source = _File(relation, [(name, "VARCHAR") for name in names], rows)
        return self._type(table, path.name, source)

    def _load_parquet(self, table: Table, path: Path) -> Loaded:
        """Go on with the file itself: its pages know which values repeat, a copy would not."""
        if path.stat().st_size == 0:
            raise csvfile.empty(path)
        # A folder named a=b above the file must not become a column.
        file = f"read_parquet({_text(_literal(path))}, hive_partitioning=false"
        try:
            found = self.rows(f"DESCRIBE SELECT * FROM {file})")
            chosen = ", ".join(f"{quoted(row[0])} AS c{i}" for i, row in enumerate(found))
            numbered = f"{file}, file_row_number=true)"
            relation = f"(SELECT {chosen}, file_row_number AS place FROM {numbered})"
            if any(row[0].lower() == "file_row_number" for row in found):
                self.run(f"CREATE TABLE raw AS SELECT {chosen} FROM {file})")
                relation = "(SELECT *, rowid AS place FROM raw)"
            rows = self.rows(f"SELECT count(*) FROM {relation}")[0][0]
            source = _File(relation, [(row[0], row[1]) for row in found], rows)
            return self._type(table, path.name, source)
        except duckdb.OutOfMemoryException:
            raise
        except duckdb.Error as error:
            raise DataError(
                f"not a complete Parquet file: {_first_line(error)}",
                mend="write or pull it again",
                file=path.name,
            ) from error

    def _type(self, table: Table, file: str, source: _File) -> Loaded:
        """Check a source and turn it into the table of its own name."""
        names = [name for name, _ in source.columns]
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
        values: dict[str, Sql] = {}
        extras = []
        for i, (name, kind) in enumerate(source.columns):
            if name in declared:
                values[name] = self._expressions(declared[name], f"c{i}", kind, file, source)
            else:
                extras.append((name, f"x{i}"))
        texts = {f"c{i}" for i, (_, kind) in enumerate(source.columns) if kind == "VARCHAR"}
        with Words(self.run, source.relation, source.rows, values, texts) as words:
            if words.refused or self._refusing(words.apart, source.relation):
                self._refuse(file, declared, values, source.relation)
            loaded = Loaded(table, file, frozenset(values), tuple(extras))
            added = {inner: f"CAST(c{inner[1:]} AS VARCHAR)" for _, inner in extras}
            if table.name == "usage":
                columns = [
                    Kept(name, sql.raw, sql.value if name in LABELS else words.value(name))
                    for name, sql in values.items()
                ]
                columns += [Kept(x, f"c{x[1:]}", added[x], extra) for extra, x in extras]
                joined = words.joined(name for name in values if name not in LABELS)
                self.keep_usage(loaded, columns, Source(source.relation, "place + 1", joined))
            else:
                chosen = held.shown(table, {name: words.value(name) for name in values} | added)
                self.run(
                    f"CREATE TABLE {quoted(table.name)} AS"
                    f" SELECT place + 1 AS _row, {chosen} FROM {words.joined(values)}"
                )
        return loaded

    def _expressions(self, column: Column, raw: str, kind: str, file: str, source: _File) -> Sql:
        """Return the SQL of one column; refuse a Parquet type that its kind cannot take."""
        if family_of(kind) not in accepted(column.kind):
            if self.rows(f"SELECT count({raw}) FROM {source.relation}")[0][0]:
                raise DataError(
                    f"a column of type {kind} cannot be read as {column.kind}",
                    mend=f"write it as {' or '.join(accepted(column.kind))}",
                    file=file,
                    column=column.name,
                )
            raw, kind = "CAST(NULL AS VARCHAR)", "VARCHAR"  # a writer's type for "all absent"
        return expressions(column, raw, kind)

    def _refusing(self, values: Sequence[Sql], relation: str) -> bool:
        """Whether a column refuses any of its values."""
        tests = " OR ".join(sql.refused for sql in values)
        return bool(tests) and bool(
            self.rows(f"SELECT count(*) FILTER (WHERE {tests}) FROM {relation}")[0][0]
        )

    def _refuse(
        self, file: str, columns: dict[str, Column], values: dict[str, Sql], relation: str
    ) -> None:
        """Raise for the first row with a refused value; of its values for the first column's."""
        tests = ", ".join(f"min(place) FILTER (WHERE {sql.refused})" for sql in values.values())
        firsts = self.rows(f"SELECT {tests} FROM {relation}")[0]
        row, i = min((row, i) for i, row in enumerate(firsts) if row is not None)
        name, sql = list(values.items())[i]
        found = self.rows(f"SELECT CAST({sql.raw} AS VARCHAR) FROM {relation} WHERE place = {row}")
        problem, mend = explain(columns[name], (found[0][0] or "").strip())
        raise DataError(problem, mend=mend, file=file, row=row + 1, column=name)


def _drop(connection: duckdb.DuckDBPyConnection, layer: str) -> None:
    # At the end of a process the database may be gone before its layers are.
    with suppress(duckdb.Error):
        connection.cursor().execute(f"DROP SCHEMA IF EXISTS {layer} CASCADE")


def _literal(path: Path) -> str:
    """Return the path so that DuckDB does not take its characters for a pattern."""
    return re.sub(r"([*?\[])", r"[\1]", str(path))


def _text(value: str) -> str:
    """A text as SQL takes it."""
    return "'" + value.replace("'", "''") + "'"


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0].removesuffix(".")
