# SPDX-License-Identifier: Apache-2.0
"""Cases made in memory, for properties that look at hundreds of them."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from optimizer.billing import Bill, bill_case
from optimizer.tables import Case, UsageLines, parse_settings, table

from .conftest import START

Row = dict[str, Any]
TABLES = ("meters", "offers", "covers", "commitments")
TOML = 'currency = "USD"\nas_of = "2026-11-02T00:00:00Z"\n'
ABSENT = {"id": "", "text": "", "enum": "", "number": float("nan"), "share": float("nan")}


def meter(name: str, provider: str, on_demand: Decimal, size: float) -> Row:
    """A meter whose spot price is a quarter of its price."""
    row = {"meter": name, "provider": provider, "product": "other", "unit": "Hours", "size": size}
    return row | {"on_demand": on_demand, "spot": on_demand / 4}


def frame(name: str, rows: tuple[Row, ...]) -> pd.DataFrame:
    """Rows as :meth:`Case.table` gives them, absent columns included."""
    absent = {column.name: ABSENT.get(column.kind) for column in table(name).columns}
    data = np.empty((len(rows), len(absent)), dtype=object)
    for i, row in enumerate(rows):
        assert row.keys() <= absent.keys()
        data[i] = list((absent | row).values())
    index = pd.RangeIndex(1, len(rows) + 1)
    return pd.DataFrame(data, columns=list(absent), index=index, dtype=object)


@dataclass(frozen=True)
class World:
    """Rows of tables; usage is (meter, account, zone, quantities, spot share)."""

    meters: tuple[Row, ...]
    offers: tuple[Row, ...]
    covers: tuple[Row, ...]
    commitments: tuple[Row, ...]
    usage: tuple[tuple[str, str, str, tuple[float, ...], float], ...]
    mode: str = "organization"

    @property
    def draws(self) -> dict[tuple[str, str], Decimal]:
        """The draw of a unit, by commitment and meter."""
        return {
            (held["commitment"], row["meter"]): row["draw"]
            for held in self.commitments
            for row in self.covers
            if row["offer"] == held["offer"]
        }

    def offer_of(self, held: Row) -> Row:
        """The row of the offer of a commitment."""
        return next(row for row in self.offers if row["offer"] == held["offer"])

    @property
    def case(self) -> Case:
        """The case, as if it had been read."""
        sharing = "".join(
            f'[[sharing.{provider}]]\nfrom = "2026-01-01"\nmode = "{self.mode}"\n'
            for provider in ("aws", "azure", "gcp")
        )
        return Case(
            path=Path(),
            settings=parse_settings(TOML + sharing),
            snapshot="",
            _frames={name: frame(name, getattr(self, name)) for name in TABLES},
            _files={name: f"{name}.csv" for name in (*TABLES, "usage")},
            _lines=[self.lines],
            _store=None,  # type: ignore[arg-type] # no database: nothing is to be read
        )

    @property
    def lines(self) -> UsageLines:
        """The usage as arrays, in the order that reading gives it."""
        rows = sorted(self.usage)
        quantity = np.array([row[3] for row in rows], dtype=float)
        values: Row = {
            "meter": tuple(row[0] for row in rows),
            "account": tuple(row[1] for row in rows),
            "zone": tuple(row[2] for row in rows),
            "lost_hours": np.full(len(rows), 0.5),
            "restart_cost": (Decimal(0),) * len(rows),
            "unmet_penalty": (None,) * len(rows),
            "first_hour": START,
            "quantity": quantity,
            "spot": quantity * np.array([[row[4]] for row in rows]),
            "spot_taken": np.zeros_like(quantity),
            "tolerant": np.zeros_like(quantity),
            "present": np.ones_like(quantity, dtype=bool),
        }
        flags = {field.name for field in fields(UsageLines)} - set(values)
        return UsageLines(**values, **{name: np.zeros(len(rows), dtype=bool) for name in flags})

    def bill(self) -> Bill:
        """The bill of the world."""
        return bill_case(self.case)

    def renamed(self, names: dict[str, str]) -> World:
        """The same world with other names for its accounts."""
        return replace(
            self,
            usage=tuple((row[0], names[row[1]], *row[2:]) for row in self.usage),
            commitments=tuple(
                row | {"account": names.get(row["account"], "")} for row in self.commitments
            ),
        )
