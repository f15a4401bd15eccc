# SPDX-License-Identifier: Apache-2.0
"""The routes of a kind of job: ask, list, look, follow, cancel, read the answer.

POST   /v1/<kind>               202 + Location + Retry-After, or 200 within Prefer: wait=N
GET    /v1/<kind>               a page of them
GET    /v1/<kind>/{id}          how far it is; Prefer: wait=N waits for its end
DELETE /v1/<kind>/{id}          cancels; the best answer so far is kept
GET    /v1/<kind>/{id}/events   server-sent events
GET    /v1/<kind>/{id}/document the answer, to the byte

Deliveries are asked for at their report; all else of them is as above.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Header, Path, Query, Request, Response
from fastapi.responses import JSONResponse, StreamingResponse
from fastapi.sse import format_sse_event
from pydantic import BaseModel
from starlette.concurrency import run_in_threadpool

from api.http.once import current
from api.http.paging import Page, PageSize, PageToken
from api.http.problems import ProblemError, responses
from api.http.route import By, Mine, Route, scope_of
from api.http.shapes import JobPage, JobView, Links
from api.store import Actor, Job, JobStatus, NotFound, TenantStore
from api.store.jobs import PREFIXES

PATHS = {
    "plan": "plans",
    "comparison": "comparisons",
    "pull": "pulls",
    "what_if": "what-ifs",
    "sweep": "sweeps",
    "backtest": "backtests",
    "report": "reports",
    "alert": "alerts",
    "delivery": "deliveries",
}
_WAIT = re.compile(r"(?:^|[,;\s])wait\s*=\s*\"?([0-9]{1,6})")
_POLL_SECONDS = 0.1
_HEARTBEAT_SECONDS = 15.0
_RETRY = "2"

Prefer = Annotated[
    str,
    Header(max_length=200, description="`wait=N`: wait at most N seconds for the end "
           "(RFC 7240); `respond-async`: do not wait"),
]  # fmt: skip
JobId = Annotated[str, Path(max_length=64, pattern=r"^[a-z]{3}_[0-9a-f]{1,60}$")]
LastEvent = Annotated[
    str | None,
    Header(alias="Last-Event-ID", pattern=r"^[0-9]{1,9}$",
           description="the last event that was seen; those after it are sent"),
]  # fmt: skip


_EVENT = {
    "type": "object",
    "properties": {
        "id": {"type": "string", "description": "for Last-Event-ID"},
        "event": {"type": "string"},
        "data": {"type": "string", "contentMediaType": "application/json"},
    },
    "required": ["id", "event", "data"],
}


@dataclass(frozen=True)
class Asked:
    """What a request comes to: the snapshot it is about, and what the worker is given."""

    request: Mapping[str, Any]
    snapshot: str | None = None


Prepare = Callable[[Request, TenantStore, Any], Asked]
Show = Callable[[TenantStore, Job], JobView]


def view(job: Job, *, document: bool | None = None) -> JobView:
    """Return a job as the API shows it."""
    root = f"/v1/{PATHS[job.kind]}/{job.id}"
    result = job.result or {}
    has = document if document is not None else bool(job.result)
    if job.kind == "delivery":  # its result is told before its end
        has = job.status == JobStatus.succeeded
    bound = result.get("lower_bound") or _money(job.bound)
    return JobView(
        id=job.id,
        kind=job.kind,
        status=JobStatus(job.status),
        snapshot=job.snapshot,
        request=job.request,
        created_at=job.created_at,
        started_at=job.started_at,
        finished_at=job.finished_at,
        created_by=job.created_by,
        cancel_asked=job.cancel_asked,
        phase=job.phase,
        incumbent=_money(job.incumbent),
        lower_bound=bound,
        gap=result.get("gap", job.gap),
        result=job.result,
        problem=job.problem,
        links=Links(
            self=root, events=f"{root}/events", document=f"{root}/document" if has else None
        ),
    )


def _money(value: float | None) -> str | None:
    return None if value is None else f"{value:.6f}"


def answer(job: Job, *, applied: str | None = None) -> Response:
    """Return the response about a job: 200 once it has ended, else 202."""
    final = JobStatus(job.status).final
    headers = {"Location": f"/v1/{PATHS[job.kind]}/{job.id}"}
    if not final:
        headers["Retry-After"] = _RETRY
    if applied is not None:
        headers["Preference-Applied"] = applied
    return JSONResponse(view(job).model_dump(mode="json"), 200 if final else 202, headers)


async def again(request: Request, job: str) -> Response:
    """Answer a request whose server went away after it had made the job."""
    return answer(await run_in_threadpool(request.state.mine.jobs.get, job))


async def wait_for(
    request: Request, mine: TenantStore, job: str, prefer: str, kind: str | None = None
) -> tuple[Job, str | None]:
    """Wait for a job's end as long as is preferred; return it, and what was applied."""
    wanted = _WAIT.search(prefer)
    if wanted is None:
        return await run_in_threadpool(mine.jobs.get, job, kind), None
    seconds = min(int(wanted[1]), request.app.state.settings.max_wait_seconds)
    until = time.monotonic() + seconds
    while True:
        found = await run_in_threadpool(mine.jobs.get, job, kind)
        if JobStatus(found.status).final or time.monotonic() >= until:
            return found, f"wait={seconds}"
        await asyncio.sleep(_POLL_SECONDS)


def accept(request: Request, mine: TenantStore, by: Actor, kind: str, prepared: Asked) -> Job:
    """Keep a job and see to it that it is run."""
    state = request.app.state
    job = mine.jobs.add(
        kind,
        prepared.request,
        by,
        snapshot=prepared.snapshot,
        most=state.settings.max_queued,
        once=current.get(),
    )
    state.runner.submit(mine.tenant, job.id)
    return job


def _text(description: str) -> dict[str, Any]:
    return {"description": description, "schema": {"type": "string"}}


ACCEPTED: dict[int | str, dict[str, Any]] = {
    202: {"description": "queued or running", "model": JobView,
          "headers": {"Location": _text("where it is"), "Retry-After": _text("seconds")}},
}  # fmt: skip


def _add_ask(
    router: APIRouter,
    kind: str,
    model: type[BaseModel],
    prepare: Prepare,
    write: str,
    what: str,
) -> None:

    async def ask(
        request: Request, mine: Mine, by: By, asked: Any, prefer: Prefer = ""
    ) -> Response:
        def keep() -> Job:
            return accept(request, mine, by, kind, prepare(request, mine, asked))

        job = await run_in_threadpool(keep)
        found, applied = await wait_for(request, mine, job.id, prefer)
        return answer(found, applied=applied)

    ask.__annotations__["asked"] = model
    ask.__doc__ = (
        f"Ask for {what}.\n\nThe answer is 202 with the place to look; with `Prefer: wait=N` it "
        "is 200 if it was ready within N seconds. With `Idempotency-Key`, a request that is "
        "sent again is not done again."
    )
    router.add_api_route(
        "",
        ask,
        methods=["POST"],
        response_model=JobView,
        responses={**responses("in-flight", "media-type"), **ACCEPTED},
        operation_id=f"ask_{kind}",
        summary=f"Ask for {what}",
        openapi_extra=scope_of(write),
    )


def solve_router(
    kind: str,
    model: type[BaseModel] | None,
    prepare: Prepare | None,
    read: str,
    write: str,
    what: str,
    *,
    shape: type[JobView] = JobView,
    show: Show = lambda _, job: view(job),
) -> APIRouter:
    """Make the routes of a kind of job.

    Parameters
    ----------
    model
        The shape of what is asked; ``None`` for what is asked for elsewhere.
    prepare
        Checks what is asked against the store, before the job is kept.
    read, write
        The scopes that are needed.
    what
        What is asked for, for people, such as ``a plan``.
    shape, show
        How one is shown, where that is more than of any job.
    """
    path = PATHS[kind]
    router = APIRouter(prefix=f"/v1/{path}", tags=[path], route_class=Route)
    if model is not None and prepare is not None:
        _add_ask(router, kind, model, prepare, write, what)

    @router.get(
        "",
        response_model=JobPage,
        responses=responses(),
        operation_id=f"list_{kind}",
        summary=f"The {path} that were asked for",
        openapi_extra=scope_of(read),
    )
    def page(
        request: Request,
        mine: Mine,
        status: JobStatus | None = None,
        snapshot: Annotated[str | None, Query(max_length=64)] = None,
        page_size: PageSize = 50,
        page_token: PageToken = "",
    ) -> JobPage:
        """List them, newest first."""
        asked = Page(request, page_size, page_token, status=status, snapshot=snapshot)
        rows, token = asked.of(
            lambda n: mine.jobs.page(kind, n, asked.before, status, snapshot), lambda job: job.id
        )
        return JobPage(items=[view(job) for job in rows], next_page_token=token)

    @router.get(
        "/{job}",
        response_model=shape,
        responses=responses(),
        operation_id=f"get_{kind}",
        summary="How far one is",
        openapi_extra=scope_of(read),
    )
    async def get(
        request: Request, response: Response, mine: Mine, job: JobId, prefer: Prefer = ""
    ) -> JobView:
        """Look at one; with `Prefer: wait=N`, once it has ended or N seconds are over."""
        found, applied = await wait_for(request, mine, job, prefer, kind)
        if applied is not None:
            response.headers["Preference-Applied"] = applied
        if not JobStatus(found.status).final:
            response.headers["Retry-After"] = _RETRY
        return await run_in_threadpool(show, mine, found)

    @router.delete(
        "/{job}",
        response_model=JobView,
        responses={**responses(), **ACCEPTED},
        operation_id=f"cancel_{kind}",
        summary="Cancel one",
        openapi_extra=scope_of(write),
    )
    def cancel(mine: Mine, by: By, job: JobId) -> Response:
        """Cancel one that has not ended; what it has found so far is kept as its answer."""
        return answer(mine.jobs.cancel(job, by, kind))

    @router.get(
        "/{job}/events",
        response_class=StreamingResponse,
        responses={
            **responses(),
            200: {
                "description": "server-sent events: `queued`, `running`, `progress` with phase, "
                "incumbent, bound and gap, `waiting` of a delivery between two tries, and the "
                "final status",
                "content": {"text/event-stream": {"schema": _EVENT}},
            },
            204: {"description": "it has ended, and all events were seen"},
        },
        operation_id=f"follow_{kind}",
        summary="Follow one",
        openapi_extra=scope_of(read),
    )
    async def follow(mine: Mine, job: JobId, last_event: LastEvent = None) -> Response:
        """Follow one to its end; with `Last-Event-ID`, from there on."""
        found = await run_in_threadpool(mine.jobs.get, job, kind)
        seen = int(last_event or 0)
        if JobStatus(found.status).final and not await run_in_threadpool(
            mine.jobs.events, job, seen
        ):
            return Response(status_code=204)
        return StreamingResponse(stream(mine, job, seen), media_type="text/event-stream")

    @router.get(
        "/{job}/document",
        responses={
            **responses(),
            200: {
                "description": "the document, as the command line prints it",
                "content": {"application/json": {"schema": {"type": "object"}}},
            },
        },
        operation_id=f"read_{kind}",
        summary="The answer",
        response_class=Response,
        openapi_extra=scope_of(read),
    )
    def document(mine: Mine, job: JobId) -> Response:
        """Read the answer: the bytes that the command line prints for the same question."""
        if not job.startswith(f"{PREFIXES[kind]}_"):
            raise NotFound(kind.replace("_", "-"), job)
        try:
            found = mine.jobs.document(job)
        except NotFound:
            mine.jobs.get(job, kind)  # it may be that there is no such job
            raise
        return Response(
            found.text,
            media_type="application/json",
            headers={"ETag": f'"{found.digest}"', "Cache-Control": "private, max-age=31536000"},
        )

    return router


async def stream(mine: TenantStore, job: str, seen: int) -> AsyncIterator[bytes]:
    """Yield the events of a job behind the event ``seen``, to its end."""
    import json

    told = time.monotonic()
    while True:
        for event in await run_in_threadpool(mine.jobs.events, job, seen):
            seen, told = event.seq, time.monotonic()
            yield format_sse_event(
                data_str=json.dumps(event.data), event=event.event, id=str(event.seq)
            )
            if event.event in {"succeeded", "failed", "cancelled"}:
                return
        if time.monotonic() - told > _HEARTBEAT_SECONDS:
            told = time.monotonic()
            yield format_sse_event(comment="still here")
        await asyncio.sleep(_POLL_SECONDS)


def need(name: str, pointer: str, what: str) -> ProblemError:
    """The problem of a body that names something which is not there."""
    return ProblemError(
        "invalid",
        f"{pointer}: there is no {what} '{name[:80]}'. To mend it: take an id from its list",
        errors=[{"pointer": pointer, "detail": f"there is no such {what}"}],
    )
