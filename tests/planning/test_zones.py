# SPDX-License-Identifier: Apache-2.0
"""Plans that survive the loss of a zone, and those that do not, played; and what it costs."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import numpy as np
import pytest

from optimizer.errors import DataError
from optimizer.planning import make_plan, plan_document
from optimizer.planning.outage import lost_with, play_loss, start_hours
from optimizer.program import route_case
from optimizer.reporting.text import plan_page, render
from optimizer.tables import Case

from .conftest import Row, Write, at

SURVIVE = "[limits]\nsurvive_zone_loss = true\n"
QUEUE = '[risk]\nqueueing = "mgc"\n'
ODDS = 0.01


def meter(name: str, **more: Any) -> Row:
    return {"meter": name, "provider": "aws", "product": "gpu", "unit": "GPU-Hours"} | more


def spot(zone: str, price: float, **more: Any) -> Row:
    own = {"region": "east", "zone": zone, "spot": price, "spot_interruption": ODDS}
    return meter(f"gpu-{zone}", on_demand=4) | own | more


METERS = [
    spot("a", 1.0),
    spot("b", 1.0),
    spot("c", 1.0),
    meter("gpu", on_demand=4, region="east"),
    meter("tokens", on_demand=20, product="tokens", unit="1M Tokens"),
]


def replica(name: str, of: str, **more: Any) -> Row:
    profile = {"requests_per_second": 1, "ttft_ms": 500, "tpot_ms": 40}
    own = {"deployment": name, "model": "m", "kind": "replica", "meter": of, "meter_units": 1}
    return own | profile | more


def deployments(start: float = 0, most: Any = "", api: bool = True) -> list[Row]:
    own = [replica(f"spot-{zone}", f"gpu-{zone}", capacity="spot") for zone in "abc"]
    own.append(replica("firm", "gpu", start_minutes=start, maximum_replicas=most))
    if api:
        more = {"kind": "api", "meter": "tokens", "meter_units": 0.001, "requests_per_second": ""}
        own.append(replica("api", "tokens") | more)
    return own


def chat(counts: list[float], **more: Any) -> list[Row]:
    facts = {"ttft_ms": 2000, "tpot_ms": 60, "peak_to_mean": 1.0}
    return [
        {"workload": "chat", "hour": at(hour), "requests": count, "output_tokens": 200 * count}
        | facts
        | more
        for hour, count in enumerate(counts)
    ]


def plan_of(case: Case) -> dict[str, Any]:
    document = plan_document(make_plan(case), detail=True)
    assert all(check["ok"] for check in document["checks"])
    return document


def test_nine_replicas_by_hand(write: Write) -> None:
    """Six replicas' worth on spot in three zones; nothing else may start or answer in time.

    Nine in all, three in each zone: whichever is lost, six are left.
    """
    tables = {
        "meters": METERS,
        "workloads": chat([6 * 3600.0]),
        "deployments": deployments(most=0, api=False),
    }
    plan = plan_of(write(1, SURVIVE, **tables))
    assert Decimal(plan["total"]) == 9
    counts = {row["deployment"]: row["replicas"] for row in plan["replicas"]}
    assert counts == {f"spot-{zone}": 3.0 for zone in "abc"}
    calm = plan_of(write(1, **tables))
    assert Decimal(calm["total"]) == 6
    assert "zones" not in calm


def test_fallback_on_demand_is_in_the_bill_at_its_odds(write: Write) -> None:
    """Zone a is cheapest by far: all six run there, six are started with a chance of 1 %."""
    dear = [spot("a", 1.0), spot("b", 3.9), spot("c", 3.9), *METERS[3:]]
    case = write(
        1,
        SURVIVE,
        meters=dear,
        workloads=chat([6 * 3600.0]),
        deployments=deployments(api=False),
    )
    plan = plan_of(case)
    assert float(plan["total"]) == pytest.approx(6 + ODDS * 6 * 4)
    row, *others = plan["zones"]
    assert (row["zone"], row["odds"], row["deployments"]) == ("a", ODDS, ["spot-a"])
    assert float(row["expected_cost"]) == pytest.approx(ODDS * 6 * 4)
    assert row["fallback"] == [
        {"workload": "chat", "deployment": "firm", "share": 1.0, "started": 6.0}
    ]
    assert not any(other["hours"] for other in others)
    assert any(
        "Should a be lost (1.00% an hour): firm takes over" in x for x in plan["explanation"]
    )
    text = render(plan_page(plan), width=120, colour=False)
    assert "When a zone is lost" in text
    assert "nothing is lost" in text


def test_a_quota_limits_what_is_started(write: Write) -> None:
    """Two on demand at most: four more have to run, or to be answered by the API."""
    limited = [*METERS[:3], METERS[3] | {"on_demand_limit": 2}]
    tables = {"workloads": chat([6 * 3600.0]), "deployments": deployments(api=False)}
    plan = plan_of(write(1, SURVIVE, meters=limited, **tables))
    started = max(row["started"] for row in plan["zone_replicas"])
    assert started == 2
    spots = sum(row["replicas"] for row in plan["replicas"])
    assert spots == 6  # two in each zone: two are started, whichever is lost
    none = [*METERS[:3], METERS[3] | {"on_demand_limit": 1}]
    dearer = plan_of(write(1, SURVIVE, meters=none, **tables))
    assert sum(row["replicas"] for row in dearer["replicas"]) == 8
    assert float(dearer["total"]) > float(plan["total"])


def test_spot_without_a_zone_is_lost_with_any(write: Write) -> None:
    meters = [*METERS[:2], spot("", 0.5) | {"meter": "gpu-c"}, *METERS[3:]]
    case = write(
        1, SURVIVE, meters=meters, workloads=chat([3600.0]), deployments=deployments(api=False)
    )
    plan = plan_of(case)
    assert [row["zone"] for row in plan["zones"]] == ["a", "b"]
    assert plan["zones"][0]["deployments"] == ["spot-c"] == plan["zones"][1]["deployments"]


def test_zones_of_one_name_are_told_apart_by_their_region(write: Write) -> None:
    of = [("east", 1.0), ("west", 1.05)]
    meters = [spot("1", price, region=region) | {"meter": f"gpu-{region}"} for region, price in of]
    meters.append(meter("gpu", on_demand=4, region="south"))
    own = [replica(f"spot-{region}", f"gpu-{region}", capacity="spot") for region, _ in of]
    own.append(replica("firm", "gpu", maximum_replicas=2))
    case = write(1, SURVIVE, meters=meters, workloads=chat([6 * 3600.0]), deployments=own)
    plan = plan_of(case)
    assert [row["zone"] for row in plan["zones"]] == ["east/1", "west/1"]
    for zone, gone in (("east/1", {"spot-east"}), ("west/1", {"spot-west"})):
        assert lost_with(case, zone) == gone
        (row,) = [row for row in plan["zones"] if row["zone"] == zone]
        assert set(row["deployments"]) == gone
        moved = [
            row["requests"] + row["late"] for row in plan["zone_routes"] if row["zone"] == zone
        ]
        (lost,) = [r["requests"] for r in plan["routes"] if r["deployment"] in gone]
        assert sum(moved) == pytest.approx(lost)
    assert lost_with(case, "1") == {"spot-east", "spot-west"}


def test_one_row_says_the_start_of_a_deployment_for_all(write: Write) -> None:
    own = deployments(start=30)
    firm = next(row for row in own if row["deployment"] == "firm")
    more = firm | {"meter": "gpu2", "start_minutes": ""}
    meters = [*METERS, meter("gpu2", on_demand=0.1, region="east")]
    case = write(1, SURVIVE, meters=meters, workloads=chat([3600.0]), deployments=[*own, more])
    assert start_hours(case)["firm"] == 0.5


def test_interruption_odds_are_needed(write: Write) -> None:
    meters = [METERS[0], METERS[1] | {"spot_interruption": ""}, *METERS[2:]]
    case = write(1, SURVIVE, meters=meters, workloads=chat([1.0]), deployments=deployments())
    with pytest.raises(DataError, match="prices fallback by it") as caught:
        make_plan(case)
    assert (caught.value.file, caught.value.row, caught.value.column) == (
        "meters.csv",
        2,
        "spot_interruption",
    )
    lazy = [row | {"ttft_ms": "", "tpot_ms": ""} for row in chat([1.0])]
    plan = plan_of(write(1, SURVIVE, meters=meters, workloads=lazy, deployments=deployments()))
    assert plan["zones"] == []  # nothing critical may be lost
    assert any("No class with a latency target may run on spot" in x for x in plan["explanation"])


WAYS = (
    ("calm days only", "", 15, True),
    ("any zone, replicas start in 15 minutes", SURVIVE, 15, True),
    ("the same, no API", SURVIVE, 15, False),
    ("the same, replicas start at once", SURVIVE, 0, False),
)


def test_every_zone_may_be_lost_and_the_naive_plan_shows_why_not(write: Write) -> None:
    """Three hours, played: each zone lost at the beginning of each hour.

    ``-s`` prints the table of ``docs/routing.md``.
    """
    prices = zip("abc", (1.0, 1.05, 1.1), strict=True)
    meters = [*(spot(zone, price) for zone, price in prices), *METERS[3:]]
    asked = chat([8 * 3600.0, 11 * 3600.0, 5 * 3600.0])
    found = []
    print("\nplan | objective | least attained, whichever zone is lost")
    for name, survive, start, api in WAYS:
        own = deployments(start=start, api=api)
        case = write(3, QUEUE + survive, meters=meters, workloads=asked, deployments=own)
        plan = plan_of(case)
        played = [play_loss(case, plan, zone) for zone in "abc"]
        found.append((float(plan["objective"]), played))
        worst = min(each.rows[0]["attained"] for each in played)
        print(f"{name} | {found[-1][0]:.2f} | {worst:.1%}")
        assert [row["hours"] for each in played for row in each.rows] == [3, 3, 3]
        assert all(each.kept for each in played) == bool(survive)
    assert found[0][1][0].rows[0]["attained"] < 0.5
    costs = [cost for cost, _ in found]
    assert costs[0] < costs[3] < costs[1] <= costs[2] < 2 * costs[0]
    with pytest.raises(DataError, match="no deployment runs on spot in zone 'd'"):
        play_loss(case, plan, "d")
    silent = {key: value for key, value in plan.items() if "zone" not in key}
    assert not all(play_loss(case, silent, zone).kept for zone in "abc")


@pytest.mark.parametrize("hours", [2, 26])
def test_bounds_hold_beside_commitments(write: Write, hours: int) -> None:
    """Reservations of what fallback and standing replicas draw; several ways agree."""
    rng = np.random.default_rng(hours)
    tables = {
        "meters": [spot("a", 1.0), spot("b", 1.1), spot("c", 1.25), *METERS[3:]],
        "workloads": chat((rng.uniform(2, 8, hours) * 3600).tolist()),
        "deployments": deployments(start=12 if hours == 2 else 0),
        "offers": [
            {
                "offer": "ri",
                "law": "aws.reserved.regional",
                "measure": "units",
                "term_hours": hours,
                "hourly": 1.2,
            }
        ],
        "covers": [{"offer": "ri", "meter": "gpu", "draw": 1}],
    }
    toml = '[finance]\nafter_horizon = "prorata"\n' + SURVIVE
    plan = plan_of(write(hours, toml, **tables))
    calm = plan_of(write(hours, toml.replace("true", "false"), **tables))
    assert plan["lower_bound"] <= plan["objective"]
    assert float(plan["lower_bound"]) >= float(calm["lower_bound"]) * (1 - 1e-6)
    assert plan["gap"] < 0.05
    if hours == 2:
        for method in ("reference", "mathopt"):
            other = plan_of(write(hours, toml + f'[solve]\nmethod = "{method}"\n', **tables))
            assert float(other["objective"]) == pytest.approx(float(plan["objective"]), rel=2e-3)
            assert float(other["lower_bound"]) <= float(plan["objective"]) * (1 + 1e-6)


def test_hour_by_hour_as_in_large_cases(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    """Linked hours go by the relaxation; every hour survives every zone all the same."""
    monkeypatch.setattr(route_case, "WHOLE_COLUMNS", 0)
    wave = [3600 * (4 + 3 * float(np.sin(hour / 4))) for hour in range(26)]
    case = write(
        26,
        SURVIVE,
        meters=[spot("a", 1.0), spot("b", 1.1), spot("c", 1.25), *METERS[3:]],
        workloads=chat(wave),
        deployments=deployments(start=12),
    )
    plan = plan_of(case)
    names = {check["check"] for check in plan["checks"]}
    assert {"route.zone", "route.zone_late", "route.start", "route.zone_limit"} <= names
    assert all(row["hours"] for row in plan["zones"][:1])
    assert plan["lower_bound"] <= plan["objective"]
