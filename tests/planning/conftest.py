# SPDX-License-Identifier: Apache-2.0
"""Cases from lists of rows, and one that has a bit of everything a plan document can say."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from optimizer.tables import Case, read_case

Row = dict[str, Any]
Build = Callable[..., Case]
Write = Callable[..., Case]
HOURS = 6
TOML = f'currency = "USD"\nas_of = "2026-11-21T00:00:00Z"\nhorizon_hours = {HOURS}\n'


def at(hour: int) -> str:
    return f"2026-11-{21 + hour // 24}T{hour % 24:02d}:00:00Z"


def write_rows(folder: Path, toml: str, tables: dict[str, list[Row]]) -> Case:
    """Write a case, a row's absent columns empty, and read it."""
    (folder / "case.toml").write_text(toml, encoding="utf-8")
    for name, rows in tables.items():
        columns = list(dict.fromkeys(column for row in rows for column in row))
        with (folder / f"{name}.csv").open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, columns, lineterminator="\n", restval="")
            writer.writeheader()
            writer.writerows(rows)
    return read_case(folder)


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write cases of some hours, each in a folder of its own, and read them."""

    def make(hours: int, toml: str = "", **tables: list[Row]) -> Case:
        folder = tmp_path / f"case-{len(list(tmp_path.iterdir()))}"
        folder.mkdir()
        head = f'currency = "USD"\nas_of = "{at(0)}"\nhorizon_hours = {hours}\n'
        return write_rows(folder, head + toml, tables)

    return make


def tables() -> dict[str, list[Row]]:
    """Two meters, spot on one; a reservation, a money plan, losers of every kind, a holding."""
    meters = [
        {"meter": "gpu", "on_demand": "10", "spot": "4", "size": "2", "zone": "z1"},
        {"meter": "cpu", "on_demand": "1", "spot": "", "size": "1", "zone": "z1"},
        {"meter": "tpu", "on_demand": "5", "spot": "", "size": "1", "zone": "z1"},
    ]
    meters = [
        {"provider": "aws", "product": "instance", "unit": "Instance-Hours"} | row for row in meters
    ]
    use = {"gpu": [6, 6, 4, 4, 4, 4], "cpu": [4, 4, 4, 4, 10, 10]}
    usage = [
        {
            "hour": at(hour),
            "meter": name,
            "quantity": quantity,
            "spot_tolerant": 0.25 if name == "gpu" else 0,
        }
        for name, quantities in use.items()
        for hour, quantity in enumerate(quantities)
    ]
    units = {"law": "aws.reserved.regional", "measure": "units", "term_hours": HOURS}
    money = {"law": "aws.savings.compute", "measure": "money", "term_hours": HOURS}
    offers = [
        units | {"offer": "ri", "upfront": "12", "hourly": "3", "provider_offer_id": "ri-123"},
        units | {"offer": "ri-dear", "hourly": "5.5"},
        units | {"offer": "ri-above", "hourly": "10"},
        units | {"offer": "ri-closed", "hourly": "1", "available_until": at(0)},
        units | {"offer": "ri-idle", "hourly": "1"},
        money | {"offer": "sp", "hourly": "1"},
    ]
    keys = ("upfront", "provider_offer_id", "available_until", "maximum")
    offers = [dict.fromkeys(keys, "") | row for row in offers]
    covers = [
        {"offer": offer, "meter": meter, "draw": draw}
        for offer, meter, draw in [
            ("ri", "gpu", "1"),
            ("ri-dear", "gpu", "1"),
            ("ri-above", "gpu", "1"),
            ("ri-closed", "gpu", "1"),
            ("ri-idle", "tpu", "1"),
            ("sp", "gpu", "7"),
            ("sp", "cpu", "0.8"),
        ]
    ]
    held = [{"commitment": "c", "offer": "ri", "quantity": 1, "start": at(0), "end": at(3)}]
    return {
        "meters": meters,
        "usage": usage,
        "offers": offers,
        "covers": covers,
        "commitments": held,
    }


@pytest.fixture
def build(tmp_path: Path) -> Build:
    """Write the case, with tables changed, and read it."""

    def make(toml: str = "", **changes: list[Row]) -> Case:
        return write_rows(tmp_path, TOML + toml, {**tables(), **changes})

    return make
