# SPDX-License-Identifier: Apache-2.0
"""Coverage by day and group of meters, as a heat map."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import numpy as np

from optimizer.planning.hourly import Hourly
from optimizer.reporting.charts import parts, theme
from optimizer.reporting.document import Chart, Column, Kind, Row, Table

TITLE = "Coverage by day"
_CLASSES = ((0.2, "below 20%"), (0.4, "20–40%"), (0.6, "40–60%"), (0.8, "60–80%"),
            (0.95, "80–95%"), (2.0, "95% and more"))  # fmt: skip
_GROUPS = 8
_MOST_DAYS = 92
_DAY = 24


def coverage_chart(hourly: Hourly) -> Chart:
    """The share of what may be covered that commitments did cover, by group of meters.

    Coverage is ``covered ÷ (covered + on demand)`` at on-demand prices over meters that some
    offer covers, without spot. Beyond ninety-two days a column is a week; the eight groups with
    the most to cover are shown and the others added up. Days of one class that follow each other
    are one bar; without usage there is none.
    """
    size = _DAY if hourly.hours <= _MOST_DAYS * _DAY else 7 * _DAY
    word = "day" if size == _DAY else "week"
    sizes = {
        group: float(values.sum())
        for group, values in zip(hourly.groups, hourly.eligible, strict=True)
        if values.any()
    }
    shown, rest = parts.largest(sizes, _GROUPS)
    shown.sort()
    bucket = hourly.first_hour // size
    index = np.arange(hourly.first_hour, hourly.first_hour + hourly.hours) // size - bucket
    count = int(index[-1]) + 1 if len(index) else 0
    cells: dict[str, tuple[Any, Any]] = {}
    place = {group: at for at, group in enumerate(hourly.groups)}
    for group in [*shown, *rest]:
        at = place[group]
        label = group if group in shown else parts.OTHER
        whole = np.bincount(index, weights=hourly.eligible[at], minlength=count)
        covered = np.bincount(index, weights=hourly.covered[at], minlength=count)
        before = cells.get(label, (0.0, 0.0))
        cells[label] = before[0] + whole, before[1] + covered
    starts = [(bucket + at) * size for at in range(count)]
    title = TITLE if size == _DAY else "Coverage by week"
    table = _table(title, starts, cells, rest, word)
    if not cells:
        return parts.empty("coverage", title, table, "No usage that an offer covers.")
    means = {name: float(c.sum() / w.sum()) for name, (w, c) in cells.items()}
    asked = sum(float(w.sum()) for w, _ in cells.values())
    mean = sum(float(c.sum()) for _, c in cells.values()) / asked
    low, high = min(means, key=lambda n: means[n]), max(means, key=lambda n: means[n])
    summary = (
        f"Commitments covered {parts.percent(mean)} of what may be covered over {count} {word}s"
    )
    if len(means) > 1:
        summary += (
            f", from {parts.percent(means[low])} of {parts.cut(low, 40)} to "
            f"{parts.percent(means[high])} of {parts.cut(high, 40)}"
        )
    made = _drawn(starts, size, cells, means)
    return parts.finished(
        made, name="coverage", title=title, summary=f"{summary}.", table=table,
        height=24 * len(cells),
    )  # fmt: skip


def _table(
    title: str,
    starts: list[int],
    cells: dict[str, tuple[Any, Any]],
    rest: list[str],
    word: str,
) -> Table:
    columns = (
        Column(word, f"{word.capitalize()} from", Kind.day),
        *(
            Column(f"group_{number}", name, Kind.share)
            for number, name in enumerate(cells, start=1)
        ),
    )
    rows = tuple(
        Row(
            (
                datetime.fromtimestamp(start * 3600, UTC).date(),
                *(float(c[at] / w[at]) if w[at] else None for w, c in cells.values()),
            )
        )
        for at, start in enumerate(starts)
    )
    note = "covered ÷ (covered + on demand) at on-demand prices, without spot"
    if rest:
        note += f"; {parts.OTHER} is {len(rest)} groups: {parts.listed(rest, 12)}"
    return Table("coverage", title, columns, rows, note=f"{note}.")


def _drawn(
    starts: list[int],
    size: int,
    cells: dict[str, tuple[Any, Any]],
    means: dict[str, float],
) -> Any:
    import altair as alt

    names = parts.unlike(list(cells))
    labels = [label for _, label in _CLASSES]
    rows: list[dict[str, Any]] = []
    for name, (whole, covered) in cells.items():
        for at, start in enumerate(starts):
            if whole[at] <= 0:
                continue
            share = float(covered[at] / whole[at])
            label = next(label for limit, label in _CLASSES if share < limit)
            begin, end = parts.hour_text(start), parts.hour_text(start + size)
            last = rows[-1] if rows else {}
            if (last.get("g"), last.get("b"), last.get("c")) == (names[name], begin, label):
                last["b"] = end
            else:
                rows.append({"a": begin, "b": end, "g": names[name], "c": label})
    for row in rows:
        row["from"], row["until"] = row["a"][:10], row["b"][:10]
    order = list(names.values())
    y = alt.Y("g:N", sort=order, title=None,
              axis=alt.Axis(grid=False, labelColor=theme.LIGHT["ink"]))  # fmt: skip
    dates = parts.date_format(starts[-1] + size - starts[0])
    grid = parts.over(rows).mark_bar(height=20).encode(
        x=alt.X("a:T", scale=alt.Scale(type="utc", nice=False), title=None,
                axis=alt.Axis(format=dates, labelOverlap=True, domain=False)),
        x2=alt.X2("b:T"),
        y=y,
        color=alt.Color("c:O", scale=alt.Scale(domain=labels, range=list(theme.HEAT)),
                        legend=alt.Legend(columns=6, columnPadding=10)),
        tooltip=[alt.Tooltip("g:N", title="group"), alt.Tooltip("c:N", title="covered"),
                 alt.Tooltip("from:N"), alt.Tooltip("until:N")],
    )  # fmt: skip
    end = parts.hour_text(starts[-1] + size)
    right = [
        {"g": names[name], "x": end, "text": parts.percent(mean)} for name, mean in means.items()
    ]
    text = parts.over(right).mark_text(align="left", dx=5, fontWeight=600).encode(
        x=alt.X("x:T"), y=y, text=alt.Text("text:N")
    )  # fmt: skip
    return alt.layer(grid, text)
