# SPDX-License-Identifier: Apache-2.0
"""Routed cases without a plan, and rows that are refused, by name and with a way out."""

from __future__ import annotations

from typing import Any

import pytest

from optimizer.errors import DataError, Infeasible
from optimizer.planning import make_plan, plan_document

from .conftest import Row, Write
from .routes import meter, replica, requests


@pytest.mark.parametrize(
    ("limits", "found", "reason"),
    [
        ({"ttft_ms": 200}, {"ttft_ms": 220}, "ttft_ms 220 > 200"),
        ({"tpot_ms": 30}, {"tpot_ms": 31}, "tpot_ms 31 > 30"),
        ({"ttft_ms": 200}, {}, "ttft_ms: no ttft_ms was measured"),
        ({"allow_regions": "eu"}, {}, "allow_regions: region us"),
        ({"allow_providers": "gcp;azure"}, {}, "allow_providers: provider aws"),
        ({"deny_models": "cheap"}, {"model": "cheap"}, "deny_models: model cheap is denied"),
    ],
)
def test_what_misses_a_limit_is_no_route(
    write: Write, limits: Row, found: Row, reason: str
) -> None:
    """The cheap replica is barred, the dear one answers; alone, the case is infeasible."""
    good = {"ttft_ms": 100, "tpot_ms": 10}
    meters = [
        meter("cheap", 1, region="us"),
        meter("dear", 9, region="eu", provider="gcp"),
    ]
    cheap = replica("low", "cheap", 1, **found)
    case = write(
        1,
        meters=meters,
        workloads=requests("chat", [3600], **limits),
        deployments=[cheap, replica("high", "dear", 1, **good)],
    )
    plan = make_plan(case)
    assert plan.total == 9
    assert plan_document(plan)["not_routed"] == [
        {"workload": "chat", "deployment": "low", "reason": reason}
    ]
    case = write(
        1,
        meters=meters,
        workloads=requests("chat", [3600], **limits),
        deployments=[cheap],
    )
    with pytest.raises(Infeasible) as caught:
        make_plan(case)
    assert caught.value.exit_code == 11
    (relaxation,) = caught.value.relaxations
    assert next(iter(limits)) in relaxation.limit
    assert "class chat" in relaxation.limit
    assert relaxation.cost == 1  # of the plan that is possible then


def test_the_cheapest_relaxation_comes_first(write: Write) -> None:
    """Both miss the time to the first token: by 20 ms for $9, by 100 ms for $1."""
    case = write(
        1,
        meters=[meter("cheap", 1), meter("dear", 9)],
        workloads=requests("chat", [3600], ttft_ms=200),
        deployments=[
            replica("near", "dear", 1, ttft_ms=220),
            replica("far", "cheap", 1, ttft_ms=300),
        ],
    )
    with pytest.raises(Infeasible) as caught:
        make_plan(case)
    (first,) = caught.value.relaxations
    assert (first.amount, first.cost) == (100, 1)
    ((other,),) = caught.value.alternatives
    assert (other.amount, other.cost) == (20, 9)
    assert "class chat" in str(caught.value)


def test_no_floor_is_met(write: Write) -> None:
    case = write(
        1,
        "[risk]\nquality_confidence = 0\n",
        meters=[meter("gpu", 1)],
        workloads=requests("chat", [3600], quality_task="t", quality_floor=0.9),
        deployments=[replica("own", "gpu", 1)],
        quality=[{"model": "model of own", "quality_task": "t", "quality": 0.8}],
    )
    with pytest.raises(Infeasible) as caught:
        make_plan(case)
    (relaxation,) = caught.value.relaxations
    assert relaxation.limit.startswith("quality_floor of class chat")
    assert float(relaxation.amount) == pytest.approx(0.1)
    assert "lower quality_floor" in str(caught.value)


def test_a_target_above_every_score(write: Write) -> None:
    case = write(
        1,
        "[risk]\nquality_confidence = 0\n",
        meters=[meter("gpu", 1)],
        workloads=requests("chat", [3600], quality_task="t", quality_target=0.9),
        deployments=[replica("own", "gpu", 1)],
        quality=[{"model": "model of own", "quality_task": "t", "quality": 0.8}],
    )
    with pytest.raises(Infeasible, match="lower quality_target of class chat"):
        make_plan(case)


def test_too_few_replicas(write: Write) -> None:
    case = write(
        1,
        meters=[meter("gpu", 1)],
        workloads=requests("chat", [3600 * 5]),
        deployments=[replica("own", "gpu", 1, maximum_replicas=3)],
    )
    with pytest.raises(Infeasible, match="raise maximum_replicas of deployment own") as caught:
        make_plan(case)
    assert caught.value.relaxations[0].amount == 2


def test_a_zero_throughput_is_refused_by_row(write: Write) -> None:
    with pytest.raises(DataError) as caught:
        write(
            1,
            meters=[meter("gpu", 1)],
            workloads=requests("chat", [1]),
            deployments=[replica("own", "gpu", 1), replica("two", "gpu", 0)],
        )
    assert (caught.value.file, caught.value.row) == ("deployments.csv", 2)
    assert caught.value.column == "requests_per_second"


def test_a_quality_above_one_is_refused_by_row(write: Write) -> None:
    with pytest.raises(DataError) as caught:
        write(
            1,
            meters=[meter("gpu", 1)],
            workloads=requests("chat", [1]),
            deployments=[replica("own", "gpu", 1)],
            quality=[{"model": "m", "quality_task": "t", "quality": 1.2}],
        )
    assert (caught.value.file, caught.value.row) == ("quality.csv", 1)


def test_a_meter_without_price_is_refused_by_row(write: Write) -> None:
    with pytest.raises(DataError, match="'gpu', which has no price") as caught:
        write(
            1,
            meters=[meter("gpu", ""), meter("other", 1)],
            workloads=requests("chat", [1]),
            deployments=[replica("a", "other", 1), replica("own", "gpu", 1)],
        )
    assert (caught.value.file, caught.value.row) == ("deployments.csv", 2)


@pytest.mark.parametrize(
    ("column", "one", "two"),
    [("maximum_replicas", 3, 4), ("kind", "replica", "api"), ("start_minutes", 1, 2)],
)
def test_scalars_that_disagree_are_refused(write: Write, column: str, one: Any, two: Any) -> None:
    with pytest.raises(DataError, match="same value in all its rows") as caught:
        write(
            1,
            meters=[meter("gpu", 1), meter("cpu", 1)],
            workloads=requests("chat", [1]),
            deployments=[
                replica("own", "gpu", 1, **{column: one}),
                replica("own", "cpu", 1, **{column: two}),
            ],
        )
    assert (caught.value.row, caught.value.column) == (2, column)


def test_a_second_row_is_a_duplicate(write: Write) -> None:
    with pytest.raises(DataError, match="rows 1 and 2 have the same"):
        write(
            1,
            meters=[meter("gpu", 1)],
            workloads=requests("chat", [1]),
            deployments=[replica("own", "gpu", 1), replica("own", "gpu", 2)],
        )


def test_a_constant_of_a_class_that_changes_is_refused(write: Write) -> None:
    rows = requests("chat", [1, 1], ttft_ms=100)
    rows[1]["ttft_ms"] = 200
    case = write(
        2, meters=[meter("gpu", 1)], workloads=rows, deployments=[replica("own", "gpu", 1)]
    )
    with pytest.raises(DataError, match="ttft_ms of class 'chat' is 200") as caught:
        make_plan(case)
    assert (caught.value.file, caught.value.row) == ("workloads.csv", 2)


def test_lengths_that_do_not_add_up_are_refused(write: Write) -> None:
    case = write(
        1,
        meters=[meter("gpu", 1)],
        workloads=requests("chat", [1]),
        deployments=[replica("own", "gpu", 1)],
        lengths=[{"workload": "chat", "input_upto": 8, "output_upto": 8, "share": 0.5}],
    )
    with pytest.raises(DataError, match=r"add up to 0.5"):
        make_plan(case)
