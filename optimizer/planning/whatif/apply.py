# SPDX-License-Identifier: Apache-2.0
"""Edits applied to a case: a case of its own, which no file holds."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import pandas as pd

from optimizer.demand.horizon import has_routing
from optimizer.errors import DataError
from optimizer.planning.whatif.edits import (
    Add,
    Cells,
    Demand,
    Drop,
    Edit,
    EditError,
    Keep,
    Setting,
)
from optimizer.planning.whatif.grammar import MOST_FACTOR, near
from optimizer.planning.whatif.rows import chosen, compare, named, number_of, text_of, usage_only
from optimizer.planning.whatif.settings import edited_settings
from optimizer.tables import (
    Case,
    UsageRows,
    UsageScale,
    decimal_string,
    edited_case,
    format_hour,
    parse_hour,
    table,
)
from optimizer.tables.edited import UsageChange
from optimizer.tables.schema import NUMERIC

_WORKLOAD_COLUMNS = frozenset({"workload"})


@dataclass
class _State:
    """A case while it is edited."""

    case: Case
    settings: Any
    frames: dict[str, pd.DataFrame] = field(default_factory=dict)
    usage: list[UsageChange] = field(default_factory=list)
    forbidden: set[str] = field(default_factory=set)
    touched: dict[tuple[str, str, str], Edit] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def frame(self, name: str) -> pd.DataFrame:
        """The table as it is now."""
        return self.frames[name] if name in self.frames else self.case.table(name)

    def touch(self, name: str, key: str, column: str, edit: Edit) -> None:
        """Refuse a second edit of the same cell."""
        before = self.touched.setdefault((name, key, column), edit)
        if before is not edit:
            raise EditError(
                edit.written,
                f"it contradicts {before.written!r}: both change {column or 'the row'} of {key}",
                mend="let one of the two leave that row alone",
            )


@dataclass(frozen=True)
class Applied:
    """An edited case, the offers that it forbids, and what a reader must know."""

    case: Case
    forbidden: frozenset[str]
    notes: tuple[str, ...]


def apply_edits(case: Case, edits: Sequence[Edit]) -> Applied:
    """Apply edits, in the order in which they are written, to a case.

    Raises
    ------
    EditError
        If an edit names what the case does not have, or contradicts another one.
    DataError
        If the edited tables are refused, as those of a case that is read would be.
    """
    state = _State(case, case.settings)
    for edit in edits:
        _APPLY[type(edit)](state, edit)
    try:
        made = edited_case(
            case,
            name=json.dumps([edit.written for edit in edits]),
            settings=state.settings,
            frames=state.frames,
            usage=state.usage,
        )
    except DataError as error:
        words = ", ".join(repr(edit.written) for edit in edits)
        raise DataError(
            f"with {words}: {error.problem}",
            mend=error.mend,
            file=error.file,
            row=error.row,
            column=error.column,
        ) from error
    return Applied(made, frozenset(state.forbidden), tuple(state.notes))


def _demand(state: _State, edit: Demand) -> None:
    case, where = state.case, edit.where
    columns = {column for column, _ in where.columns}
    if has_routing(case) and columns <= _WORKLOAD_COLUMNS:
        frame = state.frame("workloads").copy()
        requests = list(frame["requests"])
        for row in chosen(case, frame, "workloads", where, edit) if len(frame) else ():
            requests[row] = float(requests[row]) * float(edit.factor)
        frame["requests"] = pd.Series(requests, index=frame.index, dtype=object)
        state.frames["workloads"] = frame
        if not case.has("usage") or columns:
            return
    case.require("usage")
    state.usage.append(UsageScale(usage_only(case, where, edit), edit.factor))


def _cells(state: _State, edit: Cells) -> None:
    frame = state.frame(edit.table).copy()
    if edit.column not in frame.columns:
        frame[edit.column] = ""
    kinds = {column.name: column.kind for column in table(edit.table).columns}
    kind = kinds.get(edit.column, "text")
    names, cells = list(frame[frame.columns[0]]), list(frame[edit.column])
    changed = 0
    for row in chosen(state.case, frame, edit.table, edit.where, edit):
        if edit.change.relative:
            if kind not in NUMERIC:
                raise EditError(
                    edit.written, f"{edit.column} is no number", mend="write its new value"
                )
            number = number_of(cells[row])
            if number is None:
                continue
            after: Any = edit.change.of(number)
            if abs(after) > MOST_FACTOR * Decimal(10) ** 12:
                raise EditError(edit.written, f"it makes {after:f}", mend="stay below 1e15")
            cells[row] = decimal_string(after.normalize())
        else:
            cells[row] = _absent(edit.change.text)
        state.touch(edit.table, text_of(names[row]), edit.column, edit)
        changed += 1
    if not changed:
        raise EditError(
            edit.written,
            f"none of the rows has a {edit.column} that could change by that",
            mend=f"write {edit.table}{edit.where.text}.{edit.column}=VALUE",
        )
    frame[edit.column] = pd.Series(cells, index=frame.index, dtype=object)
    state.frames[edit.table] = frame


def _keep(state: _State, edit: Keep) -> None:
    frame = state.frame(edit.table).copy()
    rows = chosen(state.case, frame, edit.table, edit.where, edit)
    column = frame[edit.column] if edit.column in frame.columns else [None] * len(frame)
    cells = list(column)
    out = [
        row
        for row in rows
        if not compare(edit.table, edit.column, cells[row], edit.comparison, edit.value, edit)
    ]
    if not out:
        state.notes.append(f"{edit.written!r} changes nothing: all rows fulfil it")
    _remove(state, edit.table, frame, out, edit)


def _drop(state: _State, edit: Drop) -> None:
    frame = state.frame(edit.table).copy()
    rows = named(frame, edit.table, edit.pattern, edit)
    _remove(state, edit.table, frame, rows, edit)


def _remove(state: _State, name: str, frame: pd.DataFrame, rows: list[int], edit: Edit) -> None:
    """Take rows out; offers stay as what may be held, and cannot be bought any more."""
    names = [text_of(value) for value in frame[frame.columns[0]]]
    for row in rows:
        for known, before in state.touched.items():
            if known[:2] == (name, names[row]) and known[2]:
                raise EditError(
                    edit.written,
                    f"it contradicts {before.written!r}: that changes {known[1]}, this drops it",
                    mend="keep one of the two",
                )
        state.touched.setdefault((name, names[row], ""), edit)
    if name == "offers":
        now = state.settings.as_of
        opens, ends = list(frame["available_from"]), list(frame["available_until"])
        for row in rows:
            state.forbidden.add(names[row])
            if (opens[row] is None or opens[row] < now) and (ends[row] is None or ends[row] > now):
                ends[row] = now
        frame["available_until"] = pd.Series(ends, index=frame.index, dtype=object)
        state.frames[name] = frame
        return
    state.frames[name] = frame.drop(frame.index[rows])


def _add(state: _State, edit: Add) -> None:
    values = dict(edit.values)
    if edit.table == "usage":
        _add_usage(state, edit, values)
        return
    if edit.table == "commitments":
        values = _commitment(state, edit, values)
    frame = state.frame(edit.table)
    key = table(edit.table).columns[0].name
    for column in table(edit.table).columns:
        if column.required and not values.get(column.name):
            raise EditError(
                edit.written,
                f"a row of {edit.table} needs {column.name} ({column.description})",
                mend=f"add {column.name}:VALUE",
            )
    state.touch(edit.table, values[key], "" if edit.table != "covers" else edit.written, edit)
    row = {column: _absent(values.get(str(column), "")) for column in frame.columns}
    row |= {column: value for column, value in values.items() if column not in row}
    more = pd.DataFrame([row], dtype=object)
    state.frames[edit.table] = pd.concat([frame, more], ignore_index=True).astype(object)


def _commitment(state: _State, edit: Edit, values: dict[str, str]) -> dict[str, str]:
    """A commitment as it would be bought now: from as_of, for the offer's term."""
    offers = state.frame("offers")
    names = [str(name) for name in offers["offer"]]
    offer = values.get("offer", "")
    if offer not in names:
        raise EditError(
            edit.written,
            f"there is no offer '{offer}'" if offer else "it names no offer",
            mend="name one of the case's offers as offer:NAME",
            near=near(offer, names),
        )
    term = int(offers["term_hours"].iloc[names.index(offer)])
    number = sum(name == "commitments" for name, _, _ in state.touched) + 1
    values = {"commitment": f"what-if-{number}", **values}
    values.setdefault("start", format_hour(state.settings.as_of))
    try:
        values.setdefault("end", format_hour(parse_hour(values["start"]) + term))
    except DataError as error:
        raise EditError(edit.written, error.problem, mend=error.mend) from None
    return values


def _add_usage(state: _State, edit: Edit, values: dict[str, str]) -> None:
    """A constant amount in every hour of the horizon."""
    meter, amount = values.pop("meter", ""), values.pop("quantity", "")
    names = [str(name) for name in state.frame("meters")["meter"]]
    if meter not in names:
        raise EditError(
            edit.written,
            f"there is no meter '{meter}'" if meter else "it names no meter",
            mend="name a meter of the case, or add it before with meters+=…",
            near=near(meter, names),
        )
    quantity = Decimal(amount) if amount.replace(".", "", 1).isdigit() else None
    if quantity is None or quantity >= Decimal(10) ** 12 or "hour" in values:
        raise EditError(
            edit.written,
            "usage+= needs a quantity for each hour of the horizon, and no hour",
            mend="write usage+=meter:NAME,quantity:8",
        )
    start = state.settings.as_of
    state.usage.append(
        UsageRows(start, start + state.settings.horizon_hours, quantity, {"meter": meter, **values})
    )


def _setting(state: _State, edit: Setting) -> None:
    state.settings = edited_settings(state.settings, edit)


def _absent(text: str) -> str | None:
    return None if text == "none" or not text else text


_APPLY: dict[type[Edit], Callable[[_State, Any], None]] = {
    Demand: _demand,
    Cells: _cells,
    Keep: _keep,
    Drop: _drop,
    Add: _add,
    Setting: _setting,
}
