# SPDX-License-Identifier: Apache-2.0
"""The month's bill as it runs up: days that ran, and the band of those to come."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from optimizer.planning.budgets import Pace
from optimizer.reporting.charts import parts, theme
from optimizer.reporting.document import Chart, Column, Kind, Row, Table
from optimizer.tables import format_hour

_HEIGHT = 190


def pace_chart(pace: Pace, currency: str = "USD") -> Chart:
    """The running bill by day, with P10 to P90 of the days to come and budgets of the whole."""
    title = f"The bill of {pace.month}, day by day"
    budgets = [
        (one.budget.name, one.budget.amount) for one in pace.budgets if not one.budget.column
    ]
    table = Table(
        "budget_pace",
        title,
        (
            Column("day", "To the end of", Kind.day),
            Column("known", "Is it", formula="ran: all of the day's usage is known"),
            Column("p10", "P10", Kind.money),
            Column("p50", "P50", Kind.money),
            Column("p90", "P90", Kind.money),
        ),
        tuple(
            Row((
                _date(day.day), "ran" if day.known else "forecast",
                day.band.p10, day.band.p50, day.band.p90,
            ))
            for day in pace.days
        ),
    )  # fmt: skip
    if not pace.days:
        return parts.empty("budget_pace", title, table, "No day of the month is known.")
    band = pace.total
    summary = (
        f"{parts.short_money(pace.spent, currency)} so far; at the end of the month "
        f"{parts.short_money(band.p50, currency)}, in four of five paths between "
        f"{parts.short_money(band.p10, currency)} and {parts.short_money(band.p90, currency)}"
    )
    for name, amount in budgets:
        summary += f"; budget {parts.cut(name, 40)} is {parts.short_money(amount, currency)}"
    return parts.finished(
        _drawn(pace, budgets, currency), name="budget_pace", title=title,
        summary=f"{summary}.", table=table, height=_HEIGHT,
    )  # fmt: skip


def _date(hour: int) -> date:
    return date.fromisoformat(format_hour(hour)[:10])


def _drawn(pace: Pace, budgets: list[tuple[str, Decimal]], currency: str) -> Any:
    import altair as alt

    rows: list[dict[str, Any]] = [
        {
            # A day's bill is that of its end.
            "t": parts.day_text(_date(day.day) + timedelta(days=1)),
            "day": f"{_date(day.day)}",
            "low": parts.rounded(day.band.p10),
            "mid": parts.rounded(day.band.p50),
            "high": parts.rounded(day.band.p90),
            "known": day.known,
            "is": parts.short_money(day.band.p50, currency)
            + (
                ""
                if day.known
                else f" ({parts.short_money(day.band.p10, currency)} to "
                f"{parts.short_money(day.band.p90, currency)})"
            ),
        }
        for day in pace.days
    ]
    first = parts.day_text(_date(pace.start))
    start = {"t": first, "day": "", "low": 0, "mid": 0, "high": 0, "known": True, "is": ""}
    ran = [start, *(row for row in rows if row["known"])]
    ahead = [ran[-1], *(row for row in rows if not row["known"])]
    x = alt.X(
        "t:T", title=None, scale=alt.Scale(type="utc", nice=False),
        axis=alt.Axis(format=parts.date_format(31 * 24), labelOverlap=True),
    )  # fmt: skip
    axis = alt.Axis(labelExpr=parts.money_labels(currency))
    tip = [alt.Tooltip("day:N", title="to the end of"), alt.Tooltip("is:N", title="bill")]
    layers: list[Any] = []
    if len(ahead) > 1:
        layers.append(
            parts.over(ahead).mark_area(color=theme.LIGHT["band"]).encode(
                x=x, y=alt.Y("low:Q", title=None, axis=axis), y2="high:Q", tooltip=tip
            )
        )  # fmt: skip
        layers.append(
            parts.over(ahead).mark_line(color=theme.SERIES[0], strokeDash=[4, 3]).encode(
                x=x, y="mid:Q", tooltip=tip
            )
        )  # fmt: skip
    layers.append(
        parts.over(ran).mark_line(color=theme.SERIES[0], strokeWidth=2.2).encode(
            x=x, y=alt.Y("mid:Q", title=None, axis=axis), tooltip=tip
        )
    )  # fmt: skip
    for name, amount in budgets:
        rule = [{
            "t": first, "y": parts.rounded(amount),
            "text": f"{parts.cut(name, 24)} {parts.short_money(amount, currency)}",
        }]  # fmt: skip
        layers.append(
            parts.over(rule).mark_rule(color=theme.SERIES[1], strokeDash=[6, 3]).encode(y="y:Q")
        )
        layers += [
            word.encode(x=alt.X("t:T"), y="y:Q")
            for word in parts.words(rule, baseline="bottom", dy=-3, align="left", dx=4)
        ]
    return alt.layer(*layers)
