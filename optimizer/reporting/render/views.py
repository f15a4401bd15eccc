# SPDX-License-Identifier: Apache-2.0
"""What the templates show of each block: texts and classes, nothing left to reckon."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from markupsafe import Markup, escape

from optimizer.reporting.charts import svg, theme
from optimizer.reporting.document import Block as AnyBlock
from optimizer.reporting.document import (
    Chart,
    Column,
    Document,
    Figure,
    Figures,
    Kind,
    Prose,
    Row,
    Section,
    Table,
    Value,
)
from optimizer.reporting.render.plain import plain_value
from optimizer.reporting.render.values import (
    NOTHING,
    RIGHT,
    change_of,
    change_shown,
    headed,
    judged,
    shown,
    unit_beside,
)

View = dict[str, Any]
Draw = Callable[[Chart, bool], str]

MOST_STACKED = 60  # rows that a phone shows one under the other; longer tables scroll
_WORDS = {"warning": "Note:", "bad": "Attention:"}
_NARROW = frozenset({Kind.day, Kind.moment, Kind.state})
_NUMBER = re.compile(r"\d+")
_JOINTS = re.compile(r"(/)(?=[^\s/]{2})")
_MOST_SOURCES = 6
_SHADES = 5  # classes h0 to h5 of the style sheet


def drawn(chart: Chart, narrow: bool) -> str:
    """Return a chart as SVG whose colours are variables of the page: light and dark in one."""
    return theme.bound(svg(chart, narrow=narrow))


@dataclass
class Notes:
    """Formulas in the order in which they are met; the same text is one note."""

    prefix: str
    found: dict[tuple[str, str], View] = field(default_factory=dict)

    def add(self, title: str, text: str) -> View | None:
        """Return the note of a formula."""
        if not text:
            return None
        number = len(self.found) + 1
        note = {"id": f"{self.prefix}-{number}", "number": number, "title": title, "text": text}
        return self.found.setdefault((title, text), note)

    def all(self) -> list[View]:
        """All notes, in order."""
        return list(self.found.values())


@dataclass(frozen=True)
class Look:
    """How blocks are shown.

    Parameters
    ----------
    currency
        ISO 4217, of every money value.
    level
        The heading level of a section; its blocks are one deeper.
    draw
        Returns the SVG of a chart, wide or narrow, in colours of the page; ``None`` shows the
        table alone.
    notes
        Where formulas are collected for one list at the end; without it each block lists its own.
    csv
        Returns where a table is to be had as CSV.
    link
        Returns where a cell of a table leads: its table, column, row key and value are given.
    specs
        Whether charts carry their Vega-Lite specification for a script that draws them.
    """

    currency: str
    level: int = 2
    draw: Draw | None = drawn
    notes: Notes | None = None
    csv: Callable[[Table], str] | None = None
    link: Callable[[Table, Column, str, Value], str] | None = None
    specs: bool = False


def section_view(section: Section, look: Look) -> View:
    """A section with all its blocks."""
    return {
        "id": f"s-{_id(section.name)}",
        "title": section.title,
        "level": look.level,
        "blocks": [block_view(block, look) for block in section.blocks],
    }


def block_view(block: AnyBlock, look: Look) -> View:
    """Any block; ``type`` says which."""
    match block:
        case Prose():
            return prose_view(block)
        case Figures():
            return figures_view(block, look)
        case Chart():
            return chart_view(block, look)
        case Table():
            return table_view(block, look)


def prose_view(prose: Prose) -> View:
    """A paragraph."""
    word = _WORDS.get(prose.tone, "")
    return {"type": "prose", "text": prose.text, "tone": prose.tone, "word": word}


def figures_view(figures: Figures, look: Look) -> View:
    """A strip of key figures with their changes."""
    notes = look.notes or Notes(f"n-{_id(figures.name)}")
    return {
        "type": "figures",
        "figures": [_figure(figure, notes, look.currency) for figure in figures.figures],
        "notes": notes.all() if look.notes is None else [],
    }


def _figure(figure: Figure, notes: Notes, currency: str) -> View:
    value = "n/a" if figure.value is None else shown(figure.value, figure.kind, currency)
    change = change_of(figure) or 0
    return {
        "title": figure.title,
        "value": value,
        "unit": figure.unit if figure.value is not None else "",
        "before": shown(figure.before, figure.kind, currency),
        "change": change_shown(figure, currency),
        "arrow": "▲" if change > 0 else "▼" if change < 0 else "=",
        "judged": judged(figure),
        "formula": notes.add(figure.title, figure.formula),
        "note": figure.note,
    }


def table_view(table: Table, look: Look, *, heading: bool = True) -> View:
    """A table: its columns, its rows as texts, and where they come from."""
    notes = look.notes or Notes(f"n-{_id(table.name)}")
    stack = table.stack and len(table.rows) <= MOST_STACKED
    columns = [
        {
            "title": column.title,
            "unit": unit_beside(column),
            "label": headed(column),
            "right": column.kind in RIGHT,
            "note": notes.add(column.title, column.formula),
        }
        for column in table.columns
    ]
    return {
        "type": "table",
        "id": f"t-{_id(table.name)}",
        "title": table.title,
        "heading": heading,
        "level": look.level + 1,
        "columns": columns,
        "rows": [
            {
                "cells": [
                    _cell(table, column, row, value, look)
                    for column, value in zip(table.columns, row.values, strict=True)
                ],
                "emphasis": row.emphasis,
                "source": row.source,
            }
            for row in table.rows
        ],
        "stack": stack,
        "note": table.note,
        "rest": table.rest,
        "empty": table.empty,
        "sources": _sources(table),
        "csv": look.csv(table) if look.csv is not None else "",
        "notes": notes.all() if look.notes is None else [],
    }


def _cell(table: Table, column: Column, row: Row, value: Value, look: Look) -> View:
    # A total has nothing to say of most columns; an entry that lacks a value says so.
    blank = row.emphasis and value is None
    text = "" if blank else shown(value, column.kind, look.currency)
    css = "r" if column.kind in RIGHT else "w" if column.kind in _NARROW else "t"
    if text == NOTHING:
        css += " na"
    elif column.heat and isinstance(value, int | float | Decimal):
        css += f" h{min(_SHADES, max(0, int(float(value) * _SHADES)))}"
    return {
        "text": broken(text) if column.kind is Kind.text else text,
        "cls": css,
        "state": column.kind is Kind.state and bool(text) and text != NOTHING,
        "link": look.link(table, column, row.key, value) if look.link is not None else "",
    }


def broken(text: str) -> Markup:
    """Text whose paths and names may be broken behind a slash or an underscore."""
    return Markup(_JOINTS.sub(r"\1<wbr>", str(escape(text))))  # noqa: S704, escaped before


def _sources(table: Table) -> str:
    """Where the rows are from, each kind of place once: ``purchases[0]`` … as one."""
    kinds: dict[str, dict[str, None]] = {}
    for row in table.rows:
        of, found, places = _NUMBER.sub("…", row.source).partition(": ")
        kinds.setdefault(of, {}).update(dict.fromkeys(places.split(", ") if found else ()))
    kinds.pop("", None)
    if sum(map(len, kinds.values())) + len(kinds) > _MOST_SOURCES:
        return "each row names its own where a pointer rests on it"
    told = (f"{of}: {', '.join(places)}" if places else of for of, places in kinds.items())
    return " · ".join(told)


def chart_view(chart: Chart, look: Look, *, heading: bool = True) -> View:
    """A chart, drawn for wide and narrow pages, with the table of its numbers."""
    wide, narrow = ("", "")
    if look.draw is not None:
        wide, narrow = (
            isolated(look.draw(chart, slim), f"{_id(chart.name)}-{'n' if slim else 'w'}")
            for slim in (False, True)
        )
    return {
        "type": "chart",
        "id": f"c-{_id(chart.name)}",
        "name": chart.name,
        "title": chart.title,
        "summary": chart.summary,
        "heading": heading,
        "level": look.level + 1,
        "wide": Markup(wide),  # noqa: S704, drawn by us, with names escaped as XML
        "narrow": Markup(narrow),  # noqa: S704, likewise
        "spec": Markup(_script(chart.spec)) if look.specs else "",  # noqa: S704, no < is left
        "table": table_view(chart.table, look, heading=False),
    }


def page_view(document: Document, look: Look) -> View:
    """A whole report."""
    return {
        "title": document.title,
        "headline": document.headline,
        "sections": [section_view(section, look) for section in document.sections],
        "facts": list(document.facts.items()),
        "notes": look.notes.all() if look.notes is not None else [],
    }


_IDS = re.compile(r'(\bid="|url\(#|href="#)([^")]+)')


def isolated(svg: str, prefix: str) -> str:
    """Return an SVG whose ids are no other drawing's of the same page."""
    return _IDS.sub(lambda found: f"{found[1]}{prefix}-{found[2]}", svg)


def _script(spec: Any) -> str:
    """JSON that no browser takes for the end of its script."""
    text = json.dumps(plain_value(spec), allow_nan=False, ensure_ascii=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _id(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9_-]", "-", name)
