# SPDX-License-Identifier: Apache-2.0
"""``gpuopt what-if``, ``diff`` and ``explain`` as a user meets them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from api.cli import app

TINY = str(Path(__file__).parents[2] / "fixtures" / "tiny")


def call(*words: str, code: int = 0) -> str:
    done = CliRunner().invoke(app, list(words))
    assert done.exit_code == code, done.output
    return done.stdout if code == 0 else done.output


@pytest.fixture(scope="module")
def plan(tmp_path_factory) -> str:
    file = tmp_path_factory.mktemp("plan") / "plan.json"
    call("plan", TINY, "-o", str(file), "--quiet")
    return str(file)


def test_what_if_of_a_plan_finds_its_case(plan, tmp_path):
    page = call("what-if", plan, "--set", "demand=+20%", "--quiet")
    assert "+$15.90" in page
    out = tmp_path / "answer.json"
    asked = ("--set", "offers-=ri", "--json", "-o", str(out), "--quiet")
    document = json.loads(call("what-if", plan, *asked))
    assert document == json.loads(out.read_text())
    assert document["not_allowed"] == ["ri"]


def test_what_if_that_has_no_plan_says_what_to_relax():
    edits = ("--set", "meters[meter=gpu].on_demand_limit=0", "--set", "offers-=*")
    page = call("what-if", TINY, *edits, "--set", "commitments-=*", "--quiet", code=11)
    assert "No plan" in page


def test_sweep_here(plan, monkeypatch):
    monkeypatch.setenv("GPUOPT_WORKERS", "1")
    document = json.loads(
        call("what-if", plan, "--sweep", "demand=+0%..+20%:2", "--json", "--quiet")
    )
    assert [row["total"][:5] for row in document["points"]] == ["77.25", "93.15"]


def test_diff_and_explain(plan):
    assert "purchases are the same" in call("diff", plan, plan)
    assert "replay uses 100.0%" in call("explain", plan, "ri").replace("\n", " ")
    assert json.loads(call("explain", plan, "--json"))["formulae"]


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (("what-if", TINY), 2, "there is no edit"),
        (("what-if", TINY, "--set", "demnd=+20%"), 2, "Did you mean demand"),
        (("what-if", TINY, "--sweep", "demand=+20%"), 2, "it is no sweep"),
        (("diff", "none.json", TINY), 2, "cannot be read"),
        (("explain", "none.json"), 2, "cannot be read"),
    ],
)
def test_refusals(words, code, told):
    assert told in call(*words, code=code)


def test_a_plan_without_its_case(plan, tmp_path):
    alone = tmp_path / "alone.json"
    alone.write_text(Path(plan).read_text())
    assert "--case" in call("what-if", str(alone), "--set", "demand=+1%", code=2)
    assert "$77" in call("what-if", str(alone), "--set", "demand=+1%", "--case", TINY, "--quiet")
    other = str(Path(TINY).parent / "frontier-lab")
    told = call("what-if", str(alone), "--set", "demand=+1%", "--case", other, "--quiet", code=2)
    assert "another snapshot" in told
