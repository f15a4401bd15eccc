# SPDX-License-Identifier: Apache-2.0
"""What is around every request: its id, its size, its log line, its headers, its figures."""

from __future__ import annotations

import re
import secrets
import time
from typing import Any

import structlog
from prometheus_client import CollectorRegistry, Counter, Histogram
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.http.problems import ProblemError, told
from api.settings import ServiceSettings

_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_PARENT = re.compile(r"00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})")
_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.15, 0.25, 0.5, 1, 2.5, 5, 10, 60)

HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
_SECURE = {"Strict-Transport-Security": "max-age=31536000"}


class Figures:
    """What ``/metrics`` tells of requests."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.requests = Counter(
            "gpuopt_http_requests_total", "Requests", ("method", "route", "status"),
            registry=registry,
        )  # fmt: skip
        self.seconds = Histogram(
            "gpuopt_http_request_seconds", "Seconds until the answer began", ("method", "route"),
            registry=registry, buckets=_BUCKETS,
        )  # fmt: skip


class Guard:
    """An ASGI application around the service; nothing is answered that did not pass it."""

    def __init__(self, app: ASGIApp, settings: ServiceSettings, figures: Figures) -> None:
        self.app = app
        self.settings = settings
        self.figures = figures
        self.log = structlog.get_logger("gpuopt.http")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        request = _Request(self, scope, receive, send)
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(request_id=request.id, trace_id=request.trace)
        try:
            request.refuse_large()
            await self.app(scope, request.receive, request.send)
        except ProblemError as error:
            await request.fail(error.name, str(error.detail))
        except Exception as error:
            self.log.exception("unexpected")
            await request.fail("internal", f"{type(error).__name__}. To mend it: report it")
        finally:
            request.told()
            structlog.contextvars.clear_contextvars()


class _Request:
    def __init__(self, guard: Guard, scope: Scope, receive: Receive, send: Send) -> None:
        self.guard, self.scope = guard, scope
        self._receive, self._send = receive, send
        self.headers = Headers(scope=scope)
        given = self.headers.get("x-request-id", "")
        self.id = given if _ID.fullmatch(given) else secrets.token_hex(8)
        parent = _PARENT.fullmatch(self.headers.get("traceparent", ""))
        self.trace = parent[1] if parent else secrets.token_hex(16)
        self.span = secrets.token_hex(8)
        scope["gpuopt.request_id"] = self.id
        self.most = guard.settings.max_body_bytes
        if scope["method"] == "POST" and scope["path"].rstrip("/") == "/v1/snapshots":
            self.most = guard.settings.max_upload_bytes
        self.got = 0
        self.status = 0
        self.since = time.perf_counter()
        self.began: float | None = None

    def refuse_large(self) -> None:
        """Refuse a body that is announced as too large, before it is sent."""
        stated = self.headers.get("content-length", "")
        if stated.isascii() and stated.isdigit() and int(stated[:20]) > self.most:
            raise self.too_large()

    def too_large(self) -> ProblemError:
        """The problem of a body that is too large."""
        return ProblemError(
            "too-large",
            f"the body is larger than {self.most} bytes. To mend it: send less, or have the "
            "operator raise GPUOPT_MAX_UPLOAD_BYTES or GPUOPT_MAX_BODY_BYTES",
        )

    async def receive(self) -> Message:
        """Pass the body on, counting."""
        message = await self._receive()
        if message["type"] == "http.request":
            self.got += len(message.get("body", b""))
            if self.got > self.most:
                raise self.too_large()
        return message

    async def send(self, message: Message) -> None:
        """Pass the answer on, with the headers that every answer has."""
        if message["type"] == "http.response.start":
            self.status, self.began = message["status"], time.perf_counter()
            headers = MutableHeaders(scope=message)
            for name, value in HEADERS.items():
                headers.setdefault(name, value)
            if self.scope.get("scheme") == "https":
                headers.update(_SECURE)
            headers["X-Request-Id"] = self.id
            headers["traceparent"] = f"00-{self.trace}-{self.span}-01"
        await self._send(message)

    async def fail(self, name: str, detail: str) -> None:
        """Answer with a problem, unless an answer has begun: that one is cut off."""
        if self.began is None:
            response = told(self.scope, name, detail)
            await response(self.scope, self._receive, self.send)

    def told(self) -> None:
        """Count the request and write its line."""
        route: Any = self.scope.get("route")
        path = str(getattr(route, "path", "unmatched"))
        method = self.scope["method"]
        known = method if method in _METHODS else "other"
        seconds = (self.began or time.perf_counter()) - self.since
        self.guard.figures.requests.labels(known, path, str(self.status)).inc()
        self.guard.figures.seconds.labels(known, path).observe(seconds)
        self.guard.log.info(
            "request",
            method=method,
            path=self.scope["path"],
            status=self.status,
            seconds=round(seconds, 4),
            caller=self.scope.get("gpuopt.caller", ""),
            bytes=self.got,
        )


_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
