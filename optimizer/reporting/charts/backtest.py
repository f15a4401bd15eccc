# SPDX-License-Identifier: Apache-2.0
"""A backtest: what each rule cost over the optimum, in every walk."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from optimizer.reporting.charts import parts, theme
from optimizer.reporting.document import Chart, Column, Kind, Row, Table

TITLE = "What each rule would have cost, over the best that was possible"
_RULES = 12
OURS, BEST = "gpuopt", "optimum"


def backtest_chart(document: Mapping[str, Any]) -> Chart:
    """Cost over the optimum by rule: the document of ``gpuopt backtest``.

    A dot is a walk (a scenario and a start), the stroke the mean of a rule's walks. Rules are in
    the order of their means; of more than twelve the cheapest are drawn, and ours.
    """
    rows = [
        row
        for row in document.get("rules") or []
        if row.get("rule") != BEST and parts.decimal(row.get("cost_over_optimum")) is not None
    ]
    walks: dict[str, list[float]] = {}
    for row in rows:
        ratio = parts.number(row["cost_over_optimum"])
        walks.setdefault(str(row["rule"]), []).append(ratio)
    means = {rule: sum(found) / len(found) for rule, found in walks.items()}
    order = sorted(means, key=lambda rule: (means[rule], rule))
    shown = [rule for at, rule in enumerate(order) if at < _RULES or rule == OURS]
    rows = [row for row in rows if str(row["rule"]) in shown]
    table = _table(rows, len(order) - len(shown), str(document.get("currency", "USD")))
    if not rows:
        return parts.empty("backtest", TITLE, table, "No rule was walked.")
    best = shown[0]
    summary = f"Over the optimum {parts.cut(best, 40)} costs least, {_over(means[best])} on average"
    if OURS in means and best != OURS:
        summary += f"; {OURS} costs {_over(means[OURS])}"
    worst = shown[-1]
    if worst not in (best, OURS):
        summary += f", {parts.cut(worst, 40)} {_over(means[worst])}"
    return parts.finished(
        _drawn(rows, {rule: means[rule] for rule in shown}), name="backtest", title=TITLE,
        summary=f"{summary}.", table=table, height=24 * len(shown) + 10,
    )  # fmt: skip


def _over(ratio: float) -> str:
    return f"{ratio - 1:.1%} more" if ratio >= 1 else f"{1 - ratio:.1%} less"


def _table(rows: Sequence[Mapping[str, Any]], left: int, currency: str) -> Table:
    columns = (
        Column("rule", "Rule"),
        Column("scenario", "Scenario"),
        Column("start", "From", Kind.moment),
        Column("cost", "Cost", Kind.money, currency),
        Column("cost_over_optimum", "Cost ÷ optimum", Kind.quantity),
        Column("effective_savings_rate", "Savings rate", Kind.share),
    )
    made = []
    for row in rows:
        saved = row.get("effective_savings_rate")
        made.append(Row((
            str(row["rule"]), str(row.get("scenario", "")), parts.moment(row.get("start")),
            parts.decimal(row.get("cost")), parts.number(row["cost_over_optimum"]),
            None if saved is None else parts.number(saved),
        )))  # fmt: skip
    rest = f"{left} dearer rules are in the backtest's JSON." if left else ""
    return Table("backtest", TITLE, columns, tuple(made), rest=rest)


def _drawn(rows: Sequence[Mapping[str, Any]], means: Mapping[str, float]) -> Any:
    import altair as alt

    names = parts.unlike(list(means))
    kinds = [OURS, "other rule"]
    dots = [
        {"r": names[str(row["rule"])], "k": kinds[row["rule"] != OURS],
         "x": parts.rounded(parts.number(row["cost_over_optimum"]) - 1),
         "walk": f"{row.get('scenario', '')}, from {str(row.get('start', ''))[:10]}",
         "is": f"{parts.number(row['cost_over_optimum']) - 1:+.2%}"}
        for row in rows
    ]  # fmt: skip
    ticks = [
        {"r": names[rule], "x": parts.rounded(mean - 1), "text": f"{mean - 1:+.1%}"}
        for rule, mean in means.items()
    ]  # fmt: skip
    low = min(0.0, *(dot["x"] for dot in dots))
    high = max(0.01, *(dot["x"] for dot in dots))
    y = alt.Y(
        "r:N", sort=list(names.values()), title=None,
        axis=alt.Axis(grid=True, labelColor=theme.LIGHT["ink"], labelLimit=150,
                      labelFontWeight={"condition": {"test": f"datum.value == '{OURS}'",
                                                     "value": 700}, "value": 400}),
    )  # fmt: skip
    x = alt.X("x:Q", title="cost over the optimum",
              scale=alt.Scale(domain=[low, high + 0.25 * (high - low)], nice=False),
              axis=alt.Axis(format="+.0%", grid=True, domain=False))  # fmt: skip
    colours = [theme.SERIES[1], theme.SERIES[0]]
    colour = alt.Color("k:N", legend=None, scale=alt.Scale(domain=kinds, range=colours))
    shape = alt.Shape("k:N", legend=None,
                      scale=alt.Scale(domain=kinds, range=["diamond", "circle"]))  # fmt: skip
    whole = parts.over(ticks)
    layered: list[Any] = [
        parts.over([{"x": 0}]).mark_rule(color=theme.LIGHT["muted"]).encode(x=alt.X("x:Q")),
        parts.over(dots)
        .mark_point(filled=True, size=60, opacity=0.75)
        .encode(x=x, y=y, color=colour, shape=shape,
                tooltip=[alt.Tooltip("r:N", title="rule"), alt.Tooltip("walk:N"),
                         alt.Tooltip("is:N", title="over the optimum")]),
        whole.mark_tick(height=16, thickness=2.5, color=theme.LIGHT["ink"]).encode(alt.X("x:Q"), y),
    ]  # fmt: skip
    told = parts.words(ticks, align="right", fontWeight=600)
    layered += [word.encode(x=alt.value("width"), y=y) for word in told]
    return alt.layer(*layered)
