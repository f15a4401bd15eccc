# SPDX-License-Identifier: Apache-2.0
"""Valid cases at the edges of routing: each once ended in an error, or in a dear plan."""

from __future__ import annotations

import warnings
from decimal import Decimal
from typing import Any

import numpy as np
import pytest

from optimizer.planning import make_plan, plan_document
from optimizer.planning.relax import InfeasibleCase
from optimizer.program import route_case, route_joint
from optimizer.tables import Case

from .conftest import Row, Write, at
from .routes import meter
from .worth import PRORATA, as_long_as_asked, asks, replica


def api(name: str, of: str) -> Row:
    own = {"deployment": name, "model": name, "kind": "api", "meter": of}
    return own | {"meter_units": Decimal(1) / 3600}


def used(of: str, amounts: list[float]) -> list[Row]:
    return [{"hour": at(h), "meter": of, "quantity": q} for h, q in enumerate(amounts)]


def reservation(of: str, hourly: float, **more: Any) -> dict[str, list[Row]]:
    offer = {"offer": f"ri-{of}", "law": "aws.reserved.regional", "measure": "units"}
    return {
        "offers": [offer | {"term_hours": 8760, "hourly": hourly} | more],
        "covers": [{"offer": f"ri-{of}", "meter": of, "draw": 1}],
    }


@pytest.fixture
def write(write: Write) -> Write:
    return as_long_as_asked(write)


def refused(case: Case) -> InfeasibleCase:
    with pytest.raises(InfeasibleCase) as caught:
        make_plan(case)
    return caught.value


def test_usage_of_its_own_that_is_too_much_is_told(write: Write) -> None:
    """Usage takes 5 of 3 units: whatever is routed, 2 are missing, and a third for a replica."""
    tables: dict[str, Any] = {
        "workloads": asks("chat", [1, 1]),
        "deployments": [replica("own", "gpu")],
        "usage": used("gpu", [2, 5]),
    }
    error = refused(write(PRORATA, meters=[meter("gpu", 1, on_demand_limit=3)], **tables))
    (way,) = error.relaxations
    assert (way.limit, way.amount, way.cost) == ("on_demand_limit of meter gpu", 3, 3 + 6)
    assert make_plan(write(PRORATA, meters=[meter("gpu", 1, on_demand_limit=6)], **tables))


def test_an_average_quality_out_of_reach_is_told(write: Write) -> None:
    """0.9 has one replica of two in the hour: 0.8 on average, and 0.85 is asked for."""
    scores = [("good", 0.9), ("weak", 0.7)]
    case = write(
        "[risk]\nquality_confidence = 0\n[limits]\nquality_average = 0.85\n",
        meters=[meter("gpu", 1)],
        workloads=asks("chat", [2], quality_task="t"),
        deployments=[replica("weak", "gpu"), replica("good", "gpu", maximum_replicas=1)],
        quality=[{"model": m, "quality_task": "t", "quality": q} for m, q in scores],
    )
    error = refused(case)
    told = {way[0].limit: way[0] for way in (error.relaxations, *error.alternatives)}
    assert float(told["limits.quality_average"].amount) == pytest.approx(0.05)
    assert told["limits.quality_average"].cost == 2
    assert "lower limits.quality_average by 0.05" in str(error)


def test_todays_routing_that_breaks_a_limit_is_no_plan(write: Write) -> None:
    """Today two replicas do the work of four: cheaper than any plan, and it keeps no limit."""
    case = write(
        PRORATA,
        meters=[meter("gpu", 2)],
        workloads=asks("chat", [4, 4]),
        deployments=[replica("own", "gpu")],
        routes_today=[{"workload": "chat", "deployment": "own", "share": 1, "replicas": 2}],
        **reservation("gpu", 1),
    )
    plan = make_plan(case)
    assert plan.total == 8
    assert plan.baseline is not None
    assert plan.baseline.total == 8
    document = plan_document(plan)
    assert {row["plan"] for row in document["alternatives"]} == {
        "routing alone", "one after the other", "jointly",
    }  # fmt: skip
    assert document["today_breaks"] == ["route.capacity"]
    assert any("Today's routes break route.capacity" in line for line in document["explanation"])


def test_todays_routing_by_a_barred_route_is_told(write: Write) -> None:
    """Today a model below the class's floor answers: no plan may, and the plan says so."""
    case = write(
        PRORATA + "[risk]\nquality_confidence = 0\n",
        meters=[meter("gpu", 2), meter("big", 3)],
        workloads=asks("chat", [4, 4], quality_task="t", quality_floor=0.8),
        deployments=[replica("own", "gpu"), replica("better", "big")],
        quality=[
            {"model": "own", "quality_task": "t", "quality": 0.5},
            {"model": "better", "quality_task": "t", "quality": 0.9},
        ],
        routes_today=[{"workload": "chat", "deployment": "own", "share": 1}],
        **reservation("big", 1),
    )
    document = plan_document(make_plan(case))
    assert document["today_breaks"] == ["route.barred"]
    assert "nothing" not in {row["plan"] for row in document["alternatives"]}


def test_restored_hours_are_polished(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    """Linked hours as in large cases: the plan is cheaper for it, and keeps every row."""
    monkeypatch.setattr(route_case, "WHOLE_COLUMNS", 0)
    case = write(
        PRORATA + "[solve]\ngap = 0.00001\n",
        meters=[meter("gpu", 4), meter("big", 7), meter("tok", 9)],
        workloads=[
            *asks("chat", np.random.default_rng(3).uniform(0, 6, 30).tolist()),
            *asks("late", [4 * (hour % 7 == 3) for hour in range(30)], deferrable_hours=5),
        ],
        deployments=[
            row | {"workload": workload}
            for workload in ("chat", "late")
            for row in (
                replica("small", "gpu", start_minutes=15),
                replica("large", "big", start_minutes=30, requests_per_second=2),
                api("api", "tok"),
            )
        ],
        **reservation("gpu", 2.2),
    )
    found = [plan_document(make_plan(case))]
    monkeypatch.setattr(route_joint._Search, "polish", lambda search: None)
    found.append(plan_document(make_plan(case)))
    assert all(check["ok"] for document in found for check in document["checks"])
    assert {"route.start", "route.deadline"} <= {row["check"] for row in found[0]["checks"]}
    assert found[0]["objective"] < found[1]["objective"]
    assert found[0]["lower_bound"] <= found[0]["objective"]


def test_rows_over_all_hours_beside_linked_hours(write: Write) -> None:
    """A share of spot, beyond 24 hours, with replicas that take time to start."""
    case = write(
        PRORATA + "[limits]\nspot_share = 0.5\n",
        meters=[meter("gpu", 2, spot=1, spot_interruption=0)],
        workloads=asks("chat", [1 + (hour % 12 == 5) for hour in range(26)]),
        deployments=[replica("own", "gpu", start_minutes=15)],
        **reservation("gpu", 1.5),
    )
    plan = make_plan(case)
    # One replica is reserved, or 0.5 above it: 26 hours, and two hours of a second, started.
    assert plan.total == pytest.approx(Decimal(26) * Decimal("1.5") + 2 * 2 * Decimal("1.25"))


def test_an_offer_of_what_is_not_used_does_not_break_a_refusal(write: Write) -> None:
    """Of two limits that are too low one is told, whatever else could be bought."""
    offers = [reservation(of, 1) for of in ("gpu", "idle")]
    error = refused(
        write(
            PRORATA + "[limits]\nmax_unused_share = 0.1\n",
            meters=[meter("gpu", 2), meter("idle", 4)],
            workloads=asks("chat", [1, 0, 0]),
            deployments=[replica("own", "gpu"), replica("spare", "idle")],
            offers=[row for each in offers for row in each["offers"]],
            covers=[row for each in offers for row in each["covers"]],
            commitments=[
                {
                    "commitment": "held",
                    "offer": "ri-gpu",
                    "quantity": 1,
                    "start": at(0),
                    "end": "2027-11-21T00:00:00Z",
                }
            ],
        )
    )
    assert error.relaxations[0].limit == "limits.max_unused_share"


def test_no_requests_at_all_with_queueing(write: Write) -> None:
    case = write(
        '[risk]\nqueueing = "mgc"\n',
        meters=[meter("gpu", 2)],
        workloads=asks("chat", [0, 0], ttft_ms=1000, input_tokens=10, output_tokens=10),
        deployments=[replica("own", "gpu", ttft_ms=500, tpot_ms=20)],
    )
    document = plan_document(make_plan(case), detail=True)
    assert float(document["total"]) == 0
    assert document["routes"] == []


def test_a_limit_of_some_hours_beside_the_loss_of_a_zone(write: Write) -> None:
    zones = [
        meter(f"gpu-{zone}", 9, zone=f"us-{zone}", spot=1, spot_interruption=0.05) for zone in "ab"
    ]
    spot = [
        replica(f"spot-{zone}", f"gpu-{zone}", capacity="spot", ttft_ms=500, tpot_ms=20)
        for zone in "ab"
    ]
    fallback = replica("own", "gpu", ttft_ms=500, tpot_ms=20)
    case = write(
        PRORATA + "[limits]\nsurvive_zone_loss = true\n",
        meters=[meter("gpu", 5), *zones],
        workloads=asks("chat", [2, 2], ttft_ms=1000),
        deployments=[fallback, *spot],
        limits=[
            {
                "limit": "quota",
                "meter": "gpu",
                "weight": 1,
                "maximum": 3,
                "from": at(0),
                "until": at(1),
            }
        ],
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert make_plan(case).status in ("optimal", "within_gap", "stopped")
