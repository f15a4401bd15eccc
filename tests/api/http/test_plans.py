# SPDX-License-Identifier: Apache-2.0
"""Plans over HTTP: the command line's document, promises kept, progress, cancelling, once."""

from __future__ import annotations

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from typer.testing import CliRunner

from api.access import Role
from api.cli import app as cli
from api.http.once import fingerprint
from api.store import SERVICE, Actor, JobStatus
from api.store.jobs import Jobs
from api.work import run_job

from .conftest import TINY, Lab


def caller(lab: Lab) -> str:
    return str(lab.client.get("/v1/me").json()["name"])


def parse_events(text: str) -> list[tuple[int, str, dict[str, Any]]]:
    """Server-sent events as (id, event, data)."""
    found = []
    for block in text.strip().split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.splitlines() if ": " in line)
        if "id" in fields:
            found.append((int(fields["id"]), fields["event"], json.loads(fields["data"])))
    return found


def test_the_document_is_that_of_the_command_line(solved: Lab) -> None:
    answer = solved.client.get(f"/v1/plans/{solved.plan}/document")
    assert answer.status_code == 200
    over_http = json.loads(answer.text)
    printed = CliRunner().invoke(cli, ["plan", str(TINY), "--json", "--quiet"])
    by_hand = json.loads(printed.stdout)
    # This tenant's case has one table more, and so another hash; nothing else differs.
    assert by_hand.pop("snapshot") != over_http.pop("snapshot")
    assert by_hand.pop("plan") != over_http.pop("plan")
    for document in (by_hand, over_http):
        for check in document["checks"]:
            check.pop("detail")
    over_http["commitment_curve"].pop("advice")  # of the table more: the providers' own
    assert {k: over_http[k] for k in by_hand if k not in {"checks", "considered", "parts"}} == {
        k: by_hand[k] for k in by_hand if k not in {"checks", "considered", "parts"}
    }


def test_the_same_case_gives_the_same_bytes(lab: Lab) -> None:
    lab.planned()
    answer = lab.client.get(f"/v1/plans/{lab.plan}/document")
    assert answer.text == CliRunner().invoke(cli, ["plan", str(TINY), "--json"]).stdout
    assert answer.headers["content-type"] == "application/json"


def test_a_plan_is_promised_and_kept(lab: Lab) -> None:
    snapshot = lab.upload()
    answer = lab.client.post("/v1/plans", json={"snapshot": snapshot})
    assert answer.status_code == 202
    assert int(answer.headers["retry-after"]) > 0
    place = answer.headers["location"]
    assert place == f"/v1/plans/{answer.json()['id']}" == answer.json()["links"]["self"]
    waited = lab.client.get(place, headers={"Prefer": "respond-async, wait=60"})
    assert waited.headers["preference-applied"] == "wait=60"
    found = waited.json()
    assert found["status"] == "succeeded"
    assert found["result"]["total"] == "77.250000000000"
    assert found["result"]["savings"] == "24.750000000000"
    assert found["gap"] < 1e-9
    assert abs(float(found["lower_bound"]) - 77.25) < 1e-6
    assert lab.client.get(found["links"]["document"]).json()["status"] == "optimal"


def test_settings_stand_in_the_place_of_the_snapshots(lab: Lab) -> None:
    found = lab.planned(settings={"limits": {"upfront_cash": "0"}, "solve": {"gap": 0.5}})
    document = lab.client.get(found["links"]["document"]).json()
    assert document["settings"]["limits"]["upfront_cash"] == "0"
    assert document["settings"]["solve"]["gap"] == 0.5
    assert {row["offer"] for row in document["purchases"]} <= {"plan"}  # ri is paid upfront
    again = lab.planned(settings={"limits": {"upfront_cash": None}}, start=found["id"])
    assert again["result"]["total"] == "77.250000000000"


def test_an_infeasible_case_is_an_answer(lab: Lab) -> None:
    meters = "meter,provider,region,product,unit,on_demand,on_demand_limit\n"
    meters += "gpu,aws,us-east-1,instance,Instance-Hours,10,0\n"
    meters += "cpu,aws,us-east-1,instance,Instance-Hours,1,0\n"
    offers = "offer,law,measure,term_hours,hourly,maximum\nri,aws.reserved.regional,units,4,3,0\n"
    lab.snapshot = lab.upload(
        meters=meters, offers=offers, covers="offer,meter,draw\nri,gpu,1\n", commitments=None
    )
    found = lab.planned(put_forward=True)
    assert found["status"] == "succeeded"
    assert found["result"]["plan_status"] == "infeasible"
    document = lab.client.get(found["links"]["document"]).json()
    assert document["relaxations"]
    refused = lab.client.post("/v1/recommendations", json={"plan": found["id"]})
    assert refused.status_code == 409
    assert lab.client.get("/v1/recommendations").json()["items"] == []


def test_a_refused_case_fails_with_its_place(lab: Lab) -> None:
    lab.snapshot = lab.upload(offers=None, covers=None, commitments=None)
    found = lab.planned()
    assert found["status"] == "failed"
    assert found["problem"]["type"] == "urn:gpuopt:problem:data-error"
    assert found["problem"]["errors"][0]["file"] == "offers.csv"
    assert found["links"]["document"] is None
    assert lab.client.get(f"/v1/plans/{found['id']}/document").status_code == 404


def test_events_end_with_the_plan_and_can_be_resumed(solved: Lab) -> None:
    url = f"/v1/plans/{solved.plan}/events"
    answer = solved.client.get(url)
    assert answer.headers["content-type"].startswith("text/event-stream")
    events = parse_events(answer.text)
    assert [number for number, _, _ in events] == list(range(1, len(events) + 1))
    assert [name for _, name, _ in events][:2] == ["queued", "running"]
    assert events[-1][1] == "succeeded"
    assert events[-1][2]["result"]["total"] == "77.250000000000"
    told = [data for _, name, data in events if name == "progress"]
    assert {"phase", "incumbent", "bound", "gap"} <= set(told[0])
    resumed = solved.client.get(url, headers={"Last-Event-ID": "2"})
    assert parse_events(resumed.text) == events[2:]
    over = solved.client.get(url, headers={"Last-Event-ID": str(len(events))})
    assert over.status_code == 204
    assert solved.client.get(url, headers={"Last-Event-ID": "x"}).status_code == 422


def test_events_are_sent_as_they_come(lab: Lab) -> None:
    job = lab.store.jobs.add("plan", {}, SERVICE)
    seen: list[str] = []

    def follow() -> None:
        with lab.client.stream("GET", f"/v1/plans/{job.id}/events") as answer:
            seen.extend(line[7:] for line in answer.iter_lines() if line.startswith("event: "))

    thread = threading.Thread(target=follow)
    thread.start()
    lab.store.jobs.start(job.id)
    lab.store.jobs.tell(job.id, "searching", 3.0, 2.0, 1 / 3)
    found = lab.client.get(f"/v1/plans/{job.id}").json()
    assert (found["incumbent"], found["lower_bound"]) == ("3.000000", "2.000000")
    assert found["gap"] == pytest.approx(1 / 3)
    lab.store.jobs.finish(job.id, JobStatus.failed, problem={"title": "x"})
    thread.join(20)
    assert seen == ["queued", "running", "progress", "failed"]


def test_what_runs_is_cancelled_and_keeps_its_best_plan(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab.upload()
    snapshot = lab.client.get("/v1/snapshots").json()["items"][0]["id"]
    job = lab.store.jobs.add("plan", {"settings": None}, SERVICE, snapshot=snapshot)
    tell = Jobs.tell

    def cancel_at(self: Jobs, name: str, phase: str, *rest: Any) -> bool:
        if name == job.id and phase == "baseline":
            answer = lab.client.delete(f"/v1/plans/{job.id}")
            assert answer.status_code == 202
            assert answer.json()["cancel_asked"]
        return tell(self, name, phase, *rest)

    monkeypatch.setattr(Jobs, "tell", cancel_at)
    run_job(lab.service.store, lab.tenant, job.id, settings=lab.service.settings)
    found = lab.client.get(f"/v1/plans/{job.id}").json()
    assert found["status"] == "cancelled"
    document = lab.client.get(found["links"]["document"]).json()
    assert document["total"] == found["result"]["total"]
    assert document["status"] in {"stopped", "optimal", "within_gap"}
    again = lab.client.delete(f"/v1/plans/{job.id}")
    assert (again.status_code, again.json()["status"]) == (200, "cancelled")


def test_what_waits_is_cancelled_at_once_and_never_runs(lab: Lab) -> None:
    job = lab.store.jobs.add("plan", {}, SERVICE)
    answer = lab.client.delete(f"/v1/plans/{job.id}")
    assert (answer.status_code, answer.json()["status"]) == (200, "cancelled")
    run_job(lab.service.store, lab.tenant, job.id, settings=lab.service.settings)
    assert lab.store.jobs.get(job.id).attempts == 0
    assert not lab.store.jobs.has_document(job.id)


def test_what_was_begun_and_lost_is_begun_again(lab: Lab) -> None:
    snapshot = lab.upload()
    job = lab.store.jobs.add("plan", {"settings": None}, SERVICE, snapshot=snapshot)
    lab.store.jobs.start(job.id)  # by a worker that was killed
    run_job(lab.service.store, lab.tenant, job.id, settings=lab.service.settings)
    found = lab.store.jobs.get(job.id)
    assert (found.status, found.attempts) == (JobStatus.succeeded, 2)
    run_job(lab.service.store, lab.tenant, job.id, settings=lab.service.settings)
    assert lab.store.jobs.get(job.id).attempts == 2


def test_a_job_ends_once(lab: Lab) -> None:
    job = lab.store.jobs.add("plan", {}, SERVICE)
    lab.store.jobs.start(job.id)

    def finish(number: int) -> bool:
        return lab.store.jobs.finish(
            job.id, JobStatus.succeeded, document=str(number), result={"n": number}
        )

    with ThreadPoolExecutor(8) as pool:
        ended = list(pool.map(finish, range(8)))
    assert sum(ended) == 1
    assert lab.store.jobs.document(job.id).text == str(ended.index(True))
    finals = [e for e in lab.store.jobs.events(job.id) if e.event == "succeeded"]
    assert len(finals) == 1
    assert lab.store.jobs.tell(job.id, "late")  # it shall stop
    assert lab.store.jobs.events(job.id)[-1].event == "succeeded"


def test_a_request_that_is_sent_again_is_done_once(lab: Lab) -> None:
    snapshot = lab.upload()
    key = {"Idempotency-Key": "5f0c"}
    first = lab.client.post("/v1/plans", json={"snapshot": snapshot}, headers=key)
    again = lab.client.post("/v1/plans", json={"snapshot": snapshot}, headers=key)
    assert first.status_code == again.status_code == 202
    assert (first.text, first.headers["location"]) == (again.text, again.headers["location"])
    assert again.headers["idempotency-replayed"] == "true"
    assert len(lab.client.get("/v1/plans").json()["items"]) == 1
    other = lab.client.post("/v1/plans", json={"snapshot": "snp_0"}, headers=key)
    assert other.status_code == 422
    assert other.json()["type"].endswith("key-reused")
    # Another caller's key of the same name is another key.
    other_key = lab.as_role(Role.admin)
    third = other_key.post("/v1/plans", json={"snapshot": snapshot}, headers=key)
    assert third.json()["id"] != first.json()["id"]


def test_a_request_that_was_refused_may_be_sent_again(lab: Lab) -> None:
    key = {"Idempotency-Key": "again"}
    assert lab.client.post("/v1/plans", json={"snapshot": "x"}, headers=key).status_code == 422
    answer = lab.client.post("/v1/plans", json={"snapshot": lab.upload()}, headers=key)
    assert answer.status_code == 202
    wrong = lab.client.post("/v1/plans", json={}, headers={"Idempotency-Key": "a b"})
    assert wrong.status_code == 400


def test_a_request_in_flight_is_refused_and_one_that_was_lost_is_found(lab: Lab) -> None:
    snapshot = lab.upload()
    body = json.dumps({"snapshot": snapshot}).encode()

    class Sent:
        method = "POST"

        class url:  # noqa: N801
            path = "/v1/plans"
            query = ""

    name = caller(lab)
    print_of = fingerprint(Sent, body)  # type: ignore[arg-type]
    assert lab.store.answers.claim(name, "k", print_of) is None
    headers = {"Idempotency-Key": "k", "Content-Type": "application/json"}
    answer = lab.client.post("/v1/plans", content=body, headers=headers)
    assert (answer.status_code, answer.json()["type"][-9:]) == (409, "in-flight")
    # The server made the job, and was killed before it answered.
    job = lab.store.jobs.add("plan", {"settings": None}, Actor(name), once=(name, "k"))
    answer = lab.client.post("/v1/plans", content=body, headers=headers)
    assert answer.status_code == 202
    assert answer.json()["id"] == job.id
    assert len(lab.client.get("/v1/plans").json()["items"]) == 1


def test_lists_are_read_page_by_page(lab: Lab) -> None:
    made = [lab.store.jobs.add("plan", {}, SERVICE).id for _ in range(5)]
    for job in made[:2]:
        lab.store.jobs.cancel(job, SERVICE)
    read, token = [], ""
    while True:
        page = lab.client.get("/v1/plans", params={"page_size": 2, "page_token": token}).json()
        read += [row["id"] for row in page["items"]]
        token = page["next_page_token"]
        if not token:
            break
    assert read == made[::-1]
    first = lab.client.get("/v1/plans", params={"page_size": 1, "status": "queued"}).json()
    token = first["next_page_token"]
    assert token
    good = {"page_size": 1, "status": "queued", "page_token": token}
    assert lab.client.get("/v1/plans", params=good).json()["items"][0]["id"] == made[3]
    for wrong in (
        {**good, "status": "cancelled"},
        {"page_token": token},
        {**good, "page_token": token[:-2] + "AA"},
        {**good, "page_token": "é"},
    ):
        answer = lab.client.get("/v1/plans", params=wrong)
        assert (answer.status_code, answer.json()["type"][-10:]) == (400, "page-token")
    other = lab.service.lab().client.get("/v1/plans", params=good)
    assert other.status_code == 400


def test_no_more_jobs_than_may_wait(lab: Lab) -> None:
    snapshot = lab.upload()
    for _ in range(lab.service.settings.max_queued):
        lab.store.jobs.add("plan", {}, SERVICE)
    answer = lab.client.post("/v1/plans", json={"snapshot": snapshot})
    assert answer.status_code == 429
    assert int(answer.headers["retry-after"]) > 0


def test_the_purchases_as_csv(solved: Lab) -> None:
    answer = solved.client.get(f"/v1/plans/{solved.plan}/purchases.csv")
    assert answer.headers["content-type"].startswith("text/csv")
    assert "attachment" in answer.headers["content-disposition"]
    assert answer.text.splitlines()[1].startswith("plan,,aws.savings.compute,7.0,money,")


def test_key_figures_of_the_newest_plan(solved: Lab) -> None:
    found = solved.client.get("/v1/kpis").json()
    assert (found["plan"], found["total"]) == (solved.plan, "77.250000000000")
    assert found["kpis"]["today"]["coverage"] == pytest.approx(0.3279, abs=1e-4)
    assert found["recommendations"] == {"active": 2}
    assert set(found["kpis"]["plan"]) <= set(found["formulae"])
    nothing = solved.service.lab().client.get("/v1/kpis")
    assert nothing.status_code == 404
