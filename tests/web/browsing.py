# SPDX-License-Identifier: Apache-2.0
"""A browser that is watched: what a reader would not see, but should not be, fails the test."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Request, Route

DESKTOP: dict[str, Any] = {"viewport": {"width": 1280, "height": 900}}
PHONE: dict[str, Any] = {
    "viewport": {"width": 390, "height": 844},
    "is_mobile": True,
    "has_touch": True,
    "device_scale_factor": 2,
}
SHAPES = {"desktop": DESKTOP, "phone": PHONE}
THEMES = ("light", "dark")
_RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
_LOOKS = ["color-contrast", "target-size", "link-in-text-block", "scrollable-region-focusable"]
# Of each grave violation four places: what a test tells, and no more comes over the wire.
_ASK_AXE = """options => axe.run(document, {...options, resultTypes: ["violations"]}).then(found =>
  found.violations.filter(one => ["serious", "critical"].includes(one.impact)).flatMap(one =>
    one.nodes.slice(0, 4).map(node => ({id: one.id, impact: one.impact, html: node.html,
      target: node.target.join(" "), why: node.any.map(check => check.message).join("; ")}))))"""


@dataclass
class Watched:
    """A page, and everything that was wrong with it.

    ``wrong`` is looked at when the test ends; ``expect`` names what the test asks for itself,
    such as the status of a form that is refused, which Chromium tells as a console error.
    """

    context: BrowserContext
    page: Page
    origin: str
    wrong: list[str] = field(default_factory=list)
    expect: list[str] = field(default_factory=list)

    def go(self, path: str) -> None:
        """Open a page of the service."""
        self.page.goto(f"{self.origin}{path}")

    def shape(self, shape: str, theme: str) -> None:
        """Give the window another width, and the system other colours, without a new load."""
        self.page.set_viewport_size(SHAPES[shape]["viewport"])
        self.page.emulate_media(color_scheme=theme)

    def path(self) -> str:
        """Where the page is, without the origin."""
        return self.page.url.removeprefix(self.origin)

    def check_access(self, *, looks_only: bool = False) -> None:
        """Fail on any violation that axe calls serious or critical."""
        grave = self.barriers(looks_only=looks_only)
        assert not grave, "\n".join(grave)

    def barriers(self, *, looks_only: bool = False) -> list[str]:
        """What axe calls serious or critical on this page.

        With ``looks_only`` the rules alone whose answer changes with width and colours.
        """
        only = (
            {"type": "rule", "values": _LOOKS} if looks_only else {"type": "tag", "values": _RULES}
        )
        if not self.page.evaluate("() => 'axe' in window"):
            self.page.evaluate(Axe().axe_script)
        found = self.page.evaluate(_ASK_AXE, {"runOnly": only, "iframes": False, "preload": False})
        return [
            f"{each['id']} ({each['impact']}) at {each['target']}: "
            f"{each['html'][:200]} {each['why']}"
            for each in found
        ]

    def check_width(self) -> None:
        """Fail if the page as a whole has to be moved sideways to be read."""
        assert self.too_wide() <= 0, f"{self.path()} is wider than the screen"

    def too_wide(self) -> int:
        """By how many pixels the page is wider than the screen."""
        return self.page.evaluate(
            "() => document.documentElement.scrollWidth - document.documentElement.clientWidth"
        )

    def check(self) -> None:
        """Fail if anything was wrong up to here."""
        left = [text for text in self.wrong if not any(re.search(e, text) for e in self.expect)]
        assert not left, "\n".join(left)


@contextmanager
def watched(
    browser: Browser, origin: str, shape: str = "desktop", theme: str = "light", **more: Any
) -> Iterator[Watched]:
    """Open a page that may speak to one origin alone, and check at the end how it went."""
    context = browser.new_context(
        **SHAPES[shape], color_scheme=theme, service_workers="block", **more
    )
    context.set_default_timeout(20_000)
    page = context.new_page()
    seen = Watched(context, page, origin)
    home = urlsplit(origin).netloc

    def let_home(route: Route) -> None:
        parts = urlsplit(route.request.url)
        if parts.netloc == home or parts.scheme in ("data", "blob"):
            route.continue_()
            return
        seen.wrong.append(f"a request left for {route.request.url}")
        route.abort()

    def told(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            seen.wrong.append(f"console {message.type} at {page.url}: {message.text}")

    def failed(request: Request) -> None:
        # A page that is left takes its open event stream with it.
        if request.failure != "net::ERR_ABORTED":
            seen.wrong.append(f"{request.method} {request.url} failed: {request.failure}")

    context.route("**/*", let_home)
    page.on("console", told)
    page.on("pageerror", lambda error: seen.wrong.append(f"script error at {page.url}: {error}"))
    page.on("requestfailed", failed)
    page.on("dialog", lambda box: (seen.wrong.append(f"a box: {box.message}"), box.dismiss()))
    try:
        yield seen
        seen.check()
    finally:
        context.close()


def launch_options() -> dict[str, Any]:
    """How Chromium is started: without its sandbox only as root, where it cannot have one."""
    root = hasattr(os, "geteuid") and os.geteuid() == 0
    return {
        "executable_path": os.environ.get("GPUOPT_CHROMIUM") or None,
        "args": ["--no-sandbox"] if root else [],
    }
