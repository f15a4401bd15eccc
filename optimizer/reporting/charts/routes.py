# SPDX-License-Identifier: Apache-2.0
"""Who answers what: requests flow from their class to a model and on to a GPU or an API."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from optimizer.reporting.charts import parts, theme
from optimizer.reporting.document import Chart, Column, Kind, Row, Table

TITLE = "Who answers what: class, model, hardware"
_NODES = 7  # of each column, beside the others
_GAP = 0.055  # between nodes, of the height
_STEPS = 14  # points of a link's curve
_BAR = 0.018  # width of a node, of the width
_SMALL = 0.004  # links of less than this share of all requests are not drawn
_HEIGHT = 360


@dataclass(frozen=True)
class _Link:
    """Requests from a node of one column to one of the next."""

    column: int
    source: str
    target: str
    requests: float


def routes_chart(plan: Mapping[str, Any], hardware: Mapping[str, str] | None = None) -> Chart:
    """Requests of the horizon by class, model and what the model runs on: key ``routes``.

    Parameters
    ----------
    hardware
        Deployment → GPU or API, as :func:`optimizer.planning.hardware.hardware_of` gives them,
        for documents whose routes have none; without it the third column is the provider and
        the kind of deployment.

    Notes
    -----
    The height of a node is its share of all requests. The seven largest nodes of each column
    are drawn and the others added up; links of less than 0.4 % of all requests are in the table
    only.
    """
    rows = _routes(plan, hardware or {})
    names, rest = _columns(rows)
    whole = sum(requests for *_, requests in rows)
    merged: dict[tuple[str, str, str], float] = {}
    for *path, requests in rows:
        key = tuple(word if word in names[at] else parts.OTHER for at, word in enumerate(path))
        merged[key[0], key[1], key[2]] = merged.get((key[0], key[1], key[2]), 0.0) + requests
    table = _table(merged, whole, rest)
    if whole <= 0:
        return parts.empty("routes", TITLE, table, "The plan routes no requests.")
    links = [
        _Link(column, source, target, requests)
        for column in (0, 1)
        for (source, target), requests in _sums(merged, column).items()
    ]
    shares = _shares(links)
    model, most = max(shares[1].items(), key=lambda item: item[1])
    tool, used = max(shares[2].items(), key=lambda item: item[1])
    summary = (
        f"{parts.short(whole)} requests of {len(shares[0])} classes go to {len(shares[1])} models; "
        f"{parts.cut(model, 40)} answers {most / whole:.0%}, and {parts.cut(tool, 40)} serves "
        f"{used / whole:.0%}."
    )
    return parts.finished(
        _drawn(links, shares, whole), name="routes", title=TITLE, summary=summary, table=table,
        height=_HEIGHT,
    )  # fmt: skip


def _routes(
    plan: Mapping[str, Any], hardware: Mapping[str, str]
) -> list[tuple[str, str, str, float]]:
    found = []
    for row in plan.get("routes") or []:
        deployment = str(row.get("deployment"))
        kind = f"{row.get('provider') or ''} {row.get('kind') or ''}".strip()
        found.append((
            str(row.get("workload")), str(row.get("model") or deployment),
            str(row.get("hardware") or hardware.get(deployment) or kind or deployment),
            max(0.0, parts.number(row.get("requests"))),
        ))  # fmt: skip
    return found


def _columns(
    rows: Sequence[tuple[str, str, str, float]],
) -> tuple[list[set[str]], list[list[str]]]:
    """The names that are drawn in each column, and those that are added up."""
    names, rest = [], []
    for column in range(3):
        sizes: dict[str, float] = {}
        for row in rows:
            sizes[str(row[column])] = sizes.get(str(row[column]), 0.0) + row[3]
        shown, others = parts.largest(sizes, _NODES)
        names.append(set(shown))
        rest.append(others)
    return names, rest


def _sums(
    merged: Mapping[tuple[str, str, str], float], column: int
) -> dict[tuple[str, str], float]:
    found: dict[tuple[str, str], float] = {}
    for path, requests in merged.items():
        key = path[column], path[column + 1]
        found[key] = found.get(key, 0.0) + requests
    return found


def _shares(links: Sequence[_Link]) -> list[dict[str, float]]:
    """Requests of each node, by column, the largest first and the others last."""
    sums: list[dict[str, float]] = [{}, {}, {}]
    for link in links:
        if link.column == 0:
            sums[0][link.source] = sums[0].get(link.source, 0.0) + link.requests
        at = link.column + 1
        sums[at][link.target] = sums[at].get(link.target, 0.0) + link.requests
    return [
        dict(sorted(each.items(), key=lambda item: (item[0] == parts.OTHER, -item[1], item[0])))
        for each in sums
    ]


def _table(
    merged: Mapping[tuple[str, str, str], float], whole: float, rest: Sequence[Sequence[str]]
) -> Table:
    columns = (
        Column("workload", "Class"),
        Column("model", "Model"),
        Column("hardware", "Runs on"),
        Column("requests", "Requests", Kind.quantity, "requests"),
        Column("share", "Share of all", Kind.share),
    )
    rows = tuple(
        Row((*path, requests, requests / whole if whole else None))
        for path, requests in sorted(merged.items())
    )
    words = ("classes", "models", "kinds of hardware")
    told = [
        f"{len(others)} {word}: {parts.listed(others, 12)}"
        for word, others in zip(words, rest, strict=True)
        if others
    ]
    note = f"{parts.OTHER} is {'; '.join(told)}." if told else ""
    return Table("flow", TITLE, columns, rows, note=note)


def _drawn(links: Sequence[_Link], shares: Sequence[Mapping[str, float]], whole: float) -> Any:
    import altair as alt

    nodes, places = _nodes(shares, whole)
    colours = parts.colours_of(list(shares[0]), parts.OTHER)
    words = parts.unlike(list(shares[0]))
    areas = _areas(links, places, whole, words)
    x_scale = alt.Scale(domain=[0, 1], nice=False, zero=False)
    y_scale = alt.Scale(domain=[0, 1 + _GAP * _NODES], nice=False, reverse=True)
    x = alt.X("x:Q", title=None, axis=None, scale=x_scale)
    link = parts.over(areas).mark_area(opacity=0.5).encode(
        x=x, y=alt.Y("a:Q", title=None, axis=None, scale=y_scale), y2=alt.Y2("b:Q"),
        detail=alt.Detail("link:N"),
        color=alt.Color("class:N", legend=None, scale=alt.Scale(
            domain=[*words.values(), ""], range=[*colours, theme.REST])),
        tooltip=[alt.Tooltip("from:N"), alt.Tooltip("to:N"), alt.Tooltip("is:N", title="requests")],
    )  # fmt: skip
    bar = parts.over(nodes).mark_rect(color=theme.LIGHT["ink"]).encode(
        x=alt.X("left:Q", scale=x_scale, title=None), x2=alt.X2("right:Q"),
        y=alt.Y("a:Q"), y2=alt.Y2("b:Q"),
        tooltip=[alt.Tooltip("name:N"), alt.Tooltip("is:N", title="requests")],
    )  # fmt: skip
    layered: list[Any] = [link, bar]
    for align, dx, column in (("left", 4, 0), ("center", 0, 1), ("right", -4, 2)):
        those = [node for node in nodes if node["column"] == column]
        told = parts.words(those, align=align, dx=dx, limit=alt.ExprRef("width / 3 - 10"))
        layered += [word.encode(x=alt.X("at:Q"), y=alt.Y("y:Q")) for word in told]
    heads = [
        {"at": at, "y": -0.02, "text": text, "align": align}
        for at, text, align in ((0, "CLASS", "left"), (0.5, "MODEL", "center"),
                                (1, "RUNS ON", "right"))
    ]  # fmt: skip
    layered += [
        parts.over([head])
        .mark_text(align=head["align"], baseline="bottom", color=theme.LIGHT["muted"], fontSize=11)
        .encode(x=alt.X("at:Q"), y=alt.Y("y:Q"), text=alt.Text("text:N"))
        for head in heads
    ]
    return alt.layer(*layered)


def _nodes(
    shares: Sequence[Mapping[str, float]], whole: float
) -> tuple[list[dict[str, Any]], list[dict[str, float]]]:
    """Where the nodes stand, and the top of each by column and name."""
    nodes: list[dict[str, Any]] = []
    places: list[dict[str, float]] = []
    for column, each in enumerate(shares):
        free = 1 + _GAP * _NODES - 1
        gap = free / (len(each) - 1) if len(each) > 1 else 0.0
        gap = min(gap, 3 * _GAP)
        top = (free - gap * (len(each) - 1)) / 2
        found: dict[str, float] = {}
        for name, requests in each.items():
            size = requests / whole
            left = {0: 0.0, 1: 0.5 - _BAR / 2, 2: 1.0 - _BAR}[column]
            nodes.append({
                "name": parts.cut(name), "column": column, "left": left, "right": left + _BAR,
                "a": parts.rounded(top), "b": parts.rounded(top + size),
                "y": parts.rounded(top + size / 2), "is": parts.short(requests),
                "at": {0: _BAR, 1: 0.5, 2: 1.0 - _BAR}[column],
                "text": f"{parts.percent(size)} {parts.cut(name, 30)}",
            })  # fmt: skip
            found[name] = top
            top += size + gap
        places.append(found)
    return nodes, places


def _areas(
    links: Sequence[_Link],
    places: Sequence[Mapping[str, float]],
    whole: float,
    classes: Mapping[str, str],
) -> list[dict[str, Any]]:
    """Points of the links: ribbons that bend from one column to the next.

    Links out of a class have its colour; behind the models they are grey, because a model
    answers many classes.
    """
    rows: list[dict[str, Any]] = []
    for column in (0, 1):
        out = dict(places[column])
        into = dict(places[column + 1])
        order = [list(places[column]), list(places[column + 1])]
        here = sorted(
            (link for link in links if link.column == column),
            key=lambda link: (order[0].index(link.source), order[1].index(link.target)),
        )
        for number, link in enumerate(here):
            size = link.requests / whole
            a, b = out[link.source], into[link.target]
            out[link.source] += size
            into[link.target] += size
            if size < _SMALL:
                continue
            low = _BAR if column == 0 else 0.5 + _BAR / 2
            high = 0.5 - _BAR / 2 if column == 0 else 1.0 - _BAR
            for step in range(_STEPS + 1):
                t = step / _STEPS
                bend = (1 - math.cos(math.pi * t)) / 2
                top = a + (b - a) * bend
                rows.append({
                    "x": round(low + (high - low) * t, 4), "a": round(top, 4),
                    "b": round(top + size, 4), "link": f"{column}-{number}",
                    "class": classes[link.source] if column == 0 else "",
                    "from": parts.cut(link.source), "to": parts.cut(link.target),
                    "is": parts.short(link.requests),
                })  # fmt: skip
    return rows
