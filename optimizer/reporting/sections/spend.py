# SPDX-License-Identifier: Apache-2.0
"""Who spent it, what a unit costs, and what was intended: sections of the weekly report."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from optimizer.errors import DataError
from optimizer.planning.spend import (
    Compared,
    Group,
    Intent,
    Rule,
    Shared,
    Spend,
    UnitCost,
    Unused,
    Window,
    compare_costs,
    intent_of,
    kept_spend,
    unit_costs,
)
from optimizer.reporting.document import (
    Better,
    Block,
    Column,
    Figure,
    Figures,
    Kind,
    Prose,
    Row,
    Section,
    Table,
)
from optimizer.reporting.spend_tables import (
    TOP,
    WINDOW,
    ZERO,
    costs_table,
    name_of,
    spend_table,
    title_of,
    waterfall_table,
)
from optimizer.tables import Case

__all__ = ["intent_section", "rules_text", "spend_sections", "spend_table", "unit_costs_table"]

MOST_UNITS = 20  # rows of unit costs
# Which columns tell teams and what is made, in order of preference; the first that usage has.
TEAMS = ("tag_team", "tag_department", "tag_owner", "account")
MADE = (
    "model",
    "tag_model",
    "tag_experiment",
    "tag_feature",
    "tag_project",
    "tag_purpose",
    "meter",
)


def spend_sections(
    case: Case | Spend,
    window: Window | str = WINDOW,
    *,
    rule: Rule | str = Rule.used,
    unused: Unused | str = Unused.apart,
    shared: Sequence[Shared] = (),
    top: int = TOP,
) -> list[Section]:
    """Sections of the weekly report: spend by team and model, unit costs, and intent.

    Raises
    ------
    UsageError
        As :func:`optimizer.planning.spend.group_costs`.  A window without usage, or a price that
        is absent, is told.
    """
    try:
        spend = case if isinstance(case, Spend) else kept_spend(case)
        wanted = spend.window(window)
    except DataError as error:
        told = f"{error.problem[0].upper()}{error.problem[1:]}: nothing can be said of it."
        return [Section("spend", "Who spent it", (Prose(told, "warning"),))]
    by = _columns(spend)
    tables = []
    first: Compared | None = None
    for column in by:
        compared = compare_costs(
            spend,
            [column],
            wanted,
            rule=rule,
            unused=unused,
            shared=shared if column == by[0] else (),
            waterfall=True,
        )
        first = first or compared
        name = f"spend_by_{column}"
        tables.append(costs_table(compared, top, name, title_of([column]), waterfall=False))
    assert first is not None  # there is always a column: meter
    sections = [
        Section(
            "spend",
            "Who spent it",
            (
                _figures(first),
                *tables,
                waterfall_table(first, top),
                *[Prose(note) for note in first.now.notes],
                Prose(rules_text(first)),
            ),
        ),
        Section(
            "unit_costs",
            "What a unit costs",
            (unit_costs_table(unit_cost_rows(spend, wanted, rule)),),
        ),
    ]
    intent = intent_of(spend, wanted, rule=rule)
    if intent is not None:
        sections.append(intent_section(intent))
    return sections


def _columns(spend: Spend) -> list[str]:
    """One column that tells teams, and one that tells what is made."""
    cells = spend.cells.labels
    there = {name for name, label in cells.items() if any(label.values)} | {"meter"}
    if "deployment" in there and spend.asked.models:
        there.add("model")
    chosen = [next((name for name in choice if name in there), None) for choice in (TEAMS, MADE)]
    return [name for name in chosen if name]


def rules_text(compared: Compared) -> str:
    """The rules by which the groups were made, in words."""
    now = compared.now
    told = {
        Rule.used: "Commitment cost goes to the usage that the provider's law covered.",
        Rule.even: (
            "The benefit of commitments is spread over all usage they could have covered, in "
            "proportion to its worth at on-demand prices."
        ),
        Rule.requests: (
            "Commitment cost goes to the usage it covered; shared deployments are divided by "
            "what their request classes asked for."
        ),
    }[now.rule]
    idle = {
        Unused.apart: "What nothing used is a group of its own.",
        Unused.share: "What nothing used is shared in proportion to what was used.",
    }[now.unused]
    return f"{told} {idle} The groups add up to the replayed bill of the window."


def _figures(compared: Compared) -> Figures:
    now, past = compared.now, compared.past

    def unused(groups: Sequence[Group]) -> Decimal:
        return sum((group.unused for group in groups), ZERO)

    def nameless(groups: Sequence[Group], total: Decimal) -> float | None:
        lost = sum((g.total for g in groups if g.kind == "usage" and None in g.values), ZERO)
        return float(lost / total) if total else None

    column = now.by[0]
    return Figures(
        "spend",
        (
            Figure(
                "spend",
                "Spend",
                now.total,
                Kind.money,
                before=past.total if past else None,
                better=Better.down,
                formula="replayed bill of the window: on demand + spot + amortised commitments",
            ),
            Figure(
                "unused",
                "Unused commitments",
                unused(now.groups),
                Kind.money,
                before=unused(past.groups) if past else None,
                better=Better.down,
                formula="amortised cost of commitments that nothing used",
            ),
            Figure(
                "nameless",
                name_of(column, None).strip("()").capitalize(),
                nameless(now.groups, now.total),
                Kind.share,
                before=nameless(past.groups, past.total) if past else None,
                better=Better.down,
                formula=f"cost of usage without a value in {column} ÷ spend",
            ),
        ),
    )


def unit_cost_rows(
    spend: Spend, window: Window | str, rule: Rule | str
) -> list[tuple[str | None, UnitCost]]:
    """The unit costs a report tells: of all usage, of classes and of models, where known.

    What cannot be told for all usage is told with what is missing.
    """
    rows: list[tuple[str | None, UnitCost]] = []
    for measure in ("requests", "output_tokens", "metered_tokens", "runs"):
        (whole,) = unit_costs(spend, measure, window, rule=rule)
        rows.append((None, whole))
        for column in ("workload", "model"):
            if column == "model" and not spend.asked.models:
                continue
            found = unit_costs(spend, measure, window, column=column, rule=rule)
            rows += [(column, row) for row in found if row.value is not None and row.group]
    return rows


def unit_costs_table(
    rows: Sequence[tuple[str | None, UnitCost]], most: int | None = MOST_UNITS
) -> Table:
    """Unit costs, each with the column that its group is a value of (``None``: all usage)."""
    columns = (
        Column("of", "Of"),
        Column("per", "Per"),
        Column("value", "Unit cost", Kind.rate, formula="cost ÷ count, in the unit named"),
        Column("before", "Before", Kind.rate, formula="the same in the window before"),
        Column("change", "Change", Kind.share, formula="unit cost ÷ before − 1"),
        Column("first_week", "First week", Kind.rate, formula="of the whole weeks before the end"),
        Column("weeks", "Weeks", Kind.whole, formula="whole weeks in which it is known"),
        Column("cost", "Cost", Kind.money, formula="cost of the usage that is counted"),
        Column("count", "Count", Kind.quantity, formula="requests, tokens or runs"),
        Column("missing", "What would tell it"),
    )
    made = []
    for column, row in rows[:most]:
        trend = [point.value for point in row.trend if point.value is not None]
        of = "All usage" if column is None else f"{column} {name_of(column, row.group)}"
        made.append(
            Row(
                (
                    of,
                    row.per,
                    row.value,
                    row.before,
                    row.change,
                    trend[0] if trend else None,
                    len(trend),
                    row.cost,
                    row.count,
                    row.missing,
                ),
                key=f"{column or 'all'}/{row.group or ''}/{row.per}",
                source="usage",
            )
        )
    more = len(rows) - len(made)
    return Table(
        "unit_costs",
        "Unit costs",
        columns,
        tuple(made),
        note="Shared deployments are divided by what their request classes asked for.",
        rest=f"{more} more: gpuopt costs --per --top 0" if more > 0 else "",
        empty="Nothing that ran is counted.",
    )


def intent_section(intent: Intent) -> Section:
    """Spend by stage, and what was planned beside what ran."""
    stages = Table(
        "spend_by_stage",
        "Spend by stage",
        (
            Column("stage", "Stage", Kind.state),
            Column("cost", "Cost", Kind.money),
            Column("share", "Share", Kind.share, formula="cost ÷ spend of the window"),
        ),
        tuple(Row((stage.stage, stage.cost, stage.share), key=stage.stage)
              for stage in intent.stages),
        note="none: usage of no initiative, and unused commitments",
    )  # fmt: skip
    initiatives = Table(
        "initiatives",
        "Planned and actual",
        (
            Column("initiative", "Initiative"),
            Column("stage", "Stage", Kind.state),
            Column("what", "Of"),
            Column("planned", "Planned", Kind.quantity, formula="quantity × hours in the window"),
            Column("actual", "Actual", Kind.quantity, formula="units or requests that matched"),
            Column("planned_cost", "Planned cost", Kind.money, formula="planned × on-demand price"),
            Column("actual_cost", "Actual cost", Kind.money),
            Column("note", "Note"),
        ),
        tuple(
            Row(
                (
                    part.initiative,
                    part.stage,
                    part.what,
                    part.planned,
                    part.actual,
                    part.planned_cost,
                    part.actual_cost,
                    part.note,
                ),
                key=f"{part.initiative}/{part.row}",
                source=f"initiatives, row {part.row}",
            )
            for part in intent.parts
        ),
    )
    blocks: list[Block] = [stages, initiatives]
    blocks += [Prose(note, "warning") for note in intent.notes]
    return Section("intent", "What was intended", tuple(blocks))
