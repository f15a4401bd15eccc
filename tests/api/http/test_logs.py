# SPDX-License-Identifier: Apache-2.0
"""Logs are JSON lines that name their request, and hold no secret whatever happens."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from api.access import Role
from api.logs import configure, scrub
from api.settings import ServiceSettings

from .conftest import SECRET, Lab


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    stream = io.StringIO()
    configure("debug", stream)
    yield stream
    configure("error")


def parsed(lines: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in lines.getvalue().splitlines()]


def test_every_request_has_its_line(lab: Lab, lines: io.StringIO) -> None:
    answer = lab.client.get("/v1/plans", params={"page_size": 1})
    told = [line for line in parsed(lines) if line["event"] == "request"]
    assert len(told) == 1
    assert told[0] | {"method": "GET", "path": "/v1/plans", "status": 200} == told[0]
    assert told[0]["request_id"] == answer.headers["x-request-id"]
    assert told[0]["trace_id"] == answer.headers["traceparent"].split("-")[1]
    assert told[0]["caller"].startswith("key_")
    assert told[0]["level"] == "info"


def test_keys_are_in_no_line_and_in_no_answer_but_the_first(
    lab: Lab, lines: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where something breaks, or a key is sent where none belongs."""
    client = lab.client
    made = client.post("/v1/keys", json={"label": "x", "role": "viewer"}).json()
    texts = [
        client.get("/v1/keys").text,
        client.get("/v1/audit").text,
        client.get("/metrics").text,
        client.get(f"/v1/plans/{lab.key}").text,
        client.get("/v1/plans", params={"page_token": lab.key}).text,
        client.get("/nope", params={"key": lab.key}).text,
        lab.service.client(lab.key + "0").get("/v1/me").text,
        lab.service.client("gpk_" + "0" * 20).get("/v1/me").text,
        client.post("/v1/keys", json={"label": lab.key, "role": "none"}).text,
    ]

    def break_down(self: Any, *_: object, **__: object) -> None:
        raise RuntimeError(f"it broke with {lab.key} at postgresql://me:hunter2@db/x")

    monkeypatch.setattr("api.store.jobs.Jobs.page", break_down)
    texts.append(client.get("/v1/plans").text)
    logging.getLogger("library").warning("Authorization: Bearer %s", lab.key)
    structlog.get_logger("x").info("y", password="hunter2", nested={"api_key": "hunter2"})
    told = lines.getvalue()
    assert "it broke with [secret]" in told
    secrets = [lab.key.rpartition("_")[2], made["key"].rpartition("_")[2], "hunter2"]
    for secret in [*secrets, SECRET.decode()]:
        assert secret not in told
    for text in texts:
        # What a caller sends as a path or a field may be repeated to that caller alone.
        assert made["key"] not in text
        assert "hunter2" not in text
    assert all(isinstance(line, dict) for line in parsed(lines))


@pytest.mark.parametrize(
    ("text", "scrubbed"),
    [
        ("a gpk_0123456789ab_00ff b", "a [secret] b"),
        ("postgresql://u:p@h/d", "postgresql://[secret]@h/d"),
        ("Authorization: bearer abc.def", "Authorization: [secret]"),
        ("eyJhbGciOi.eyJzdWIi.c2ln", "[secret]"),
        (
            {"token": "x", "rows": ["gpk_0123456789ab_1"]},
            {"token": "[secret]", "rows": ["[secret]"]},
        ),
        (3, 3),
    ],
)
def test_scrubbing(text: Any, scrubbed: Any) -> None:
    assert scrub(text) == scrubbed


def test_settings_do_not_show_their_secrets() -> None:
    settings = ServiceSettings(secret="s" * 32, database_url="postgresql://u:hunter2@h/d")
    assert "hunter2" not in repr(settings)
    assert "s" * 32 not in repr(settings)


def test_a_role_is_not_told_of_others(lab: Lab) -> None:
    text = lab.as_role(Role.viewer).get("/v1/me").text
    assert "keys:write" not in text
