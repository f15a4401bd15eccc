# SPDX-License-Identifier: Apache-2.0
"""The files of an export: CSV or Parquet, gzipped or not, one or a folder of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import duckdb

from optimizer.errors import DataError, UsageError

ENDINGS = (".csv", ".csv.gz", ".parquet", ".parquet.gz", ".gz.parquet", ".snappy.parquet")


def find_files(places: Sequence[str]) -> list[Path]:
    """Return the files that some paths name, in the order of their names.

    Raises
    ------
    UsageError
        If a path does not exist, or a folder holds no such file.
    """
    if not places:
        raise UsageError(
            "the source focus needs a file or folder. To mend it: name it with --account FILE"
        )
    found: list[Path] = []
    for place in places:
        path = Path(place)
        if path.is_dir():
            inside = [
                file
                for file in sorted(path.rglob("*"))
                if file.is_file() and is_export(file) and not _hidden(file, path)
            ]
            if not inside:
                raise UsageError(f"'{place}' holds no export. To mend it: name one of {ENDINGS}")
            found += inside
        elif path.is_file() and is_export(path):
            found.append(path)
        else:
            raise UsageError(f"'{place}' is no export. To mend it: name a file {ENDINGS}")
    return found


def is_export(path: Path) -> bool:
    """Whether a file's name ends as that of an export."""
    return path.name.lower().endswith(ENDINGS)


def _hidden(file: Path, below: Path) -> bool:
    return any(part.startswith((".", "_")) for part in file.relative_to(below).parts)


def source_sql(path: Path) -> str:
    """Return the SQL of a file's rows, with the path as its one parameter.

    A CSV is read as text, so that no decimal passes through a float.
    """
    if ".parquet" in path.name.lower():
        return "read_parquet(?, hive_partitioning = false)"
    return (
        "read_csv(?, header = true, all_varchar = true, delim = ',', quote = '\"', escape = '\"')"
    )


def column_types(connection: duckdb.DuckDBPyConnection, path: Path) -> dict[str, str]:
    """Return DuckDB's type of each column of a file.

    Raises
    ------
    DataError
        If the file is cut off, or is none of its kind.
    """
    if path.stat().st_size == 0:
        raise DataError("the file is empty", mend="export or download it again", file=path.name)
    try:
        found = connection.execute(
            f"DESCRIBE SELECT * FROM {source_sql(path)}", [literal(path)]
        ).fetchall()
    except duckdb.OutOfMemoryException:
        raise
    except duckdb.Error as error:
        raise DataError(
            f"the file cannot be read: {str(error).splitlines()[0]}",
            mend="export or download it again",
            file=path.name,
        ) from error
    return {row[0]: row[1] for row in found}


def literal(path: Path) -> str:
    """Return the path so that DuckDB does not take its characters for a pattern."""
    return "".join(f"[{c}]" if c in "*?[" else c for c in str(path))
