# SPDX-License-Identifier: Apache-2.0
"""Classes that capacity does not reach for: class, hours, binding limit, cheapest way out."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import numpy as np
import pytest

from optimizer.planning import make_plan, plan_document
from optimizer.planning.document import infeasible_document
from optimizer.planning.relax import InfeasibleCase
from optimizer.program import route_elastic
from optimizer.tables import Case

from .conftest import Row, Write, at
from .routes import meter
from .worth import PRORATA, as_long_as_asked, asks, replica


@pytest.fixture
def write(write: Write) -> Write:
    return as_long_as_asked(write)


def refused(case: Case) -> InfeasibleCase:
    with pytest.raises(InfeasibleCase) as caught:
        make_plan(case)
    assert caught.value.exit_code == 11
    return caught.value


def told(error: InfeasibleCase) -> list[list[tuple[str, float, float | None]]]:
    return [
        [(r.limit, float(r.amount), None if r.cost is None else float(r.cost)) for r in way]
        for way in (error.relaxations, *error.alternatives)
    ]


@pytest.mark.parametrize("columns", [3_000, 0])
def test_two_classes_that_share_replicas(
    write: Write, monkeypatch: pytest.MonkeyPatch, columns: int
) -> None:
    """Each alone would fit: three replicas, two for chat and two for code in the second hour."""
    case = write(
        meters=[meter("gpu", 5)],
        workloads=asks("chat", [1, 2, 1]) + asks("code", [1, 2, 2]),
        deployments=[replica("own", "gpu", maximum_replicas=3)],
    )
    monkeypatch.setattr(route_elastic, "WHOLE_COLUMNS", columns)  # 0: by the relaxation
    error = refused(case)
    (way,) = told(error)
    assert way[0][0].startswith("maximum_replicas of deployment own, for class c")
    assert way[0][1:] == (1.0, pytest.approx(5 * 9))  # 2, 4 and 3 replicas
    hours = {hour for short in error.unserved for hour, _ in short.hours}
    assert hours == {case.settings.as_of + 1}
    assert sum(n for each in error.unserved for _, n in each.hours) == pytest.approx(3600)
    if not columns:
        return  # an interior point shares what is short between the two
    assert "is short of 3,600 requests in an hour" in str(error)
    assert at(1)[:13] in str(error)
    row = infeasible_document(error)["unserved"][0]
    assert (row["worst_hour"], row["requests"]) == (at(1), pytest.approx(3600))
    assert row["limits"][0].startswith("maximum_replicas of deployment own")


def test_the_cheapest_way_out_is_told_first(write: Write) -> None:
    """Two more of the cheap replicas, or of the dear ones: both limits bind."""
    case = write(
        meters=[meter("gpu", 1, on_demand_limit=1), meter("big", 7)],
        workloads=asks("chat", [3.5]),
        deployments=[replica("own", "gpu"), replica("dear", "big", maximum_replicas=1)],
    )
    assert told(refused(case)) == [
        [("on_demand_limit of meter gpu", 2.0, pytest.approx(1 * 3 + 7))],
        [("maximum_replicas of deployment dear, for class chat,", 2.0, pytest.approx(1 + 7 * 3))],
    ]


def test_a_shared_quota_and_a_cost_when_it_is_raised(write: Write) -> None:
    case = write(
        meters=[meter("gpu", 1), meter("big", 3)],
        workloads=asks("chat", [2]) + asks("code", [2]),
        deployments=[
            replica("own", "gpu", workload="chat"),
            replica("large", "big", workload="code"),
        ],
        limits=[
            {"limit": "power", "meter": "gpu", "weight": 1, "maximum": 10},
            {"limit": "power", "meter": "big", "weight": 5, "maximum": 10},
        ],
    )
    assert told(refused(case)) == [[("limit power", 2.0, pytest.approx(2 + 6))]]


def test_availability_is_a_share(write: Write) -> None:
    case = write(
        meters=[meter("gpu", 1, availability=0.5)],
        workloads=asks("chat", [2]),
        deployments=[replica("own", "gpu")],
    )
    ((way,),) = told(refused(case))
    assert way[0] == "availability of meter gpu"
    assert way[1] == pytest.approx(0.5, abs=1e-3)


def reserved(**more: Any) -> dict[str, list[Row]]:
    """Machines that cannot be had on demand, and a reservation of them."""
    offer = {"offer": "ri", "law": "aws.reserved.regional", "measure": "units", "term_hours": 2}
    return {
        "meters": [meter("gpu", "")],
        "workloads": asks("chat", [1.5, 2]),
        "deployments": [replica("own", "gpu")],
        "offers": [offer | {"hourly": 3} | more],
        "covers": [{"offer": "ri", "meter": "gpu", "draw": 1}],
    }


def test_what_can_only_be_reserved_is_reserved(write: Write) -> None:
    """Routing alone has no answer, and the joint plan has one."""
    plan = make_plan(write(PRORATA, **reserved()))
    assert plan.bought == {"ri": 2}
    assert plan.total == 12
    alternatives = {row["plan"] for row in plan_document(plan)["alternatives"]}
    assert alternatives == {"jointly"}


def test_too_small_an_offer(write: Write) -> None:
    error = refused(write(PRORATA, **reserved(maximum=1)))
    assert told(error)[0] == [("the maximum of offer ri", 1.0, pytest.approx(12))]


def test_quality_may_be_what_capacity_is_needed_for(write: Write) -> None:
    """Half must go to the good model, which has one replica for three replicas' worth."""
    scores = [("good", 0.9), ("weak", 0.7)]
    case = write(
        "[risk]\nquality_confidence = 0\n",
        meters=[meter("gpu", 1), meter("big", 4)],
        workloads=asks("chat", [3], quality_task="t", quality_target=0.8),
        deployments=[replica("weak", "gpu"), replica("good", "big", maximum_replicas=1)],
        quality=[{"model": m, "quality_task": "t", "quality": q} for m, q in scores],
    )
    first, second = told(refused(case))
    assert first[0][0] == "quality_target of class chat"
    assert first[0][1] == pytest.approx(0.8 - (0.9 + 2 * 0.7) / 3, abs=1e-5)
    assert first[0][2] == pytest.approx(2 + 4)
    assert second == [
        ("maximum_replicas of deployment good, for class chat,", 1.0, pytest.approx(1 + 8))
    ]


def test_units_and_work_that_waits(write: Write) -> None:
    """Four units' worth within three hours, on one unit in each: one unit more."""
    unit = {"kind": "throughput", "minimum_replicas": 1, "maximum_replicas": 1}
    case = write(
        PRORATA,
        meters=[meter("ptu", 2)],
        workloads=asks("batch", [4, 0, 0], deferrable_hours=2),
        deployments=[replica("units", "ptu") | unit],
    )
    ((way,),) = told(refused(case))
    assert way == (
        "maximum_replicas of deployment units, for class batch,", 1.0, pytest.approx(2 * 2 * 3),
    )  # fmt: skip


def test_several_limits_at_once(write: Write) -> None:
    """No single one is enough: the machines are limited twice."""
    case = write(
        meters=[meter("gpu", 1, on_demand_limit=1)],
        workloads=asks("chat", [3]),
        deployments=[replica("own", "gpu", maximum_replicas=2)],
    )
    (way,) = told(refused(case))
    assert sorted(way) == [
        ("maximum_replicas of deployment own, for class chat,", 1.0, pytest.approx(3)),
        ("on_demand_limit of meter gpu", 2.0, pytest.approx(3)),
    ]


def test_a_zone_that_nothing_makes_up_for(write: Write) -> None:
    spots = [
        meter(f"gpu-{zone}", 4, zone=zone, region="east", spot=1, spot_interruption=0.01)
        for zone in "ab"
    ]
    own = [
        replica(f"spot-{zone}", f"gpu-{zone}", capacity="spot", maximum_replicas=most, ttft_ms=1)
        for zone, most in (("a", 3), ("b", 1))
    ]
    tables = {
        "meters": spots,
        "workloads": asks("chat", [2], ttft_ms=100),
        "deployments": own,
    }
    calm = make_plan(write(**tables))
    first, second = told(refused(write("[limits]\nsurvive_zone_loss = true\n", **tables)))
    assert first[0][:2] == ("limits.survive_zone_loss", 1.0)
    assert first[0][2] == pytest.approx(float(calm.objective))
    assert second[0][:2] == ("maximum_replicas of deployment spot-b, for class chat,", 1.0)
    assert second[0][2] == pytest.approx(2 * float(calm.objective))


def random_tables(seed: int) -> tuple[str, dict[str, list[Row]]]:
    """Two classes on three kinds of machines, each with a limit; too little in some hour."""
    rng = np.random.default_rng(seed)
    prices = rng.uniform(1, 5, 3).round(3).tolist()
    meters = [
        meter("m0", prices[0], on_demand_limit=float(rng.integers(1, 3))),
        meter("m1", prices[1]),
        meter("m2", prices[2]),
    ]
    deployments = [replica("d0", "m0", requests_per_second=round(float(rng.uniform(0.8, 1.6)), 3))]
    deployments += [
        replica("d1", "m1", maximum_replicas=int(rng.integers(1, 3))),
        replica("d2", "m2", maximum_replicas=4, step_replicas=2, workload="b"),
    ]
    tables = {
        "meters": meters,
        "workloads": asks("a", rng.uniform(2, 7, 3).tolist())
        + asks("b", rng.uniform(3, 8, 3).tolist()),
        "deployments": deployments,
    }
    return "", tables


def mended(tables: dict[str, list[Row]], limit: str, amount: float) -> dict[str, list[Row]]:
    """The tables with a limit raised."""
    column, *_, name = limit.partition(", for")[0].split()
    table, key = ("deployments", "deployment") if "deployment" in limit else ("meters", "meter")
    rows = [
        row | ({column: float(row[column]) + amount} if row[key] == name else {})
        for row in tables[table]
    ]
    return tables | {table: rows}


@pytest.mark.parametrize("seed", range(3))
def test_what_is_told_is_enough_and_less_is_not(write: Write, seed: int) -> None:
    toml, tables = random_tables(seed)
    for way in told(refused(write(toml, **tables))):
        enough, less = tables, tables
        for number, (limit, amount, _) in enumerate(way):
            enough = mended(enough, limit, amount)
            step = 0.5 if "on_demand" in limit else 1.0
            less = mended(less, limit, amount - step * (number == 0))
        plan = make_plan(write(toml, **enough))
        assert float(plan.objective) == pytest.approx(way[0][2], rel=2e-3)
        with pytest.raises(InfeasibleCase):
            make_plan(write(toml, **less))
    assert isinstance(plan.total, Decimal)
