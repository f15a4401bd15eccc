# SPDX-License-Identifier: Apache-2.0
"""Who spent the week's bill and what a unit cost, as the weekly report tells it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal

from optimizer.billing.attribution import decimal_of
from optimizer.errors import DataError
from optimizer.planning.spend import Basis, Spend, Window, kept_spend
from optimizer.planning.weekly import Weekly
from optimizer.reporting.document import Better, Figure, Figures, Kind, Prose, Section, Table
from optimizer.reporting.render.values import money
from optimizer.reporting.sections.spend import spend_sections
from optimizer.tables import Case

CENT = Decimal("0.005")
_MOST = 3  # unit costs among the key figures


def spend_of_case(case: Case) -> Spend | str:
    """The history replayed hour by hour, or why it cannot be."""
    if not case.has("usage"):
        return ""
    try:
        return kept_spend(case)
    except DataError as error:
        return str(error)


def spend_of_week(spend: Spend | str, week: Weekly) -> list[Section]:
    """Spend of the week by team and model, unit costs and intent, where they are known.

    The figures that open the section are left out: they are the report's own key figures.
    """
    if week.week.bill is None or week.week.empty:
        return []
    if isinstance(spend, str):
        told = f"It cannot be told, because not all of history has a price: {spend}"
        return [Section("spend", "Who spent it", (Prose(told, "warning"),))]
    weeks = week.weeks
    found = spend_sections(spend, Window(weeks.start, weeks.end, "the week"))
    if found:
        found[0] = replace(found[0], blocks=(*_differs(spend, week), *found[0].blocks))
    return [
        replace(section, blocks=tuple(b for b in section.blocks if not isinstance(b, Figures)))
        for section in found
        if section.name != "unit_costs" or _known(section)
    ]


def _differs(spend: Spend, week: Weekly) -> list[Prose]:
    """Say why the tables are not of the week's bill, where they are not."""
    weeks = week.weeks
    known = spend.window(Window(weeks.start, weeks.end, "the week"))
    bill = Decimal(0) if week.week.bill is None else week.week.bill.total
    apart = bill - decimal_of(spend.costs(known, Basis()).total)
    if abs(apart) < CENT:
        return []
    why = (
        f"the {week.week.hours - known.hours} hours of the week outside of all rows, in which "
        "commitments alone cost, are not in them"
        if known.hours < week.week.hours
        else "sustained use discounts are here those of the whole month, there those that the "
        "week's own hours earn"
    )
    word = "less" if apart > 0 else "more"
    amount = money(abs(apart), spend.case.settings.currency)
    return [Prose(f"The tables add up to {amount} {word} than the bill of the week: {why}.")]


def _known(section: Section) -> bool:
    """Whether any unit cost is known: a table of what is missing is no news of the week."""
    tables = [block for block in section.blocks if isinstance(block, Table)]
    return any(
        row.values[[column.name for column in table.columns].index("value")] is not None
        for table in tables
        for row in table.rows
    )


def unit_figures(sections: Sequence[Section]) -> tuple[Figure, ...]:
    """Unit costs of all usage, where they are known, as key figures."""
    table = next(
        (
            block
            for section in sections
            for block in section.blocks
            if isinstance(block, Table) and block.name == "unit_costs"
        ),
        None,
    )
    if table is None:
        return ()
    names = [column.name for column in table.columns]
    figures = []
    for row in table.rows:
        of = dict(zip(names, row.values, strict=True))
        if of["of"] != "All usage" or of["value"] is None:
            continue
        figures.append(
            Figure(
                f"cost_per_{str(of['per']).replace(' ', '_').replace(',', '')}",
                f"Cost per {of['per']}",
                of["value"],
                Kind.rate,
                of["before"],
                Better.down,
                "cost of the usage that is counted ÷ count",
            )
        )
    return tuple(figures[:_MOST])
