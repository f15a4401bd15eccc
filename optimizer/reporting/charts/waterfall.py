# SPDX-License-Identifier: Apache-2.0
"""The bill from list price to what is paid: what each kind of discount takes off."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from optimizer.billing.kpis import Waterfall
from optimizer.reporting.charts import parts, theme
from optimizer.reporting.document import Chart, Column, Kind, Row, Table

TITLE = "The bill from list price to effective cost"
_LAWS = 6
_ROOM = 0.3  # of the plot: what a label needs on a phone
_SIDES: dict[str, dict[str, Any]] = {
    "left": {"align": "right", "dx": -5},
    "right": {"align": "left", "dx": 5},
    "inside left": {"align": "right", "dx": -6, "fontWeight": 600, "color": theme.LIGHT["paper"]},
    "inside right": {"align": "left", "dx": 5, "fontWeight": 600},
}
_LAW_WORDS = {
    "aws.reserved.regional": "AWS regional RI",
    "aws.reserved.zonal": "AWS zonal RI",
    "aws.savings.compute": "AWS Compute SP",
    "aws.savings.instance": "AWS EC2 Instance SP",
    "aws.savings.sagemaker": "AWS SageMaker SP",
    "aws.savings.database": "AWS Database SP",
    "azure.reservation": "Azure reservation",
    "azure.savings": "Azure savings plan",
    "capacity.block": "capacity block",
    "gcp.flexible": "GCP flexible CUD",
    "gcp.flexible.legacy": "GCP flexible CUD (old)",
    "gcp.resource": "GCP resource CUD",
}
_ZERO, _CENT = Decimal(0), Decimal("0.01")


@dataclass(frozen=True)
class _Step:
    """A bar: ``kind`` is ``total`` (it stands on zero), ``less`` or ``more``."""

    name: str
    kind: str
    amount: Decimal
    begin: Decimal
    end: Decimal


def waterfall_chart(
    waterfalls: Sequence[Waterfall | Mapping[str, Any]], currency: str = "USD"
) -> Chart:
    """Waterfalls of providers, added up.

    Parameters
    ----------
    waterfalls
        As :func:`optimizer.billing.kpis.waterfalls` makes them, or as ``gpuopt bill --json``
        writes them under ``waterfall``.
    """
    rows = [row.as_dict() if isinstance(row, Waterfall) else row for row in waterfalls]
    steps, rest = _steps(rows)
    table = _table(steps, rest, currency)
    listed = steps[0].amount if steps else _ZERO
    if not rows or not any(step.amount for step in steps):
        return parts.empty("waterfall", TITLE, table, "No bill whose meters all have prices.")
    paid = steps[-1].amount
    share = f" ({parts.percent(float(paid / listed))} of it)" if listed else ""
    off = sorted((s for s in steps if s.kind == "less" and s.amount < 0), key=lambda s: s.amount)
    summary = (
        f"Usage at list price is {parts.short_money(listed, currency)}, the bill "
        f"{parts.short_money(paid, currency)}{share}"
    )
    if off:
        most = ", ".join(
            f"{step.name} {parts.short_money(-step.amount, currency)}" for step in off[:3]
        )
        summary += f"; most is taken off by {most}"
    waste = next((s.amount for s in steps if s.name == "unused commitments"), _ZERO)
    if waste > 0:
        summary += f"; commitments nobody used add {parts.short_money(waste, currency)}"
    return parts.finished(
        _drawn(steps, currency), name="waterfall", title=TITLE, summary=f"{summary}.",
        table=table, height=26 * len(steps) + 8,
    )  # fmt: skip


def _steps(rows: Sequence[Mapping[str, Any]]) -> tuple[list[_Step], list[str]]:
    """The bars, and the laws that were added up."""
    amounts: dict[str, Decimal] = {}
    laws: dict[str, Decimal] = {}
    for row in rows:
        for key in ("list_price", "contract", "spot", "sustained_use", "unused", "total"):
            amounts[key] = amounts.get(key, _ZERO) + (parts.decimal(row.get(key)) or _ZERO)
        for saved in row.get("saved") or ():
            law = str(saved.get("law"))
            laws[law] = laws.get(law, _ZERO) + (parts.decimal(saved.get("amount")) or _ZERO)
    if not amounts:
        return [], []
    shown, rest = parts.largest({law: float(amount) for law, amount in laws.items()}, _LAWS)
    made = [_Step("list price", "total", amounts["list_price"], _ZERO, amounts["list_price"])]

    def change(name: str, amount: Decimal) -> None:
        if abs(amount) >= _CENT:
            begin = made[-1].end
            kind = "less" if amount < 0 else "more"
            made.append(_Step(name, kind, amount, begin, begin + amount))

    change("contract discount", -amounts["contract"])
    for law in shown:
        change(_words(law), -laws[law])
    change("other commitments", -sum((laws[law] for law in rest), _ZERO))
    change("spot", -amounts["spot"])
    change("sustained use", -amounts["sustained_use"])
    change("unused commitments", amounts["unused"])
    total = amounts["total"]
    change("rounding", total - made[-1].end if abs(total - made[-1].end) > 1 else _ZERO)
    made.append(_Step("effective cost", "total", total, _ZERO, total))
    return made, rest


def _words(law: str) -> str:
    """A law as people call it: ``aws.savings.compute`` is ``AWS Compute SP``."""
    if law in _LAW_WORDS:
        return _LAW_WORDS[law]
    provider, *kind = law.split(".")
    short = {"aws": "AWS", "gcp": "GCP", "azure": "Azure"}
    return " ".join([short.get(provider, provider), *reversed(kind)])


def _table(steps: Sequence[_Step], rest: Sequence[str], currency: str) -> Table:
    columns = (
        Column("step", "Step"),
        Column("amount", "Amount", Kind.change, currency),
        Column("after", "After it", Kind.money, currency),
    )
    rows = tuple(
        Row((step.name, step.amount, step.end), emphasis=step.kind == "total") for step in steps
    )
    note = f"Other commitments are {', '.join(map(_words, rest))}." if rest else ""
    return Table("waterfall", TITLE, columns, rows, note=note)


def _drawn(steps: Sequence[_Step], currency: str) -> Any:
    import altair as alt

    top = max(max(float(step.begin), float(step.end)) for step in steps)
    low = min(0.0, *(min(float(step.begin), float(step.end)) for step in steps))
    rows = []
    for step in steps:
        sign = "+" if step.kind == "more" else ""
        left, right = sorted((float(step.begin), float(step.end)))
        inside = right if step.kind == "total" else left
        where = "inside " if step.kind == "total" else ""
        side = "left" if inside - low > _ROOM * (top - low) else "right"
        rows.append({
            "step": step.name, "kind": step.kind, "a": parts.rounded(step.begin),
            "b": parts.rounded(step.end), "side": where + side,
            "at": parts.rounded(inside if side == "left" else right),
            "text": sign + parts.short_money(step.amount, currency),
        })  # fmt: skip
    colours = {"total": theme.SERIES[2], "less": theme.SERIES[0], "more": theme.SERIES[1]}
    whole = parts.over(rows)
    order = [step.name for step in steps]
    y = alt.Y("step:N", sort=order, title=None, axis=alt.Axis(grid=False))
    x = alt.X(
        "a:Q", title=None, scale=alt.Scale(domain=[low, top], nice=False),
        axis=alt.Axis(labelExpr=parts.money_labels(currency), grid=True, domain=False),
    )  # fmt: skip
    bars = whole.mark_bar(height=16).encode(
        y=y, x=x, x2=alt.X2("b:Q"),
        color=alt.Color("kind:N", legend=None,
                        scale=alt.Scale(domain=list(colours), range=list(colours.values()))),
        tooltip=[alt.Tooltip("step:N"), alt.Tooltip("text:N", title="amount")],
    )  # fmt: skip
    layered: list[Any] = [bars]
    for side, how in _SIDES.items():
        those = [row for row in rows if row["side"] == side]
        if those:
            text = parts.over(those).mark_text(**how)
            layered.append(text.encode(y=y, x=alt.X("at:Q"), text=alt.Text("text:N")))
    return alt.layer(*layered)
