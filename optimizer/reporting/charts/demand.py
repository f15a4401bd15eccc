# SPDX-License-Identifier: Apache-2.0
"""Demand as a stacked area under what commitments can cover, held and bought."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from optimizer.planning.hourly import Capacity, Hourly
from optimizer.reporting.charts import parts, theme
from optimizer.reporting.document import Chart, Column, Kind, Row, Table

TITLE = "Demand and what commitments cover"
_STEPS = ((1, "hour"), (6, "six hours"), (24, "day"), (168, "week"), (672, "four weeks"))
_MOST_POINTS = 90
_GROUPS = 6
_HEIGHT, _PLOT, _WORD = 300, 290, 13  # pixels: of the plot, of a phone's plot, of a word
Array = NDArray[np.float64]


def demand_chart(history: Hourly | None, horizon: Hourly, currency: str = "USD") -> Chart:
    """Demand by group of meters at on-demand prices, before and after the plan's first hour.

    Parameters
    ----------
    history, horizon
        Of one case, as :func:`optimizer.planning.hourly.history_hours` and ``horizon_hours``
        make them; the history may be absent.

    Notes
    -----
    Points are means of hours, days or weeks, so that there are at most ninety; the six largest
    groups are drawn and the others are added up. A line is the sum over the commitments in
    force of what each can cover in an hour, at on-demand prices.
    """
    spans = [span for span in (history, horizon) if span is not None and span.hours]
    size, words = _step(sum(span.hours for span in spans))
    starts, sums = _buckets(spans, horizon.first_hour, size)
    shown, rest = parts.largest({name: float(v.sum()) for name, v in sums.items()}, _GROUPS)
    shown = [name for name in shown if sums[name].any()]
    layers = {name: sums[name] for name in shown}
    if rest:
        layers[parts.OTHER] = np.sum([sums[name] for name in rest], axis=0)
    held = _capacity(horizon.capacities, starts, size, bought=False)
    both = held + _capacity(horizon.capacities, starts, size, bought=True)
    ends = _ends(horizon.capacities, starts, size)
    table = _table(starts, layers, held, both, ends, rest, currency, words)
    if not layers:
        return parts.empty("demand", TITLE, table, "No usage with an on-demand price.")
    summary = _summary(layers, held, both, starts, horizon.first_hour, ends, currency, words)
    made = _drawn(starts, layers, held, both, ends, horizon.first_hour, currency)
    return parts.finished(
        made, name="demand", title=TITLE, summary=summary, table=table, height=_HEIGHT
    )


def _step(hours: int) -> tuple[int, str]:
    for size, words in _STEPS:
        if hours <= size * _MOST_POINTS:
            return size, words
    weeks = -(-hours // (168 * _MOST_POINTS))
    return weeks * 168, f"{weeks} weeks"


def _buckets(spans: Sequence[Hourly], as_of: int, size: int) -> tuple[list[int], dict[str, Array]]:
    """Starts of the buckets, which meet at ``as_of``, and the mean of each group in each.

    A bucket at either end of which less than half is known is left out.
    """
    indices = [
        (np.arange(span.first_hour, span.first_hour + span.hours) - as_of) // size for span in spans
    ]
    low = min((int(index[0]) for index in indices), default=0)
    high = max((int(index[-1]) for index in indices), default=-1)
    count = np.zeros(high - low + 1)
    sums: dict[str, Array] = {}
    for span, index in zip(spans, indices, strict=True):
        count += np.bincount(index - low, minlength=len(count))
        for group, values in zip(span.groups, span.demand, strict=True):
            found = np.bincount(index - low, weights=values, minlength=len(count))
            sums[group] = sums.get(group, np.zeros(len(count))) + found
    whole = np.flatnonzero(count >= size / 2) if len(count) > 2 else np.arange(len(count))
    kept = slice(int(whole[0]), int(whole[-1]) + 1) if len(whole) else slice(None)
    starts = [as_of + bucket * size for bucket in range(low, high + 1)][kept]
    return starts, {name: (v / np.maximum(count, 1.0))[kept] for name, v in sums.items()}


def _capacity(
    capacities: Sequence[Capacity], starts: Sequence[int], size: int, *, bought: bool
) -> Array:
    """Mean of each bucket of what is held, or bought, can cover; dollars per hour."""
    first = np.array(starts, dtype=np.float64)
    total = np.zeros(len(starts))
    for each in capacities:
        if each.bought is bought:
            inside = np.minimum(first + size, each.end) - np.maximum(first, each.start)
            total += each.rate * np.clip(inside, 0, size) / size
    return total


def _ends(capacities: Sequence[Capacity], starts: Sequence[int], size: int) -> dict[int, list[str]]:
    """Bucket → what ends in it."""
    found: dict[int, list[str]] = {}
    for each in sorted(capacities, key=lambda one: (one.end, one.name)):
        for index, start in enumerate(starts):
            if start < each.end <= start + size and index + 1 < len(starts):
                found.setdefault(index, []).append(each.name)
    return found


def _words(hour: int) -> str:
    return f"{datetime.fromtimestamp(hour * 3600, UTC):%Y-%m-%d %H:%M}"


def _table(
    starts: Sequence[int],
    layers: dict[str, Array],
    held: Array,
    both: Array,
    ends: dict[int, list[str]],
    rest: Sequence[str],
    currency: str,
    words: str,
) -> Table:
    unit = f"{currency} per hour"
    columns = (
        Column("start", "From", Kind.moment),
        *(
            Column(f"group_{number}", name, Kind.quantity, unit)
            for number, name in enumerate(layers, start=1)
        ),
        Column("held", "Held can cover", Kind.quantity, unit),
        Column("held_and_bought", "Held and bought can cover", Kind.quantity, unit),
        Column("ends", "Ends"),
    )
    rows = tuple(
        Row(
            (
                datetime.fromtimestamp(start * 3600, UTC),
                *(float(values[index]) for values in layers.values()),
                float(held[index]),
                float(both[index]),
                ", ".join(ends.get(index, [])),
            )
        )
        for index, start in enumerate(starts)
    )
    note = f"Means by {words}, at on-demand prices"
    if rest:
        note += f"; {parts.OTHER} is {len(rest)} groups: {parts.listed(rest, 12)}"
    return Table("demand", TITLE, columns, rows, note=f"{note}.")


def _drawn(
    starts: Sequence[int],
    layers: dict[str, Array],
    held: Array,
    both: Array,
    ends: dict[int, list[str]],
    as_of: int,
    currency: str,
) -> Any:
    import altair as alt

    names = parts.unlike(list(layers))
    top = float(max(np.sum(list(layers.values()), axis=0).max(), both.max(), 1e-9))
    areas, labels = _layers(starts, layers, names, top, currency)
    dates = parts.date_format(starts[-1] - starts[0])
    x = alt.X("t:T", scale=alt.Scale(type="utc"), title=None,
              axis=alt.Axis(labelFlush=True, format=dates, labelOverlap=True))  # fmt: skip
    axis = alt.Axis(labelExpr=parts.money_labels(currency, "/h"))
    domain = list(names.values())
    layered: list[Any] = [
        parts.over(areas)
        .mark_area(stroke=theme.LIGHT["paper"], strokeWidth=0.8)
        .encode(
            x=x,
            y=alt.Y("a:Q", title=None, axis=axis, scale=alt.Scale(zero=True, nice=True)),
            y2=alt.Y2("b:Q"),
            color=alt.Color(
                "g:N",
                scale=alt.Scale(
                    domain=domain, range=parts.colours_of(domain, names.get(parts.OTHER))
                ),
                legend=alt.Legend(),
            ),
            tooltip=[alt.Tooltip("g:N", title="group"), alt.Tooltip("from:N"), alt.Tooltip("is:N")],
        ),
        parts.over([{"t": parts.hour_text(as_of)}])
        .mark_rule(color=theme.LIGHT["ink"], strokeDash=[2, 3])
        .encode(x=alt.X("t:T")),
    ]
    if labels:
        layered += [word.encode(alt.X("t:T"), alt.Y("y:Q")) for word in parts.words(labels, "g")]
    return alt.layer(*layered, *_lines(starts, held, both, ends, as_of, currency))


def _layers(
    starts: Sequence[int],
    layers: dict[str, Array],
    names: dict[str, str],
    top: float,
    currency: str,
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The stacked layers, and a word within each that has room for one."""
    areas: list[dict[str, Any]] = []
    labels: list[dict[str, Any]] = []
    base = np.zeros(len(starts))
    for name, values in layers.items():
        areas += [
            {"t": parts.hour_text(start), "g": names[name], "from": _words(start),
             "a": parts.rounded(base[index]), "b": parts.rounded(base[index] + values[index]),
             "is": f"{parts.short_money(values[index], currency)}/h"}
            for index, start in enumerate(starts)
        ]  # fmt: skip
        room = round(len(names[name]) * 7.5 * len(starts) / _PLOT / 2) + 1
        found = _room(base, base + values, room)
        if found is not None and found[1] > _WORD / _HEIGHT * top:
            at, _, middle = found
            labels.append({
                "t": parts.hour_text(starts[at]), "g": names[name], "y": parts.rounded(middle),
            })  # fmt: skip
        base = base + values
    return areas, labels


def _lines(
    starts: Sequence[int],
    held: Array,
    both: Array,
    ends: dict[int, list[str]],
    as_of: int,
    currency: str,
) -> list[Any]:
    """What commitments can cover: dashed what is held, full with the purchases; their ends."""
    import altair as alt

    drawn = [
        (line, values, dash)
        for line, values, dash in (
            ("held", held, [4, 3]),
            ("held and bought", both, [1, 0]),
        )
        if values.any() and (line == "held" or (both > held).any())
    ]
    layered: list[Any] = []
    for line, values, dash in drawn:
        rows = [
            {"t": parts.hour_text(start), "y": parts.rounded(values[index]), "l": line,
             "from": _words(start), "is": f"{parts.short_money(values[index], currency)}/h"}
            for index, start in enumerate(starts)
            if line == "held" or start >= as_of
        ]  # fmt: skip
        whole = parts.over(rows)
        halo = whole.mark_line(color=theme.LIGHT["paper"], strokeWidth=5, interpolate="step-after")
        ink = whole.mark_line(
            color=theme.LIGHT["ink"], strokeWidth=2, interpolate="step-after", strokeDash=dash
        )
        tooltip = [
            alt.Tooltip("l:N", title="commitments"), alt.Tooltip("from:N"),
            alt.Tooltip("is:N", title="cover"),
        ]  # fmt: skip
        layered += [
            halo.encode(alt.X("t:T"), alt.Y("y:Q")),
            ink.encode(alt.X("t:T"), alt.Y("y:Q"), tooltip=tooltip),
        ]
        end = [{**rows[-1], "text": line.replace("and", "+")}]
        told = parts.words(end, align="right", baseline="bottom", dy=-5, fontWeight=600)
        layered += [word.encode(alt.X("t:T"), alt.Y("y:Q")) for word in told]
    marks = [
        {"t": parts.hour_text(starts[index]), "y": parts.rounded(both[index]),
         "from": _words(starts[index]), "ends": parts.listed(found, 6)}
        for index, found in ends.items()
    ]  # fmt: skip
    if marks and drawn:
        layered.append(
            parts.over(marks)
            .mark_point(
                shape="triangle-down", size=70, filled=True, color=theme.LIGHT["ink"],
                stroke=theme.LIGHT["paper"], strokeWidth=1, opacity=1, yOffset=-7,
            )
            .encode(alt.X("t:T"), alt.Y("y:Q"),
                    tooltip=[alt.Tooltip("ends:N"), alt.Tooltip("from:N")])
        )  # fmt: skip
    return layered


def _room(low: Array, high: Array, room: int) -> tuple[int, float, float] | None:
    """Where a word ``room`` points to either side has most room in a layer: at, gap, middle."""
    best: tuple[int, float, float] | None = None
    for at in range(room, len(low) - room):
        around = slice(at - room, at + room + 1)
        floor, ceiling = float(low[around].max()), float(high[around].min())
        if best is None or ceiling - floor > best[1]:
            best = at, ceiling - floor, (floor + ceiling) / 2
    return best


def _summary(
    layers: dict[str, Array],
    held: Array,
    both: Array,
    starts: Sequence[int],
    as_of: int,
    ends: dict[int, list[str]],
    currency: str,
    words: str,
) -> str:
    total = np.sum(list(layers.values()), axis=0)
    after = np.array([start >= as_of for start in starts])
    ahead = total[after] if after.any() else total
    low, high, mean = (parts.short_money(v, currency) for v in (ahead.min(), ahead.max(),
                                                                ahead.mean()))  # fmt: skip
    text = f"Demand ahead is {mean} an hour at on-demand prices ({low} to {high} by {words})"
    now = int(np.argmax(after)) if after.any() else len(total) - 1
    text += f"; what is held can cover {parts.short_money(held[now], currency)} an hour"
    if both[now] > held[now]:
        text += f", with the purchases {parts.short_money(both[now], currency)}"
    count = sum(map(len, ends.values()))
    if count:
        text += f"; {count} commitment{'s' if count > 1 else ''} end in this time"
    known = [name for name in layers if name != parts.OTHER] or list(layers)
    biggest = max(known, key=lambda name: float(layers[name].sum()))
    share = float(layers[biggest].sum() / total.sum()) if total.sum() else 0.0
    return f"{text}. The largest group is {parts.cut(biggest, 40)} with {share:.0%}."
