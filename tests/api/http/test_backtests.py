# SPDX-License-Identifier: Apache-2.0
"""Backtests over HTTP: the command line's document, and what has no history."""

from __future__ import annotations

import csv
import io
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from api.access import Role
from api.cli import app as cli
from api.store import SERVICE, JobStatus
from api.web.pages import backtests
from api.work import run_job

from ...planning.markets import write_case
from .conftest import Lab, zipped
from .visitor import signed_in, words

WAIT = {"Prefer": "wait=60"}
ASKED = {"starts": 1, "backwards": False}


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Path:
    level = np.tile([6.0, 4.0, 5.0, 8.0], 300)
    return write_case(tmp_path_factory.mktemp("history"), {"m": level}, reserved=0.6, term=1460)


@pytest.fixture(scope="module")
def history(solved: Lab, case: Path) -> str:
    files = {file.name: file.read_bytes() for file in case.iterdir()}
    answer = solved.client.post(
        "/v1/snapshots", content=zipped(files), headers={"Content-Type": "application/zip"}
    )
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


def test_the_document_is_the_command_lines(solved: Lab, case: Path, history: str) -> None:
    asked = {"snapshot": history, **ASKED}
    answer = solved.client.post("/v1/backtests", json=asked, headers=WAIT)
    assert answer.status_code == 200, answer.text
    job = answer.json()
    assert job["status"] == "succeeded", job["problem"]
    ratios = {row["rule"]: row["cost_over_optimum"] for row in job["result"]["rules"]}
    assert ratios["optimum"] == 1.0
    assert min(ratios.values()) >= 1.0 - 1e-4
    done = CliRunner().invoke(
        cli, ["backtest", str(case), "--json", "--quiet", "--starts", "1", "--forward-only",
              "--workers", "1"],
    )  # fmt: skip
    assert done.exit_code == 0, done.stderr
    document = solved.client.get(f"/v1/backtests/{job['id']}/document")
    assert document.text == done.stdout


def test_a_history_that_is_too_short_is_the_jobs_problem(solved: Lab) -> None:
    asked = {"snapshot": solved.snapshot, **ASKED}
    job = solved.client.post("/v1/backtests", json=asked, headers=WAIT).json()
    assert job["status"] == "failed"
    assert job["problem"]["type"] == "urn:gpuopt:problem:data-error"
    assert "To mend it" in job["problem"]["detail"]


@pytest.mark.parametrize(
    "wrong", [{"starts": 0}, {"every_hours": 23}, {"term_hours": 1e9}, {"steps": 1}]
)
def test_backtests_that_are_none(solved: Lab, history: str, wrong: dict[str, float]) -> None:
    answer = solved.client.post("/v1/backtests", json={"snapshot": history, **wrong})
    assert answer.status_code == 422


def test_one_that_is_stopped_has_no_answer(solved: Lab, history: str) -> None:
    """Out of time, or cancelled by its owner."""
    jobs, service = solved.store.jobs, solved.service
    request = {"every_hours": 24, "starts": 9, "backwards": True, "term_hours": None,
               "detail": False}  # fmt: skip

    def run(job: str, seconds: float | None = None) -> None:
        run_job(service.store, solved.tenant, job, seconds=seconds, settings=service.settings)

    late = jobs.add("backtest", request, SERVICE, snapshot=history).id
    run(late, 0.0)
    assert jobs.get(late).status == JobStatus.failed
    assert (jobs.get(late).problem or {})["type"] == "urn:gpuopt:problem:out-of-time"
    unwanted = jobs.add("backtest", request, SERVICE, snapshot=history).id
    thread = threading.Thread(target=run, args=(unwanted,))
    thread.start()
    while "progress" not in [event.event for event in jobs.events(unwanted)]:
        time.sleep(0.01)
    jobs.cancel(unwanted, SERVICE)
    thread.join(60)
    assert jobs.get(unwanted).status == JobStatus.cancelled
    assert not jobs.has_document(late)
    assert not jobs.has_document(unwanted)


def test_the_page_of_a_backtest(solved: Lab, history: str, monkeypatch: pytest.MonkeyPatch) -> None:
    answer = solved.client.post("/v1/backtests", json={"snapshot": history, **ASKED}, headers=WAIT)
    job = answer.json()["id"]
    visitor = signed_in(solved.service.app, solved.key)
    page = visitor.page(f"/backtests/{job}")
    assert 'data-chart="backtest"' in page
    told = csv.DictReader(io.StringIO(visitor.get(f"/backtests/{job}?csv=rules").text))
    document = solved.client.get(f"/v1/backtests/{job}/document").json()
    assert {row["rule"]: float(row["cost"]) for row in told} == {
        row["rule"]: pytest.approx(float(row["cost"])) for row in document["rules"]
    }
    listed = visitor.page("/backtests")
    assert f"/backtests/{job}" in listed
    assert "The newest" not in words(listed)
    monkeypatch.setattr(backtests, "_MOST", 1)
    assert "The newest 1." in words(visitor.page("/backtests"))
    assert f'href="/backtests/{job}"' in visitor.page(f"/jobs/{job}")


def test_a_backtest_is_asked_for_on_its_page(lab: Lab, case: Path) -> None:
    visitor = signed_in(lab.service.app, lab.key)
    assert "Nothing was walked yet" in words(visitor.page("/backtests"))
    assert visitor.post("/backtests").status_code == 404
    lab.upload()
    place = visitor.post("/backtests", "/backtests").headers["location"]
    job = lab.store.jobs.page("backtest", 1)[0]
    assert place == f"/jobs/{job.id}"
    assert job.request["starts"] == 3
    reader = signed_in(lab.service.app, lab.key_of(Role.viewer))
    assert reader.post("/backtests").status_code == 403
    waiting = lab.store.jobs.add("backtest", {}, SERVICE)
    answer = visitor.get(f"/backtests/{waiting.id}")
    assert answer.headers["location"] == f"/jobs/{waiting.id}"
