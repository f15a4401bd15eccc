# SPDX-License-Identifier: Apache-2.0
"""Small cases from compact Python data, written as a folder and read back like any other."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from optimizer.billing import Bill, bill_case
from optimizer.billing.bill import HoldingBill, LineBill
from optimizer.tables import Case, format_hour, parse_hour, read_case

from ..program.memory import all_known, row_case
from ..seeds import ALL

START = parse_hour("2026-11-02T00:00:00Z")
NEW_YEAR = parse_hour("2023-01-01T00:00:00Z")

Number = int | float | str | Decimal


class Small:
    """A small case, row by row; hours count from :data:`START`, absent columns are empty."""

    def __init__(self, folder: Path, start: int = START) -> None:
        self.folder = folder
        self.start = start
        self.toml = ""
        self.tables: dict[str, list[dict[str, Any]]] = {
            name: [] for name in ("meters", "usage", "offers", "covers", "commitments")
        }

    def meter(self, name: str, on_demand: Number | None, **more: Any) -> None:
        row = {"meter": name, "provider": "aws", "product": "instance", "unit": "Instance-Hours"}
        self.tables["meters"].append({**row, "on_demand": on_demand, **more})

    def use(
        self, meter: str, quantity: Number | Sequence[Number], at: int = 0, **more: Any
    ) -> None:
        """Usage from hour ``at`` on: one quantity, or one for each hour."""
        single = isinstance(quantity, int | float | str | Decimal)
        for hour, amount in enumerate([quantity] if single else quantity, start=self.start + at):
            row = {"hour": format_hour(hour), "meter": meter, "quantity": amount}
            self.tables["usage"].append({**row, **more})

    def offer(self, name: str, law: str, covers: dict[str, Number], **more: Any) -> None:
        """An offer and what it covers; money for plans, one year, free unless stated."""
        money = law.split(".")[1] in ("savings", "flexible")
        row = {"offer": name, "law": law, "measure": "money" if money else "units"}
        row |= {"term_hours": 8760}
        if not {"upfront", "monthly", "hourly"} & set(more):
            row["hourly"] = 1 if money else 0
        self.tables["offers"].append({**row, **more})
        for meter, draw in covers.items():
            self.tables["covers"].append({"offer": name, "meter": meter, "draw": draw})

    def hold(
        self,
        offer: str,
        quantity: Number,
        name: str = "",
        at: int = 0,
        hours: int = 8760,
        **more: Any,
    ) -> None:
        row = {"commitment": name or offer, "offer": offer, "quantity": quantity}
        span = {"start": format_hour(self.start + at), "end": format_hour(self.start + at + hours)}
        self.tables["commitments"].append({**row, **span, **more})

    @property
    def head(self) -> str:
        return f'currency = "USD"\nas_of = "{format_hour(self.start)}"\n'

    def write(self) -> Path:
        self.folder.mkdir(exist_ok=True)
        (self.folder / "case.toml").write_text(self.head + self.toml)
        for name, rows in self.tables.items():
            if rows:
                write_table(self.folder / f"{name}.csv", rows)
        return self.folder

    def case(self) -> Case:
        return read_case(self.write())

    def made(self) -> Case:
        """The case in memory where that knows all columns, else read: reading takes 0.15 s.

        What reading refuses is not refused; with ``GPUOPT_SEEDS=all`` every case is read.
        """
        rows = {name: rows for name, rows in self.tables.items() if rows}
        known = all_known(rows) and not ALL
        return row_case(self.head, self.toml, rows) if known else self.case()

    def bill(self) -> Bill:
        return bill_case(self.made())


def write_table(file: Path, rows: Iterable[dict[str, Any]]) -> None:
    rows = list(rows)
    with file.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, list(dict.fromkeys(key for row in rows for key in row)))
        writer.writeheader()
        writer.writerows(rows)


def line(bill: Bill, meter: str, account: str = "", zone: str = "") -> LineBill:
    """The one line of a meter in an account and zone."""
    (found,) = (
        row for row in bill.lines if (row.meter, row.account, row.zone) == (meter, account, zone)
    )
    return found


def held(bill: Bill, name: str) -> HoldingBill:
    (found,) = (row for row in bill.holdings if row.commitment == name)
    return found


@pytest.fixture
def small(tmp_path: Path) -> Small:
    return Small(tmp_path / "case")


@pytest.fixture
def january(tmp_path: Path) -> Small:
    """A small case that begins with the year 2023."""
    return Small(tmp_path / "case", NEW_YEAR)
