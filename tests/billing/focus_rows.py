# SPDX-License-Identifier: Apache-2.0
"""The bill of a small case as FOCUS rows, as people read them."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import pandas as pd

from optimizer.billing import Bill, bill_case, read_holdings
from optimizer.billing.focus import (
    AMOUNTS,
    PRICES,
    check_focus,
    focus_frame,
)

from .conftest import Small

Row = dict[str, Any]


@dataclass(frozen=True)
class Export:
    """Rows as people read them: amounts and prices are decimals, no value is ``None``."""

    bill: Bill
    frame: pd.DataFrame
    rows: list[Row]
    problems: list[str]

    def of(self, **wanted: str | None) -> list[Row]:
        return [
            row for row in self.rows if all(row[name] == value for name, value in wanted.items())
        ]

    def one(self, **wanted: str | None) -> Row:
        (row,) = self.of(**wanted)
        return row

    def total(self, column: str, **wanted: str | None) -> Decimal:
        return sum((row[column] for row in self.of(**wanted)), Decimal(0))


def rows_of(frame: pd.DataFrame) -> list[Row]:
    columns: dict[str, list[Any]] = {}
    for name in frame.columns:
        values = [None if pd.isna(value) else value for value in frame[name].astype(object)]
        if name in AMOUNTS:
            values = [None if value is None else Decimal(value) / 10**9 for value in values]
        elif name in PRICES:
            values = [None if value is None else Decimal(value) for value in values]
        columns[name] = values
    return [
        dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)
    ]


def export(small: Small) -> Export:
    case = small.made()
    bill = bill_case(case)
    frame = focus_frame(case, bill)
    problems = check_focus(frame, bill, read_holdings(case, bill.catalogue))
    return Export(bill, frame, rows_of(frame), problems)
