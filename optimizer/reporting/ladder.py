# SPDX-License-Identifier: Apache-2.0
"""Pages of plans for several futures: the range of the bill, the ladder, what is locked in."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from optimizer.reporting.layout import dollars, percent, section, table

Document = Mapping[str, Any]

_MARKS = {"buy": "+", "buy_later": "+", "end": "-", "start": "=", "cancel": "~"}
_SHOWN = 12
_MONTHS = (0, 3, 6, 12, 24, 36)


def futures_sections(document: Document) -> Iterator[RenderableType]:
    """What a plan page says of its futures; nothing for a plan with one."""
    if "scenarios" not in document:
        return
    yield section(f"The bill in {len(document['scenarios'])} futures")
    yield _ranges(document)
    yield section("Ladder: the next twelve months")
    yield _calendar(document["ladder"], _SHOWN)
    yield from (Text(line, style="dim") for line in triggers(document["ladder"])[:_SHOWN])
    yield section("Locked in: what is still owed")
    yield _owed(document["lock_in"])


def ladder_page(document: Document) -> RenderableType:
    """The page of ``gpuopt ladder``."""
    scope = f"   {document['currency']} · snapshot {document['snapshot'][7:19]}"
    scope += f" · as of {document['as_of'][:10]}"
    parts: list[RenderableType] = [
        Text.assemble(
            ("gpuopt ladder", "bold"),
            (scope, "dim"),
        ),
        Text(),
        _calendar(document["ladder"], len(document["ladder"])),
    ]
    lines = triggers(document["ladder"])
    if lines:
        parts += [section("What would change the advice"), *map(Text, lines)]
    if document.get("worth_of_waiting") is not None:
        parts += [
            Text(),
            Text(
                "Buying later what can wait is worth at least "
                f"{dollars(document['worth_of_waiting'])} over the terms, on average."
            ),
        ]
    if "scenarios" not in document:
        parts += [
            Text(),
            Text("One future is planned for: set [demand] scenarios for later purchases."),
        ]
    bought = sum(row["action"] == "buy" for row in document["ladder"])
    later = sum(row["action"] == "buy_later" for row in document["ladder"])
    parts += [Text(), Text(f"Ladder: {bought} to buy now, {later} later.", style="bold")]
    return Group(*parts)


def triggers(rows: Sequence[Document]) -> list[str]:
    """What would change the advice, in sentences."""
    lines = []
    for row in rows:
        if row["action"] != "buy_later":
            continue
        text = f"{row['date'][:10]}: {_span(row)} of {row['offer']}"
        found = row["trigger"]
        if found is None:
            lines.append(f"{text}, whatever is seen until then.")
            continue
        side = next((side for side in ("above", "below") if side in found), None)
        if side is None:
            lines.append(f"{text} in {row['odds']:.0%} of the futures, by the path until then.")
            continue
        unit = "units" if found["measure"] == "units" else "$/h"
        lines.append(
            f"{text} if from {found['from'][:10]} on what it could cover was {side} "
            f"{found[side]:,.4g} {unit} on average."
        )
    return lines


def _ranges(document: Document) -> Table:
    made = table("", ">expected", ">P10", ">P50", ">P90", ">worst tail (CVaR)", ">regret at most")
    rows = document["scenarios"]
    known = all("regret" in row for row in rows)
    regret = sum((row["regret"] * Decimal(repr(row["odds"])) for row in rows if known), Decimal(0))
    made.add_row(
        "with the plan",
        *(dollars(document[key]) for key in ("expected", "p10", "p50", "p90", "cvar")),
        dollars(regret if known else None),
    )
    return made


def _calendar(rows: Sequence[Document], shown: int) -> RenderableType:
    made = table("", "date", "offer or commitment", ">amount", ">chance", ">upfront", "latest", "")
    for row in rows[:shown]:
        if "expected" not in row:
            word = {"end": "ends", "start": "begins", "cancel": "last day to cancel"}
            made.add_row(
                _MARKS[row["action"]], row["date"][:10], row["name"], f"{row['quantity']:,g}",
                "", "", "", word[row["action"]],
            )  # fmt: skip
            continue
        cash = row["upfront"] * Decimal(repr(row["expected"]))
        left = row["beyond_horizon"] / row["term_hours"]
        made.add_row(
            _MARKS[row["action"]], row["date"][:10], row["offer"], _span(row),
            percent(row["odds"]), dollars(cash), (row["latest"] or "")[:10],
            f"{left:.0%} of its term lies behind the horizon" if left else "",
        )  # fmt: skip
    if len(rows) <= shown:
        return made
    return Group(
        made, Text(f"  … and {len(rows) - shown} more: gpuopt ladder, or --json", style="dim")
    )


def _span(row: Document) -> str:
    low, high = row["low"], row["high"]
    text = f"{low:,g}" if low == high else f"{low:,g} to {high:,g}"
    return text if row["measure"] == "units" else f"${text}/h"


def _owed(rows: Sequence[Document]) -> Table:
    made = table("", *(f">{_month(at, rows)}" for at in _MONTHS if at < len(rows)))
    for label, key in (("held", "held"), ("bought now", "bought")):
        made.add_row(label, *(dollars(rows[at][key]) for at in _MONTHS if at < len(rows)))
    return made


def _month(at: int, rows: Sequence[Document]) -> str:
    return str(rows[at]["month"][:10])
