# SPDX-License-Identifier: Apache-2.0
"""How long a year × 200 meters × 60 commitments takes to bill; ``make bench`` runs it."""

from __future__ import annotations

import csv
import random
import time
from pathlib import Path

import duckdb

from optimizer.billing import bill_case
from optimizer.tables import read_case

METERS, HOLDINGS, HOURS = 200, 60, 8760
START, END = "2025-11-21T00:00:00Z", "2026-11-21T00:00:00Z"
LAWS = ("aws.savings.compute", "aws.savings.instance", "aws.reserved.regional")
SECONDS = 20  # several times what it takes, far below what a mistake would take


def write(folder: Path, name: str, header: str, rows: list[tuple]) -> None:
    with (folder / f"{name}.csv").open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(header.split())
        writer.writerows(rows)


def write_case(folder: Path) -> int:
    """Write the case; the number of pairs of commitments and meters."""
    pick = random.Random(7)
    (folder / "case.toml").write_text(f'currency = "USD"\nas_of = "{END}"\n')
    price = [pick.randint(50, 5000) / 100 for _ in range(METERS)]
    meters = [(f"m{i:03}", "aws", "other", "Hours", price[i]) for i in range(METERS)]
    write(folder, "meters", "meter provider product unit on_demand", meters)
    offers, covers, held = [], [], []
    for i in range(HOLDINGS):
        law = LAWS[i % len(LAWS)]
        money = "savings" in law
        offers.append((f"o{i:02}", law, "money" if money else "units", HOURS, 1))
        # A compute plan covers everything, an instance plan a family, a reservation one meter.
        for j in sorted(pick.sample(range(METERS), {0: METERS, 1: 10, 2: 1}[i % len(LAWS)])):
            draw = round(price[j] * pick.randint(4, 8) / 10, 6) if money else 1
            covers.append((f"o{i:02}", f"m{j:03}", draw))
        held.append((f"c{i:02}", f"o{i:02}", 1500 if i % len(LAWS) == 0 else 60, START, END))
    write(folder, "offers", "offer law measure term_hours hourly", offers)
    write(folder, "covers", "offer meter draw", covers)
    write(folder, "commitments", "commitment offer quantity start end", held)
    duckdb.sql(
        f"COPY (SELECT TIMESTAMP '{START[:10]}' + to_hours(h) AS hour,"
        " format('m{:03d}', m) AS meter, (hash(h * 1000 + m) % 400) / 8 AS quantity"
        f" FROM range({HOURS}) AS hours(h), range({METERS}) AS meters(m))"
        f" TO '{folder / 'usage.parquet'}' (FORMAT parquet)"
    )
    return len(covers)


def test_a_year_bills_in_seconds(tmp_path: Path, capsys) -> None:
    pairs = write_case(tmp_path)
    start = time.perf_counter()
    case = read_case(tmp_path)
    case.usage_lines()
    read = time.perf_counter() - start
    start = time.perf_counter()
    bill = bill_case(case)
    took = time.perf_counter() - start
    with capsys.disabled():
        print(
            f"\n{METERS} meters x {HOLDINGS} commitments ({pairs} pairs) x {HOURS} hours:"
            f" billed in {took:.2f} s, read in {read:.2f} s"
        )
    assert bill.hours == HOURS
    assert 0 < bill.on_demand < bill.total
    assert all(holding.used for holding in bill.holdings)
    assert took < SECONDS
