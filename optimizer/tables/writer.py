# SPDX-License-Identifier: Apache-2.0
"""Write a case: all of it or nothing."""

from __future__ import annotations

import csv
import math
import shutil
import uuid
from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from optimizer.errors import DataError, UsageError
from optimizer.tables import schema
from optimizer.tables.hours import format_hour, hour_of
from optimizer.tables.money import decimal_string
from optimizer.tables.reader import Store
from optimizer.tables.settings import FILE, parse_settings


def write_case(
    tables: Mapping[str, pd.DataFrame],
    settings_toml: str,
    path: str | Path,
    format: Literal["csv", "parquet"] = "csv",  # noqa: A002 (the word people look for)
) -> None:
    """Write tables and settings as a case; either the whole folder appears or nothing.

    Parameters
    ----------
    tables
        By name.  The index is not written.  Values are those of ``Case.table``; hours
        may also be text or moments in UTC.  ``None``, nan and ``""`` are absent, and an
        optional column without any value is left out.
    settings_toml
        The text of ``case.toml``.
    path
        The folder; it must not exist, or be empty.
    format
        ``csv``, or ``parquet`` (hours as TIMESTAMP in UTC, decimals as text).

    Raises
    ------
    UsageError
        If the folder holds anything, or the format is unknown.
    DataError
        If a table is unknown, ``settings_toml`` is refused, or a value cannot be
        written; with ``parquet`` also if a column is refused.
    """
    folder = Path(path)
    if format not in ("csv", "parquet"):
        raise UsageError(f"the format '{format}' is neither csv nor parquet")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UsageError(f"'{folder}' is not empty; give a new folder")
    parse_settings(settings_toml)
    folder.parent.mkdir(parents=True, exist_ok=True)
    # Beside the folder, because a rename is atomic only within one file system.
    partial = folder.parent / f".{folder.name}.{uuid.uuid4().hex}"
    partial.mkdir()
    try:
        (partial / FILE).write_text(settings_toml, "utf-8")
        for name, frame in tables.items():
            _write(name, frame, partial, format)
        partial.replace(folder)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise


def write_table(name: str, frame: pd.DataFrame, folder: Path) -> Path:
    """Write one table as CSV into a folder, and return its file.

    Raises
    ------
    DataError
        If the table is unknown, or a value cannot be written.
    """
    if name not in schema.TABLES:
        raise DataError(
            f"'{name}' is not a table of a case",
            mend=f"the tables are {', '.join(schema.TABLES)}",
            file=name,
        )
    declared = {column.name: column for column in schema.table(name).columns}
    file = folder / f"{name}.csv"
    columns: dict[str, list[str]] = {}
    hours: dict[datetime, str] = {}  # every line of usage has the same ones
    for column in frame.columns:
        type_ = declared[column].kind if column in declared else "text"
        texts = [
            value if type(value) is str else _text(value, type_, file.name, column, i, hours)
            for i, value in enumerate(frame[column])
        ]
        if any(texts) or column not in declared or declared[column].required:
            columns[str(column)] = texts
    with file.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(zip(*columns.values(), strict=True))
    return file


def _write(name: str, frame: pd.DataFrame, folder: Path, kind: str) -> None:
    file = write_table(name, frame, folder)
    if kind == "parquet":
        store = Store()
        store.load(name, file)
        store.export(name, file.with_suffix(".parquet"))
        file.unlink()


def _text(
    value: Any, kind: str, file: str, column: str, position: int, hours: dict[datetime, str]
) -> str:
    """Return a value as the CSV has it; ``hours`` keeps the texts of moments."""
    if type(value) is float and kind in ("number", "share"):
        return "" if math.isnan(value) else repr(value)
    if isinstance(value, tuple | list):
        return ";".join(str(part) for part in value)
    if pd.isna(value):
        return ""
    try:
        if isinstance(value, datetime):
            if value not in hours:
                hours[value] = format_hour(hour_of(value))
            return hours[value]
        if isinstance(value, str | date):
            return str(value)
        if kind == "hour":
            return format_hour(value)
        if kind == "boolean":
            return "true" if value else "false"
        if kind == "integer":
            return str(int(value)) if int(value) == value else str(value)
        if isinstance(value, Decimal):
            return decimal_string(value)
        if kind == "decimal":
            return decimal_string(Decimal(str(value)))
        return repr(float(value)) if kind in ("number", "share") else str(value)
    except (TypeError, ValueError, ArithmeticError, DataError) as error:
        raise DataError(
            f"{value!r} cannot be written as {kind}: {error}",
            mend="correct the value",
            file=file,
            row=position + 1,
            column=column,
        ) from error
