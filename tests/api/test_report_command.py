# SPDX-License-Identifier: Apache-2.0
"""``gpuopt report``: every form, the right case, and prices of an earlier one."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from api.cli import app

HOURS = 14 * 24
CASE = 'currency = "EUR"\nas_of = "2026-01-15T00:00:00Z"\nhorizon_hours = 24\n'
METERS = "meter,provider,product,unit,on_demand\nm,aws,instance,Instance-Hours,{price}\n"
OFFERS = "offer,law,measure,term_hours,hourly\nsp,aws.savings.compute,money,24,1\n"
COVERS = "offer,meter,draw\nsp,m,0.6\n"


def run(*arguments: object) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.stdout, result.stderr


def write(folder: Path, price: str) -> Path:
    """Two weeks of one meter: two units, in the last week three."""
    folder.mkdir()
    hours = [f"2026-01-{1 + hour // 24:02d}T{hour % 24:02d}:00:00Z" for hour in range(HOURS)]
    usage = [f"{hour},m,{2 if i < HOURS / 2 else 3}" for i, hour in enumerate(hours)]
    files = {
        "case.toml": CASE, "meters.csv": METERS.format(price=price), "offers.csv": OFFERS,
        "covers.csv": COVERS, "usage.csv": "\n".join(["hour,meter,quantity", *usage]) + "\n",
    }  # fmt: skip
    for name, text in files.items():
        (folder / name).write_text(text)
    return folder


@pytest.fixture(scope="module")
def plan(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A plan's file beside its case."""
    folder = tmp_path_factory.mktemp("reports")
    case = write(folder / "acme", "1.00")
    code, _, told = run("plan", case, "-o", folder / "plan.json", "--quiet")
    assert code == 0, told
    return folder / "plan.json"


def block(report: dict[str, Any], name: str) -> dict[str, Any]:
    blocks = [block for section in report["sections"] for block in section["blocks"]]
    found: dict[str, Any] = next(b for b in blocks if b.get("name") == name)
    return found


def test_every_form_by_the_name_of_the_file(plan: Path, tmp_path: Path) -> None:
    for name, begins in (
        ("a.html", "<!doctype html>"), ("a.md", "[//]: <> (gpuopt-report"), ("a.json", "{")
    ):  # fmt: skip
        code, out, told = run("report", plan, "-o", tmp_path / name)
        assert (code, out) == (0, ""), told
        assert (tmp_path / name).read_text(encoding="utf-8").startswith(begins)
    assert run("report", plan, "-o", tmp_path / "tables", "--quiet") == (0, "", "")
    with (tmp_path / "tables" / "key_figures.csv").open(newline="") as stream:
        rows = {row["figure"]: row for row in csv.DictReader(stream)}
    assert rows["bill"]["value"].rstrip("0") == "504."
    assert rows["bill"]["before"].rstrip("0") == "336."
    assert (tmp_path / "tables" / "actions.csv").is_file()


def test_stdout_is_the_report(plan: Path) -> None:
    code, out, told = run("report", plan, "--format", "json", "--name", "Acme & Söhne")
    assert code == 0
    assert "reading tables" in told
    report = json.loads(out)
    assert report["title"].endswith("Acme & Söhne")
    assert report["currency"] == "EUR"
    assert "€504.00, €168.00 (50.0%) more than the week before" in report["headline"]


def test_prices_of_the_week_before_are_those_of_the_earlier_case(
    plan: Path, tmp_path: Path
) -> None:
    """At €2.00 the week before cost €672; of €168 less, prices made −€336 and demand +€168."""
    earlier = write(tmp_path / "earlier", "2.00")
    assert run("plan", earlier, "-o", tmp_path / "before.json", "--quiet")[0] == 0
    code, out, _ = run(
        "report", plan, "--before", tmp_path / "before.json", "--format", "json", "--quiet"
    )
    assert code == 0
    rows = [row["values"] for row in block(json.loads(out), "changes")["rows"]]
    causes = [(row["cause"], float(row["change"])) for row in rows[1:-1]]
    assert causes == [("Prices", -336.0), ("Demand", 168.0)]
    shutil.rmtree(earlier)
    code, _, told = run("report", plan, "--before", tmp_path / "before.json", "--format", "md")
    assert code == 0
    assert "prices of" in told
    assert "are not known" in told


def test_another_snapshot_is_refused(plan: Path, tmp_path: Path) -> None:
    other = write(tmp_path / "other", "3.00")
    code, _, told = run("report", plan, "--case", other)
    assert code == 2
    assert "was made from another snapshot" in told


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("--format", "csv"), "name a folder for the CSV with -o"),
        (("-o", "x.pdf"), "say it with --format"),
        (("--before", "no.json"), "cannot be read"),
    ],
)
def test_what_cannot_be_done_is_said(plan: Path, arguments: tuple[str, ...], expected: str) -> None:
    code, _, told = run("report", plan, *arguments)
    assert code == 2
    assert expected in " ".join(told.split())


def test_an_earlier_plan_in_another_currency_is_refused(plan: Path, tmp_path: Path) -> None:
    """Its predictions would be read as if they were of this one."""
    other = tmp_path / "other.json"
    other.write_text(json.dumps(json.loads(plan.read_text()) | {"currency": "USD"}))
    code, _, told = run("report", plan, "--before", other)
    assert code == 2
    assert "other.json is in USD" in " ".join(told.split())


def test_a_plan_without_its_case(plan: Path, tmp_path: Path) -> None:
    alone = tmp_path / "alone.json"
    shutil.copy(plan, alone)
    code, _, told = run("report", alone)
    assert code == 2
    assert "name the folder with --case" in told
    code, out, _ = run("report", alone, "--case", plan.parent / "acme", "--format", "md")
    assert code == 0
    assert out.startswith("[//]")
