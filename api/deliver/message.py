# SPDX-License-Identifier: Apache-2.0
"""What a message says of a report: its headline, warnings, key figures and first actions.

Lists instead of tables: chats do not show tables, and a mail is read on a phone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from optimizer.reporting.document import (
    Block,
    Document,
    Figure,
    Figures,
    Kind,
    Prose,
    Row,
    Section,
    Table,
)
from optimizer.reporting.render.markdown import escaped
from optimizer.reporting.render.values import change_shown, judged, shown

_ROWS = 5
_CELLS = 6
_LEFT = frozenset({"Currency", "Snapshot", "Seed"})  # facts that the report itself tells
_MOST = 3_500  # characters: what the tightest of the common chats takes in one message
_JUDGED = {"better": ", better", "worse": ", worse"}


def shortened(report: Document) -> Document:
    """The report in a message's length, for the HTML part of a mail."""
    warnings: list[Block] = [*_warnings(report)]
    blocks = [*warnings, *_figures(report), *(_cut(table) for table in _actions(report))]
    return replace(report, sections=(Section("summary", "In short", tuple(blocks)),))


def chat_text(report: Document) -> str:
    """Markdown that chats understand; names in it cannot mention people or format anything."""
    return _text(report, escaped, "**")


def mail_text(report: Document) -> str:
    """Plain text."""
    return _text(report, _plain, "")


def _text(report: Document, safe: Callable[[str], str], strong: str) -> str:
    lines = [f"{strong}{safe(report.headline)}{strong}"]
    lines += ["", *(safe(warning.text) for warning in _warnings(report))]
    for strip in _figures(report):
        lines += ["", *(f"- {_figure(each, report, safe)}" for each in strip.figures)]
    for table in _actions(report):
        lines += ["", f"{strong}{safe(table.title)}{strong}"]
        rows = [row for row in table.rows if not row.emphasis]
        left = len(rows) - _ROWS
        told = [f"- {_row(table, row, report, safe)}" for row in rows[:_ROWS]]
        lines += told or [safe(table.empty)]
        lines += [f"- and {left} more in the report"] if left > 0 else []
    lines += ["", *(f"{safe(k)}: {safe(v)}" for k, v in report.facts.items() if k not in _LEFT)]
    kept, size = [], 0
    for line in lines:
        size += len(line) + 1
        if size > _MOST:
            kept += ["", "The rest is in the report."]
            break
        if line or (kept and kept[-1]):
            kept.append(line)
    return "\n".join(kept) + "\n"


def _figure(figure: Figure, report: Document, safe: Callable[[str], str]) -> str:
    value = shown(figure.value, figure.kind, report.currency)
    unit = f" {figure.unit}" if figure.unit else ""
    change, verdict = change_shown(figure, report.currency), judged(figure)
    told = f" ({change}{_JUDGED.get(verdict, '')})" if change and verdict != "same" else ""
    return safe(f"{figure.title}: {value}{unit}{told}")


def _row(table: Table, row: Row, report: Document, safe: Callable[[str], str]) -> str:
    cells = []
    for column, value in zip(table.columns, row.values, strict=True):
        if value is None or value == "":
            continue
        text = shown(value, column.kind, report.currency)
        bare = column.kind in {Kind.text, Kind.state}
        cells.append(text if bare else f"{column.title} {text}")
    return safe(" · ".join(cells[:_CELLS]))


def _warnings(report: Document) -> Iterator[Prose]:
    """What the headline does not say already."""
    for block in report.blocks():
        if not isinstance(block, Prose) or block.tone not in {"warning", "bad"}:
            continue
        if block.text not in report.headline:
            yield block


def _figures(report: Document) -> list[Figures]:
    return [block for block in report.blocks() if isinstance(block, Figures)][:1]


def _actions(report: Document) -> list[Table]:
    """The first table that stands in the report: what to do."""
    return [block for block in report.blocks() if isinstance(block, Table)][:1]


def _cut(table: Table) -> Table:
    """The first rows and the first columns that say something: mail programs do not scroll."""
    rows = [row for row in table.rows if not row.emphasis]
    left = len(rows) - _ROWS
    said = [
        place
        for place in range(len(table.columns))
        if any(row.values[place] not in {None, ""} for row in rows[:_ROWS])
    ][:_CELLS]
    if not said:
        return table
    return replace(
        table,
        columns=tuple(table.columns[place] for place in said),
        rows=tuple(
            replace(row, values=tuple(row.values[place] for place in said)) for row in rows[:_ROWS]
        ),
        rest=f"{left} more rows are in the report." if left > 0 else "",
    )


def _plain(text: str) -> str:
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())
