# SPDX-License-Identifier: Apache-2.0
"""``gpuopt anomalies``: a spike of one team, in every form."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from api.cli import app
from optimizer.tables import format_hour, parse_hour

AS_OF = parse_hour("2026-11-21T00:00:00Z")
WEEKS = 6
TEAM = "=cmd|'<b>é🚀"


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Two teams; in the last day one runs three times as much for five hours."""
    made = tmp_path_factory.mktemp("case")
    rows = ["hour,meter,quantity,tag_team"]
    for t in range(WEEKS * 168):
        hour = AS_OF - WEEKS * 168 + t
        usual = 10 + t % 24 // 6
        times = 3 if AS_OF - 12 <= hour < AS_OF - 7 else 1
        rows += [f'{format_hour(hour)},gpu,{usual * times},"{TEAM}"']
        rows += [f"{format_hour(hour)},gpu,{usual},calm"]
    files = {
        "case.toml": 'currency = "USD"\nas_of = "2026-11-21T00:00:00Z"\n',
        "meters.csv": "meter,provider,product,unit,on_demand\ngpu,aws,instance,GPU-Hours,10\n",
        "usage.csv": "\n".join(rows) + "\n",
    }
    for name, text in files.items():
        (made / name).write_text(text, encoding="utf-8")
    return made


def run(*arguments: str) -> str:
    result = CliRunner().invoke(app, ["anomalies", *arguments, "--quiet"])
    assert result.exit_code == 0, result.output
    return result.output


def test_json(folder):
    document = json.loads(run(str(folder), "--json"))
    (event,) = document["anomalies"]
    assert (event["kind"], event["hours"], event["ongoing"]) == ("spike", 5, False)
    assert event["start"] == format_hour(AS_OF - 12)
    teams = [c for c in event["carriers"] if c["column"] == "tag_team"]
    assert [c["value"] for c in teams] == [TEAM]
    assert isinstance(event["dollars"], str)
    assert {"schema_version", "currency", "snapshot", "start", "end"} <= document.keys()


def test_csv_is_safe_in_a_spreadsheet(folder):
    (row,) = csv.DictReader(io.StringIO(run(str(folder), "--format", "csv")))
    assert row["value"] == f"'{TEAM}"
    assert json.loads(row["carriers"])[0]["share"] == pytest.approx(1.0, abs=0.02)


def test_markdown_shows_names_as_text(folder):
    text = run(str(folder), "--format", "md")
    assert "\\|'\\<b\\>é🚀" in text


def test_table(folder):
    text = run(str(folder), "--window", "24h")
    assert "1 event in" in text
    assert "ended" in text


def test_a_window_before_it(folder):
    """A window that ended before it does not know it: windows end now, so none is empty."""
    document = json.loads(run(str(folder), "--json", "--window", "3h"))
    assert document["anomalies"] == []


def test_a_window_that_is_none(folder):
    result = CliRunner().invoke(app, ["anomalies", str(folder), "--window", "soon"])
    assert result.exit_code == 2
    assert "To mend it" in result.output


HOURS = "hour,meter,quantity\n"
CLASSES = "hour,workload,requests,input_tokens,output_tokens\n"


@pytest.mark.parametrize("tables", [{"usage": HOURS}, {"workloads": CLASSES}])
def test_tables_without_rows_have_none(folder, tmp_path, tables):
    for name in ("case.toml", "meters.csv"):
        (tmp_path / name).write_text((folder / name).read_text("utf-8"), "utf-8")
    for name, text in tables.items():
        (tmp_path / f"{name}.csv").write_text(text, "utf-8")
    document = json.loads(run(str(tmp_path), "--json"))
    assert (document["anomalies"], document["series"]) == ([], 0)
    assert "No series could be judged" in run(str(tmp_path))
