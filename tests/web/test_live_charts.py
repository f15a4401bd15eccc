# SPDX-License-Identifier: Apache-2.0
"""Live charts in a real browser: with a policy that forbids eval and inline styles, offline."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from optimizer.reporting import charts

from ..reporting.chart_numbers import HOSTILE, spend, usual

POLICY = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:"
WHY = "a browser is asked for by tests/with_browser.py (GPUOPT_BROWSER_TESTS is not set)"


@pytest.fixture(scope="module")
def origin() -> Iterator[str]:
    if not os.environ.get("GPUOPT_BROWSER_TESTS"):
        pytest.skip(WHY)
    made = [*usual().values(), charts.spend_chart(spend(HOSTILE), name="hostile")]
    figures = "".join(map(charts.chart_html, made))
    page = (
        '<!doctype html><html lang="en"><title>charts</title><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width"><link rel="icon" href="data:,">'
        f'<link rel="stylesheet" href="/c.css"><script src="/c.js" defer></script>{figures}'
    )
    files = {
        "/": ("text/html", page),
        "/c.css": ("text/css", charts.stylesheet()),
        "/c.js": ("text/javascript", charts.javascript()),
    }

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            kind, text = files.get(self.path, ("text/plain", ""))
            self.send_response(200 if text else 404)
            self.send_header("Content-Type", f"{kind}; charset=utf-8")
            self.send_header("Content-Security-Policy", POLICY)
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    worker = threading.Thread(target=server.serve_forever, daemon=True)
    worker.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    worker.join()
    server.server_close()


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    if not os.environ.get("GPUOPT_BROWSER_TESTS"):
        pytest.skip(WHY)
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        program = os.environ.get("GPUOPT_CHROMIUM")
        started = driver.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield started
        started.close()


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (360, "dark")])
def test_charts_come_alive(origin: str, chromium: Any, width: int, scheme: str):
    context = chromium.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
    page = context.new_page()
    told: list[str] = []
    asked: list[str] = []
    page.on("console", lambda message: told.append(message.text))
    page.on("pageerror", lambda error: told.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    page.goto(f"{origin}/")
    page.wait_for_function(
        "document.querySelectorAll('[data-chart]').length === "
        "document.querySelectorAll('.chart-live .chart-place svg').length",
        timeout=30_000,
    )
    assert page.locator(".chart-live").count() == 13
    assert told == []
    assert {address.removeprefix(origin) for address in asked} <= {"/", "/c.css", "/c.js", "data:,"}
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    bar = page.locator("[data-chart=weekly_bill] .chart-place svg path[fill]").nth(3)
    bar.hover(force=True)
    page.wait_for_selector("#vg-tooltip-element.visible", timeout=5_000)
    assert "week from" in (page.locator("#vg-tooltip-element").text_content() or "")
    places = page.locator(".chart-place").all()
    assert all(place.get_attribute("role") == "img" for place in places)
    assert all(place.get_attribute("aria-label") for place in places)
    context.close()
