# SPDX-License-Identifier: Apache-2.0
"""Cases made in memory from the same rows as folders: reading a folder takes 0.2 s."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from optimizer.tables import Case, UsageLines, parse_hour, parse_settings
from optimizer.tables.lines import DEFAULT_LOST_HOURS
from optimizer.tables.schema import Column, table

from .folders import Row, at

NAN = float("nan")
ABSENT = {"id": "", "text": "", "enum": "", "list": (), "number": NAN, "share": NAN}
BASIC = ("meters", "usage", "offers", "covers", "commitments")
USAGE = {
    *("hour", "meter", "quantity", "account", "zone", "workload", "job"),
    *("spot_share", "spot_tolerant", "lost_hours", "restart_cost", "unmet_penalty"),
}
Line = tuple[str, str, str, float, Decimal, bool, Decimal]


@dataclass(frozen=True)
class RowCase(Case):
    """A case as if it had been read; what reading refuses is not refused here."""

    toml: str = ""
    rows: dict[str, list[Row]] = field(default_factory=dict)

    def usage_lines(self) -> UsageLines:
        if not self._lines:
            self._lines.append(_lines(self.rows["usage"], {}))
        return self._lines[0]

    def usage_part(self, **only: str) -> UsageLines:
        return _lines(self.rows["usage"], only)


def memory_case(horizon: int, toml: str = "", **tables: list[Row]) -> RowCase:
    """What ``folders.case_of`` reads from a folder, without the folder."""
    head = f'currency = "USD"\nas_of = "{at(0)}"\nhorizon_hours = {horizon}\n'
    return row_case(head, toml, dict.fromkeys(BASIC, ()) | tables)


def row_case(head: str, toml: str, tables: Mapping[str, Sequence[Row]]) -> RowCase:
    """A case of these tables, whose settings are ``head`` and ``toml``."""
    rows = {name: list(rows) for name, rows in tables.items()}
    return RowCase(
        path=Path(),
        settings=parse_settings(head + toml),
        snapshot="sha256:memory",
        _frames={name: _frame(name, rows[name]) for name in rows if name != "usage"},
        _files={name: f"{name}.csv" for name in rows},
        _store=None,  # type: ignore[arg-type] # no database: nothing is to be read
        toml=toml,
        rows=rows,
    )


def all_known(tables: Mapping[str, Sequence[Row]]) -> bool:
    """Whether the columns are all those that a case in memory knows."""
    return all(
        row.keys() <= (USAGE if name == "usage" else {each.name for each in table(name).columns})
        for name, rows in tables.items()
        for row in rows
    )


def case_of(_: Path, horizon: int, toml: str = "", **tables: list[Row]) -> RowCase:
    """``folders.case_of`` for what a plan is made of: nothing is written, nothing read."""
    return memory_case(horizon, toml, **tables)


def _frame(name: str, rows: list[Row]) -> pd.DataFrame:
    columns = {column.name: column for column in table(name).columns}
    data = np.empty((len(rows), len(columns)), dtype=object)
    for i, row in enumerate(rows):
        data[i] = [_cell(column, row.get(key, "")) for key, column in columns.items()]
    index = pd.RangeIndex(1, len(rows) + 1, name="row")
    return pd.DataFrame(data, columns=list(columns), index=index, dtype=object)


def _cell(column: Column, value: Any) -> Any:
    if value is None or value == "":
        return ABSENT.get(column.kind)
    if column.kind == "decimal":
        return Decimal(str(value))
    if column.kind in ("number", "share"):
        return float(value)
    if column.kind == "integer":
        return int(value)
    if column.kind == "list":
        return tuple(part.strip() for part in value.split(";"))
    if column.kind == "hour":
        return parse_hour(value)
    return str(value).lower() == "true" if column.kind == "boolean" else str(value)


def _key(row: Row) -> Line:
    assert row.keys() <= USAGE, row.keys() - USAGE  # of others nothing is known here
    penalty = str(row.get("unmet_penalty", ""))
    return (
        *(str(row.get(name, "")) for name in ("meter", "account", "zone")),
        float(row.get("lost_hours") or DEFAULT_LOST_HOURS),
        Decimal(str(row.get("restart_cost") or 0)),
        penalty != "",
        Decimal(penalty or 0),
    )


def _lines(rows: list[Row], only: dict[str, str]) -> UsageLines:
    keys = sorted({_key(row) for row in rows})
    hours = [parse_hour(row["hour"]) for row in rows]
    first, shape = min(hours), (len(keys), max(hours) - min(hours) + 1)
    quantity, tolerant, spot = np.zeros(shape), np.zeros(shape), np.zeros(shape)
    present = np.zeros(shape, dtype=bool)
    for row, hour in zip(rows, hours, strict=True):
        if all(str(row.get(name, "")) == value for name, value in only.items()):
            cell = keys.index(_key(row)), hour - first
            present[cell] = True
            quantity[cell] += float(row["quantity"])
            spot[cell] += float(row["quantity"]) * float(row.get("spot_share") or 0)
            tolerant[cell] += float(row["quantity"]) * float(row.get("spot_tolerant") or 0)
    return UsageLines(
        meter=tuple(key[0] for key in keys),
        account=tuple(key[1] for key in keys),
        zone=tuple(key[2] for key in keys),
        lost_hours=np.array([key[3] for key in keys]),
        restart_cost=tuple(key[4] for key in keys),
        unmet_penalty=tuple(key[6] if key[5] else None for key in keys),
        first_hour=first,
        quantity=quantity,
        spot=spot,
        spot_taken=np.zeros(shape),
        tolerant=tolerant,
        present=present,
        daily=np.zeros(len(keys), dtype=bool),
    )
