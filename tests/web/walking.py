# SPDX-License-Identifier: Apache-2.0
"""Steps of a walk that several tests take."""

from __future__ import annotations

from typing import Any


def sign_in(seen: Any, key: str, to: str = "/") -> None:
    """Sign in with a key, as a person does."""
    seen.go(f"/sign-in?next={to}")
    seen.page.fill("#key", key)
    seen.page.click("button.main")
    seen.page.wait_for_url(f"{seen.origin}{to}")


def asked(seen: Any, **fields: str) -> None:
    """Fill in the form of a what-if, ask, and wait for the answer."""
    for name, value in fields.items():
        field = seen.page.locator(f"#{name}")
        if field.evaluate("node => node.tagName") == "SELECT":
            field.select_option(value)
        else:
            field.fill(value)
    before = seen.page.url
    seen.page.click("button[name=ask]")
    seen.page.wait_for_function("before => location.href !== before", arg=before)
    seen.page.wait_for_selector("#answer", timeout=60_000)
