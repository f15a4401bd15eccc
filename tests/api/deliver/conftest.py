# SPDX-License-Identifier: Apache-2.0
"""A mail server and a web server on loopback, which answer what a test tells them to."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from aiosmtpd.controller import Controller

from api.deliver.parcel import Parcel, pack
from optimizer.reporting.document import (
    Better,
    Column,
    Document,
    Figure,
    Figures,
    Kind,
    Prose,
    Row,
    Section,
    Table,
)

MADE = datetime(2026, 11, 23, 6, 5, 12, tzinfo=UTC)


def report(title: str = "Weekly report", offer: str = "aws/sp-3y", rows: int = 2) -> Document:
    """A small report; ``offer`` stands in its actions."""
    bill = Figure(
        "bill", "Bill", Decimal("1234.5"), Kind.money, before=Decimal(1300), better=Better.down
    )
    columns = (Column("offer", "Offer"), Column("saving", "Saving", Kind.money))
    actions = Table(
        "actions", "Actions", columns,
        tuple(Row((f"{offer}-{n}" if n else offer, Decimal(n + 10))) for n in range(rows)),
    )  # fmt: skip
    section = Section(
        "actions", "Actions", (Prose("The data are three days old.", "warning"), actions)
    )
    first = Section("figures", "Figures", (Figures("kpis", (bill,)),))
    facts = {"Plan": "sha256:12", "As of": "2026-11-23"}
    return Document(
        "weekly", title, "USD", "Buy 3 and save $12,000 a month.", (first, section), facts
    )


@pytest.fixture
def parcel() -> Parcel:
    return pack(report(), name="dlv_1", made_at=MADE)


@dataclass
class MailServer:
    """What was received, and the replies to come: each is used once, then all is taken."""

    port: int = 0
    received: list[bytes] = field(default_factory=list)
    recipients: list[list[str]] = field(default_factory=list)
    replies: list[str] = field(default_factory=list)
    refused: dict[str, str] = field(default_factory=dict)
    goodbye: str = "221 Bye"

    async def handle_QUIT(self, _: Any, __: Any, ___: Any) -> str:  # noqa: N802
        return self.goodbye

    async def handle_RCPT(  # noqa: N802 (aiosmtpd's names)
        self, _: Any, __: Any, envelope: Any, address: str, ___: Any
    ) -> str:
        if address in self.refused:
            return self.refused[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _: Any, __: Any, envelope: Any) -> str:  # noqa: N802
        if self.replies:
            return self.replies.pop(0)
        self.received.append(envelope.content)
        self.recipients.append([*envelope.rcpt_tos])
        return "250 OK"

    @property
    def messages(self) -> list[EmailMessage]:
        return [message_from_bytes(raw, policy=default) for raw in self.received]  # type: ignore[misc]


class FreePort(Controller):
    """Listens on any free port."""

    def _trigger_server(self) -> None:
        self.port = self.server.sockets[0].getsockname()[1]
        super()._trigger_server()


@pytest.fixture
def mail_server() -> Iterator[MailServer]:
    handler = MailServer()
    controller = FreePort(handler, hostname="127.0.0.1", port=0)
    controller.start()
    handler.port = controller.port
    yield handler
    controller.stop()


@dataclass
class WebServer:
    """What was posted, and the status codes to come: each is used once, then all is 200."""

    port: int = 0
    posted: list[dict[str, Any]] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    codes: list[int] = field(default_factory=list)


@pytest.fixture
def web_server() -> Iterator[WebServer]:
    state = WebServer()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            state.posted.append(json.loads(body))
            state.paths.append(self.path)
            code = state.codes.pop(0) if state.codes else 200
            self.send_response(code)
            self.end_headers()
            self.wfile.write(b"ok")

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    state.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    yield state
    server.shutdown()
    server.server_close()
    thread.join(5)
