# SPDX-License-Identifier: Apache-2.0
"""Sessions that are ended: by signing out, everywhere, with their key, by an administrator."""

from __future__ import annotations

import hashlib
from datetime import timedelta
from typing import Any

import pytest
from itsdangerous import URLSafeSerializer

from api.access import Role, derived
from api.http.app import create_app
from api.runner import ThreadRunner
from api.store import SERVICE, SignIn, Store
from api.store.database import now
from api.store.keys import NewKey

from .conftest import SECRET, Lab, Service
from .visitor import Visitor, signed_in, token_of, words


def copied(service: Service, visitor: Visitor) -> Visitor:
    """Another browser with the same cookies."""
    other = Visitor(service.app)
    other.client.cookies.update(visitor.client.cookies)
    return other


def test_a_copied_cookie_is_worth_nothing_after_signing_out(service: Service, lab: Lab) -> None:
    visitor = signed_in(service.app, lab.key)
    thief = copied(service, visitor)
    assert thief.get("/").status_code == 200
    visitor.post("/sign-out")
    assert thief.get("/").headers["location"] == "/sign-in"
    assert lab.store.sessions.page(10) == []


def test_signing_out_everywhere_ends_ones_own_and_no_others(service: Service, lab: Lab) -> None:
    here, there = signed_in(service.app, lab.key), signed_in(service.app, lab.key)
    other = signed_in(service.app, lab.key_of(Role.viewer))
    assert "2" not in here.post("/sign-out", everywhere="1").headers["location"]
    assert [v.get("/").status_code for v in (here, there, other)] == [303, 303, 200]
    deeds = [row.action for row in lab.store.audit.page(10)]
    assert deeds.count("session.ended") == 2
    assert deeds.count("session.begun") == 3


def test_a_key_of_one_scope_can_sign_out_everywhere(service: Service, lab: Lab) -> None:
    key = lab.key_of(Role.viewer, ("reports:read",))
    here, there = (signed_in(service.app, key) for _ in range(2))
    page = here.page("/sessions")
    assert words(page).count("this one") == 1
    assert words(page).count("elsewhere") == 1
    token = token_of(page)
    here.client.post("/sign-out", data={"csrf": token, "everywhere": "1"})
    assert there.get("/reports").status_code == 303


def test_revoking_a_key_ends_its_sessions_for_good(service: Service, lab: Lab) -> None:
    visitor = signed_in(service.app, lab.key_of(Role.viewer))
    listed = lab.client.get("/v1/sessions").json()["items"]
    (row,) = [each for each in listed if each["role"] == "viewer"]
    assert lab.client.delete(f"/v1/keys/{row['name']}").status_code == 200
    assert visitor.get("/").status_code == 303
    assert lab.client.get("/v1/sessions", params={"name": row["name"]}).json()["items"] == []
    assert lab.store.sessions.get(row["id"]).ended_at is not None


def test_sessions_of_a_rotated_key_end_with_it(service: Service, lab: Lab) -> None:
    signed_in(service.app, lab.key_of(Role.viewer))
    (row,) = [s for s in lab.store.sessions.page(10) if s.role == "viewer"]
    last = now() + timedelta(minutes=5)
    assert row.until > last
    new = NewKey("gpk_ab", "digest", "dashboard", Role.viewer, ("plans:read",), row.until)
    lab.store.keys.rotate(row.name, new, last, SERVICE)
    assert lab.store.sessions.get(row.id).until == last


def test_everybody_sees_their_own_and_an_administrator_all(service: Service, lab: Lab) -> None:
    admin = signed_in(service.app, lab.key)
    viewer = signed_in(service.app, lab.key_of(Role.viewer))
    until = now() + timedelta(hours=1)
    person = lab.store.sessions.begin(SignIn("oidc:ada", "approver", until))
    mine = viewer.page("/sessions")
    assert "oidc:ada" not in mine
    assert "End all sessions of" not in mine
    token = token_of(mine)
    foreign = f"/sessions/{person.id}/end"
    assert viewer.client.post(foreign, data={"csrf": token}).status_code == 404
    ending = viewer.client.post("/sessions/end", data={"csrf": token, "name": "oidc:ada"})
    assert ending.status_code == 403
    assert lab.store.sessions.get(person.id).ended_at is None
    everyone = admin.page("/sessions")
    assert "oidc:ada" in everyone
    assert "identity provider" in everyone
    done = admin.post(foreign, "/sessions")
    assert (done.status_code, done.headers["location"]) == (303, "/sessions")
    ended = lab.store.sessions.get(person.id)
    assert ended.ended_by == lab.store.keys.page(10)[-1].id
    own = lab.store.sessions.page(10, name=lab.store.keys.page(10)[0].id)
    viewer.post(f"/sessions/{own[0].id}/end", "/sessions")
    assert viewer.get("/").status_code == 303
    stranger = signed_in(service.app, service.lab().key)
    token = token_of(stranger.page("/sessions"))
    assert stranger.client.post(foreign, data={"csrf": token}).status_code == 404


def test_an_administrator_signs_somebody_out_everywhere(service: Service, lab: Lab) -> None:
    until = now() + timedelta(hours=1)
    begun = {lab.store.sessions.begin(SignIn("oidc:ada", "viewer", until)).id for _ in range(2)}
    other = lab.store.sessions.begin(SignIn("oidc:bob", "viewer", until)).id
    neighbour = service.lab()
    assert neighbour.client.delete("/v1/sessions", params={"name": "oidc:ada"}).json() == {
        "items": [], "next_page_token": ""
    }  # fmt: skip
    answer = lab.client.delete("/v1/sessions", params={"name": "oidc:ada"})
    assert {row["id"] for row in answer.json()["items"]} == begun
    again = lab.client.delete("/v1/sessions", params={"name": "oidc:ada"})
    assert again.json()["items"] == []
    assert lab.client.delete("/v1/sessions").status_code == 422
    ended = lab.client.delete(f"/v1/sessions/{other}").json()
    assert ended["ended_at"]
    assert lab.client.delete(f"/v1/sessions/{other}").json() == ended
    assert lab.client.delete("/v1/sessions/ses_0123456789ab").status_code == 404


def test_another_server_notices_soon(
    service: Service, lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    visitor = signed_in(service.app, lab.key)
    assert visitor.get("/").status_code == 200
    there = Store(service.store.url, service.store.folder)
    name = there.of(lab.tenant).sessions.page(1)[0].name
    there.of(lab.tenant).sessions.end_of(name, SERVICE)
    there.close()
    monkeypatch.setattr("api.store.kept.KEY_SECONDS", 0.0)  # the time is over
    assert visitor.get("/").status_code == 303


def test_what_was_over_long_ago_is_forgotten(lab: Lab) -> None:
    old = lab.store.sessions.begin(SignIn("oidc:ada", "viewer", now() - timedelta(days=31)))
    late = lab.store.sessions.begin(SignIn("oidc:ada", "viewer", now() - timedelta(days=1)))
    new = lab.store.sessions.begin(SignIn("oidc:ada", "viewer", now() + timedelta(days=1)))
    assert lab.service.store.find_session(old.id) is None
    assert lab.service.store.find_session(late.id) is not None
    assert [row.id for row in lab.store.sessions.page(10)] == [new.id]


_OLD = {"id": "x", "until": 4_000_000_000, "key": "", "tenant": "t", "name": "n", "role": "admin"}


@pytest.mark.parametrize(
    "kept",
    [
        _OLD,  # of the version before
        {**_OLD, "v": 1},
        {"v": 3, "id": "ses_1"},
        {"v": 2},
        {"v": 2, "id": None},
        {"v": 2, "id": 7, "more": {}},
        {"v": 2, "id": "ses_0"},
        {"v": 2, "id": "ses_" + "0" * 5_000},
        ["v", 2],
        "text",
        None,
    ],
)
def test_a_cookie_of_another_version_or_a_broken_one_leads_to_signing_in(
    service: Service, lab: Lab, kept: Any
) -> None:
    """Signed by this service itself: nothing but what it holds is wrong with it."""
    stranger = Visitor(service.app)
    for what in ("session", "before", "sign-in", "notice"):
        signer = URLSafeSerializer(
            derived(SECRET, "page cookie"), salt=what,
            signer_kwargs={"digest_method": hashlib.sha256, "key_derivation": "hmac"},
        )  # fmt: skip
        stranger.client.cookies.set(f"gpuopt_{what}", str(signer.dumps(kept)))
    assert stranger.get("/plans").headers["location"] == "/sign-in?next=%2Fplans"
    for path in ("/sign-out", "/sign-in"):
        assert stranger.client.post(path, data={"csrf": "x"}).status_code in {303, 403}, path
    assert "<h1>Sign in</h1>" in stranger.page("/sign-in")
    assert stranger.sign_in(lab.key).status_code == 303
    assert stranger.get("/").status_code == 200


@pytest.mark.parametrize("text", ["\x00", "é.é", "a.b.c", "." * 100, "x" * 9_000, '"', "{}"])
def test_a_cookie_that_is_no_cookie_of_ours(service: Service, text: str) -> None:
    stranger = Visitor(service.app)
    for path in ("/", "/sign-in"):
        header = b"; ".join(
            f"gpuopt_{what}={text}".encode() for what in ("session", "before", "notice")
        )
        answer = stranger.client.get(path, headers=[(b"cookie", header)])
        assert answer.status_code == (303 if path == "/" else 200)


def test_sessions_survive_a_restart(service: Service, lab: Lab) -> None:
    visitor = signed_in(service.app, lab.key)
    runner = ThreadRunner(service.store, 1, service.settings)
    later = Visitor(create_app(service.settings, service.store, runner, SECRET))
    later.client.cookies.update(visitor.client.cookies)
    assert "Sign out" in words(later.page("/"))
