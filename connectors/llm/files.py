# SPDX-License-Identifier: Apache-2.0
"""Rows of JSON, JSONL and CSV files, plain or gzipped."""

from __future__ import annotations

import csv
import gzip
import json
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

from optimizer.errors import DataError

ENDINGS = (".json", ".jsonl", ".ndjson", ".csv")


def read_rows(place: str) -> list[Mapping[str, Any]]:
    """Return the rows of a file, or of every such file of a folder.

    Raises
    ------
    DataError
        If there is none, or one cannot be read to its end.
    """
    path = Path(place)
    files = [path]
    if path.is_dir():
        found = (file for file in path.rglob("*") if file.is_file())
        files = sorted(file for file in found if _bare(file).endswith(ENDINGS))
    if not files or not all(file.exists() for file in files):
        raise DataError("no such file", mend="name a file or a folder of them", file=place)
    rows: list[Mapping[str, Any]] = []
    for file in files:
        try:
            rows += _read(file)
        except (OSError, EOFError, ValueError) as error:
            raise DataError(
                f"cannot be read: {error}", mend="export it again", file=file.name
            ) from error
    return rows


def _bare(file: Path) -> str:
    return file.name.lower().removesuffix(".gz")


def _read(file: Path) -> list[Mapping[str, Any]]:
    data = file.read_bytes()
    text = (gzip.decompress(data) if file.name.lower().endswith(".gz") else data).decode("utf-8")
    if _bare(file).endswith(".csv"):
        return list(csv.DictReader(text.splitlines()))
    if text.lstrip().startswith("["):
        return list(json.loads(text, parse_float=Decimal))
    return [json.loads(line, parse_float=Decimal) for line in text.splitlines() if line.strip()]
