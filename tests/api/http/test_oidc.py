# SPDX-License-Identifier: Apache-2.0
"""Tokens of an identity provider, whose keys a loopback server publishes."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from api.access import Unauthenticated
from api.http.app import create_app
from api.oidc import Oidc
from api.runner import ThreadRunner
from api.settings import ServiceSettings
from optimizer.errors import UsageError

from .conftest import SECRET, Lab, Service

jwk = pytest.importorskip("joserfc.jwk", reason="the extra oidc is not installed")
jwt = pytest.importorskip("joserfc.jwt")


@dataclass
class Provider:
    """An identity provider: its keys, and how often they were asked for."""

    keys: list[Any] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    url: str = ""
    broken: bool = False

    def token(self, key: Any = None, algorithm: str = "RS256", **claims: Any) -> str:
        moment = int(time.time())
        every = {
            "iss": self.url, "aud": "gpuopt", "sub": "ada", "iat": moment, "exp": moment + 300,
            **claims,
        }  # fmt: skip
        key = key or self.keys[0]
        stated = {name: value for name, value in every.items() if value is not None}
        return str(jwt.encode({"alg": algorithm, "kid": key.kid}, stated, key, [algorithm]))


@pytest.fixture
def provider() -> Iterator[Provider]:
    made = Provider([jwk.RSAKey.generate_key(2048, {"kid": "one"})])

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            made.asked.append(self.path)
            if self.path == "/.well-known/openid-configuration":
                body: Any = {"jwks_uri": f"{made.url}/jwks"}
            else:
                body = {"keys": [key.as_dict(private=False) for key in made.keys]}
            self.send_response(500 if made.broken else 200)
            self.end_headers()
            self.wfile.write(json.dumps(body).encode())

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    made.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield made
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def people(service: Service, provider: Provider) -> Service:
    """The service, with that provider."""
    settings = service.settings.model_copy(
        update={"oidc_issuer": provider.url, "oidc_audience": "gpuopt"}
    )
    runner = ThreadRunner(service.store, 1, settings)
    return Service(create_app(settings, service.store, runner, SECRET), service.store, settings)


def test_a_person_is_who_the_provider_says(people: Service, provider: Provider, lab: Lab) -> None:
    claims = {"gpuopt_tenant": lab.name, "gpuopt_role": "approver"}
    client = people.client(provider.token(**claims))
    found = client.get("/v1/me").json()
    assert (found["name"], found["tenant"], found["role"]) == ("oidc:ada", lab.tenant, "approver")
    assert client.get("/v1/keys").status_code == 403
    assert client.get("/v1/plans").status_code == 200
    assert people.client(lab.key).get("/v1/me").json()["role"] == "admin"  # keys work beside it
    assert provider.asked == ["/.well-known/openid-configuration", "/jwks"]


@pytest.mark.parametrize(
    "claims",
    [
        {"aud": "another"},
        {"aud": None},
        {"iss": "http://evil"},
        {"exp": 1_000_000_000},
        {"exp": None},
        {"nbf": 4_000_000_000},
        {"sub": None},
        {"gpuopt_tenant": None},
        {"gpuopt_tenant": "nobody"},
        {"gpuopt_tenant": ["x"]},
        {"gpuopt_role": None},
        {"gpuopt_role": "root"},
        {"gpuopt_role": ["admin"]},
    ],
)
def test_what_a_token_lacks_is_not_assumed(
    people: Service, provider: Provider, lab: Lab, claims: dict[str, Any]
) -> None:
    good = {"gpuopt_tenant": lab.name, "gpuopt_role": "admin"}
    token = provider.token(**{**good, **claims})
    assert people.client(token).get("/v1/me").status_code == 401


def test_signatures_are_checked(people: Service, provider: Provider, lab: Lab) -> None:
    claims = {"gpuopt_tenant": lab.name, "gpuopt_role": "admin"}
    other = jwk.RSAKey.generate_key(2048, {"kid": "one"})
    secret = jwk.OctKey.import_key(b"x" * 32, {"kid": "one"})
    good = provider.token(**claims)
    head, body, mark = good.split(".")
    none = "eyJhbGciOiJub25lIn0"
    for token in (
        provider.token(other, **claims),
        provider.token(secret, "HS256", **claims),
        f"{none}.{body}.",
        f"{head}.{body}.{mark[:-4]}AAAA",
        f"{head}.{body}",
        "....",
        "é.é.é",
    ):
        headers = {"Authorization": b"Bearer " + token.encode()}
        assert people.client().get("/v1/me", headers=headers).status_code == 401
    assert people.client(good).get("/v1/me").status_code == 200


def test_new_keys_of_the_provider_are_fetched_but_not_for_every_token(
    people: Service, provider: Provider, lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    claims = {"gpuopt_tenant": lab.name, "gpuopt_role": "viewer"}
    assert people.client(provider.token(**claims)).get("/v1/me").status_code == 200
    provider.keys = [jwk.RSAKey.generate_key(2048, {"kid": "two"})]
    token = provider.token(**claims)
    assert people.client(token).get("/v1/me").status_code == 401  # asked a moment ago
    monkeypatch.setattr("api.oidc._PAUSE_SECONDS", 0.0)
    assert people.client(token).get("/v1/me").status_code == 200
    assert provider.asked.count("/jwks") == 2
    provider.broken = True  # what is known stays good
    assert people.client(token).get("/v1/me").status_code == 200


def test_a_provider_that_does_not_answer_lets_nobody_in(
    service: Service, provider: Provider
) -> None:
    provider.broken = True
    settings = service.settings.model_copy(
        update={"oidc_issuer": provider.url, "oidc_audience": "gpuopt"}
    )
    with pytest.raises(Unauthenticated, match="cannot be read"):
        Oidc(service.store, settings).caller(provider.token())


def test_the_audience_must_be_set(service: Service) -> None:
    settings = service.settings.model_copy(update={"oidc_issuer": "http://x"})
    with pytest.raises(UsageError, match="AUDIENCE"):
        Oidc(service.store, settings)


def test_settings_are_read_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GPUOPT_OIDC_ALGORITHMS", "ES256, RS256")
    monkeypatch.setenv("GPUOPT_PORT", "0")
    settings = ServiceSettings()
    assert settings.oidc_algorithms == ("ES256", "RS256")
    assert settings.port == 0
