# SPDX-License-Identifier: Apache-2.0
"""The tools for assistants, asked by the protocol's own client."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("mcp")

from api.mcp import make_server
from api.plan_cache import beside, case_note
from optimizer.errors import UsageError
from optimizer.planning import make_plan, plan_document, to_json
from optimizer.planning.whatif import what_if
from optimizer.tables import read_case

TINY = Path(__file__).parents[2] / "fixtures" / "tiny"


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    place = tmp_path_factory.mktemp("plans")
    base = make_plan(read_case(TINY))
    for name, plan in (("today", base), ("more", what_if(base, ["demand=+20%"]).plan)):
        file = place / f"{name}.json"
        file.write_text(to_json(plan_document(plan)))
        beside(file).write_text(case_note(file, TINY))
    return place


def call(folder: Path, tool: str, **given: Any) -> Any:
    from mcp import Client

    async def ask() -> Any:
        async with Client(make_server(folder)) as client:
            return await client.call_tool(tool, given)

    return asyncio.run(ask())


def test_tools_only_read_and_have_schemas(folder):
    from mcp import Client

    async def ask() -> Any:
        async with Client(make_server(folder)) as client:
            return (await client.list_tools()).tools

    tools = asyncio.run(ask())
    names = {"plan_summary", "what_if", "explain_purchase", "compare_plans"}
    assert {tool.name for tool in tools} == names
    for tool in tools:
        assert tool.annotations.read_only_hint is True
        assert {"plan", "as_of", "assumptions", "result"} <= set(tool.output_schema["properties"])


def test_answers_carry_plan_moment_and_assumptions(folder):
    document = json.loads((folder / "today.json").read_text())
    for tool, given in (
        ("plan_summary", {"plan": "today"}),
        ("what_if", {"plan": document["plan"], "edits": ["demand=+20%"]}),
        ("explain_purchase", {"plan": "today.json", "offer": "ri"}),
        ("compare_plans", {"before": "more", "after": "today"}),
    ):
        found = call(folder, tool, **given)
        assert not found.is_error, found
        answer = found.structured_content
        assert answer["plan"] == document["plan"]
        assert answer["as_of"] == document["as_of"]
        assert answer["assumptions"]["horizon_hours"] == 4


def test_a_what_if_is_the_command_lines(folder):
    answer = call(folder, "what_if", plan="today", edits=["demand=+20%"]).structured_content
    more = json.loads((folder / "more.json").read_text())
    assert answer["result"]["total"]["after"] == more["total"]
    assert answer["assumptions"]["edits"] == ["demand=+20%"]


@pytest.mark.parametrize(
    ("tool", "given", "told"),
    [
        ("plan_summary", {"plan": "../today"}, "there is no plan"),
        ("plan_summary", {"plan": "/etc/passwd"}, "there is no plan"),
        ("what_if", {"plan": "today", "edits": ["demnd=+20%"]}, "Did you mean demand"),
        ("explain_purchase", {"plan": "today", "offer": "none"}, "no offer or commitment"),
    ],
)
def test_errors_are_told(folder, tool, given, told):
    found = call(folder, tool, **given)
    assert found.is_error
    assert told in found.content[0].text


def test_a_folder_is_needed(tmp_path):
    with pytest.raises(UsageError, match="not a folder"):
        make_server(tmp_path / "none")
