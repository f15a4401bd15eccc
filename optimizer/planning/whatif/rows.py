# SPDX-License-Identifier: Apache-2.0
"""Which rows of a table an edit is of: by its own columns, and by those of what it refers to."""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import pandas as pd

from optimizer.billing.laws import law_of
from optimizer.errors import DataError
from optimizer.planning.whatif.edits import Edit, EditError, Where, matches
from optimizer.planning.whatif.grammar import near
from optimizer.tables import (
    Case,
    decimal_string,
    format_hour,
    parse_hour,
    table,
    usage_columns,
    usage_values,
)
from optimizer.tables.schema import NUMERIC

# Columns of the rows that a table refers to: (table, its column) → the other table.
_REFERS = {
    ("commitments", "offer"): "offers",
    ("covers", "offer"): "offers",
    ("covers", "meter"): "meters",
    ("provider_advice", "offer"): "offers",
    ("usage", "meter"): "meters",
    ("limits", "meter"): "meters",
    ("jobs", "meter"): "meters",
    ("deployments", "meter"): "meters",
}
_COMPARE = {
    "<=": operator.le,
    ">=": operator.ge,
    "<": operator.lt,
    ">": operator.gt,
    "==": operator.eq,
    "!=": operator.ne,
}
_PAID = ("upfront", "hourly", "monthly", "premium")  # of an offer: an absent payment is none


def text_of(value: Any, kind: str = "text") -> str:
    """A cell as people write it; absent is empty."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    if kind == "hour":
        return format_hour(int(value))
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Decimal):
        return decimal_string(value)
    if isinstance(value, tuple):
        return ";".join(value)
    return f"{value:.12g}" if isinstance(value, float) else str(value)


def number_of(value: Any) -> Decimal | None:
    """A cell as a number; ``None`` if it is absent."""
    text = text_of(value)
    return Decimal(text) if text else None


def chosen(case: Case, frame: pd.DataFrame, name: str, where: Where, edit: Edit) -> list[int]:
    """Positions of the rows that a condition is about; refused if there are none."""
    rows = list(range(len(frame)))
    for column, pattern in where.columns:
        values = _texts(case, frame, name, column, edit)
        rows = [row for row in rows if any(matches(pattern, one) for one in values[row])]
        if not any(matches(pattern, one) for cell in values for one in cell):
            raise _no_match(edit, name, column, pattern, {one for cell in values for one in cell})
    if not rows:
        raise EditError(
            edit.written,
            f"no row of {name} fulfils {where.text}" if where.text else f"{name} has no rows",
            mend="ask for rows that are there",
        )
    return rows


def named(frame: pd.DataFrame, name: str, pattern: str, edit: Edit) -> list[int]:
    """Positions of the rows whose first column has a name like the pattern."""
    column = table(name).columns[0].name
    values = [str(value) for value in frame[column]]
    rows = [row for row, value in enumerate(values) if matches(pattern, value)]
    if not rows:
        raise _no_match(edit, name, column, pattern, set(values))
    return rows


def usage_only(case: Case, where: Where, edit: Edit) -> dict[str, tuple[str, ...]]:
    """A condition on usage as the values of its own columns; meters' columns become meters."""
    only: dict[str, tuple[str, ...]] = {}
    meters = case.table("meters")
    for column, pattern in where.columns:
        held = usage_values(case, column)
        own = "meter"
        if held is not None:
            own = column
            fitting = [value for value in held if matches(pattern, value)]
            known = set(held)
        elif column in meters.columns:
            names = usage_values(case, "meter") or []
            of = dict(zip(meters["meter"], (text_of(v) for v in meters[column]), strict=True))
            fitting = [meter for meter in names if matches(pattern, of.get(meter, ""))]
            known = set(of.values())
        else:
            columns = (*usage_columns(case), *meters.columns)
            raise EditError(
                edit.written,
                f"neither usage nor meters has a column '{column}'",
                mend=f"use one of {', '.join(usage_columns(case))}, or a column of meters",
                near=near(column, columns),
            )
        if not fitting:
            raise _no_match(edit, "usage", column, pattern, known)
        before = only.get(own)
        only[own] = tuple(v for v in fitting if before is None or v in before)
    return only


def compare(name: str, column: str, cell: Any, comparison: str, value: str, edit: Edit) -> bool:
    """Whether a cell compares so with a value; what is absent only differs from it."""
    kinds = {known.name: known.kind for known in table(name).columns}
    kind = kinds.get(column, "text")
    left: Any
    right: Any
    if kind in NUMERIC:
        left = number_of(cell)
        if left is None and name == "offers" and column in _PAID:
            left = Decimal(0)
        right = _decimal(value, edit)
    elif kind == "hour":
        left = None if cell is None else int(cell)
        try:
            right = parse_hour(value)
        except DataError as error:
            raise EditError(edit.written, error.problem, mend=error.mend) from None
    else:
        left, right = text_of(cell) or None, value
        if comparison not in ("==", "!="):
            raise EditError(
                edit.written, f"{column} is text: only == and != compare it", mend="use one of them"
            )
        if comparison == "==":
            return left is not None and matches(right, left)
        return left is None or not matches(right, left)
    if left is None:
        return comparison == "!="
    return bool(_COMPARE[comparison](left, right))


def _decimal(value: str, edit: Edit) -> Decimal:
    try:
        number = Decimal(value)
    except ArithmeticError:
        number = Decimal("NaN")
    if not number.is_finite() or abs(number) > Decimal("1e15"):
        raise EditError(edit.written, f"'{value}' is no number to compare with", mend="write one")
    return number


def _texts(
    case: Case, frame: pd.DataFrame, name: str, column: str, edit: Edit
) -> list[tuple[str, ...]]:
    """What each row has in a column, its own or that of what it refers to."""
    kinds = {known.name: known.kind for known in table(name).columns}
    if column in frame.columns:
        return [(text_of(value, kinds.get(column, "text")),) for value in frame[column]]
    if name == "offers" and column in ("provider", "meter"):
        return _of_offers(case, frame, column)
    for (mine, key), other in _REFERS.items():
        if mine != name:
            continue
        rows = case.table(other)
        if column not in rows.columns and not (other == "offers" and column == "provider"):
            continue
        found = _texts(case, rows, other, column, edit)
        of = dict(zip(rows[table(other).columns[0].name], found, strict=True))
        return [of.get(value, ("",)) for value in frame[key]]
    raise EditError(
        edit.written,
        f"{name} has no column '{column}'",
        mend=f"use one of {', '.join(frame.columns)}",
        near=near(column, [str(one) for one in frame.columns]),
    )


def _of_offers(case: Case, frame: pd.DataFrame, column: str) -> list[tuple[str, ...]]:
    """The meters that offers cover, or their providers: that of the law, else of the meters."""
    meters: dict[str, list[str]] = {}
    covers = case.table("covers")
    for offer, meter in zip(covers["offer"], covers["meter"], strict=True):
        meters.setdefault(offer, []).append(meter)
    if column == "meter":
        return [tuple(meters.get(offer, ("",))) for offer in frame["offer"]]
    known = case.table("meters")
    provider = dict(zip(known["meter"], known["provider"], strict=True))
    found = []
    for offer, law in zip(frame["offer"], frame["law"], strict=True):
        own = law_of(law).provider
        of = {provider.get(meter, "") for meter in meters.get(offer, [])}
        found.append((own,) if own else tuple(sorted(of)) or ("",))
    return found


def _no_match(edit: Edit, name: str, column: str, pattern: str, known: set[str]) -> EditError:
    names: Sequence[str] = sorted(known - {""})
    examples = ", ".join(names[:3])
    return EditError(
        edit.written,
        f"nothing in {name} has the {column} '{pattern}'",
        mend=f"use a name or pattern that is there, such as {examples}"
        if examples
        else f"fill {column} first",
        near=near(pattern, names),
    )
