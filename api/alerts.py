# SPDX-License-Identifier: Apache-2.0
"""Alerts as jobs: what is not as expected in the newest hours of a snapshot, told once.

Anomalies, and budgets of the month that are passed or at risk. An alert remembers every event that
it saw, under the name that it was asked with. The next one of that name tells what none before it
has seen; an event that goes on is seen again and not told again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy.orm import Session

from api.deliver.parcel import JSON, one_line, renderings
from api.store import JobStatus, TenantStore
from api.work import Answer, Task
from optimizer.planning.anomalies import Anomaly, Findings, findings_of
from optimizer.planning.budgets import BudgetPace, Pace, State, pace
from optimizer.reporting.document import Document, Prose, Section
from optimizer.reporting.sections.anomalies import anomaly_section, sentence
from optimizer.reporting.sections.budgets import alert_text
from optimizer.tables import Case, decimal_string, format_hour, parse_hour, read_case

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
    task.progress("judging budgets")
    budgets = _budgets(case)
    name = asked.get("name")
    seen = {} if name is None else seen_before(mine, str(name), task.job.id)
    fresh = [event for event in findings.anomalies if not _known(_row(event), seen)]
    over = [one for one, row in budgets if not _known(row, seen)]
    report = alert_document(
        case,
        replace(findings, anomalies=tuple(fresh)),
        over,
        case.settings.name or one_line(task.tenant_name),
    )
    texts = renderings(report)
    document = texts.pop(JSON)
    result = {
        "name": report.name,
        "title": one_line(report.title),
        "headline": one_line(report.headline, 500),
        "currency": report.currency,
        "new": len(fresh) + len(over),
        "events": [*map(_row, findings.anomalies), *(row for _, row in budgets)],
    }

    def keep(session: Session) -> None:
        mine.renderings.add_in(session, task.job.id, texts)

    return Answer(document, result, keep, complete=True)


def alert_document(
    case: Case, findings: Findings, budgets: Sequence[BudgetPace] = (), name: str = ""
) -> Document:
    """What was found as a document: to be delivered as reports are."""
    currency = case.settings.currency
    told = [alert_text(one, currency) for one in budgets]
    sections = [anomaly_section(findings, most=len(findings.anomalies))]
    if told:
        tones = ("bad" if one.state is State.exceeded else "warning" for one in budgets)
        prose = tuple(Prose(text, tone) for text, tone in zip(told, tones, strict=True))
        sections.insert(0, Section("budgets", "Budgets", prose))
    lines = [f"{len(told)} budget{'s are' if len(told) > 1 else ' is'} passed or at risk."]
    if findings.anomalies or not told:
        lines = [*(lines if told else ()), sentence(findings)]
    return Document(
        name="alert",
        title=f"Cost alert: {name or case.path.resolve().name}",
        currency=currency,
        headline=" ".join(lines),
        sections=tuple(sections),
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


def _known(event: Mapping[str, Any], seen: Seen) -> bool:
    """Whether an event touches one of its series that was seen before."""
    start, end = parse_hour(event["start"]), parse_hour(event["end"])
    return any(
        parse_hour(first) <= end and start <= parse_hour(last)
        for first, last in seen.get(_series(event), ())
    )


def _series(event: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple(event[key] for key in ("measure", "column", "value", "kind"))


def _row(event: Anomaly) -> dict[str, Any]:
    told = event.as_dict()
    names = ("measure", "column", "value", "kind", "start", "end", "dollars")
    return {key: told[key] for key in names}


def _budgets(case: Case) -> list[tuple[BudgetPace, dict[str, Any]]]:
    """Budgets of the month that are not on track, each as an event of its state."""
    if not case.has("budgets"):
        return []
    month = pace(case)
    return [(one, _budget_row(month, one)) for one in month.alerts]


def _budget_row(month: Pace, one: BudgetPace) -> dict[str, Any]:
    return {
        "measure": "budget",
        "column": one.budget.column or None,
        "value": one.budget.name,
        "kind": one.state.value,
        "start": format_hour(month.start),
        "end": format_hour(month.end - 1),
        "dollars": decimal_string(one.spent),
    }


def _shown(hour: int) -> str:
    return format_hour(hour)[:16].replace("T", " ")
