# SPDX-License-Identifier: Apache-2.0
"""A report as CSV: a file for the key figures and one for each table."""

from __future__ import annotations

from typing import Any

from optimizer.reporting.csvs import csv_text
from optimizer.reporting.document import Document, Figures, Table
from optimizer.reporting.render.plain import plain_value
from optimizer.reporting.render.values import change_of

_FIGURE = ("figure", "kind", "unit", "value", "before", "change", "formula")


def csv_files(document: Document) -> dict[str, str]:
    """Return the text of each file by its name: ``NAME.csv``; exact values, formulas inert."""
    files: dict[str, str] = {}
    for block in document.blocks():
        if isinstance(block, Figures):
            files[_free(files, block.name)] = _figures(block)
    for table in document.tables():
        files[_free(files, table.name)] = table_csv(table)
    return files


def table_csv(table: Table) -> str:
    """Return a table as CSV, with the source of each row as the last column."""
    names = [column.name for column in table.columns]
    if "source" not in names:
        names.append("source")
    return csv_text(
        names,
        (
            [*(_exact(value) for value in row.values), row.source][: len(names)]
            for row in table.rows
        ),
    )


def _figures(figures: Figures) -> str:
    return csv_text(
        _FIGURE,
        (
            [
                figure.name,
                str(figure.kind),
                figure.unit,
                _exact(figure.value),
                _exact(figure.before),
                _exact(change_of(figure)),
                figure.formula,
            ]
            for figure in figures.figures
        ),
    )


def _exact(value: Any) -> Any:
    found = plain_value(value)
    return str(found).lower() if isinstance(found, bool) else found


def _free(files: dict[str, str], name: str) -> str:
    """The file's name; a second table of one name is numbered."""
    stem = "".join(c if c.isalnum() or c in "-_" else "-" for c in name) or "table"
    number = 1
    while (free := f"{stem}{'' if number == 1 else f'-{number}'}.csv") in files:
        number += 1
    return free
