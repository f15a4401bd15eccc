# SPDX-License-Identifier: Apache-2.0
"""A report as Markdown for chat and pull requests, as GitHub renders it."""

from __future__ import annotations

import re

from optimizer.reporting.document import Block as AnyBlock
from optimizer.reporting.document import Chart, Document, Figure, Figures, Prose, Row, Table
from optimizer.reporting.render.values import NOTHING, RIGHT, change_shown, headed, judged, shown

MOST_ROWS = 25  # a comment of a pull request holds 65,536 characters
_SPECIAL = re.compile(r"([\\`*_\[\]|~])")
_MATH = re.compile(r"\$(?![0-9])")
_CODE = re.compile(r":(?=[0-9_+-]*[a-z][a-z0-9_+-]*:)")
_LEADING = re.compile(r"^(\s*)([#>+-]|[0-9]+[.)])(?=\s|$)")
_JOINER = "\u2060"  # nothing to see; it keeps a name from being a mention or an emoji's code
_MARKS = {"better": " (better)", "worse": " (worse)"}
_TONES = {"good": "> [!TIP]", "warning": "> [!WARNING]", "bad": "> [!CAUTION]"}


def markdown(document: Document) -> str:
    """Return a report as Markdown; the first line names it, so that a bot finds its comment.

    The marker is a link definition that shows nothing, as Infracost's comments have it: who
    posts the text looks for a comment that begins so and replaces it.
    """
    lines = [
        marker(document.name),
        "",
        f"# {escaped(document.title)}",
        "",
        f"**{escaped(document.headline)}**",
    ]
    for section in document.sections:
        lines += ["", f"## {escaped(section.title)}"]
        for block in section.blocks:
            lines += ["", *_block(block, document.currency)]
    if document.facts:
        lines += ["", "---", ""]
        lines += [f"- {escaped(name)}: {escaped(fact)}" for name, fact in document.facts.items()]
    return "\n".join(lines) + "\n"


def marker(name: str) -> str:
    """Return the first line of a report's Markdown."""
    return f"[//]: <> (gpuopt-report, name={re.sub('[^A-Za-z0-9_-]', '-', name)})"


def escaped(text: str) -> str:
    """Return a text in one line, which Markdown and HTML take as text and nothing else."""
    line = "".join(c if c.isprintable() else " " for c in text)
    line = _SPECIAL.sub(r"\\\1", line)
    line = line.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    line = _MATH.sub(r"\\$", line)
    line = _CODE.sub(f":{_JOINER}", line).replace("@", f"@{_JOINER}")
    return _LEADING.sub(r"\1\\\2", line) if not line[:1].isdigit() else _numbered(line)


def _numbered(line: str) -> str:
    """A line that begins like the entry of a numbered list is none."""
    return re.sub(r"^([0-9]+)([.)])(?=\s|$)", r"\1\\\2", line)


def _block(block: AnyBlock, currency: str) -> list[str]:
    match block:
        case Prose():
            text = escaped(block.text)
            return [_TONES[block.tone], f"> {text}"] if block.tone in _TONES else [text]
        case Figures():
            return _figures(block, currency)
        case Chart():
            return [f"*{escaped(block.summary)}*", "", *_table(block.table, currency, folded=True)]
        case Table():
            return _table(block, currency)


def _figures(figures: Figures, currency: str) -> list[str]:
    changes = any(figure.before is not None for figure in figures.figures)
    lines = ["| figure | value |" + (" before | change |" if changes else "")]
    lines.append("|:--|--:|" + ("--:|--:|" if changes else ""))
    for figure in figures.figures:
        cells = [escaped(figure.title), _of(figure, currency)]
        if changes:
            was = escaped(shown(figure.before, figure.kind, currency))
            cells += [was, escaped(change_shown(figure, currency)) + _MARKS.get(judged(figure), "")]
        lines.append(f"| {' | '.join(cells)} |")
    formulas = [
        f"- {escaped(figure.title)}: {escaped(figure.formula)}"
        for figure in figures.figures
        if figure.formula
    ]
    notes = [escaped(figure.note) for figure in figures.figures if figure.note]
    return [*lines, *(line for note in notes for line in ("", note)), *_folded(formulas)]


def _of(figure: Figure, currency: str) -> str:
    text = shown(figure.value, figure.kind, currency)
    return escaped(f"{text} {figure.unit}" if figure.unit and text != NOTHING else text)


def _table(table: Table, currency: str, *, folded: bool = False) -> list[str]:
    heading = f"### {escaped(table.title)}"
    if not table.rows:
        return [heading, "", escaped(table.empty)]
    columns = table.columns
    titles = [headed(column) for column in columns]
    lines = [
        f"| {' | '.join(map(escaped, titles))} |",
        "|" + "|".join("--:" if c.kind in RIGHT else ":--" for c in columns) + "|",
    ]
    few = _few(table)
    for row in few:
        cells = [
            "" if row.emphasis and value is None else escaped(shown(value, column.kind, currency))
            for value, column in zip(row.values, columns, strict=True)
        ]
        if row.emphasis:
            cells = [f"**{cell}**" if cell else "" for cell in cells]
        lines.append(f"| {' | '.join(cells)} |")
    formulas = [f"- {escaped(c.title)}: {escaped(c.formula)}" for c in columns if c.formula]
    told = [escaped(text) for text in (table.note, table.rest) if text]
    if len(few) < len(table.rows):
        left = len(table.rows) - len(few)
        told.append(f"{left:,} more rows are in {table.name}.csv and in the JSON.")
    lines += [line for text in told for line in ("", text)] + _folded(formulas)
    if folded:
        return _details(table.title, lines)
    return [heading, "", *lines]


def _few(table: Table) -> list[Row]:
    """The first rows, and every total."""
    if len(table.rows) <= MOST_ROWS:
        return list(table.rows)
    totals = [row for row in table.rows[MOST_ROWS:] if row.emphasis]
    return [*table.rows[: MOST_ROWS - len(totals)], *totals]


def _folded(formulas: list[str]) -> list[str]:
    return ["", *_details("How these numbers are made", formulas)] if formulas else []


def _details(title: str, lines: list[str]) -> list[str]:
    return ["<details>", f"<summary>{escaped(title)}</summary>", "", *lines, "", "</details>"]
