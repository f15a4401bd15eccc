# SPDX-License-Identifier: Apache-2.0
"""The page of a plan tells everything that the plan's document does, and its sums agree."""

from __future__ import annotations

import csv
import re
import shutil
from pathlib import Path

import pytest

from optimizer.planning.document import plan_document
from optimizer.planning.make import make_plan
from optimizer.reporting.text import plan_page, render
from optimizer.tables import read_case

TINY = Path(__file__).parents[2] / "fixtures" / "tiny"


@pytest.fixture
def case(tmp_path: Path) -> Path:
    return Path(shutil.copytree(TINY, tmp_path / "case"))


def page_of(case: Path) -> str:
    opened = read_case(case)
    document = plan_document(make_plan(opened))
    return render(plan_page(document), width=132, colour=False)


def penalty(case: Path, dollars: str) -> None:
    path = case / "usage.csv"
    rows = [
        row | {"unmet_penalty": dollars} for row in csv.DictReader(path.read_text().splitlines())
    ]
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def test_nothing_beside_the_bill_is_shown_where_there_is_nothing(case: Path) -> None:
    page = page_of(case)
    for words in ("penalties", "Left unserved", "Agreements", "Limits", "Run jobs", "Move"):
        assert words not in page
    assert "Proven: no plan is more than 0.00% better (the solver left nothing)." in page


def test_what_is_left_unserved_is_under_the_headline(case: Path) -> None:
    penalty(case, "0.5")
    lines = page_of(case).splitlines()
    # 22 of cpu and 6 of gpu, at $0.50 each; the held one serves the rest for $20.
    assert "could be $34.00" in lines[2]
    assert lines[3] == "It leaves 28 units of usage unserved, at penalties of $14.00."
    assert any(re.match(r"penalties and shortfalls +\$0.00 +\$14.00", line) for line in lines)
    assert any(re.match(r"cpu +22 +\$11.00", line) for line in lines)
    assert any(re.match(r"total +\$102.00 +\$34.00", line) for line in lines)


def test_a_shortfall_is_part_of_the_total(case: Path) -> None:
    (case / "agreements.csv").write_text(
        "agreement,provider,start,end,committed\n"
        "a,aws,2026-01-01T00:00:00Z,2026-01-01T04:00:00Z,90\n"
    )
    page = page_of(case)
    assert re.search(r"^a +\$90.00 +\$77.66 +\$12.34 +\$12.34$", page, re.M)
    assert re.search(r"^total +\$102.00 +\$90.00$", page, re.M)
    assert "The providers' bill alone, without penalties and shortfalls." in page


def test_limits_are_shown_with_their_worth(case: Path) -> None:
    with (case / "case.toml").open("a") as file:
        file.write('\n[limits]\nupfront_cash = "0"\n')
    assert re.search(r"^purchase.cash +0 +0 +\$\S+ per \$$", page_of(case), re.M)


def test_jobs_and_moves_say_what_to_do(case: Path) -> None:
    (case / "jobs.csv").write_text(
        "job,meter,unit_hours,earliest,deadline,maximum_units\n"
        "train,gpu,2,2026-01-01T00:00:00Z,2026-01-01T04:00:00Z,1\n"
    )
    page = page_of(case)
    assert "Run jobs" in page
    assert re.search(r"^train +gpu +2026-01-01T0\d:00 +2026-01-01T0\d:00 +2 ", page, re.M)


def test_a_part_that_stopped_says_why(case: Path) -> None:
    opened = read_case(case)
    document = plan_document(make_plan(opened))
    document["status"] = "stopped"
    document["parts"][0]["stopped"] = "the time limit of 60 seconds"
    page = render(plan_page(document), width=132, colour=False)
    assert "Stopped by the time limit of 60 seconds: " in page
    assert "left by the solver, which stopped early" in page
