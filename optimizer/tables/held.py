# SPDX-License-Identifier: Apache-2.0
"""How DuckDB holds usage: rows of a series, an hour and amounts; series of labels.

A fleet's labels (meter, account, zone, tags, …) repeat in every hour. A row names its series by
number, which is what makes rows small, and comparing, grouping and adding them up cheap. The
view ``usage`` shows them as one table with all declared columns.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from optimizer.tables.columns import quoted, sql_type
from optimizer.tables.schema import Table

Run = Callable[..., Any]

TAG = "tag_"
# What says who used what and on which terms; all else differs from row to row.
LABELS = frozenset(
    {
        "meter",
        "account",
        "zone",
        "workload",
        "deployment",
        "job",
        "lost_hours",
        "restart_cost",
        "unmet_penalty",
        "grain",
        "charge_category",
    }
)


@dataclass(frozen=True)
class Kept:
    """A column: its name in DuckDB, SQL of what was read and of what is kept of it.

    ``extra`` is the name in the file of a column that is not declared.
    """

    name: str
    raw: str
    value: str
    extra: str = ""

    @property
    def label(self) -> bool:
        """Whether it belongs to the series."""
        return self.name in LABELS or self.extra.startswith(TAG)


@dataclass(frozen=True)
class Source:
    """What usage is read from: a relation, SQL of ``_row``, and the relation's parameters.

    ``joined`` is the relation beside what the values of its columns need, where they do.
    """

    relation: str
    row: str
    joined: str = ""
    parameters: tuple[Any, ...] = ()


@dataclass(frozen=True)
class Held:
    """The names in SQL of what usage is held in.

    ``rows``: ``_row``, ``_series`` and the columns that are no labels. ``series``: ``_series``
    from 0 in the order of their labels, and these.
    """

    schema: str
    rows: str
    series: str
    labels: tuple[str, ...]

    @property
    def labelled(self) -> str:
        """The SQL of the series with all that may label them; what the file lacks is absent."""
        lacking = "".join(
            f", CAST(NULL AS {'DOUBLE' if name == 'lost_hours' else 'VARCHAR'}) AS {name}"
            for name in sorted(LABELS - set(self.labels))
        )
        return f"(SELECT *{lacking} FROM {self.series})"


def shown(table: Table, values: Mapping[str, str]) -> str:
    """The SQL of all declared columns, absent ones too, and of those beside them."""
    declared = {column.name: column for column in table.columns}
    chosen = [f"{value} AS {quoted(name)}" for name, value in values.items()]
    chosen += [
        f"CAST(NULL AS {sql_type(column)}) AS {quoted(name)}"
        for name, column in declared.items()
        if name not in values
    ]
    return ", ".join(chosen)


def hold(
    run: Run,
    schema: str,
    table: Table,
    columns: Sequence[Kept],
    source: Source,
) -> Held:
    """Hold a relation in a schema, and show it there as ``usage``."""
    mark = uuid.uuid4().hex
    rows, series, words = (f"{schema}.usage_{word}_{mark}" for word in ("rows", "series", "words"))
    labels = [column for column in columns if column.label]
    names = ", ".join(quoted(column.name) for column in labels)
    raws = ", ".join(f"{column.raw} AS r{i}" for i, column in enumerate(labels))
    kept = ", ".join(f"any_value({column.value}) AS {quoted(column.name)}" for column in labels)
    groups = ", ".join(f"r{i}" for i in range(len(labels)))
    # Several spellings may be one label, and so one series: 'a' and ' a '.
    run(
        f"CREATE TABLE {words} AS SELECT *, CAST(dense_rank() OVER (ORDER BY {names}) - 1"
        f" AS INTEGER) AS _series FROM (SELECT {raws}, {kept} FROM {source.relation}"
        f" GROUP BY {groups})",
        source.parameters,
    )
    try:
        same = _same(run, words, labels)
        others = [column for column in columns if not column.label]
        values = "".join(f", {column.value} AS {quoted(column.name)}" for column in others)
        run(
            f"CREATE TABLE {rows} AS SELECT CAST({source.row} AS BIGINT) AS _row, _series{values}"
            f" FROM {source.joined or source.relation}"
            f" JOIN (SELECT _series, {groups} FROM {words}) ON {same}",
            source.parameters,
        )
        run(f"CREATE TABLE {series} AS SELECT DISTINCT _series, {names} FROM {words}")
    finally:
        run(f"DROP TABLE {words}")
    every = shown(table, {column.name: quoted(column.name) for column in columns})
    run(
        f"CREATE OR REPLACE VIEW {schema}.usage AS SELECT _row, {every}"
        f" FROM {rows} JOIN {series} USING (_series)"
    )
    return Held(schema, rows, series, tuple(column.name for column in labels))


def _same(run: Run, words: str, labels: Sequence[Kept]) -> str:
    """The SQL of a row having the words of a series; what is alike in all is not compared."""
    differ = ", ".join(
        f"count(DISTINCT r{i}) + CAST(count(r{i}) < count(*) AS INTEGER) > 1"
        for i in range(len(labels))
    )
    found = run(f"SELECT {differ} FROM {words}").fetchone()
    tests = [
        f"{label.raw} IS NOT DISTINCT FROM r{i}"
        for i, (label, needed) in enumerate(zip(labels, found, strict=True))
        if needed
    ]
    return " AND ".join(tests) or "true"
