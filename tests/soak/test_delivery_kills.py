# SPDX-License-Identifier: Apache-2.0
"""A server is killed between the mail server's yes and its own note of it."""

from __future__ import annotations

import asyncio
import sys
import threading
from email import message_from_bytes
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("aiosmtpd")

from aiosmtpd.controller import Controller

sys.path.insert(0, str(Path(__file__).parent))

from fleet import Fleet

from api.work import run_job

TINY = Path(__file__).parents[2] / "fixtures" / "tiny"


class Holding(Controller):
    """A mail server that takes a message and says so only when it is told to."""

    def __init__(self) -> None:
        self.got = threading.Event()
        self.received: list[bytes] = []
        self.hold = True
        super().__init__(self, hostname="127.0.0.1", port=0)

    def _trigger_server(self) -> None:
        self.port = self.server.sockets[0].getsockname()[1]
        super()._trigger_server()

    async def handle_DATA(self, _: Any, __: Any, envelope: Any) -> str:  # noqa: N802
        self.received.append(envelope.content)
        self.got.set()
        while self.hold:
            await asyncio.sleep(0.02)
        return "250 OK"


def test_a_mail_that_was_taken_and_not_noted_is_the_same_message_again(tmp_path):
    server = Holding()
    server.start()
    file = tmp_path / "destinations.toml"
    fleet = Fleet(tmp_path)
    name = fleet.store.tenant(fleet.tenant).name
    file.write_text(
        f'[{name}.finance]\nmail = ["a@example.com"]\nfrom = "g@example.com"\n'
        f'server = "smtp://127.0.0.1:{server.port}"\n'
    )
    fleet.env["GPUOPT_DESTINATIONS"] = str(file)
    settings = fleet.settings.model_copy(update={"destinations": file})
    try:
        snapshot = fleet.snapshot(TINY)
        plan = fleet.ask("plan", snapshot)
        run_job(fleet.store, fleet.tenant, plan, settings=settings)
        report = fleet.ask("report", snapshot, plan=plan, before=None)
        run_job(fleet.store, fleet.tenant, report, settings=settings)
        delivery = fleet.ask("delivery", snapshot, report=report, to="finance")
        killed = fleet.start()
        assert server.got.wait(60)
        fleet.kill(killed)  # the mail server has it, and nobody knows
        server.hold = False
        fleet.start()
        fleet.wait(60)
        assert fleet.check()["succeeded"] == 3
        assert run_job(fleet.store, fleet.tenant, delivery, settings=settings) is None
        ids = [message_from_bytes(raw)["Message-ID"] for raw in server.received]
        assert ids == [f"<{delivery}@example.com>"] * 2  # one message; none after the note
    finally:
        fleet.close()
        server.stop()
