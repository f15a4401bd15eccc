# SPDX-License-Identifier: Apache-2.0
"""``/v1/deliveries``: reports on their way; ``/v1/destinations``: where they may go."""

from __future__ import annotations

from fastapi import APIRouter, Request

from api.deliver import Destination, destinations_of
from api.http.problems import ProblemError, responses
from api.http.route import Mine, Route, scope_of
from api.http.shapes import DeliveryState, DestinationPage, DestinationView
from api.http.solves import solve_router
from api.store import Job, JobStatus, TenantStore
from optimizer.errors import UsageError

router = solve_router("delivery", None, None, "reports:read", "reports:deliver", "a delivery")
destinations = APIRouter(prefix="/v1/destinations", tags=["deliveries"], route_class=Route)


def state_of(job: Job) -> DeliveryState:
    """Return how a delivery is doing, in short."""
    result = job.result or {}
    tries = result.get("tries", [])
    told = (job.problem or {}).get("detail") or (tries[-1]["problem"] if tries else None)
    return DeliveryState(
        id=job.id,
        to=job.request["to"],
        status=JobStatus(job.status),
        tries=len(tries),
        problem=told,
        next_at=None if JobStatus(job.status).final else result.get("next_at"),
        finished_at=job.finished_at,
    )


def need_destination(
    request: Request, mine: TenantStore, name: str, pointer: str = "/to"
) -> Destination:
    """Refuse a destination that there is none of."""
    known = _known(request, mine)
    if name not in known:
        listed = ", ".join(sorted(known)) or "the operator has configured none"
        raise ProblemError(
            "invalid",
            f"{pointer}: there is no destination '{name[:80]}'. To mend it: choose of: {listed}",
            errors=[{"pointer": pointer, "detail": "there is no such destination"}],
        )
    return known[name]


@destinations.get(
    "",
    response_model=DestinationPage,
    responses=responses(),
    operation_id="list_destinations",
    summary="Where reports may go",
    openapi_extra=scope_of("reports:read"),
)
def page(request: Request, mine: Mine) -> DestinationPage:
    """List the destinations that the operator has configured: all of them, in one page."""
    rows = sorted(_known(request, mine).items())
    items = [DestinationView.model_validate({"name": n, "kind": d.kind}) for n, d in rows]
    return DestinationPage(items=items, next_page_token="")


def _known(request: Request, mine: TenantStore) -> dict[str, Destination]:
    state = request.app.state
    tenant = state.store.tenant(mine.tenant).name
    try:
        return destinations_of(state.settings.destinations, tenant)
    except UsageError as error:
        raise ProblemError("internal", str(error)) from error
