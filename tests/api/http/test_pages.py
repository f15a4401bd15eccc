# SPDX-License-Identifier: Apache-2.0
"""The pages: what they show, to whom, and that they stay readable whatever they are given."""

from __future__ import annotations

import csv
import io
import json
import re
from datetime import timedelta
from typing import Any

import pytest

from api.access import Role
from api.http.app import create_app
from api.runner import ThreadRunner
from api.store import SERVICE, JobStatus
from api.store.database import now

from .conftest import SECRET, Lab, Service
from .visitor import Visitor, signed_in, sound, words

PLACES = ("/", "/plans", "/commitments", "/reports", "/jobs")
HOSTILE = '<img src=x onerror="alert(1)">&\'"🚀 =cmd|x'


@pytest.fixture(scope="module")
def visitor(service: Service, solved: Lab) -> Visitor:
    return signed_in(service.app, solved.key)


def stored(lab: Lab, document: dict[str, Any], status: JobStatus = JobStatus.succeeded) -> str:
    """Keep a plan's document as the answer of a job of a snapshot."""
    lab.snapshot = lab.snapshot or lab.upload()
    job = lab.store.jobs.add("plan", {}, SERVICE, snapshot=lab.snapshot)
    lab.store.jobs.start(job.id)
    names = ("plan", "currency", "total", "baseline", "savings", "lower_bound", "gap")
    result = {key: document[key] for key in names if key in document}
    result["plan_status"] = document["status"]
    text = json.dumps(document)
    lab.store.jobs.finish(job.id, status, document=text, result=result)
    return job.id


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def column(page: str, table: str, number: int) -> list[str]:
    """The texts of a column of a table of a page."""
    part = page.split(f'data-table="{table}"')[1].split("</section>", maxsplit=1)[0]
    body = part.split("<tbody>")[1].split("</tbody>")[0]
    cells = [re.findall(r"<t[hd].*?</t[hd]>", row, re.DOTALL) for row in body.split("<tr")[1:]]
    return [words(row[number]).strip() for row in cells]


def test_an_empty_service_says_how_to_begin(service: Service, lab: Lab) -> None:
    visitor = signed_in(service.app, lab.key)
    text = words(visitor.page("/"))
    assert "There are no data yet" in text
    assert "gpuopt pull" in text
    assert "http://testserver/v1/snapshots" in text
    for path in PLACES:
        visitor.page(path)
    assert "Nothing was planned yet" in visitor.page("/plans")


def test_a_snapshot_without_a_plan_is_planned_by_a_button(service: Service, lab: Lab) -> None:
    snapshot = lab.upload()
    visitor = signed_in(service.app, lab.key)
    assert "No plan yet" in visitor.page("/")
    answer = visitor.post("/plans", snapshot=snapshot)
    place = answer.headers["location"]
    assert re.fullmatch(r"/jobs/pln_[0-9a-f]+", place)
    assert "The plan was asked for" in visitor.page(place)
    assert "The plan was asked for" not in visitor.page(place)  # it is said once
    events = visitor.get(f"{place}/events").text  # until its end
    assert "event: succeeded" in events
    page = words(visitor.page(place))
    assert "Open the answer" in page
    job = place.rpartition("/")[2]
    assert column(visitor.page("/plans"), "plans", 3) == ["optimal"]
    assert "Save $24.75 over the next" in words(visitor.page("/"))
    assert visitor.get(f"/plans/{job}").status_code == 200
    # Putting it forward is the next thing to do, and then deciding.
    assert "are not put forward" in words(visitor.page("/"))
    visitor.post(f"/plans/{job}/put-forward", shown=f"/plans/{job}")
    assert "recommendations to decide on" in words(visitor.page("/"))
    assert len(lab.store.recommendations.page(10)) == 2


def test_the_plan_says_all_that_its_document_does(visitor: Visitor, solved: Lab) -> None:
    page = visitor.page(f"/plans/{solved.plan}")
    text = words(page)
    document = json.loads(solved.store.jobs.document(solved.plan).text)
    for row in document["purchases"]:
        assert row["offer"] in text
    for row in document["considered"]:
        assert row["reason"] in text
    for line in document["explanation"]:
        assert " ".join(line.split()) in text
    for check in document["checks"]:
        assert check["check"] in text
    assert document["snapshot"] in text
    kept = visitor.get(f"/plans/{solved.plan}/document.json")
    assert json.loads(kept.text) == document
    assert "attachment" in kept.headers["content-disposition"]


def test_an_offer_is_explained(visitor: Visitor, solved: Lab) -> None:
    document = json.loads(solved.store.jobs.document(solved.plan).text)
    bought = document["purchases"][0]
    path = f"/plans/{solved.plan}/offer"
    text = words(visitor.page(f"{path}?offer={bought['offer']}"))
    assert "Breaks even" in text
    assert all(row["meter"] in text for row in bought["covers"])
    lost = next(iter(document["considered"]), None)
    if lost:
        assert lost["reason"] in words(visitor.page(f"{path}?offer={lost['offer']}"))
    assert visitor.get(f"{path}?offer=nothing").status_code == 404
    assert visitor.get(path).status_code == 422


def test_tables_are_sorted_and_filtered_by_the_url(visitor: Visitor, solved: Lab) -> None:
    place = f"/plans/{solved.plan}"
    whole = column(visitor.page(place), "checks", 1)
    turned = column(visitor.page(f"{place}?checks.sort=-check"), "checks", 1)
    assert turned == sorted(whole, key=str.casefold, reverse=True)
    assert turned != whole
    one = column(visitor.page(f"{place}?checks.q=PURCHASE+range"), "checks", 1)
    assert one
    assert all("purchase" in name and "range" in name for name in one)
    page = visitor.page(f"{place}?checks.q=%3Cb%3Enothing")
    assert "No row has “&lt;b&gt;nothing”" in page
    assert visitor.page(f"{place}?checks.sort=nonsense") == visitor.page(
        f"{place}?checks.sort=nonsense"
    )
    # One table's state leaves another's as it is, in its links and in its form.
    page = visitor.page(f"{place}?bill.sort=-plan&checks.q=range")
    assert "bill.sort=-plan&amp;checks.q=range&amp;csv=checks" in page
    assert '<input type="hidden" name="bill.sort" value="-plan">' in page


def test_every_table_is_a_csv_of_what_is_shown(visitor: Visitor, solved: Lab) -> None:
    place = f"/plans/{solved.plan}"
    page = visitor.page(place)
    names = re.findall(r'data-table="([^"]+)"', page)
    assert {"actions", "considered", "bill", "parts", "checks"} <= set(names)
    for name in names:
        answer = visitor.get(f"{place}?csv={name}")
        assert answer.headers["content-type"].startswith("text/csv"), name
        assert f'filename="{name}.csv"' in answer.headers["content-disposition"]
    document = json.loads(solved.store.jobs.document(solved.plan).text)
    told = rows(visitor.get(f"{place}?csv=actions").text)
    assert [row["name"] for row in told if row["action"] == "buy"] == [
        row["offer"] for row in document["purchases"]
    ]
    assert told[0]["cost"] == document["purchases"][0]["cost"]  # to the last digit
    some = rows(visitor.get(f"{place}?csv=checks&checks.q=range&checks.sort=-check").text)
    assert some
    assert all("range" in row["check"] for row in some)
    assert visitor.get(f"{place}?csv=nothing").status_code == 404


def test_rates_are_shown_by_hour_month_or_year(visitor: Visitor, solved: Lab) -> None:
    place = f"/plans/{solved.plan}"
    shown = {}
    for period, hours in (("hour", 1), ("month", 730), ("year", 8760)):
        page = visitor.page(f"{place}?per={period}")
        assert f"Payments / {period}" in words(page)
        shown[period] = column(page, "actions", 5)
        exact = rows(visitor.get(f"{place}?per={period}&csv=actions").text)
        assert exact == rows(visitor.get(f"{place}?csv=actions").text)  # always by the hour
        rate = float(exact[0]["rate"]) * hours
        text = shown[period][0].replace("$", "").replace(",", "")
        assert float(text) == pytest.approx(rate, rel=0.01, abs=0.01)
    assert "Payments / hour" in words(visitor.page(f"{place}?per=decade"))


def test_key_figures_have_their_formulas(visitor: Visitor) -> None:
    text = words(visitor.page("/"))
    assert "used ÷ committed, weighted by cost" in text
    assert "1 − total ÷ (all usage at the contract's prices)" in text


def test_a_viewer_sees_no_buttons_and_is_refused(service: Service, lab: Lab) -> None:
    lab.planned()
    viewer = signed_in(service.app, lab.key_of(Role.viewer))
    for path in ("/", "/plans", f"/plans/{lab.plan}", f"/jobs/{lab.plan}", "/reports"):
        page = viewer.page(path)
        sent = set(re.findall(r'<form method="post" action="([^"]+)"', page))
        assert sent <= {"/theme", "/sign-out"}, path
    before = len(lab.store.jobs.page("plan", 10))
    for path in ("/plans", f"/plans/{lab.plan}/put-forward", f"/jobs/{lab.plan}/cancel",
                 "/reports"):  # fmt: skip
        answer = viewer.post(path, snapshot=lab.snapshot)
        assert answer.status_code == 403, path
        assert "You may not do this" in answer.text
        sound(answer.text)
    assert len(lab.store.jobs.page("plan", 10)) == before
    assert lab.store.recommendations.page(10) == []


def test_a_narrow_key_sees_its_pages_only(service: Service, lab: Lab) -> None:
    narrow = signed_in(service.app, lab.key_of(Role.admin, ("plans:read",)))
    page = narrow.page("/")
    assert 'href="/plans"' in page
    for path in ("/commitments", "/reports"):
        assert f'<a href="{path}"' not in page
        assert narrow.get(path).status_code == 403
    other = signed_in(service.app, lab.key_of(Role.admin, ("reports:read",)))
    answer = other.get("/")
    assert answer.status_code == 403
    assert 'href="/reports"' in answer.text  # the error page still leads to what is theirs


def test_another_tenants_things_are_not_there(service: Service, solved: Lab, lab: Lab) -> None:
    stranger = signed_in(service.app, lab.key)
    for path in (f"/plans/{solved.plan}", f"/plans/{solved.plan}/document.json",
                 f"/plans/{solved.plan}/offer?offer=x", f"/jobs/{solved.plan}",
                 f"/jobs/{solved.plan}/events", f"/jobs/{solved.plan}/document.json",
                 f"/reports/{solved.plan}"):  # fmt: skip
        answer = stranger.get(path)
        assert answer.status_code == 404, path
        assert "There is nothing here" in answer.text
    for path in (f"/jobs/{solved.plan}/cancel", f"/plans/{solved.plan}/put-forward"):
        assert stranger.post(path).status_code in {404, 422}, path
    assert solved.plan not in stranger.page("/jobs")
    assert stranger.post("/plans", snapshot=solved.snapshot).status_code == 422


def test_hostile_names_are_shown_as_they_are(service: Service, solved: Lab, lab: Lab) -> None:
    text = solved.store.jobs.document(solved.plan).text
    job = stored(lab, json.loads(text.replace('"ri"', json.dumps(HOSTILE))))
    visitor = signed_in(service.app, lab.key)
    for path in ("/", f"/plans/{job}", f"/plans/{job}?actions.q=%3Cimg"):
        page = visitor.page(path)
        assert "<img" not in page, path
        assert HOSTILE in words(page), path
    told = rows(visitor.get(f"/plans/{job}?csv=actions").text)
    assert HOSTILE in {row["name"] for row in told}
    again = stored(lab, json.loads(text.replace('"ri"', '"=1+1"')))
    told = rows(visitor.get(f"/plans/{again}?csv=actions").text)
    assert "'=1+1" in {row["name"] for row in told}  # a spreadsheet does not run it
    answer = visitor.get(f"/plans?plans.q={HOSTILE}")
    assert "<img" not in answer.text


def test_an_infeasible_plan_says_what_to_relax(service: Service, solved: Lab, lab: Lab) -> None:
    document = json.loads(solved.store.jobs.document(solved.plan).text)
    head = {k: document[k] for k in ("schema_version", "currency", "snapshot", "settings", "seed")}
    infeasible = {
        **head, "plan": "pln_x", "status": "infeasible",
        "relaxations": [
            {"limit": "quota of aws/p5", "amount": 3.5, "cost": "1234.500000000000"},
            {"limit": "limits.upfront_cash", "amount": 250000.0, "cost": None},
        ],
        "explanation": ["No plan serves the usage: raise quota of aws/p5 by 3.5."],
    }  # fmt: skip
    job = stored(lab, infeasible)
    visitor = signed_in(service.app, lab.key)
    for path in ("/", f"/plans/{job}"):
        text = words(visitor.page(path))
        assert "No plan serves the horizon's usage" in text
        assert "quota of aws/p5" in text
        assert "1,234" in text or "1,235" in text
        assert "Put forward" not in text
    assert column(visitor.page("/plans"), "plans", 3) == ["infeasible"]
    visitor.page("/commitments")
    csv_of = rows(visitor.get(f"/plans/{job}?csv=relaxations").text)
    assert csv_of[0]["cost"] == "1234.500000000000"


def test_stale_data_grey_the_recommendation(service: Service, solved: Lab) -> None:
    age = now() - solved.store.snapshots.get(solved.snapshot).as_of
    for hours, stale in ((int(age / timedelta(hours=1)) + 10, False), (1, True)):
        settings = service.settings.model_copy(update={"stale_hours": hours})
        runner = ThreadRunner(service.store, 1, settings)
        visitor = signed_in(create_app(settings, service.store, runner, SECRET), solved.key)
        for path in ("/", f"/plans/{solved.plan}"):
            page = visitor.page(path)
            assert ('<div class="stale">' in page) == stale
            assert ("Prices and usage have moved on" in words(page)) == stale
            assert "Data as of 2026-01-01" in words(page)


def test_a_job_that_failed_says_why(service: Service, lab: Lab) -> None:
    job = lab.store.jobs.add("plan", {}, SERVICE, snapshot=lab.upload())
    lab.store.jobs.start(job.id)
    problem = {
        "type": "urn:gpuopt:problem:data-error", "title": "a <b>price</b> is missing",
        "status": 422, "detail": "meters.csv, row 3: no price. To mend it: state one",
    }  # fmt: skip
    lab.store.jobs.finish(job.id, JobStatus.failed, problem=problem)
    visitor = signed_in(service.app, lab.key)
    page = visitor.page(f"/jobs/{job.id}")
    assert "A &lt;b&gt;price&lt;/b&gt; is missing" in page
    assert "To mend it: state one." in words(page)
    assert visitor.get(f"/plans/{job.id}").headers["location"] == f"/jobs/{job.id}"
    assert "failed" in words(visitor.page("/jobs"))


def test_a_running_job_is_followed_and_cancelled(service: Service, lab: Lab) -> None:
    job = lab.store.jobs.add("plan", {}, SERVICE, snapshot=lab.upload())
    lab.store.jobs.start(job.id)
    lab.store.jobs.tell(job.id, "part 1 of 2: solve", 120.0, 100.0, 0.2)
    visitor = signed_in(service.app, lab.key)
    page = visitor.page(f"/jobs/{job.id}")
    assert f'data-job="{job.id}"' in page
    assert '<noscript><meta http-equiv="refresh"' in page
    assert "part 1 of 2: solve" in words(page)
    assert "20.0%" in words(page)
    assert "A plan is running" in words(visitor.page("/"))
    answer = visitor.post(f"/jobs/{job.id}/cancel", shown=f"/jobs/{job.id}")
    assert answer.headers["location"] == f"/jobs/{job.id}"
    assert lab.store.jobs.cancel_asked(job.id)
    assert "Stopping…" in visitor.page(f"/jobs/{job.id}")
    lab.store.jobs.finish(job.id, JobStatus.cancelled)
    assert "Cancelled." in words(visitor.page(f"/jobs/{job.id}"))
    told = visitor.get(f"/jobs/{job.id}/events").text
    assert [line for line in told.splitlines() if line.startswith("event:")] == [
        "event: queued", "event: running", "event: progress", "event: cancelled",
    ]  # fmt: skip
    rest = visitor.get(f"/jobs/{job.id}/events", headers={"Last-Event-ID": "3"}).text
    assert "progress" not in rest
    done = visitor.get(f"/jobs/{job.id}/events", headers={"Last-Event-ID": "4"})
    assert done.status_code == 204


def test_what_is_held_is_shown_with_its_use(service: Service, lab: Lab) -> None:
    lab.planned()
    visitor = signed_in(service.app, lab.key)
    page = visitor.page("/commitments")
    told = rows(visitor.get("/commitments?csv=commitments").text)
    document = json.loads(lab.store.jobs.document(lab.plan).text)
    assert {row["commitment"] for row in told} == {
        row["commitment"] for row in document["commitments"]
    }
    today = {row["commitment"]: row for row in document["baseline_bill"]["commitments"]}
    for row in told:
        one = today[row["commitment"]]
        whole = one["used"] + one["unused"]
        assert float(row["used"]) == pytest.approx(one["used"] / whole)
        assert row["says"].replace(" ", "_") in {c["action"] for c in document["commitments"]}
        assert row["state"] in {"held", "expiring", "queued"}
        assert float(row["remaining"]) > 0
    assert "Remaining" in words(page)


def test_a_report_is_made_shown_in_a_sandbox_and_kept(service: Service, lab: Lab) -> None:
    lab.planned()
    visitor = signed_in(service.app, lab.key)
    place = visitor.post("/reports", shown="/reports").headers["location"]
    assert "event: succeeded" in visitor.get(f"{place}/events").text
    job = place.rpartition("/")[2]
    answer = visitor.get(f"/reports/{job}")
    sound(answer.text)
    assert answer.headers["content-security-policy"].endswith("; frame-src 'self'")
    assert f'src="/reports/{job}/files/report.html"' in answer.text
    assert "sandbox></iframe>" in answer.text
    whole = visitor.get(f"/reports/{job}/files/report.html")
    assert whole.headers["content-security-policy"].startswith("sandbox; default-src 'none'")
    assert "frame-ancestors 'self'" in whole.headers["content-security-policy"]
    assert whole.headers["x-frame-options"] == "SAMEORIGIN"
    assert "content-disposition" not in whole.headers
    assert whole.text == lab.client.get(f"/v1/reports/{job}/report.html").text
    for name in ("report.html?keep=true", "report.md"):
        kept = visitor.get(f"/reports/{job}/files/{name}")
        assert "attachment" in kept.headers["content-disposition"]
    for name in re.findall(rf'href="(/reports/{job}/tables/[^"]+\.csv)"', answer.text):
        assert visitor.get(name).headers["content-type"].startswith("text/csv")
    assert visitor.get(f"/reports/{job}/files/report.exe").status_code == 422
    assert job in visitor.page("/reports")


def test_pages_answer_a_script_as_the_api_does(visitor: Visitor) -> None:
    answer = visitor.get("/plans/pln_00", headers={"Accept": "*/*"})
    assert answer.status_code == 404
    assert answer.json()["type"] == "urn:gpuopt:problem:not-found"
    assert visitor.get("/nothing", headers={"Accept": "*/*"}).status_code == 404
    page = visitor.get("/nothing")
    assert "begin at the overview" in words(page.text)
    sound(page.text)
    assert visitor.client.post("/commitments").status_code == 405
