# SPDX-License-Identifier: Apache-2.0
"""A browser without JavaScript, for tests of the pages: cookies, forms, what a page says."""

from __future__ import annotations

import re
from html import unescape
from html.parser import HTMLParser
from typing import Any

from fastapi import FastAPI
from fastapi.testclient import TestClient
from httpx import Response

HTML = {"Accept": "text/html,application/xhtml+xml"}
_VOID = {"meta", "link", "input", "br", "wbr", "hr", "img", "path", "rect"}


class Visitor:
    """Visits pages as a person's browser does."""

    def __init__(self, app: FastAPI, base: str = "http://testserver") -> None:
        self.client = TestClient(
            app, base, headers=HTML, follow_redirects=False, raise_server_exceptions=False
        )

    def get(self, path: str, **given: Any) -> Response:
        return self.client.get(path, **given)

    def page(self, path: str) -> str:
        answer = self.get(path)
        assert answer.status_code == 200, (path, answer.status_code, answer.text[:2000])
        sound(answer.text)
        return answer.text

    def sign_in(self, key: str, after: str = "/") -> Response:
        token = token_of(self.page(f"/sign-in?next={after}"))
        return self.client.post("/sign-in", data={"csrf": token, "key": key, "next": after})

    def post(self, path: str, shown: str = "/", **fields: str) -> Response:
        """Send a form of a page."""
        return self.client.post(path, data={"csrf": token_of(self.page(shown)), **fields})


def signed_in(app: FastAPI, key: str, **given: Any) -> Visitor:
    visitor = Visitor(app, **given)
    answer = visitor.sign_in(key)
    assert (answer.status_code, answer.headers["location"]) == (303, "/"), answer.text
    return visitor


def token_of(text: str) -> str:
    found = re.search(r'name="csrf" value="([^"]+)"', text)
    assert found, text[:500]
    return found[1]


def words(text: str) -> str:
    """What a page says, without its markup."""
    body = re.sub(r"<(script|style)[^>]*>.*?</\1>", " ", text, flags=re.DOTALL)
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", "", body)))


class _Sound(HTMLParser):
    """Finds what a strict policy would refuse, and tags that do not match."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        assert "style" not in given, (tag, attrs)
        assert not [name for name in given if name.startswith("on")], (tag, attrs)
        assert tag != "style"
        if tag == "script" and given.get("type") != "application/json":
            assert (given.get("src") or "").startswith("/static/"), attrs
        if given.get("id"):
            self.ids.append(str(given["id"]))
        if tag not in _VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        pass  # of SVG

    def handle_endtag(self, tag: str) -> None:
        assert self.open, tag
        assert self.open.pop() == tag, (tag, self.open[-3:])


def sound(text: str) -> None:
    """Hold a page to what all pages promise."""
    parser = _Sound()
    parser.feed(text)
    assert parser.open == []
    doubles = {name for name in parser.ids if parser.ids.count(name) > 1}
    assert not doubles, doubles
    for needed in ('class="skip"', "<main", '<html lang="en"', 'name="viewport"', "<title>"):
        assert needed in text, needed
    assert text.count("<h1>") == 1
