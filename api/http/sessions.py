# SPDX-License-Identifier: Apache-2.0
"""``/v1/sessions``: who is signed in to the pages, and how an administrator signs them out."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request

from api.http.keys import KeyId
from api.http.paging import Page, PageSize, PageToken
from api.http.problems import responses
from api.http.route import By, Mine, Route, scope_of
from api.http.shapes import SessionPage, SessionView
from api.store import PageSession

router = APIRouter(prefix="/v1/sessions", tags=["access"], route_class=Route)


def _view(row: PageSession) -> SessionView:
    return SessionView.model_validate(row, from_attributes=True)


@router.get(
    "",
    response_model=SessionPage,
    responses=responses(),
    operation_id="list_sessions",
    summary="Who is signed in to the pages",
    openapi_extra=scope_of("keys:write"),
)
def page(
    request: Request,
    mine: Mine,
    name: Annotated[str | None, Query(max_length=255, description="of this one alone")] = None,
    page_size: PageSize = 50,
    page_token: PageToken = "",
) -> SessionPage:
    """List the sessions in force, newest first."""
    asked = Page(request, page_size, page_token, name=name)
    rows, token = asked.of(lambda n: mine.sessions.page(n, asked.before, name), lambda row: row.id)
    return SessionPage(items=[_view(row) for row in rows], next_page_token=token)


@router.delete(
    "",
    response_model=SessionPage,
    responses=responses(),
    operation_id="end_sessions",
    summary="Sign somebody out everywhere",
    openapi_extra=scope_of("keys:write"),
)
def end_of(
    mine: Mine,
    by: By,
    name: Annotated[
        str, Query(min_length=1, max_length=255, description="a key's id, or `oidc:` and a person")
    ],
) -> SessionPage:
    """End all sessions of a key or a person at once; those that were in force are the answer."""
    return SessionPage(
        items=[_view(row) for row in mine.sessions.end_of(name, by)], next_page_token=""
    )


@router.delete(
    "/{session}",
    response_model=SessionView,
    responses=responses(),
    operation_id="end_session",
    summary="End a session",
    openapi_extra=scope_of("keys:write"),
)
def end(mine: Mine, by: By, session: KeyId) -> SessionView:
    """End a session at once."""
    return _view(mine.sessions.end(session, by))
