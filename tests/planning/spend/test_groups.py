# SPDX-License-Identifier: Apache-2.0
"""Costs by group: checked by hand, exact under every rule, and whatever the names."""

from __future__ import annotations

import random
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from optimizer.billing import bill_case
from optimizer.errors import DataError, UsageError
from optimizer.planning.spend import (
    How,
    Rule,
    Shared,
    Spend,
    Spending,
    Unused,
    compare_costs,
    costs_over_time,
    group_costs,
    parse_shared,
    parse_window,
    spend_of,
)
from optimizer.tables import UsageScale, edited_case, read_case

from .spenders import AS_OF, at, case_of, meter, ran, teams

ROOT = Path(__file__).parents[3]
LAST = f"{at(-4)}..{at(0)}"


@pytest.fixture(scope="module")
def spend(tmp_path_factory: pytest.TempPathFactory) -> Spend:
    return spend_of(teams(tmp_path_factory.mktemp("teams") / "case"))


def totals(found: Spending) -> dict[str, Decimal]:
    """Total by the first column; ``-`` is what has no value, ``unused`` what nothing used."""
    return {
        "unused" if group.kind == "unused" else group.values[0] or "-": group.total
        for group in found.groups
    }


def added(found: Spending) -> Decimal:
    return sum((group.total for group in found.groups), Decimal(0))


def test_used_goes_to_whom_the_law_covered(spend: Spend) -> None:
    """4 hours × 4 GPUs share one line: half of it is covered, so half of each team's."""
    found = group_costs(spend, ["tag_team"], LAST)
    # On demand 2 × 10 an hour and 2 × 5 for the commitment: a quarter of it is a's.
    assert totals(found) == {"a": 30, "b": 90, "-": 40}
    a = next(group for group in found.groups if group.values == ("a",))
    assert (a.on_demand, a.commitments) == (20, 10)
    assert found.total == 160


def test_unused_is_apart_or_shared(spend: Spend) -> None:
    """In the 8 hours 4 × $5 of the reservation are unused; a used $30, b $30 of it."""
    apart = group_costs(spend, ["tag_team"], "8h")
    assert totals(apart) == {"a": 50, "b": 90, "-": 40, "unused": 20}
    shared = group_costs(spend, ["tag_team"], "8h", unused="share")
    assert totals(shared) == {"a": 60, "b": 100, "-": 40}
    assert shared.total == apart.total == bill_case(spend.case).total == 200


def test_even_does_not_ask_who_was_covered(tmp_path: Path) -> None:
    """Accounts a and b use one GPU each; the reservation of one covers its owner's, a's."""
    usage = [
        *ran("gpu", 1, -2, 0, account="org/x/a", tag_team="a"),
        *ran("gpu", 1, -2, 0, account="org/x/b", tag_team="b"),
    ]
    case = teams(
        tmp_path / "case",
        usage=usage,
        commitments=[
            {"commitment": "c", "offer": "ri", "quantity": 1, "start": at(-2), "end": at(0),
             "account": "org/x/a"}
        ],
    )  # fmt: skip
    spend = spend_of(case)
    assert totals(group_costs(spend, ["tag_team"], "2h")) == {"a": 10, "b": 20}
    assert totals(group_costs(spend, ["tag_team"], "2h", rule="even")) == {"a": 15, "b": 15}


def test_accounts_by_the_parts_of_their_path(tmp_path: Path) -> None:
    usage = [
        row
        for account in ("org/x/a", "org/x/b", "org/y/c", "")
        for row in ran("cpu", 1, -1, 0, account=account)
    ]
    spend = spend_of(case_of(tmp_path / "case", meters=[meter("cpu", "1")], usage=usage))
    assert totals(group_costs(spend, ["account/1"], "1h")) == {"org": 3, "-": 1}
    assert totals(group_costs(spend, ["account/2"], "1h")) == {"org/x": 2, "org/y": 1, "-": 1}


def test_shared_costs_are_left_spread_evenly_or_in_proportion(spend: Spend) -> None:
    """The CPUs without a team cost 40; a costs 30 and b 90 of their own."""
    by = ["tag_team"]
    even = group_costs(spend, by, LAST, shared=[Shared("", How.even)])
    assert totals(even) == {"a": 50, "b": 110}
    proportional = group_costs(spend, by, LAST, shared=[Shared("")])
    assert totals(proportional) == {"a": 40, "b": 120}
    assert all(group.shared in (10, 30) for group in proportional.groups)
    named = group_costs(spend, by, LAST, shared=[Shared("b"), Shared("", How.even)])
    assert totals(named) == {"a": 160}
    alone = group_costs(spend, by, LAST, shared=[Shared("a"), Shared("b"), Shared("")])
    assert added(alone) == alone.total == 160
    assert "nobody to share" in alone.notes[-1]


def test_a_cross_table_keeps_the_other_column(spend: Spend) -> None:
    """Shared CPUs stay CPUs: each team gets its part of them under the meter cpu."""
    found = group_costs(spend, ["tag_team", "meter"], LAST, shared=[Shared("")])
    cells = {group.values: group.total for group in found.groups}
    assert cells == {("a", "gpu"): 30, ("b", "gpu"): 90, ("a", "cpu"): 10, ("b", "cpu"): 30}


def test_from_list_price_to_what_it_cost(spend: Spend) -> None:
    found = group_costs(spend, ["tag_team"], LAST, waterfall=True, shared=[Shared("")])
    steps = {group.values[0]: group.steps for group in found.groups}
    a = steps["a"]
    assert a is not None
    # 4 GPU-hours: 48 at list, 40 by contract, of which 2 covered ones cost 10 and not 20.
    assert (a.list_price, a.contract, a.spot, a.commitments) == (48, 8, 0, 10)
    assert a.cost == 30


def test_a_window_is_compared_with_the_one_before(spend: Spend) -> None:
    compared = compare_costs(spend, ["tag_team"], LAST)
    assert compared.past is not None
    before = {group.values[0]: compared.cost_before(group) for group in compared.now.groups}
    assert before == {"b": 0, "a": 20, None: 0}
    assert compared.gone == 20  # four hours of one reserved GPU that nobody used
    assert compare_costs(spend, ["tag_team"], "8h").past is None  # nothing is known of it


def test_tiny_by_hand() -> None:
    """fixtures/tiny: the reservation pays 4 of 10 GPU-hours ($20); 102 in all."""
    spend = spend_of(read_case(ROOT / "fixtures" / "tiny"))
    found = group_costs(spend, ["meter"], "all", waterfall=True)
    rows = {group.values[0]: group for group in found.groups}
    assert (rows["gpu"].on_demand, rows["gpu"].commitments) == (60, 20)
    assert (rows["cpu"].on_demand, rows["cpu"].commitments) == (22, 0)
    assert found.total == 102
    with pytest.raises(DataError, match=r"no usage is known in .* 2026-01-01T00:00:00Z"):
        group_costs(spend, ["meter"], "7d")


HOURS = st.tuples(st.integers(-8, -1), st.integers(1, 8))


@settings(
    max_examples=20,
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    by=st.lists(st.sampled_from(["tag_team", "tag_experiment", "meter", "provider"]), unique=True),
    rule=st.sampled_from(Rule),
    unused=st.sampled_from(Unused),
    hours=HOURS,
    shared=st.lists(
        st.builds(Shared, st.sampled_from(["", "a", "b", "x2", "gone"]), st.sampled_from(How)),
        max_size=3,
        unique_by=lambda rule: rule.value,
    ),
)
def test_groups_add_up_to_the_bill_whatever_is_asked(
    spend: Spend, by: list[str], rule: Rule, unused: Unused, hours: Any, shared: list[Shared]
) -> None:
    window = f"{at(hours[0])}..{at(min(0, hours[0] + hours[1]))}"
    found = group_costs(spend, by, window, rule=rule, unused=unused, shared=shared if by else [])
    assert added(found) == found.total
    assert all(group.total >= 0 for group in found.groups)
    single = group_costs(spend, [], window)
    assert single.total == found.total


def test_strange_names_and_many_values(tmp_path: Path) -> None:
    """Ten thousand values, HTML, emoji, formulas, line breaks: each keeps its own cost."""
    strange = ["<script>alert(1)</script>", "=1+1", "🦄", "a\nb", "  x", "|", "(untagged)"]
    names = [*strange, *(f"run {number}" for number in range(10_000))]
    usage = [
        {"hour": at(-1 - number % 24), "meter": "gpu", "quantity": 1, "tag_run": name}
        for number, name in enumerate(names)
    ] + [{"hour": at(-1), "meter": "gpu", "quantity": 1, "tag_run": ""}]
    case = case_of(tmp_path / "case", meters=[meter("gpu", "0.1")], usage=usage)
    found = group_costs(spend_of(case), ["tag_run"], "24h")
    assert len(found.groups) == len(names) + 1
    assert added(found) == found.total == Decimal("0.1") * len(found.groups)
    written = {group.values[0] for group in found.groups}
    assert written == {*names, None}


@pytest.mark.parametrize(
    ("words", "first", "last"),
    [
        ("24h", -24, 0),
        ("7d", -168, 0),
        ("2w", -336, 0),
        ("today", 0, 0),
        ("yesterday", -24, 0),
        ("lastweek", -168, 0),
        (f"{at(-30)}..{at(-6)}", -30, -6),
        (f"{at(-30)},{at(-6)}", -30, -6),
        ("2026-11-20", -72, -48),
        ("2026-11-20..2026-11-22", -72, -24),
    ],
)
def test_windows_in_words(words: str, first: int, last: int) -> None:
    if first == last:
        with pytest.raises(UsageError, match="has no hour"):
            parse_window(words, AS_OF, (0, 1))
        return
    window = parse_window(words, AS_OF, (0, 1))
    assert (window.first - AS_OF, window.last - AS_OF) == (first, last)


def test_months_end_where_they_end() -> None:
    month = parse_window("2026-03", AS_OF, (0, 1))
    assert month.hours == 31 * 24
    assert month.before().hours == 28 * 24
    assert parse_window("lastmonth", AS_OF, (0, 1)).hours == 31 * 24  # October
    assert parse_window("month", AS_OF, (0, 1)).hours == 22 * 24
    later = parse_window("week", AS_OF + 30, (0, 1))
    assert (later.first, later.last) == (AS_OF, AS_OF + 30)


@pytest.mark.parametrize(
    "words", ["", "soon", "0d", "7", "2026-13", "2026-02-30", "a..b", f"{at(0)}..{at(-1)}", "1y"]
)
def test_words_that_mean_no_window_are_refused(words: str) -> None:
    with pytest.raises(UsageError, match="To mend it"):
        parse_window(words, AS_OF, (0, 1))


@pytest.mark.parametrize(
    "words", ["999999w", "9999-12", "9999-12-31", "0000-01", "2026-01-01..9999-12-31T24:00:00Z"]
)
def test_windows_without_dates_are_refused(words: str) -> None:
    with pytest.raises(UsageError, match="To mend it"):
        parse_window(words, AS_OF, (0, 1))


@pytest.mark.parametrize("words", ["0001-01", "9999-11", "0001-01-01..9999-12-31"])
def test_the_first_and_the_last_dates_are_windows(words: str) -> None:
    assert parse_window(words, AS_OF, (0, 1)).text.startswith(words[:7])


def test_a_window_that_reaches_beyond_usage_says_so(spend: Spend) -> None:
    found = group_costs(spend, ["meter"], "7d")
    assert found.window.hours == 8
    assert found.notes[0].startswith("usage is known for 8 of the 168 hours")


@pytest.mark.parametrize(
    ("call", "message"),
    [
        ({"by": ["tag_tem"]}, "'tag_team' may be meant"),
        ({"by": ["meter", "meter"]}, "names a column twice"),
        ({"by": ["meter"], "rule": "fair"}, "is no rule"),
        ({"by": ["meter"], "unused": "gone"}, "unused commitments cannot be 'gone'"),
        ({"by": ["meter"], "shared": [Shared("a", column="tag_team")]}, "by which costs are not"),
        ({"by": [], "shared": [Shared("a")]}, "needs --by"),
    ],
)
def test_what_is_not_understood_is_refused(
    spend: Spend, call: dict[str, Any], message: str
) -> None:
    by = call.pop("by")
    with pytest.raises(UsageError, match=message):
        group_costs(spend, by, "8h", **call)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("untagged", Shared("")),
        ("untagged=even", Shared("", How.even)),
        ("platform=proportional", Shared("platform")),
        ("tag_team:core:x=even", Shared("x", How.even, "tag_team:core")),
        ("tag_team:core=even", Shared("core", How.even, "tag_team")),
    ],
)
def test_shared_rules_in_words(text: str, expected: Shared) -> None:
    assert parse_shared(text) == expected


@pytest.mark.parametrize("text", ["", "=even", "core=half", "tag_team:=even"])
def test_shared_rules_that_are_none(text: str) -> None:
    with pytest.raises(UsageError, match="--shared"):
        parse_shared(text)


def test_the_order_of_rows_changes_nothing(tmp_path: Path) -> None:
    """Rows of one series and hour (two charges) are added in one order too."""
    usage = [
        row | {"charge_id": charge, "quantity": amount}
        for row in ran("gpu", 1, -8, 0, tag_team="a") + ran("gpu", 1, -8, 0, tag_team="b")
        for charge, amount in (("x", 0.1), ("y", 0.2), ("z", 0.30000000004))
    ]
    found = []
    for seed in range(3):
        random.Random(seed).shuffle(usage)
        spend = spend_of(teams(tmp_path / str(seed), usage=usage))
        found.append(group_costs(spend, ["tag_team"], "8h", rule="even").as_dict())
    assert found[0] == found[1] == found[2]


def test_a_case_that_was_edited_has_costs_of_its_own(tmp_path: Path) -> None:
    """What a what-if changes is attributed as changed; the case itself stays."""
    case = teams(tmp_path / "case")
    twice = UsageScale({"tag_team": ("b",)}, Decimal(2))
    doubled = spend_of(edited_case(case, name="b twice", usage=[twice]))
    # 7 GPUs an hour cost 5 × 10 + 2 × 5, of which b runs 6.
    b = totals(group_costs(doubled, ["tag_team"], LAST))["b"]
    assert b == pytest.approx(Decimal(4 * 60 * 6) / 7, abs=Decimal("1e-11"))
    assert totals(group_costs(spend_of(case), ["tag_team"], LAST))["b"] == 90


def test_charges_alone_are_no_usage(tmp_path: Path) -> None:
    tax = [row | {"charge_category": "Tax"} for row in ran("gpu", 1, -2, 0)]
    spend = spend_of(case_of(tmp_path / "case", meters=[meter("gpu", "1")], usage=tax))
    with pytest.raises(DataError, match="the case has no usage"):
        group_costs(spend, ["meter"], "7d")


def test_costs_over_time_add_up_in_each_step(spend: Spend) -> None:
    found = costs_over_time(spend, ["tag_team"], "8h", "2h")
    assert [step.total for step in found.steps] == [20, 20, 80, 80]
    courses = {course.key: course.costs for course in found.courses}
    assert courses["usage", ("b",)] == (0, 0, 45, 45)
    assert courses["unused", (None,)] == (10, 10, 0, 0)
    for place, step in enumerate(found.steps):
        assert sum(course.costs[place] for course in found.courses) == step.total
    assert [len(row["groups"]) for row in found.as_dict()] == [2, 2, 3, 3]
    months = costs_over_time(spend, [], "8h", "month")
    assert [step.total for step in months.steps] == [200]
    assert [step.window.hours for step in costs_over_time(spend, [], "8h", "5h").steps] == [5, 3]
    for step in ("1y", "", "0d"):
        with pytest.raises(UsageError, match="is no step"):
            costs_over_time(spend, [], "8h", step)
