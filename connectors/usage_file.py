# SPDX-License-Identifier: Apache-2.0
"""The usage of a snapshot: the sources' rows, with the closed months of an earlier one."""

from __future__ import annotations

import tempfile
import uuid
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

import duckdb
import pandas as pd

from connectors.manifest import Month, stamp
from connectors.merge import load_usage, usage_order
from connectors.months import FOLDER, Kept, is_closed, month_name, months_of
from connectors.pulled import Request
from optimizer.errors import DataError

_MEMORY = "600MB"


def connect(memory: str = _MEMORY) -> duckdb.DuckDBPyConnection:
    """Return a private DuckDB that spills what does not fit into little memory."""
    spill = Path(tempfile.gettempdir(), f"gpuopt-{uuid.uuid4().hex}")
    connection = duckdb.connect(config={"temp_directory": str(spill), "memory_limit": memory})
    # DuckDB would draw its bar on stdout, where the result belongs.
    return connection.execute("SET enable_progress_bar = false")


def read_kept(kept: Kept, since: datetime) -> pd.DataFrame:
    """Return the usage of the kept months, from ``since`` on; no rows if there are none."""
    if not kept.files:
        return pd.DataFrame()
    with connect() as connection:
        return connection.execute(
            "SELECT * FROM read_parquet(?, union_by_name=true, hive_partitioning=false)"
            " WHERE hour >= ?",
            [[str(file) for file in kept.files.values()], since.replace(tzinfo=None)],
        ).df()


def write_usage(
    folder: Path,
    frames: Mapping[str, pd.DataFrame],
    requests: Mapping[str, Request],
    kept: Mapping[str, Kept],
    complete: Mapping[str, bool],
) -> dict[str, list[Month]]:
    """Write ``usage.parquet`` and the closed months of each source; return the months.

    Parameters
    ----------
    folder
        The case; it exists.
    frames
        The usage by source, kept months included.
    requests
        The whole window that was asked for, by source.
    kept
        What came from an earlier snapshot.
    complete
        Whether everything that was asked of a source answered: only then a month of it
        is closed, and will not be asked for again.

    Raises
    ------
    DataError
        If two rows have the same key, or a value is not of its column's type.
    """
    with connect() as connection:
        try:
            columns = load_usage(connection, frames)
        except duckdb.ConversionException as error:
            raise DataError(
                f"the usage has a value that its column refuses: {str(error).splitlines()[0]}",
                mend="this is a defect of the source; report it",
                file="usage",
            ) from error
        if not columns:
            return {source: [] for source in requests}
        chosen = ", ".join(f'"{column}"' for column in columns)
        order = usage_order(columns)
        _copy(connection, f"SELECT {chosen} FROM usage ORDER BY {order}", folder / "usage.parquet")
        months: dict[str, list[Month]] = {}
        for source, request in requests.items():
            months[source] = []
            for start, end in months_of(request.since, request.until):
                where = f"_source = {_text(source)} AND hour >= {_moment(start)}"
                where += f" AND hour < {_moment(end)}"
                found = connection.execute(f"SELECT count(*) FROM usage WHERE {where}").fetchone()
                name = month_name(start)
                held = name in kept[source].files
                closed = held or (is_closed(start, request.until) and complete[source])
                months[source].append(Month(name, stamp(start), found[0], closed, held))  # type: ignore[index]
                if closed:
                    target = folder / FOLDER / source
                    target.mkdir(parents=True, exist_ok=True)
                    rows = f"SELECT {chosen} FROM usage WHERE {where} ORDER BY {order}"
                    _copy(connection, rows, target / f"{name}.parquet")
    return months


def _copy(connection: duckdb.DuckDBPyConnection, rows: str, file: Path) -> None:
    path = str(file).replace("'", "''")
    connection.execute(f"COPY ({rows}) TO '{path}' (FORMAT parquet, COMPRESSION zstd)")


def _moment(moment: datetime) -> str:
    return f"TIMESTAMP '{moment.replace(tzinfo=None).isoformat(sep=' ')}'"


def _text(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
