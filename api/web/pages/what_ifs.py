# SPDX-License-Identifier: Apache-2.0
"""What if: a plan and some edits, asked as a job, and its answer as a difference."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fastapi import Response
from pydantic import ValidationError

from api.http.problems import ProblemError
from api.http.what_ifs import prepare_what_if
from api.store import Job, JobStatus, NotFound, TenantStore
from api.web.ask import ask as ask_job
from api.web.base import Pages
from api.web.choices import choices_of
from api.web.visit import Visit, Visiting
from api.web.what_if_form import NAMES, TERMS, Form, of_edits, read, steps
from api.whatifs import WhatIfRequest
from optimizer.planning.whatif import parse_edits
from optimizer.reporting.document import Column, Kind, Row, Table
from optimizer.reporting.pages.difference import (
    difference_tables,
    figure_tables,
    headline,
    money,
    relaxation_table,
)

pages = Pages()

_PLANS, _QUESTIONS = 50, 200


@dataclass(frozen=True)
class Base:
    """A plan that can be asked about."""

    job: str
    words: str


@pages.page("/what-if", title="What if", scope="plans:read", template="what_if.html", nav=30)
def start(visit: Visiting) -> Mapping[str, Any]:
    """The form, as the URL fills it in, and what was asked before."""
    bases = _bases(visit.mine)
    plan = visit.query.get("plan") or (bases[0].job if bases else "")
    form = read(visit.query)
    return {
        **_form(visit, plan, form, bases),
        "questions": visit.table(_questions(visit.mine), links=_LINKS),
    }


@pages.action("/what-if", scope="plans:write")
def ask(visit: Visiting) -> Response:
    """Ask; or, with the button that checks, show the edits that the fields make."""
    form, plan = read(visit.form), visit.form.get("plan", "")
    query = {"plan": plan, **form.values}
    if "check" in visit.form:
        return visit.go("/what-if", query=query)
    if not form.right:
        return _refused(visit, plan, form)
    try:
        asked = WhatIfRequest.model_validate({"plan": plan, "edits": form.edits})
        prepared = prepare_what_if(visit.request, visit.mine, asked)
    except (ValidationError, ProblemError):
        form.wrong[""] = [
            "the plan is not there, has not ended or is infeasible. To mend it: choose another"
        ]
        return _refused(visit, plan, form)
    job = ask_job(visit, "what_if", dict(prepared.request), prepared.snapshot)
    return visit.go(f"/what-if/{job.id}")


@pages.page("/what-if/{job}", title="What if", scope="plans:read", template="what_if_answer.html")
def answer(visit: Visiting, job: str) -> Mapping[str, Any]:
    """The answer of a question, and the form for the next one."""
    found = visit.mine.jobs.get(job, "what_if")
    edits = _written(found)
    plan = str(found.request.get("plan") or "")
    asked = any(name in visit.query for name in NAMES)
    form = read(visit.query) if asked else of_edits(edits)
    if found.problem and not form.blame(str(found.problem.get("detail", ""))):
        form.wrong.setdefault("", []).append(str(found.problem.get("detail", "")))
    shown = _form(visit, plan, form, _bases(visit.mine)) if plan else {}
    return {
        **shown,
        **_answered(visit, found),
        "title": ", ".join(edits)[:120],
        "job": found,
        "done": JobStatus(found.status).final,
        "edits": edits,
        "chain": _chain(visit, plan, edits, found),
    }


def _answered(visit: Visit, job: Job) -> dict[str, Any]:
    """What of the answer is there: its tables, and its sentences."""
    nothing: dict[str, Any] = {
        "headline": "", "sentences": [], "notes": [], "answers": [], "pairs": [],
    }  # fmt: skip
    if not visit.mine.jobs.has_document(job.id):
        return nothing
    document = visit.document(job.id)
    currency = document["currency"]
    if document["status"] == "infeasible":
        view = visit.table(relaxation_table(document), currency)
        told = "No plan serves the usage with these edits, and that is proven."
        return nothing | {"headline": told, "answers": [view]}
    return {
        "headline": headline(document),
        "sentences": document["explanation"][1:],
        "notes": document["notes"],
        "answers": [visit.table(table, currency) for table in difference_tables(document)],
        "pairs": [visit.table(table, currency) for table in figure_tables(document)],
    }


def _form(visit: Visit, plan: str, form: Form, bases: Sequence[Base]) -> dict[str, Any]:
    """What the form's template needs."""
    choices = None
    if plan:
        job = visit.mine.jobs.get(plan, "plan")
        choices = choices_of(visit.mine, str(job.snapshot))
        if all(base.job != plan for base in bases):
            bases = [*bases, Base(plan, plan)]
    return {
        "bases": bases,
        "plan": plan,
        "form": form,
        "choices": choices,
        "terms": TERMS,
        "models": {name: name for name in choices.models} if choices else {},
        "classes": {name: name for name in choices.workloads} if choices else {},
        "may_ask": visit.may("plans:write"),
    }


def _refused(visit: Visit, plan: str, form: Form) -> Response:
    """The form again, with what is wrong beside each field."""
    if not form.edits and not form.wrong:
        form.wrong[""] = ["nothing is otherwise. To mend it: fill in at least one field"]
    bases = _bases(visit.mine)
    visit.tables.query = {"plan": plan, **form.values}
    try:
        shown = _form(visit, plan, form, bases)
    except NotFound:
        shown = _form(visit, "", form, bases)
    shown |= {"title": "What if", "questions": visit.table(_questions(visit.mine), links=_LINKS)}
    response: Response = visit.request.app.state.web.render(visit, "what_if.html", shown)
    response.status_code = 422
    return response


def _bases(mine: TenantStore) -> list[Base]:
    """The plans that can be asked about, newest first."""
    found = []
    for job in mine.jobs.page("plan", _PLANS, status=JobStatus.succeeded):
        told = job.result or {}
        if told.get("plan_status") == "infeasible":
            continue
        bill = f"{float(told['total']):,.0f} {told['currency']}" if "total" in told else ""
        found.append(Base(job.id, f"{job.created_at:%Y-%m-%d %H:%M} · bill {bill} · {job.id}"))
    return found


def _written(job: Job) -> list[str]:
    """The edits of a question as text."""
    told = (job.result or {}).get("edits")
    asked = told or job.request.get("edits", ())
    return [e if isinstance(e, str) else parse_edits([e])[0].written for e in asked]


_COLUMNS = (
    Column("edits", "Edits"),
    Column("change", "Change of the bill", Kind.change),
    Column("after", "Bill", Kind.money),
    Column("status", "Status", Kind.state),
    Column("asked", "Asked", Kind.moment),
)


def _questions(mine: TenantStore) -> Table:
    """What was asked before, newest first."""
    rows = []
    for job in mine.jobs.page("what_if", _QUESTIONS):
        told = job.result or {}
        rows.append(
            Row(
                (
                    ", ".join(_written(job)),
                    money(told.get("change")),
                    money((told.get("total") or {}).get("after")),
                    str(told.get("plan_status", job.status)),
                    job.created_at,
                ),
                key=job.id,
            )
        )
    return Table("questions", "Asked before", _COLUMNS, tuple(rows), empty="Nothing was asked yet.")


_LINKS = {"edits": lambda row: f"/what-if/{row.key}"}


def _chain(visit: Visit, plan: str, edits: list[str], job: Job) -> Any:
    """The questions that led to this one, edit by edit; ``None`` if it has one edit."""
    if not plan or len(edits) < 2:
        return None
    known = {job.id: job}
    for each in visit.mine.jobs.page("what_if", _QUESTIONS, snapshot=job.snapshot):
        known.setdefault(each.id, each)
    asked = {}
    for each in sorted(known.values(), key=lambda one: one.id):
        if each.request.get("plan") == plan and each.result and "change" in each.result:
            asked[tuple(_written(each))] = each
    rows, before = [], money(0)
    for step in steps(edits):
        found = asked.get(tuple(step))
        change = money(found.result["change"]) if found and found.result else None
        alone = None if change is None or before is None else change - before
        rows.append(Row((step[-1], alone, change), key=found.id if found else ""))
        before = change
    columns = (
        Column("edit", "Edit"),
        Column("alone", "Adds", Kind.change, formula="change so far − change of the step before"),
        Column("change", "Change so far", Kind.change),
    )
    table = Table(
        "chain", "Step by step", columns, tuple(rows),
        note="A step that was not asked on its own has no figure.",
    )  # fmt: skip
    return visit.table(
        table,
        str((job.result or {}).get("currency", "USD")),
        links={"edit": lambda row: f"/what-if/{row.key}" if row.key not in ("", job.id) else None},
    )
