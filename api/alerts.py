# SPDX-License-Identifier: Apache-2.0
"""Alerts as jobs: what is not as expected in the newest hours of a snapshot, told once.

An alert remembers every event that it saw, under the name that it was asked with. The next one of
that name tells what none before it has seen; an event that goes on is seen again and not told
again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from sqlalchemy.orm import Session

from api.deliver.parcel import JSON, one_line, renderings
from api.store import JobStatus, TenantStore
from api.work import Answer, Task
from optimizer.planning.anomalies import Anomaly, Findings, findings_of
from optimizer.reporting.document import Document
from optimizer.reporting.sections.anomalies import anomaly_section, sentence
from optimizer.tables import Case, format_hour, parse_hour, read_case

HOURS = 48  # of the window: data may be a day late
_REMEMBERED = 750  # alerts of a name: a month of hours
Seen = dict[tuple[Any, ...], set[tuple[str, str]]]


def alert_job(task: Task) -> Answer:
    """Look for anomalies in the last hours of a snapshot, and tell the new ones."""
    mine, asked = task.store, task.request
    task.progress("reading tables")
    case = read_case(mine.snapshots.folder(str(task.job.snapshot)))
    until = case.settings.as_of
    task.progress("judging series")
    findings = findings_of(case, until - int(asked.get("hours") or HOURS), until)
    name = asked.get("name")
    seen = {} if name is None else seen_before(mine, str(name), task.job.id)
    fresh = [event for event in findings.anomalies if not _known(event, seen)]
    report = alert_document(
        case, replace(findings, anomalies=tuple(fresh)), one_line(task.tenant_name)
    )
    texts = renderings(report)
    document = texts.pop(JSON)
    result = {
        "name": report.name,
        "title": one_line(report.title),
        "headline": one_line(report.headline, 500),
        "currency": report.currency,
        "new": len(fresh),
        "events": [_row(event) for event in findings.anomalies],
    }

    def keep(session: Session) -> None:
        mine.renderings.add_in(session, task.job.id, texts)

    return Answer(document, result, keep, complete=True)


def alert_document(case: Case, findings: Findings, name: str = "") -> Document:
    """What was found as a document: to be delivered as reports are."""
    return Document(
        name="alert",
        title=f"Cost alert: {name or case.path.resolve().name}",
        currency=case.settings.currency,
        headline=sentence(findings),
        sections=(anomaly_section(findings, most=len(findings.anomalies)),),
        facts={
            "Window": f"{_shown(findings.start)} to {_shown(findings.end)} UTC",
            "Snapshot": case.snapshot,
        },
    )


def seen_before(mine: TenantStore, name: str, job: str) -> Seen:
    """The hours of the events that earlier alerts of a name saw, by series."""
    found: Seen = {}
    for row in mine.jobs.asked_of("alert", "name", name, _REMEMBERED):
        if row.id == job or row.status != JobStatus.succeeded:
            continue
        for event in (row.result or {}).get("events", ()):
            found.setdefault(_series(event), set()).add((event["start"], event["end"]))
    return found


def _known(event: Anomaly, seen: Seen) -> bool:
    """Whether an event touches one of its series that was seen before."""
    return any(
        parse_hour(start) <= event.end and event.start <= parse_hour(end)
        for start, end in seen.get(_series(event.as_dict()), ())
    )


def _series(event: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple(event[key] for key in ("measure", "column", "value", "kind"))


def _row(event: Anomaly) -> dict[str, Any]:
    told = event.as_dict()
    names = ("measure", "column", "value", "kind", "start", "end", "dollars")
    return {key: told[key] for key in names}


def _shown(hour: int) -> str:
    return format_hour(hour)[:16].replace("T", " ")
