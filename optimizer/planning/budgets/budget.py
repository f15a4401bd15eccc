# SPDX-License-Identifier: Apache-2.0
"""The table ``budgets``: amounts for a month, of everything or of a value of a column."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from optimizer.errors import DataError
from optimizer.tables import Case

TABLE = "budgets"
TAG = "tag_"


@dataclass(frozen=True)
class Budget:
    """One row: an amount for the month ``(year, month)``.

    ``column`` is a column that costs can be grouped by; ``""``: the whole bill.
    """

    name: str
    column: str
    value: str
    month: tuple[int, int]
    amount: Decimal
    row: int


def read_budgets(case: Case, columns: Sequence[str]) -> tuple[Budget, ...]:
    """Read all rows; a tag may be written with or without ``tag_``.

    Parameters
    ----------
    columns
        Those that costs can be grouped by.

    Raises
    ------
    DataError
        If a row names a column that usage does not have, or a value without a column.
    """
    if not case.has(TABLE):
        return ()
    found = []
    for number, row in zip(
        (frame := case.table(TABLE)).index, frame.to_dict("records"), strict=True
    ):
        tag, value = str(row["tag"]), str(row["value"])
        column = next((name for name in (tag, f"{TAG}{tag}") if name in columns), "")
        if tag and not column:
            raise DataError(
                f"budget '{row['budget']}' watches '{tag}', which is no column of usage",
                mend=f"write one of {', '.join(columns)}, or leave tag and value empty",
                file=case.file(TABLE),
                row=int(number),
                column="tag",
            )
        if value and not tag:
            raise DataError(
                f"budget '{row['budget']}' has the value '{value}' of no tag",
                mend="name the tag, or leave both empty for the whole bill",
                file=case.file(TABLE),
                row=int(number),
                column="tag",
            )
        year, month = str(row["month"]).split("-")
        found.append(
            Budget(
                str(row["budget"]), column, value, (int(year), int(month)), row["amount"],
                int(number),
            )
        )  # fmt: skip
    return tuple(found)
