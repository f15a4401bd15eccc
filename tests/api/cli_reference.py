# SPDX-License-Identifier: Apache-2.0
"""Writes docs/cli.md from the commands themselves: python tests/api/cli_reference.py."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from typer.main import get_command

from api.cli import app

FILE = Path(__file__).parents[2] / "docs" / "cli.md"
HEAD = """# The command line

Written by `python tests/api/cli_reference.py` from the commands themselves; a test compares.
stdout is the result, stderr is progress. Exit codes: 0 done · 1 error · 2 usage · 11 proven
infeasible · 13 data refused · 14 a pull that is partial · 130 interrupted; with
`--detailed-exitcode` also 10 changes recommended and 12 stopped short of the gap.
"""


def reference() -> str:
    """Return the page."""
    group: Any = get_command(app)
    parts = [HEAD, _table("gpuopt", group)]
    parts += [_table(f"gpuopt {name}", command) for name, command in group.commands.items()]
    return "\n".join(parts)


def _table(name: str, command: Any) -> str:
    rows = [_row(parameter) for parameter in command.params if not parameter.hidden]
    about = " ".join((command.help or "").split())
    table = ["| argument or option | meaning |", "|---|---|", *rows] if rows else []
    return "\n".join([f"## `{name}`", "", about, "", *table, ""])


def _row(parameter: Any) -> str:
    flags = [*parameter.opts, *parameter.secondary_opts]
    if parameter.param_type_name == "argument":
        flags = [str(parameter.metavar or parameter.name.upper())]
    about = " ".join(str(parameter.help or "").split()).replace("|", "\\|")
    return f"| {', '.join(f'`{flag}`' for flag in flags)} | {about} |"


if __name__ == "__main__":
    FILE.write_text(reference(), encoding="utf-8")
