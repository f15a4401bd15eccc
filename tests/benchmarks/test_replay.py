# SPDX-License-Identifier: Apache-2.0
"""How long a year of bills takes and how it grows; ``make bench`` runs it."""

from __future__ import annotations

import csv
import json
import random
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import duckdb

from optimizer.billing import bill_case
from optimizer.tables import Case, read_case

METERS, HOLDINGS, HOURS = 200, 60, 8760
START, END = "2025-11-21T00:00:00Z", "2026-11-21T00:00:00Z"
LAWS = ("aws.savings.compute", "aws.savings.instance", "aws.reserved.regional")
SECONDS = 20  # several times what it takes, far below what a mistake would take
LARGE_METERS, LARGE_HOLDINGS = 500, 50
LARGE_SECONDS, LARGE_MEGABYTES = 5, 2048  # of the replay alone
GROWTH = 2
REPEAT = 5

# Run in a process of its own, whose peak memory is that of the case (Linux hands it that of
# the process that starts it, so the peak may be too high, never too low).
CHILD = """
import json, resource, sys, time
from optimizer.billing import bill_case
from optimizer.tables import read_case
begin = time.perf_counter()
case = read_case(sys.argv[1])
case.usage_lines()
read = time.perf_counter() - begin
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
begin = time.perf_counter()
bill = bill_case(case)
json.dump({
    "read": read,
    "bill": time.perf_counter() - begin,
    "read_mb": peak / 1024,
    "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    "hours": bill.hours,
    "total": float(bill.total),
    "used": sum(bool(holding.used) for holding in bill.holdings),
}, sys.stdout)
"""


@dataclass(frozen=True)
class Size:
    """The size of a case."""

    meters: int = METERS
    holdings: int = HOLDINGS
    hours: int = HOURS


YEAR = Size()


def write(folder: Path, name: str, header: str, rows: list[tuple]) -> None:
    with (folder / f"{name}.csv").open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(header.split())
        writer.writerows(rows)


def write_case(folder: Path, size: Size = YEAR) -> int:
    """Write the case; the number of pairs of commitments and meters."""
    folder.mkdir(exist_ok=True)
    pick = random.Random(7)
    (folder / "case.toml").write_text(f'currency = "USD"\nas_of = "{END}"\n')
    price = [pick.randint(50, 5000) / 100 for _ in range(size.meters)]
    meters = [(f"m{i:04}", "aws", "other", "Hours", price[i]) for i in range(size.meters)]
    write(folder, "meters", "meter provider product unit on_demand", meters)
    offers, covers, held = [], [], []
    for i in range(size.holdings):
        law = LAWS[i % len(LAWS)]
        money = "savings" in law
        offers.append((f"o{i:02}", law, "money" if money else "units", HOURS, 1))
        # A compute plan covers everything, an instance plan a family, a reservation one meter.
        reach = {0: size.meters, 1: 10, 2: 1}[i % len(LAWS)]
        for j in sorted(pick.sample(range(size.meters), min(size.meters, reach))):
            draw = round(price[j] * pick.randint(4, 8) / 10, 6) if money else 1
            covers.append((f"o{i:02}", f"m{j:04}", draw))
        held.append((f"c{i:02}", f"o{i:02}", 1500 if i % len(LAWS) == 0 else 60, START, END))
    write(folder, "offers", "offer law measure term_hours hourly", offers)
    write(folder, "covers", "offer meter draw", covers)
    write(folder, "commitments", "commitment offer quantity start end", held)
    duckdb.sql(
        f"COPY (SELECT TIMESTAMP '{START[:10]}' + to_hours(h) AS hour,"
        " format('m{:04d}', m) AS meter, (hash(h * 1000 + m) % 400) / 8 AS quantity"
        f" FROM range({size.hours}) AS hours(h), range({size.meters}) AS meters(m))"
        f" TO '{folder / 'usage.parquet'}' (FORMAT parquet)"
    )
    return len(covers)


def test_a_year_bills_in_seconds(tmp_path: Path, capsys) -> None:
    pairs = write_case(tmp_path / "case")
    start = time.perf_counter()
    case = read_case(tmp_path / "case")
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


def test_a_year_of_500_meters(tmp_path: Path, capsys) -> None:
    """Seconds and peak memory of a year × 500 meters × 50 commitments, in its own process."""
    pairs = write_case(tmp_path / "case", Size(LARGE_METERS, LARGE_HOLDINGS))
    command = [sys.executable, "-c", CHILD, str(tmp_path / "case")]
    root = Path(__file__).parents[2]
    done = subprocess.run(command, cwd=root, check=True, capture_output=True, text=True)
    got = json.loads(done.stdout)
    with capsys.disabled():
        print(
            f"\n{LARGE_METERS} meters x {LARGE_HOLDINGS} commitments ({pairs} pairs) x {HOURS}"
            f" hours: read {got['read']:.2f} s, billed {got['bill']:.2f} s; peak memory"
            f" {got['read_mb']:.0f} MB when read, {got['peak_mb']:.0f} MB when billed"
        )
    assert (got["hours"], got["used"]) == (HOURS, LARGE_HOLDINGS)
    assert got["bill"] < LARGE_SECONDS
    assert got["peak_mb"] < LARGE_MEGABYTES


def test_it_grows_with_hours_and_with_meters(tmp_path: Path, capsys) -> None:
    """1, 2 and 4 times the hours, and the meters: ratios of one run, so no seconds count."""
    base = Size(meters=60, holdings=15, hours=2190)
    sizes = {
        "hours": [Size(base.meters, base.holdings, base.hours * k) for k in (1, 2, 4)],
        "meters": [Size(base.meters * k, base.holdings, base.hours) for k in (1, 2, 4)],
    }
    bill_case(read_case(_written(tmp_path / "warm", Size(5, 3, 24))))
    table = ["", "what     times  pairs       read  ratio     billed  ratio"]
    for what, steps in sizes.items():
        taken, reads = [], []
        for k, size in zip((1, 2, 4), steps, strict=True):
            folder = tmp_path / f"{what}{k}"
            pairs = write_case(folder, size)
            begin = time.perf_counter()
            case = read_case(folder)
            case.usage_lines()
            reads.append(time.perf_counter() - begin)
            taken.append(min(_seconds(case) for _ in range(REPEAT)))
            row = f"{what:8} {k:5} {pairs:6}"
            for seconds in (reads, taken):
                row += f" {seconds[-1]:10.3f} {seconds[-1] / seconds[0]:6.2f}"
            table.append(row)
        assert taken[2] < 4 * GROWTH * taken[0], table
    with capsys.disabled():
        print("\n".join(table))


def _written(folder: Path, size: Size) -> Path:
    write_case(folder, size)
    return folder


def _seconds(case: Case) -> float:
    begin = time.perf_counter()
    bill_case(case)
    return time.perf_counter() - begin
