# SPDX-License-Identifier: Apache-2.0
"""What pages say of many futures: the range of the bill, the ladder, what is locked in."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from optimizer.reporting.layout import dollars, percent, section, table

Document = Mapping[str, Any]

_MARKS = {"buy": "+", "buy_later": "+", "end": "-", "start": "=", "cancel": "~", "renew": "+",
          "release": "-", "may_release": "~"}  # fmt: skip
_WORDS = {
    "end": "ends",
    "start": "begins",
    "cancel": "last day to cancel",
    "renew": "the plan counts on buying it again",
    "release": "give back",
    "may_release": "may be given back from here on",
}
_DOUBTED = 3  # purchases that are least sure to pay back
_CLOSE = 0.9
_SHOWN = 12
_MONTHS = (0, 3, 6, 12, 24, 36)


def futures_sections(document: Document) -> Iterator[RenderableType]:
    """What a plan page says of its futures, or of those its purchases are replayed in."""
    if "scenarios" not in document:
        yield from _one_future(document)
        return
    yield section(f"The bill in {len(document['scenarios'])} futures")
    yield _ranges(document)
    yield section("Ladder: the next twelve months")
    yield _calendar(document["ladder"], _SHOWN)
    yield from (Text(line, style="dim") for line in triggers(document["ladder"])[:_SHOWN])
    yield section("Locked in: cost of the terms to run")
    yield _owed(document["lock_in"])


def _one_future(document: Document) -> Iterator[RenderableType]:
    """The sections of a plan for one future; short, as purchases stand on the page already."""
    if "ladder" not in document:
        return
    ranges = document["ranges"]
    if "absent" not in ranges:
        yield section(f"The bill in {ranges['futures']} forecast futures, with the same purchases")
        yield _replayed(document)
        if ranges["history_hours"] < document["horizon_hours"]:
            yield Text(_stretched(document), style="dim")
    ladder = document["ladder"]
    bought = [row for row in ladder if row["action"] == "buy"]
    if not ladder:
        return
    yield section("Ladder: the next twelve months")
    if bought:
        yield Text(f"+  {bought[0]['date'][:10]}  {_above(len(bought))}")
    dated = [row for row in ladder if row["action"] != "buy" or row["latest"]]
    if any("expected" in row for row in dated):
        yield _calendar(dated, _SHOWN)
    elif dated:
        yield _dates(dated)
    yield from map(Text, _changes(bought))
    yield section("Locked in: cost of the terms to run")
    yield _owed(document["lock_in"])


def _stretched(document: Document) -> str:
    """That the futures reach further than what they were learnt from, and how far they went."""
    ranges, week = document["ranges"], 168
    told = (
        f"{ranges['history_hours'] // week} weeks of history, stretched over "
        f"{document['horizon_hours'] // week}: read the range as rough."
    )
    if "baseline" not in ranges or not document.get("baseline"):
        return told
    more = ranges["baseline"]["expected"] / document["baseline"] - 1
    return f"{told} Without the plan these futures cost {more:+.0%} against demand as planned."


def _above(count: int) -> str:
    return "the purchase above" if count == 1 else f"the {count} purchases above"


def _replayed(document: Document) -> Table:
    """Ranges of a plan for one future."""
    ranges = document["ranges"]
    keys = ("expected", "p10", "p50", "p90")
    worst = f">mean of dearest {1 - ranges['cvar_alpha']:.0%}"
    made = table("", *(f">{k if k == 'expected' else k.upper()}" for k in keys), worst)
    if "baseline" in ranges:
        rows = ranges["baseline"]
        made.add_row("without the plan", *(dollars(rows[k]) for k in (*keys, "cvar")))
    made.add_row("with the plan", *(dollars(document[k]) for k in (*keys, "cvar")))
    if "savings" in ranges:
        made.add_row("saves", *(dollars(ranges["savings"][k]) for k in keys), "")
    return made


def _changes(bought: Sequence[Document]) -> Iterator[str]:
    """What would change the advice of today: the purchases that are least sure."""
    known = [row for row in bought if "pays_back" in row]
    if known:
        sure = sum(row["pays_back"] == 1 for row in known)
        yield f"{sure} of {len(known)} purchases pay back within the horizon in every future."
    bundles: dict[str, Document] = {}
    for row in bought:
        if "pays_down_to" in row:
            bundles.setdefault(row["bundle"] or row["offer"], row)
    doubted = [row for row in bundles.values() if row.get("pays_back", 1.0) < 1 or _close(row)]
    doubted.sort(key=lambda row: (row.get("pays_back", 1.0), -(row["pays_down_to"] or 2.0)))
    for row in doubted[:_DOUBTED]:
        level = row["pays_down_to"]
        told = [f"pays back in {row['pays_back']:.0%} of them"] if "pays_back" in row else []
        told.append(
            "not within the horizon as planned"
            if level is None
            else f"as planned, down to {level:.0%} of the demand"
        )
        name = f"bundle {row['bundle']}" if row["bundle"] else row["offer"]
        yield f"Least sure: {name}, {'; '.join(told)}."


def _close(row: Document) -> bool:
    """Whether little less demand than planned makes a purchase not pay."""
    return row["pays_down_to"] is None or row["pays_down_to"] > _CLOSE


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


def _dates(rows: Sequence[Document]) -> Table:
    """A calendar without purchases."""
    made = table("", "date", "offer or commitment", ">amount", "")
    for row in rows[:_SHOWN]:
        made.add_row(
            _MARKS[row["action"]],
            row["date"][:10],
            row["name"],
            f"{row['quantity']:,g}",
            _WORDS[row["action"]] + _renewed(row) + _released(row),
        )
    return made


def _calendar(rows: Sequence[Document], shown: int) -> RenderableType:
    made = table("", "date", "offer or commitment", ">amount", ">chance", ">upfront", "latest", "")
    for row in rows[:shown]:
        if "expected" not in row:
            made.add_row(
                _MARKS[row["action"]], row["date"][:10], row["name"], f"{row['quantity']:,g}",
                "", "", "", _WORDS[row["action"]] + _renewed(row) + _released(row),
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


def _renewed(row: Document) -> str:
    """What buying it again at its end is worth, where that was replayed."""
    if "renewal" not in row:
        return ""
    saves, chance = row["renewal"]["saves"], row["renewal"]["pays_back"]
    told = f"; bought again it would {'save' if saves > 0 else 'lose'} {dollars(abs(saves))}"
    return told + ("" if chance is None else f", pays in {chance:.0%} of the futures")


def _released(row: Document) -> str:
    """What comes back of what is given back, or would."""
    if "comes_back" in row:
        return f": {dollars(row['comes_back'])} comes back, {dollars(row['lost'])} is lost"
    return f": {percent(row['share'])} of what remains comes back" if "share" in row else ""


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
