# SPDX-License-Identifier: Apache-2.0
"""``gpuopt costs`` as a document, and as people read it in a terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.text import Text

from optimizer.planning.spend import Compared, Intent, OverTime, Spend, UnitCost
from optimizer.reporting.document import Document, Prose, Section, Table
from optimizer.reporting.layout import percent, section
from optimizer.reporting.layout import table as make_table
from optimizer.reporting.render.values import RIGHT, money, shown
from optimizer.reporting.sections.intent import intent_section
from optimizer.reporting.sections.spend import rules_text
from optimizer.reporting.sections.unit_costs import unit_costs_table
from optimizer.reporting.spend_tables import (
    GROUPS,
    costs_table,
    over_time_table,
    title_of,
    waterfall_table,
)


def costs_report(
    spend: Spend,
    compared: Compared,
    *,
    units: tuple[str | None, Sequence[UnitCost]] | None = None,
    intent: Intent | None = None,
    steps: OverTime | None = None,
    top: int | None = None,
    total: bool = True,
) -> Document:
    """What ``gpuopt costs`` tells; ``top`` rows of each table (``None``: all).

    Without ``total`` tables are for files: groups alone, and all of them.
    """
    now = compared.now
    waterfall = any(group.steps is not None for group in now.groups)
    sections = []
    if units is not None:
        column, rows = units
        made = unit_costs_table([(column, row) for row in rows], top)
        sections.append(Section("unit_costs", "What a unit costs", (made,)))
    blocks: list[Table | Prose] = [
        costs_table(compared, top, "spend", title_of(now.by), waterfall=waterfall, total=total)
    ]
    if steps is not None:
        blocks.append(over_time_table(steps, GROUPS if total else len(steps.courses)))
    if waterfall and now.by:
        blocks.append(waterfall_table(compared, top))
    blocks += [Prose(note, "warning") for note in now.notes]
    blocks.append(Prose(rules_text(compared)))
    sections.append(Section("spend", "Who spent it", tuple(blocks)))
    if intent is not None:
        sections.append(intent_section(intent))
    return Document(
        name="costs",
        title="Costs",
        currency=spend.case.settings.currency,
        headline=_headline(compared, spend.case.settings.currency),
        sections=tuple(sections),
        facts={"window": now.window.text, "snapshot": spend.case.snapshot},
    )


def _headline(compared: Compared, currency: str) -> str:
    now, past = compared.now, compared.past
    told = f"{money(now.total, currency, places=2)} in {now.window.text}"
    if past is None:
        return f"{told}; of the window before not all usage is known."
    change = now.total - past.total
    share = percent(abs(float(change / past.total))) if past.total else "n/a"
    way = "more" if change >= 0 else "less"
    amount = money(abs(change), currency, places=2)
    return f"{told}, {amount} ({share}) {way} than in the window before."


def costs_page(report: Document) -> RenderableType:
    """The page of ``gpuopt costs``."""
    parts: list[RenderableType] = [Text(report.headline)]
    for each in report.sections:
        for block in each.blocks:
            if isinstance(block, Table):
                parts += [section(block.title), *_table(block, report.currency)]
            elif isinstance(block, Prose):
                parts.append(Text(block.text, style="yellow" if block.tone == "warning" else "dim"))
    return Group(*parts)


def _table(table: Table, currency: str) -> list[RenderableType]:
    made = make_table(
        *(f"{'>' if column.kind in RIGHT else ''}{column.title}" for column in table.columns)
    )
    for row in table.rows:
        cells = [
            Text(" ".join(shown(value, column.kind, currency).split()))
            for value, column in zip(row.values, table.columns, strict=True)
        ]
        made.add_row(*cells, style="bold" if row.emphasis else None)
    parts: list[RenderableType] = [made if table.rows else Text(table.empty)]
    parts += [Text(text, style="dim") for text in (table.note, table.rest) if text]
    return parts
