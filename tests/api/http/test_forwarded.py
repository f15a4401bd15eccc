# SPDX-License-Identifier: Apache-2.0
"""Whose failed sign-ins are counted behind a proxy: nobody can name another's address."""

from __future__ import annotations

import pytest
from fastapi import Request
from fastapi.testclient import TestClient
from pydantic import ValidationError

from api.http.address import address_of, networks_of
from api.http.app import create_app
from api.runner import ThreadRunner
from api.settings import ServiceSettings

from .conftest import SECRET, Service

PROXIES = networks_of(["10.0.0.0/8", "2001:db8::1"])


def request(peer: str, *headers: str) -> Request:
    raw = [(b"x-forwarded-for", text.encode()) for text in headers]
    return Request({"type": "http", "client": (peer, 1), "headers": raw})


@pytest.mark.parametrize(
    ("peer", "said", "who"),
    [
        ("203.0.113.9", [], "203.0.113.9"),
        ("203.0.113.9", ["198.51.100.1"], "203.0.113.9"),  # not a proxy: it may say anything
        ("10.0.0.1", [], "10.0.0.1"),
        ("10.0.0.1", ["198.51.100.1"], "198.51.100.1"),
        ("10.0.0.1", ["6.6.6.6, 198.51.100.1"], "198.51.100.1"),  # the first was made up
        ("10.0.0.1", ["6.6.6.6, 198.51.100.1, 10.2.3.4"], "198.51.100.1"),  # two proxies
        ("10.0.0.1", ["6.6.6.6", "198.51.100.1", "10.2.3.4"], "198.51.100.1"),  # a line each
        ("10.0.0.1", ["10.9.9.9, 10.2.3.4"], "10.9.9.9"),  # from inside
        ("10.0.0.1", ["198.51.100.1:5678"], "198.51.100.1"),
        ("10.0.0.1", ["[2001:db8::7]:443"], "2001:db8::7"),
        ("10.0.0.1", ["::ffff:198.51.100.1"], "198.51.100.1"),
        ("::ffff:10.0.0.1", ["198.51.100.1"], "198.51.100.1"),
        ("2001:db8::1", ["2001:db8::7"], "2001:db8::7"),
        ("10.0.0.1", ["unknown"], "10.0.0.1"),
        ("10.0.0.1", ["6.6.6.6, nonsense, 10.2.3.4"], "10.2.3.4"),
        ("10.0.0.1", ["", ","], "10.0.0.1"),
        ("testclient", ["198.51.100.1"], "testclient"),
    ],
)
def test_the_nearest_address_that_is_no_proxy(peer: str, said: list[str], who: str) -> None:
    assert address_of(request(peer, *said), PROXIES) == who


def test_without_trusted_proxies_nobody_is_believed() -> None:
    assert address_of(request("10.0.0.1", "198.51.100.1"), ()) == "10.0.0.1"


@pytest.mark.parametrize("trusted", [(), ("10.0.0.0/8",)])
def test_one_who_guesses_does_not_shut_out_another(
    service: Service, trusted: tuple[str, ...]
) -> None:
    update = {"requests_per_minute": 3, "trusted_proxies": trusted}
    settings = service.settings.model_copy(update=update)
    runner = ThreadRunner(service.store, 1, settings)
    app = create_app(settings, service.store, runner, SECRET)
    client = TestClient(app, client=("10.0.0.1", 50_000))

    def guess(address: str) -> int:
        headers = {"X-Forwarded-For": address, "Authorization": "Bearer gpk_no"}
        return int(client.get("/v1/me", headers=headers).status_code)

    told = [guess("198.51.100.1") for _ in range(5)]
    assert told == [401, 401, 401, 429, 429]
    assert guess("198.51.100.2") == (401 if trusted else 429)


def test_the_setting_is_addresses_or_networks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GPUOPT_TRUSTED_PROXIES", "10.0.0.0/8, 2001:db8::1,")
    assert ServiceSettings().trusted_proxies == ("10.0.0.0/8", "2001:db8::1")
    monkeypatch.setenv("GPUOPT_TRUSTED_PROXIES", "proxy.example.com")
    with pytest.raises(ValidationError):
        ServiceSettings()
