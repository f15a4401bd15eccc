# SPDX-License-Identifier: Apache-2.0
"""The weekly report over a year of 500 meters and 50 teams: in time, and small.

python -m pytest -s tests/benchmarks/test_report.py
"""

from __future__ import annotations

import csv
import resource
import time
from pathlib import Path
from typing import Any

import duckdb
import pytest

from optimizer.reporting import render
from optimizer.reporting.weekly import weekly_report
from optimizer.tables import format_hour, read_case

METERS, TEAMS, HOURS = 500, 50, 8760
AS_OF = 494_208  # 2026-05-19T00:00:00Z
MOST_SECONDS, MOST_BYTES = 10.0, 2_000_000


def write_company(folder: Path, suffix: str = "parquet") -> None:
    """Usage in every hour; every team uses every meter, a day at a time."""
    folder.mkdir()
    (folder / "case.toml").write_text(
        f'currency = "USD"\nas_of = "{format_hour(AS_OF)}"\nhorizon_hours = {HOURS}\n'
    )
    names = [f"aws/region-{number % 9}/family{number // 10}.{number}" for number in range(METERS)]
    write(
        folder / "meters.csv",
        [
            {"meter": name, "provider": "aws", "product": "instance", "unit": "Instance-Hours",
             "family": f"family{number // 10}", "on_demand": 1 + number % 17,
             "list_price": 1.2 * (1 + number % 17)}
            for number, name in enumerate(names)
        ],
    )  # fmt: skip
    write(
        folder / "offers.csv",
        [{"offer": f"sp-{n}", "law": "aws.savings.instance", "measure": "money",
          "term_hours": HOURS, "hourly": 1} for n in range(50)],
    )  # fmt: skip
    write(
        folder / "covers.csv",
        [{"offer": f"sp-{number // 10}", "meter": name, "draw": 0.7 * (1 + number % 17)}
         for number, name in enumerate(names)],
    )  # fmt: skip
    write(
        folder / "commitments.csv",
        [{"commitment": f"held-{n}", "offer": f"sp-{n}", "quantity": 60 + n,
          "start": format_hour(AS_OF - 4000), "end": format_hour(AS_OF + 4760)}
         for n in range(50)],
    )  # fmt: skip
    duckdb.sql(
        f"""COPY (
          SELECT strftime(make_timestamp((h + {AS_OF - HOURS})::BIGINT * 3600000000),
                          '%Y-%m-%dT%H:00:00Z') AS hour,
            'aws/region-' || (m % 9) || '/family' || (m // 10) || '.' || m AS meter,
            round(5 + (m % 7) + 3 * sin(h * 0.26) + (hash(h, m) % 100) / 50.0, 3) AS quantity,
            'org/account-' || (m % 20) AS account,
            'team ' || ((m + h // 24) % {TEAMS}) AS tag_team
          FROM range({HOURS}) AS hours(h), range({METERS}) AS meters(m)
        ) TO '{folder / f"usage.{suffix}"}' (FORMAT {suffix})"""
    )


def write(file: Path, rows: list[dict[str, Any]]) -> None:
    with file.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def plan_of(snapshot: str, settings: dict[str, Any]) -> dict[str, Any]:
    """A plan's document with fifty purchases, as `gpuopt plan` writes it."""
    purchases = [
        {"offer": f"sp-{n}", "law": "aws.savings.instance", "measure": "money",
         "quantity": 30.0 + n, "upfront": "0", "hourly": str(30 + n), "term_hours": HOURS,
         "start": format_hour(AS_OF), "end": format_hour(AS_OF + HOURS),
         "cost": str((30 + n) * HOURS), "remaining_at_horizon": "0", "break_even_hours": 6132.0,
         "covers": [{"meter": f"aws/region-{m % 9}/family{m // 10}.{m}", "quantity": 3000.0}
                    for m in range(n * 10, n * 10 + 10)]}
        for n in range(50)
    ]  # fmt: skip
    return {
        "schema_version": "1.0", "currency": "USD", "snapshot": snapshot, "settings": settings,
        "seed": 7, "plan": "pln_benchmark", "status": "optimal", "as_of": format_hour(AS_OF),
        "horizon_hours": HOURS, "baseline": "50000000", "total": "40000000",
        "savings": "10000000", "objective": "40000000", "lower_bound": "40000000", "gap": 0.0,
        "gap_solver": 0.0, "gap_law": 0.0, "purchases": purchases,
        "commitments": [{"commitment": f"held-{n}", "offer": f"sp-{n}", "action": "let_expire",
                         "quantity": 60.0 + n, "end": format_hour(AS_OF + 4760)}
                        for n in range(50)],
        "ladder": [], "bill": {}, "kpis": {},
    }  # fmt: skip


@pytest.mark.parametrize("suffix", ["parquet", "csv"])
def test_a_year_of_500_meters_and_50_teams(tmp_path: Path, suffix: str) -> None:
    write_company(tmp_path / "company", suffix)
    stages = {}

    def stage(name: str, before: float) -> float:
        stages[name] = time.process_time() - before
        return time.process_time()

    at = time.process_time()
    case = read_case(tmp_path / "company")
    case.usage_lines()
    at = stage("reading the case", at)
    document = weekly_report(case, plan_of(case.snapshot, case.settings.as_dict()))
    at = stage("replays and sections", at)
    page = render.html_page(document)
    at = stage("HTML", at)
    text = render.markdown(document)
    made = render.json_text(document)
    files = render.csv_files(document)
    stage("Markdown, JSON and CSV", at)
    size = len(page.encode())
    print()
    for name, seconds in stages.items():
        print(f"{name}: {seconds:.1f} s of CPU")
    # Writing the table is part of the peak, and less than reading it.
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"all: {sum(stages.values()):.1f} s of CPU, at most {peak:.0f} MB")
    print(f"HTML {size:,} bytes, Markdown {len(text):,}, JSON {len(made):,}")
    print(f"{len(files)} CSV files, {sum(map(len, files.values())):,} bytes")
    assert sum(stages.values()) - stages["reading the case"] < MOST_SECONDS
    assert size < MOST_BYTES
