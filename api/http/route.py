# SPDX-License-Identifier: Apache-2.0
"""The route of the service: who asks is known before anything else of a request is looked at.

Each route states the scope that it needs (``scope_of``); one that states none cannot be made.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Coroutine
from typing import Annotated, Any

from fastapi import Depends, Request, Response
from fastapi.routing import APIRoute
from starlette.concurrency import run_in_threadpool

from api.access import SCOPES, Caller
from api.http.gate import Gate
from api.http.once import once
from api.http.problems import ProblemError
from api.store import Actor, TenantStore

ANONYMOUS = "anonymous"
_DEEPEST = 32
_KEY = "x-scope"


def scope_of(scope: str) -> dict[str, Any]:
    """State the scope that a route needs, in its ``openapi_extra``."""
    if scope != ANONYMOUS and scope not in SCOPES:
        raise ValueError(scope)
    extra: dict[str, Any] = {_KEY: scope}
    return {**extra, "security": []} if scope == ANONYMOUS else extra


class Route(APIRoute):
    """A route that authenticates, checks the body and keeps answers by their key."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Wrap the handler."""
        handler = super().get_route_handler()
        scope = (self.openapi_extra or {})[_KEY]
        known = {parameter.alias for parameter in self.dependant.query_params}

        async def run(request: Request) -> Response:
            if scope != ANONYMOUS:
                await _admit(request, scope)
            _refuse_unknown(request, known)
            if self.body_field is None:
                return await handler(request)
            body = await request.body()
            _refuse_hostile(request, body)
            return await once(
                request,
                request.state.mine,
                request.state.caller,
                body,
                lambda: handler(request),
                lambda subject: request.app.state.again(request, subject),
            )

        return run


async def _admit(request: Request, scope: str) -> None:
    state = request.app.state
    gate: Gate = state.gate
    if gate.at_once(request):  # a thread costs more than the check
        caller = gate.admit(request)
    else:
        caller = await run_in_threadpool(gate.admit, request)
    request.state.caller = caller
    request.state.mine = state.store.of(caller.tenant)
    request.scope["gpuopt.caller"] = caller.name
    if not caller.may(scope):
        raise ProblemError(
            "forbidden",
            f"this needs {scope}, which {caller.name} ({caller.role}) does not have. "
            f"To mend it: use a key of the role {SCOPES[scope]} with that scope",
        )


def _refuse_unknown(request: Request, known: set[str]) -> None:
    """Refuse a query parameter that there is none of: a filter that is misspelt filters nothing."""
    unknown = [name for name in request.query_params if name not in known]
    if unknown:
        name = unknown[0][:80]
        allowed = f"use one of {', '.join(sorted(known))}" if known else "leave it out"
        raise ProblemError(
            "invalid",
            f"/query/{name}: there is no such parameter. To mend it: {allowed}",
            errors=[{"pointer": f"/query/{name}", "detail": "there is no such parameter"}],
        )


def _refuse_hostile(request: Request, body: bytes) -> None:
    """Refuse what is not plain JSON: NaN, nesting that serves nothing, other forms."""
    form = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if body and form != "application/json":
        raise ProblemError(
            "media-type",
            f"the body is '{form[:60]}', not application/json. "
            "To mend it: send JSON, and say so in Content-Type",
        )
    try:
        value = json.loads(body, parse_constant=_refuse_constant) if body else None
    except RecursionError:
        raise _too_deep() from None
    except ValueError as error:
        raise ProblemError(
            "bad-request", f"the body is not JSON: {str(error)[:200]}. To mend it: correct it"
        ) from None
    level = [value]
    for _ in range(_DEEPEST):
        level = [
            item
            for value in level
            if isinstance(value, dict | list)
            for item in (value.values() if isinstance(value, dict) else value)
        ]
        if not level:
            return
    raise _too_deep()


def _refuse_constant(text: str) -> None:
    raise ValueError(f"{text} is no number of JSON")


def _too_deep() -> ProblemError:
    return ProblemError(
        "bad-request",
        f"the body is nested more than {_DEEPEST} levels deep. To mend it: send it flatter",
    )


# Asynchronous, for FastAPI gives each that is not a thread of its own.
async def _caller(request: Request) -> Caller:
    return request.state.caller  # type: ignore[no-any-return]


async def _mine(request: Request) -> TenantStore:
    return request.state.mine  # type: ignore[no-any-return]


async def _actor(request: Request) -> Actor:
    return Actor(request.state.caller.name, request.scope["gpuopt.request_id"])


Who = Annotated[Caller, Depends(_caller)]
Mine = Annotated[TenantStore, Depends(_mine)]
By = Annotated[Actor, Depends(_actor)]
