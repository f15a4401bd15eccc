# SPDX-License-Identifier: Apache-2.0
"""One shape for every error, and the headers of every answer."""

from __future__ import annotations

import json
from typing import Any

import pytest

from api.http.guard import HEADERS
from api.http.problems import MEDIA, PROBLEMS
from api.http.solves import PATHS
from api.store.jobs import PREFIXES

from .conftest import Lab, Service
from .test_access import BODIES, IDS, ROUTES, filled

KEYS = {"type", "title", "status", "detail", "request_id", "errors"}


def assert_problem(answer: Any, status: int | None = None) -> dict[str, Any]:
    """Hold an answer to the shape of a problem."""
    if status is not None:
        assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == MEDIA
    problem = answer.json()
    assert set(problem) <= KEYS
    assert KEYS - set(problem) <= {"errors"}
    name = problem["type"].removeprefix("urn:gpuopt:problem:")
    assert PROBLEMS[name] == (answer.status_code, problem["title"])
    assert problem["status"] == answer.status_code
    assert "To mend it: " in problem["detail"]
    assert problem["request_id"] == answer.headers["x-request-id"]
    for place in problem.get("errors", ()):
        assert place["pointer"] == "" or place["pointer"].startswith("/")
        assert place["detail"]
    for header, value in HEADERS.items():
        assert answer.headers[header] == value
    return dict(problem)


NOWHERE = {
    name: f"{prefix}_{'0' * 28}"
    for name, prefix in {
        "snapshot": "snp",
        "recommendation": "rec",
        "key": "key",
        "session": "ses",
        **{path: PREFIXES[kind] for kind, path in PATHS.items()},
    }.items()
} | {"schedule": f"a{'0' * 28}", "table": f"a{'0' * 28}"}


@pytest.mark.parametrize(("method", "path", "scope"), ROUTES, ids=IDS)
def test_every_error_of_a_route_has_the_shape(
    service: Service, solved: Lab, method: str, path: str, scope: str
) -> None:
    url = filled(path, NOWHERE)
    other = next(m for m in ("PATCH", "PUT") if m != method)
    refused = solved.client.request(other, url)
    assert_problem(refused, 405)
    assert method in refused.headers["allow"]
    if scope == "anonymous":
        return
    assert_problem(service.client().request(method, url), 401)
    json_type = {"Content-Type": "application/json", "If-Match": "*"}
    if "{" in path:
        body = json.dumps(BODIES.get(path)).encode() if method == "POST" else None
        headers = json_type if body and "rotate" not in path else {}
        given = body if headers else None
        assert_problem(solved.client.request(method, url, content=given, headers=headers), 404)
        broken = url.replace("0" * 28, "%00x")
        assert_problem(solved.client.request(method, broken), 422)
    if method == "GET" and "{" not in path and path.count("/") == 2:
        params = {"page_size": "0"}
        answer = solved.client.get(url, params=params)
        if answer.status_code != 200:
            assert_problem(answer, 422)
    if method == "POST" and "rotate" not in path and path != "/v1/snapshots":
        for content, status in (
            (b"{", 400),
            (b'{"x": NaN}', 400),
            (b'{"x": Infinity}', 400),
            (b"[" * 100_000 + b"]" * 100_000, 400),
            (b'{"a":' * 40 + b"1" + b"}" * 40, 400),
            (b'{"unknown": 1}', 422),
            (b"[]", 422),
            (b'"\xff"', 400),
            (b'{"a": "\\ud800"}', 422),
        ):
            answer = solved.client.post(url, content=content, headers=json_type)
            assert_problem(answer, status)
        text = solved.client.post(url, content=b"<a/>", headers={"Content-Type": "text/xml"})
        assert_problem(text, 415)


@pytest.mark.parametrize("path", ["/v1", "/v1/", "/v1/plans/", "/nope", "/v1/plans/a/b/c"])
def test_nothing_is_nowhere(solved: Lab, path: str) -> None:
    assert_problem(solved.client.get(path), 404)


@pytest.mark.parametrize(
    "settings",
    [
        {"solve": {"gap": 1e308}},
        {"solve": {"seconds": 1e308}},
        {"solve": {"seconds": -1}},
        {"horizon_hours": 10**18},
        {"limits": {"upfront_cash": "1e308"}},
        {"limits": {"upfront_cash": "NaN"}},
        {"limits": {"upfront_cash": -1}},
        {"limits": {"spot_share": 2}},
        {"finance": {"discount_rate": "-0.1"}},
        {"as_of": "2026-01-01T00:00:00Z"},
        {"sharing": {"aws": []}},
    ],
)
def test_numbers_that_are_no_numbers(solved: Lab, settings: dict[str, Any]) -> None:
    body = {"snapshot": solved.snapshot, "settings": settings}
    problem = assert_problem(solved.client.post("/v1/plans", json=body), 422)
    assert problem["errors"][0]["pointer"].startswith("/settings/")


def test_a_defect_says_nothing_of_itself(
    service: Service, lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    def break_down(*_: object) -> None:
        raise RuntimeError("the password is swordfish")

    monkeypatch.setattr("api.store.jobs.Jobs.page", break_down)
    answer = lab.client.get("/v1/plans")
    problem = assert_problem(answer, 500)
    assert "swordfish" not in json.dumps(problem)


def test_request_ids_are_kept_if_they_are_harmless(service: Service) -> None:
    client = service.client()
    kept = client.get("/healthz", headers={"X-Request-Id": "abc-1.2_3"})
    assert kept.headers["x-request-id"] == "abc-1.2_3"
    for bad in ("a b", "x" * 65, "<script>"):
        assert client.get("/healthz", headers={"X-Request-Id": bad}).headers["x-request-id"] != bad
    parent = f"00-{'a' * 32}-{'b' * 16}-01"
    answer = client.get("/healthz", headers={"traceparent": parent})
    assert answer.headers["traceparent"].startswith(f"00-{'a' * 32}-")
    assert answer.headers["traceparent"] != parent


def test_not_ready_while_nothing_is_taken(service: Service) -> None:
    from api.http.app import create_app
    from api.runner import ThreadRunner

    runner = ThreadRunner(service.store)
    app = create_app(service.settings, service.store, runner, b"x" * 32)
    client = Service(app, service.store, service.settings).client()
    assert client.get("/readyz").json()["checks"] == {"database": True, "jobs": True}
    runner.close()
    assert_problem(client.get("/readyz"), 503)
    assert client.get("/healthz").status_code == 200


def test_a_parameter_that_is_misspelt_is_refused(solved: Lab) -> None:
    answer = solved.client.get("/v1/plans", params={"statsu": "failed"})
    problem = assert_problem(answer, 422)
    assert problem["errors"][0]["pointer"] == "/query/statsu"
    assert "status" in problem["detail"]
