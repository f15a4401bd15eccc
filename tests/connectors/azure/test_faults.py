# SPDX-License-Identifier: Apache-2.0
"""Throttling, broken answers, missing permissions: recovered, or reported in full."""

from __future__ import annotations

import logging
import time
from dataclasses import asdict
from typing import Any
from urllib.parse import urlencode

import pytest

from connectors import web
from connectors.asking import Page, Unanswered, all_pages, asked_wait, patiently
from connectors.azure import clients
from connectors.pulled import Outcome, Pulled, Report
from connectors.redact import redact
from optimizer.errors import UsageError

from ..loopback import Answer
from .cloud import GROUP, SECRET, AzureCloud
from .conftest import WEEK, Served


@pytest.fixture(scope="session")
def azure_company() -> AzureCloud:
    """What goes wrong shows in a week: no more is served here."""
    return AzureCloud(f"{WEEK:%Y-%m-%d}")


def same(one: Any, two: Any) -> bool:
    return all(one.tables[name].equals(two.tables[name]) for name in one.tables)


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
@pytest.mark.parametrize("where", ["usageDetails", "retail", "pricesheets", "catalogs"])
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
    for module in (clients, web):
        monkeypatch.setattr(module, "TIMEOUT", 0.5)
    monkeypatch.setattr(
        web.get_json, "__kwdefaults__", {"params": None, "headers": None, "timeout": 0.5}
    )
    served.server.fail("usageDetails", kind="slow", seconds=1.5)
    served.server.fail("retail", kind="slow", seconds=1.5)
    pulled, report = served.pull(since=WEEK)
    assert not report.partial
    assert same(pulled, week)


def test_the_wait_is_the_largest_of_all_quota_headers():
    assert asked_wait({"Retry-After": "3"}) == 3
    assert (
        asked_wait(
            {
                "retry-after": "2",
                "x-ms-ratelimit-microsoft.costmanagement-qpu-retry-after": "19",
                "X-MS-RateLimit-Microsoft.Consumption-Tenant-Retry-After": "7",
                "x-ms-ratelimit-remaining-microsoft.consumption-tenant-requests": "99",
            }
        )
        == 19
    )
    # A date counts by the clock of who sent it, however far this machine's is off.
    date = {"Retry-After": "Wed, 21 Oct 2026 07:28:00 GMT"}
    assert asked_wait({**date, "Date": "Wed, 21 Oct 2026 07:27:30 GMT"}) == 30
    assert asked_wait({**date, "Date": "Wed, 21 Oct 2026 07:30:00 GMT"}) == 0
    assert asked_wait({"Retry-After": "soon"}) == 0


def test_the_quota_s_wait_is_waited(served: Served):
    header = "x-ms-ratelimit-microsoft.consumption-qpu-retry-after"
    served.server.fail("usageDetails", status=429, headers={"Retry-After": "0", header: "1"})
    start = time.monotonic()
    _, report = served.pull(since=WEEK)
    assert not report.partial
    assert time.monotonic() - start >= 1


def test_a_storm_without_end_is_reported(served: Served, hasty: None):
    served.server.fail("usageDetails", status=429, times=99)
    pulled, report = served.pull(since=WEEK)
    assert report.partial
    (failed,) = [a for a in report.asked if a.outcome is Outcome.FAILED]
    assert (failed.service, failed.operation) == ("consumption", "usage_details.list")
    assert "HTTP 429" in failed.detail
    assert "commitments" in pulled.tables or "offers" in pulled.tables


def test_one_subscription_that_fails_does_not_take_the_others(served: Served, hasty: None):
    served.server.fail("subscriptions/sub-research/.*usageDetails", status=500, times=99)
    pulled, report = served.pull(since=WEEK, accounts=("sub-prod", "sub-research"))
    assert report.partial
    assert set(pulled.tables["usage"]["account"]) == {"sub-prod/rg-inference"}
    failed = [a for a in report.asked if a.outcome is Outcome.FAILED]
    assert [a.place for a in failed] == ["sub-research/2026-11"]


@pytest.mark.parametrize(
    ("where", "permission"),
    [
        ("usageDetails", "Microsoft.Consumption/usageDetails/read"),
        ("pricesheets", "Microsoft.Consumption/pricesheets/read"),
        ("catalogs", "Microsoft.Capacity/catalogs/read"),
        ("Capacity/reservations", "Microsoft.Capacity/reservations/read"),
        ("savingsPlans", "Microsoft.BillingBenefits/savingsPlans/read"),
        ("benefitRecommendations", "Microsoft.CostManagement/benefitRecommendations/read"),
    ],
)
def test_a_missing_permission_is_named(served: Served, where: str, permission: str):
    served.server.fail(where, status=403, times=99)
    _, report = served.pull(since=WEEK)
    denied = [a for a in report.asked if a.outcome is Outcome.DENIED]
    assert denied
    assert all(permission in a.detail for a in denied)
    # Refusals are not asked again: nothing changes by asking.
    assert len(served.server.asked(where)) == len(denied)


def test_without_a_price_sheet_retail_is_taken_and_said(served: Served):
    served.server.fail("pricesheets", status=403, times=99)
    pulled, _ = served.pull(since=WEEK)
    meters = pulled.tables["meters"]
    assert (meters["on_demand"] == meters["list_price"]).all()
    assert meters["source"].str.contains("retail \\(no price sheet row\\)").all()


def test_duplicate_pages_count_once(
    served: Served, week: Pulled, hasty: None, monkeypatch: pytest.MonkeyPatch
):
    true = served.cloud._usage

    def twice(call: Any) -> Answer:
        answer = true(call)
        if "$skiptoken" not in call.query:
            link = f"{served.server.url}{call.path}?again=1&$skiptoken=0&" + "&".join(
                f"{name}={value}" for name, value in call.query.items()
            )
            return Answer({**answer.body, "nextLink": link.replace(" ", "%20")})
        return answer

    routes = tuple(
        (pattern, twice if route == true else route) for pattern, route in served.cloud.routes
    )
    monkeypatch.setattr(served.cloud, "routes", routes)
    pulled, report = served.pull(since=WEEK)
    assert len(served.server.asked("usageDetails")) == 2
    assert not report.partial
    assert same(pulled, week)


def test_a_token_that_repeats_forever_ends_in_an_error_that_says_so(
    served: Served, hasty: None, monkeypatch: pytest.MonkeyPatch
):
    def forever(call: Any, rows: list[Any], size: int, key: str = "") -> dict[str, Any]:
        again = urlencode({**call.query, "again": "1"})
        link = f"{served.server.url}{call.path}?{again}"
        return {"value": rows[:1], "nextLink": link}

    monkeypatch.setattr(served.cloud, "_page", forever)
    _, report = served.pull(since=WEEK)
    failed = [a for a in report.asked if a.operation in ("usage_details.list", "prices")]
    assert failed
    for asked in failed:
        assert asked.outcome is Outcome.FAILED
        assert "came a second time" in asked.detail


def test_missing_and_empty_tokens_both_end():
    for end in (None, ""):
        pages = {None: Page([1], "a"), "a": Page([2], end)}
        assert all_pages(pages.__getitem__) == [1, 2]


def test_at_most_so_many_requests_at_once(served: Served):
    served.server.fail(".", kind="slow", seconds=0.05, times=99)
    served.pull(since=WEEK, accounts=("sub-prod", "sub-research", GROUP), settings={"at_most": "2"})
    assert served.server.most_under_way <= 2


def test_what_cannot_be_mended_is_not_asked_again():
    calls = []

    def refuse() -> None:
        calls.append(1)
        raise Unanswered("no", status=400)

    with pytest.raises(Unanswered):
        patiently(refuse)
    assert len(calls) == 1


def test_credentials_do_not_leave_over_plain_http(served: Served):
    with pytest.raises(UsageError, match="neither https"):
        served.pull(settings={"endpoint": "http://management.example.com"})


def test_no_secret_appears_in_logs_or_reports(
    served: Served, hasty: None, caplog: pytest.LogCaptureFixture
):
    caplog.set_level(logging.DEBUG)
    told: list[str] = []
    served.server.fail("pricesheets", status=403, message=f"Authorization: Bearer {SECRET}")
    served.server.fail("catalogs", status=400, message=f"authorization: {SECRET} api_key=abcdef123")
    served.server.fail("usageDetails", kind="short", times=1)
    report = Report(progress=told.append)
    from connectors import azure

    pulled = azure.pull(served.request(since=WEEK), report)
    # The records with all they carry: handlers may write what the text leaves out.
    logged = "".join(str(vars(record)) for record in caplog.records)
    whole = logged + "\n".join(told) + str([asdict(a) for a in report.asked])
    whole += str(report.remarks) + "".join(f.to_csv() for f in pulled.tables.values())
    assert told
    assert report.partial
    assert "***" in whole
    assert "abcdef123" not in whole
    assert SECRET not in whole


def test_what_looks_like_a_credential_is_removed():
    for text in (
        "Authorization: Bearer abc.def-ghi",
        "authorization='Basic QWxhZGRpbg=='",
        "https://x/y?sig=abc%2Fdef&se=2026",
        '{"api_key": "abcd"}',
        "x-api-key: sk-ant-REDACTED",
        "sk-proj-abcdefgh",
        "eyJhbGciOi.eyJzdWIiOi.c2lnbmF0dXJl",
        "client_secret=abcd",
    ):
        clean = redact(text)
        for secret in ("abc", "QWxh", "ABCD", "eyJ"):
            assert secret not in clean, clean
