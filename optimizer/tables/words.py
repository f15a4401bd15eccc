# SPDX-License-Identifier: Apache-2.0
"""Judge each word of a long table once, and not in each row that repeats it.

A year of hours has 8,760 words in millions of rows, and so have its meters, accounts and tags.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from types import TracebackType
from typing import Any, Self

from optimizer.tables.columns import Sql

Run = Callable[..., Any]

MANY_ROWS = 50_000  # below, one pass over all columns takes less than one for each
MOST_WORDS = 200_000
LEAST_REPEATS = 8  # of a word, on average


class Words:
    """The columns of text of a relation that repeat few words, by their words.

    Attributes
    ----------
    refused
        Whether any of the words is refused.
    apart
        The columns to be judged row by row.
    """

    def __init__(
        self, run: Run, relation: str, rows: int, values: Mapping[str, Sql], texts: set[str]
    ) -> None:
        self._run = run
        self._relation = relation
        self._values = {name: sql.value for name, sql in values.items()}
        self._joins: dict[str, str] = {}
        self._tables: list[str] = []
        self.refused = False
        chosen = _repeating(run, relation, rows, values, texts)
        self.apart = [sql for name, sql in values.items() if name not in chosen]
        try:
            for name in chosen:
                self._judge(name, values[name])
        except BaseException:
            self._close()
            raise

    def value(self, name: str) -> str:
        """The SQL of what is kept of a column, in a relation that is joined to its words."""
        return self._values[name]

    def joined(self, names: Iterable[str]) -> str:
        """The relation beside the words of these columns whose values are not the words."""
        joins = "".join(self._joins[name] for name in names if name in self._joins)
        return f"{self._relation} AS source{joins}"

    def _judge(self, name: str, sql: Sql) -> None:
        """Judge the words of a column, and take them for its values where they are."""
        table = f"words_of_{sql.raw}"
        self._tables.append(table)
        self._run(
            f"CREATE TABLE {table} AS SELECT {sql.raw} AS word, {sql.value} AS kept,"
            f" {sql.refused} AS refused FROM (SELECT DISTINCT {sql.raw} FROM {self._relation})"
        )
        refused, kind, same = self._run(
            "SELECT coalesce(bool_or(refused), false), any_value(typeof(kept)),"
            f" coalesce(bool_and(CAST(kept AS VARCHAR) IS NOT DISTINCT FROM word), true)"
            f" FROM {table}"
        ).fetchone()
        self.refused = self.refused or bool(refused)
        if kind == "VARCHAR" and same:
            self._values[name] = sql.raw
        else:
            self._values[name] = f"{table}.kept"
            self._joins[name] = (
                f" LEFT JOIN {table} ON {table}.word IS NOT DISTINCT FROM source.{sql.raw}"
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._close()

    def _close(self) -> None:
        for table in self._tables:
            self._run(f"DROP TABLE IF EXISTS {table}")


def _repeating(
    run: Run, relation: str, rows: int, values: Mapping[str, Sql], texts: set[str]
) -> list[str]:
    """The columns of text of which a long relation repeats few words."""
    names = [name for name, sql in values.items() if sql.raw in texts]
    if rows < MANY_ROWS or not names:
        return []
    counts = ", ".join(f"approx_count_distinct({values[name].raw})" for name in names)
    found = run(f"SELECT {counts} FROM {relation}").fetchone()
    most = min(MOST_WORDS, rows // LEAST_REPEATS)
    return [name for name, count in zip(names, found, strict=True) if count <= most]
