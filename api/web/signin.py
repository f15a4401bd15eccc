# SPDX-License-Identifier: Apache-2.0
"""Signing in and out: with an API key, or with the identity provider."""

from __future__ import annotations

import secrets
from datetime import datetime
from typing import TYPE_CHECKING

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse
from starlette.concurrency import run_in_threadpool

from api.access import KEY, Caller, Unauthenticated, check_key
from api.http.gate import Gate
from api.http.problems import ProblemError
from api.store import Actor, Store
from api.web.links import inside
from api.web.session import Session, over
from api.web.trust import field, read_form, refuse_strangers

if TYPE_CHECKING:
    from api.web.provider import Provider

router = APIRouter(include_in_schema=False)
_MINUTES = 10  # that a sign-in with the identity provider may take


@router.get("/sign-in")
def ask(request: Request, next: str = "/") -> Response:  # noqa: A002 (the URL's own word)
    """Show the form; who is signed in already is sent on."""
    web = request.app.state.web
    session = web.cookies.session(request)
    if session is not None:
        try:
            session.caller(request.app.state.store)
        except Unauthenticated:
            pass
        else:
            return RedirectResponse(inside(next), 303)
    return _form(request, next)


@router.post("/sign-in")
async def sign_in(request: Request) -> Response:
    """Sign in with an API key, which is checked and not kept."""
    web = request.app.state.web
    refuse_strangers(request, web.cookies)
    before = web.cookies.name(request, "before") or "-"
    form = await read_form(request, web.cookies.token(before))
    key, after = form.get("key", "").strip(), form.get("next", "/")
    try:
        caller, until = await run_in_threadpool(_of_key, request, key)
    except Unauthenticated as error:
        return _form(request, after, str(error), status=401)
    response = RedirectResponse(inside(after), 303)
    begin = web.cookies.begin
    await run_in_threadpool(begin, request, response, caller, until, key[4:16])
    request.scope["gpuopt.caller"] = caller.name
    return response


@router.get("/sign-in/provider")
async def to_provider(request: Request, next: str = "/") -> Response:  # noqa: A002 (as above)
    """Send the browser to the identity provider."""
    provider = _provider(request)
    try:
        place, kept = await run_in_threadpool(provider.begin, _back(request))
    except Unauthenticated as error:
        return _form(request, next, str(error), status=503)
    response = RedirectResponse(place, 303)
    cookies = request.app.state.web.cookies
    cookies.write(request, response, "sign-in", {**kept, "next": inside(next)}, _MINUTES * 60)
    return response


@router.get("/sign-in/back")
async def from_provider(request: Request) -> Response:
    """Sign in whom the identity provider sends back."""
    provider = _provider(request)
    state = request.app.state
    cookies = state.web.cookies
    kept = cookies.read(request, "sign-in") or {}
    after = str(kept.get("next", "/"))
    given = dict(request.query_params)

    def find() -> Caller:
        return provider.finish(given, kept, _back(request))

    try:
        caller = await run_in_threadpool(state.gate.let_in, request, find)
    except Unauthenticated as error:
        response = _form(request, after, str(error), status=401)
    else:
        response = RedirectResponse(inside(after), 303)
        await run_in_threadpool(cookies.begin, request, response, caller)
        request.scope["gpuopt.caller"] = caller.name
    cookies.forget(request, response, "sign-in")
    return response


def _provider(request: Request) -> Provider:
    provider: Provider | None = request.app.state.web.provider
    if provider is None:
        raise ProblemError(
            "not-found",
            "no identity provider is configured. To mend it: sign in with an API key, or have the "
            "operator set GPUOPT_OIDC_ISSUER and GPUOPT_OIDC_CLIENT_ID",
        )
    return provider


def _back(request: Request) -> str:
    """Where the provider sends the browser back to; the provider has to know this URL."""
    return f"{request.app.state.web.cookies.origin(request)}/sign-in/back"


@router.post("/sign-out")
async def sign_out(request: Request) -> Response:
    """End the session, with ``everywhere`` all of the same key or person."""
    web = request.app.state.web
    refuse_strangers(request, web.cookies)
    session = web.cookies.session(request)
    if session is not None:
        form = await read_form(request, web.cookies.token(session.id))
        await run_in_threadpool(_end, request, session, everywhere="everywhere" in form)
    response = RedirectResponse("/sign-in", 303)
    web.cookies.forget(request, response, "session")
    return response


def _end(request: Request, session: Session, *, everywhere: bool) -> None:
    """End a session; one that is over already is none, and its others are not of a visitor."""
    store: Store = request.app.state.store
    try:
        caller = session.caller(store)
    except Unauthenticated:
        return
    actor = Actor(caller.name, str(request.scope["gpuopt.request_id"]))
    sessions = store.of(caller.tenant).sessions
    if everywhere:
        sessions.end_of(caller.name, actor)
    else:
        sessions.end(session.id, actor)


def _of_key(request: Request, key: str) -> tuple[Caller, datetime]:
    """Return whose key it is, and until when it is valid; counted as the API counts."""
    state = request.app.state
    gate: Gate = state.gate
    caller = gate.let_in(request, lambda: check_key(state.store, state.secret, key))
    match = KEY.fullmatch(key)
    row = state.store.find_key(match[1]) if match else None
    if row is None:  # removed in this moment
        raise over()
    return caller, row.expires_at


def _form(request: Request, after: str, error: str = "", status: int = 200) -> Response:
    web = request.app.state.web
    before = web.cookies.name(request, "before") or secrets.token_urlsafe(18)
    what, _, mend = error.partition(" To mend it: ")
    response: Response = web.render_bare(
        request,
        "sign_in.html",
        {
            "title": "Sign in",
            "after": inside(after),
            "error": what,
            "mend": mend,
            "csrf_field": field(web.cookies.token(before)),
            "provider": web.provider is not None,
        },
        status,
    )
    web.cookies.write(request, response, "before", {"id": before})
    return response
