# SPDX-License-Identifier: Apache-2.0
"""A small case whose usage, settings and initiatives a test states."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from optimizer.tables import Case, format_hour, parse_hour, read_case

AS_OF = parse_hour("2026-11-02T00:00:00Z")
METERS = "meter,provider,product,unit,family,on_demand\n" + "".join(
    f"{name},{provider},instance,Instance-Hours,{family},1\n"
    for name, provider, family in [("a", "aws", "p5"), ("b", "aws", "p6"), ("c", "gcp", "a3")]
)

Build = Callable[..., Case]


def at(hour: int) -> str:
    """The hour, counted from as_of, as text."""
    return format_hour(AS_OF + hour)


@pytest.fixture
def write_case(tmp_path: Path) -> Build:
    """Write and read a case of rows (hour from as_of, meter, quantity[, spot_tolerant])."""

    def write(
        usage: Iterable[tuple[Any, ...]],
        demand: str = "",
        horizon: int = 336,
        **tables: list[dict[str, Any]],
    ) -> Case:
        toml = f'currency = "USD"\nas_of = "{at(0)}"\nhorizon_hours = {horizon}\n'
        (tmp_path / "case.toml").write_text(f"{toml}[demand]\n{demand}\n")
        (tmp_path / "meters.csv").write_text(METERS)
        text = ["hour,meter,quantity,spot_tolerant"]
        for hour, meter, quantity, *tolerant in usage:
            text.append(f"{at(hour)},{meter},{quantity},{tolerant[0] if tolerant else ''}")
        (tmp_path / "usage.csv").write_text("\n".join(text) + "\n")
        for name, rows in tables.items():
            with (tmp_path / f"{name}.csv").open("w", encoding="utf-8", newline="") as file:
                columns = list(dict.fromkeys(key for row in rows for key in row))
                writer = csv.DictWriter(file, columns, restval="", lineterminator="\n")
                writer.writeheader()
                writer.writerows(rows)
        return read_case(tmp_path)

    return write
