# SPDX-License-Identifier: Apache-2.0
"""``gpuopt export``: the routes and replicas of a plan, for what runs them."""

from __future__ import annotations

import json
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from api.terminal import Terminal
from optimizer.errors import UsageError


class Target(StrEnum):
    """What an export is for."""

    litellm = "litellm"
    gateway = "gateway"
    autoscaler = "autoscaler"


def register(app: typer.Typer, terminal: Terminal) -> None:
    """Add the command."""

    @app.command("export")
    def export_command(
        plan: Annotated[Path, typer.Argument(metavar="PLAN", help="a plan's JSON")],
        to: Annotated[Target, typer.Option("--to", help="what it is for")],
        hour: Annotated[
            str | None,
            typer.Option("--hour", help="as 2026-11-21T14:00:00Z; default: the whole horizon"),
        ] = None,
        parent: Annotated[
            str, typer.Option("--gateway", metavar="NAME", help="gateway: its name")
        ] = "inference",
        port: Annotated[
            int, typer.Option("--port", min=1, max=65535, help="gateway: port of the Services")
        ] = 8000,
        output: Annotated[
            Path | None, typer.Option("-o", "--output", metavar="FILE", help="write it here")
        ] = None,
    ) -> None:
        """Write the routes of PLAN for a LiteLLM router or a gateway, or its replicas by hour.

        Hours need a plan that was written with --detail.
        """
        with terminal.errors(machine=False):
            text = exported(read_plan(plan), to, hour, parent, port)
            if output is None:
                terminal.write(text)
            else:
                terminal.save(output, text)


def exported(document: dict[str, Any], to: Target, hour: str | None, parent: str, port: int) -> str:
    """Return the text of an export."""
    from optimizer.reporting.exports import autoscaler, gateway, litellm
    from optimizer.tables import format_hour, parse_hour

    when = None if hour is None else format_hour(parse_hour(hour))
    if to is Target.litellm:
        return litellm(document, when)
    if to is Target.gateway:
        return gateway(document, when, parent, port)
    return autoscaler(document, when)


def read_plan(path: Path) -> dict[str, Any]:
    """Read a plan's JSON.

    Raises
    ------
    UsageError
        If it cannot be read, or is no plan.
    """
    mend = "To mend it: name a file that gpuopt plan -o wrote"
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}. {mend}") from None
    except (ValueError, RecursionError):
        raise UsageError(f"{path} is not a plan: it is no JSON. {mend}") from None
    if not isinstance(document, dict) or not {"plan", "status", "snapshot"} <= document.keys():
        raise UsageError(f"{path} is not a plan. {mend}")
    return document
