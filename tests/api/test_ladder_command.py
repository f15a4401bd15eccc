# SPDX-License-Identifier: Apache-2.0
"""``gpuopt ladder``: the calendar as a page and as JSON, of one future and of several."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from api.cli import app

METERS = "meter,provider,product,unit,on_demand\ngpu,aws,instance,h,10\n"
OFFERS = (
    "offer,law,measure,term_hours,hourly\nlong,aws.reserved.regional,units,2190,5\n"
    "short,aws.reserved.regional,units,730,7\n"
)
COVERS = "offer,meter,draw\nlong,gpu,1\nshort,gpu,1\n"
TOML = (
    'currency = "USD"\nas_of = "2026-11-21T00:00:00Z"\nhorizon_hours = 2190\n'
    "[ladder]\nsteps = [1, 2]\n"
)
MAYBE = (
    "initiative,stage,meter,quantity,start,end,odds\n"
    "launch,explore,gpu,6,2026-12-21T10:00:00Z,2027-02-20T06:00:00Z,0.5\n"
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Four units in one hour, and in all hours where history repeats nothing."""
    usage = "".join(
        f"2026-{month:02d}-{day:02d}T{hour:02d}:00:00Z,gpu,4\n"
        for month, days in ((11, range(1, 21)),)
        for day in days
        for hour in range(24)
    )
    files = {
        "meters.csv": METERS,
        "offers.csv": OFFERS,
        "covers.csv": COVERS,
        "usage.csv": "hour,meter,quantity\n" + usage,
        "case.toml": TOML,
    }
    for name, text in files.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    return tmp_path


def test_one_future_has_a_calendar_without_later_purchases(folder: Path) -> None:
    result = CliRunner().invoke(app, ["ladder", str(folder), "--json", "--quiet"])
    assert result.exit_code == 0, result.output
    document = json.loads(result.stdout)
    assert [(row["action"], row["offer"], row["high"]) for row in document["ladder"]] == [
        ("buy", "long", 4.0)
    ]
    page = CliRunner().invoke(app, ["ladder", str(folder), "--quiet"])
    assert "1 to buy now, 0 later" in page.stdout


def test_what_may_come_is_bought_when_it_does(folder: Path) -> None:
    (folder / "initiatives.csv").write_text(MAYBE, encoding="utf-8")
    result = CliRunner().invoke(app, ["ladder", str(folder), "--json", "--quiet"])
    assert result.exit_code == 0, result.output
    document = json.loads(result.stdout)
    assert document["scenarios"] == 2
    now = {row["offer"]: row["high"] for row in document["ladder"] if row["action"] == "buy"}
    assert now == {"long": 4.0}
    later = [row for row in document["ladder"] if row["action"] == "buy_later"]
    # Seen only once it has begun: at the second step.
    some = [row for row in later if row["odds"] == 0.5]
    assert some
    assert {row["date"][:10] for row in some} == {"2027-01-20"}
    assert all(4 < row["trigger"]["above"] < 10 for row in some)
    assert float(document["worth_of_waiting"]) > 0
    page = CliRunner().invoke(app, ["ladder", str(folder), "--quiet"])
    assert "What would change the advice" in page.stdout
