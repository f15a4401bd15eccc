# SPDX-License-Identifier: Apache-2.0
"""How long it takes to attribute a year of 500 meters to 50 teams; ``make bench`` runs it.

``python -m pytest -s tests/benchmarks/test_costs.py`` prints the figures of docs/costs.md.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

METERS, TEAMS, HOURS, HOLDINGS = 500, 50, 8760, 50
# Several times what it takes on an idle core.
SECONDS = {"replay": 60, "cells": 60, "year": 15, "again": 1, "week": 5, "sections": 15}
MEGABYTES = 2048  # above what reading the case takes

# A process of its own, whose peak memory is that of the case.
CHILD = """
import json, resource, sys, time
from optimizer.billing.attribution import cost_hours
from optimizer.planning.spend import Spend, group_costs
from optimizer.planning.spend.classes import read_asked
from optimizer.reporting.sections.spend import spend_sections
from optimizer.tables import read_case

took = {}

def timed(name, call):
    begin, cpu = time.perf_counter(), time.process_time()
    value = call()
    took[name] = time.perf_counter() - begin
    took[name + "_cpu"] = time.process_time() - cpu
    return value

case = timed("read", lambda: read_case(sys.argv[1]))
timed("lines", case.usage_lines)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
costed = timed("replay", lambda: cost_hours(case))
cells = timed("cells", case.usage_cells)
asked = read_asked(case, costed.first_hour, costed.hours)
spend = Spend(case, costed, cells, asked)
by = ["tag_team", "meter"]
year = timed("year", lambda: group_costs(spend, by, "all"))
timed("even", lambda: group_costs(spend, by, "all", rule="even"))
timed("again", lambda: group_costs(spend, ["tag_team"], "all"))
timed("week", lambda: group_costs(spend, ["tag_team"], "7d", waterfall=True))
timed("sections", lambda: spend_sections(spend, "7d"))
took["rows"] = len(cells.series)
took["series"] = cells.count
took["groups"] = len(year.groups)
took["exact"] = sum(group.total for group in year.groups) == year.total == costed.bill.total
took["before_mb"] = before
took["peak_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
json.dump(took, sys.stdout)
"""


def write_year(folder: Path, sharing: int, step: int) -> Path:
    """A year of every meter, in each step of hours used by so many of the teams."""
    grain = ", 'day' AS grain" if step > 1 else ""
    folder.mkdir()
    (folder / "case.toml").write_text('currency = "USD"\nas_of = "2026-11-21T00:00:00Z"\n')
    database = duckdb.connect()
    tables = {
        "meters": f"SELECT 'm' || i AS meter, 'aws' AS provider, 'instance' AS product,"
        f" 'Instance-Hours' AS unit, CAST(1 + i % 40 AS DECIMAL(9, 2)) AS on_demand,"
        f" CAST(2 + i % 40 AS DECIMAL(9, 2)) AS list_price FROM range({METERS}) t(i)",
        "usage": f"SELECT TIMESTAMP '2025-11-21' + INTERVAL ({step} * h) HOUR AS hour{grain},"
        " 'm' || i AS meter,"
        " 1.0 + (i * 7 + h * 3 + t * 5) % 11 AS quantity,"
        f" 'team ' || ((i + t * 17) % {TEAMS}) AS tag_team"
        f" FROM range({HOURS // step}) a(h), range({METERS}) b(i), range({sharing}) c(t)",
        "offers": f"SELECT 'o' || i AS offer, 'aws.savings.compute' AS law, 'money' AS measure,"
        f" 8760 AS term_hours, 1 AS hourly FROM range({HOLDINGS}) t(i)",
        "covers": f"SELECT 'o' || (i % {HOLDINGS}) AS offer, 'm' || i AS meter,"
        f" CAST((1 + i % 40) * 0.7 AS DECIMAL(9, 2)) AS draw FROM range({METERS}) t(i)",
        "commitments": "SELECT 'c' || i AS commitment, 'o' || i AS offer, 900 + i AS quantity,"
        " TIMESTAMP '2025-11-21' AS start, TIMESTAMP '2026-11-21' AS \"end\""
        f" FROM range({HOLDINGS}) t(i)",
    }
    for name, sql in tables.items():
        database.execute(f"COPY ({sql}) TO '{folder / name}.parquet' (FORMAT parquet)")
    return folder


@pytest.mark.parametrize(("sharing", "step"), [(2, 1), (TEAMS, 24)], ids=["hours", "days"])
def test_a_year_of_500_meters_and_50_teams(tmp_path: Path, sharing: int, step: int) -> None:
    """Each hour two teams on every meter (8.8M rows), or each day all of them (9.1M rows)."""
    folder = write_year(tmp_path / "case", sharing, step)
    child = subprocess.run(
        [sys.executable, "-c", CHILD, str(folder)], capture_output=True, text=True, check=True
    )
    took = json.loads(child.stdout)
    for name, value in took.items():
        print(f"{name:14} {value:,.2f}" if isinstance(value, float) else f"{name:14} {value}")
    assert took["exact"]
    assert took["peak_mb"] - took["before_mb"] < MEGABYTES
    for name, most in SECONDS.items():
        assert took[f"{name}_cpu"] < most, name
