# SPDX-License-Identifier: Apache-2.0
"""Routing through ``plan``, on cases whose answers are reckoned by hand."""

from __future__ import annotations

from decimal import Decimal

import pytest

from optimizer.planning import make_plan, plan_document, to_json
from optimizer.program import route_case

from .conftest import Write, at
from .routes import METERS, api, meter, replica, requests, shares


def test_a_replica_where_it_is_cheaper_than_the_api(write: Write) -> None:
    """A replica answers 3,600 requests in an hour for $4; the API takes $0.002 each.

    With 3,600 requests the replica ($4 against $7.20); with 1,000 the API ($2 against $4);
    with 4,000 both: one replica is full, 400 go to the API.
    """
    case = write(
        3,
        meters=METERS,
        workloads=requests("chat", [3600, 1000, 4000]),
        deployments=[replica("own", "h100", 1), api("api", "tokens", 0.001)],
    )
    plan = make_plan(case)
    assert plan.total == Decimal("4") + Decimal("2") + Decimal("4.8")
    assert plan.status == "optimal"
    document = plan_document(plan)
    assert document["gap"] == pytest.approx(0, abs=1e-9)
    assert "baseline" not in document
    assert "savings" not in document
    whole = shares(plan)
    assert whole["chat", "own"] == pytest.approx(7200 / 8600)
    (row,) = document["replicas"]
    assert (row["deployment"], row["replica_hours"], row["most"]) == ("own", 2.0, 1.0)
    hourly = plan_document(plan, detail=True)["routes"]
    assert [(r["deployment"], r["hour"], r["share"]) for r in hourly] == [
        ("api", at(1), pytest.approx(1.0)),
        ("api", at(2), pytest.approx(0.1)),
        ("own", at(0), pytest.approx(1.0)),
        ("own", at(2), pytest.approx(0.9)),
    ]
    assert to_json(document)


def test_cached_input_is_priced_by_its_own_meter_or_the_plan_says_so(write: Write) -> None:
    """1,000 requests at 0.002 plain and 0.001 output at $2; cached input has no meter."""
    asked = [{**row, "cached_share": 0.4} for row in requests("chat", [1000])]
    case = write(1, meters=METERS, workloads=asked, deployments=[api("api", "tokens", 0.003)])
    plan = make_plan(case)
    assert plan.total == 6
    (note,) = [note for note in plan.demand.notes if "cached_share" in note]
    assert "40% of the input of class 'chat'" in note
    assert "api draw no meter" in note
    meters = [*METERS, meter("cached", 0.2, product="tokens", unit="1M Tokens")]
    meters.append(meter("output", 8, product="tokens", unit="1M Tokens"))
    rows = [api("api", "tokens", 0.002), api("api", "cached", 0.001), api("api", "output", 0.001)]
    plan = make_plan(write(1, meters=meters, workloads=asked, deployments=rows))
    assert plan.total == Decimal("12.2")
    assert not [note for note in plan.demand.notes if "cached_share" in note]


def test_classes_share_replicas(write: Write) -> None:
    """0.4 and 0.6 of a replica together are one replica, not two."""
    case = write(
        1,
        meters=METERS[:1],
        workloads=requests("a", [1440]) + requests("b", [4320]),
        deployments=[
            replica("own", "h100", 1, workload="a"),
            replica("own", "h100", 2, workload="b"),
        ],
    )
    assert make_plan(case).total == 4


def test_a_mean_quality_has_its_price(write: Write) -> None:
    """Target 0.8 between 0.7 for $1 and 0.9 for $3 per 3,600 requests on APIs: half and half.

    A point more moves 5 % of the traffic from $1 to $3 per 3,600: ten cents an hour.
    """
    case = write(
        2,
        "[risk]\nquality_confidence = 0\n",
        meters=[meter("low", 1), meter("high", 3)],
        workloads=requests("chat", [3600, 3600], quality_task="t", quality_target=0.8),
        deployments=[api("a", "low", repr(1 / 3600)), api("b", "high", repr(1 / 3600))],
        quality=[
            {"model": "model of a", "quality_task": "t", "quality": 0.7},
            {"model": "model of b", "quality_task": "t", "quality": 0.9},
        ],
    )
    plan = make_plan(case)
    assert float(plan.total) == pytest.approx(4.0)
    assert shares(plan)["chat", "a"] == pytest.approx(0.5)
    prices = {row["row"]: row for row in plan_document(plan)["shadow_prices"]}
    assert float(prices["route.quality"]["value"]) == pytest.approx(0.2)  # over two hours
    assert float(prices["route.demand"]["value"]) == pytest.approx(1000 * 2 / 3600)
    assert any(
        "One more point of quality on chat costs $73.00 a month" in line
        for line in plan_document(plan)["explanation"]
    )


def test_mean_lengths_pick_the_bucket(write: Write) -> None:
    """90 input tokens on average do not fit 64, and do fit 128: one request a second there."""
    case = write(
        1,
        meters=[meter("gpu", 1)],
        workloads=requests("chat", [7200], input_tokens=7200 * 90, output_tokens=7200 * 10),
        deployments=[
            replica("own", "gpu", 2, input_upto=64, output_upto=64),
            replica("own", "gpu", 1, input_upto=128, output_upto=64),
        ],
    )
    assert make_plan(case).total == 2


def test_today_is_the_baseline_with_what_is_held(write: Write) -> None:
    """Today two replicas at $4 run all three hours, one of them held at $3; all else is dearer.

    The plan needs one replica in every hour: what is held.
    """
    case = write(
        3,
        '[finance]\nafter_horizon = "prorata"\n',
        meters=METERS,
        workloads=requests("chat", [3600, 1800, 3600]),
        deployments=[replica("own", "h100", 1)],
        routes_today=[{"workload": "chat", "deployment": "own", "share": 1, "replicas": 2}],
        offers=[
            {
                "offer": "ri",
                "law": "aws.reserved.regional",
                "measure": "units",
                "term_hours": 3,
                "hourly": 3,
            }
        ],
        covers=[{"offer": "ri", "meter": "h100", "draw": 1}],
        commitments=[
            {"commitment": "c", "offer": "ri", "quantity": 1, "start": at(0), "end": at(3)}
        ],
    )
    plan = make_plan(case)
    assert plan.baseline_total == 3 * 3 + 3 * 4
    assert plan.total == 9
    assert plan_document(plan)["savings"] == 12


@pytest.mark.parametrize("method", ["auto", "reference", "mathopt"])
def test_routing_looks_at_what_may_be_bought(write: Write, method: str) -> None:
    """At on-demand prices the API is cheaper; with a reservation at half price it is not.

    A replica costs $4, or $2 reserved over all four hours; 3,600 requests on the API cost
    $3.60 in each.  One after the other: the API, $14.40, and nothing to buy.  Jointly $8.
    """
    case = write(
        4,
        f'[finance]\nafter_horizon = "prorata"\n[solve]\nmethod = "{method}"\n',
        meters=METERS,
        workloads=requests("chat", [3600] * 4),
        deployments=[replica("own", "h100", 1), api("api", "tokens", 0.0005)],
        offers=[
            {
                "offer": "ri",
                "law": "aws.reserved.regional",
                "measure": "units",
                "term_hours": 4,
                "hourly": 2,
            }
        ],
        covers=[{"offer": "ri", "meter": "h100", "draw": 1}],
    )
    plan = make_plan(case)
    assert plan.total == 8
    assert plan.bought == {"ri": 1}
    assert plan.gap == pytest.approx(0, abs=1e-9)
    told = {row["plan"]: row["objective"] for row in plan_document(plan)["alternatives"]}
    assert told["one after the other"] == Decimal("14.4")
    assert told["jointly"] == 8


@pytest.mark.parametrize("pieces", [False, True])
def test_many_linked_hours_with_commitments(
    write: Write, monkeypatch: pytest.MonkeyPatch, *, pieces: bool
) -> None:
    """Thirty hours with starts, work that may wait, provisioned units and a reservation.

    No hand reckons this one: the plan passes every check, is not dearer than any plan that
    it is held against, and its bound is below all of them: in one piece, or hour by hour as
    in large cases.
    """
    if pieces:
        monkeypatch.setattr(route_case, "WHOLE_COLUMNS", 0)
    wave = [3600 * (2 + (hour % 12) / 3) for hour in range(30)]
    hours = [f"2026-11-{21 + hour // 24}T{hour % 24:02d}:00:00Z" for hour in range(30)]
    rows = [
        {"workload": name, "hour": hours[t], "requests": count, "deferrable_hours": wait}
        for name, counts, wait in (("chat", wave, 0), ("batch", wave[::-1], 6))
        for t, count in enumerate(counts)
    ]
    case = write(
        30,
        '[finance]\nafter_horizon = "prorata"\n[solve]\ngap = 0.02\n',
        meters=[*METERS, meter("ptu", 3.8, product="throughput", unit="PTU-Hours")],
        workloads=rows,
        deployments=[
            replica("own", "h100", 1, start_minutes=20, maximum_replicas=8),
            api("api", "tokens", 0.0006),
            {
                "deployment": "units",
                "model": "m",
                "kind": "throughput",
                "meter": "ptu",
                "meter_units": 1,
                "per": "replica_hour",
                "requests_per_second": 1,
                "minimum_replicas": 2,
            },
        ],
        routes_today=[
            {"workload": "chat", "deployment": "api", "share": 1},
            {"workload": "batch", "deployment": "own", "share": 1, "replicas": 6},
        ],
        offers=[
            {
                "offer": "ri",
                "law": "aws.reserved.regional",
                "measure": "units",
                "term_hours": 30,
                "hourly": 2.5,
            }
        ],
        covers=[{"offer": "ri", "meter": "h100", "draw": 1}],
    )
    plan = make_plan(case)
    document = plan_document(plan)
    assert all(check["ok"] for check in document["checks"])
    names = {check["check"] for check in document["checks"]}
    assert {"route.deadline", "route.start", "route.capacity", "route.range"} <= names
    told = {row["plan"]: float(row["objective"]) for row in document["alternatives"]}
    assert set(told) == {
        "nothing", "commitments alone", "routing alone", "one after the other", "jointly",
    }  # fmt: skip
    assert told["jointly"] == min(told.values())
    assert float(plan.lower_bound) <= told["jointly"] + 1e-6
    assert plan.gap < (0.12 if pieces else 0.05)
    assert float(plan.total) == pytest.approx(told["jointly"])
    assert float(plan.baseline_total) > float(plan.total)


def test_usage_of_a_deployment_is_not_counted_twice(write: Write) -> None:
    """Given usage of the deployment is what the plan decides; other usage of the meter stays."""
    case = write(
        1,
        meters=METERS,
        workloads=requests("chat", [3600]),
        deployments=[replica("own", "h100", 1)],
        usage=[
            {"hour": at(0), "meter": "h100", "quantity": 5, "deployment": "own"},
            {"hour": at(0), "meter": "h100", "quantity": 2, "deployment": ""},
        ],
    )
    assert make_plan(case).total == 4 * (1 + 2)
