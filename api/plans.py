# SPDX-License-Identifier: Apache-2.0
"""Plans as jobs: the same case and settings give the document that ``gpuopt plan`` prints."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy.orm import Session

from api.solved import keep
from api.store import Actor
from api.store.database import now
from api.work import Answer, Task
from connectors.snapshot import settings_toml
from optimizer.planning import (
    InfeasibleCase,
    infeasible_document,
    make_plan,
    plan_document,
    to_json,
)
from optimizer.tables import Case, read_case
from optimizer.tables.settings import Settings, parse_settings

_SHOWN = ("plan", "currency", "total", "baseline", "savings", "lower_bound", "gap")


def plan_job(task: Task) -> Answer:
    """Plan a snapshot; the request's ``settings`` stand in the place of its own."""
    case = case_of(task)
    previous = None
    if task.request.get("start"):
        earlier = task.store.jobs.document(task.request["start"])
        offers = set(case.table("offers")["offer"])
        bought = purchases_of(json.loads(earlier.text))
        previous = {offer: amount for offer, amount in bought.items() if offer in offers}
    try:
        plan = make_plan(case, task.progress, watch=task.watch, previous=previous)
    except InfeasibleCase as error:
        document = infeasible_document(error)
    else:
        keep(task.job.id, plan)
        document = plan_document(plan, detail=bool(task.request.get("detail")))
    text = to_json(document) + "\n"
    plain: dict[str, Any] = json.loads(text)
    result = {key: plain[key] for key in _SHOWN if key in plain}
    result |= {"plan_status": plain["status"], "purchases": len(plain.get("purchases", ()))}

    def put_forward(session: Session) -> None:
        days = int(task.request["put_forward_days"])
        until = now() + timedelta(days=days)
        task.store.recommendations.put_forward_in(
            session,
            task.job.id,
            str(task.job.snapshot),
            plain.get("purchases", []),
            until,
            Actor(task.job.created_by),
        )

    after = put_forward if task.request.get("put_forward_days") else None
    return Answer(text, result, after)


def case_of(task: Task) -> Case:
    """Read the snapshot of a job, with the settings that its request states."""
    task.progress("reading tables")
    case = read_case(task.store.snapshots.folder(str(task.job.snapshot)))
    return replace(case, settings=changed_settings(case.settings, task.request.get("settings")))


def changed_settings(settings: Settings, changes: Mapping[str, Any] | None) -> Settings:
    """Return settings with some keys stated anew; sections are merged key by key.

    Raises
    ------
    DataError
        If a key is unknown or its value is refused, as in ``case.toml``.
    """
    if not changes:
        return settings
    stated = settings.as_dict()
    for key, value in changes.items():
        if isinstance(value, Mapping) and isinstance(stated.get(key), Mapping):
            merged = {**stated[key], **value}
            stated[key] = {name: given for name, given in merged.items() if given is not None}
        else:
            stated[key] = value
    return parse_settings(settings_toml(stated))


def purchases_of(document: Mapping[str, Any]) -> dict[str, Decimal]:
    """Amounts by offer of a plan document."""
    rows = document.get("purchases", ())
    return {str(row["offer"]): Decimal(str(row["quantity"])) for row in rows}
