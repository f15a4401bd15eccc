# SPDX-License-Identifier: Apache-2.0
"""``/v1/pulls``: snapshots that the service fetches itself, from configured sources."""

from __future__ import annotations

from typing import Annotated

from fastapi import Request
from pydantic import BaseModel, ConfigDict, Field

from api.http.problems import ProblemError
from api.http.solves import Asked, need, solve_router
from api.pulls import sources_of
from api.store import TenantStore
from optimizer.errors import UsageError


class PullRequest(BaseModel):
    """Which source is pulled."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"source": "weekly", "since": "90d"}]}
    )
    source: Annotated[str, Field(max_length=100)]
    since: Annotated[str, Field(pattern=r"^[0-9]{1,4}[hdw]$")] | None = Field(
        None, description="the window; default: the source's"
    )
    full: bool = Field(False, description="ask for closed months again")


def need_source(request: Request, mine: TenantStore, source: str) -> None:
    """Refuse a source that the operator has not configured for the tenant."""
    state = request.app.state
    name = state.store.tenant(mine.tenant).name
    try:
        known = sources_of(state.settings, name)
    except UsageError as error:
        raise ProblemError("internal", str(error)) from error
    if source not in known:
        raise need(source, "/source", "source")


def _prepare(request: Request, mine: TenantStore, asked: PullRequest) -> Asked:
    need_source(request, mine, asked.source)
    return Asked(asked.model_dump())


router = solve_router("pull", PullRequest, _prepare, "snapshots:read", "snapshots:write", "a pull")
