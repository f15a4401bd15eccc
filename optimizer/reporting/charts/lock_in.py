# SPDX-License-Identifier: Apache-2.0
"""Lock-in: what the terms of commitments still cost at the start of each month."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Any

from optimizer.reporting.charts import parts, theme
from optimizer.reporting.document import Chart, Column, Kind, Row, Table

TITLE = "Locked in: cost of the terms to run"
_KEYS = {"held": "held", "bought": "bought now"}
_ZERO = Decimal(0)

Owed = tuple[date, dict[str, Decimal]]


def lock_in_chart(plan: Mapping[str, Any]) -> Chart:
    """Amortised cost still ahead at the start of each month: key ``lock_in`` of a plan."""
    currency = str(plan.get("currency", "USD"))
    rows: list[Owed] = []
    for row in plan.get("lock_in") or []:
        at = parts.moment(row.get("month"))
        if at is not None:
            rows.append((at.date(), {k: parts.decimal(row.get(k)) or _ZERO for k in _KEYS}))
    rows.sort(key=lambda row: row[0])
    table = _table(rows, currency)
    if not any(amount for _, owed in rows for amount in owed.values()):
        return parts.empty("lock_in", TITLE, table, "No commitment has a term to run.")
    totals = [sum(owed.values(), _ZERO) for _, owed in rows]
    first = rows[0][1]
    summary = f"The terms to run cost {parts.short_money(totals[0], currency)}"
    if first["bought"]:
        summary += f", {parts.short_money(first['bought'], currency)} of it for what is bought now"
    half = next((day for (day, _), t in zip(rows, totals, strict=True) if t <= totals[0] / 2), None)
    ahead = []
    if half is not None and half not in (rows[0][0], rows[-1][0]):
        ahead.append(f"at most half of it is left by {parts.day_words(half)}")
    if not totals[-1]:
        ahead.append(f"nothing by {parts.day_words(rows[-1][0])}")
    if ahead:
        summary += f"; {' and '.join(ahead)}"
    return parts.finished(
        _drawn(rows, currency), name="lock_in", title=TITLE, summary=f"{summary}.",
        table=table, height=180,
    )  # fmt: skip


def _table(rows: Sequence[Owed], currency: str) -> Table:
    columns = (
        Column("month", "From", Kind.day),
        *(Column(key, f"To run: {word}", Kind.money, currency) for key, word in _KEYS.items()),
    )
    made = tuple(Row((day, *(owed[key] for key in _KEYS))) for day, owed in rows)
    return Table(
        "lock_in",
        TITLE,
        columns,
        made,
        note="Amortised cost to the end of each term: what is paid upfront is in it.",
    )


def _drawn(rows: Sequence[Owed], currency: str) -> Any:
    import altair as alt

    data = []
    for day, owed in rows:
        base = 0.0
        for key, word in _KEYS.items():
            value = float(owed[key])
            data.append({
                "t": parts.day_text(day), "g": word, "a": parts.rounded(base),
                "b": parts.rounded(base + value), "from": f"{day}",
                "is": parts.short_money(value, currency),
            })  # fmt: skip
            base += value
    words = [w for k, w in _KEYS.items() if any(owed[k] for _, owed in rows)]
    data = [row for row in data if row["g"] in words]
    colours = {"held": theme.SERIES[0], "bought now": theme.SERIES[2]}
    span = (rows[-1][0] - rows[0][0]).days * 24
    whole = parts.over(data)
    mark = (
        whole.mark_area(interpolate="step-after", stroke=theme.LIGHT["paper"], strokeWidth=0.8)
        if len(rows) > 1
        else whole.mark_bar(size=24)
    )
    return mark.encode(
        x=alt.X("t:T", title=None, scale=alt.Scale(type="utc"),
                axis=alt.Axis(format=parts.date_format(span), labelOverlap=True)),
        y=alt.Y("a:Q", title=None, axis=alt.Axis(labelExpr=parts.money_labels(currency))),
        y2=alt.Y2("b:Q"),
        color=alt.Color("g:N", legend=alt.Legend(),
                        scale=alt.Scale(domain=words, range=[colours[w] for w in words])),
        tooltip=[alt.Tooltip("g:N", title="to run"), alt.Tooltip("from:N"),
                 alt.Tooltip("is:N", title="amount")],
    )  # fmt: skip
