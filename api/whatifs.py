# SPDX-License-Identifier: Apache-2.0
"""What-ifs and sweeps as jobs: of a plan that was made, or of a snapshot."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    field_validator,
    model_validator,
)

from api.executors import cluster_executor
from api.plans import changed_settings, purchases_of
from api.solved import find, keep
from api.store import Job, TenantStore
from api.work import Answer, Task
from optimizer.planning import InfeasibleCase, Plan, infeasible_document, make_plan, to_json
from optimizer.planning.whatif import parse_edits, what_if, what_if_document
from optimizer.planning.whatif.sweep import parse_sweep, sweep_document
from optimizer.program.solve import FULL, QUICK
from optimizer.tables import read_case

JobOfPlan = Annotated[str, StringConstraints(max_length=64, pattern=r"^pln_[0-9a-f]{1,60}$")]
SnapshotId = Annotated[str, StringConstraints(max_length=64, pattern=r"^snp_[0-9a-f]{1,60}$")]
EditText = Annotated[str, StringConstraints(min_length=1, max_length=2000)]
Cell = str | int | float | bool


class EditObject(BaseModel):
    """One edit as an object; the same as its text (docs/what-if.md)."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)
    target: str = Field(max_length=100, examples=["offers"])
    where: dict[str, str] = Field(default_factory=dict, max_length=20)
    column: str | None = Field(None, max_length=100, examples=["term_hours"])
    op: str = Field("=", max_length=2, examples=["<="])
    value: Cell | dict[str, Cell] = Field(examples=["8760"])


Edit = EditText | EditObject


class _Asked(BaseModel):
    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)
    plan: JobOfPlan | None = Field(None, description="the plan to start from")
    snapshot: SnapshotId | None = Field(None, description="or the snapshot to plan first")

    @model_validator(mode="after")
    def _one(self) -> _Asked:
        if (self.plan is None) == (self.snapshot is None):
            raise ValueError("give plan or snapshot, and not both")
        return self


class WhatIfRequest(_Asked):
    """A question: what changes if some things are otherwise."""

    model_config = ConfigDict(
        extra="forbid",
        allow_inf_nan=False,
        json_schema_extra={
            "examples": [
                {
                    "plan": "pln_019a9f3c5d217c1f0a6b2e9d4c58",
                    "edits": ["demand=+20%", "offers[provider=aws].term_hours<=8760"],
                }
            ]
        },
    )
    edits: list[Edit] = Field(min_length=1, max_length=50, examples=[["demand=+20%"]])
    detail: bool = Field(default=False, description="with the whole new plan")
    full: bool = Field(
        default=False,
        description="as much work as a plan, for a narrower gap",
    )

    @field_validator("edits")
    @classmethod
    def _understood(cls, edits: list[Edit]) -> list[Edit]:
        parse_edits(plain_edits(edits))
        return edits


class SweepRequest(_Asked):
    """A curve: one edit with a range for its value."""

    model_config = ConfigDict(
        extra="forbid",
        allow_inf_nan=False,
        json_schema_extra={
            "examples": [
                {"plan": "pln_019a9f3c5d217c1f0a6b2e9d4c58", "sweep": "demand=-50%..+100%:7"}
            ]
        },
    )
    sweep: EditText = Field(examples=["demand=-50%..+100%:7"])
    edits: list[Edit] = Field(default_factory=list, max_length=50)

    @model_validator(mode="after")
    def _understood(self) -> SweepRequest:
        for step in parse_sweep(self.sweep):
            parse_edits([*plain_edits(self.edits), step])
        return self


def plain_edits(edits: list[Any]) -> list[str | dict[str, Any]]:
    """Edits of a request as the grammar takes them."""
    return [
        edit.model_dump(exclude_none=True) if isinstance(edit, EditObject) else edit
        for edit in edits
    ]


def what_if_job(task: Task) -> Answer:
    """Answer a what-if; the plan before is taken from memory if this process solved it."""
    base = _base(task)
    edits = list(task.request["edits"])
    try:
        effort = FULL if task.request.get("full") else QUICK
        answer = what_if(base, edits, task.progress, watch=task.watch, effort=effort)
    except InfeasibleCase as error:
        document = infeasible_document(error)
    else:
        document = what_if_document(answer, detail=bool(task.request.get("detail")))
    text = to_json(document) + "\n"
    plain = json.loads(text)
    shown = ("currency", "total", "change", "edits")
    result = {key: plain[key] for key in shown if key in plain}
    status = plain["status"]
    result["plan_status"] = status if isinstance(status, str) else status["after"]
    return Answer(text, result)


def sweep_job(task: Task) -> Answer:
    """Answer a sweep: point after point in this process, or shared out to a cluster."""
    name = task.request.get("plan")
    job = _snapshot_job(task.store, task.request)
    folder = Path(task.store.snapshots.folder(_snapshot_of(task.request, job)))
    settings = None
    if job is not None and job.request.get("settings"):
        settings = changed_settings(read_case(folder).settings, job.request["settings"])
    with cluster_executor() as (executor, workers):
        document = sweep_document(
            folder,
            parse_sweep(task.request["sweep"]),
            list(task.request.get("edits") or ()),
            executor,
            task.progress,
            workers=workers,
            settings=settings,
            watch=task.watch,
            base=find(name) if name else None,
        )
    text = to_json(document) + "\n"
    result = {"sweep": document["sweep"], "points": len(document["points"])}
    return Answer(text, {**result, "currency": document["currency"]})


def _base(task: Task) -> Plan:
    """The solved plan to start from; solved again from its document's amounts if need be."""
    name = task.request.get("plan")
    found = find(name) if name else None
    if found is not None:
        return found
    job = _snapshot_job(task.store, task.request)
    task.progress("reading tables")
    case = read_case(task.store.snapshots.folder(_snapshot_of(task.request, job)))
    previous = None
    if job is not None:
        case = replace(case, settings=changed_settings(case.settings, job.request.get("settings")))
        document = json.loads(task.store.jobs.document(job.id).text)
        previous = purchases_of(document)
    plan = make_plan(case, task.progress, watch=task.watch, previous=previous)
    if name:
        keep(name, plan)
    return plan


def _snapshot_job(store: TenantStore, request: Mapping[str, Any]) -> Job | None:
    return store.jobs.get(request["plan"], "plan") if request.get("plan") else None


def _snapshot_of(request: Mapping[str, Any], job: Job | None) -> str:
    return str(request["snapshot"] if job is None else job.snapshot)
