# SPDX-License-Identifier: Apache-2.0
"""The ladder as a calendar: what is bought, what runs until when, until when one may cancel."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from optimizer.reporting.charts import parts, theme
from optimizer.reporting.document import Chart, Column, Kind, Row, Table

TITLE = "Ladder: the next twelve months"
_WORDS = {
    "buy": "buy now",
    "buy_later": "may be bought",
    "renew": "counted on to be bought again",
    "start": "begins",
    "cancel": "last day to cancel",
    "end": "ends",
}
_SHAPES = {"buy": "circle", "buy_later": "triangle-up", "renew": "triangle-right",
           "start": "triangle-right", "cancel": "diamond", "end": "square"}  # fmt: skip
_YEAR = timedelta(days=365)
_ROWS = 24


@dataclass
class _Line:
    """A row of the calendar: a commitment or an offer, its bar and its events."""

    name: str
    kind: str  # held or bought
    begin: datetime
    end: datetime
    size: float
    events: list[tuple[datetime, str, str]] = field(default_factory=list)
    members: tuple[_Line, ...] = ()

    def each(self) -> tuple[_Line, ...]:
        """The lines that are drawn as this one."""
        return self.members or (self,)


def ladder_chart(plan: Mapping[str, Any]) -> Chart:
    """Calendar of a plan's document: keys ``ladder``, ``purchases`` and ``commitments``.

    A bar lasts as long as the commitment does within the year; at most twenty-four rows are
    drawn, those with the next dates first. Without ``ladder`` purchases and ends are shown.
    """
    as_of = parts.moment(plan.get("as_of"))
    lines = _together(_lines(plan, as_of), as_of + _YEAR) if as_of is not None else []
    shown, left = lines[:_ROWS], lines[_ROWS:]
    table = _table(shown, left)
    if as_of is None or not shown:
        return parts.empty("ladder", TITLE, table, "Nothing is held and nothing is bought.")
    drawn = _drawn(shown, as_of, as_of + _YEAR)
    return parts.finished(
        drawn, name="ladder", title=TITLE, summary=_summary(lines, as_of), table=table,
        height=32 * len(shown),
    )  # fmt: skip


def _lines(plan: Mapping[str, Any], as_of: datetime) -> list[_Line]:
    until = as_of + _YEAR
    found: dict[tuple[str, str], _Line] = {}
    for row in plan.get("commitments") or []:
        end = parts.moment(row.get("end"))
        if end is not None:
            name = str(row.get("commitment"))
            found["held", name] = _Line(name, "held", as_of, end, 0.0)
    for row in plan.get("purchases") or []:
        begin, end = parts.moment(row.get("start")), parts.moment(row.get("end"))
        if begin is not None and end is not None:
            name = str(row.get("offer"))
            size = parts.number(row.get("cost"))
            found["bought", name] = _Line(name, "bought", begin, end, size)
    events = plan.get("ladder")
    if events is None:
        events = [
            {"date": row.get("start"), "action": "buy", "name": row.get("offer")}
            for row in plan.get("purchases") or []
        ] + [
            {"date": row.get("end"), "action": "end", "name": row.get("commitment")}
            for row in plan.get("commitments") or []
        ]
    for row in events:
        at, action = parts.moment(row.get("date")), str(row.get("action"))
        if at is None or action not in _WORDS or not as_of <= at < until:
            continue
        kind = "bought" if action in ("buy", "buy_later", "renew") else "held"
        name = str(row.get("name"))
        line = found.get((kind, name))
        if line is None:
            term = timedelta(hours=parts.number(row.get("term_hours")) or 0.0)
            line = found[kind, name] = _Line(name, kind, at, at + term, 0.0)
        if action == "start":
            line.begin = at
        line.events.append((at, action, _amount(row)))
    for line in found.values():
        if line.kind == "bought" and as_of < line.end < until:
            line.events.append((line.end, "end", ""))

    def order(line: _Line) -> tuple[int, datetime, float, str]:
        later = [at for at, action, _ in line.events if action != "buy"]
        return (line.kind == "bought", min(later, default=until), -line.size, line.name)

    return sorted((line for line in found.values() if line.events or line.kind == "held"),
                  key=order)  # fmt: skip


def _together(lines: Sequence[_Line], until: datetime) -> list[_Line]:
    """The lines, those as one whose bars and events are the same within the year."""
    found: dict[Any, list[_Line]] = {}
    for line in lines:
        events = tuple((at, action) for at, action, _ in line.events)
        found.setdefault((line.kind, line.begin, min(line.end, until), events), []).append(line)
    made = []
    for those in found.values():
        first = those[0]
        if len(those) > 1:
            kind = "purchases" if first.kind == "bought" else "commitments"
            names = parts.cut(first.name, 44)
            first = replace(first, name=f"{len(those)} {kind}: {names} and {len(those) - 1} more",
                            members=tuple(those))  # fmt: skip
        made.append(first)
    return made


def _amount(row: Mapping[str, Any]) -> str:
    low, high = row.get("low"), row.get("high")
    if low is None or high is None:
        quantity = row.get("quantity")
        return "" if quantity is None else f"{parts.number(quantity):,g}"
    low, high = parts.number(low), parts.number(high)
    return f"{low:,g}" if low == high else f"{low:,g} to {high:,g}"


def _table(shown: Sequence[_Line], left: Sequence[_Line]) -> Table:
    columns = (
        Column("date", "Date", Kind.day),
        Column("event", "What", Kind.state),
        Column("name", "Offer or commitment"),
        Column("amount", "Amount"),
        Column("until", "It lasts until", Kind.day),
    )
    every = [one for line in shown for one in line.each()]
    rows = [
        Row((at.date(), _WORDS[action], line.name, amount, line.end.date()), key=line.name)
        for line in every
        for at, action, amount in line.events
    ]
    rows += [
        Row((None, "runs on", line.name, "", line.end.date()), key=line.name)
        for line in every
        if not line.events
    ]
    rows.sort(key=lambda row: (str(row.values[0] or "9999"), str(row.values[2])))
    hidden = sum(len(line.each()) for line in left)
    rest = f"{hidden} more are in the plan's JSON under `ladder`." if left else ""
    return Table("ladder", TITLE, columns, tuple(rows), rest=rest)


def _summary(lines: Sequence[_Line], as_of: datetime) -> str:
    counts = {
        action: sum(
            1 for line in lines for one in line.each() for _, each, _ in one.events
            if each == action
        )
        for action in _WORDS
    }  # fmt: skip
    told = [f"{count} {_WORDS[action]}" for action, count in counts.items() if count]
    text = f"In the year from {parts.day_words(as_of.date())}: {', '.join(told) or 'no dates'}"
    later = sorted(
        (at, line.name, action)
        for line in lines
        for at, action, _ in line.events
        if action != "buy"
    )
    if later:
        at, name, action = later[0]
        text += f"; next, {parts.cut(name, 50)} on {parts.day_words(at.date())} ({_WORDS[action]})"
    return f"{text}."


def _drawn(shown: Sequence[_Line], as_of: datetime, until: datetime) -> Any:
    import altair as alt

    names = parts.unlike([f"{line.kind} {line.name}" for line in shown])
    stamp = "%Y-%m-%dT%H:%M:%SZ"
    bars: list[dict[str, Any]] = []
    marks: list[dict[str, Any]] = []
    for line in shown:
        key = names[f"{line.kind} {line.name}"]
        begin, end = max(line.begin, as_of), min(line.end, until)
        bars.append({
            "row": key, "name": parts.cut(line.name), "kind": line.kind,
            "a": f"{begin:{stamp}}", "b": f"{max(begin, end):{stamp}}",
            "zero": f"{as_of:{stamp}}", "more": "›" if line.end > until else "",
            "end": parts.day_words(line.end.date()),
        })  # fmt: skip
        marks += [
            {"row": key, "t": f"{at:{stamp}}", "what": _WORDS[action], "amount": amount,
             "name": parts.cut(line.name), "day": parts.day_words(at.date())}
            for at, action, amount in line.events
        ]  # fmt: skip
    y = alt.Y("row:N", sort=[bar["row"] for bar in bars], title=None, axis=None)
    x_scale = alt.Scale(type="utc", nice=False, padding=6)
    x = alt.X("a:T", scale=x_scale, title=None,
              axis=alt.Axis(format="%b %Y", grid=True, labelOverlap=True, domain=False,
                            orient="top"))  # fmt: skip
    whole = parts.over(bars)
    year = parts.over([{"a": f"{as_of:{stamp}}"}, {"a": f"{until:{stamp}}"}])
    colours = {"held": theme.SERIES[0], "bought": theme.SERIES[2]}
    kinds = [kind for kind in colours if any(bar["kind"] == kind for bar in bars)]
    layered: list[Any] = [
        year.mark_rule(opacity=0).encode(x=x),
        whole.mark_bar(height=7, yOffset=8, cornerRadius=1).encode(
            x=x, x2=alt.X2("b:T"), y=y,
            color=alt.Color("kind:N",
                            scale=alt.Scale(domain=kinds, range=[colours[k] for k in kinds]),
                            legend=alt.Legend()),
            tooltip=[alt.Tooltip("name:N"), alt.Tooltip("end:N", title="until"),
                     alt.Tooltip("kind:N")],
        ),
    ]  # fmt: skip
    layered += [
        word.encode(x=alt.X("zero:T"), y=y)
        for word in parts.words(bars, "name", align="left", dy=-5)
    ]
    layered.append(
        whole.mark_text(align="left", dx=2, dy=8, fontWeight=700).encode(
            x=alt.X("b:T"), y=y, text=alt.Text("more:N")
        )
    )
    if marks:
        actions = [a for a in _WORDS if any(mark["what"] == _WORDS[a] for mark in marks)]
        layered.append(
            parts.over(marks)
            .mark_point(size=70, filled=True, opacity=1, yOffset=8, color=theme.LIGHT["ink"],
                        stroke=theme.LIGHT["paper"], strokeWidth=1.2)
            .encode(
                x=alt.X("t:T"), y=y,
                shape=alt.Shape("what:N",
                                scale=alt.Scale(domain=[_WORDS[a] for a in actions],
                                                range=[_SHAPES[a] for a in actions]),
                                legend=alt.Legend(symbolFillColor=theme.LIGHT["ink"])),
                tooltip=[alt.Tooltip("name:N"), alt.Tooltip("what:N"),
                         alt.Tooltip("day:N"), alt.Tooltip("amount:N")],
            )
        )  # fmt: skip
    return alt.layer(*layered)
