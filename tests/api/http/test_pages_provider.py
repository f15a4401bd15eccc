# SPDX-License-Identifier: Apache-2.0
"""Signing in with an identity provider on loopback: authorization code, PKCE, state, nonce."""

from __future__ import annotations

import base64
import hashlib
import json
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from pydantic import SecretStr

from api.http.app import create_app
from api.runner import ThreadRunner
from api.store import NotFound
from optimizer.errors import UsageError

from .conftest import SECRET, Lab, Service
from .visitor import Visitor, words

jwk = pytest.importorskip("joserfc.jwk", reason="the extra oidc is not installed")
jwt = pytest.importorskip("joserfc.jwt")


@dataclass
class Provider:
    """An identity provider that holds its client to the flow, and can be told to misbehave."""

    key: Any
    url: str = ""
    claims: dict[str, Any] = field(default_factory=dict)
    codes: dict[str, dict[str, str]] = field(default_factory=dict)
    wrong: dict[str, Any] = field(default_factory=dict)  # claims of the token, put in their place
    asked: list[tuple[str, dict[str, str], str]] = field(default_factory=list)
    says: dict[str, Any] = field(default_factory=dict)  # of its metadata
    token_status: int = 200

    def sign_in(self, place: str) -> dict[str, str]:
        """What its page does once a person has signed in: the parameters it sends back."""
        asked = {k: v[0] for k, v in parse_qs(urlsplit(place).query).items()}
        assert place.startswith(f"{self.url}/authorize?")
        assert asked["response_type"] == "code"
        assert asked["code_challenge_method"] == "S256"
        assert asked["scope"].split()[0] == "openid"
        code = f"code-{len(self.codes)}"
        self.codes[code] = asked
        return {"code": code, "state": asked["state"], "iss": self.url}

    def token(self, form: dict[str, str]) -> dict[str, str] | None:
        asked = self.codes.pop(form["code"], None)  # a code is good once
        digest = hashlib.sha256(form["code_verifier"].encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).decode().rstrip("=")
        if (
            asked is None
            or asked["code_challenge"] != challenge
            or asked["redirect_uri"] != form["redirect_uri"]
            or asked["client_id"] != form["client_id"]
            or form["grant_type"] != "authorization_code"
        ):
            return None
        moment = int(time.time())
        claims = {
            "iss": self.url, "aud": asked["client_id"], "sub": "ada", "iat": moment,
            "exp": moment + 60, "nonce": asked["nonce"], **self.claims, **self.wrong,
        }  # fmt: skip
        stated = {name: value for name, value in claims.items() if value is not None}
        header = {"alg": "RS256", "kid": self.key.kid}
        return {"id_token": str(jwt.encode(header, stated, self.key, ["RS256"]))}


@pytest.fixture(scope="module")
def provider() -> Iterator[Provider]:
    made = Provider(jwk.RSAKey.generate_key(2048, {"kid": "one"}))

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path == "/.well-known/openid-configuration":
                self.answer({
                    "issuer": made.url, "jwks_uri": f"{made.url}/jwks",
                    "authorization_endpoint": f"{made.url}/authorize",
                    "token_endpoint": f"{made.url}/token", **made.says,
                })  # fmt: skip
            else:
                self.answer({"keys": [made.key.as_dict(private=False)]})

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            form = {k: v[0] for k, v in parse_qs(body).items()}
            made.asked.append((self.path, form, self.headers.get("Authorization", "")))
            found = made.token(form)
            status = made.token_status if found else 400
            self.answer(found or {"error": "invalid_grant"}, status)

        def answer(self, body: Any, status: int = 200) -> None:
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
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
def people(service: Service, provider: Provider, lab: Lab) -> Service:
    """The service as a client of that provider, which says that ada approves in the lab."""
    provider.claims = {"gpuopt_tenant": lab.name, "gpuopt_role": "approver"}
    provider.wrong, provider.says, provider.token_status = {}, {}, 200
    provider.asked.clear()
    settings = service.settings.model_copy(
        update={
            "oidc_issuer": provider.url,
            "oidc_audience": "gpuopt-api",
            "oidc_client_id": "gpuopt-pages",
            "oidc_client_secret": SecretStr("p/ss word"),
        }
    )
    runner = ThreadRunner(service.store, 1, settings)
    return Service(create_app(settings, service.store, runner, SECRET), service.store, settings)


def test_a_person_signs_in_and_may_what_the_provider_says(
    people: Service, provider: Provider, lab: Lab
) -> None:
    visitor = Visitor(people.app)
    assert "Sign in with your organization" in visitor.page("/sign-in?next=/plans")
    place = visitor.get("/sign-in/provider?next=/plans").headers["location"]
    back = provider.sign_in(place)
    answer = visitor.get(f"/sign-in/back?{urlencode(back)}")
    assert (answer.status_code, answer.headers["location"]) == (303, "/plans"), answer.text
    assert "approver" in words(visitor.page("/plans"))
    assert visitor.post("/plans", snapshot=lab.upload()).status_code == 303
    assert lab.store.jobs.page("plan", 1)[0].created_by == "oidc:ada"
    ((path, form, header),) = provider.asked
    assert (path, form["redirect_uri"]) == ("/token", "http://testserver/sign-in/back")
    assert base64.b64decode(header.removeprefix("Basic ")) == b"gpuopt-pages:p%2Fss%20word"
    # An approver may decide, and makes no keys; nothing of another tenant is there.
    with pytest.raises(NotFound):
        people.store.of("tnt_x").jobs.get(lab.store.jobs.page("plan", 1)[0].id)
    # What was begun cannot be finished twice.
    assert visitor.get(f"/sign-in/back?{urlencode(back)}").status_code == 401


def begun(people: Service, provider: Provider) -> tuple[Visitor, dict[str, str]]:
    visitor = Visitor(people.app)
    return visitor, provider.sign_in(visitor.get("/sign-in/provider").headers["location"])


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"state": "x"}, "not begun in this browser"),
        ({"state": None}, "not begun in this browser"),
        ({"iss": "http://evil"}, "another provider"),
        ({"code": None, "error": "access_denied"}, "access_denied"),
        ({"code": "guessed"}, "gave no token"),
    ],
)
def test_what_comes_back_must_be_what_was_begun(
    people: Service, provider: Provider, changes: dict[str, str | None], told: str
) -> None:
    visitor, back = begun(people, provider)
    given = {k: v for k, v in {**back, **changes}.items() if v is not None}
    answer = visitor.get(f"/sign-in/back?{urlencode(given)}")
    assert answer.status_code == 401
    assert told in words(answer.text)
    assert visitor.get("/").status_code == 303


def test_an_administrator_signs_a_person_out(people: Service, provider: Provider, lab: Lab) -> None:
    (first, back), (second, again) = (begun(people, provider) for _ in range(2))
    assert first.get(f"/sign-in/back?{urlencode(back)}").status_code == 303
    assert second.get(f"/sign-in/back?{urlencode(again)}").status_code == 303
    assert "oidc:ada" in first.page("/sessions")
    ended = lab.client.delete("/v1/sessions", params={"name": "oidc:ada"}).json()["items"]
    assert [row["role"] for row in ended] == ["approver", "approver"]
    assert first.get("/").status_code == 303
    assert second.get("/").status_code == 303


def test_a_code_of_another_browser_signs_nobody_in(people: Service, provider: Provider) -> None:
    """Whoever makes a victim follow their link would have them work in a foreign tenant."""
    _, back = begun(people, provider)
    victim, _ = begun(people, provider)
    assert victim.get(f"/sign-in/back?{urlencode(back)}").status_code == 401
    assert Visitor(people.app).get(f"/sign-in/back?{urlencode(back)}").status_code == 401


@pytest.mark.parametrize(
    "wrong",
    [
        {"nonce": "another"},
        {"nonce": None},
        {"aud": "gpuopt-api"},
        {"aud": ["gpuopt-pages", "other"]},
        {"iss": "http://evil"},
        {"exp": 1_000_000_000},
        {"sub": None},
        {"gpuopt_tenant": "nobody"},
        {"gpuopt_role": "root"},
        {"gpuopt_role": None},
    ],
)
def test_a_token_that_is_not_ours_signs_nobody_in(
    people: Service, provider: Provider, wrong: dict[str, Any]
) -> None:
    provider.wrong = wrong
    visitor, back = begun(people, provider)
    assert visitor.get(f"/sign-in/back?{urlencode(back)}").status_code == 401
    assert visitor.get("/").status_code == 303


def test_an_audience_of_several_names_its_client(people: Service, provider: Provider) -> None:
    provider.wrong = {"aud": ["gpuopt-pages", "other"], "azp": "gpuopt-pages"}
    visitor, back = begun(people, provider)
    assert visitor.get(f"/sign-in/back?{urlencode(back)}").status_code == 303


def test_a_provider_that_fails_is_said_and_keys_still_work(
    people: Service, provider: Provider, lab: Lab
) -> None:
    provider.token_status = 500
    visitor, back = begun(people, provider)
    answer = visitor.get(f"/sign-in/back?{urlencode(back)}")
    assert "gave no token" in words(answer.text)
    assert visitor.sign_in(lab.key).status_code == 303


@pytest.mark.parametrize(
    "says",
    [{"issuer": "http://evil"}, {"authorization_endpoint": None},
     {"authorization_endpoint": "javascript:alert(1)"}],
)  # fmt: skip
def test_a_provider_is_who_it_is_said_to_be(
    people: Service, provider: Provider, says: dict[str, Any]
) -> None:
    provider.says = says
    answer = Visitor(people.app).get("/sign-in/provider")
    assert answer.status_code == 503
    assert "identity provider" in words(answer.text)


def test_without_a_provider_there_is_no_such_way(service: Service) -> None:
    visitor = Visitor(service.app)
    assert "organization" not in visitor.page("/sign-in")
    assert visitor.get("/sign-in/provider").status_code == 404
    assert visitor.get("/sign-in/back?code=x&state=y").status_code == 404


def test_a_client_needs_an_issuer(service: Service) -> None:
    settings = service.settings.model_copy(update={"oidc_client_id": "x"})
    with pytest.raises(UsageError, match="GPUOPT_OIDC_ISSUER"):
        create_app(settings, service.store, ThreadRunner(service.store, 1, settings), SECRET)
