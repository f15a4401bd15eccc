# SPDX-License-Identifier: Apache-2.0
"""Coverage day by day: a table whose cells are shaded by what they say."""

from __future__ import annotations

from optimizer.billing.kpis import FORMULAE
from optimizer.planning.weekly.covered import DailyCoverage
from optimizer.reporting.document import Column, Kind, Row, Section, Table
from optimizer.reporting.sections.words import count_of, day_of

MOST_METERS = 12


def coverage_section(covered: DailyCoverage) -> Section:
    """Coverage of the last seven days, by provider and by the meters with most to cover."""
    days = covered.days // 2  # the week; the one before it stands in the first column
    whole = f"{FORMULAE['coverage']}; all hours of the week together"
    columns = (
        Column("what", "Provider or meter"),
        Column("week_before", "Week before", Kind.share, formula=whole),
        Column("week", "Week", Kind.share, formula=whole),
        *(
            Column(str(day), f"{day:%a} {day.day}", Kind.share, heat=True)
            for day in (
                day_of(covered.first_day + 24 * index) for index in range(days, covered.days)
            )
        ),
    )
    meters = covered.meters(MOST_METERS)
    named = [(name, name, "") for name in covered.providers]
    named += [(meter, provider, meter) for provider, meter in meters]

    def shares(provider: str = "", meter: str = "") -> tuple[float | None, ...]:
        weeks = (covered.share_of_week(n, provider=provider, meter=meter) for n in (0, 1))
        return (*weeks, *covered.share(provider=provider, meter=meter)[days:])

    rows = [
        Row((name, *shares(provider, meter)), key=name, source="replay of usage")
        for name, provider, meter in named
    ]
    if named:
        rows.append(Row(("All", *shares()), key="all", source="replay of usage", emphasis=True))
    left = len(covered.meters(len(covered.eligible))) - len(meters)
    table = Table(
        "coverage_by_day",
        "Coverage of the week by day",
        columns,
        tuple(rows),
        note="Worth at on-demand prices, over meters that some offer covers; spot is in neither.",
        rest=f"{count_of(left, 'meter')} with less to cover: in the totals." if left > 0 else "",
        empty="No usage of these weeks could be covered by any offer.",
    )
    return Section("coverage", "Coverage over the week", (table,))
