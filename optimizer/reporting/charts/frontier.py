# SPDX-License-Identifier: Apache-2.0
"""What quality and latency cost: the plans of a frontier, the efficient ones joined."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from optimizer.reporting.charts import parts, theme
from optimizer.reporting.document import Chart, Column, Kind, Row, Table

TITLE = "What quality and latency cost"
_LEVELS = 6
_SHAPES = ("circle", "square", "triangle-up", "diamond", "triangle-down", "cross")


def frontier_chart(document: Mapping[str, Any]) -> Chart:
    """Cost over quality for each factor of latency: the document of ``gpuopt frontier``.

    Cost is the plans' objective, by which they are compared. Efficient plans are filled and
    joined; infeasible ones are in the table only. At most six factors of latency are drawn, the
    largest first.
    """
    currency = str(document.get("currency", "USD"))
    rows = list(document.get("frontier") or [])
    table = _table(rows, currency)
    points = [row for row in rows if _cost(row) is not None and row.get("quality") is not None]
    factors = sorted({parts.number(row.get("latency")) for row in points}, reverse=True)[:_LEVELS]
    points = [row for row in points if parts.number(row.get("latency")) in factors]
    if not points:
        return parts.empty("frontier", TITLE, table, "No plan of the frontier is feasible.")
    efficient = [row for row in points if row.get("efficient")] or points
    low = min(efficient, key=lambda row: (_cost(row) or 0, -parts.number(row["quality"])))
    high = max(efficient, key=lambda row: (parts.number(row["quality"]), -(_cost(row) or 0)))
    summary = (
        f"{len(efficient)} of {len(rows)} plans are efficient: from {_told(low, currency)} to "
        f"{_told(high, currency)}."
    )
    return parts.finished(
        _drawn(points, factors, currency), name="frontier", title=TITLE, summary=summary,
        table=table, height=260,
    )  # fmt: skip


def _cost(row: Mapping[str, Any]) -> Decimal | None:
    return parts.decimal(row.get("objective", row.get("total")))


def _told(row: Mapping[str, Any], currency: str) -> str:
    return (
        f"{parts.short_money(_cost(row), currency)} at quality {parts.number(row['quality']):.3f} "
        f"and latency × {parts.number(row.get('latency')):g}"
    )


def _table(rows: Sequence[Mapping[str, Any]], currency: str) -> Table:
    columns = (
        Column("latency", "Latency ×", Kind.quantity),
        Column("quality", "Quality", Kind.quantity),
        Column("cost", "Cost", Kind.money, currency),
        Column("efficient", "Efficient"),
        Column("status", "Status", Kind.state),
    )
    made = tuple(
        Row((
            parts.number(row.get("latency")),
            None if row.get("quality") is None else parts.number(row["quality"]),
            _cost(row), "yes" if row.get("efficient") else "no", str(row.get("status", "")),
        ))
        for row in rows
    )  # fmt: skip
    return Table("frontier", TITLE, columns, made)


def _drawn(points: Sequence[Mapping[str, Any]], factors: Sequence[float], currency: str) -> Any:
    import altair as alt

    names = {factor: f"latency × {factor:g}" for factor in factors}
    rows = [
        {"x": parts.rounded(row["quality"]), "y": parts.rounded(_cost(row)),
         "l": names[parts.number(row.get("latency"))],
         "e": "efficient" if row.get("efficient") else "beaten by another",
         "is": parts.short_money(_cost(row), currency),
         "q": f"{parts.number(row['quality']):.4f}"}
        for row in sorted(points, key=lambda row: parts.number(row["quality"]))
    ]  # fmt: skip
    domain = list(names.values())
    colour = alt.Color("l:N", legend=alt.Legend(symbolType="circle"),
                       scale=alt.Scale(domain=domain, range=parts.colours_of(domain)))  # fmt: skip
    shape = alt.Shape("l:N", scale=alt.Scale(domain=domain, range=list(_SHAPES[: len(domain)])))
    x = alt.X("x:Q", title="average quality", scale=alt.Scale(zero=False, padding=12),
              axis=alt.Axis(grid=True, domain=False))  # fmt: skip
    y = alt.Y("y:Q", title=None, scale=alt.Scale(zero=False, padding=12),
              axis=alt.Axis(labelExpr=parts.money_labels(currency)))  # fmt: skip
    tooltip = [
        alt.Tooltip("l:N", title="at"), alt.Tooltip("q:N", title="quality"),
        alt.Tooltip("is:N", title="cost"), alt.Tooltip("e:N", title="plan"),
    ]  # fmt: skip
    kept = [row for row in rows if row["e"] == "efficient"]
    beaten = [row for row in rows if row["e"] != "efficient"]
    layered: list[Any] = []
    if kept:
        layered += [
            parts.over(kept).mark_line(strokeWidth=1.5).encode(x=x, y=y, color=colour),
            parts.over(kept)
            .mark_point(filled=True, size=90, opacity=1, stroke=theme.LIGHT["paper"])
            .encode(x=x, y=y, color=colour, shape=shape, tooltip=tooltip),
        ]
    if beaten:
        layered.append(
            parts.over(beaten)
            .mark_point(filled=False, size=70, opacity=1, strokeWidth=1.5)
            .encode(x=x, y=y, color=colour, shape=shape, tooltip=tooltip)
        )
    return alt.layer(*layered)
