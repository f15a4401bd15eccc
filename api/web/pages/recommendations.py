# SPDX-License-Identifier: Apache-2.0
"""Recommendations: what is advised, to accept or dismiss, and what it saved."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from typing import Any

from fastapi import Response

from api.http.problems import ProblemError
from api.store import AdviceState, Changed, Refused
from api.store.database import now
from api.store.models import Recommendation
from api.web.base import Pages
from api.web.visit import Visit, Visiting
from optimizer.planning.predicted import predicted_saving
from optimizer.reporting import plan_tables
from optimizer.reporting.pages.advice import (
    advice_table,
    break_even_of,
    cover_table,
    history_table,
    realised_table,
    way_out_of,
)
from optimizer.reporting.pages.difference import money

pages = Pages()

_MOST, _DEEDS = 2_000, 100
_LONGEST_REASON = 1_000


@pages.page(
    "/recommendations",
    title="Recommendations",
    scope="recommendations:read",
    template="recommendations.html",
    nav=25,
)
def every(visit: Visiting) -> Mapping[str, Any]:
    """List them by state; without one, those that wait for a decision."""
    asked = visit.query.get("state", AdviceState.active)
    states = [str(state) for state in AdviceState]
    if asked not in (*states, "all"):
        raise ProblemError(
            "invalid",
            f"/query/state: there is no state '{asked[:40]}'. "
            f"To mend it: use one of {', '.join(states)}, all",
        )
    rows = visit.mine.recommendations.page(_MOST, None, None if asked == "all" else asked)
    counts = Counter(row.state for row in visit.mine.recommendations.every(*AdviceState))
    currency = str(visit.document(rows[0].plan)["currency"]) if rows else "USD"
    table = advice_table([_plain(row) for row in rows], visit.document)
    waiting = [row for row in rows if row.state == AdviceState.active]
    return {
        "asked": asked,
        "tabs": [
            *((state, counts[state]) for state in states if counts[state] or state == asked),
            ("all", sum(counts.values())),
        ],
        "advice": visit.table(
            table,
            currency,
            links={
                "offer": lambda row: f"/recommendations/{row.key}",
                "quantity": plan_tables.exact_amount,
            },
        ),
        "currency": currency,
        "saving": sum(
            (p.saving for row in waiting if (p := _predicted(visit, row)) is not None), Decimal(0)
        ),
        "upfront": sum(
            (money(row.content["upfront"]) or Decimal(0) for row in waiting), Decimal(0)
        ),
        "waiting": len(waiting),
    }


@pages.page(
    "/recommendations/{name}",
    title="Recommendation",
    scope="recommendations:read",
    template="recommendation.html",
)
def one(visit: Visiting, name: str) -> Mapping[str, Any]:
    """One of them: what it is, what happened to it, and the two decisions."""
    return _shown(visit, visit.mine.recommendations.get(name))


@pages.action("/recommendations/{name}/accept", scope="recommendations:decide")
def accept(visit: Visiting, name: str) -> Response:
    """Accept it at the version that was shown."""
    until = now() + timedelta(days=visit.settings.advice_days)
    reason = visit.form.get("reason", "").strip()[:_LONGEST_REASON] or None
    return _decide(visit, name, AdviceState.accepted, reason=reason, until=until)


@pages.action("/recommendations/{name}/dismiss", scope="recommendations:decide")
def dismiss(visit: Visiting, name: str) -> Response:
    """Dismiss it, with the reason."""
    reason = visit.form.get("reason", "").strip()[:_LONGEST_REASON]
    if not reason:
        row = visit.mine.recommendations.get(name)
        told = "say why it is not followed: whoever looks at it next wants to know"
        return _again(visit, row, 422, wrong=told)
    return _decide(visit, name, AdviceState.dismissed, reason=reason)


def _decide(visit: Visit, name: str, state: AdviceState, **more: Any) -> Response:
    """Decide; who comes too late is shown what it is now, and their words are not lost."""
    version = visit.form.get("version", "")
    if not version.isascii() or not version.isdigit() or len(version) > 9:
        raise ProblemError(
            "condition-needed",
            "the form does not say which version was decided on. To mend it: load the page again",
        )
    try:
        row = visit.mine.recommendations.decide(name, int(version), state, visit.actor, **more)
    except (Changed, Refused):
        row = visit.mine.recommendations.get(name)
        return _again(visit, row, 412, conflict=str(state))
    told = f"{row.offer} is {row.state}."
    if state == AdviceState.accepted:
        told += " Nothing is bought by this: buy it, and the next snapshot will show it."
    return visit.go(f"/recommendations/{name}", told)


def _again(
    visit: Visit, row: Recommendation, status: int, *, wrong: str = "", conflict: str = ""
) -> Response:
    visit.tables.path = f"/recommendations/{row.id}"  # not that of the form
    shown = _shown(visit, row) | {
        "wrong": wrong,
        "conflict": conflict,
        "said": visit.form.get("reason", "").strip()[:_LONGEST_REASON],
    }
    response: Response = visit.request.app.state.web.render(visit, "recommendation.html", shown)
    response.status_code = status
    return response


def _shown(visit: Visit, row: Recommendation) -> dict[str, Any]:
    document = visit.document(row.plan)
    content, currency = row.content, str(document["currency"])
    predicted = _predicted(visit, row)
    deeds = reversed(visit.mine.audit.page(_DEEDS, subject=row.id))
    history = history_table(
        row.created_at, [(each.at, each.actor, each.action, each.detail) for each in deeds]
    )
    tables = [visit.table(cover_table(content), currency), visit.table(history, currency)]
    if row.realised:
        measured = str(row.realised.get("currency", currency))
        tables.insert(0, visit.table(realised_table(row.realised, predicted), measured))
    open_ = row.state == AdviceState.active and row.expires_at > now()
    return {
        "title": row.offer,
        "row": row,
        "content": content,
        "currency": currency,
        "amount": plan_tables.exact(content["quantity"]),
        "unit": plan_tables.unit_of(content),
        "predicted": predicted,
        "break_even": break_even_of(content),
        "out": way_out_of(content),
        "tables_shown": tables,
        "open": open_,
        "may_decide": visit.may("recommendations:decide"),
        "wrong": "",
        "conflict": "",
        "said": "",
    }


def _predicted(visit: Visit, row: Recommendation) -> Any:
    return predicted_saving(visit.document(row.plan), row.offer)


def _plain(row: Recommendation) -> dict[str, Any]:
    return {
        name: getattr(row, name)
        for name in ("id", "plan", "offer", "content", "state", "realised", "expires_at")
    }
