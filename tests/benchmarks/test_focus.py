# SPDX-License-Identifier: Apache-2.0
"""A FOCUS export of one and of ten million rows, read into hourly usage.

The rows are the demonstration company's bill, each of its lines as so many resources, so
that the hours and meters stay what they are. Time and memory are those of a process that
does nothing else, imports included.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

from optimizer.billing import bill_case
from optimizer.billing.focus import write_focus
from optimizer.tables import read_case

from .report import machine, seconds, write_table

LAB = Path(__file__).parents[2] / "fixtures" / "frontier-lab"
READ = """
import sys
from datetime import UTC, datetime
from connectors.focus import pull
from connectors.pulled import Report, Request
window = datetime(2026, 8, 1, tzinfo=UTC), datetime(2026, 11, 21, tzinfo=UTC)
pulled = pull(Request(*window, accounts=(sys.argv[1],), settings={"tags": "team"}), Report())
print(len(pulled.tables["usage"]))
print(open("/proc/self/status").read())
"""
TAGS = '{"team": "serving", "gpuopt:workload": "chat", "Name": "node"}'


@pytest.fixture(scope="module")
def bill(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("focus") / "bill.parquet"
    case = read_case(LAB)
    write_focus(case, bill_case(case), file)
    return file


def export(bill: Path, times: int, kind: str) -> tuple[Path, int]:
    file = bill.parent / f"{times}.{kind}"
    form = "FORMAT parquet"
    if kind == "csv.gz":
        form = "FORMAT csv, HEADER, COMPRESSION gzip, TIMESTAMPFORMAT '%Y-%m-%dT%H:%M:%SZ'"
    found = duckdb.execute(
        f"COPY (SELECT * REPLACE ('i-' || lpad(r::VARCHAR, 12, '0') AS ResourceId,"
        f" '{TAGS}' AS Tags) FROM '{bill}', range({times}) t(r)) TO '{file}' ({form})"
    ).fetchone()
    assert found is not None
    return file, int(found[0])


def read(file: Path) -> tuple[float, float, float]:
    """Wall and processor seconds, and the peak in MB."""
    # The child's times; bash's own are the simplest that are told apart from ours.
    command = ["bash", "-c", 'TIMEFORMAT="%R %U %S"; time "$@"', "_", sys.executable, "-c", READ]
    done = subprocess.run([*command, str(file)], capture_output=True, text=True, check=True)
    real, user, system = map(float, done.stderr.split()[-3:])
    peak = re.search(r"VmHWM:\s+([0-9]+) kB", done.stdout)
    assert peak is not None
    return real, user + system, int(peak[1]) / 1024


def test_a_million_rows_and_ten(bill: Path) -> None:
    rows = []
    figures = {}
    for times, kind in ((11, "parquet"), (106, "parquet"), (11, "csv.gz")):
        file, count = export(bill, times, kind)
        real, cpu, peak = figures[times, kind] = read(file)
        size = f"{file.stat().st_size / 1e6:.0f} MB {kind}"
        rows.append([f"{count:,}", size, seconds(real), seconds(cpu), f"{peak:.0f} MB"])
        file.unlink()
    header = ["rows", "file", "time", "processor time", "peak memory"]
    write_table("focus", header, rows)
    print(machine())
    for real, _, peak in (figures[11, "parquet"], figures[11, "csv.gz"]):
        assert real < 20
        assert peak < 1024
    one, ten = figures[11, "parquet"], figures[106, "parquet"]
    assert ten[1] < 12 * one[1]
    assert ten[2] < 1.5 * one[2]
