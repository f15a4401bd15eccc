# SPDX-License-Identifier: Apache-2.0
"""CSV for spreadsheets, which run what looks like a formula: such texts are made inert."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Sequence
from typing import Any

_RUNS = ("=", "+", "-", "@", "\t", "\r", "\n")
_NUMBER = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?")


def cell(value: Any) -> str:
    """Return a value as a cell; a text that begins like a formula gets an apostrophe.

    Formulas are stopped as OWASP advises ("CSV Injection"); numbers stay numbers.
    """
    if value is None:
        return ""
    text = str(value)
    if text.startswith(_RUNS) and not _NUMBER.fullmatch(text):
        return f"'{text}"
    return text


def csv_text(columns: Sequence[str], rows: Iterable[Iterable[Any]]) -> str:
    """Return rows as CSV, the columns' names first; each value is made a safe cell."""
    stream = io.StringIO(newline="")
    writer = csv.writer(stream, quoting=csv.QUOTE_MINIMAL)
    writer.writerow(columns)
    writer.writerows([cell(value) for value in row] for row in rows)
    return stream.getvalue()
