# SPDX-License-Identifier: Apache-2.0
"""Throttling, broken answers, missing permissions: recovered, or reported in full."""

from __future__ import annotations

import logging
from dataclasses import asdict
from typing import Any

import pytest

from connectors import gcp
from connectors.gcp import clients, usage, warehouse
from connectors.pulled import Outcome, Pulled, Report

from ..loopback import Answer
from .cloud import SECRET, GoogleCloud
from .conftest import WEEK, Served


@pytest.fixture(scope="session")
def google_company() -> GoogleCloud:
    """What goes wrong shows in a week: no more is served here."""
    return GoogleCloud(f"{WEEK:%Y-%m-%d}")


def same(one: Pulled, two: Pulled) -> bool:
    return all(one.tables[name].equals(two.tables[name]) for name in two.tables)


@pytest.mark.parametrize(
    "fault",
    [
        {"status": 429, "times": 2, "headers": {"Retry-After": "0"}},
        {"status": 500, "times": 2},
        {"status": 503, "times": 2},
        {"kind": "truncated", "times": 2},
        {"kind": "short", "times": 2},
    ],
    ids=["429", "500", "503", "truncated", "short"],
)
@pytest.mark.parametrize("where", ["skus", "commitments", "/queries", "recommendations"])
def test_what_passes_is_recovered(
    served: Served, week: Pulled, hasty: None, where: str, fault: dict[str, Any]
):
    served.server.fail(where, **fault)
    pulled, report = served.pull(since=WEEK)
    assert not report.partial
    assert same(pulled, week)


def test_an_answer_that_is_slow_is_given_up_and_asked_again(
    served: Served, week: Pulled, hasty: None, monkeypatch: pytest.MonkeyPatch
):
    for module in (clients, warehouse):
        monkeypatch.setattr(module, "TIMEOUT", 1.5)
    served.server.fail("skus", kind="slow", seconds=2.5)
    pulled, report = served.pull(since=WEEK)
    assert len(served.server.asked("skus")) == 6
    assert not report.partial
    assert same(pulled, week)


def test_a_storm_without_end_is_reported(served: Served, hasty: None):
    served.server.fail("skus", status=429, times=99)
    _, report = served.pull(since=WEEK)
    (failed,) = [a for a in report.asked if a.outcome is Outcome.FAILED]
    assert (failed.service, failed.operation) == ("cloudbilling", "list_skus")
    assert "HTTP 429" in failed.detail
    assert len(served.server.asked("skus")) == 3


def test_one_project_that_fails_does_not_take_the_others(served: Served, hasty: None):
    served.server.fail("frontier-research/aggregated", status=500, times=99)
    pulled, report = served.pull(since=WEEK)
    assert report.partial
    assert len(pulled.tables["commitments"]) == 3
    assert [a.place for a in report.asked if a.outcome is Outcome.FAILED] == ["frontier-research"]


@pytest.mark.parametrize(
    ("where", "permission"),
    [
        ("/queries", "bigquery.jobs.create"),
        ("commitments", "compute.commitments.list"),
        ("recommendations", "recommender.usageCommitmentRecommendations.list"),
    ],
)
def test_a_missing_permission_is_named(served: Served, where: str, permission: str):
    served.server.fail(where, status=403, times=99)
    _, report = served.pull(since=WEEK)
    denied = [a for a in report.asked if a.outcome is Outcome.DENIED]
    assert denied
    assert all(permission in a.detail for a in denied)
    assert len(served.server.asked(where)) == len(denied)


def test_a_token_that_repeats_forever_ends_in_an_error_that_says_so(
    served: Served, hasty: None, monkeypatch: pytest.MonkeyPatch
):
    true = served.cloud.answer

    def forever(call: Any) -> Answer | None:
        answer = true(call)
        if answer is not None and answer.status == 200:
            if "skus" in call.path:
                answer.body["nextPageToken"] = "13"
            elif call.path.endswith("/queries") or "/queries/" in call.path:
                answer.body["pageToken"] = "100"
        return answer

    monkeypatch.setattr(served.server, "answer", forever)
    _, report = served.pull(since=WEEK)
    failed = [a for a in report.asked if a.outcome is Outcome.FAILED]
    assert {a.operation for a in failed} >= {"list_skus", "billing export", "pricing export"}
    for asked in failed:
        assert "came a second time" in asked.detail


def test_duplicate_pages_count_once(
    served: Served, week: Pulled, hasty: None, monkeypatch: pytest.MonkeyPatch
):
    true = served.cloud.answer

    def twice(call: Any) -> Answer | None:
        """Give the first page of SKUs again, under another token, before the second."""
        if "skus" in call.path and call.query.get("pageToken") == "again":
            call.query["pageToken"] = "0"
            return true(call)
        answer = true(call)
        if answer is not None and "skus" in call.path and not call.query.get("pageToken"):
            answer.body["nextPageToken"] = "again"
        return answer

    monkeypatch.setattr(served.server, "answer", twice)
    pulled, report = served.pull(since=WEEK)
    assert len(served.server.asked("skus")) == 6
    assert not report.partial
    assert same(pulled, week)


def test_at_most_so_many_requests_at_once(served: Served):
    served.server.fail(".", kind="slow", seconds=0.05, times=99)
    served.pull(since=WEEK, settings={"at_most": "2"})
    assert served.server.most_under_way <= 2


def test_no_secret_appears_in_logs_or_reports(
    served: Served, hasty: None, caplog: pytest.LogCaptureFixture
):
    caplog.set_level(logging.DEBUG)
    told: list[str] = []
    served.server.fail("recommendations", status=403, message=f"Bearer {SECRET} is not allowed")
    served.server.fail("frontier-data/aggregated", status=400, message=f"access_token={SECRET}")
    served.server.fail("skus", kind="short")
    report = Report(progress=told.append)
    pulled = gcp.pull(served.request(since=WEEK), report)
    # The records with all they carry: handlers may write what the text leaves out.
    logged = "".join(str(vars(record)) for record in caplog.records)
    whole = logged + "\n".join(told) + str([asdict(a) for a in report.asked])
    whole += str(report.remarks) + "".join(f.to_csv() for f in pulled.tables.values())
    assert told
    assert report.partial
    assert "***" in whole
    assert SECRET not in whole


def test_usage_without_rows_is_a_table_without_rows():
    assert list(usage.table([], [], Report()).columns) == ["hour", "meter", "quantity"]
