# SPDX-License-Identifier: Apache-2.0
"""OpenTelemetry's GenAI metric ``gen_ai.client.token.usage``, as exporters write it (OTLP JSON)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

from connectors.asking import Question, remark
from connectors.llm.files import read_rows
from connectors.llm.prices import bare_model
from connectors.llm.tokens import Tokens, hour_of
from connectors.pulled import Report, Request
from connectors.values import exact

METRIC = "gen_ai.client.token.usage"
CUMULATIVE = ("2", "AGGREGATION_TEMPORALITY_CUMULATIVE")
KINDS = {
    "input": "input", "output": "output", "completion": "output",
    "input_cached": "cached_input", "cache_read": "cached_input", "cache_creation": "cache_write",
}  # fmt: skip


class Point(NamedTuple):
    """One data point of a series."""

    series: tuple[tuple[str, str], ...]
    start: int
    time: int
    operations: int
    tokens: int
    cumulative: bool


def question(place: str) -> Question[Mapping[str, Any]]:
    """Return the question for the exports in a file or folder."""
    return Question("otel", METRIC, place, lambda: read_rows(place))


def read(rows: Iterable[Mapping[str, Any]], request: Request, report: Report) -> list[Tokens]:
    """Return the tokens of each point.

    Delta points are what they say.  A cumulative series counts since its start, which
    changes when the process starts again: what a point adds is its difference to the one
    before it of the same start, and the first of a start adds all of itself only if it
    began within the window.
    """
    points = sorted(set(_points(rows)))
    first, last = hour_of(request.since), hour_of(request.until)
    found: list[Tokens] = []
    before: dict[tuple[Any, ...], Point] = {}
    unknown = early = 0
    for point in points:
        count, total = point.operations, point.tokens
        if point.cumulative:
            previous = before.get((point.series, point.start))
            before[point.series, point.start] = point
            if previous is not None:
                count, total = count - previous.operations, total - previous.tokens
            elif _moment(point.start) < first:
                early += 1  # what it had counted before the window is not of the window
                continue
        names = dict(point.series)
        kind = KINDS.get(names.get("gen_ai.token.type", ""))
        hour = hour_of(_moment(point.time - 1))  # a point at the hour's end is of that hour
        if kind is None:
            unknown += 1
        elif first <= hour < last and total > 0:
            found.append(_tokens(names, hour, kind, count, total))
    if unknown:
        remark(report, "otel", "points of a token type that is not understood", unknown)
    if early:
        text = "first points of series that began before the window: a start to count from"
        remark(report, "otel", text, early)
    return found


def _tokens(names: Mapping[str, str], hour: datetime, kind: str, count: int, total: int) -> Tokens:
    provider, model = bare_model(
        names.get("gen_ai.response.model") or names.get("gen_ai.request.model") or "unknown",
        names.get("gen_ai.provider.name") or names.get("gen_ai.system") or "",
    )
    return Tokens(
        hour=hour,
        provider=provider,
        model=model,
        account="/".join(p for p in ("otel", names.get("service.namespace", "")) if p),
        counts={kind: total},
        # Every operation records its input once: that is the count of requests.
        requests=count if kind == "input" else 0,
        labels=names,
    )


def _points(rows: Iterable[Mapping[str, Any]]) -> Iterator[Point]:
    for row in rows:
        for resource in row.get("resourceMetrics") or ():
            common = _attributes((resource.get("resource") or {}).get("attributes"))
            for scope in resource.get("scopeMetrics") or ():
                for metric in scope.get("metrics") or ():
                    if metric.get("name") == METRIC:
                        yield from _series(metric.get("histogram") or {}, common)


def _series(histogram: Mapping[str, Any], common: dict[str, str]) -> Iterator[Point]:
    cumulative = str(histogram.get("aggregationTemporality")) in CUMULATIVE
    for data in histogram.get("dataPoints") or ():
        names = {**common, **_attributes(data.get("attributes"))}
        yield Point(
            tuple(sorted(names.items())),
            int(data.get("startTimeUnixNano") or 0),
            int(data.get("timeUnixNano") or 0),
            int(exact(data.get("count") or 0)),
            int(exact(data.get("sum") or 0)),
            cumulative,
        )


def _attributes(pairs: Any) -> dict[str, str]:
    return {
        str(pair["key"]): str(next(iter((pair.get("value") or {"": ""}).values()), ""))
        for pair in pairs or ()
    }


def _moment(nanoseconds: int) -> datetime:
    return datetime.fromtimestamp(nanoseconds // 10**9, UTC).replace(tzinfo=None)
