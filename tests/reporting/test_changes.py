# SPDX-License-Identifier: Apache-2.0
"""Why a week cost more: causes in dollars, by hand where one thing changes, and their sum."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from optimizer.planning.weekly import Cause, Changes, weekly
from optimizer.tables import Case, format_hour, parse_hour

Tables = dict[str, list[dict[str, Any]]]
AS_OF = parse_hour("2026-03-16T00:00:00Z")
Build = Callable[..., Case]


def at(hour: int) -> str:
    return format_hour(AS_OF + hour)


def steady(quantity: Callable[[int], float] = lambda _: 2.0) -> Tables:
    """Two weeks of one meter at $10, with one reservation at $6 an hour held all along."""
    return {
        "meters": [
            {"meter": "gpu", "provider": "aws", "product": "instance", "unit": "h",
             "on_demand": "10", "spot": "4"}
        ],
        "offers": [
            {"offer": "ri", "law": "aws.reserved.regional", "measure": "units",
             "term_hours": "1000", "hourly": "6"}
        ],
        "covers": [{"offer": "ri", "meter": "gpu", "draw": "1"}],
        "commitments": [
            {"commitment": "held", "offer": "ri", "quantity": "1", "start": at(-500),
             "end": at(500)}
        ],
        "usage": [
            {"hour": at(hour), "meter": "gpu", "quantity": str(quantity(hour)),
             "account": "a/b"}
            for hour in range(-336, 0)
        ],
    }  # fmt: skip


def told(changes: Changes | None) -> list[tuple[Cause, str, Decimal, Decimal]]:
    assert changes is not None
    assert sum((step.amount for step in changes.steps), changes.before) == changes.after
    return [(s.cause, s.name, s.amount, s.waste) for s in changes.steps]


def test_nothing_changed(build: Build) -> None:
    found = weekly(build(steady()))
    assert told(found.changes) == []
    assert found.week.bill is not None
    assert found.week.bill.total == 168 * (6 + 10)


def test_demand_is_charged_with_what_it_adds(build: Build) -> None:
    """One unit more on demand in every hour of the week: 168 × $10."""
    case = build(steady(lambda hour: 3 if hour >= -168 else 2))
    assert told(weekly(case).changes) == [(Cause.demand, "gpu", Decimal(1680), Decimal(0))]


def test_less_demand_than_is_held_is_waste(build: Build) -> None:
    """From 2 units to none: $10 an hour less; the reservation of $6 is unused."""
    case = build(steady(lambda hour: 0 if hour >= -168 else 2))
    assert told(weekly(case).changes) == [(Cause.demand, "gpu", Decimal(-1680), Decimal(1008))]


def test_a_commitment_that_began(build: Build) -> None:
    """A second reservation for the last 48 hours: $4 an hour less."""
    tables = steady()
    tables["commitments"].append(
        {"commitment": "new", "offer": "ri", "quantity": "1", "start": at(-48), "end": at(952)}
    )
    assert told(weekly(build(tables)).changes) == [
        (Cause.began, "new", Decimal(-4 * 48), Decimal(0))
    ]


def test_a_commitment_that_ended(build: Build) -> None:
    """It ended with the week before: $10 in place of $6 for 168 hours."""
    tables = steady()
    tables["commitments"][0]["end"] = at(-168)
    assert told(weekly(build(tables)).changes) == [(Cause.ended, "held", Decimal(672), Decimal(0))]


def test_prices_of_an_earlier_case(build: Build) -> None:
    """$10 was $12: the uncovered unit costs $2 an hour less; the bill before is at $12."""
    earlier = steady()
    earlier["meters"][0]["on_demand"] = "12"
    old = build(earlier, name="earlier")
    found = weekly(build(steady()), old)
    assert told(found.changes) == [(Cause.price, "gpu", Decimal(-336), Decimal(0))]
    assert found.changes is not None
    assert found.changes.priced
    assert found.changes.before == 168 * (6 + 12)


def test_the_share_on_spot(build: Build) -> None:
    """The unit that is not covered runs on spot in the last week: $4 in place of $10."""
    tables = steady()
    for row in tables["usage"][168:]:
        row["spot_share"] = "0.5"
    changes = weekly(build(tables)).changes
    assert told(changes) == [
        (Cause.spot, "share of usage that ran on spot", Decimal(-1008), Decimal(0))
    ]


def test_hours_without_rows_are_a_cause_of_their_own(build: Build) -> None:
    """A day is missing in the week, half a day before: neither is called demand."""
    tables = steady()
    tables["usage"] = [
        row
        for row in tables["usage"]
        if not at(-48) <= row["hour"] < at(-24) and not at(-336) <= row["hour"] < at(-324)
    ]
    found = weekly(build(tables))
    assert (found.week.missing, found.before.missing) == (24, 12)
    assert told(found.changes) == [
        (Cause.data, "12 hours of the week before have no rows", Decimal(120), Decimal(-72)),
        (Cause.data, "24 hours of the week have no rows", Decimal(-240), Decimal(144)),
    ]


def test_an_odd_hour_of_the_day_keeps_to_complete_days(build: Build) -> None:
    """As of 05:00 the week still ends at midnight."""
    case = build(steady())
    later = (AS_OF // 24) * 24 + 5
    moved = Case(
        path=case.path,
        settings=type(case.settings)(**{**vars(case.settings), "as_of": later}),
        snapshot=case.snapshot,
        _frames={t: case.table(t) for t in case.tables if t != "usage"},
        _files={t: case.file(t) for t in case.tables},
        _store=case.store,
    )
    weeks = weekly(moved).weeks
    assert (weeks.start, weeks.end) == (AS_OF - 168, AS_OF)
    assert timedelta(hours=weeks.end - weeks.before) == timedelta(days=14)


@settings(
    max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_the_causes_add_up_whatever_changes(
    tmp_path_factory: pytest.TempPathFactory, build: Build, data: st.DataObject
) -> None:
    """Two meters, random demand, spot, gaps and commitments that come and go."""
    whole = st.integers(0, 4)
    tables = steady()
    tables["meters"].append(
        {"meter": "cpu", "provider": "azure", "product": "instance", "unit": "h", "on_demand": "3"}
    )
    levels = data.draw(st.lists(whole, min_size=8, max_size=8))
    gaps = data.draw(st.sets(st.integers(0, 13), max_size=4))
    tables["usage"] = [
        {"hour": at(hour), "meter": meter, "quantity": str(levels[at_level + day // 7 * 4] + 1),
         "account": "a", "spot_share": "0.5" if meter == "gpu" and day % 2 else ""}
        for day in range(14) if day not in gaps
        for hour in range(-336 + 24 * day, -312 + 24 * day)
        for at_level, meter in enumerate(("gpu", "cpu"))
    ]  # fmt: skip
    spans = data.draw(
        st.lists(st.tuples(st.integers(-400, 0), st.integers(1, 400)), min_size=1, max_size=3)
    )
    tables["commitments"] = [
        {"commitment": f"c{i}", "offer": "ri", "quantity": str(i + 1), "start": at(start),
         "end": at(start + length)}
        for i, (start, length) in enumerate(spans)
    ]  # fmt: skip
    found = weekly(build(tables, name=tmp_path_factory.mktemp("case").name))
    if gaps >= set(range(7)) or gaps >= set(range(7, 14)):
        return
    assert found.changes is not None
    assert sum((s.amount for s in found.changes.steps), found.changes.before) == (
        found.changes.after
    )
    assert found.week.bill is not None
    assert found.before.bill is not None
    wasted = found.week.bill.unused_cost - found.before.bill.unused_cost
    assert sum((s.waste for s in found.changes.steps), Decimal(0)) == pytest.approx(
        wasted, abs=Decimal("1e-9")
    )
