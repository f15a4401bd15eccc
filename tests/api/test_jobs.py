# SPDX-License-Identifier: Apache-2.0
"""Jobs on DBOS: worker processes that die, limits, cancelling, and what a restart finds."""

from __future__ import annotations

import os
import shutil
import signal
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

pytest.importorskip("dbos")

from dbos import DBOS
from fastapi.testclient import TestClient
from typer.testing import CliRunner

from api.access import Role, make_key
from api.cli import app as cli
from api.http.app import create_app
from api.jobs import Jobs
from api.pool import Pool, WorkerDied
from api.schedules import WEEKLY, put_schedule, remove_schedule, schedules_of
from api.settings import ServiceSettings
from api.store import Actor, JobStatus, Refused, Store
from api.store.database import now

TINY = Path(__file__).parents[2] / "fixtures" / "tiny"
ME = Actor("test")


class Lab:
    def __init__(self, folder: Path) -> None:
        self.sources = folder / "sources.toml"
        self.sources.write_text("")
        self.destinations = folder / "destinations.toml"
        self.destinations.write_text("")
        self.settings = ServiceSettings(
            data_dir=folder,
            workers=1,
            worker_nice=0,
            sources=self.sources,
            destinations=self.destinations,
            delivery_tries=4,
            delivery_pause_seconds=0.01,
        )
        self.store = Store(self.settings.url, folder)
        self.store.migrate()
        self.tenant = self.store.add_tenant("lab").id
        self.mine = self.store.of(self.tenant)
        with self.mine.snapshots.place() as place:
            shutil.copytree(TINY, place, dirs_exist_ok=True)
            self.snapshot = self.mine.snapshots.add(place, ME)[0].id

    def ask(self, kind: str = "plan", **request: object) -> str:
        return self.mine.jobs.add(kind, request, ME, snapshot=self.snapshot).id

    def ended(self, job: str, seconds: float = 60) -> JobStatus:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            status = JobStatus(self.mine.jobs.get(job).status)
            if status.final:
                return status
            time.sleep(0.05)
        raise AssertionError(self.mine.jobs.get(job).status)


@pytest.fixture(scope="module")
def lab(tmp_path_factory) -> Iterator[Lab]:
    made = Lab(tmp_path_factory.mktemp("jobs"))
    yield made
    made.store.close()


@pytest.fixture(scope="module")
def jobs(lab) -> Iterator[Jobs]:
    lab.accepted_before = lab.ask()  # while no server was there
    runner = Jobs(lab.store, lab.settings)
    assert not runner.ready()
    runner.recover()
    yield runner
    runner.close()


def test_what_was_accepted_before_the_start_is_run(lab, jobs):
    assert lab.ended(lab.accepted_before) == JobStatus.succeeded
    assert jobs.ready()


def test_a_job_that_is_submitted_twice_runs_once(lab, jobs):
    job = lab.ask()
    for _ in range(3):
        jobs.submit(lab.tenant, job)
    assert lab.ended(job) == JobStatus.succeeded
    assert lab.mine.jobs.get(job).attempts == 1
    names = [event.event for event in lab.mine.jobs.events(job)]
    assert names[0] == "queued"
    assert names.count("succeeded") == 1
    assert "progress" in names


def test_a_what_if_starts_from_the_plan_that_its_worker_holds(lab, jobs):
    plan = lab.ask()
    jobs.submit(lab.tenant, plan)
    assert lab.ended(plan) == JobStatus.succeeded
    job = lab.ask("what_if", plan=plan, edits=["demand=+20%"])
    jobs.submit(lab.tenant, job)
    assert lab.ended(job) == JobStatus.succeeded
    phases = [event.data.get("phase") for event in lab.mine.jobs.events(job)]
    assert "reading tables" not in phases  # it was not solved again
    assert lab.mine.jobs.get(job).result["change"] == "15.900000000000"


def test_a_sweep_is_a_job(lab, jobs):
    job = lab.ask("sweep", snapshot=lab.snapshot, sweep="demand=-50%..+100%:4")
    jobs.submit(lab.tenant, job)
    assert lab.ended(job) == JobStatus.succeeded
    assert lab.mine.jobs.get(job).result["points"] == 4


def test_an_edit_that_is_refused_is_a_failed_job_with_its_problem(lab, jobs):
    job = lab.ask("what_if", snapshot=lab.snapshot, edits=["demand[meter=gpuu]=+20%"])
    jobs.submit(lab.tenant, job)
    assert lab.ended(job) == JobStatus.failed
    problem = lab.mine.jobs.get(job).problem
    assert problem["type"] == "urn:gpuopt:problem:edit-error"
    assert "Did you mean gpu" in problem["detail"]


def test_a_worker_that_is_killed_is_a_failed_job_and_not_a_dead_server(lab, jobs):
    job = lab.ask("sweep", snapshot=lab.snapshot, sweep="demand=-50%..+100%:200")
    jobs.submit(lab.tenant, job)
    while JobStatus(lab.mine.jobs.get(job).status) != JobStatus.running:
        time.sleep(0.02)
    for process in jobs.pool.processes():
        os.kill(process, signal.SIGKILL)
    assert lab.ended(job) == JobStatus.failed
    assert lab.mine.jobs.get(job).problem["type"] == "urn:gpuopt:problem:worker-died"
    after = lab.ask()
    jobs.submit(lab.tenant, after)
    assert lab.ended(after) == JobStatus.succeeded


def test_cancelling_keeps_what_was_found(lab, jobs):
    job = lab.ask("sweep", snapshot=lab.snapshot, sweep="demand=-50%..+100%:200")
    jobs.submit(lab.tenant, job)
    while "progress" not in [event.event for event in lab.mine.jobs.events(job)]:
        time.sleep(0.02)
    time.sleep(0.3)
    lab.mine.jobs.cancel(job, ME)
    assert lab.ended(job) == JobStatus.cancelled
    assert lab.mine.jobs.document(job).text.startswith("{")


def test_a_schedule_plans_the_newest_snapshot_once(lab, jobs):
    put_schedule(lab.tenant, "weekly", request={"settings": {"horizon_hours": 3}})
    assert [row["name"] for row in schedules_of(lab.tenant)] == ["weekly"]
    before = {job.id for job in lab.mine.jobs.page("plan", 200)}
    DBOS.trigger_schedule(f"{lab.tenant}.weekly").get_result()
    (job,) = {job.id for job in lab.mine.jobs.page("plan", 200)} - before
    assert lab.ended(job) == JobStatus.succeeded
    assert lab.mine.jobs.get(job).snapshot == lab.snapshot
    remove_schedule(lab.tenant, "weekly")
    assert schedules_of(lab.tenant) == []


def test_a_schedule_over_http_pulls_and_plans(lab, jobs, tmp_path):
    """The bill of the tiny case as FOCUS rows is pulled, and what it brings is planned."""
    rows = tmp_path / "bill.csv"
    done = CliRunner().invoke(cli, ["bill", str(TINY), "--focus", str(rows)])
    assert done.exit_code == 0, done.output
    lab.sources.write_text(
        f'[lab.bill]\nproviders = ["focus"]\naccounts = ["{rows}"]\nsince = "2026-01-01"\n'
    )
    secret = b"a secret of tests alone, 32 bytes"
    until = now() + timedelta(days=1)
    client = TestClient(create_app(lab.settings, lab.store, jobs, secret))  # never entered: no end
    keys = {}
    for name, scopes in (("all", ()), ("plans", ("plans:write",))):
        kept, keys[name] = make_key(secret, Role.analyst, name, until, scopes)
        lab.mine.keys.add(kept, ME)
    head = {"Authorization": f"Bearer {keys['all']}"}
    asked = {"name": "of-bill", "source": "bill", "weekday": "sunday", "hour": 23}
    narrow = {"Authorization": f"Bearer {keys['plans']}"}
    assert client.post("/v1/schedules", json=asked, headers=narrow).status_code == 403
    made = client.post("/v1/schedules", json=asked, headers=head)
    assert made.status_code == 201, made.text
    assert made.json()["cron"] == "0 23 * * 0"
    assert client.get("/v1/schedules", headers=head).json()["items"] == [made.json()]
    plans = {job.id for job in lab.mine.jobs.page("plan", 200)}
    DBOS.trigger_schedule(f"{lab.tenant}.of-bill").get_result()  # raises if a step failed
    (plan,) = {job.id for job in lab.mine.jobs.page("plan", 200)} - plans
    (pull,) = lab.mine.jobs.page("pull", 10)
    assert pull.status == JobStatus.succeeded
    assert lab.ended(plan) == JobStatus.succeeded, lab.mine.jobs.get(plan).problem
    assert lab.mine.jobs.get(plan).snapshot == pull.result["snapshot"] != lab.snapshot
    removed = client.delete("/v1/schedules/of-bill", headers=head)
    assert removed.status_code == 200
    assert client.delete("/v1/schedules/of-bill", headers=head).status_code == 404
    assert client.get("/v1/schedules", headers=head).json()["items"] == []
    deeds = [row.action for row in lab.mine.audit.page(10, subject="of-bill")]
    assert deeds == ["schedule.removed", "schedule.made"]


def test_a_schedule_reports_and_delivers(lab, jobs, tmp_path):
    """What is down does not keep the others waiting, is tried again, and fails nothing else."""
    blocked, done = tmp_path / "blocked", tmp_path / "done"
    blocked.write_text("in the way")
    lab.destinations.write_text(
        f'[lab.archive]\nfolder = "{done}"\n[lab.down]\nfolder = "{blocked}"\n'
    )
    put_schedule(lab.tenant, "monday", deliver_to=["archive", "down"])
    assert schedules_of(lab.tenant)[0]["deliver_to"] == ["archive", "down"]
    DBOS.trigger_schedule(f"{lab.tenant}.monday").get_result()
    (report,) = lab.mine.jobs.page("report", 10)
    assert lab.ended(report.id) == JobStatus.succeeded
    rows = lab.mine.jobs.asked_of("delivery", "report", report.id, 10)
    found = {row.request["to"]: row.id for row in rows}
    assert lab.ended(found["archive"]) == JobStatus.succeeded
    assert (done / "latest" / "report.html").is_file()
    end = time.monotonic() + 30
    while not lab.mine.jobs.get(found["down"]).result:
        assert time.monotonic() < end
        time.sleep(0.05)
    blocked.unlink()  # it comes back
    assert lab.ended(found["down"]) == JobStatus.succeeded
    tries = lab.mine.jobs.get(found["down"]).result["tries"]
    assert [bool(each["problem"]) for each in tries] == [True] * (len(tries) - 1) + [False]
    assert len(tries) >= 2
    assert (blocked / "latest" / "report.html").read_bytes() == (
        done / "latest" / "report.html"
    ).read_bytes()
    remove_schedule(lab.tenant, "monday")


def test_alerts_are_told_once(lab, jobs, tmp_path):
    """A spike of the last hours is delivered when it is first seen, and not the day after."""
    lab.destinations.write_text(f'[lab.archive]\nfolder = "{tmp_path}"\n')
    with lab.mine.snapshots.place() as place:
        spiky(place)
        lab.mine.snapshots.add(place, ME)
    put_schedule(lab.tenant, "hourly", "10 * * * *", deliver_to=["archive"], alerts=True)
    (row,) = schedules_of(lab.tenant)
    assert (row["what"], row["report"]) == ("alerts", False)
    for _ in range(2):
        DBOS.trigger_schedule(f"{lab.tenant}.hourly").get_result()
    second, first = lab.mine.jobs.page("alert", 10)
    assert first.result["new"] == 2
    assert second.result["new"] == 0
    assert second.result["events"] == first.result["events"]
    assert lab.mine.jobs.asked_of("delivery", "report", second.id, 10) == []
    (delivery,) = lab.mine.jobs.asked_of("delivery", "report", first.id, 10)
    assert lab.ended(delivery.id) == JobStatus.succeeded
    told = (tmp_path / "latest" / "report.md").read_text("utf-8")
    assert "# Cost alert: lab" in told
    assert "1 budget is passed or at risk. 1 event in" in told
    assert "Budget all of $1.00 was passed on 2026-02-01" in told
    remove_schedule(lab.tenant, "hourly")


def spiky(folder: Path) -> None:
    """Five weeks of ten GPUs, a hundred in four of the last hours, and a budget of a dollar."""
    start = datetime(2026, 1, 5, tzinfo=UTC)
    hours = 35 * 24
    rows = ["hour,meter,quantity"]
    for hour in range(hours):
        many = 100 if hours - 8 <= hour < hours - 4 else 10 + hour % 24 // 12
        rows.append(f"{start + timedelta(hours=hour):%Y-%m-%dT%H:%M:%SZ},gpu,{many}")
    (folder / "usage.csv").write_text("\n".join(rows) + "\n")
    (folder / "budgets.csv").write_text("budget,tag,value,month,amount\nall,,,2026-02,1\n")
    (folder / "meters.csv").write_text((TINY / "meters.csv").read_text())
    as_of = start + timedelta(hours=hours)
    (folder / "case.toml").write_text(
        f'currency = "USD"\nas_of = "{as_of:%Y-%m-%dT%H:%M:%SZ}"\nhorizon_hours = 24\n'
    )


def test_a_delivery_that_is_in_the_store_alone_is_taken_up(lab, jobs, tmp_path, monkeypatch):
    """The server ended between a try and the queueing of the next one."""
    (report,) = lab.mine.jobs.page("report", 1)
    lab.destinations.write_text(f'[lab.archive]\nfolder = "{tmp_path}"\n')
    job = lab.ask("delivery", report=report.id, to="archive")
    lab.mine.jobs.start(job)
    lab.mine.jobs.tell(job, "try 1", result={"tries": [{"at": "x", "problem": "down"}]})
    lab.mine.jobs.put_off(job)
    monkeypatch.setattr("api.jobs.ORPHAN_SECONDS", 0.0)
    assert lab.ended(job) == JobStatus.succeeded
    assert len(lab.mine.jobs.get(job).result["tries"]) == 2


@pytest.mark.parametrize(("name", "cron"), [("../x", WEEKLY), ("x", "soon"), ("x", "a b c d e")])
def test_schedules_that_are_none(lab, jobs, name, cron):
    with pytest.raises(Refused, match="To mend it"):
        put_schedule(lab.tenant, name, cron)


def test_memory_of_a_worker_is_bounded(lab):
    job = lab.ask()
    small = lab.settings.model_copy(update={"worker_memory_bytes": 400 << 20})
    pool = Pool(small)
    try:
        try:
            pool.run(lab.tenant, job)
        except WorkerDied:
            return  # it could not even begin
        assert lab.ended(job, 1) == JobStatus.failed
    finally:
        pool.close()


def test_a_closed_pool_takes_nothing(lab):
    pool = Pool(lab.settings)
    pool.close()
    failed = []

    def run() -> None:
        try:
            pool.run(lab.tenant, "pln_0")
        except WorkerDied as error:
            failed.append(str(error))

    thread = threading.Thread(target=run)
    thread.start()
    thread.join(5)
    assert failed == ["the server is closing"]


def test_what_runs_when_a_server_is_closed_goes_on_at_the_next_start(lab, jobs):
    """A restart in the middle of a schedule: its plan is planned again, and reported on."""
    with lab.mine.snapshots.place() as place:  # the newest, whatever other tests have added
        shutil.copytree(TINY, place, dirs_exist_ok=True)
        with (place / "case.toml").open("a") as settings:
            settings.write("\n# of another day\n")
        lab.mine.snapshots.add(place, ME)
    put_schedule(lab.tenant, "monday", report=True)
    known = {job.id for job in lab.mine.jobs.page("plan", 200)}
    DBOS.trigger_schedule(f"{lab.tenant}.monday")
    end = time.monotonic() + 60
    while not (new := [job for job in lab.mine.jobs.page("plan", 200) if job.id not in known]):
        assert time.monotonic() < end
        time.sleep(0.02)
    jobs.close()
    closed = lab.mine.jobs.get(new[0].id)
    again = Jobs(lab.store, lab.settings)
    again.recover()
    try:
        assert lab.ended(closed.id) == JobStatus.succeeded, lab.mine.jobs.get(closed.id).problem
        while not (rows := lab.mine.jobs.asked_of("report", "plan", closed.id, 1)):
            assert time.monotonic() < end + 60
            time.sleep(0.05)
        assert lab.ended(rows[0].id) == JobStatus.succeeded
        remove_schedule(lab.tenant, "monday")
    finally:
        again.close()
