# SPDX-License-Identifier: Apache-2.0
"""Signing in to the pages, sessions, and forms that only these pages may send."""

from __future__ import annotations

import time

import pytest
import time_machine

from api.access import Role
from api.http.app import create_app
from api.runner import ThreadRunner
from api.store import SERVICE
from api.web.links import inside
from api.web.session import Cookies

from .conftest import SECRET, Lab, MakeSettings, Service
from .visitor import Visitor, signed_in, token_of, words

STRICT = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)


@pytest.fixture
def visitor(service: Service, lab: Lab) -> Visitor:
    return signed_in(service.app, lab.key)


def test_a_stranger_is_asked_to_sign_in_and_sent_on(service: Service, solved: Lab) -> None:
    stranger = Visitor(service.app)
    answer = stranger.get("/plans?plans.sort=-total")
    assert answer.status_code == 303
    assert answer.headers["location"] == "/sign-in?next=%2Fplans%3Fplans.sort%3D-total"
    assert stranger.get("/").headers["location"] == "/sign-in"
    page = stranger.page(answer.headers["location"])
    assert "Sign out" not in page
    done = stranger.client.post(
        "/sign-in",
        data={
            "csrf": token_of(page),
            "key": f" {solved.key}\n",
            "next": "/plans?plans.sort=-total",
        },
    )
    assert (done.status_code, done.headers["location"]) == (303, "/plans?plans.sort=-total")
    assert stranger.get("/sign-in").headers["location"] == "/"


def test_the_cookie_holds_no_key_and_is_kept_from_scripts(service: Service, lab: Lab) -> None:
    answer = Visitor(service.app).sign_in(lab.key)
    cookie = next(c for c in answer.headers.get_list("set-cookie") if "gpuopt_session" in c)
    for word in ("HttpOnly", "Path=/", "SameSite=lax", "Max-Age=43200"):
        assert word in cookie
    assert "Secure" not in cookie
    assert lab.key[17:] not in str(answer.headers)
    assert lab.key[17:] not in answer.text


def test_behind_tls_the_cookie_is_sent_by_tls_alone(
    service: Service, lab: Lab, make_settings: MakeSettings
) -> None:
    settings = service.settings.model_copy(update={"public_url": "https://gpuopt.example.com"})
    runner = ThreadRunner(service.store, 1, settings)
    app = create_app(settings, service.store, runner, SECRET)
    visitor = Visitor(app, "https://gpuopt.example.com")
    answer = visitor.sign_in(lab.key)
    cookie = next(c for c in answer.headers.get_list("set-cookie") if "gpuopt_session" in c)
    assert cookie.startswith("__Host-gpuopt_session=")
    assert "Secure" in cookie
    assert visitor.get("/").status_code == 200
    origin = {"Origin": "https://gpuopt.example.com"}
    token = token_of(visitor.page("/"))
    done = visitor.client.post("/sign-out", data={"csrf": token}, headers=origin)
    assert done.status_code == 303


@pytest.mark.parametrize("key", ["", "gpk_", "x" * 199, f"gpk_{'0' * 12}_{'0' * 64}", "é"])
def test_a_wrong_key_is_refused_and_not_repeated(service: Service, key: str) -> None:
    visitor = Visitor(service.app)
    answer = visitor.sign_in(key)
    assert answer.status_code == 401
    assert "the key is not valid" in words(answer.text)
    assert not key or f'"{key}"' not in answer.text
    assert visitor.get("/").status_code == 303


def test_a_session_ends_with_its_key(service: Service, lab: Lab) -> None:
    key = lab.key_of(Role.viewer)
    visitor = signed_in(service.app, key)
    visitor.page("/")
    row = next(row for row in lab.store.keys.page(10) if row.prefix == key[4:16])
    lab.store.keys.revoke(row.id, SERVICE)
    answer = visitor.get("/plans")
    assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in?next=%2Fplans")


def test_a_session_ends_in_time(service: Service, lab: Lab) -> None:
    short = signed_in(service.app, lab.key_of(Role.viewer, days=1 / 24))  # an hour
    long = signed_in(service.app, lab.key_of(Role.viewer, days=30))
    kept = {v: dict(v.client.cookies) for v in (short, long)}
    with time_machine.travel(time.time() + 2 * 3600, tick=True):
        assert short.get("/", headers=cookies(kept[short])).status_code == 303
        assert long.get("/", headers=cookies(kept[long])).status_code == 200
    with time_machine.travel(time.time() + 13 * 3600, tick=True):
        assert long.get("/", headers=cookies(kept[long])).status_code == 303


def cookies(kept: dict[str, str]) -> dict[str, str]:
    """What a browser that keeps cookies too long would send."""
    return {"Cookie": "; ".join(f"{name}={value}" for name, value in kept.items())}


def test_a_cookie_that_was_changed_is_none(service: Service, visitor: Visitor) -> None:
    good = visitor.client.cookies["gpuopt_session"]
    body, _, mark = good.rpartition(".")
    before = visitor.client.cookies.get("gpuopt_before") or mark
    for bad in ("", "x", f"{body}.", f"{body[:-2]}.{mark}", f"{body}.{mark[::-1]}", before):
        stranger = Visitor(service.app)
        stranger.client.cookies.set("gpuopt_session", bad)
        assert stranger.get("/").status_code == 303, bad


def test_signing_out_ends_the_session_and_needs_the_token(visitor: Visitor) -> None:
    assert visitor.client.post("/sign-out", data={"csrf": "x"}).status_code == 403
    assert visitor.get("/").status_code == 200
    assert visitor.post("/sign-out").headers["location"] == "/sign-in"
    assert visitor.get("/").status_code == 303


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://testserver.evil.example"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
def test_forms_of_other_sites_are_refused(
    visitor: Visitor, lab: Lab, headers: dict[str, str]
) -> None:
    snapshot = lab.upload()
    token = token_of(visitor.page("/"))
    data = {"csrf": token, "snapshot": snapshot}
    answer = visitor.client.post("/plans", data=data, headers=headers)
    assert answer.status_code == 403
    assert "another site" in words(answer.text)
    assert lab.store.jobs.page("plan", 5) == []
    for path in ("/sign-in", "/sign-out", "/theme"):
        assert visitor.client.post(path, data=data, headers=headers).status_code == 403


def test_a_form_needs_the_token_of_its_own_session(
    service: Service, visitor: Visitor, lab: Lab
) -> None:
    snapshot = lab.upload()
    other = token_of(signed_in(service.app, lab.key).page("/"))
    for data in ({}, {"csrf": ""}, {"csrf": other}, {"csrf": "é"}):
        answer = visitor.client.post("/plans", data={**data, "snapshot": snapshot})
        assert answer.status_code == 403, data
    assert visitor.client.post("/plans", content=b"{}", headers={
        "Content-Type": "application/json"}).status_code == 415  # fmt: skip
    assert lab.store.jobs.page("plan", 5) == []
    stranger = Visitor(service.app)
    assert stranger.client.post("/sign-in", data={"key": lab.key}).status_code == 403


def test_every_page_has_the_strict_headers(visitor: Visitor) -> None:
    for path in ("/", "/sign-in", "/plans", "/nothing", "/jobs/x"):
        answer = visitor.get(path)
        if answer.status_code == 303:
            continue
        assert answer.headers["content-security-policy"] == STRICT, path
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["x-frame-options"] == "DENY"
        assert answer.headers["referrer-policy"] == "same-origin"
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["x-request-id"]


@pytest.mark.parametrize(
    ("path", "safe"),
    [
        ("/plans?x=1&y=%2F", "/plans?x=1&y=%2F"),
        ("/", "/"),
        ("//evil.example", "/"),
        ("/\\evil.example", "/"),
        ("/\t/evil.example", "/"),
        ("https://evil.example", "/"),
        ("javascript:alert(1)", "/"),
        ("evil", "/"),
        ("", "/"),
        ("/x\r\nSet-Cookie: a=b", "/"),
        ("/" + "x" * 3000, "/"),
    ],
)
def test_nobody_is_sent_out_of_the_service(
    service: Service, lab: Lab, path: str, safe: str
) -> None:
    assert inside(path) == safe
    visitor = Visitor(service.app)
    token = token_of(visitor.page("/sign-in"))
    done = visitor.client.post("/sign-in", data={"csrf": token, "key": lab.key, "next": path})
    assert done.headers["location"] == safe


def test_who_asks_too_often_is_told_on_a_page(
    service: Service, lab: Lab, make_settings: MakeSettings
) -> None:
    settings = service.settings.model_copy(update={"requests_per_minute": 6})
    runner = ThreadRunner(service.store, 1, settings)
    app = create_app(settings, service.store, runner, SECRET)
    visitor = signed_in(app, lab.key)
    answers = [visitor.get("/plans") for _ in range(8)]
    assert answers[0].status_code == 200
    assert answers[-1].status_code == 429
    assert int(answers[-1].headers["retry-after"]) >= 1
    assert "Too many requests" in answers[-1].text
    guesser = Visitor(app)
    token = token_of(guesser.page("/sign-in"))
    told = [
        guesser.client.post("/sign-in", data={"csrf": token, "key": "no"}).status_code
        for _ in range(8)
    ]
    assert told[0] == 401
    assert told[-1] == 429


def test_an_unexpected_error_is_a_page(
    service: Service, visitor: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object) -> None:
        raise RuntimeError("secret words")

    monkeypatch.setattr("api.web.pages.plans.plan_tables.money", fails)
    monkeypatch.setattr("api.web.visit.Visit.newest_snapshot", fails)
    answer = visitor.get("/plans")
    assert answer.status_code == 500
    assert "Something went wrong" in answer.text
    assert "secret words" not in answer.text
    assert answer.headers["x-request-id"] in answer.text
    told = visitor.get("/plans", headers={"Accept": "application/json"})
    assert told.headers["content-type"] == "application/problem+json"


def test_the_api_stays_as_it_was(service: Service, visitor: Visitor) -> None:
    """A cookie opens no route of the API, and its errors are no pages."""
    answer = visitor.get("/v1/plans")
    assert answer.status_code == 401
    assert answer.headers["content-type"] == "application/problem+json"
    assert "/plans" not in service.app.openapi()["paths"]


def test_cookies_of_another_secret_are_nobodys(service: Service, lab: Lab) -> None:
    visitor = signed_in(service.app, lab.key)
    settings = service.settings
    other = create_app(
        settings, service.store, ThreadRunner(service.store, 1, settings), b"another" * 6
    )
    stranger = Visitor(other)
    stranger.client.cookies.update(visitor.client.cookies)
    assert stranger.get("/").status_code == 303
    assert Cookies(settings, SECRET).token("a") != Cookies(settings, b"another" * 6).token("a")


def test_colours_are_kept_without_signing_in(service: Service) -> None:
    stranger = Visitor(service.app)
    for theme, shown in (("dark", "dark"), ("light", "light"), ("<script>", None)):
        answer = stranger.client.post("/theme", data={"theme": theme, "next": "/sign-in?next=%2F"})
        assert answer.headers["location"] == "/sign-in?next=%2F"
        page = stranger.page("/sign-in")
        assert (f'<html lang="en" data-theme="{shown}">' if shown else '<html lang="en">') in page


def test_static_files_are_kept_for_good_under_their_hash(service: Service) -> None:
    stranger = Visitor(service.app)
    page = stranger.page("/sign-in")
    for name, kind in (("site.css", "text/css"), ("site.js", "javascript"), ("icon.svg", "svg")):
        place = next(part for part in page.split('"') if part.endswith(name))
        answer = stranger.get(place)
        assert answer.status_code == 200
        assert kind in answer.headers["content-type"]
        assert "immutable" in answer.headers["cache-control"]
        again = stranger.get(place, headers={"If-None-Match": answer.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")
        assert stranger.get(f"/static/0000000000000000/{name}").status_code == 404
    assert stranger.get("/static/0000000000000000/..%2fbase.py").status_code == 404
