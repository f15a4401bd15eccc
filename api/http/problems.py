# SPDX-License-Identifier: Apache-2.0
"""Errors as RFC 9457 problems: one shape for every one of them.

``type`` is ``urn:gpuopt:problem:<name>``; each name is explained in docs/service.md.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, ConfigDict, Field
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import Scope

from api.access import Unauthenticated
from api.store import Changed, NotFound, Refused, TooMany
from api.work import URN, problem_of
from optimizer.errors import DataError, GpuoptError, UsageError

MEDIA = "application/problem+json"

# Every problem there is: its status and its title.
PROBLEMS = {
    "bad-request": (400, "the request cannot be understood"),
    "page-token": (400, "the page token is not of this list"),
    "unauthenticated": (401, "no valid key"),
    "forbidden": (403, "the key does not allow this"),
    "not-found": (404, "there is nothing here"),
    "method-not-allowed": (405, "this is not done here"),
    "not-acceptable": (406, "not in this form"),
    "refused": (409, "its state does not allow this"),
    "in-flight": (409, "the first request with this key has not been answered"),
    "changed": (412, "it was changed since it was read"),
    "too-large": (413, "too large"),
    "media-type": (415, "not in this form"),
    "invalid": (422, "the request is not valid"),
    "data-error": (422, "the data are refused"),
    "missing-price": (422, "a price is missing"),
    "usage-error": (422, "the request is not valid"),
    "key-reused": (422, "the key belongs to another request"),
    "archive": (422, "the archive is refused"),
    "condition-needed": (428, "the request must say what it was decided on"),
    "too-many": (429, "too many"),
    "internal": (500, "an unexpected error"),
    "not-ready": (503, "not ready"),
}


class Place(BaseModel):
    """Where one thing is wrong; files, rows and columns are those of a case."""

    model_config = ConfigDict(extra="allow")
    pointer: str = Field(description="JSON pointer, or the place in the upload")
    detail: str


class Problem(BaseModel):
    """The shape of every error."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "type": f"{URN}not-found",
                    "title": "there is nothing here",
                    "status": 404,
                    "detail": "there is no plan 'pln_1'. To mend it: take an id from its list",
                    "request_id": "7f3c0d2a9b1e4c55",
                }
            ]
        }
    )
    type: str
    title: str
    status: int
    detail: str
    request_id: str
    errors: list[Place] | None = None


class ProblemError(HTTPException):
    """An error of the HTTP face itself.

    Parameters
    ----------
    name
        One of ``PROBLEMS``.
    detail
        What is wrong, where, and how to mend it.
    errors
        The places, each with ``pointer`` and ``detail``.
    """

    def __init__(
        self,
        name: str,
        detail: str,
        *,
        errors: Sequence[Mapping[str, Any]] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self.name = name
        self.errors = list(errors)
        super().__init__(PROBLEMS[name][0], detail, dict(headers or {}))


def problem(
    name: str,
    detail: str,
    request_id: str,
    errors: Sequence[Mapping[str, Any]] = (),
    headers: Mapping[str, str] | None = None,
) -> JSONResponse:
    """Return the response of a problem."""
    status, title = PROBLEMS[name]
    content: dict[str, Any] = {
        "type": f"{URN}{name}",
        "title": title,
        "status": status,
        "detail": detail,
        "request_id": request_id,
    }
    if errors:
        content["errors"] = list(errors)
    return JSONResponse(content, status, dict(headers or {}), MEDIA)


def told(
    scope: Scope,
    name: str,
    detail: str,
    errors: Sequence[Mapping[str, Any]] = (),
    headers: Mapping[str, str] | None = None,
) -> Response:
    """Return the response of a problem as whoever asks can read it: JSON, or a page."""
    if wants_page(scope):
        page: Response = scope["app"].state.error_page(scope, name, detail, headers or {})
        return page
    return problem(name, detail, str(scope.get("gpuopt.request_id", "")), errors, headers)


def wants_page(scope: Scope) -> bool:
    """Whether a request is a browser's for one of the pages, which lie beside the API."""
    head = str(scope["path"]).strip("/").partition("/")[0]
    asked = Headers(scope=scope).get("accept", "")
    paged = hasattr(scope["app"].state, "error_page")
    return paged and head not in _NO_PAGES and "text/html" in asked


_NO_PAGES = frozenset({"v1", "healthz", "readyz", "metrics"})


def responses(*names: str) -> dict[int | str, dict[str, Any]]:
    """The problems that a route documents: these, and those that every route may have."""
    every = ("bad-request", "unauthenticated", "forbidden", "not-found", "invalid", "too-many")
    documented: dict[int | str, dict[str, Any]] = {}
    for name in (*every, *names, "too-large", "internal"):
        status, title = PROBLEMS[name]
        schema = {"$ref": "#/components/schemas/Problem"}
        documented[status] = {"description": title, "content": {MEDIA: {"schema": schema}}}
    return documented


def install(app: FastAPI) -> None:
    """Make problems of all that can be raised."""
    app.add_exception_handler(HTTPException, _of_http)
    app.add_exception_handler(RequestValidationError, _of_validation)
    app.add_exception_handler(GpuoptError, _of_gpuopt)


async def _of_http(request: Request, error: Exception) -> Response:
    scope = request.scope
    if isinstance(error, ProblemError):
        return told(scope, error.name, str(error.detail), error.errors, error.headers)
    if not isinstance(error, HTTPException):  # the handler is installed for nothing else
        raise error
    known = {404: "not-found", 405: "method-not-allowed", 406: "not-acceptable", 413: "too-large",
             415: "media-type"}  # fmt: skip
    name = known.get(error.status_code, "bad-request" if error.status_code < 500 else "internal")
    begin = "begin at the overview" if wants_page(scope) else "see /v1/openapi.json"
    mends = {
        404: f"there is nothing at {request.url.path}. To mend it: {begin}",
        405: f"{request.method} is not done here. To mend it: see the header Allow",
    }
    headers = dict(error.headers or {})
    if error.status_code == 405:  # Starlette names the methods of one route of a path only
        headers["Allow"] = ", ".join(request.app.state.methods(request.url.path))
    phrase = HTTPStatus(error.status_code).phrase
    detail = mends.get(error.status_code, f"{error.detail or phrase}. To mend it: see the docs")
    return told(scope, name, detail, headers=headers)


async def _of_validation(request: Request, error: Exception) -> Response:
    found = error.errors() if isinstance(error, RequestValidationError) else []
    places = [
        {"pointer": _pointer(entry["loc"]), "detail": str(entry["msg"])[:500]} for entry in found
    ]
    first = places[0] if places else {"pointer": "", "detail": "refused"}
    detail = f"{first['pointer']}: {first['detail']}. To mend it: see /v1/openapi.json"
    return told(request.scope, "invalid", detail, places[:50])


def _pointer(place: Sequence[Any]) -> str:
    """A JSON pointer into the body; for other places ``/query/name`` and the like."""
    parts = list(place[1:]) if place and place[0] == "body" else list(place)
    escaped = (str(part).replace("~", "~0").replace("/", "~1") for part in parts)
    return "".join(f"/{part}" for part in escaped)


async def _of_gpuopt(request: Request, error: Exception) -> Response:
    scope = request.scope
    if isinstance(error, DataError):
        found = problem_of(error)
        name = found["type"].removeprefix(URN)
        name = name if name in PROBLEMS else "data-error"
        return told(scope, name, found["detail"], found.get("errors", ()))
    names: dict[type[Exception], str] = {
        NotFound: "not-found",
        Changed: "changed",
        Refused: "refused",
        TooMany: "too-many",
        UsageError: "usage-error",
        Unauthenticated: "unauthenticated",
    }
    name = next((given for kind, given in names.items() if isinstance(error, kind)), "internal")
    headers = {}
    if name == "too-many":
        headers = {"Retry-After": "10"}
    if name == "unauthenticated":
        headers = {"WWW-Authenticate": 'Bearer realm="gpuopt"'}
    if name == "internal":
        structlog.get_logger("gpuopt").error("unexpected", error=str(error))
    return told(scope, name, str(error), headers=headers)
