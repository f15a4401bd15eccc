# SPDX-License-Identifier: Apache-2.0
"""A small case that is right, for tests to make wrong."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from optimizer.tables import words

TOML = 'currency = "USD"\nas_of = "2026-11-21T00:00:00Z"\n'

FILES = {
    "case.toml": TOML,
    "meters.csv": (
        "meter,provider,product,unit,on_demand,availability,size\n"
        "m1,aws,instance,Instance-Hours,2.50,0.9,8\n"
        "m2,aws,instance,Instance-Hours,,,\n"
    ),
    "usage.csv": (
        "hour,meter,quantity,account,interrupted,restart_cost,tag_team\n"
        "2026-11-20T00:00:00Z,m1,1.5,org/a,true,0.10,x\n"
        "2026-11-20T01:00:00Z,m1,2,org/a,,0.1,y\n"
        "2026-11-20T01:00:00Z,m2,3,,false,,x\n"
    ),
    "offers.csv": (
        "offer,law,measure,term_hours,hourly,step,buyback_after\n"
        "o1,aws.savings.compute,money,8760,1,0.001,\n"
        "o2,aws.reserved.regional,units,26280,1.25,1,100\n"
    ),
    "covers.csv": "offer,meter,draw\no1,m1,1.75\no2,m1,1\n",
    "commitments.csv": (
        "commitment,offer,quantity,start,end\n"
        "c1,o1,10.123,2026-01-01T00:00:00Z,2027-01-01T00:00:00Z\n"
    ),
}

Make = Callable[..., Path]


def contents(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir()}


@pytest.fixture(params=["by rows", "by words"])
def judged(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Judge values as those of a short table are judged, and as those of a long one."""
    if request.param == "by words":
        monkeypatch.setattr(words, "MANY_ROWS", 0)
        monkeypatch.setattr(words, "LEAST_REPEATS", 1)
    return str(request.param)


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Write the small case, with files replaced, added or (``None``) left out."""

    def write(**files: str | bytes | None) -> Path:
        folder = tmp_path / "case[1]"  # DuckDB would take the brackets for a pattern
        folder.mkdir(exist_ok=True)
        replaced = {name.replace("__", "."): text for name, text in files.items()}
        for name, text in {**FILES, **replaced}.items():
            if text is not None:
                data = text if isinstance(text, bytes) else text.encode()
                (folder / name).write_bytes(data)
        return folder

    return write
