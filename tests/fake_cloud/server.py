# SPDX-License-Identifier: Apache-2.0
"""A loopback server for what the clouds' own mocks lack; it listens on 127.0.0.1 alone."""

from __future__ import annotations

import threading
import time
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType

Reply = tuple[int, dict[str, str], bytes]


@dataclass
class Call:
    """A request, as it came in."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Loopback:
    """Serves ``answer`` in threads; counts what was asked and how much of it at once.

    ``faults`` holds, by name of an operation, what happens to its next calls instead of, or
    to, the answer: ``429`` or ``500`` (a status), ``cut`` (the body ends before its length),
    ``cut-json`` (the body ends and says so), ``slow``. A name of ``*`` is any operation.
    """

    answer: Callable[[Call], tuple[str, Reply]]
    throttled: Callable[[Call, int], Reply]
    faults: dict[str, deque[str]] = field(default_factory=dict)
    calls: Counter[str] = field(default_factory=Counter)
    most_at_once: int = 0
    slow: float = 3.0
    linger: float = 0.0
    _now: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __enter__(self) -> Loopback:
        fake = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_: object) -> None:
                """Nothing on stderr."""

            def _serve(self) -> None:
                length = int(self.headers.get("Content-Length", 0))
                call = Call(self.command, self.path, dict(self.headers), self.rfile.read(length))
                fake.serve(self, call)

            do_GET = do_POST = do_PUT = do_HEAD = _serve  # noqa: N815

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.server.shutdown()
        self.server.server_close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}"

    def serve(self, handler: BaseHTTPRequestHandler, call: Call) -> None:
        with self._lock:
            self._now += 1
            self.most_at_once = max(self.most_at_once, self._now)
        try:
            name, (status, headers, body) = self.answer(call)
            with self._lock:
                self.calls[name] += 1
                queue = self.faults.get(name) or self.faults.get("*")
                fault = queue.popleft() if queue else ""
            time.sleep(self.linger)
            self._send(handler, call, fault, status, headers, body)
        finally:
            with self._lock:
                self._now -= 1

    def _send(
        self,
        handler: BaseHTTPRequestHandler,
        call: Call,
        fault: str,
        status: int,
        headers: dict[str, str],
        body: bytes,
    ) -> None:
        if fault.isdigit():
            status, headers, body = self.throttled(call, int(fault))
        if fault == "slow":
            time.sleep(self.slow)
        length = len(body)
        if fault == "cut-json":
            body = body[: length // 2]
            length = len(body)
        handler.send_response(status)
        for key, value in headers.items():
            handler.send_header(key, value)
        handler.send_header("Content-Length", str(length))
        if fault == "cut":
            handler.send_header("Connection", "close")
        handler.end_headers()
        try:
            handler.wfile.write(body[: length // 2] if fault == "cut" else body)
        except (BrokenPipeError, ConnectionResetError):
            return  # the client had its timeout
        if fault == "cut":
            handler.wfile.flush()
            handler.close_connection = True
