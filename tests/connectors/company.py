# SPDX-License-Identifier: Apache-2.0
"""The demonstration company, one cloud at a time: what the fakes serve and plans compare with."""

from __future__ import annotations

import csv
import json
import re
import shutil
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
from typer.testing import CliRunner

from api.cli import app
from optimizer.tables import write_case

LAB = Path(__file__).parents[2] / "fixtures" / "frontier-lab"
NAMES = ("meters", "offers", "covers", "commitments", "provider_advice")
KEYS = {"covers": "offer", "commitments": "offer", "provider_advice": "offer", "offers": "offer"}
AS_OF = "2026-11-21"


def rows(name: str, provider: str) -> list[dict[str, str]]:
    """Return the rows of one provider in one table of the company."""
    with (LAB / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        key = KEYS.get(name, "meter")
        return [row for row in csv.DictReader(file) if row[key].startswith(f"{provider}/")]


def usage(provider: str, since: str = "2000-01-01") -> pd.DataFrame:
    """Return the hourly usage of one provider, from a day on."""
    with duckdb.connect() as connection:
        return connection.execute(
            "SELECT * FROM read_parquet(?) WHERE starts_with(meter, ?) AND hour >= ?::TIMESTAMP"
            " ORDER BY meter, account, workload, hour",
            [str(LAB / "usage.parquet"), f"{provider}/", since],
        ).df()


def tables(
    provider: str, *, daily: bool = False, since: str = "2000-01-01"
) -> dict[str, pd.DataFrame]:
    """Return the company's case on one cloud; ``daily``: as a bill by the day tells it."""
    made = {name: pd.DataFrame(rows(name, provider)) for name in NAMES}
    made["usage"] = usage(provider, since)
    if daily:
        used = made["usage"].assign(hour=made["usage"]["hour"].dt.floor("D"))
        keys = [name for name in used.columns if name != "quantity"]
        summed = used.groupby(keys, dropna=False, as_index=False)["quantity"].sum()
        made["usage"] = summed.assign(quantity=summed["quantity"].round(6), grain="day")
    return made


def planned(made: dict[str, pd.DataFrame], folder: Path) -> dict[str, Any]:
    """Write a case with the company's settings and return its plan, as the command gives it.

    Two days ahead, so that it takes seconds; ``make bench`` plans the year of all clouds.
    """
    shutil.rmtree(folder, ignore_errors=True)
    toml = (LAB / "case.toml").read_text("utf-8")
    toml = re.sub(r"horizon_hours = \d+", "horizon_hours = 48", toml)
    toml = re.sub(r"gap = [\d.]+", "gap = 0.05", toml)
    write_case(made, toml, folder)
    output = folder.with_suffix(".json")
    result = CliRunner().invoke(app, ["plan", str(folder), "-o", str(output), "--quiet"])
    assert result.exit_code == 0, result.output
    return json.loads(output.read_text("utf-8"))


MONEY = ("baseline", "total", "savings", "objective")


def cents(document: dict[str, Any]) -> dict[str, str]:
    """Return the money of a plan, to the cent."""
    return {name: f"{float(document[name]):.2f}" for name in MONEY}


def bought(document: dict[str, Any]) -> list[tuple[str, float]]:
    """Return what a plan buys."""
    return sorted((row["offer"], row["quantity"]) for row in document["purchases"])
