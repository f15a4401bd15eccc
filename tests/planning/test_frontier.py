# SPDX-License-Identifier: Apache-2.0
"""The frontier of a case whose points can be told by hand."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from api.cli import app
from optimizer.errors import DataError
from optimizer.planning.frontier import Point, frontier, mark_efficient
from optimizer.tables import read_case

TABLES = {
    "meters": "meter,provider,product,unit,on_demand\nm,openai,tokens,1M Tokens,1\n",
    "workloads": "workload,hour,requests,quality_task,ttft_ms\nchat,2026-01-01T00:00:00Z,1000,talk,"
    "900\n",
    "deployments": "deployment,model,kind,meter,meter_units,ttft_ms\n"
    "cheap,low,api,m,0.001,400\nslow,mid,api,m,0.002,800\ndear,high,api,m,0.01,300\n",
    "quality": "model,quality_task,quality\nlow,talk,0.5\nmid,talk,0.8\nhigh,talk,0.9\n",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "case.toml").write_text(
        'currency = "USD"\nas_of = "2026-01-01T00:00:00Z"\nhorizon_hours = 1\n'
        "[risk]\nquality_confidence = 0\n"
    )
    for name, text in TABLES.items():
        (tmp_path / f"{name}.csv").write_text(text)
    return tmp_path


def run(folder: Path, *options: str) -> str:
    done = CliRunner().invoke(app, ["frontier", str(folder), "--quiet", *options])
    assert done.exit_code == 0, done.stderr
    return done.stdout


def test_points_are_those_of_the_hull(folder: Path) -> None:
    """$1 at 0.5; to 0.8 by the slow one at $2; on to 0.9 by the dear one at $10.

    Where requests must come in 450 ms the slow one is out: 0.5 to 0.9 by the dear one alone.
    """
    document = json.loads(run(folder, "--levels", "5", "--latency", "0.5,1", "--json"))
    rows = document["frontier"]
    assert [row["latency"] for row in rows] == [0.5] * 5 + [1.0] * 5
    for row in rows:
        quality, total = row["quality"], float(row["total"])
        if row["latency"] == 1.0:
            hull = 1 + (quality - 0.5) / 0.3 if quality <= 0.8 else 2 + (quality - 0.8) * 80
        else:
            hull = 1 + (quality - 0.5) * 9 / 0.4
        assert total == pytest.approx(hull, abs=1e-3)
        assert row["plan"]["routes"]
    assert [row["quality"] for row in rows[5:]] == pytest.approx(
        [0.5, 0.6, 0.7, 0.8, 0.9], abs=1e-5
    )
    # Slow answers at 1 are dominated only where the fast ones cost the same: at both ends.
    assert [row["efficient"] for row in rows] == [True] * 5 + [False, True, True, True, False]
    price = next(row for row in rows if row["latency"] == 1.0 and row["quality"] > 0.65)
    assert float(price["price_of_a_point"]) == pytest.approx(1 / 30, rel=1e-2)


def test_csv_and_page_tell_the_same(folder: Path) -> None:
    rows = list(csv.DictReader(io.StringIO(run(folder, "--levels", "3", "--format", "csv"))))
    assert [row["efficient"] for row in rows] == ["true"] * 3
    page = run(folder, "--levels", "3")
    for row in rows:
        assert f"{float(row['quality']):.4f}" in page
    assert "3 of 3 plans are efficient" in page


def test_an_average_that_cannot_be_is_a_point_without_a_plan(folder: Path) -> None:
    def plans(case):  # the planner is real elsewhere; here every second level is infeasible
        asked = case.settings.limits.quality_average
        routes = [{"workload": "chat", "deployment": "cheap", "requests": 1000.0}]
        if asked is not None and asked > 0.6:
            return {"status": "infeasible"}
        return {"status": "optimal", "objective": "1", "routes": routes}

    points = frontier(read_case(folder), plans, levels=3)
    assert [point.feasible for point in points] == [True, False, False]
    assert [point.efficient for point in points] == [True, False, False]


def test_what_is_beaten_is_not_efficient() -> None:
    def point(cost: float, quality: float, latency: float) -> Point:
        return Point(None, quality, latency, cost, {})

    points = [point(2, 0.8, 1), point(2, 0.7, 1), point(1, 0.7, 1), point(3, 0.8, 0.5)]
    assert [each.efficient for each in mark_efficient(points)] == [True, False, True, True]
    twins = [point(1, 0.5, 1), point(1, 0.5, 1)]
    assert all(each.efficient for each in mark_efficient(twins))


def test_what_it_cannot_do_is_refused(folder: Path) -> None:
    case = read_case(folder)
    with pytest.raises(DataError, match="1 to 50 points"):
        frontier(case, lambda _: {}, levels=30, factors=(1.0, 0.5))
    (folder / "quality.csv").unlink()
    with pytest.raises(DataError, match="no table quality"):
        frontier(read_case(folder), lambda _: {})
    done = CliRunner().invoke(app, ["frontier", str(folder), "--latency", "1,0"])
    assert done.exit_code == 2
    assert "write factors above 0" in done.stderr
