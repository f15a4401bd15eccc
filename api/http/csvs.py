# SPDX-License-Identifier: Apache-2.0
"""Rows as a CSV that is offered as a file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from fastapi import Response

from optimizer.reporting.csvs import csv_text


def csv_response(columns: Sequence[str], rows: Iterable[Mapping[str, Any]], name: str) -> Response:
    """Return rows as a CSV that is offered as a file; formulas are made inert."""
    return Response(
        csv_text(columns, ([row.get(column) for column in columns] for row in rows)),
        media_type="text/csv",
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )
