# SPDX-License-Identifier: Apache-2.0
"""Anomalies: what ran or cost otherwise than expected in a window, and who carries it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

from fastapi import Response

from api.http.problems import ProblemError
from api.store import Snapshot
from api.web.base import Pages
from api.web.findings import findings_in
from api.web.visit import Visit, Visiting
from optimizer.errors import DataError, UsageError
from optimizer.planning.anomalies import Anomaly, Findings
from optimizer.reporting.document import Row, Table
from optimizer.reporting.pages.anomalies import (
    carried_by,
    carrier_key,
    carrier_table,
    columns_of,
    fact_rows,
    key_of,
    value_table,
)
from optimizer.reporting.sections.anomalies import anomaly_section, sentence
from optimizer.tables import format_hour

pages = Pages()

WINDOWS = {"24h": "a day", "48h": "two days", "7d": "seven days", "4w": "four weeks",
           "month": "this month", "lastmonth": "last month"}  # fmt: skip
# Columns that the page of usage can group costs by; others explain, and lead nowhere.
_SPENT = ("meter", "account", "region", "provider", "model", "workload")


@pages.page(
    "/anomalies", title="Anomalies", scope="snapshots:read", template="anomalies.html", nav=56
)
def anomalies(visit: Visiting) -> Mapping[str, Any] | Response:
    """The anomalies of a window, as the URL asks; one of them in full."""
    snapshot, snapshots = visit.chosen_snapshot()
    if snapshot is None:
        return {"snapshot": None}
    shown = _form(visit, snapshot, snapshots)
    try:
        findings = findings_in(visit.mine, snapshot.id, shown["window"])
    except (UsageError, DataError) as error:
        response: Response = visit.request.app.state.web.render(
            visit, "anomalies.html", {"title": "Anomalies", **shown, "wrong": str(error)}
        )
        response.status_code = 422
        return response
    columns = columns_of(findings)
    by = visit.query.get("by") or (columns[0] if columns else "")
    value = visit.query.get("value") if by in columns else None
    told = [each for each in findings.anomalies if value is None or carried_by(each, by, value)]
    return shown | {
        "sentence": sentence(findings),
        "span": (format_hour(findings.start), format_hour(findings.end)),
        "notes": findings.notes,
        "columns": columns,
        "by": by,
        "value": value,
        "events": visit.table(
            _only(_table(findings), told),
            snapshot.currency,
            links={"series": lambda row: _here(visit, event=row.key) + "#event"},
        ),
        "carried": visit.table(
            value_table(findings.anomalies, by),
            snapshot.currency,
            links={"value": lambda row: _here(visit, by=by, value=row.key, event=None)},
        )
        if columns
        else None,
        **_event(visit, snapshot, findings, told),
    }


def _form(visit: Visit, snapshot: Snapshot, snapshots: Sequence[Snapshot]) -> dict[str, Any]:
    return {
        "snapshot": snapshot,
        "snapshots": snapshots,
        "window": visit.query.get("window", "").strip()[:60] or "7d",
        "windows": WINDOWS,
        "wrong": "",
        "sentence": "",
        "notes": (),
        "columns": [],
        "by": "",
        "value": None,
        "events": None,
        "carried": None,
        "event": None,
        "currency": snapshot.currency,
        "stale": visit.stale(snapshot),
    }


def _table(findings: Findings) -> Table:
    """The table of the report, with all rows."""
    blocks = anomaly_section(findings, most=len(findings.anomalies)).blocks
    return next(block for block in blocks if isinstance(block, Table))


def _only(table: Table, told: Sequence[Anomaly]) -> Table:
    keys = {key_of(each) for each in told}
    rows = tuple(row for row in table.rows if row.key in keys)
    return replace(table, rows=rows)


def _here(visit: Visit, **changes: str | None) -> str:
    """Return the page with other parameters, without those of its tables: rows are others."""
    kept = {key: text for key, text in visit.query.items() if "." not in key and key != "csv"}
    wanted = {key: text for key, text in (kept | changes).items() if text is not None}
    return f"/anomalies?{urlencode(wanted)}"


def _event(
    visit: Visit, snapshot: Snapshot, findings: Findings, told: Sequence[Anomaly]
) -> dict[str, Any]:
    """The anomaly that the URL names, else the first that is shown."""
    asked = visit.query.get("event") or None
    known = {key_of(each): each for each in findings.anomalies}
    if asked is not None and asked not in known:
        raise ProblemError(
            "not-found",
            f"/query/event: there is no anomaly '{asked[:80]}' in this window. "
            "To mend it: follow a link of the table",
        )
    event = known[asked] if asked else next(iter(told), None)
    if event is None:
        return {"event": None}

    # Not parted at the slash: names of tags have some themselves.
    column_of = {carrier_key(each): each.column for each in event.carriers}

    def costs(row: Row) -> str | None:
        column = column_of[row.key]
        if column not in _SPENT and not column.startswith("tag_"):
            return None
        span = f"{format_hour(event.start)}..{format_hour(event.end)}"
        wanted = {"snapshot": snapshot.id, "by": column, "window": span}
        return f"/usage?{urlencode(wanted | {'spend.q': str(row.values[1])})}"

    return {
        "event": event,
        "stands": next(row.values[4] for row in _table(findings).rows if row.key == key_of(event)),
        "facts": fact_rows(event),
        "carriers": visit.table(carrier_table(event), snapshot.currency, links={"value": costs}),
    }
