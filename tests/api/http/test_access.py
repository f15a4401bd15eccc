# SPDX-License-Identifier: Apache-2.0
"""Who may do what: generated over every route, for strangers, roles, scopes and tenants."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from fastapi.routing import APIRoute

from api.access import SCOPES, Role, Unauthenticated, check_key, make_key
from api.http.app import _SELF, ROUTERS, bare_app
from api.http.route import ANONYMOUS, Route
from api.http.solves import PATHS
from api.store import SERVICE, Store
from api.store.database import now
from api.store.kept import known_keys
from api.store.sessions import SignIn

from .conftest import SECRET, Lab, MakeSettings, Service

ROUTES = [
    (method, route.path, (route.openapi_extra or {})["x-scope"])
    for router in (*ROUTERS, _SELF)
    for route in router.routes
    if isinstance(route, APIRoute)
    for method in sorted(route.methods or ())
]
IDS = [f"{method} {path}" for method, path, _ in ROUTES]


def examples() -> dict[str, Any]:
    """The example of each body, by the path that it is sent to."""
    found = {}
    for router in ROUTERS:
        for route in router.routes:
            if isinstance(route, APIRoute) and route.body_field is not None:
                model: Any = route.body_field.field_info.annotation
                found[route.path] = model.model_json_schema()["examples"][0]
    return found


BODIES = examples()


def test_every_route_is_ours() -> None:
    for route in bare_app().routes:
        for each in getattr(route, "routes", [route]):
            if isinstance(each, APIRoute):
                assert isinstance(each, Route), each.path


def objects(lab: Lab) -> dict[str, str]:
    """One object of each kind that a path may name."""
    known = {
        "snapshot": lab.snapshot,
        "plan": lab.plan,
        "recommendation": lab.client.get("/v1/recommendations").json()["items"][0]["id"],
        "key": lab.client.get("/v1/keys").json()["items"][0]["id"],
    }
    known["schedule"] = "of-solved"
    until = now() + timedelta(hours=1)
    known["session"] = lab.store.sessions.begin(SignIn("oidc:ada", "viewer", until)).id
    known["table"] = "actions"
    for kind, path in PATHS.items():
        listed = lab.store.jobs.page(kind, 1)
        known[path] = listed[0].id if listed else lab.store.jobs.add(kind, {}, SERVICE).id
    return known


@pytest.fixture(scope="session")
def owned(solved: Lab) -> dict[str, str]:
    return objects(solved)


def filled(path: str, owned: dict[str, str]) -> str:
    """A path with the ids of objects in it."""
    kind = path.split("/")[2] if path.count("/") > 1 else ""

    def name(match: re.Match[str]) -> str:
        return owned[kind if match[1] == "job" else match[1]]

    return re.sub(r"\{(\w+)\}", name, path)


def with_ids(value: Any, owned: dict[str, str]) -> Any:
    """An example with the ids of objects in the place of its own."""
    if isinstance(value, dict):
        return {key: with_ids(item, owned) for key, item in value.items()}
    if isinstance(value, list):
        return [with_ids(item, owned) for item in value]
    names = {"pln_": "plan", "snp_": "snapshot", "rec_": "recommendation"}
    return owned[names[value[:4]]] if isinstance(value, str) and value[:4] in names else value


def call(client: Any, method: str, path: str, owned: dict[str, str]) -> Any:
    """Call a route the way its owner would."""
    if path == "/v1/snapshots" and method == "POST":
        return client.post(path, content=b"x", headers={"Content-Type": "application/zip"})
    if method != "GET" and path in BODIES:
        sent = with_ids(BODIES[path], owned)
        headers = {"If-Match": "*"}
        return client.request(method, filled(path, owned), json=sent, headers=headers)
    return client.request(method, filled(path, owned))


@pytest.mark.parametrize(("method", "path", "scope"), ROUTES, ids=IDS)
def test_strangers_see_nothing_but_health(
    service: Service, owned: dict[str, str], method: str, path: str, scope: str
) -> None:
    answer = call(service.client(), method, path, owned)
    if path in {"/healthz", "/readyz"}:
        assert (answer.status_code, scope) == (200, ANONYMOUS)
        return
    assert scope != ANONYMOUS
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Bearer")
    wrong = service.client(f"gpk_{'0' * 12}_{'0' * 64}")
    assert call(wrong, method, path, owned).status_code == 401


@pytest.fixture(scope="session")
def by_role(solved: Lab) -> dict[Role, Any]:
    return {role: solved.as_role(role) for role in Role}


@pytest.mark.parametrize(("method", "path", "scope"), ROUTES, ids=IDS)
def test_a_role_may_do_what_it_may_and_no_more(
    by_role: dict[Role, Any], owned: dict[str, str], method: str, path: str, scope: str
) -> None:
    if scope == ANONYMOUS:
        pytest.skip("health needs no role")
    for role, client in by_role.items():
        if role.rank >= SCOPES[scope].rank:
            continue  # that it may is seen by all other tests
        answer = call(client, method, path, owned)
        assert answer.status_code == 403, (role, answer.text)
        assert answer.json()["type"].endswith("forbidden")


@pytest.mark.parametrize(("method", "path", "scope"), ROUTES, ids=IDS)
def test_a_key_without_the_scope_may_not(
    solved: Lab, owned: dict[str, str], method: str, path: str, scope: str
) -> None:
    if scope == ANONYMOUS:
        pytest.skip("health needs no scope")
    other = next(name for name in SCOPES if name != scope)
    narrow = solved.as_role(Role.admin, other)
    assert call(narrow, method, path, owned).status_code == 403


@pytest.fixture(scope="session")
def neighbour(service: Service) -> Lab:
    return service.lab()


@pytest.mark.parametrize(("method", "path", "scope"), ROUTES, ids=IDS)
def test_another_tenant_is_always_refused(
    solved: Lab, neighbour: Lab, owned: dict[str, str], method: str, path: str, scope: str
) -> None:
    """Every route, with the ids of a tenant and the admin key of another."""
    watched = () if method == "GET" else ("plans", "keys", "audit")
    before = [solved.client.get(f"/v1/{kind}").text for kind in watched]
    answer = call(neighbour.client, method, path, owned)
    if "{" in path:
        assert answer.status_code == 404, answer.text
    elif method == "POST" and path not in {"/v1/keys", "/v1/snapshots"}:
        assert answer.status_code == 422, answer.text
        assert answer.json()["type"].endswith("invalid")
    names = set(owned.values()) | {solved.tenant, solved.key}
    told = answer.text
    # A refusal repeats the name that it was asked for, and nothing else.
    sent = filled(path, owned) + str(with_ids(BODIES.get(path), owned))
    names = {name for name in names if name not in sent}
    assert not [name for name in names if name in told]
    assert before == [solved.client.get(f"/v1/{kind}").text for kind in watched]


def test_filters_do_not_reach_over(solved: Lab, neighbour: Lab) -> None:
    for path, params in (
        ("/v1/plans", {"snapshot": solved.snapshot}),
        ("/v1/recommendations", {"plan": solved.plan}),
        ("/v1/audit", {"subject": solved.plan}),
    ):
        assert solved.client.get(path, params=params).json()["items"]
        assert neighbour.client.get(path, params=params).json()["items"] == []
    assert neighbour.client.get("/v1/kpis", params={"plan": solved.plan}).status_code == 404
    start = {"snapshot": neighbour.upload(), "start": solved.plan}
    assert neighbour.client.post("/v1/plans", json=start).status_code == 422


def test_keys_are_made_rotated_and_revoked(lab: Lab) -> None:
    asked = {"label": "job", "role": "analyst", "scopes": ["plans:read"], "days": 10}
    made = lab.client.post("/v1/keys", json=asked, headers={"Idempotency-Key": "one"})
    assert made.status_code == 201
    key, name = made.json()["key"], made.json()["id"]
    again = lab.client.post("/v1/keys", json=asked, headers={"Idempotency-Key": "one"})
    assert (again.json()["id"], again.json()["key"]) == (name, "[secret]")
    client = lab.service.client(key)
    assert client.get("/v1/plans").status_code == 200
    assert client.get("/v1/snapshots").status_code == 403
    new = lab.client.post(f"/v1/keys/{name}/rotate").json()
    assert lab.service.client(new["key"]).get("/v1/plans").status_code == 200
    assert client.get("/v1/plans").status_code == 200  # for a while
    listed = {row["id"]: row for row in lab.client.get("/v1/keys").json()["items"]}
    hours = lab.service.settings.rotation_hours
    assert listed[name]["expires_at"] < str((now() + timedelta(hours=hours)).isoformat())
    assert listed[name]["rotated_to"] == new["id"]
    assert new["scopes"] == ["plans:read"]
    assert lab.client.post(f"/v1/keys/{name}/rotate").status_code == 409
    assert lab.client.delete(f"/v1/keys/{name}").status_code == 200
    assert client.get("/v1/plans").status_code == 401
    text = lab.client.get("/v1/keys").text
    assert key not in text
    assert "digest" not in text
    bad = lab.client.post("/v1/keys", json={**asked, "scopes": ["all"]})
    assert bad.status_code == 422


def test_a_key_that_another_server_revoked_is_none_soon(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = lab.service.store
    there = Store(here.url, here.folder)
    key = lab.key_of(Role.viewer)
    name = check_key(here, SECRET, key).name
    assert here.knows_key(key.split("_")[1])
    assert check_key(there, SECRET, key).name == name
    there.of(lab.tenant).keys.revoke(name, SERVICE)
    with pytest.raises(Unauthenticated):  # at once where it was done
        check_key(there, SECRET, key)
    monkeypatch.setattr("api.store.kept.KEY_SECONDS", 0.0)  # the time is over
    with pytest.raises(Unauthenticated):
        check_key(here, SECRET, key)
    there.close()


def test_a_row_that_was_read_before_a_change_is_not_kept(lab: Lab) -> None:
    known, key = known_keys(), lab.key_of(Role.viewer)
    row = lab.service.store.find_key(key.split("_")[1])
    assert row is not None
    before = known.change()
    known.forget()
    known.put(row, before, time.monotonic())
    assert known.get(row.prefix) is None
    known.put(row, known.change(), time.monotonic())
    assert known.get(row.prefix) is row


def test_an_expired_key_is_no_key(lab: Lab) -> None:
    assert lab.service.client(lab.key_of(Role.admin, days=-1)).get("/v1/me").status_code == 401


def test_a_key_is_kept_as_a_keyed_hash(lab: Lab) -> None:
    kept, key = make_key(SECRET, Role.viewer, "x", now() + timedelta(days=1))
    assert key.split("_")[2] not in str(kept)
    lab.store.keys.add(kept, SERVICE)
    assert check_key(lab.service.store, SECRET, key).tenant == lab.tenant
    with pytest.raises(Unauthenticated):
        check_key(lab.service.store, b"the secret of another service, x", key)
    with pytest.raises(Unauthenticated):
        check_key(lab.service.store, SECRET, key[:-1] + ("0" if key[-1] != "0" else "1"))


@pytest.fixture
def narrow(make_settings: MakeSettings, service: Service) -> Iterator[Service]:
    """The same store behind an application that bears little."""
    from api.http.app import create_app
    from api.runner import ThreadRunner

    settings = make_settings(
        requests_per_minute=5, data_dir=service.settings.data_dir, max_body_bytes=2048
    )
    runner = ThreadRunner(service.store)
    yield Service(create_app(settings, service.store, runner, SECRET), service.store, settings)
    runner.close()


def test_rates_are_limited_for_keys_and_for_strangers(narrow: Service, lab: Lab) -> None:
    client = narrow.client(lab.key)
    codes = [client.get("/v1/me").status_code for _ in range(8)]
    assert codes == [200] * 5 + [429] * 3
    refused = client.get("/v1/me")
    assert 1 <= int(refused.headers["retry-after"]) <= 60
    assert narrow.client(lab.key_of(Role.viewer)).get("/v1/me").status_code == 200
    stranger = narrow.client("gpk_nothing")
    assert [stranger.get("/v1/me").status_code for _ in range(7)] == [401] * 5 + [429] * 2


def test_bodies_are_limited(narrow: Service, lab: Lab) -> None:
    client = narrow.client(lab.key)
    announced = client.post("/v1/plans", json={"snapshot": "x" * 3000})
    assert (announced.status_code, announced.json()["type"][-9:]) == (413, "too-large")

    def chunks() -> Iterator[bytes]:
        yield b'{"snapshot": "'
        for _ in range(30):
            yield b"x" * 100

    headers = {"Content-Type": "application/json"}
    assert client.post("/v1/plans", content=chunks(), headers=headers).status_code == 413


def test_two_servers_make_one_secret(make_settings: MakeSettings) -> None:
    from api.access import service_secret

    settings = make_settings()
    found: list[bytes] = []
    threads = [
        threading.Thread(target=lambda: found.append(service_secret(settings))) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert len(set(found)) == 1
    assert (settings.data_dir / "secret").stat().st_mode & 0o777 == 0o600
