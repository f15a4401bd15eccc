# SPDX-License-Identifier: Apache-2.0
"""Spot replicas that survive the loss of a zone: by hand, and against every number of replicas."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np
import pulp
import pytest

from optimizer.program.linear import (
    solve_linear,
    solve_mathopt_linear,
    solve_pulp,
    violation,
)
from optimizer.program.route_blocks import solve_blocks
from optimizer.program.route_check import check_routed
from optimizer.program.route_hour import Hours
from optimizer.program.route_program import RouteProgram, at_prices
from optimizer.program.route_settle import settle
from optimizer.program.routing import Deployment, Route, Routed, Routing, Stream
from optimizer.program.zones import Zone

SECOND = 1 / 3600  # of a replica: one request a second
ODDS = 0.01
SPOT_A, SPOT_B, FIRM, API = range(4)


def routing(
    requests: list[float] | None = None,
    *,
    firm: dict[str, float] | None = None,
    api: bool = False,
    critical: bool = True,
    odds: float = ODDS,
    zones: bool = True,
    quality: tuple[float, float, float, float] = (0.8, 0.8, 0.8, 0.8),
    **stream: object,
) -> Routing:
    """A class on spot replicas in two zones, replicas on demand, and perhaps an API."""
    deployments = [
        Deployment("spot-a", "m", "replica", ((0, 1.0),), spot=True),
        Deployment("spot-b", "m", "replica", ((1, 1.0),), spot=True),
        Deployment("firm", "m", "replica", ((2, 1.0),), **(firm or {})),
        Deployment("api", "m", "api"),
    ]
    routes = [Route(0, j, SECOND, (), quality[j]) for j in range(3)]
    if api:
        routes.append(Route(0, API, 0.0, ((3, 1.0),), quality[3]))
    asked = np.array(requests or [2 * 3600.0])
    return Routing(
        streams=(Stream("c", None, asked, critical=critical, **stream),),  # type: ignore[arg-type]
        deployments=tuple(deployments),
        routes=tuple(routes),
        meters=("a", "b", "firm", "tokens"),
        spot_lines=(True, True, False, False),
        zones=(Zone("a", (0,), (), odds), Zone("b", (1,), (), odds)) if zones else (),
    )


def solved(case: Routing, prices: list[float]) -> tuple[float, Routed, RouteProgram]:
    hours = Hours.of(case, case.demand, np.ones(case.hours))
    written = at_prices(case, hours, np.tile(np.array(prices)[:, None], case.hours))
    answer = solve_blocks(written.program, gap=1e-9, nodes=None, whole_columns=10_000)
    routed = settle(case, hours, written.read(answer))
    failed = [check for check in check_routed(case, hours, routed) if not check.ok]
    assert not failed
    assert violation(written.program, answer.values)[0] < 1e-6
    paid = float((np.array(prices) @ routed.usage(case)).sum())
    assert paid == pytest.approx(answer.objective, rel=1e-6)
    return answer.objective, routed, written


def dual(written: RouteProgram, name: str) -> float:
    answer = solve_linear(written.program, relaxed=True)
    assert answer.duals is not None
    return float(answer.duals[written.program.row_names.index(name)])


def test_without_fallback_spot_is_spread_and_stands_by() -> None:
    """Two replicas' worth: two on spot would do, but two are needed in each zone."""
    case = routing(firm={"maximum": 0})
    cost, routed, written = solved(case, [1.0, 1.0, 5.0, 0.0])
    assert cost == pytest.approx(4.0)
    assert routed.replicas[:3, 0].tolist() == [2.0, 2.0, 0.0]
    assert dual(written, "route.zone[spot-a,b,0]") < 0  # one more in a, should b be lost
    assert solved(replace(case, zones=()), [1.0, 1.0, 5.0, 0.0])[0] == pytest.approx(2.0)


def test_what_starts_at_once_is_paid_at_the_odds() -> None:
    """All on one zone; two replicas on demand are started with a chance of one in a hundred."""
    cost, routed, _ = solved(routing(), [1.0, 1.1, 5.0, 0.0])
    assert cost == pytest.approx(2.0 + ODDS * 2 * 5.0)
    assert routed.replicas[:3, 0].tolist() == [2.0, 0.0, 0.0]
    assert routed.losses[0].started[FIRM, 0] == 2
    assert routed.fallback[2, 0] == pytest.approx(ODDS * 2)
    assert not routed.losses[1].late.any()  # nothing is lost with the other zone


def test_an_api_takes_over() -> None:
    cost, routed, _ = solved(routing(firm={"maximum": 0}, api=True), [1.0, 1.1, 5.0, 0.001])
    assert cost == pytest.approx(2.0 + ODDS * 7200 * 0.001)
    assert routed.losses[0].moved[3, 0] == pytest.approx(7200)


def test_on_demand_replicas_are_limited() -> None:
    """One may be started: the other half stands by on spot in the other zone."""
    cost, routed, _ = solved(routing(firm={"maximum": 1}), [1.0, 1.0, 5.0, 0.0])
    assert sorted(routed.replicas[:2, 0].tolist()) in ([1.0, 1.0], [1.0, 2.0])
    assert cost == pytest.approx(2.0 + 2 * ODDS * 5.0)  # one in each zone, one started


def test_a_slow_start_leaves_only_what_the_percentile_allows_to_wait() -> None:
    """Fifteen minutes: a tenth of the requests may wait (0.25 h of 2.5 %), the rest may not.

    Ten replicas' worth: one may be started, so that nine run whichever zone is lost.
    """
    case = routing([36_000.0], firm={"start_hours": 0.25})
    cost, routed, _ = solved(case, [1.0, 1.0, 50.0, 0.0])
    assert routed.replicas[:3, 0].tolist() == [9.0, 9.0, 0.0]
    assert routed.losses[0].late[FIRM, 0] <= 0.1 * 36_000 * (1 + 1e-9)
    each = ODDS * 1 * 1.25 * 50.0  # one is started, and starts for a quarter of an hour
    assert cost == pytest.approx(18.0 + 2 * each)
    strict = routing([36_000.0], firm={"start_hours": 0.25}, percentile=1.0)
    assert solved(strict, [1.0, 1.0, 50.0, 0.0])[0] == pytest.approx(20.0)


def test_classes_without_a_latency_give_way() -> None:
    case = routing(critical=False, firm={"maximum": 0})
    assert solved(case, [1.0, 1.0, 5.0, 0.0])[0] == pytest.approx(2.0)
    chat = Stream("chat", None, np.array([3600.0]), critical=True)
    batch = Stream("batch", None, np.array([3600.0]))
    shared = routing(firm={"maximum": 1})
    routes = tuple(Route(s, j, SECOND) for s in range(2) for j in range(3))
    both = replace(shared, streams=(chat, batch), routes=routes)
    # The replica on demand answers batch, and would take over chat.
    cost, routed, _ = solved(both, [1.0, 1.0, 1.5, 0.0])
    assert cost == pytest.approx(2.0)  # one in each zone: batch gives way there just as well
    assert sorted(routed.replicas[:3, 0].tolist()) == [0.0, 1.0, 1.0]


def test_quality_is_kept_when_a_zone_is_lost() -> None:
    """On demand is too weak to take everything over; the API is good enough, and dear."""
    quality = (0.9, 0.9, 0.5, 0.9)
    case = routing(api=True, quality=quality, target=0.7)
    cost, routed, _ = solved(case, [1.0, 3.0, 2.0, 0.01])
    assert routed.losses[0].moved[3, 0] == pytest.approx(3600)  # half and half: 0.7
    assert cost == pytest.approx(2.0 + ODDS * (2.0 + 36.0))


def test_nothing_is_started_in_the_zone_that_is_lost() -> None:
    case = routing()
    inside = (Zone("a", (0,), (2,), ODDS), Zone("b", (1,), (), ODDS))
    cost, routed, _ = solved(replace(case, zones=inside), [1.0, 1.1, 5.0, 0.0])
    assert routed.replicas[:3, 0].tolist() == [0.0, 2.0, 0.0]  # where a fallback can be had
    assert cost == pytest.approx(2.2 + ODDS * 10)


def test_units_that_are_reserved_take_over_what_they_have_room_for() -> None:
    ptu = Deployment("ptu", "m", "throughput", ((2, 1.0),))
    case = routing()
    case = replace(case, deployments=(*case.deployments[:2], ptu, case.deployments[3]))
    cost, routed, _ = solved(case, [1.0, 1.0, 1.5, 0.0])
    assert cost == pytest.approx(3.0)
    assert routed.replicas[2, 0] == 2.0


TAMPERED = {
    "route.zone_moved": lambda loss: replace(loss, late=loss.late * 0.9),
    "route.zone_started": lambda loss: replace(loss, started=loss.started * 0.5),
    "route.zone": lambda loss: replace(loss, moved=loss.moved + loss.late, late=0 * loss.late),
    "route.zone_open": lambda loss: replace(loss, started=loss.started * 1.25),
    "route.zone_late": lambda loss: replace(loss, late=loss.late * 1.1),
}


@pytest.mark.parametrize("name", TAMPERED)
def test_a_plan_that_would_not_survive_fails_its_check(name: str) -> None:
    case = routing([36_000.0], firm={"start_hours": 0.25, "maximum": 20})
    _, routed, _ = solved(case, [1.0, 1.0, 50.0, 0.0])
    hours = Hours.of(case, case.demand, np.ones(1))
    losses = tuple(TAMPERED[name](loss) for loss in routed.losses)
    failed = {
        check.name
        for check in check_routed(case, hours, replace(routed, losses=losses))
        if not check.ok
    }
    assert name in failed
    assert not all(c.ok for c in check_routed(case, hours, replace(routed, losses=())))
    cheap = replace(routed, fallback=routed.fallback * 0.5)
    (bad,) = [c for c in check_routed(case, hours, cheap) if not c.ok]
    assert bad.name == "route.zone_cost"


def test_a_plan_for_calm_days_fails_the_check_of_a_stormy_one() -> None:
    case = routing(firm={"maximum": 3})
    calm, prices = replace(case, zones=()), [1.0, 1.0, 5.0, 0.0]
    _, routed, _ = solved(calm, prices)
    hours = Hours.of(case, case.demand, np.ones(1))
    assert not all(check.ok for check in check_routed(case, hours, routed))


def random_case(seed: int) -> tuple[Routing, list[float]]:
    """Two classes, spot in two zones, replicas on demand, an API; random figures, high odds."""
    rng = np.random.default_rng(seed)
    start = float(rng.choice([0.0, 0.2, 1.5]))
    deployments = (
        Deployment("spot-a", "m", "replica", ((0, 1.0),), spot=True, maximum=3),
        Deployment("spot-b", "m", "replica", ((1, 1.0),), spot=True, maximum=3),
        Deployment("firm", "m", "replica", ((2, 1.0),), start_hours=start, maximum=3),
        Deployment("api", "m", "api"),
    )
    streams = (
        Stream("a", None, rng.uniform(1000, 6000, 1), critical=True, target=0.7, percentile=0.7),
        Stream("b", None, rng.uniform(500, 3000, 1), critical=bool(rng.random() < 0.5)),
    )
    routes = [
        Route(s, j, float(rng.uniform(0.5, 1.2)) * SECOND, (), float(rng.uniform(0.6, 0.9)))
        for s, j in product(range(2), range(3))
    ]
    routes += [Route(s, 3, 0.0, ((3, 1.0),), 0.8) for s in range(2)]
    case = Routing(
        streams,
        deployments,
        tuple(routes),
        ("a", "b", "firm", "tokens"),
        (True, True, False, False),
        zones=(
            Zone("a", (0,), (2,) if rng.random() < 0.3 else (), float(rng.uniform(0.01, 0.4))),
            Zone("b", (1,), (), float(rng.uniform(0.01, 0.4))),
        ),
    )
    return case, [*rng.uniform(0.3, 1.0, 2).tolist(), 1.5, float(rng.uniform(5e-4, 3e-3))]


def every_number(case: Routing, prices: list[float]) -> float:
    """Every number of replicas; requests and fallback by a program of its own."""
    model, n = written_anew(case, prices)
    best = np.inf
    for counts in product(range(4), repeat=3):
        for variable, count in zip(n, counts, strict=True):
            variable.lowBound = variable.upBound = count
        if sum(prices[j] * counts[j] for j in range(3)) >= best:
            continue
        model.solve(pulp.HiGHS(msg=False, threads=1))
        if model.status == 1:
            best = min(best, float(pulp.value(model.objective)))
    return float(best)


def written_anew(
    case: Routing, prices: list[float]
) -> tuple[pulp.LpProblem, list[pulp.LpVariable]]:
    """The program in PuLP, and its numbers of replicas."""
    asked = case.demand[:, 0]
    critical = [s for s, stream in enumerate(case.streams) if stream.critical]
    start = case.deployments[FIRM].start_hours
    model = pulp.LpProblem("brute", pulp.LpMinimize)
    n = [model.add_variable(f"n{j}", lowBound=0, upBound=3) for j in range(3)]
    routes = list(enumerate(case.routes))

    def amounts(name: str) -> list[pulp.LpVariable]:
        return [model.add_variable(f"{name}{r}", lowBound=0) for r, _ in routes]

    x = amounts("x")
    cost = pulp.lpSum(prices[j] * n[j] for j in range(3))
    cost += pulp.lpSum(prices[3] * x[r] for r, q in routes if q.deployment == API)
    for s in range(2):
        model += pulp.lpSum(x[r] for r, q in routes if q.stream == s) == float(asked[s])
    model += pulp.lpSum((q.quality - 0.7) * x[r] for r, q in routes if q.stream == 0) >= 0
    for j in range(3):
        model += pulp.lpSum(q.load * x[r] for r, q in routes if q.deployment == j) <= n[j]
    for z, zone in enumerate(case.zones):
        y, late = amounts(f"y{z}"), amounts(f"late{z}")  # all that a route answers; late ones
        f = model.add_variable(f"f{z}", lowBound=0, upBound=3, cat="Integer")
        if FIRM in zone.shut:
            model += f == 0
        model += n[FIRM] + f <= 3
        for r, q in routes:
            if q.stream not in critical or q.deployment in zone.lost:
                model += y[r] == 0
            else:
                model += y[r] >= x[r]
            model += late[r] <= (
                y[r] - x[r] if q.deployment == FIRM and q.stream in critical else 0
            )
        for s in critical:
            mine = [r for r, q in routes if q.stream == s]
            model += pulp.lpSum(y[r] for r in mine) == float(asked[s])
            wait = min(1.0, start) * pulp.lpSum(late[r] for r in mine)
            model += wait <= (1 - case.streams[s].percentile) / 2 * float(asked[s])
        model += pulp.lpSum((q.quality - 0.7) * y[r] for r, q in routes if q.stream == 0) >= 0
        for j in range(3):
            if j in zone.lost:
                continue
            own = [(r, q.load) for r, q in routes if q.deployment == j]
            model += pulp.lpSum(load * y[r] for r, load in own) <= n[j] + (f if j == FIRM else 0)
            if j != FIRM or start:
                model += pulp.lpSum(load * (y[r] - late[r]) for r, load in own) <= n[j]
        more = pulp.lpSum(
            y[r] - x[r] for r, q in routes if q.deployment == API and q.stream in critical
        )
        cost += zone.odds * (prices[3] * more + prices[2] * (1 + start) * f)
    model.setObjective(cost)
    return model, n


@pytest.mark.parametrize("seed", range(6))
def test_every_number_of_replicas_and_three_solvers_agree(seed: int) -> None:
    case, prices = random_case(seed)
    hours = Hours.of(case, case.demand, np.ones(1))
    written = at_prices(case, hours, np.array(prices)[:, None])
    expected = every_number(case, prices)
    for solve in (solve_linear, solve_pulp, solve_mathopt_linear):
        answer = solve(written.program)
        assert answer.objective == pytest.approx(expected, rel=2e-6)
        routed = settle(case, hours, written.read(answer))
        assert all(check.ok for check in check_routed(case, hours, routed))
    calm = at_prices(replace(case, zones=()), hours, np.array(prices)[:, None])
    assert solve_linear(calm.program).objective <= expected + 1e-9
