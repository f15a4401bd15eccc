# SPDX-License-Identifier: Apache-2.0
"""Spend week by week, of the values of a column."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

from optimizer.planning.spend import (
    Basis,
    Rule,
    Spend,
    Unused,
    Window,
    group_costs,
    weeks_until,
)
from optimizer.reporting.charts import spend_chart
from optimizer.reporting.document import Chart
from optimizer.reporting.spend_tables import name_of, word_of
from optimizer.tables import format_hour

WEEKS = 12
MOST_VALUES = 500  # of a column: beyond, twelve tables of them cost seconds and say nothing


def has_weeks(spend: Spend, column: str) -> bool:
    """Whether there are weeks to be compared, of values that can be told apart."""
    values = spend.labels(column, Basis()).values
    return len(_weeks(spend)) > 1 and len(values) <= MOST_VALUES


def weekly_spend_chart(
    spend: Spend, column: str, rule: Rule | str, unused: Unused | str, currency: str
) -> Chart:
    """Draw what the values of a column cost in each of the last whole weeks of the history.

    Raises
    ------
    UsageError
        If usage has no such column, or there is no such rule.
    """
    rows: list[tuple[date, str, Decimal]] = [
        (
            date.fromisoformat(format_hour(week.first)[:10]),
            name_of(column, group.values[0], group.kind),
            group.total,
        )
        for week in _weeks(spend)
        for group in group_costs(spend, [column], week, rule=rule, unused=unused).groups
    ]
    return spend_chart(rows, currency, by=word_of(column).lower(), name="spend_weeks")


def _weeks(spend: Spend) -> list[Window]:
    first, last = spend.known
    return weeks_until(min(last, spend.case.settings.as_of), WEEKS, (first, last))
