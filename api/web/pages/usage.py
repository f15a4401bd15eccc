# SPDX-License-Identifier: Apache-2.0
"""Usage by tag: what a window cost, by one column of usage or two, under a stated rule."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

from fastapi import Response

from api.store import Snapshot
from api.store.kept import Recent
from api.web.base import Pages
from api.web.spends import spend_of_snapshot
from api.web.visit import Visit, Visiting
from optimizer.errors import DataError, UsageError
from optimizer.planning.spend import Rule, Spend, Unused
from optimizer.reporting.document import Row, Table
from optimizer.reporting.pages.usage import has_weeks, weekly_spend_chart
from optimizer.reporting.spend_tables import spend_table

pages = Pages()

WINDOWS = {
    "24h": "a day", "7d": "seven days", "4w": "four weeks", "lastweek": "last week",
    "month": "this month", "lastmonth": "last month", "all": "all of it",
}  # fmt: skip
RULES = {
    Rule.used: "to the usage they covered",
    Rule.even: "evenly over what they could cover",
    Rule.requests: "as used, shared deployments by request",
}
UNUSED = {Unused.apart: "a group of its own", Unused.share: "shared by what was used"}
_TOP, _BARS = 50, 10
_TABLES: Recent[Table] = Recent(50_000)  # rows
_PREFERRED = ("tag_team", "tag_project", "tag_purpose", "account", "meter")


@dataclass(frozen=True)
class _Asked:
    """What a table of costs is of."""

    by: tuple[str, ...]
    window: str
    rule: str
    unused: str
    top: int | None


@dataclass(frozen=True)
class Bar:
    """A bar of the chart: ``width`` is in per cent of the longest."""

    name: str
    total: Decimal
    width: float


@pages.page("/usage", title="Usage", scope="snapshots:read", template="usage.html", nav=55)
def usage(visit: Visiting) -> Mapping[str, Any] | Response:
    """Costs of a window by the values of columns, as the URL asks."""
    snapshot, snapshots = visit.chosen_snapshot()
    if snapshot is None:
        return {"snapshot": None}
    shown = _form(visit, snapshot, snapshots)
    try:
        spend = spend_of_snapshot(visit.mine, snapshot.id)
    except DataError as error:
        return shown | {"wrong": str(error)}
    shown["columns"] = spend.columns
    by = [column for column in (visit.query.get("by", ""), visit.query.get("and", "")) if column]
    if not by:
        by = [_preferred(spend)]
    shown["by"] = [*by, ""][:2]
    # What is asked of all values needs all of them; else the largest, and the rest as one row.
    everything = any(visit.query.get(key) for key in ("spend.q", "spend.sort", "spend.all", "csv"))
    try:
        asked = _Asked(
            tuple(by), shown["window"], shown["rule"], shown["unused"], None if everything else _TOP
        )
        table = _table(visit, snapshot.id, spend, asked)
    except (UsageError, DataError) as error:
        response: Response = visit.request.app.state.web.render(
            visit, "usage.html", {"title": "Usage", **shown, "wrong": str(error)}
        )
        response.status_code = 422
        return response
    bars = _bars(table, len(by))
    if has_weeks(spend, by[0]):
        rule, unused = shown["rule"], shown["unused"]
        shown["weeks"] = visit.chart(
            snapshot.id,
            f"weeks {by[0]} {rule} {unused}",
            lambda: weekly_spend_chart(spend, by[0], rule, unused, snapshot.currency),
        )
        shown["twin"] = visit.table(shown["weeks"].chart.table, snapshot.currency)
    links = {by[0]: lambda row: _closer(visit, by, row)} if len(by) == 1 else {}
    return shown | {
        "table_shown": visit.table(table, snapshot.currency, links=links),
        "bars": bars,
        "summary": _summary(bars, by),
    }


def _table(visit: Visit, snapshot: str, spend: Spend, asked: _Asked) -> Table:
    """The table, kept: a snapshot never changes, and neither do its costs."""
    name = (visit.mine.tenant, snapshot, asked)
    found = _TABLES.get(name)
    if found is None:
        found = spend_table(
            spend,
            by=asked.by,
            window=asked.window,
            rule=asked.rule,
            unused=asked.unused,
            top=asked.top,
        )
        _TABLES.put(name, found, len(found.rows))
    return found


def _form(visit: Visit, snapshot: Snapshot, snapshots: Sequence[Snapshot]) -> dict[str, Any]:
    query = visit.query
    rule, unused = query.get("rule", Rule.used), query.get("unused", Unused.apart)
    return {
        "snapshot": snapshot,
        "snapshots": snapshots,
        "columns": (),
        "by": ["", ""],
        "window": query.get("window", "").strip()[:60] or "7d",
        "windows": WINDOWS,
        "rule": rule if rule in tuple(Rule) else Rule.used,
        "rules": RULES,
        "unused": unused if unused in tuple(Unused) else Unused.apart,
        "handlings": UNUSED,
        "wrong": "",
        "table_shown": None,
        "bars": [],
        "weeks": None,
        "twin": None,
        "summary": "",
        "currency": snapshot.currency,
        "stale": visit.stale(snapshot),
    }


def _preferred(spend: Spend) -> str:
    """The column to begin with: who, if usage says so."""
    there = {name for name, label in spend.cells.labels.items() if any(label.values)}
    return next((name for name in _PREFERRED if name in there), "meter")


def _closer(visit: Visit, by: Sequence[str], row: Row) -> str | None:
    """Where one value is shown by meter; sums of several values have no such place."""
    if row.emphasis or not row.key or str(row.values[0]).startswith("("):
        return None
    kept = {k: v for k, v in visit.query.items() if not k.startswith("spend.") and k != "csv"}
    closer = "meter" if by[0] != "meter" else "account"
    wanted = {**kept, "by": by[0], "and": closer, "spend.q": str(row.values[0])}
    return f"/usage?{urlencode(wanted)}"


def _bars(table: Table, labels: int) -> list[Bar]:
    """The largest groups, named by the first columns; the table beside it has all of them."""
    names = [column.name for column in table.columns]
    total = names.index("total")
    rows = [row for row in table.rows if not row.emphasis][: _BARS + 1]
    amounts = [Decimal(str(row.values[total])) for row in rows]
    most = max((abs(amount) for amount in amounts), default=Decimal(0))
    return [
        Bar(
            " · ".join(str(value) for value in row.values[:labels] if value),
            amount,
            float(100 * max(amount, Decimal(0)) / most) if most else 0.0,
        )
        for row, amount in zip(rows, amounts, strict=True)
    ][:_BARS]


def _summary(bars: Sequence[Bar], by: Sequence[str]) -> str:
    """What the chart shows, in words."""
    if not bars:
        return ""
    what = " and ".join(column.removeprefix("tag_") for column in by)
    return f"The largest costs by {what}: {bars[0].name} is the largest of those shown."
