# SPDX-License-Identifier: Apache-2.0
"""``/healthz``, ``/readyz`` and ``/metrics``."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from sqlalchemy.exc import SQLAlchemyError

from api.http.problems import ProblemError, responses
from api.http.route import ANONYMOUS, Route, scope_of
from api.http.shapes import Health

router = APIRouter(tags=["service"], route_class=Route)


@router.get(
    "/healthz",
    response_model=Health,
    responses=responses(),
    operation_id="healthz",
    summary="Whether the process answers",
    openapi_extra=scope_of(ANONYMOUS),
)
async def healthz() -> Health:
    """Answer; nothing else is looked at."""
    return Health(status="ok")


@router.get(
    "/readyz",
    response_model=Health,
    responses=responses("not-ready"),
    operation_id="readyz",
    summary="Whether requests can be served",
    openapi_extra=scope_of(ANONYMOUS),
)
def readyz(request: Request) -> Health:
    """Answer 200 if the database answers, its tables are current, and jobs are taken."""
    state = request.app.state
    try:
        database = state.store.ready()
    except SQLAlchemyError:
        database = False
    checks = {"database": database, "jobs": state.runner.ready()}
    if not all(checks.values()):
        wrong = ", ".join(name for name, fine in checks.items() if not fine)
        raise ProblemError(
            "not-ready", f"not ready: {wrong}. To mend it: look into the server's log",
            headers={"Retry-After": "5"},
        )  # fmt: skip
    return Health(status="ok", checks=checks)


@router.get(
    "/metrics",
    responses={
        **responses(),
        200: {
            "description": "Prometheus",
            "content": {"text/plain": {"schema": {"type": "string"}}},
        },
    },
    response_class=Response,
    operation_id="metrics",
    summary="Figures for Prometheus",
    openapi_extra=scope_of("metrics:read"),
)
def metrics(request: Request) -> Response:
    """Read figures of this process: requests, seconds, jobs by status; nothing of a tenant."""
    text = generate_latest(request.app.state.registry)
    return Response(text, media_type=CONTENT_TYPE_LATEST)
