# SPDX-License-Identifier: Apache-2.0
"""The watch itself: what it must notice, it notices."""

from __future__ import annotations

import pytest

BLANK = "/healthz"


def test_a_script_error_a_console_error_and_a_request_elsewhere_are_noticed(open_page):
    def misbehave() -> None:
        with open_page() as seen:
            seen.go(BLANK)
            seen.page.evaluate("() => console.error('of the console')")
            seen.page.evaluate("() => { setTimeout(() => { throw new Error('of a script') }) }")
            seen.page.evaluate("() => fetch('http://example.org/x').catch(() => 0)")
            seen.page.wait_for_timeout(50)

    with pytest.raises(AssertionError) as told:
        misbehave()
    for what in ("of the console", "of a script", "http://example.org/x"):
        assert what in str(told.value)


def test_axe_is_asked(open_page):
    with open_page() as seen:
        seen.page.set_content("<!doctype html><html lang=en><title>t</title><main><h1>h</h1><img>")
        with pytest.raises(AssertionError, match="image-alt"):
            seen.check_access()
        seen.page.set_content(
            "<!doctype html><html lang=en><title>t</title><main><h1>h</h1>"
            "<p style='color:#999;background:#aaa'>faint</p>"
        )
        with pytest.raises(AssertionError, match="color-contrast"):
            seen.check_access(looks_only=True)


def test_a_page_that_is_too_wide_is_noticed(open_page):
    with open_page("phone") as seen:
        seen.page.set_content(
            "<meta name=viewport content='width=device-width'><div style='width:900px'>wide</div>"
        )
        with pytest.raises(AssertionError, match="wider"):
            seen.check_width()
