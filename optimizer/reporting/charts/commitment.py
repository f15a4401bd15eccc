# SPDX-License-Identifier: Apache-2.0
"""Savings against risk over the commitment level, with the marks today, plan and advice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from optimizer.reporting.charts import parts, theme
from optimizer.reporting.document import Chart, Column, Kind, Row, Table, Value

TITLE = "Savings against risk over the commitment level"
LEVEL = "level"  # parameter of the picture: new commitments an hour that are looked at
_ADVICE = "provider's advice"


@dataclass(frozen=True)
class _Point:
    """A level: dollars an hour of new commitments, and what is saved at each demand."""

    name: str
    level: float | None
    commitment: Decimal
    savings: tuple[Decimal, ...]


def commitment_chart(plan: Mapping[str, Any]) -> Chart:
    """What the plan's purchases save if they are smaller or larger: key ``commitment_curve``.

    The band reaches from the saving at a fifth less demand to that at a fifth more.
    """
    currency = str(plan.get("currency", "USD"))
    curve = plan.get("commitment_curve")
    curve = curve if isinstance(curve, Mapping) else {}
    demand = [parts.number(factor) for factor in curve.get("demand") or []]
    points = [point for row in curve.get("levels") or [] if (point := _point(row, len(demand)))]
    points.sort(key=lambda point: point.commitment)
    marks = [
        _Point("today", None, Decimal(0), tuple(Decimal(0) for _ in demand)),
        *(_Point("plan", 1.0, p.commitment, p.savings) for p in points if p.level == 1.0),
    ]
    advice = curve.get("advice")
    if isinstance(advice, Mapping) and (point := _point(advice, len(demand))):
        marks.append(_Point(_ADVICE, None, point.commitment, point.savings))
    shown = points and 1.0 in demand
    table = _table(points, marks if shown else [], demand, currency)
    if not shown:
        return parts.empty("commitment", TITLE, table, "Nothing is bought that could be scaled.")
    at = demand.index(1.0)
    return parts.finished(
        _drawn(points, marks, at, currency), name="commitment", title=TITLE,
        summary=_summary(points, marks, demand, currency), table=table, height=260,
    )  # fmt: skip


def _point(row: Any, count: int) -> _Point | None:
    savings = [parts.decimal(value) for value in row.get("savings") or []]
    commitment = parts.decimal(row.get("commitment"))
    if commitment is None or len(savings) != count or not count or None in savings:
        return None
    level = row.get("level")
    known = tuple(value for value in savings if value is not None)
    return _Point("", None if level is None else parts.number(level), commitment, known)


def _table(
    points: Sequence[_Point], marks: Sequence[_Point], demand: Sequence[float], currency: str
) -> Table:
    columns = (
        Column("mark", "Mark"),
        Column("level", "Share of the plan's purchases", Kind.share),
        Column("commitment", "New commitments", Kind.rate, f"{currency} per hour"),
        *(
            Column(f"savings_{number}", f"Saves at demand × {factor:g}", Kind.change, currency)
            for number, factor in enumerate(demand, start=1)
        ),
    )
    rows: list[Row] = []
    for point in [mark for mark in marks if mark.name != "plan"] + list(points):
        name = point.name or ("plan" if point.level == 1.0 else "")
        values: tuple[Value, ...] = (name, point.level, point.commitment, *point.savings)
        rows.append(Row(values, emphasis=bool(name)))
    note = (
        "The plan's purchases times a factor, replayed over the horizon, over what is held alone; "
        "spot runs as planned beside each of them, and so beside the advice."
    )
    return Table("commitment", TITLE, columns, tuple(rows), note=note)


def _summary(
    points: Sequence[_Point], marks: Sequence[_Point], demand: Sequence[float], currency: str
) -> str:
    at, low = demand.index(1.0), demand.index(min(demand))
    told = []
    for mark in marks:
        if mark.name == "today":
            continue
        text = (
            f"{'The plan' if mark.name == 'plan' else 'the providers’ advice'} commits "
            f"{parts.short_money(mark.commitment, currency)} an hour and saves "
            f"{parts.short_money(mark.savings[at], currency)}"
        )
        if low != at:
            text += (
                f" ({parts.short_money(mark.savings[low], currency)} if demand is "
                f"{1 - demand[low]:.0%} lower)"
            )
        told.append(text)
    best = max(points, key=lambda point: point.savings[at])
    told.append(f"the curve is highest at {parts.short_money(best.commitment, currency)} an hour")
    return "; ".join(told) + "."


def _drawn(points: Sequence[_Point], marks: Sequence[_Point], at: int, currency: str) -> Any:
    import altair as alt

    def told(value: Decimal) -> str:
        return parts.short_money(value, currency)

    rows = [
        {"x": parts.rounded(p.commitment), "y": parts.rounded(p.savings[at]),
         "low": parts.rounded(min(p.savings)), "high": parts.rounded(max(p.savings)),
         "level": "" if p.level is None else f"{p.level:.0%}", "is": told(p.savings[at]),
         "range": f"{told(min(p.savings))} to {told(max(p.savings))}"}
        for p in points
    ]  # fmt: skip
    shapes = {"today": "circle", "plan": "square", _ADVICE: "diamond"}
    places = [
        {"x": parts.rounded(p.commitment), "y": parts.rounded(p.savings[at]),
         "low": parts.rounded(min(p.savings)), "high": parts.rounded(max(p.savings)),
         "mark": p.name, "is": told(p.savings[at]),
         "text": p.name if p.name == "today" else f"{p.name} {told(p.savings[at])}",
         "range": f"{told(min(p.savings))} to {told(max(p.savings))}"}
        for p in marks
    ]  # fmt: skip
    x = alt.X(
        "x:Q", title="new commitments, per hour", scale=alt.Scale(nice=False, zero=True),
        axis=alt.Axis(labelExpr=parts.money_labels(currency), grid=False),
    )  # fmt: skip
    y = alt.Y("low:Q", title=None, axis=alt.Axis(labelExpr=parts.money_labels(currency)),
              scale=alt.Scale(zero=True))  # fmt: skip
    whole = parts.over(rows)
    tooltip = [
        alt.Tooltip("level:N", title="of the plan"), alt.Tooltip("is:N", title="saves"),
        alt.Tooltip("range:N", title="demand ∓20%"),
    ]  # fmt: skip
    layered: list[Any] = [
        whole.mark_area(color=theme.LIGHT["band"], interpolate="monotone").encode(
            x=x, y=y, y2=alt.Y2("high:Q"), tooltip=tooltip
        ),
        parts.over([{"y": 0}]).mark_rule(color=theme.LIGHT["line"]).encode(y=alt.Y("y:Q")),
        whole.mark_line(
            color=theme.SERIES[0], strokeWidth=2.5, interpolate="monotone"
        ).encode(alt.X("x:Q"), alt.Y("y:Q")),
    ]  # fmt: skip
    last = rows[-1]
    for key, text, dy in (("high", "demand +20%", 10), ("low", "demand −20%", -8)):
        end = [{"x": last["x"], "y": last[key], "text": text}]
        words = parts.words(end, align="right", dx=-4, dy=dy, color=theme.LIGHT["muted"])
        layered += [word.encode(alt.X("x:Q"), alt.Y("y:Q")) for word in words]
    over = parts.over(places)
    layered += [
        over.transform_filter("datum.low < datum.high")
        .mark_rule(color=theme.LIGHT["ink"], strokeWidth=1.2)
        .encode(x=alt.X("x:Q"), y=alt.Y("low:Q"), y2=alt.Y2("high:Q")),
        over.mark_point(
            filled=True, size=110, opacity=1, color=theme.LIGHT["ink"],
            stroke=theme.LIGHT["paper"], strokeWidth=1.5,
        ).encode(
            alt.X("x:Q"), alt.Y("y:Q"),
            shape=alt.Shape("mark:N", scale=alt.Scale(domain=list(shapes),
                                                      range=list(shapes.values())), legend=None),
            tooltip=[alt.Tooltip("mark:N"), *tooltip[1:]],
        ),
    ]  # fmt: skip
    # Where a page's slider stands: its script sets the parameter, and nothing is seen before.
    level = alt.param(name=LEVEL, value=-1)
    layered.append(
        parts.over([{"x": 0}])
        .transform_calculate(x=f"max(0, {LEVEL})")
        .mark_rule(color=theme.SERIES[1], strokeWidth=2, strokeDash=[5, 3])
        .encode(
            x=alt.X("x:Q"),
            opacity=alt.condition(f"{LEVEL} >= 0", alt.value(1), alt.value(0)),
        )
    )
    middle = points[-1].commitment / 2
    for side, dx in (("left", 9), ("right", -9)):
        those = [
            row for row, mark in zip(places, marks, strict=True)
            if (mark.commitment <= middle) == (side == "left")
        ]  # fmt: skip
        if those:
            words = parts.words(those, align=side, dx=dx, dy=-9, fontWeight=600)
            layered += [word.encode(alt.X("x:Q"), alt.Y("y:Q")) for word in words]
    return alt.layer(*layered).add_params(level)
