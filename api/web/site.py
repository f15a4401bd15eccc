# SPDX-License-Identifier: Apache-2.0
"""The site: templates, the frame around every page, and errors as pages."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from fastapi import APIRouter, FastAPI, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from starlette.types import Scope

from api.http.problems import PROBLEMS
from api.settings import ServiceSettings
from api.store.database import now
from api.web import signin, static, theme
from api.web.base import Entry, Pages
from api.web.headers import CSP, HEADERS
from api.web.session import Cookies
from api.web.theme import COOKIE, THEMES
from api.web.trust import field
from api.web.visit import Visit
from optimizer.errors import UsageError
from optimizer.reporting.document import Kind
from optimizer.reporting.pages.level import Level
from optimizer.reporting.render.values import shown

if TYPE_CHECKING:
    from api.oidc import Oidc
    from api.web.provider import Provider


class Site:
    """What all pages share.

    Parameters
    ----------
    modules
        The pages of each module; their entries make the navigation.
    oidc
        What checks the identity provider's tokens, where one is configured.

    Raises
    ------
    UsageError
        If there is a client of an identity provider, and no provider.
    """

    def __init__(
        self,
        settings: ServiceSettings,
        secret: bytes,
        modules: tuple[Pages, ...],
        oidc: Oidc | None = None,
    ) -> None:
        self.settings = settings
        self.provider = _provider(settings, oidc)
        self.cookies = Cookies(settings, secret)
        entries = [entry for pages in modules for entry in pages.entries]
        self.entries: list[Entry] = sorted(entries, key=lambda entry: entry.order)
        self.environment = Environment(
            loader=PackageLoader("api.web"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
        )
        self.environment.globals.update(
            static=static.url, show=show, age=age, level_points=level_points
        )
        self.environment.filters["soft"] = soft

    def render(self, visit: Visit, template: str, shown: Mapping[str, Any]) -> HTMLResponse:
        """Return a page of a visitor."""
        frame = self._frame(visit.request, visit)
        notice = self.cookies.read(visit.request, "notice")
        text = self.environment.get_template(template).render(
            {**frame, "notice": (notice or {}).get("text", ""), **shown}
        )
        response = HTMLResponse(text, headers=HEADERS)
        if visit.framed:
            response.headers["Content-Security-Policy"] = f"{CSP}; frame-src 'self'"
        if notice:
            self.cookies.forget(visit.request, response, "notice")
        return response

    def render_bare(
        self, request: Request, template: str, shown: Mapping[str, Any], status: int = 200
    ) -> HTMLResponse:
        """Return a page that nobody has to sign in for."""
        visit: Visit | None = getattr(request.state, "visit", None)
        text = self.environment.get_template(template).render(
            {**self._frame(request, visit), "notice": "", **shown}
        )
        return HTMLResponse(text, status, headers=HEADERS)

    def error_page(
        self, scope: Scope, name: str, detail: str, headers: Mapping[str, str]
    ) -> Response:
        """Return a problem as a page; who is not signed in is sent to do so."""
        request = Request(scope)
        status, title = PROBLEMS[name]
        if name == "unauthenticated" and request.method in {"GET", "HEAD"}:
            path = request.url.path + (f"?{request.url.query}" if request.url.query else "")
            after = urlencode({"next": path}) if path != "/" else ""
            response: Response = RedirectResponse(f"/sign-in?{after}" if after else "/sign-in", 303)
            if self.cookies.read(request, "session"):
                self.cookies.forget(request, response, "session")
            return response
        what, _, mend = detail.partition(" To mend it: ")
        shown = {
            "title": _TITLES.get(name, title),
            "status": status,
            "phrase": HTTPStatus(status).phrase,
            "what": what,
            "mend": mend,
            "request_id": scope.get("gpuopt.request_id", ""),
        }
        page = self.render_bare(request, "error.html", shown, status)
        page.headers.update(headers)
        return page

    def _frame(self, request: Request, visit: Visit | None) -> dict[str, Any]:
        theme = request.cookies.get(COOKIE, "auto")
        token = self.cookies.token(visit.session.id) if visit else ""
        return {
            "visit": visit,
            "tables": visit.tables if visit else None,
            "path": request.url.path,
            "here": request.url.path + (f"?{request.url.query}" if request.url.query else ""),
            "nav": [e for e in self.entries if visit.may(e.scope)] if visit else [],
            "theme": theme if theme in THEMES else "auto",
            "csrf": field(token),
            "csrf_token": token,
        }


def soft(text: str) -> Markup:
    """Let a long name break behind its slashes and underscores."""
    if len(text) < 16:
        return Markup("{}").format(text)
    parts = re.split(r"(?<=[/_])(?=[^/_])", text)
    return Markup("<wbr>").join(parts)


def age(moment: datetime) -> str:
    """Say how long ago a moment was."""
    hours = int((now() - moment).total_seconds() // 3600)
    if hours < 0:
        return "ahead of now"
    if hours < 48:
        return f"{hours} hour{'s' if hours != 1 else ''} old"
    return f"{hours // 24} days old"


def show(value: Any, kind: str, currency: str = "USD") -> str:
    """Format a value in a template: ``show(value, "money", currency)``."""
    return shown(value, Kind(kind), currency)


def level_points(levels: Sequence[Level]) -> list[dict[str, Any]]:
    """What the slider's script needs of the points of a commitment curve."""
    return [level.as_dict() for level in levels]


_TITLES = {
    "not-found": "There is nothing here",
    "forbidden": "You may not do this",
    "too-many": "Too many requests",
    "internal": "Something went wrong",
    "unauthenticated": "You are not signed in",
    "invalid": "The request is not valid",
}


def _provider(settings: ServiceSettings, oidc: Oidc | None) -> Provider | None:
    if not settings.oidc_client_id:
        return None
    if oidc is None:
        raise UsageError(
            "GPUOPT_OIDC_CLIENT_ID is set, but not GPUOPT_OIDC_ISSUER. "
            "To mend it: set the issuer that people sign in with"
        )
    from api.web.provider import Provider

    return Provider(settings, oidc)


PAGES: tuple[APIRouter, ...] = (static.router, signin.router, theme.router)


def install(app: FastAPI, site: Site, modules: tuple[Pages, ...]) -> None:
    """Put the pages beside the API."""
    app.state.web = site
    app.state.error_page = site.error_page
    for router in (*PAGES, *(module.router for module in modules)):
        app.include_router(router)
