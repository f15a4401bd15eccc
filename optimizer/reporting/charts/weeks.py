# SPDX-License-Identifier: Apache-2.0
"""Weeks as stacked columns: the bill by what it was paid for, and spend by team or any name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from optimizer.reporting.charts import parts, theme
from optimizer.reporting.document import Chart, Column, Kind, Row, Table

_ZERO = Decimal(0)
_NAMES = 6
_MOST_WEEKS = 53
_MOST_DATES = 7
_HEIGHT = 220
_BILL = {"commitment_cost": "commitments", "spot": "spot", "on_demand": "on demand"}

Spend = tuple[date, str, Decimal]


def weekly_bill_chart(weeks: Sequence[Mapping[str, Any]], currency: str = "USD") -> Chart:
    """The bill of each week by commitments, spot and on-demand.

    Parameters
    ----------
    weeks
        Rows with ``week``, the first day of one, and the money of ``commitment_cost``, ``spot``
        and ``on_demand``.
    """
    rows = [
        (day, _BILL[key], parts.decimal(row.get(key)) or _ZERO)
        for row in weeks
        if (day := _day(row.get("week"))) is not None
        for key in _BILL
    ]
    return _chart("weekly_bill", "The bill by week", rows, list(_BILL.values()), [], currency)


def spend_chart(
    spend: Sequence[Spend], currency: str = "USD", *, by: str = "team", name: str = "spend"
) -> Chart:
    """Spend by week and team, or by model, experiment or any tag.

    The six largest names have columns of their own, the others are added up; of more weeks than
    a year has the last are shown.

    Parameters
    ----------
    spend
        First day of the week, name, dollars; rows of one week and name are added up.
    by
        What the names are names of.
    """
    sizes: dict[str, float] = {}
    for _, who, amount in spend:
        sizes[who] = sizes.get(who, 0.0) + abs(float(amount))
    shown, rest = parts.largest(sizes, _NAMES)
    known = set(shown)
    rows = [(day, who if who in known else parts.OTHER, amount) for day, who, amount in spend]
    names = [*shown, *([parts.OTHER] if rest else [])]
    return _chart(name, f"Spend by {by} and week", rows, names, rest, currency)


def _day(value: Any) -> date | None:
    if isinstance(value, date):
        return value
    found = parts.moment(value)
    return None if found is None else found.date()


def _chart(
    name: str,
    title: str,
    rows: Sequence[Spend],
    names: Sequence[str],
    rest: Sequence[str],
    currency: str,
) -> Chart:
    weeks = sorted({day for day, _, _ in rows})[-_MOST_WEEKS:]
    amounts: dict[tuple[date, str], Decimal] = {}
    for day, who, amount in rows:
        amounts[day, who] = amounts.get((day, who), _ZERO) + amount
    names = [who for who in names if any(amounts.get((day, who)) for day in weeks)]
    table = _table(name, title, weeks, names, amounts, rest, currency)
    if not weeks or not names:
        return parts.empty(name, title, table, "No week with a cost.")
    totals = [sum((amounts.get((day, who), _ZERO) for who in names), _ZERO) for day in weeks]
    summary = (
        f"The week from {parts.day_words(weeks[-1])} cost {parts.short_money(totals[-1], currency)}"
    )
    if len(weeks) > 1:
        if totals[-2]:
            change = float(totals[-1] / totals[-2] - 1)
            summary += (
                f", {abs(change):.1%} {'more' if change >= 0 else 'less'} than the week before"
            )
        mean = sum(totals, _ZERO) / len(totals)
        summary += f"; the mean of {len(weeks)} weeks is {parts.short_money(mean, currency)}"
    shares = {who: sum((amounts.get((day, who), _ZERO) for day in weeks), _ZERO) for who in names}
    whole = sum(shares.values(), _ZERO)
    known = [who for who in names if who != parts.OTHER] or list(names)
    biggest = max(known, key=lambda who: shares[who])
    if whole > 0 and len(names) > 1 and min(shares.values()) >= 0:
        share = parts.percent(float(shares[biggest] / whole))
        summary += f"; the largest part is {parts.cut(biggest, 40)} with {share}"
    made = _drawn(weeks, names, amounts, totals, currency)
    return parts.finished(
        made, name=name, title=title, summary=f"{summary}.", table=table, height=_HEIGHT
    )


def _table(
    name: str,
    title: str,
    weeks: Sequence[date],
    names: Sequence[str],
    amounts: Mapping[tuple[date, str], Decimal],
    rest: Sequence[str],
    currency: str,
) -> Table:
    columns = (
        Column("week", "Week from", Kind.day),
        *(
            Column(f"part_{number}", who, Kind.money, currency)
            for number, who in enumerate(names, start=1)
        ),
        Column("total", "Total", Kind.money, currency),
    )
    rows = []
    for day in weeks:
        values = [amounts.get((day, who), _ZERO) for who in names]
        rows.append(Row((day, *values, sum(values, _ZERO))))
    note = f"{parts.OTHER} is {len(rest)} names: {parts.listed(rest, 12)}." if rest else ""
    return Table(name, title, columns, tuple(rows), note=note)


def _axis(weeks: Sequence[date]) -> Any:
    """Dates below the first day of weeks: every week's, or of every so many."""
    import altair as alt

    every = -(-len(weeks) // _MOST_DATES)
    moments = [
        int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()) * 1000
        for day in weeks[::every]
    ]
    span = (weeks[-1] - weeks[0]).days * 24
    return alt.Axis(
        values=moments, format=parts.date_format(max(span, 72)), labelAlign="left",
        labelOverlap="greedy", labelPadding=4,
    )  # fmt: skip


def _drawn(
    weeks: Sequence[date],
    names: Sequence[str],
    amounts: Mapping[tuple[date, str], Decimal],
    totals: Sequence[Decimal],
    currency: str,
) -> Any:
    import altair as alt

    short = parts.unlike(list(names))
    domain = list(short.values())
    rows: list[dict[str, Any]] = []
    tops: list[dict[str, Any]] = []
    for day, total in zip(weeks, totals, strict=True):
        up = down = 0.0  # credits stack below zero
        for who in names:
            value = float(amounts.get((day, who), _ZERO))
            if not value:
                continue
            base = up if value > 0 else down
            rows.append({
                "t": parts.day_text(day), "u": parts.day_text(day + timedelta(days=6)),
                "g": short[who], "a": parts.rounded(base), "b": parts.rounded(base + value),
                "week": f"{day}", "is": parts.short_money(value, currency),
            })  # fmt: skip
            up, down = (up + value, down) if value > 0 else (up, down + value)
        tops.append({
            "t": parts.day_text(day), "u": parts.day_text(day + timedelta(days=6)),
            "y": parts.rounded(up), "text": parts.short_money(total, currency),
        })  # fmt: skip
    scale = alt.Scale(type="utc", nice=False, padding=4)
    x = alt.X("t:T", title=None, scale=scale, axis=_axis(weeks))
    bars = parts.over(rows).mark_rect(
        stroke=theme.LIGHT["paper"], strokeWidth=0.8
    ).encode(
        x=x, x2=alt.X2("u:T"),
        y=alt.Y("a:Q", title=None, axis=alt.Axis(labelExpr=parts.money_labels(currency))),
        y2=alt.Y2("b:Q"),
        color=alt.Color("g:N", legend=alt.Legend(), scale=alt.Scale(
            domain=domain, range=parts.colours_of(domain, short.get(parts.OTHER)))),
        tooltip=[alt.Tooltip("g:N", title="part"), alt.Tooltip("week:N", title="week from"),
                 alt.Tooltip("is:N", title="cost")],
    )  # fmt: skip
    layered: list[Any] = [bars]
    ends = [tops[-1], *([tops[-2]] if 2 <= len(tops) <= 8 else [])]
    layered += [
        word.encode(x=alt.X("u:T"), y=alt.Y("y:Q"))
        for word in parts.words(ends, baseline="bottom", dy=-4, fontWeight=600, align="right")
    ]
    return alt.layer(*layered)
