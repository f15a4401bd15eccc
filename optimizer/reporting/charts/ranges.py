# SPDX-License-Identifier: Apache-2.0
"""The bill in many futures: the band from P10 to P90, with and without the plan."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from optimizer.reporting.charts import parts, theme
from optimizer.reporting.document import Chart, Column, Kind, Row, Table

TITLE = "The bill in many futures"
_KEYS = ("p10", "p50", "p90", "expected", "cvar")
_WITH, _WITHOUT = "with the plan", "without the plan"
_ONE, _DEAREST = "a future", "mean of the dearest"
_SHAPES = {_ONE: "M0,-1L0,1", "P50": "M0,-1L0,1", _DEAREST: "diamond"}
_MOST = 200  # futures that are drawn one by one


def ranges_chart(plan: Mapping[str, Any]) -> Chart:
    """Bands of the bill of a plan's document: keys ``p10`` … ``cvar``, ``ranges``, ``scenarios``.

    The thin strokes are the futures, at most two hundred of them.
    """
    currency = str(plan.get("currency", "USD"))
    ranges = plan.get("ranges")
    ranges = ranges if isinstance(ranges, Mapping) else {}
    bands: dict[str, dict[str, Decimal]] = {}
    for name, source in ((_WITHOUT, ranges.get("baseline")), (_WITH, plan)):
        if isinstance(source, Mapping):
            found = {key: parts.decimal(source.get(key)) for key in _KEYS}
            if all(found[key] is not None for key in ("p10", "p50", "p90")):
                bands[name] = {key: value for key, value in found.items() if value is not None}
    bills = ranges.get("bills") or plan.get("scenarios") or []
    futures = {
        _WITHOUT: [parts.decimal(row.get("baseline")) for row in bills],
        _WITH: [parts.decimal(row.get("total")) for row in bills],
    }
    table = _table(bands, currency)
    if not bands:
        why = ranges.get("absent") or "the plan was made for one future"
        return parts.empty("ranges", TITLE, table, f"No range of the bill: {why}.")
    summary = "; ".join(
        f"{name} the bill is {parts.short_money(band['p50'], currency)}, in four of five futures "
        f"between {parts.short_money(band['p10'], currency)} and "
        f"{parts.short_money(band['p90'], currency)}"
        for name, band in bands.items()
    )
    count = len(bills) or ranges.get("futures")
    summary = f"{summary[:1].upper()}{summary[1:]}" + (f" ({count} futures)." if count else ".")
    return parts.finished(
        _drawn(bands, futures, currency), name="ranges", title=TITLE, summary=summary,
        table=table, height=62 * len(bands),
    )  # fmt: skip


def _table(bands: Mapping[str, Mapping[str, Decimal]], currency: str) -> Table:
    titles = {"p10": "P10", "p50": "P50", "p90": "P90", "expected": "Mean",
              "cvar": "Mean of the dearest"}  # fmt: skip
    columns = (
        Column("bill", "Bill"),
        *(Column(key, titles[key], Kind.money, currency) for key in _KEYS),
    )
    rows = tuple(
        Row((name, *(band.get(key) for key in _KEYS)), key=name) for name, band in bands.items()
    )
    return Table("ranges", TITLE, columns, rows)


def _drawn(
    bands: Mapping[str, Mapping[str, Decimal]],
    futures: Mapping[str, list[Decimal | None]],
    currency: str,
) -> Any:
    import altair as alt

    rows: list[dict[str, Any]] = []
    marks: list[dict[str, Any]] = []
    words: list[dict[str, Any]] = []
    for name, band in bands.items():
        low, high = band["p10"], band["p90"]
        rows.append({
            "name": name, "low": parts.rounded(low), "high": parts.rounded(high),
            "is": f"{parts.short_money(low, currency)} to {parts.short_money(high, currency)}",
        })  # fmt: skip
        known = sorted(value for value in futures[name] if value is not None)
        marks += [
            {"name": name, "x": parts.rounded(value), "key": _ONE,
             "is": parts.short_money(value, currency)}
            for value in known[:: -(-len(known) // _MOST) or 1]
        ]  # fmt: skip
        for key, label in (("p50", "P50"), ("cvar", _DEAREST)):
            if key in band:
                marks.append({
                    "name": name, "x": parts.rounded(band[key]), "key": label,
                    "is": parts.short_money(band[key], currency),
                })  # fmt: skip
        words += [
            {"name": name, "x": parts.rounded(band[key]), "key": key,
             "text": parts.short_money(band[key], currency)}
            for key in ("p10", "p50", "p90")
        ]  # fmt: skip
    y = alt.Y("name:N", sort=list(bands), title=None,
              axis=alt.Axis(grid=False, labelLimit=70, labelColor=theme.LIGHT["ink"],
                            labelExpr="split(datum.label, ' the ')"))  # fmt: skip
    scale = alt.Scale(zero=False, padding=40)
    axis = alt.Axis(labelExpr=parts.money_labels(currency), grid=True, domain=False)
    band_layer = parts.over(rows).mark_bar(
        height=16, color=theme.LIGHT["band"], stroke=theme.SERIES[0], strokeWidth=1
    ).encode(
        y=y, x=alt.X("low:Q", title=None, scale=scale, axis=axis), x2=alt.X2("high:Q"),
        tooltip=[alt.Tooltip("name:N", title="bill"), alt.Tooltip("is:N", title="P10 to P90")],
    )  # fmt: skip
    layered: list[Any] = [band_layer]
    shape = alt.Shape(
        "key:N",
        scale=alt.Scale(domain=list(_SHAPES), range=list(_SHAPES.values())),
        legend=alt.Legend(symbolStrokeColor=theme.LIGHT["ink"], symbolSize=60,
                          symbolFillColor=theme.LIGHT["ink"]),
    )  # fmt: skip
    tooltip = [alt.Tooltip("name:N", title="bill"), alt.Tooltip("key:N", title="figure"),
               alt.Tooltip("is:N", title="amount")]  # fmt: skip
    for key, size, offset in ((_ONE, 40, 16), ("P50", 300, 0), (_DEAREST, 60, 0)):
        those = [mark for mark in marks if mark["key"] == key]
        if those:
            layered.append(
                parts.over(those)
                .mark_point(
                    size=size, yOffset=offset, color=theme.LIGHT["ink"], opacity=1,
                    filled=key == _DEAREST, strokeWidth=3 if key == "P50" else 1,
                )
                .encode(y=y, x=alt.X("x:Q"), shape=shape, tooltip=tooltip)
            )  # fmt: skip
    aligned = (("p10", "right", 2), ("p50", "center", 0), ("p90", "left", -2))
    for key, align, dx in aligned:
        those = [word for word in words if word["key"] == key]
        layered += [
            word.encode(y=y, x=alt.X("x:Q"))
            for word in parts.words(those, baseline="bottom", dy=-11, dx=dx, align=align)
        ]
    return alt.layer(*layered)
