# SPDX-License-Identifier: Apache-2.0
"""Who spent it, what a unit costs, and what was intended: sections of the weekly report."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from decimal import Decimal

from optimizer.errors import DataError
from optimizer.planning.spend import (
    Compared,
    Group,
    Rule,
    Shared,
    Spend,
    Unused,
    Window,
    compare_costs,
    group_costs,
    intent_of,
    kept_spend,
    weeks_until,
)
from optimizer.reporting.charts.weeks import spend_chart
from optimizer.reporting.document import (
    Better,
    Chart,
    Figure,
    Figures,
    Kind,
    Prose,
    Section,
)
from optimizer.reporting.sections.intent import intent_section
from optimizer.reporting.sections.unit_costs import unit_section
from optimizer.reporting.spend_tables import (
    TOP,
    WINDOW,
    ZERO,
    costs_table,
    name_of,
    spend_table,
    title_of,
    waterfall_table,
    word_of,
)
from optimizer.tables import Case, format_hour

__all__ = ["rules_text", "spend_sections", "spend_table"]

WEEKS = 12  # of the chart
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
                *_weeks(spend, by[0], wanted, rule=rule, unused=unused, shared=shared),
                *tables,
                waterfall_table(first, top),
                *[Prose(note) for note in first.now.notes],
                Prose(rules_text(first)),
            ),
        ),
        unit_section(spend, wanted, rule),
    ]
    intent = intent_of(spend, wanted, rule=rule)
    if intent is not None:
        sections.append(intent_section(intent))
    return sections


def _weeks(
    spend: Spend,
    column: str,
    window: Window,
    *,
    rule: Rule | str,
    unused: Unused | str,
    shared: Sequence[Shared],
) -> list[Chart]:
    """Whole weeks until the window's end as stacked columns; none without two of them."""
    rows = []
    weeks = weeks_until(window.last, WEEKS, spend.known)
    for week in weeks:
        found = group_costs(spend, [column], week, rule=rule, unused=unused, shared=shared)
        day = date.fromisoformat(format_hour(week.first)[:10])
        rows += [
            (day, name_of(column, group.values[0], group.kind), group.total)
            for group in found.groups
        ]
    if len(weeks) < 2:
        return []
    word = word_of(column).lower()
    currency = spend.case.settings.currency
    return [spend_chart(rows, currency, by=word, name=f"spend_weeks_by_{column}")]


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
