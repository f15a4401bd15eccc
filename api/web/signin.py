# SPDX-License-Identifier: Apache-2.0
"""Signing in and out: with an API key, or with the identity provider."""

from __future__ import annotations

import secrets

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse
from starlette.concurrency import run_in_threadpool

from api.access import KEY, Caller, Unauthenticated, check_key
from api.http.gate import Gate
from api.web.links import inside
from api.web.trust import field, read_form, refuse_strangers

router = APIRouter(include_in_schema=False)


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
    before = web.cookies.read(request, "before") or {}
    form = await read_form(request, web.cookies.token(str(before.get("id", "-"))))
    key, after = form.get("key", "").strip(), form.get("next", "/")
    try:
        caller, until = await run_in_threadpool(_of_key, request, key)
    except Unauthenticated as error:
        return _form(request, after, str(error), status=401)
    response = RedirectResponse(inside(after), 303)
    web.cookies.begin(request, response, until, key=key[4:16])
    request.scope["gpuopt.caller"] = caller.name
    return response


@router.post("/sign-out")
async def sign_out(request: Request) -> Response:
    """Take the session out of the browser."""
    web = request.app.state.web
    refuse_strangers(request, web.cookies)
    session = web.cookies.session(request)
    if session is not None:
        await read_form(request, web.cookies.token(session.id))
    response = RedirectResponse("/sign-in", 303)
    web.cookies.forget(request, response, "session")
    return response


def _of_key(request: Request, key: str) -> tuple[Caller, int]:
    """Return whose key it is, and until when it is valid; counted as the API counts."""
    state = request.app.state
    gate: Gate = state.gate
    caller = gate.let_in(request, lambda: check_key(state.store, state.secret, key))
    match = KEY.fullmatch(key)
    row = state.store.find_key(match[1]) if match else None
    return caller, int(row.expires_at.timestamp()) if row else 0


def _form(request: Request, after: str, error: str = "", status: int = 200) -> Response:
    web = request.app.state.web
    before = web.cookies.read(request, "before") or {"id": secrets.token_urlsafe(18)}
    what, _, mend = error.partition(" To mend it: ")
    response: Response = web.render_bare(
        request,
        "sign_in.html",
        {
            "title": "Sign in",
            "after": inside(after),
            "error": what,
            "mend": mend,
            "csrf_field": field(web.cookies.token(before["id"])),
            "provider": bool(request.app.state.settings.oidc_client_id),
        },
        status,
    )
    web.cookies.write(request, response, "before", before)
    return response
