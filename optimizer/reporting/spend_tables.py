# SPDX-License-Identifier: Apache-2.0
"""Tables of spend: costs by group beside the window before, and from list to effective."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from optimizer.planning.spend import (
    Compared,
    Group,
    OverTime,
    Rule,
    Shared,
    Spend,
    Spending,
    Unused,
    Window,
    compare_costs,
    kept_spend,
)
from optimizer.planning.spend.classes import TAG
from optimizer.planning.spend.windows import DAY
from optimizer.reporting.document import Column, Kind, Row, Table, Value
from optimizer.tables import Case, format_hour

ZERO = Decimal(0)
TOP = 12
GROUPS = 6  # columns of a table over time
WINDOW = "7d"

MONEY = (
    ("on_demand", "On demand", "usage that neither spot nor a commitment covers, at its price"),
    ("spot", "Spot", "usage on spot, at the spot price"),
    ("commitments", "Commitments", "amortised cost of the commitments that covered the usage"),
    ("unused", "Unused", "amortised cost of commitments that nothing used"),
    ("shared", "Shared", "what the group was given of shared costs"),
)


def spend_table(
    case: Case | Spend,
    *,
    by: Sequence[str],
    window: Window | str = WINDOW,
    rule: Rule | str = Rule.used,
    unused: Unused | str = Unused.apart,
    shared: Sequence[Shared] = (),
    measure: str = "requests",
    waterfall: bool = False,
    top: int | None = TOP,
    name: str = "spend",
    title: str = "",
) -> Table:
    """Costs of a window by the values of some columns, with those of the window before.

    Parameters
    ----------
    case
        A case (its replay is kept by snapshot), or what :func:`spend_of` made of one.
    top
        How many rows; the others are added up in one. ``None``: all.
    waterfall
        Also the steps from list price to what usage cost.

    Raises
    ------
    UsageError, DataError
        As :func:`optimizer.planning.spend.group_costs`.
    """
    spend = case if isinstance(case, Spend) else kept_spend(case)
    compared = compare_costs(
        spend,
        by,
        window,
        rule=rule,
        unused=unused,
        shared=shared,
        measure=measure,
        waterfall=waterfall,
    )
    return costs_table(compared, top, name, title or title_of(by), waterfall=waterfall)


def word_of(column: str) -> str:
    """A column's heading."""
    return column.removeprefix(TAG).replace("_", " ").capitalize()


def name_of(column: str, value: str | None, kind: str = "usage") -> str:
    """A value as it is shown; what is absent has a name."""
    if kind == "unused":
        return "(unused commitments)" if value is None else f"{value} (unused commitments)"
    if value is not None:
        return value
    return "(untagged)" if column.startswith(TAG) else f"(no {column})"


def title_of(by: Sequence[str]) -> str:
    """The title of a table of costs by these columns."""
    if not by:
        return "Spend"
    return f"Spend by {' and '.join(column.removeprefix(TAG) for column in by)}"


def costs_table(
    compared: Compared,
    top: int | None,
    name: str,
    title: str,
    *,
    waterfall: bool,
    total: bool = True,
) -> Table:
    """The groups, the smaller ones added up in one row, and the total, which is the bill."""
    now = compared.now
    present = [
        column
        for column in MONEY
        if any(getattr(group, column[0]) for group in now.groups) or column[0] == "on_demand"
    ]
    columns = [Column(column, word_of(column)) for column in now.by]
    if not now.by:
        columns = [Column("group", "Group")]
    columns += [
        Column("total", "Total", Kind.money, formula="the sum of the parts: a share of the bill"),
        Column("share", "Share", Kind.share, formula="total ÷ the bill of the window"),
        Column("before", "Before", Kind.money, formula=f"total in {_before_words(compared)}"),
        Column("change", "Change", Kind.change, formula="total − before"),
    ]
    columns += [Column(key, heading, Kind.money, formula=told) for key, heading, told in present]
    if waterfall:
        columns += [
            Column("list_price", "At list", Kind.money, formula="usage at list prices"),
            Column(
                "saved",
                "Below list",
                Kind.share,
                formula="1 − (total − shared) ÷ usage at list prices",
            ),
        ]
    keys = [key for key, _, _ in present]
    shown = now.groups if top is None else now.groups[:top]
    rows = [_row(compared, group, keys, waterfall=waterfall) for group in shown]
    others = now.groups[len(shown) :]
    rest = ""
    if others:
        rows.append(_sum_row(compared, others, keys, f"({len(others)} others)", waterfall))
        rest = f"{len(others)} smaller groups are added up; gpuopt costs --top 0 shows each"
    if total:
        rows.append(_sum_row(compared, now.groups, keys, "Total", waterfall, whole=True))
    return Table(
        name=name,
        title=title,
        columns=tuple(columns),
        rows=tuple(rows),
        note=_note(compared),
        rest=rest,
        empty="Nothing was spent in this window.",
    )


def _row(compared: Compared, group: Group, keys: Sequence[str], *, waterfall: bool) -> Row:
    now = compared.now
    before = compared.cost_before(group)
    names = [
        name_of(column, value, group.kind)
        for column, value in zip(now.by, group.values, strict=True)
    ]
    values: list[Value] = [*(names or ["All usage" if group.kind == "usage" else "Unused"])]
    values += _sums(group.total, before, now.total)
    values += [getattr(group, key) for key in keys]
    if waterfall:
        steps = group.steps
        listed = None if steps is None else steps.list_price
        values += [listed, _below(group.total - group.shared, listed)]
    return Row(tuple(values), key="/".join(names), source="usage")


def _sum_row(
    compared: Compared,
    groups: Sequence[Group],
    keys: Sequence[str],
    name: str,
    waterfall: bool,
    *,
    whole: bool = False,
) -> Row:
    now = compared.now
    total = sum((group.total for group in groups), ZERO)
    before: Decimal | None = None
    if compared.past is not None:
        befores = [compared.cost_before(group) or ZERO for group in groups]
        before = compared.past.total if whole else sum(befores, ZERO)
    values: list[Value] = [name, *[""] * (max(1, len(now.by)) - 1)]
    values += _sums(total, before, now.total)
    values += [sum((getattr(group, key) for group in groups), ZERO) for key in keys]
    if waterfall:
        steps = [group.steps for group in groups if group.kind == "usage"]
        known = [step.list_price for step in steps if step is not None]
        listed = sum(known, ZERO) if len(known) == len(steps) else None
        shared = sum((group.shared for group in groups), ZERO)
        values += [listed, _below(total - shared, listed)]
    return Row(tuple(values), key=name, emphasis=whole)


def _sums(total: Decimal, before: Decimal | None, bill: Decimal) -> list[Value]:
    return [
        total,
        float(total / bill) if bill else None,
        before,
        None if before is None else total - before,
    ]


def _below(cost: Decimal, listed: Decimal | None) -> float | None:
    return float(1 - cost / listed) if listed else None


def _before_words(compared: Compared) -> str:
    return compared.now.window.before().text if compared.past else "the window before"


def _note(compared: Compared) -> str:
    told = [f"Window {compared.now.window.text}, UTC"]
    if compared.past is None:
        told.append("of the window before not all usage is known")
    elif compared.gone:
        told.append("the total before includes groups that cost nothing now")
    return "; ".join(told)


def over_time_table(found: OverTime, most: int = GROUPS, name: str = "spend_over_time") -> Table:
    """A row per step, a column per group: the dearest ones, the others together, the total."""
    shown = found.courses[:most]
    others = found.courses[most:]
    whole = not any(hour % DAY for step in found.steps for hour in _ends(step))
    moment = Kind.day if whole else Kind.moment
    columns = [Column("start", "From", moment), Column("end", "Until", moment)]
    taken = {"start", "end", "others", "total"}
    for course in shown:
        kind, values = course.key
        text = " / ".join(
            name_of(column, value, kind) for column, value in zip(found.by, values, strict=True)
        )
        own = text = text or ("all usage" if kind == "usage" else "unused")
        while own in taken:
            own += "_"
        taken.add(own)
        columns.append(Column(own, text, Kind.money))
    if others:
        columns.append(Column("others", f"{len(others)} others", Kind.money))
    columns.append(Column("total", "Total", Kind.money, formula="the replayed bill of the step"))
    rows = []
    for place, step in enumerate(found.steps):
        values_of: list[Value] = [format_hour(step.window.first), format_hour(step.window.last)]
        values_of += [course.costs[place] for course in shown]
        if others:
            values_of.append(sum((course.costs[place] for course in others), ZERO))
        values_of.append(step.total)
        rows.append(Row(tuple(values_of), key=str(values_of[0]), source="usage"))
    title = f"{title_of(found.by)} over time"
    return Table(name, title, tuple(columns), tuple(rows))


def _ends(step: Spending) -> tuple[int, int]:
    return step.window.first, step.window.last


def waterfall_table(compared: Compared, top: int | None) -> Table:
    """From list price to effective cost, by group."""
    now = compared.now
    column = now.by[0]
    columns = (
        Column(column, word_of(column)),
        Column("list_price", "At list", Kind.money, formula="usage at list prices"),
        Column("contract", "Contract", Kind.change, formula="saved by negotiated prices"),
        Column("sustained_use", "Sustained use", Kind.change, formula="saved by sustained use"),
        Column("spot", "Spot", Kind.change, formula="saved by spot over on-demand prices"),
        Column(
            "commitments",
            "Commitments",
            Kind.change,
            formula="covered usage at on-demand prices − the commitments' used cost",
        ),
        Column("unused", "Unused", Kind.change, formula="commitments that nothing used"),
        Column("shared", "Shared", Kind.change, formula="given of shared costs"),
        Column("total", "Effective", Kind.money, formula="list price less what was saved"),
    )
    keep = [group for group in now.groups if group.steps is not None]
    lost = sum(1 for group in now.groups if group.kind == "usage" and group.steps is None)
    shown = keep if top is None else keep[:top]
    rows = [_steps(group, column) for group in shown]
    # A step that nobody took says nothing.
    used = [
        place
        for place, each in enumerate(columns)
        if each.kind is not Kind.change or any(row[place] for row in rows)
    ]
    told = (
        [f"{len(keep) - len(shown)} smaller groups are left out"] if len(keep) > len(shown) else []
    )
    if lost:
        told.append(f"{lost} groups use meters without a list or an on-demand price")
    return Table(
        "waterfall_by_" + column,
        "From list price to effective cost",
        tuple(columns[place] for place in used),
        tuple(
            Row(tuple(row[place] for place in used), key=str(row[0]), source="usage")
            for row in rows
        ),
        rest="; ".join(told),
        empty="No group has prices for all its meters.",
    )


def _steps(group: Group, column: str) -> list[Value]:
    steps = group.steps
    if steps is None:
        return []
    saved = (steps.contract, steps.sustained_use, steps.spot, steps.commitments)
    return [
        name_of(column, group.values[0]),
        steps.list_price,
        *[-amount for amount in saved],
        group.unused,
        group.shared,
        group.total,
    ]
