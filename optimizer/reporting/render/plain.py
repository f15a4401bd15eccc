# SPDX-License-Identifier: Apache-2.0
"""A report as JSON: every value exactly, in the unit that its column names."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from optimizer.reporting.document import Block as AnyBlock
from optimizer.reporting.document import Chart, Column, Document, Figure, Figures, Prose, Table
from optimizer.reporting.render.values import change_of
from optimizer.tables import decimal_string


def json_text(document: Document) -> str:
    """Return a report as JSON: decimals as strings that lose nothing, moments in UTC."""
    return json.dumps(as_plain(document), indent=1, allow_nan=False, ensure_ascii=False) + "\n"


def as_plain(document: Document) -> dict[str, Any]:
    """Return a report as a mapping of JSON values.

    Raises
    ------
    ValueError
        If a number is not finite.
    """
    return {
        "schema_version": document.schema_version,
        "report": document.name,
        "title": document.title,
        "currency": document.currency,
        "headline": document.headline,
        "facts": dict(document.facts),
        "sections": [
            {
                "name": section.name,
                "title": section.title,
                "blocks": [_block(block) for block in section.blocks],
            }
            for section in document.sections
        ],
    }


def _block(block: AnyBlock) -> dict[str, Any]:
    match block:
        case Prose():
            return {"type": "prose", "tone": block.tone, "text": block.text}
        case Figures():
            figures = [_figure(figure) for figure in block.figures]
            return {"type": "figures", "name": block.name, "figures": figures}
        case Chart():
            return {
                "type": "chart",
                "name": block.name,
                "title": block.title,
                "summary": block.summary,
                "spec": plain_value(block.spec),
                "table": _table(block.table),
            }
        case Table():
            return {"type": "table", **_table(block)}


def _figure(figure: Figure) -> dict[str, Any]:
    return {
        "name": figure.name,
        "title": figure.title,
        "kind": str(figure.kind),
        "unit": figure.unit,
        "value": plain_value(figure.value),
        "before": plain_value(figure.before),
        "change": plain_value(change_of(figure)),
        "better": str(figure.better),
        "formula": figure.formula,
        "note": figure.note,
    }


def _table(table: Table) -> dict[str, Any]:
    names = [column.name for column in table.columns]
    return {
        "name": table.name,
        "title": table.title,
        "columns": [_column(column) for column in table.columns],
        "rows": [
            {
                "key": row.key,
                "source": row.source,
                "emphasis": row.emphasis,
                "values": dict(zip(names, map(plain_value, row.values), strict=True)),
            }
            for row in table.rows
        ],
        "note": table.note,
        "rest": table.rest,
        "empty": table.empty,
    }


def _column(column: Column) -> dict[str, str]:
    return {
        "name": column.name,
        "title": column.title,
        "kind": str(column.kind),
        "unit": column.unit,
        "formula": column.formula,
    }


def plain_value(value: Any) -> Any:
    """Return a value as JSON has it; decimals keep all their digits, as a string."""
    if isinstance(value, Decimal):
        return decimal_string(value)
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"{value} is no number of a report")
    if isinstance(value, datetime):
        aware = value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
        return aware.replace(tzinfo=None).isoformat() + "Z"
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Mapping):
        return {str(key): plain_value(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain_value(item) for item in value]
    return value
