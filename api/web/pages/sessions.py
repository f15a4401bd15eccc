# SPDX-License-Identifier: Apache-2.0
"""Who is signed in: one's own sessions, and for an administrator all of the organization."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi import Response
from markupsafe import Markup

from api.http.keys import KeyId
from api.store import NotFound
from api.web.base import Pages
from api.web.session import Cookies
from api.web.tables import badge
from api.web.trust import field
from api.web.visit import Visit, Visiting
from optimizer.reporting.document import Column, Kind, Row, Table

pages = Pages()

_MOST = 500
_ENDS = "keys:write"  # who may end a key may end a session


@pages.page("/sessions", title="Sessions", scope=None, template="sessions.html")
def sessions(visit: Visiting) -> Mapping[str, Any]:
    """List the sessions in force, newest first."""
    everyone = visit.may(_ENDS)
    rows = visit.mine.sessions.page(_MOST, name=None if everyone else visit.caller.name)
    columns = (
        Column("who", "Who"),
        Column("by", "Signed in with"),
        Column("role", "Role"),
        Column("since", "Since", Kind.moment),
        Column("until", "Until", Kind.moment),
        Column("here", "Which", Kind.state),
    )
    table = Table(
        "sessions",
        "Sessions",
        columns,
        tuple(
            Row(
                (
                    row.name,
                    f"key gpk_{row.key}…" if row.key else "identity provider",
                    row.role,
                    row.begun_at,
                    row.until,
                    "this one" if row.id == visit.session.id else "elsewhere",
                ),
                row.id,
            )
            for row in rows
        ),
        rest=f"The newest {_MOST}." if len(rows) == _MOST else "",
    )
    return {
        "everyone": everyone,
        "sessions": visit.table(table, links={"here": lambda row: _button(visit, row)}),
        "people": sorted({row.name for row in rows}) if everyone else [],
    }


@pages.action("/sessions/end", scope=_ENDS)
def end_all_of(visit: Visiting) -> Response:
    """End all sessions of a key or a person; an administrator's own among them, if asked."""
    name = visit.form.get("name", "")[:255]
    ended = visit.mine.sessions.end_of(name, visit.actor)
    return visit.go("/sessions", _told(len(ended), name))


@pages.action("/sessions/{session}/end", scope=None)
def end_one(visit: Visiting, session: KeyId) -> Response:
    """End a session: one's own, or as an administrator anybody's of the organization."""
    row = visit.mine.sessions.get(session)
    if row.name != visit.caller.name and not visit.may(_ENDS):
        raise NotFound("session", session)
    visit.mine.sessions.end(session, visit.actor)
    return visit.go("/sessions", _told(1, row.name))


def _button(visit: Visit, row: Row) -> Markup:
    """Whether a session is this one, and a button that ends it."""
    cookies: Cookies = visit.request.app.state.web.cookies
    return Markup(
        '{}<form method="post" action="/sessions/{}/end" class="beside">{}'
        '<button aria-label="End the session {} of {}">End</button></form>'
    ).format(
        badge(str(row.values[-1])),
        row.key,
        field(cookies.token(visit.session.id)),
        row.key,
        row.values[0],
    )


def _told(count: int, name: str) -> str:
    return f"{count} session{'' if count == 1 else 's'} of {name or 'nobody'} ended."
