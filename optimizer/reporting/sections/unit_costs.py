# SPDX-License-Identifier: Apache-2.0
"""What a request, a million tokens or a run costs: a section, and its table."""

from __future__ import annotations

from collections.abc import Sequence

from optimizer.planning.spend import Rule, Spend, UnitCost, Window, unit_costs
from optimizer.reporting.document import Block, Column, Kind, Prose, Row, Section, Table, Value
from optimizer.reporting.spend_tables import name_of

MOST_UNITS = 20  # rows of unit costs
COUNTED = ("tag_run", "tag_experiment", "tag_feature")  # whose values are counted, if any


def unit_cost_rows(
    spend: Spend, window: Window | str, rule: Rule | str
) -> tuple[list[tuple[str | None, UnitCost]], list[UnitCost]]:
    """The unit costs a report tells: of all usage, of classes and of models.

    Returns
    -------
    Those that are known, each with its column (``None``: all usage); and those of all usage
    that are not, which say what is missing.
    """
    known: list[tuple[str | None, UnitCost]] = []
    unknown: list[UnitCost] = []
    tags = [tag for tag in COUNTED if spend.labels_of(tag)]
    for measure in ("requests", "output_tokens", "metered_tokens", "runs", *tags):
        (whole,) = unit_costs(spend, measure, window, rule=rule)
        if whole.value is None:
            unknown.append(whole)
        else:
            known.append((None, whole))
        for column in ("workload", "model"):
            if column == "model" and not spend.asked.models:
                continue
            found = unit_costs(spend, measure, window, column=column, rule=rule)
            known += [(column, row) for row in found if row.value is not None and row.group]
    return known, unknown


def unit_section(spend: Spend, window: Window, rule: Rule | str) -> Section:
    """Unit costs that are known, and what would tell the others."""
    known, unknown = unit_cost_rows(spend, window, rule)
    blocks: list[Block] = []
    if known:
        blocks.append(unit_costs_table(known))
    if unknown:
        lacks: dict[str, list[str]] = {}
        for row in unknown:
            lacks.setdefault(row.missing, []).append(f"per {row.per}")
        told = "; ".join(f"{' and '.join(what)}: {missing}" for missing, what in lacks.items())
        blocks.append(Prose(f"Not known, and what would tell it: {told}."))
    return Section("unit_costs", "What a unit costs", tuple(blocks))


def unit_costs_table(
    rows: Sequence[tuple[str | None, UnitCost]], most: int | None = MOST_UNITS
) -> Table:
    """Unit costs, each with the column that its group is a value of (``None``: all usage)."""
    columns = [
        Column("of", "Of"),
        Column("per", "Per"),
        Column("value", "Unit cost", Kind.rate, formula="cost ÷ count, in the unit named"),
        Column("before", "Before", Kind.rate, formula="the same in the window before"),
        Column("change", "Change", Kind.share, formula="unit cost ÷ before − 1"),
        Column(
            "first_week",
            "First week",
            Kind.rate,
            formula="of up to eight whole weeks until the window's end",
        ),
        Column("cost", "Cost", Kind.money, formula="cost of the usage that is counted"),
        Column("count", "Count", Kind.quantity, formula="requests, tokens or runs"),
    ]
    shown = rows[:most]
    lacking = any(row.missing for _, row in shown)
    if lacking:
        columns.append(Column("missing", "What would tell it"))
    made = []
    for column, row in shown:
        trend = [point.value for point in row.trend if point.value is not None]
        of = "All usage" if column is None else f"{column} {name_of(column, row.group)}"
        values: list[Value] = [
            of,
            row.per,
            row.value,
            row.before,
            row.change,
            trend[0] if trend else None,
            row.cost,
            row.count,
        ]
        values += [row.missing] if lacking else []
        key = f"{column or 'all'}/{row.group or ''}/{row.per}"
        made.append(Row(tuple(values), key=key, source="usage"))
    more = len(rows) - len(made)
    return Table(
        "unit_costs",
        "Unit costs",
        tuple(columns),
        tuple(made),
        note="Shared deployments are divided by what their request classes asked for.",
        rest=f"{more} more: gpuopt costs --per --top 0" if more > 0 else "",
        empty="Nothing that ran is counted.",
    )
