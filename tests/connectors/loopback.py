# SPDX-License-Identifier: Apache-2.0
"""A server on this machine that answers as a cloud does, and fails when told to."""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit


@dataclass
class Call:
    """A request as it came."""

    method: str
    path: str
    query: dict[str, str]
    lists: dict[str, list[str]]
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body or b"{}")


@dataclass
class Answer:
    """What is sent back; ``body`` is JSON unless it is bytes."""

    body: Any
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)


@dataclass
class Fault:
    """What goes wrong with requests whose path and query match, the first ``times`` times.

    kind : ``status`` (with ``status`` and ``headers``), ``truncated`` (the body is cut),
    ``short`` (whole length promised, half of the body sent), ``slow`` (seconds).
    """

    match: str
    kind: str = "status"
    times: int = 1
    status: int = 500
    headers: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0
    message: str = "made up by the test"


class Loopback:
    """One server; ``answer`` maps a call to an answer, ``None`` is a 404."""

    def __init__(self, answer: Callable[[Call], Answer | None]) -> None:
        self.answer = answer
        self.calls: list[Call] = []
        self.faults: list[Fault] = []
        self.under_way = 0
        self.most_under_way = 0
        self._lock = threading.Lock()
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                server._serve(self)

            def do_POST(self) -> None:
                server._serve(self)

            def log_message(self, *arguments: Any) -> None:
                pass

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._http.daemon_threads = True
        self._http.block_on_close = False
        self._thread = threading.Thread(
            target=self._http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
        )

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._http.server_address[1]}"

    def fail(self, match: str, **how: Any) -> None:
        """Add a fault."""
        self.faults.append(Fault(match, **how))

    def asked(self, match: str) -> list[Call]:
        """Return the calls whose path matches."""
        return [call for call in self.calls if re.search(match, call.path)]

    def _fault(self, whole: str) -> Fault | None:
        for fault in self.faults:
            if fault.times > 0 and re.search(fault.match, whole):
                fault.times -= 1
                return fault
        return None

    def _serve(self, handler: BaseHTTPRequestHandler) -> None:
        parts = urlsplit(handler.path)
        lists = parse_qs(parts.query, keep_blank_values=True)
        length = int(handler.headers.get("Content-Length") or 0)
        call = Call(
            handler.command,
            parts.path,
            {name: values[-1] for name, values in lists.items()},
            lists,
            dict(handler.headers.items()),
            handler.rfile.read(length),
        )
        with self._lock:
            self.calls.append(call)
            fault = self._fault(handler.path)
            self.under_way += 1
            self.most_under_way = max(self.most_under_way, self.under_way)
        try:
            self._send(handler, call, fault)
        finally:
            with self._lock:
                self.under_way -= 1

    def _send(self, handler: BaseHTTPRequestHandler, call: Call, fault: Fault | None) -> None:
        if fault and fault.kind == "slow":
            time.sleep(fault.seconds)
        if fault and fault.kind == "status":
            body = {"error": {"code": fault.status, "message": fault.message}}
            answer: Answer | None = Answer(body, fault.status, fault.headers)
        else:
            answer = self.answer(call)
        if answer is None:
            answer = Answer({"error": {"code": 404, "message": f"no {call.path}"}}, 404)
        body = answer.body if isinstance(answer.body, bytes) else json.dumps(answer.body).encode()
        promised = len(body)
        if fault and fault.kind in ("truncated", "short"):
            body = body[: len(body) // 2]
            promised = promised if fault.kind == "short" else len(body)
        handler.send_response(answer.status)
        for name, value in {"Content-Type": "application/json", **answer.headers}.items():
            handler.send_header(name, value)
        handler.send_header("Content-Length", str(promised))
        handler.end_headers()
        try:
            handler.wfile.write(body)
        except (BrokenPipeError, ConnectionResetError):
            return  # the client's patience ended first
        if fault and fault.kind == "short":
            handler.close_connection = True

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._thread.join(5)


@contextmanager
def serving(answer: Callable[[Call], Answer | None]) -> Iterator[Loopback]:
    """Serve until the block ends."""
    server = Loopback(answer)
    server.start()
    try:
        yield server
    finally:
        server.stop()
