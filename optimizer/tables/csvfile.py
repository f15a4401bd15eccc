# SPDX-License-Identifier: Apache-2.0
"""A CSV's header, and the exact row at which a CSV is broken.

DuckDB says that a file is broken, in its own words; the rows are found here, in a
second reading that only refused files need.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

from optimizer.errors import DataError

_CHUNK = 1 << 24


def empty(path: Path) -> DataError:
    """Return the error of a file without any content."""
    return DataError(
        "the file is empty",
        mend="write it again with its header, or remove it if the table is absent",
        file=path.name,
    )


def header(path: Path) -> list[str]:
    """Return the names of the columns.

    Raises
    ------
    DataError
        If the file is empty, is not UTF-8 there, or its first line is blank.
    """
    for record in _records(path):
        for mark, word in ((";", "semicolons"), ("\t", "tabs")):
            if len(record) == 1 and mark in record[0]:
                raise DataError(
                    f"the columns are separated by {word}",
                    mend="save it with commas between the columns and a point in decimals",
                    file=path.name,
                )
        return [name.strip() for name in record]
    raise empty(path)


def diagnose(path: Path, width: int) -> None:
    """Raise for the first row that is not UTF-8, not closed, or not ``width`` values long."""
    for row, record in enumerate(_records(path)):
        if len(record) != width:
            raise DataError(
                f"the row has {len(record)} values, the header has {width}",
                mend="quote values that hold a comma; if the file was cut off, write it again",
                file=path.name,
                row=row,
            )


def may_be_ragged(path: Path, width: int, rows: int) -> bool:
    """Whether a file of so many data rows may hold a comma too many; cheap, never missing one."""
    commas, quotes = 0, False
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            commas += chunk.count(b",")
            quotes = quotes or b'"' in chunk
    # Within quotes a comma separates nothing, so there the number of them proves nothing.
    return quotes or commas != (width - 1) * (rows + 1)


def _records(path: Path) -> Iterator[list[str]]:
    """Yield the header and the data rows; blank lines do not count, as in DuckDB."""
    row = 0

    def lines() -> Iterator[str]:
        with path.open("rb") as file:
            for line in file:
                try:
                    yield line.decode("utf-8-sig" if row == 0 else "utf-8")
                except UnicodeDecodeError as error:
                    raise DataError(
                        f"the byte 0x{line[error.start]:02x} is not UTF-8",
                        mend="save the file as UTF-8",
                        file=path.name,
                        row=row or None,
                    ) from None

    reader = csv.reader(lines(), strict=True)
    while True:
        try:
            record = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise DataError(
                f"the row cannot be read ({error})",
                mend='close every quote and double those inside (""); if cut off, write it again',
                file=path.name,
                row=row or None,
            ) from None
        if record:
            yield record
            row += 1
