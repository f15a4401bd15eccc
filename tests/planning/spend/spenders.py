# SPDX-License-Identifier: Apache-2.0
"""Small cases of teams that spend, checked by hand in the tests that use them."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

from optimizer.tables import Case, format_hour, parse_hour, read_case

Row = dict[str, Any]
AS_OF = parse_hour("2026-11-23T00:00:00Z")  # a Monday


def at(hour: int) -> str:
    """The text of an hour, counted from ``AS_OF``; history is below zero."""
    return format_hour(AS_OF + hour)


def meter(name: str, on_demand: Any, **more: Any) -> Row:
    row = {"meter": name, "provider": "aws", "product": "instance", "unit": "Instance-Hours"}
    return row | {"on_demand": on_demand} | more


def ran(name: str, quantity: float, first: int, last: int, **more: Any) -> list[Row]:
    """The same quantity in each hour of a span."""
    return [
        {"hour": at(hour), "meter": name, "quantity": quantity} | more
        for hour in range(first, last)
    ]


def case_of(folder: Path, toml: str = "", **tables: list[Row]) -> Case:
    folder.mkdir(exist_ok=True, parents=True)
    head = f'currency = "USD"\nas_of = "{at(0)}"\nhorizon_hours = 24\n'
    (folder / "case.toml").write_text(head + toml, encoding="utf-8")
    for name, rows in tables.items():
        columns = list(dict.fromkeys(key for row in rows for key in row))
        with (folder / f"{name}.csv").open("w", encoding="utf-8", newline="") as stream:
            writer = csv.DictWriter(stream, columns, lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)
    return read_case(folder)


def teams(folder: Path, **more: list[Row]) -> Case:
    """Two teams, one reservation of two GPUs at $5, which only one of them always uses.

    In each of the last 4 hours a runs 1 GPU and b 3; nothing carries a tag on the CPU, of
    which 10 run.  GPUs cost $10 on demand and $12 at list, CPUs $1.  In the 4 hours before
    only a runs: 1 GPU, so that one reserved GPU is unused.
    """
    usage = [
        *ran("gpu", 1, -8, 0, tag_team="a", tag_experiment="x1"),
        *ran("gpu", 3, -4, 0, tag_team="b", tag_experiment="x2"),
        *ran("cpu", 10, -4, 0),
    ]
    offer = {"offer": "ri", "law": "aws.reserved.regional", "measure": "units"}
    tables: dict[str, list[Row]] = {
        "meters": [meter("gpu", "10", list_price="12"), meter("cpu", "1")],
        "usage": usage,
        "offers": [offer | {"term_hours": 8, "hourly": "5"}],
        "covers": [{"offer": "ri", "meter": "gpu", "draw": "1"}],
        "commitments": [
            {"commitment": "c", "offer": "ri", "quantity": 2, "start": at(-8), "end": at(0)}
        ],
    }
    return case_of(folder, **(tables | more))
