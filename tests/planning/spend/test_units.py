# SPDX-License-Identifier: Apache-2.0
"""Unit costs, shared platforms by request, and intent: by hand, and never by guess."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from optimizer.errors import UsageError
from optimizer.planning.spend import (
    Basis,
    Rule,
    Spend,
    group_costs,
    intent_of,
    spend_of,
    unit_costs,
)
from optimizer.tables import Case

from .spenders import Row, at, case_of, meter, ran, teams

TOKENS = {"product": "tokens", "unit": "1M Tokens"}


def serving(folder: Path, hours: int = 4, **more: list[Row]) -> Case:
    """A shared deployment of two GPUs at $10: chat asks for 3,000 an hour, code for 1,000.

    Code also uses an API: 2M tokens an hour at $1.50.  One GPU trains.
    """
    asked = [
        {"workload": name, "hour": at(hour), "requests": requests, "input_tokens": 1e6,
         "output_tokens": 5e5, "tag_team": team}
        for hour in range(-hours, 1)
        for name, requests, team in (("chat", 3000, "product"), ("code", 1000, "tools"))
    ]  # fmt: skip
    deployed = {"kind": "replica", "per": "replica_hour", "meter": "gpu", "meter_units": 1}
    tables: dict[str, list[Row]] = {
        "meters": [meter("gpu", "10"), meter("api", "1.5", **TOKENS)],
        "usage": [
            *ran("gpu", 2, -hours, 0, deployment="shared", tag_team="platform"),
            *ran("api", 2, -hours, 0, deployment="api", workload="code", tag_team="platform"),
            *ran("gpu", 1, -hours, 0, job="train-1", tag_team="research"),
        ],
        "workloads": asked,
        "deployments": [
            {"deployment": "shared", "model": "llama", "requests_per_second": 5} | deployed,
            {"deployment": "api", "model": "gpt", "kind": "api", "meter": "api",
             "meter_units": 0.001, "per": "request", "requests_per_second": ""},
        ],
        "routes_today": [
            {"workload": "chat", "deployment": "shared", "share": 1},
            {"workload": "code", "deployment": "shared", "share": 0.5},
            {"workload": "code", "deployment": "api", "share": 0.5},
        ],
    }  # fmt: skip
    return case_of(folder, **(tables | more))


@pytest.fixture(scope="module")
def spend(tmp_path_factory: pytest.TempPathFactory) -> Spend:
    return spend_of(serving(tmp_path_factory.mktemp("serving") / "case"))


def test_shared_deployments_are_divided_by_request(spend: Spend) -> None:
    """Of 3,500 requests on the GPUs 3,000 are chat's: 80 × 6/7; the rest is code's."""
    found = group_costs(spend, ["workload"], "4h", rule="requests")
    totals = {group.values[0]: group.total for group in found.groups}
    assert totals["chat"] == pytest.approx(Decimal(80) * 6 / 7, abs=Decimal("1e-11"))
    assert totals["code"] == pytest.approx(Decimal(80) / 7 + 12, abs=Decimal("1e-11"))
    assert totals[None] == 40
    assert sum(totals.values()) == found.total == 132
    teams_of = group_costs(spend, ["tag_team"], "4h", rule="requests")
    names = {group.values[0]: group.total for group in teams_of.groups}
    assert names["product"] == totals["chat"]
    assert names["tools"] == totals["code"]
    assert "platform" not in names


def test_by_tokens_it_is_another_division(spend: Spend) -> None:
    """Chat has two thirds of the shared tokens: 1.5M an hour against half of 1.5M."""
    found = group_costs(spend, ["workload"], "4h", rule="requests", measure="tokens")
    totals = {group.values[0]: group.total for group in found.groups}
    assert totals["chat"] == pytest.approx(Decimal(160) / 3, abs=Decimal("1e-11"))


def test_dividing_moves_no_usage(spend: Spend) -> None:
    basis = Basis.of(Rule.requests)
    cells = spend.divided(basis)
    for values in ("quantity", "spot"):
        before = np.bincount(spend.cells.line[spend.cells.series], getattr(spend.cells, values))
        after = np.bincount(cells.line[cells.series], getattr(cells, values))
        assert after == pytest.approx(before)


COUNTS = st.one_of(st.just(float("nan")), st.integers(0, 5).map(float))


@settings(
    max_examples=20,
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    counts=st.lists(st.tuples(*[COUNTS] * 4), min_size=3, max_size=3),
    shares=st.dictionaries(
        st.sampled_from(["shared", "api"]),
        st.dictionaries(st.sampled_from(["chat", "code", "new"]), st.sampled_from([0.2, 1.0])),
    ),
    tags=st.tuples(*[st.sampled_from(["", "product", "tools"])] * 3),
    hours=st.sampled_from([(-4, 0), (-3, -1), (-1, 0)]),
    by=st.sampled_from([["workload"], ["tag_team"], ["model", "tag_team"], []]),
)
def test_whatever_was_asked_the_groups_are_the_bill(
    spend: Spend,
    counts: list[tuple[float, ...]],
    shares: dict[str, dict[str, float]],
    tags: tuple[str, ...],
    hours: tuple[int, int],
    by: list[str],
) -> None:
    """Unknown hours, classes that nobody routes, shares that are no whole: nothing is lost."""
    table = np.array(counts)
    asked = replace(
        spend.asked,
        names=("chat", "code", "new"),
        counts=dict.fromkeys(("requests", "input_tokens", "output_tokens"), table),
        tags={"tag_team": tags},
        shares=shares,
    )
    other = Spend(spend.case, spend.costed, spend.cells, asked)
    window = f"{at(hours[0])}..{at(hours[1])}"
    for measure in ("requests", "tokens"):
        found = group_costs(other, by, window, rule="requests", measure=measure)
        assert sum((group.total for group in found.groups), Decimal(0)) == found.total
        assert all(group.total >= 0 for group in found.groups)
        assert found.total == group_costs(spend, [], window).total


def test_hours_without_requests_stay_with_the_platform(tmp_path: Path) -> None:
    """Half of the hours tell who asked: the other half is told, not guessed."""
    case = serving(tmp_path / "case")
    frame = [
        {"workload": name, "hour": at(hour), "requests": 10, "tag_team": name}
        for hour in (-2, -1, 0)
        for name in ("chat", "code")
    ]
    case = serving(tmp_path / "half", workloads=frame)
    found = group_costs(spend_of(case), ["workload"], "4h", rule="requests")
    totals = {group.values[0]: group.total for group in found.groups}
    assert totals[None] == 40 + 40  # the training GPU, and two hours of the platform
    assert found.total == 132
    assert found.notes[0].startswith("40.00 of shared deployments stays with them")
    assert "workloads.csv, column requests" in found.notes[0]


def test_daily_platform_rows_are_divided_by_the_hours_requests(tmp_path: Path) -> None:
    asked = [
        {"workload": name, "hour": at(hour), "requests": requests}
        for hour in range(-24, 1)
        for name, requests in (("chat", 10 if hour < -12 else 0), ("code", 0 if hour < -12 else 5))
    ]
    day = {"hour": at(-24), "meter": "gpu", "quantity": 48, "grain": "day", "deployment": "shared"}
    case = serving(tmp_path / "case", usage=[day], workloads=asked)
    found = group_costs(spend_of(case), ["workload"], "24h", rule="requests")
    assert {group.values[0]: group.total for group in found.groups} == {"chat": 240, "code": 240}


def test_a_thousand_requests_and_a_million_tokens(spend: Spend) -> None:
    (all_usage,) = unit_costs(spend, "requests", "4h")
    assert all_usage.cost == 92  # the training GPU answers nobody
    assert all_usage.value == Decimal(92) / 16
    rows = {row.group: row for row in unit_costs(spend, "requests", "2h", column="workload")}
    assert rows["chat"].value == pytest.approx(Decimal(40) * 6 / 7 / 6, abs=Decimal("1e-9"))
    assert rows["chat"].before == rows["chat"].value
    assert rows["chat"].change == pytest.approx(0)
    (output,) = unit_costs(spend, "output_tokens", "4h")
    assert (output.count, output.value) == (4e6, 23)
    models = {row.group: row for row in unit_costs(spend, "requests", "4h", column="model")}
    assert models["gpt"].value == 6  # 12 dollars for 2,000 requests
    assert models["llama"].count == 14_000
    (metered,) = unit_costs(spend, "metered_tokens", "4h")
    assert (metered.count, metered.value) == (8e6, Decimal("1.5"))
    (runs,) = unit_costs(spend, "runs", "4h")
    assert (runs.cost, runs.count, runs.value) == (40, 1, 40)
    tags = {row.group: row for row in unit_costs(spend, "requests", "4h", column="tag_team")}
    assert tags["tools"].count == 4000


def test_the_trend_is_of_whole_weeks(tmp_path: Path) -> None:
    spend = spend_of(serving(tmp_path / "case", hours=400))
    (row,) = unit_costs(spend, "requests", "7d", weeks=8)
    assert [point.last - point.first for point in row.trend] == [168, 168]
    assert row.trend[-1].value == row.value
    assert row.as_dict(None)["trend"][0]["start"] == at(-336)


def test_what_is_not_known_is_named(tmp_path: Path) -> None:
    spend = spend_of(teams(tmp_path / "case"))
    (row,) = unit_costs(spend, "requests", "8h")
    assert row.value is None
    assert row.missing.startswith("the table workloads")
    (row,) = unit_costs(spend, "runs", "8h")
    assert (
        row.missing == "usage, column job (or name a tag that tells runs apart, as --per tag_run)"
    )
    (row,) = unit_costs(spend, "tag_experiment", "8h")
    assert (row.cost, row.count, row.value) == (140, 2, 70)
    (row,) = unit_costs(spend, "metered_tokens", "8h", column="tag_team")
    assert "token meters" in row.missing
    for measure in ("wishes", "meter"):
        with pytest.raises(UsageError, match="To mend it"):
            unit_costs(spend, measure, "8h")


def test_half_known_requests_are_not_known(tmp_path: Path) -> None:
    asked = [{"workload": "chat", "hour": at(hour), "requests": 10} for hour in (-1, 0)]
    routes = [{"workload": "chat", "deployment": "shared", "share": 1}]
    case = serving(tmp_path / "case", workloads=asked, routes_today=routes)
    (row,) = unit_costs(spend_of(case), "requests", "4h")
    assert row.value is None
    assert "1 of 4 hours" in row.missing


def initiative(name: str, stage: str, quantity: float, **more: str) -> Row:
    row = {"initiative": name, "stage": stage, "meter": "", "workload": "", "quantity": quantity}
    return row | {"start": at(-8), "end": at(0), "tag_experiment": ""} | more


def test_intent_by_stage_adds_up_to_the_bill(tmp_path: Path) -> None:
    """x1 and x2 are tried; the CPUs go; what is left is nobody's initiative."""
    planned = [
        initiative("try", "explore", 2, meter="gpu", tag_experiment="x2", start=at(-4)),
        initiative("gpus", "exploit", 1, meter="gpu"),
        initiative("no cpu", "retire", 10, meter="cpu", start=at(-2)),
        initiative("nowhere", "explore", 1, meter="gpu", tag_experiment="x9"),
        initiative("later", "explore", 1, meter="gpu", start=at(0), end=at(9)),
    ]
    spend = spend_of(teams(tmp_path / "case", initiatives=planned))
    intent = intent_of(spend, "8h")
    assert intent is not None
    parts = {part.initiative: part for part in intent.parts}
    assert (parts["try"].planned, parts["try"].actual) == (8, 12)
    assert (parts["try"].planned_cost, parts["try"].actual_cost) == (80, 90)
    # The other GPUs: 4 hours of a covered one, and a's part of the mix: 20 + 30.
    assert (parts["gpus"].actual, parts["gpus"].actual_cost) == (8, 50)
    assert "belongs to another initiative" in parts["gpus"].note
    assert (parts["no cpu"].actual, parts["no cpu"].actual_cost) == (20, 20)
    assert "by meter alone" in parts["no cpu"].note
    assert parts["nowhere"].note == "no usage matches"
    assert parts["later"].note == "outside the window"
    stages = {stage.stage: stage.cost for stage in intent.stages}
    assert stages == {"explore": 90, "exploit": 50, "retire": 20, "none": 40}
    assert intent.total == 200
    assert intent.notes == ("nothing in history could be matched to: nowhere",)


def test_intent_of_a_workload_and_without_the_table(spend: Spend, tmp_path: Path) -> None:
    assert intent_of(spend, "4h") is None
    planned = [
        initiative("more code", "exploit", 900, workload="code"),
        initiative("tagged", "explore", 1, meter="gpu", tag_owner="me"),
    ]
    found = intent_of(spend_of(serving(tmp_path / "case", initiatives=planned)), "4h")
    assert found is not None
    code, tagged = found.parts
    assert (code.planned, code.actual, code.planned_cost) == (3600, 4000, None)
    assert code.actual_cost == 12  # only the API names its class; by request it is more
    assert tagged.note == "usage has no column tag_owner"
