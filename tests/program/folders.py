# SPDX-License-Identifier: Apache-2.0
"""Cases as folders: written from rows, and random small ones."""

from __future__ import annotations

import csv
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np

from optimizer.tables import Case, read_case

AS_OF = datetime(2026, 11, 21, tzinfo=UTC)
Row = dict[str, Any]


def at(hour: int) -> str:
    return f"{AS_OF + timedelta(hours=hour):%Y-%m-%dT%H:%M:%SZ}"


def meter(name: str, on_demand: Any = "", **more: Any) -> Row:
    return {
        "meter": name,
        "provider": "aws",
        "product": "instance",
        "unit": "Instance-Hours",
        "on_demand": on_demand,
    } | more


def usage(name: str, quantities: list[float], **more: Any) -> list[Row]:
    return [
        {"hour": at(hour), "meter": name, "quantity": quantity} | more
        for hour, quantity in enumerate(quantities)
    ]


def units(name: str, term: int, hourly: Any, **more: Any) -> Row:
    base = {"offer": name, "law": "aws.reserved.regional", "measure": "units"}
    return base | {"term_hours": term, "hourly": hourly} | more


def money(name: str, term: int, hourly: Any = "1", **more: Any) -> Row:
    base = {"offer": name, "law": "aws.savings.compute", "measure": "money"}
    return base | {"term_hours": term, "hourly": hourly} | more


def cover(offer: str, name: str, draw: Any = "1") -> Row:
    return {"offer": offer, "meter": name, "draw": draw}


def write(folder: Path, horizon: int, toml: str = "", **tables: list[Row]) -> Path:
    """Write the tables as CSV files; ``toml`` is what follows the three plain keys."""
    folder.mkdir(exist_ok=True, parents=True)
    head = f'currency = "USD"\nas_of = "{at(0)}"\nhorizon_hours = {horizon}\n'
    (folder / "case.toml").write_text(head + toml, encoding="utf-8")
    names = {
        "commitments": ["commitment", "offer", "quantity", "start", "end"],
        "covers": ["offer", "meter", "draw"],
        "offers": ["offer", "law", "measure", "term_hours", "hourly"],
    }
    for name in ("meters", "usage", "offers", "covers", "commitments", *tables):
        rows = tables.get(name, [])
        columns = list(dict.fromkeys(key for row in rows for key in row)) or names[name]
        with (folder / f"{name}.csv").open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, columns, lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)
    return folder


def case_of(folder: Path, horizon: int, toml: str = "", **tables: list[Row]) -> Case:
    return read_case(write(folder, horizon, toml, **tables))


def random_rows(seed: int) -> tuple[int, str, dict[str, list[Row]]]:
    """Horizon, settings and tables of a random case without tail, discounting and rework.

    ``seed % 3``: 0 one money plan; 1 reservations of one meter each and one money plan;
    2 anything, where the law may choose worse than we would.
    """
    rng = np.random.default_rng(seed)
    kind, horizon = seed % 3, int(rng.integers(3, 7))
    names = [f"m{i}" for i in range(rng.integers(1, 4))]
    price = {name: Decimal(int(rng.integers(4, 41))) / 4 for name in names}
    spotty = kind == 2 and rng.random() < 0.6
    meters = [
        meter(name, price[name], spot=price[name] * Decimal("0.4") if spotty else "")
        for name in names
    ]
    accounts = ["org/a/1", "org/b/2"] if kind == 2 else ["org/a/1"]
    rows = [
        row
        for name in names
        for account in accounts
        for row in usage(
            name,
            (rng.integers(0, 9, horizon) / 2).tolist(),
            account=account,
            spot_tolerant=0.5 if spotty and rng.random() < 0.5 else 0,
        )
    ]
    offers, covers = [], []
    plans = 2 if kind == 2 else 1
    for number in range(plans):
        law = "aws.savings.instance" if number else "aws.savings.compute"
        offers.append(money(f"sp{number}", horizon, law=law, account="org/a/1"))
        for name in names:
            if not number or rng.random() < 0.6 or name == names[-1]:
                share = Decimal(int(rng.integers(55, 96))) / 100
                covers.append(cover(f"sp{number}", name, price[name] * share))
    if kind:
        for name in names:
            if rng.random() < 0.6:
                rate = price[name] * Decimal(int(rng.integers(45, 91))) / 100
                upfront = rate * horizon / 2 if rng.random() < 0.5 else Decimal(0)
                most = int(rng.integers(1, 5)) if rng.random() < 0.3 else ""
                offers.append(
                    units(
                        f"ri-{name}",
                        horizon,
                        rate - upfront / horizon,
                        upfront=upfront,
                        maximum=most,
                        step=int(rng.choice([1, 1, 2])),
                        account="org/a/1",
                    )
                )
                covers.append(cover(f"ri-{name}", name))
                if kind == 2 and len(names) > 1 and rng.random() < 0.6:
                    other = names[(names.index(name) + 1) % len(names)]
                    covers.append(cover(f"ri-{name}", other, "2"))
    held = []
    if rng.random() < 0.5:
        offer = offers[int(rng.integers(len(offers)))]
        amount = "1.5" if offer["measure"] == "money" else "1"
        if kind != 0 or offer["measure"] == "money":
            # the same offer, so that there is still one money plan
            held.append(
                {
                    "commitment": "c",
                    "offer": offer["offer"],
                    "quantity": amount,
                    "start": at(-5),
                    "end": at(horizon if offer["measure"] == "money" else 2),
                }
            )
    tables = {"meters": meters, "usage": rows, "offers": offers, "covers": covers}
    return horizon, '[solve]\nmethod = "reference"\ngap = 0\n', {**tables, "commitments": held}
