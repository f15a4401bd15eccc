# SPDX-License-Identifier: Apache-2.0
"""``gpuopt anomalies``: what was not as expected, and who carries it."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from api.terminal import Form, Terminal
from optimizer.errors import UsageError

if TYPE_CHECKING:
    from rich.console import RenderableType

    from optimizer.planning.anomalies import Findings
    from optimizer.reporting.document import Section
    from optimizer.tables import Case

_LENGTH = re.compile(r"([1-9][0-9]{0,4})([hdw])")
_HOURS = {"h": 1, "d": 24, "w": 168}
_FIELDS = (
    "kind", "measure", "column", "value", "start", "end", "hours", "ongoing", "actual",
    "expected", "unit", "dollars", "bill", "carriers",
)  # fmt: skip


def register(app: typer.Typer, terminal: Terminal) -> None:
    """Add the command."""

    @app.command("anomalies")
    def anomalies_command(
        case: Annotated[Path, typer.Argument(metavar="CASE", help="folder of tables")],
        window: Annotated[
            str, typer.Option("--window", help="hours until now: 24h, 7d or 4w")
        ] = "7d",
        as_json: Annotated[bool, typer.Option("--json", help="same as --format json")] = False,
        form: Annotated[Form, typer.Option("--format", help="how to print it")] = Form.table,
        quiet: Annotated[bool, typer.Option("--quiet", help="no progress on stderr")] = False,
        no_color: Annotated[bool, typer.Option("--no-color", help="no colour")] = False,
    ) -> None:
        """Find what ran or cost otherwise than expected in CASE, by dollars, and who carries it.

        Usage of each meter, cost by account and tag, the bill, requests and tokens are judged
        hour by hour against the weeks before; see docs/anomalies.md.
        """
        machine = as_json or form is Form.json
        with terminal.errors(machine=machine):
            hours = _window(window)
            progress = terminal.progress(quiet)
            progress("reading tables")
            from optimizer.planning import to_json
            from optimizer.planning.anomalies import findings_of
            from optimizer.tables import read_case

            opened = read_case(case)
            now = opened.settings.as_of
            progress("judging series")
            findings = findings_of(opened, now - hours, now)
            if machine:
                terminal.write(to_json(findings_document(opened, findings)) + "\n")
            elif form is Form.csv:
                terminal.write(_csv(findings))
            elif form is Form.md:
                terminal.write("\n".join(_markdown(_section(findings))) + "\n")
            else:
                terminal.show(_page(_section(findings)), no_color)


def findings_document(case: Case, findings: Findings) -> dict[str, Any]:
    """The findings with what they are of."""
    return {
        "schema_version": "1.0",
        "currency": case.settings.currency,
        "snapshot": case.snapshot,
        **findings.as_dict(),
    }


def _window(text: str) -> int:
    length = _LENGTH.fullmatch(text.strip())
    if length is None:
        raise UsageError(f"'{text}' is no window. To mend it: write a length such as 24h, 7d or 4w")
    return int(length[1]) * _HOURS[length[2]]


def _section(findings: Findings) -> Section:
    from optimizer.reporting.sections.anomalies import anomaly_section

    return anomaly_section(findings, most=len(findings.anomalies))


def _csv(findings: Findings) -> str:
    out = io.StringIO()
    writer = csv.DictWriter(out, _FIELDS, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    for anomaly in findings.anomalies:
        row = anomaly.as_dict()
        row["carriers"] = json.dumps(row["carriers"], ensure_ascii=False)
        row["ongoing"] = "true" if row["ongoing"] else "false"
        writer.writerow({key: _safe(value) for key, value in row.items()})
    return out.getvalue()


def _safe(value: Any) -> Any:
    """A text that a spreadsheet would take for a formula begins with an apostrophe."""
    return (
        f"'{value}" if isinstance(value, str) and re.match(r"[=+@\t\r]|-[^0-9.]", value) else value
    )


def _cells(section: Section) -> Iterator[tuple[list[str], list[list[str]]]]:
    from optimizer.reporting.document import Table

    for block in section.blocks:
        if isinstance(block, Table):
            titles = [column.title for column in block.columns]
            yield titles, [[_text(value) for value in row.values] for row in block.rows]


def _text(value: Any) -> str:
    from datetime import datetime
    from decimal import Decimal

    if value is None:
        return ""
    if isinstance(value, Decimal):
        return f"{value:+,.2f}" if abs(value) < 1000 else f"{value:+,.0f}"
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M}Z"
    return str(value)


def _page(section: Section) -> RenderableType:
    from rich.console import Group
    from rich.text import Text

    from optimizer.reporting.document import Prose, Table
    from optimizer.reporting.layout import section as heading
    from optimizer.reporting.layout import table

    parts: list[RenderableType] = [heading(section.title)]
    parts += [Text(block.text) for block in section.blocks if isinstance(block, Prose)]
    for titles, rows in _cells(section):
        numbers = {"Hours", "Above expected", "Effect on the bill"}
        made = table(*(f">{title}" if title in numbers else title for title in titles))
        for row in rows:
            made.add_row(*(Text(cell) for cell in row))
        parts += [Text(), made]
    for block in section.blocks:
        if isinstance(block, Table) and block.note:
            parts += [Text(), Text(block.note, style="dim")]
    return Group(*parts)


def _markdown(section: Section) -> Iterator[str]:
    from optimizer.reporting.document import Prose

    yield f"## {section.title}"
    for block in section.blocks:
        if isinstance(block, Prose):
            yield from ("", block.text)
    for titles, rows in _cells(section):
        yield from ("", f"| {' | '.join(titles)} |", "|---" * len(titles) + "|")
        for row in rows:
            yield f"| {' | '.join(_escaped(cell) for cell in row)} |"


def _escaped(cell: str) -> str:
    return re.sub(r"([\\|`*_<>\[\]])", r"\\\1", " ".join(cell.split()))
