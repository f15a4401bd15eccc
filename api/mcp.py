# SPDX-License-Identifier: Apache-2.0
"""Read-only tools for assistants (extra ``mcp``): plans of a folder, what-ifs, explanations.

No tool writes or buys anything.  Every answer names its plan, its as-of moment and what it
assumes; its ``result`` is the document that the API and the command line give.
"""

from __future__ import annotations

import decimal
import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field

from api.plan_cache import case_beside
from api.solved import find, keep
from api.work import DIGITS
from optimizer.errors import GpuoptError, UsageError
from optimizer.planning import Plan, make_plan, to_json
from optimizer.planning.documents import (
    assumptions,
    diff_document,
    explanation_of,
    plan_of_file,
    purchases_of,
    refuse_other_case,
)
from optimizer.planning.whatif import parse_edits, what_if, what_if_document
from optimizer.tables import read_case

if TYPE_CHECKING:
    from mcp.server.mcpserver import MCPServer

MOST_PLANS = 1_000
_ABOUT = (
    "Plans of GPU and LLM commitments. Tools only read: nothing is bought or changed. Money is a "
    "decimal string in the plan's currency. Say as_of and the assumptions with any number."
)
_SHOWN = ("status", "baseline", "total", "savings", "objective", "lower_bound", "gap", "kpis")
_solving = threading.Lock()


class ToolAnswer(BaseModel):
    """What a tool answers."""

    model_config = ConfigDict(extra="forbid")
    plan: str = Field(description="id of the plan that is answered about")
    as_of: str | None = Field(description="the hour in which the plan's decisions are taken")
    currency: str
    assumptions: dict[str, Any] = Field(description="what no number may be read without")
    result: dict[str, Any] = Field(description="the answer, as the API has it")


class Plans:
    """The plans of a folder: JSON files that ``gpuopt plan -o`` wrote."""

    def __init__(self, folder: Path) -> None:
        if not folder.is_dir():
            raise UsageError(f"'{folder}' is not a folder. To mend it: name the plans' folder")
        self.folder = folder

    def names(self) -> list[str]:
        """Names of the plans, the newest first."""
        files = [file for file in self.folder.glob("*.json") if file.is_file()]
        files.sort(key=lambda file: (-file.stat().st_mtime, file.name))
        return [file.name for file in files[:MOST_PLANS]]

    def find(self, plan: str | None) -> tuple[Path, dict[str, Any]]:
        """Return a plan by its file's name or its id; the newest without either.

        Raises
        ------
        UsageError
            If there is none; names with a path in them are none.
        """
        names = self.names()
        if plan is None and names:
            plan = names[0]
        for name in names:
            if plan in (name, name.removesuffix(".json")):
                return self.folder / name, plan_of_file(self.folder / name)
        for name in names if plan and plan.startswith("pln_") else ():
            document = json.loads((self.folder / name).read_text("utf-8"))
            if isinstance(document, dict) and document.get("plan") == plan:
                return self.folder / name, plan_of_file(self.folder / name)
        known = ", ".join(names[:10]) or "none: write one with gpuopt plan CASE -o FILE"
        raise UsageError(f"there is no plan {plan!r} here. To mend it: name one of {known}")

    def solved(self, path: Path, document: dict[str, Any]) -> Plan:
        """Return a plan ready for what-ifs, solved from its amounts once."""
        key = f"{document['plan']} {document['snapshot']}"
        with _solving:
            found = find(key)
            if found is None:
                case = read_case(case_beside(path))
                refuse_other_case(document, case, path)
                found = make_plan(case, previous=purchases_of(document))
                keep(key, found)
            return found


def summary(plans: Plans, plan: str | None) -> ToolAnswer:
    """Answer ``plan_summary``."""
    _, document = plans.find(plan)
    result = {key: document[key] for key in _SHOWN if key in document}
    result["purchases"] = document.get("purchases", [])
    result["commitments"] = document.get("commitments", [])
    result["explanation"] = document.get("explanation", [])
    result["plans"] = plans.names()
    return _answer(document, result)


def explain(plans: Plans, offer: str, plan: str | None) -> ToolAnswer:
    """Answer ``explain_purchase``."""
    _, document = plans.find(plan)
    return _answer(document, explanation_of(document, offer))


def compare(plans: Plans, before: str, after: str) -> ToolAnswer:
    """Answer ``compare_plans``."""
    (_, first), (_, second) = plans.find(before), plans.find(after)
    return _answer(second, diff_document(first, second))


def ask(plans: Plans, edits: list[str], plan: str | None) -> ToolAnswer:
    """Answer ``what_if``."""
    parse_edits(edits)
    path, document = plans.find(plan)
    answer = what_if(plans.solved(path, document), edits)
    found = _answer(document, what_if_document(answer))
    found.assumptions["edits"] = edits
    found.assumptions["gap"] = answer.plan.gap
    return found


def make_server(folder: Path) -> MCPServer:
    """Make the server over the plans of a folder.

    Raises
    ------
    UsageError
        If the folder is none, or the extra is not installed.
    """
    try:
        from mcp.server.mcpserver import MCPServer
        from mcp.types import ToolAnnotations
    except ImportError:
        msg = "the MCP server is an extra. To mend it: install gpuopt[mcp] with mcp 2 or later"
        raise UsageError(msg) from None
    plans = Plans(folder)
    server = MCPServer("gpuopt", instructions=_ABOUT)
    only = ToolAnnotations(read_only_hint=True, destructive_hint=False, open_world_hint=False)

    @server.tool(annotations=only)
    def plan_summary(plan: str | None = None) -> ToolAnswer:
        """Totals, purchases and explanation of a plan; of the newest without a name."""
        return _told(lambda: summary(plans, plan))

    @server.tool(name="what_if", annotations=only)
    def what_if_tool(edits: list[str], plan: str | None = None) -> ToolAnswer:
        """What changes if some things are otherwise, such as ["demand=+20%", "terms<=8760"].

        The words are those of docs/what-if.md. Nothing is changed by asking.
        """
        return _told(lambda: ask(plans, edits, plan))

    @server.tool(annotations=only)
    def explain_purchase(offer: str, plan: str | None = None) -> ToolAnswer:
        """Why an offer is bought or not, or what a commitment is used for, with its numbers."""
        return _told(lambda: explain(plans, offer, plan))

    @server.tool(annotations=only)
    def compare_plans(before: str, after: str) -> ToolAnswer:
        """What is different between two plans of the folder, and why the total changes."""
        return _told(lambda: compare(plans, before, after))

    return server


def _told(work: Callable[[], ToolAnswer]) -> ToolAnswer:
    """Run with the decimals of the command line; errors of this house as their message."""
    context = decimal.getcontext()
    decimal.setcontext(decimal.Context(prec=DIGITS))
    try:
        return work()
    except GpuoptError as error:
        from mcp.server.mcpserver.exceptions import ToolError

        raise ToolError(str(error)) from None
    finally:
        decimal.setcontext(context)


def _answer(document: dict[str, Any], result: dict[str, Any]) -> ToolAnswer:
    told = assumptions(document)
    return ToolAnswer(
        plan=str(document["plan"]),
        as_of=told["as_of"],
        currency=str(document["currency"]),
        assumptions=told,
        result=json.loads(to_json(result)),
    )
