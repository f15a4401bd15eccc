# SPDX-License-Identifier: Apache-2.0
"""The whole report of a made-up company as it was read by a person.

To renew after a wanted change, and to read what changed:

    GPUOPT_GOLDEN=renew python -m pytest tests/reporting/test_golden.py && git diff tests/golden
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from optimizer.reporting import render
from optimizer.reporting.document import Document
from optimizer.reporting.weekly import weekly_report
from optimizer.tables import Case

from .conftest import WEEK, at

GOLDEN = Path(__file__).parents[1] / "golden"
Planned = tuple[Case, dict[str, Any]]


class Lines(HTMLParser):
    """The text of a page, a line for each block, as a reader without a screen meets it."""

    BLOCKS = frozenset(
        ("p", "h1", "h2", "h3", "tr", "li", "dt", "dd", "summary", "figcaption", "div", "section",
         "title")
    )  # fmt: skip

    def __init__(self, page: str) -> None:
        super().__init__()
        self.lines: list[str] = [""]
        self.hidden = 0
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.hidden += tag in ("style", "sup")
        if tag in self.BLOCKS:
            self.lines.append("")
        elif tag in ("td", "th"):
            self.lines[-1] += " | "

    def handle_endtag(self, tag: str) -> None:
        self.hidden -= tag in ("style", "sup")

    def handle_data(self, data: str) -> None:
        if not self.hidden:
            self.lines[-1] += data

    @property
    def text(self) -> str:
        lines = (re.sub(r"\s+", " ", line).strip(" |") for line in self.lines)
        return "\n".join(line for line in lines if line) + "\n"


@pytest.fixture(scope="module")
def document(acme: Planned) -> Document:
    """The report, with a plan of two weeks before that advised what was bought since."""
    case, plan = acme
    before = {
        **plan,
        "plan": "pln_before",
        "as_of": at(-2 * WEEK),
        "commitments": [{"commitment": name} for name in ("ri-stays", "ri-ended", "cud-idle")],
        "purchases": [
            {"offer": "plan", "quantity": 3.0, "start": at(-72), "end": at(264), "cost": "1008",
             "covers": [{"meter": "gpu", "quantity": 200.0}]},
            {"offer": "cud", "quantity": 2.0, "start": at(-336), "end": at(8424), "cost": "672",
             "covers": [{"meter": "tpu", "quantity": 168.0}]},
        ],
    }  # fmt: skip
    return weekly_report(case, plan, before=before)


def same(name: str, text: str) -> None:
    file = GOLDEN / name
    if os.environ.get("GPUOPT_GOLDEN") == "renew":
        file.write_text(text, encoding="utf-8")
    assert text == file.read_text(encoding="utf-8")


def test_the_text_of_the_page(document: Document) -> None:
    same("weekly.txt", Lines(render.html_page(document, draw=None)).text)


def test_the_markdown(document: Document) -> None:
    same("weekly.md", render.markdown(document))


def test_the_json(document: Document) -> None:
    """Decimals to the last digit, floats nearly; specifications have tests of their own."""
    made = _apart(json.loads(render.json_text(document)), lambda key: key == "spec")
    file = GOLDEN / "weekly.json"
    if os.environ.get("GPUOPT_GOLDEN") == "renew":
        file.write_text(json.dumps(made, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    assert _close(made, json.loads(file.read_text(encoding="utf-8")))


def _apart(value: Any, out: Callable[[str], bool]) -> Any:
    if isinstance(value, dict):
        return {key: _apart(item, out) for key, item in value.items() if not out(key)}
    return [_apart(item, out) for item in value] if isinstance(value, list) else value


def _close(one: Any, other: Any) -> bool:
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(_close(one[k], other[k]) for k in one)
    if isinstance(one, list):
        return len(one) == len(other) and all(map(_close, one, other))
    if isinstance(one, float):
        return one == pytest.approx(other, rel=1e-9)
    return bool(one == other)
