# SPDX-License-Identifier: Apache-2.0
"""``/v1/recommendations``: what was put forward, decided, bought, and what it saved."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Header, Path, Query, Request, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field

from api.http.csvs import csv_response
from api.http.paging import Page, PageSize, PageToken
from api.http.plans import Id
from api.http.problems import ProblemError, responses
from api.http.route import By, Mine, Route, scope_of
from api.http.shapes import RecommendationPage, RecommendationView
from api.http.solves import need
from api.store import AdviceState, JobStatus, NotFound
from api.store.database import now
from api.store.models import Recommendation

router = APIRouter(prefix="/v1/recommendations", tags=["recommendations"], route_class=Route)

RecommendationId = Annotated[str, Path(max_length=64, pattern=r"^[a-z]{3}_[0-9a-f]{1,60}$")]
IfMatch = Annotated[
    str | None,
    Header(max_length=200, description="the ETag of what was decided on, or `*`; needed"),
]
_ETAG = re.compile(r'"([0-9]{1,9})"')
_MOST = 10_000  # rows of a CSV
_ETAG_HEADER: dict[str, Any] = {
    "description": "the version, for If-Match", "schema": {"type": "string"}
}  # fmt: skip
_CHANGED = {
    **responses("refused", "changed", "condition-needed", "media-type"),
    200: {"description": "as it is now", "model": RecommendationView,
          "headers": {"ETag": _ETAG_HEADER}},
}  # fmt: skip


class PutForward(BaseModel):
    """Which plan is put forward."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"plan": "pln_019a9f3c5d217c1f0a6b2e9d4c58"}]},
    )
    plan: Id


class Acceptance(BaseModel):
    """A word on the decision, if there is one."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"reason": "agreed with finance"}]}
    )
    reason: Annotated[str, Field(max_length=1000)] | None = None


class Dismissal(BaseModel):
    """Why it is not followed."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"reason": "the team moves to another region"}]},
    )
    reason: Annotated[str, Field(min_length=1, max_length=1000)]


def view(row: Recommendation) -> RecommendationView:
    """Return a recommendation as the API shows it."""
    return RecommendationView.model_validate(row, from_attributes=True)


def _tagged(row: Recommendation, status: int = 200) -> Response:
    headers = {"ETag": f'"{row.version}"'}
    return JSONResponse(view(row).model_dump(mode="json"), status, headers)


@router.post(
    "",
    status_code=201,
    response_model=RecommendationPage,
    responses=responses("refused", "media-type", "in-flight"),
    operation_id="put_forward",
    summary="Put a plan forward",
    openapi_extra=scope_of("recommendations:write"),
)
def put_forward(request: Request, mine: Mine, by: By, asked: PutForward) -> RecommendationPage:
    """Make the purchases of a plan the recommendations of now.

    What was active of other plans is superseded. A plan that was put forward before gives
    the same recommendations again.
    """
    try:
        job = mine.jobs.get(asked.plan, "plan")
        document = json.loads(mine.jobs.document(job.id).text)
    except NotFound:
        raise need(asked.plan, "/plan", "finished plan") from None
    if job.status != JobStatus.succeeded or document["status"] == "infeasible":
        raise ProblemError(
            "refused",
            f"{job.id} is {job.status} and its document {document['status']}. "
            "To mend it: put a plan forward that has succeeded",
        )
    until = now() + timedelta(days=request.app.state.settings.advice_days)
    rows = mine.recommendations.put_forward(
        job.id, str(job.snapshot), document["purchases"], until, by
    )
    return RecommendationPage(items=[view(row) for row in rows], next_page_token="")


@router.get(
    "",
    response_model=RecommendationPage,
    responses=responses(),
    operation_id="list_recommendations",
    summary="The recommendations",
    openapi_extra=scope_of("recommendations:read"),
)
def page(
    request: Request,
    mine: Mine,
    state: AdviceState | None = None,
    plan: Annotated[str | None, Query(max_length=64)] = None,
    page_size: PageSize = 50,
    page_token: PageToken = "",
) -> RecommendationPage:
    """List the recommendations, newest first."""
    asked = Page(request, page_size, page_token, state=state, plan=plan)
    rows, token = asked.of(
        lambda n: mine.recommendations.page(n, asked.before, state, plan), lambda row: row.id
    )
    return RecommendationPage(items=[view(row) for row in rows], next_page_token=token)


@router.get(
    ".csv",
    responses={
        **responses(),
        200: {"description": "a CSV", "content": {"text/csv": {"schema": {"type": "string"}}}},
    },
    response_class=Response,
    operation_id="recommendations_csv",
    summary="The recommendations, as CSV",
    openapi_extra=scope_of("recommendations:read"),
)
def as_csv(mine: Mine, state: AdviceState | None = None) -> Response:
    """Read the newest 10,000 as CSV; texts that a spreadsheet would run are made inert."""
    columns = ("id", "plan", "offer", "quantity", "state", "reason", "decided_by", "decided_at",
               "expires_at", "commitments", "purchased_quantity", "saving")  # fmt: skip
    rows = [
        {
            **{name: getattr(row, name, None) for name in columns},
            "quantity": row.content.get("quantity"),
            "commitments": ";".join(row.commitments),
            "saving": (row.realised or {}).get("saving"),
        }
        for row in mine.recommendations.page(_MOST, None, state)
    ]
    return csv_response(columns, rows, "recommendations.csv")


@router.get(
    "/{recommendation}",
    response_model=RecommendationView,
    responses={
        **responses(),
        200: {"headers": {"ETag": _ETAG_HEADER}},
    },
    operation_id="get_recommendation",
    summary="A recommendation",
    openapi_extra=scope_of("recommendations:read"),
)
def get(mine: Mine, recommendation: RecommendationId) -> Response:
    """Look at a recommendation; its ETag is needed to decide on it."""
    return _tagged(mine.recommendations.get(recommendation))


@router.post(
    "/{recommendation}/accept",
    response_model=RecommendationView,
    responses=_CHANGED,
    operation_id="accept_recommendation",
    summary="Accept a recommendation",
    openapi_extra=scope_of("recommendations:decide"),
)
def accept(
    request: Request,
    mine: Mine,
    by: By,
    recommendation: RecommendationId,
    asked: Acceptance,
    if_match: IfMatch = None,
) -> Response:
    """Accept a recommendation: from here on it cannot be changed.

    Nothing is bought by this: someone buys it, and a later snapshot that shows the commitment
    makes it `purchased`. Of two decisions at once, one gets 412.
    """
    version = _version(if_match)
    until = now() + timedelta(days=request.app.state.settings.advice_days)
    return _tagged(
        mine.recommendations.decide(
            recommendation, version, AdviceState.accepted, by, reason=asked.reason, until=until
        )
    )


@router.post(
    "/{recommendation}/dismiss",
    response_model=RecommendationView,
    responses=_CHANGED,
    operation_id="dismiss_recommendation",
    summary="Dismiss a recommendation",
    openapi_extra=scope_of("recommendations:decide"),
)
def dismiss(
    mine: Mine,
    by: By,
    recommendation: RecommendationId,
    asked: Dismissal,
    if_match: IfMatch = None,
) -> Response:
    """Dismiss a recommendation, with the reason."""
    version = _version(if_match)
    return _tagged(
        mine.recommendations.decide(
            recommendation, version, AdviceState.dismissed, by, reason=asked.reason
        )
    )


def _version(if_match: str | None) -> int | None:
    """Return the version that was decided on; ``None`` for any."""
    if if_match is None:
        raise ProblemError(
            "condition-needed",
            "the request does not say which version it decided on. "
            "To mend it: read the recommendation, and send its ETag as If-Match",
        )
    if if_match.strip() == "*":
        return None
    found = _ETAG.fullmatch(if_match.strip())
    if found is None:
        raise ProblemError(
            "changed",
            "If-Match holds no ETag of this recommendation. To mend it: read it again",
        )
    return int(found[1])
