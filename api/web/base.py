# SPDX-License-Identifier: Apache-2.0
"""How a page is made: docs/pages.md tells it with an example.

A page states its path, its title, the scope that it needs and its template; its function is
given the visit and returns what the template shows. An action is what a form does; it sends
the browser on to a page.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from functools import wraps
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.routing import APIRoute
from starlette.concurrency import run_in_threadpool

from api.access import SCOPES
from api.http.gate import Gate
from api.web.session import Session, over
from api.web.trust import read_form, refuse_strangers
from api.web.visit import Visit

PageFunction = Callable[..., Mapping[str, Any] | Response]
ActionFunction = Callable[..., Response]
_SCOPE = "x-scope"


@dataclass(frozen=True)
class Entry:
    """A page in the navigation; lower ``order`` stands further to the left."""

    title: str
    path: str
    scope: str
    order: int


class Pages:
    """The pages of a module, and their places in the navigation."""

    def __init__(self) -> None:
        self.router = APIRouter(route_class=PageRoute, include_in_schema=False)
        self.entries: list[Entry] = []

    def page(
        self, path: str, *, title: str, scope: str | None, template: str, nav: int | None = None
    ) -> Callable[[PageFunction], PageFunction]:
        """Declare a page: ``@pages.page("/plans", title=…, scope=…, template=…)``.

        Parameters
        ----------
        path
            As FastAPI has it; parameters of the path and the query are the function's.
        title
            Of the window; a key ``title`` of what the function returns stands before it.
        scope
            One of ``api.access.SCOPES``: who lacks it gets 403 and no entry. ``None``: all who
            are signed in may.
        template
            A file of api/web/templates that extends ``base.html``.
        nav
            Its place in the navigation; without one it has none.

        The function has a parameter ``visit: Visiting`` and returns the variables of its
        template, or a response of its own. It runs in a thread, and may wait.
        """
        _known(scope)
        if nav is not None and scope is not None:
            self.entries.append(Entry(title, path, scope, nav))

        def add(function: PageFunction) -> PageFunction:
            @wraps(function)
            def answer(*args: Any, visit: Visit, **given: Any) -> Response:
                shown = function(*args, visit=visit, **given)
                if isinstance(shown, Response):
                    return shown
                wanted = visit.tables.wanted
                if wanted is not None:
                    return visit.tables.csv(wanted)
                web = visit.request.app.state.web
                response: Response = web.render(visit, template, {"title": title, **shown})
                return response

            self._route(path, answer, "GET", scope)
            return function

        return add

    def action(self, path: str, *, scope: str | None) -> Callable[[ActionFunction], ActionFunction]:
        """Declare what a form does: ``@pages.action("/jobs/{job}/cancel", scope=…)``.

        The form's fields are in ``visit.form``; its token and origin were checked. The
        function returns ``visit.go(path, notice)``.
        """
        _known(scope)

        def add(function: ActionFunction) -> ActionFunction:
            self._route(path, function, "POST", scope)
            return function

        return add

    def _route(
        self, path: str, endpoint: Callable[..., Response], method: str, scope: str | None
    ) -> None:
        self.router.add_api_route(
            path, endpoint, methods=[method], response_model=None, openapi_extra={_SCOPE: scope}
        )


class PageRoute(APIRoute):
    """A route that knows who visits, and whether they may, before anything else."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Wrap the handler."""
        handler = super().get_route_handler()
        scope = (self.openapi_extra or {})[_SCOPE]

        async def run(request: Request) -> Response:
            visit = await run_in_threadpool(admit, request)
            request.state.visit = visit
            request.scope["gpuopt.caller"] = visit.caller.name
            if request.method == "POST":
                cookies = request.app.state.web.cookies
                refuse_strangers(request, cookies)
                visit.form = await read_form(request, cookies.token(visit.session.id))
            if scope is not None:
                visit.need(scope)
            return await handler(request)

        return run


def admit(request: Request) -> Visit:
    """Return the visit of a request's session, at a bearable rate.

    Raises
    ------
    Unauthenticated
        If there is none that is in force.
    ProblemError
        If the visitor asks too often.
    """
    state = request.app.state
    session: Session | None = state.web.cookies.session(request)
    if session is None:
        raise over()
    gate: Gate = state.gate
    caller = gate.let_in(request, lambda: session.caller(state.store))
    return Visit(request, caller, state.store.of(caller.tenant), session)


def _known(scope: str | None) -> None:
    if scope is not None and scope not in SCOPES:
        raise ValueError(scope)
