# SPDX-License-Identifier: Apache-2.0
"""``/v1/keys``, ``/v1/audit`` and ``/v1/me``: who may do what, and who did what."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Path, Query, Request
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from api.access import SCOPES, Role, make_key
from api.http.paging import Page, PageSize, PageToken
from api.http.problems import responses
from api.http.route import By, Mine, Route, Who, scope_of
from api.http.shapes import (
    AuditPage,
    AuditView,
    CallerView,
    KeyPage,
    KeyView,
    NewKeyView,
)
from api.store import Key
from api.store.database import now

router = APIRouter(prefix="/v1", tags=["access"], route_class=Route)

KeyId = Annotated[str, Path(max_length=64, pattern=r"^[a-z]{3}_[0-9a-f]{1,60}$")]


def _known(scope: str) -> str:
    if scope not in SCOPES:
        raise ValueError(f"is no scope; use one of {', '.join(SCOPES)}")
    return scope


Scope = Annotated[str, AfterValidator(_known), Field(json_schema_extra={"enum": list(SCOPES)})]


class KeyRequest(BaseModel):
    """What a new key is for."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [{"label": "weekly job", "role": "analyst", "scopes": ["plans:write"]}]
        },
    )
    label: Annotated[str, Field(min_length=1, max_length=200)]
    role: Role
    scopes: Annotated[list[Scope], Field(max_length=len(SCOPES))] = Field(
        default=[], description="narrows what the role may; empty: all of it"
    )
    days: Annotated[int, Field(ge=1, le=3650)] | None = Field(
        None, description="days that it is valid; default: GPUOPT_KEY_DAYS"
    )


def _view(row: Key) -> KeyView:
    shown = KeyView.model_validate(row, from_attributes=True)
    return shown.model_copy(update={"prefix": f"gpk_{row.prefix}"})


@router.get(
    "/me",
    response_model=CallerView,
    responses=responses(),
    operation_id="who_am_i",
    summary="Who asks",
    openapi_extra=scope_of("service:read"),
)
async def me(who: Who) -> CallerView:
    """Say who asks, and what they may do."""
    return CallerView(name=who.name, tenant=who.tenant, role=who.role, scopes=who.allowed)


@router.post(
    "/keys",
    status_code=201,
    response_model=NewKeyView,
    responses=responses("media-type", "in-flight"),
    operation_id="make_key",
    summary="Make a key",
    openapi_extra=scope_of("keys:write"),
)
def make(request: Request, mine: Mine, by: By, asked: KeyRequest) -> NewKeyView:
    """Make a key. It is in this answer and nowhere else, not even in a replayed one."""
    state = request.app.state
    until = now() + timedelta(days=asked.days or state.settings.key_days)
    kept, key = make_key(state.secret, asked.role, asked.label, until, asked.scopes)
    return NewKeyView(**_view(mine.keys.add(kept, by)).model_dump(), key=key)


@router.get(
    "/keys",
    response_model=KeyPage,
    responses=responses(),
    operation_id="list_keys",
    summary="The keys",
    openapi_extra=scope_of("keys:write"),
)
def page(
    request: Request, mine: Mine, page_size: PageSize = 50, page_token: PageToken = ""
) -> KeyPage:
    """List the keys, newest first, without what makes them keys."""
    asked = Page(request, page_size, page_token)
    rows, token = asked.of(lambda n: mine.keys.page(n, asked.before), lambda row: row.id)
    return KeyPage(items=[_view(row) for row in rows], next_page_token=token)


@router.post(
    "/keys/{key}/rotate",
    status_code=201,
    response_model=NewKeyView,
    responses=responses("refused"),
    operation_id="rotate_key",
    summary="Rotate a key",
    openapi_extra=scope_of("keys:write"),
)
def rotate(request: Request, mine: Mine, by: By, key: KeyId) -> NewKeyView:
    """Make a key in the place of one, which stays valid for GPUOPT_ROTATION_HOURS more."""
    state = request.app.state
    old = mine.keys.get(key)
    until = now() + timedelta(days=state.settings.key_days)
    kept, text = make_key(state.secret, Role(old.role), old.label, until, old.scopes)
    grace = now() + timedelta(hours=state.settings.rotation_hours)
    return NewKeyView(**_view(mine.keys.rotate(key, kept, grace, by)).model_dump(), key=text)


@router.delete(
    "/keys/{key}",
    response_model=KeyView,
    responses=responses(),
    operation_id="revoke_key",
    summary="Revoke a key",
    openapi_extra=scope_of("keys:write"),
)
def revoke(mine: Mine, by: By, key: KeyId) -> KeyView:
    """End a key at once."""
    return _view(mine.keys.revoke(key, by))


@router.get(
    "/audit",
    response_model=AuditPage,
    responses=responses(),
    operation_id="list_audit",
    summary="Who did what",
    openapi_extra=scope_of("audit:read"),
)
def audit(
    request: Request,
    mine: Mine,
    subject: Annotated[str | None, Query(max_length=64)] = None,
    page_size: PageSize = 50,
    page_token: PageToken = "",
) -> AuditPage:
    """List what was done, newest first; nothing of it can be changed or removed."""
    asked = Page(request, page_size, page_token, subject=subject)
    before = int(asked.before) if asked.before else None
    rows, token = asked.of(lambda n: mine.audit.page(n, before, subject), lambda row: row.id)
    items = [AuditView.model_validate(row, from_attributes=True) for row in rows]
    return AuditPage(items=items, next_page_token=token)
