# SPDX-License-Identifier: Apache-2.0
"""Reports over HTTP, and deliveries that are tried until they are taken."""

from __future__ import annotations

import json
import time
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import Any

import pytest

from api.access import Role
from api.deliveries import LONGEST_PAUSE_SECONDS, TRIES, pause
from api.reports import advice_of, plan_before
from api.store import SERVICE, JobStatus
from api.store.database import new_id, now
from api.store.models import Snapshot

from .conftest import TINY, Lab, Service

WAIT = {"Prefer": "wait=30"}


def deliver(lab: Lab, report: str, to: str, **headers: str) -> Any:
    return lab.client.post(
        f"/v1/reports/{report}/deliveries", json={"to": to}, headers=headers or WAIT
    )


def count(kind: str, outcome: str) -> float:
    return float(TRIES.labels(kind, outcome)._value.get())


@pytest.fixture(scope="module")
def made(service: Service) -> tuple[Lab, dict[str, Any]]:
    """A tenant with a report, for deliveries to destinations of different names."""
    lab = service.lab()
    return lab, lab.reported()


def deliveries(lab: Lab, report: dict[str, Any], to: str) -> list[dict[str, Any]]:
    rows = lab.client.get(report["links"]["self"]).json()["deliveries"]
    return [row for row in rows if row["to"] == to]


@pytest.fixture(scope="module")
def reported(solved: Lab) -> dict[str, Any]:
    (row,) = solved.client.get("/v1/reports").json()["items"]
    return dict(row)


def test_a_report_is_read_in_every_form(solved: Lab, reported: dict[str, Any]) -> None:
    root, result = reported["links"]["self"], reported["result"]
    document = solved.client.get(f"{root}/document").json()
    assert document["title"] == result["title"] == f"Weekly commitment report: {solved.name}"
    assert document["headline"] == result["headline"]
    assert reported["request"] == {"plan": solved.plan, "before": None}
    assert {"report.html", "report.md", "tables/actions.csv"} <= set(result["files"])
    kinds = {"html": "text/html", "md": "text/markdown", "csv": "text/csv"}
    for file in result["files"]:
        answer = solved.client.get(f"{root}/{file}")
        assert answer.status_code == 200, file
        assert answer.headers["content-type"].startswith(kinds[file.rpartition(".")[2]])
        known = {"If-None-Match": f'"x", W/{answer.headers["etag"]}'}
        again = solved.client.get(f"{root}/{file}", headers=known)
        assert (again.status_code, again.content) == (304, b"")
        other = solved.client.get(f"{root}/{file}", headers={"If-None-Match": '"x"'})
        assert other.content == answer.content
    page = solved.client.get(f"{root}/report.html")
    policy = page.headers["content-security-policy"]
    assert policy.startswith("sandbox; default-src 'none'")
    assert "script" not in policy
    assert document["headline"].split()[0] in page.text
    assert solved.client.get(f"{root}/tables/none.csv").status_code == 404
    assert solved.client.get(f"{root}/tables/..%2Fx.csv").status_code in {404, 422}


def test_the_same_report_is_the_same_to_the_byte(solved: Lab, reported: dict[str, Any]) -> None:
    other = solved.client.post("/v1/reports", json={"plan": solved.plan}, headers=WAIT).json()
    assert other["result"] == reported["result"]
    for file in ("document", *other["result"]["files"]):
        pair = [solved.client.get(f"{r['links']['self']}/{file}") for r in (reported, other)]
        assert pair[0].content == pair[1].content, file
        assert pair[0].headers["etag"] == pair[1].headers["etag"]


def test_a_plan_that_is_none_or_not_finished(lab: Lab) -> None:
    lab.planned()
    for body, pointer in (
        ({"plan": "pln_0"}, "/plan"),
        ({"plan": lab.plan, "before": "pln_0"}, "/before"),
        ({"plan": lab.store.jobs.add("plan", {}, SERVICE).id}, "/plan"),
    ):
        answer = lab.client.post("/v1/reports", json=body)
        assert answer.status_code == 422
        assert answer.json()["errors"][0]["pointer"] == pointer


def test_the_plan_before_is_that_of_about_a_week_before(lab: Lab) -> None:
    lab.planned()
    first = lab.store.jobs.get(lab.plan)
    assert plan_before(lab.store, first) is None
    found = lab.store.snapshots.get(str(first.snapshot))

    def planned(days: float, currency: str = "USD", **settings: Any) -> str:
        """A plan of data that are so much older."""
        row = Snapshot(
            **{
                column.name: getattr(found, column.name)
                for column in Snapshot.__table__.columns
                if column.name not in {"id", "digest", "as_of", "currency"}
            },
            currency=currency,
            id=new_id("snp"),
            digest=new_id("sha"),
            as_of=found.as_of - timedelta(days=days),
        )
        with lab.service.store.database.write(lab.tenant) as session:
            session.add(row)
        asked = {"settings": settings or None}
        job = lab.store.jobs.add("plan", asked, SERVICE, snapshot=row.id).id
        result = {"plan_status": "infeasible" if settings.get("bad") else "optimal"}
        lab.store.jobs.start(job)
        lab.store.jobs.finish(job, JobStatus.succeeded, document="{}\n", result=result)
        return job

    foreign = planned(7, currency="EUR")
    answer = lab.client.post("/v1/reports", json={"plan": lab.plan, "before": foreign})
    assert answer.status_code == 422
    assert answer.json()["errors"] == [{"pointer": "/before", "detail": "is in EUR, not in USD"}]
    for days in (0, 1, 4.9, 9.1, 14):
        planned(days)
    assert plan_before(lab.store, first) is None
    planned(7, bad=True)
    assert plan_before(lab.store, first) is None
    others = planned(7, horizon_hours=3)
    assert plan_before(lab.store, first) == others
    planned(5)
    near = planned(6.5)
    assert plan_before(lab.store, first) == near
    newer = planned(7.5)
    assert plan_before(lab.store, first) == newer


def test_advice_in_another_currency_is_none(lab: Lab) -> None:
    lab.put_forward()

    def planned(currency: str) -> str:
        snapshot = lab.store.jobs.get(lab.plan).snapshot
        job = lab.store.jobs.add("plan", {}, SERVICE, snapshot=snapshot).id
        lab.store.jobs.start(job)
        result = {"plan_status": "optimal", "currency": currency}
        lab.store.jobs.finish(job, JobStatus.succeeded, document="{}\n", result=result)
        return job

    assert [row["plan"] for row in advice_of(lab.store, planned("USD"))]
    assert advice_of(lab.store, planned("EUR")) == []


def test_a_report_against_the_week_before(lab: Lab) -> None:
    lab.put_forward()
    first, case = lab.plan, lab.snapshot
    lab.snapshot, lab.plan = case, ""
    lab.planned(settings={"limits": {"upfront_cash": "1"}})
    made = lab.reported(before=first)
    assert made["result"]["before"] == first
    document = lab.client.get(made["links"]["document"]).json()
    assert [section["name"] for section in document["sections"]]


# --- deliveries ----------------------------------------------------------------------------


def test_a_delivery_is_seen_at_its_report(made: Any, tmp_path: Any) -> None:
    lab, report = made
    lab.destinations(f'[archive]\nfolder = "{tmp_path / "reports"}"')
    before = count("folder", "taken")
    first = deliver(lab, report["id"], "archive").json()
    assert first["status"] == "succeeded", first
    assert first["result"]["kind"] == "folder"
    assert [each["problem"] for each in first["result"]["tries"]] == [None]
    assert count("folder", "taken") == before + 1
    receipt = lab.client.get(first["links"]["document"]).json()
    assert (receipt["report"], receipt["to"]) == (report["id"], "archive")
    latest = tmp_path / "reports" / "latest"
    kept = lab.client.get(f"{report['links']['self']}/report.html")
    assert (latest / "report.html").read_bytes() == kept.content
    (shown,) = deliveries(lab, report, "archive")
    assert (shown["id"], shown["status"], shown["tries"]) == (first["id"], "succeeded", 1)
    again = deliver(lab, report["id"], "archive", **WAIT, **{"Idempotency-Key": "x"}).json()
    same = deliver(lab, report["id"], "archive", **WAIT, **{"Idempotency-Key": "x"}).json()
    assert again["id"] == same["id"] != first["id"]
    assert len(list((tmp_path / "reports").glob("2*"))) == 1
    listed = lab.client.get("/v1/destinations").json()["items"]
    assert {"name": "archive", "kind": "folder"} in listed


def test_a_delivery_is_tried_until_it_is_taken(made: Any) -> None:
    pytest.importorskip("apprise")
    lab, report = made
    codes, posted = [500, 503], []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            posted.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(codes.pop(0) if codes else 200)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        lab.destinations(f'[chat]\nurl = "json://127.0.0.1:{server.server_address[1]}/hook"')
        sent = deliver(lab, report["id"], "chat").json()
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)
    assert sent["status"] == "succeeded", sent
    problems = [each["problem"] for each in sent["result"]["tries"]]
    assert [bool(problem) for problem in problems] == [True, True, False]
    assert "error=500" in problems[0]
    assert "/hook" not in json.dumps(sent)
    assert len(posted) == 3
    names = [event.event for event in lab.store.jobs.events(sent["id"])]
    assert names.count("waiting") == 2
    assert names.count("running") == 3
    text = lab.client.get(f"/v1/deliveries/{sent['id']}/events").text
    assert "try 2 of 4 failed" in text
    figures = lab.client.get("/metrics").text
    assert 'gpuopt_delivery_tries_total{kind="chat",outcome="failed"}' in figures


def test_what_is_never_taken_fails_after_the_last_try_and_not_the_report(
    made: Any, tmp_path: Any
) -> None:
    lab, report = made
    (tmp_path / "file").write_text("in the way")
    lab.destinations(f'[blocked]\nfolder = "{tmp_path / "file"}"')
    sent = deliver(lab, report["id"], "blocked").json()
    assert sent["status"] == "failed"
    assert sent["problem"]["type"].endswith("delivery-error")
    assert len(sent["result"]["tries"]) == 4
    assert sent["links"]["document"] is None
    assert lab.client.get(report["links"]["self"]).json()["status"] == "succeeded"
    (shown,) = deliveries(lab, report, "blocked")
    assert "cannot be written to" in shown["problem"]
    assert str(tmp_path) not in json.dumps(shown)


def test_a_waiting_delivery_is_not_begun_early_and_can_be_cancelled(
    made: Any, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab, report = made
    monkeypatch.setattr("api.deliveries.pause", lambda *_: 3600.0)
    (tmp_path / "file").write_text("in the way")
    lab.destinations(f'[waiting]\nfolder = "{tmp_path / "file"}"')
    asked = deliver(lab, report["id"], "waiting", Prefer="respond-async")
    assert asked.status_code == 202
    sent = asked.json()
    end = time.monotonic() + 20
    while not (lab.store.jobs.get(sent["id"]).result or {}).get("next_at"):
        assert time.monotonic() < end
        time.sleep(0.02)
    while lab.store.jobs.get(sent["id"]).status != JobStatus.queued:
        assert time.monotonic() < end
        time.sleep(0.02)
    from api.work import run_job

    left = run_job(lab.service.store, lab.tenant, sent["id"], settings=lab.service.settings)
    assert left is not None
    assert 3500 < left <= 3600
    (shown,) = deliveries(lab, report, "waiting")
    assert (shown["status"], shown["tries"]) == ("queued", 1)
    assert shown["next_at"] > now().isoformat()
    assert deliver(lab, report["id"], "waiting", Prefer="respond-async").status_code == 202
    ended = lab.client.delete(f"/v1/deliveries/{sent['id']}").json()
    assert ended["status"] == "cancelled"
    assert len(ended["result"]["tries"]) == 1  # what happened stays


def test_pauses_grow_and_are_bounded() -> None:
    assert [pause(n, 30) for n in (1, 2, 3)] == [30, 120, 480]
    assert pause(50, 30) == LONGEST_PAUSE_SECONDS


def test_deliveries_of_what_is_not_there(lab: Lab, made: Any) -> None:
    answer = deliver(lab, made[1]["id"], "nowhere")
    assert answer.status_code == 404  # of another tenant
    report = lab.reported()["id"]
    answer = deliver(lab, report, "nowhere")
    assert answer.status_code == 422
    assert "the operator has configured none" in answer.json()["detail"]
    lab.destinations('[archive]\nfolder = "/nowhere/at/all"')
    unfinished = lab.store.jobs.add("report", {"plan": lab.plan}, SERVICE).id
    assert deliver(lab, unfinished, "archive").status_code == 409
    assert deliver(lab, lab.plan, "archive").status_code == 404
    # What was asked for while it was there, and is gone when it is tried:
    job = lab.store.jobs.add("delivery", {"report": report, "to": "gone"}, SERVICE).id
    from api.work import run_job

    run_job(lab.service.store, lab.tenant, job, settings=lab.service.settings)
    problem = lab.store.jobs.get(job).problem
    assert problem is not None
    assert "no destination 'gone' any more" in problem["detail"]


def test_a_key_that_may_read_may_not_deliver(made: Any) -> None:
    lab, report = made[0], made[1]["id"]
    narrow = lab.as_role(Role.analyst, "reports:read", "reports:write")
    url = f"/v1/reports/{report}/deliveries"
    assert narrow.post(url, json={"to": "archive"}).status_code == 403
    assert narrow.get("/v1/deliveries").status_code == 200


def test_a_broken_file_of_destinations_is_the_operators(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    (tmp_path / "x.toml").write_text("[default.x")
    broken = lab.service.settings.model_copy(update={"destinations": tmp_path / "x.toml"})
    monkeypatch.setitem(lab.service.app.state._state, "settings", broken)
    answer = lab.client.get("/v1/destinations")
    assert answer.status_code == 500
    assert "GPUOPT_DESTINATIONS" in answer.json()["detail"]


def test_a_report_is_titled_by_the_name_of_the_case(service: Service, lab: Lab) -> None:
    """Else by the tenant; the name is text like any other."""
    assert lab.reported()["result"]["title"] == f"Weekly commitment report: {lab.name}"
    other = service.lab()
    case = (TINY / "case.toml").read_text("utf-8")
    other.snapshot = other.upload(case=f'name = "Frontier <b>Lab</b>"\n{case}')
    made = other.reported()
    assert made["result"]["title"] == "Weekly commitment report: Frontier <b>Lab</b>"
    page = other.client.get(f"/v1/reports/{made['id']}/report.html").text
    assert "Frontier &lt;b&gt;Lab&lt;/b&gt;" in page
    assert "<b>Lab</b>" not in page
