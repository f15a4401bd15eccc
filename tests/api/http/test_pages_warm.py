# SPDX-License-Identifier: Apache-2.0
"""What is made ahead while a server starts: the first visitor waits for none of it."""

from __future__ import annotations

import logging
import re

import pytest
from fastapi.testclient import TestClient

from api.http.app import create_app
from api.runner import ThreadRunner
from api.store.kept import Recent
from api.web import static
from api.web.static import FILES, StaticFile
from api.web.warm import WarmUp

from .conftest import SECRET, Lab, Service
from .visitor import Visitor, signed_in


@pytest.fixture
def anew(monkeypatch: pytest.MonkeyPatch) -> StaticFile:
    """The script of charts as in a server that has just started."""
    script = StaticFile("charts.js", static._chart_script, static._chart_version)
    monkeypatch.setitem(FILES, "charts.js", script)
    monkeypatch.setattr(static, "_AHEAD", None)
    return script


def test_a_start_makes_the_script_the_templates_and_the_newest_plans_charts(
    service: Service, solved: Lab, anew: StaticFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.web.drawn._CHARTS", kept := Recent(16 << 20))
    settings = service.settings.model_copy(update={"warm_up": True})
    app = create_app(settings, service.store, ThreadRunner(service.store, 1, settings), SECRET)
    compiled = app.state.web.environment.cache
    with TestClient(app):
        visitor = signed_in(app, solved.key)  # answered meanwhile
        assert visitor.get("/jobs").status_code == 200
        assert app.state.warm.wait(120)
    assert len(compiled) >= len(app.state.web.environment.list_templates())
    names = ("commitment", "ranges", "ladder", "lock_in")
    assert any(kept.get((solved.tenant, solved.plan, name)) for name in names)
    monkeypatch.setattr(static.charts, "javascript", _never)
    asked = Visitor(app).get(anew.url)
    assert asked.status_code == 200
    assert b"gpuoptCharts" in asked.content
    assert len(asked.content) > 500_000


def test_what_cannot_be_made_ahead_is_told_and_made_when_it_is_asked_for(
    service: Service, anew: StaticFile, monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    def dies() -> bytes:
        raise EOFError

    monkeypatch.setattr(static, "bundle_apart", dies)
    monkeypatch.setattr(static.charts, "javascript", lambda: "made here")
    monkeypatch.setattr(service.store, "tenants", _never)
    warm = WarmUp(service.app.state.web, service.store)
    with caplog.at_level(logging.ERROR):
        warm.begin()
        assert warm.wait(60)
    told = [record.getMessage() for record in caplog.records]
    assert any("make_ahead failed" in line for line in told)
    assert len(told) == 2  # and the tenants
    assert anew.content == b"made here"


def test_a_server_that_ends_at_once_waits_for_nothing(service: Service) -> None:
    WarmUp(service.app.state.web, service.store).end()


def _never(*_: object) -> str:
    raise AssertionError("it is made a second time")


def test_the_page_names_the_script_before_it_is_made(service: Service, anew: StaticFile) -> None:
    """The URL needs the versions alone: to name it costs no visitor a second."""
    assert re.fullmatch(r"/static/[0-9a-f]{16}/charts\.js", anew.url)
    assert anew._content is None
