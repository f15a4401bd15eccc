# SPDX-License-Identifier: Apache-2.0
"""Every family of routing: a case in which it binds, reckoned by hand, and its price's sign."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np
import pulp
import pytest

from optimizer.program import route_blocks
from optimizer.program.linear import (
    LinearAnswer,
    pulp_model,
    solve_linear,
    solve_mathopt_linear,
    solve_pulp,
    violation,
)
from optimizer.program.linear_branch import branch
from optimizer.program.problem import Problem
from optimizer.program.route_blocks import Guide, solve_blocks
from optimizer.program.route_check import check_routed
from optimizer.program.route_cluster import alike, merged
from optimizer.program.route_hour import Hours
from optimizer.program.route_program import RouteProgram, at_prices
from optimizer.program.route_settle import settle
from optimizer.program.routing import Deployment, Route, Routed, Routing, Stream
from optimizer.program.status import Status

SECOND = 1 / 3600  # of a replica: one request a second


def routing(
    requests: list[list[float]],
    deployments: list[Deployment],
    routes: list[Route],
    *,
    average: float = float("nan"),
    **of_stream: object,
) -> Routing:
    """Streams a, b, …; line j is the meter of deployment j."""
    streams = tuple(
        Stream("ab"[n], None, np.array(row, dtype=float), **of_stream)  # type: ignore[arg-type]
        for n, row in enumerate(requests)
    )
    count = len(deployments)
    return Routing(
        streams,
        tuple(deployments),
        tuple(routes),
        tuple(f"m{j}" for j in range(count)),
        (False,) * count,
        average=average,
    )


def own(line: int, **more: object) -> Deployment:
    return Deployment(f"own{line}", "m", "replica", draws=((line, 1.0),), **more)  # type: ignore[arg-type]


def api(line: int) -> Deployment:
    return Deployment(f"api{line}", "m", "api")


def solved(case: Routing, prices: list[float]) -> tuple[LinearAnswer, Routed, RouteProgram]:
    """Solve, exactly, at prices that are the same in every hour, and check."""
    hours = Hours.of(case, case.demand, np.ones(case.hours))
    written = at_prices(case, hours, np.tile(np.array(prices)[:, None], case.hours))
    answer = solve_blocks(written.program, gap=1e-9, nodes=None, whole_columns=10_000)
    routed = settle(case, hours, written.read(answer))
    assert all(check.ok for check in check_routed(case, hours, routed))
    assert violation(written.program, answer.values)[0] < 1e-6
    assert answer.bound == pytest.approx(answer.objective, rel=1e-6)
    assert float((np.array(prices) @ routed.usage(case)).sum()) == pytest.approx(answer.objective)
    return answer, routed, written


def dual(written: RouteProgram, name: str) -> float:
    """The price of a row, of the relaxation."""
    answer = solve_linear(written.program, relaxed=True)
    assert answer.duals is not None
    return float(answer.duals[written.program.row_names.index(name)])


def test_demand_and_capacity() -> None:
    """1.5 replicas' worth: one replica for $2 and the API for $1.50; two replicas are $4."""
    case = routing(
        [[5400]],
        [own(0), api(1)],
        [Route(0, 0, SECOND), Route(0, 1, draws=((1, 1.0),))],
    )
    answer, routed, _ = solved(case, [2.0, SECOND * 3])
    assert answer.objective == pytest.approx(3.5)
    assert routed.replicas[0, 0] == 1
    assert routed.requests[1, 0] == pytest.approx(1800)


def test_a_request_has_its_price() -> None:
    case = routing([[3600]], [own(0)], [Route(0, 0, SECOND)])
    _, _, written = solved(case, [2.0])
    assert dual(written, "route.demand[a,0]") == pytest.approx(2.0)  # of all requests
    assert dual(written, "route.capacity[own0,0]") == pytest.approx(-2.0)  # one replica more


def test_quality_mixes_two_models() -> None:
    """0.75 between 0.7 for $1 and 0.9 for $2: a quarter of the dear one."""
    case = routing(
        [[100]],
        [api(0), api(1)],
        [Route(0, 0, 0, ((0, 0.01),), 0.7), Route(0, 1, 0, ((1, 0.01),), 0.9)],
        target=0.75,
    )
    answer, _, written = solved(case, [1.0, 2.0])
    assert answer.objective == pytest.approx(1.25)
    assert dual(written, "route.quality[a,0]") == pytest.approx(1 / 0.2)  # $ for 1 = 100 points


def test_average_quality_may_differ_by_hour_and_class() -> None:
    """Only one of the two classes pays for quality: where a point is cheapest."""
    case = routing(
        [[100, 100], [100, 100]],
        [api(0), api(1), api(2)],
        [
            Route(0, 0, 0, ((0, 0.01),), 0.7),
            Route(0, 1, 0, ((1, 0.01),), 0.9),
            Route(1, 0, 0, ((0, 0.01),), 0.7),
            Route(1, 2, 0, ((2, 0.01),), 0.9),
        ],
        average=0.75,
        judged=True,
    )
    answer, routed, written = solved(case, [1.0, 2.0, 5.0])
    assert answer.objective == pytest.approx(4.0 + 1.0)  # a hundred requests a dollar dearer
    assert routed.requests[3].sum() == pytest.approx(0)
    assert dual(written, "route.quality_average[horizon]") > 0


def test_provisioned_units_are_bought_for_all_hours() -> None:
    """A unit answers 3,600 requests; they come in steps of 5, 10 at the least, for both hours."""
    units = Deployment("ptu", "m", "throughput", ((0, 1.0),), minimum=10, step=5)
    case = routing(
        [[3600 * 12, 3600]],
        [units, api(1)],
        [Route(0, 0, SECOND), Route(0, 1, draws=((1, 1.0),))],
    )
    answer, routed, written = solved(case, [1.0, SECOND * 100])
    assert routed.replicas[0].tolist() == [15.0, 15.0]
    assert answer.objective == pytest.approx(30.0)
    assert dual(written, "route.throughput[ptu,0]") < 0
    # With a cheaper API ten units are enough: it takes two units' worth of the peak for $4.
    answer, routed, _ = solved(case, [1.0, SECOND * 2])
    assert routed.replicas[0].tolist() == [10.0, 10.0]
    assert answer.objective == pytest.approx(24.0)
    # With none at all the API takes 13 units' worth, for $0.50 each.
    answer, routed, _ = solved(case, [1.0, SECOND * 0.5])
    assert answer.objective == pytest.approx(6.5)
    assert not routed.replicas.any()


def test_a_deadline_moves_work_to_where_there_is_room() -> None:
    """A burst of 3 replicas' worth, one per hour from then on: one replica in three hours."""
    case = routing([[3 * 3600, 0, 0, 0]], [own(0)], [Route(0, 0, SECOND)], wait=2)
    answer, routed, written = solved(case, [1.0])
    assert answer.objective == pytest.approx(3.0)
    assert np.cumsum(routed.requests[0])[2] == pytest.approx(3 * 3600)  # within two hours
    hours = Hours.of(case, case.demand, np.ones(4))
    late = replace(routed, requests=np.array([[0.0, 0.0, 0.0, 3 * 3600.0]]))
    assert not all(check.ok for check in check_routed(case, hours, late))
    early = replace(routed, requests=np.array([[3600.0 * 4, 0.0, 0.0, -3600.0]]))
    assert not all(check.ok for check in check_routed(case, hours, early))
    assert dual(written, "route.deadline[a,0]") == pytest.approx(3.0)  # of the largest hour


def test_the_end_of_the_horizon_is_a_deadline() -> None:
    case = routing([[0, 0, 0, 3600]], [own(0)], [Route(0, 0, SECOND)], wait=24)
    answer, _, _ = solved(case, [1.0])
    assert answer.objective == pytest.approx(1.0)


def test_a_minimum_opens_or_stays_shut() -> None:
    """Three replicas at the least: dear for one replica's worth, and open in both hours."""
    deployments = [own(0, minimum=3), own(1)]
    routes = [Route(0, 0, SECOND), Route(0, 1, SECOND)]
    case = routing([[3 * 3600, 3600]], deployments, routes)
    answer, routed, _ = solved(case, [1.0, 1.4])
    assert answer.objective == pytest.approx(4 * 1.4)
    assert not routed.replicas[0].any()
    answer, routed, _ = solved(case, [1.0, 1.6])
    assert answer.objective == pytest.approx(6.0)
    assert routed.replicas[0].tolist() == [3.0, 3.0]


def test_a_start_is_paid_for() -> None:
    """Half an hour to start: keeping a replica idle for an hour costs $1, a start $0.50."""
    case = routing([[3600, 1, 3600]], [own(0, start_hours=0.5), api(1)], [
        Route(0, 0, SECOND), Route(0, 1, draws=((1, 1.0),)),
    ])  # fmt: skip
    answer, routed, written = solved(case, [1.0, 0.001])
    assert answer.objective == pytest.approx(2.5 + 0.001)
    assert routed.started[0].tolist() == [0.0, 0.0, 1.0]
    case = replace(case, deployments=(own(0, start_hours=2.0), api(1)))
    answer, routed, _ = solved(case, [1.0, 0.001])
    assert answer.objective == pytest.approx(3.0)
    assert routed.started.sum() == 0
    assert dual(written, "route.start[own0,2]") >= 0


def test_replicas_come_in_steps_with_headroom() -> None:
    """2.1 replicas' worth with a tenth kept free: 2.33, in steps of two 4."""
    case = routing([[2.1 * 3600]], [own(0, step=2, headroom=0.1)], [Route(0, 0, SECOND)])
    answer, routed, _ = solved(case, [1.0])
    assert answer.objective == pytest.approx(4.0)
    assert routed.replicas[0, 0] == 4


def test_loads_too_small_for_the_program_are_placed() -> None:
    """A request an hour is 1e-6 of a replica: none runs for it where the API can take it."""
    routes = [Route(0, 0, 1e-6), Route(0, 1, draws=((1, 1.0),))]
    case = routing([[1]], [own(0), api(1)], routes)
    _, routed, _ = solved_with_rest(case, [1.0, 0.1])
    assert routed.replicas[0, 0] == 0
    assert routed.requests[1, 0] == pytest.approx(1.0)
    case = routing([[1]], [own(0)], routes[:1])
    _, routed, _ = solved_with_rest(case, [1.0])
    assert routed.replicas[0, 0] == 1


def solved_with_rest(case: Routing, prices: list[float]) -> tuple[float, Routed, RouteProgram]:
    """As ``solved``, where what the program leaves out has to be placed."""
    hours = Hours.of(case, case.demand, np.ones(case.hours))
    written = at_prices(case, hours, np.tile(np.array(prices)[:, None], case.hours))
    answer = solve_linear(written.program)
    routed = settle(case, hours, written.read(answer))
    assert all(check.ok for check in check_routed(case, hours, routed))
    assert answer.bound <= float((np.array(prices) @ routed.usage(case)).sum()) + 1e-12
    return answer.objective, routed, written


def random_routing(seed: int) -> tuple[Routing, list[float]]:
    """Two classes, two kinds of replicas and an API, one hour, random figures."""
    rng = np.random.default_rng(seed)
    deployments = [own(0, step=float(rng.integers(1, 3))), own(1), api(2)]
    routes = [
        Route(s, j, float(rng.uniform(0.2, 1.5)) * SECOND, (), float(rng.uniform(0.6, 0.9)))
        for s, j in product(range(2), range(2))
    ]
    routes += [Route(s, 2, 0.0, ((2, 1.0),), float(rng.uniform(0.75, 0.95))) for s in range(2)]
    case = routing(rng.uniform(500, 8000, size=(2, 1)).tolist(), deployments, routes, target=0.74)
    return case, [*rng.uniform(0.5, 3.0, size=2).tolist(), float(rng.uniform(2e-4, 2e-3))]


def brute_force(case: Routing, prices: list[float]) -> float:
    """Every number of replicas; the rest is a small linear program, written anew."""
    best = np.inf
    asked = case.demand[:, 0]
    for n in product(range(0, 9, int(case.deployments[0].step)), range(9)):
        model = pulp.LpProblem("brute", pulp.LpMinimize)
        x = [model.add_variable(f"x{r}", lowBound=0) for r in range(len(case.routes))]
        fixed = n[0] * prices[0] + n[1] * prices[1]
        model.setObjective(
            pulp.lpSum(prices[2] * x[r] for r, q in enumerate(case.routes) if q.deployment == 2)
        )
        for s in range(2):
            mine = [r for r, q in enumerate(case.routes) if q.stream == s]
            model += pulp.lpSum(x[r] for r in mine) == float(asked[s])
            points = [(case.routes[r].quality - 0.74) * x[r] for r in mine]
            model += pulp.lpSum(points) >= 0
        for j in range(2):
            model += (
                pulp.lpSum(3600 * q.load * x[r] for r, q in enumerate(case.routes)
                           if q.deployment == j)
                <= 3600 * n[j]
            )  # fmt: skip
        model.solve(pulp.HiGHS(msg=False))
        if model.status == 1:
            best = min(best, fixed + float(pulp.value(model.objective) or 0.0))
    return float(best)


@pytest.mark.parametrize("seed", range(4))
def test_brute_force_and_four_solvers_agree(seed: int) -> None:
    case, prices = random_routing(seed)
    hours = Hours.of(case, case.demand, np.ones(1))
    written = at_prices(case, hours, np.array(prices)[:, None])
    expected = brute_force(case, prices)
    for answer in (
        solve_linear(written.program),
        solve_pulp(written.program),
        solve_mathopt_linear(written.program),
        branch(written.program, gap=1e-6, nodes=10_000),
    ):
        assert answer.objective == pytest.approx(expected, rel=2e-6)
        assert answer.bound <= expected * (1 + 1e-6)
        assert violation(written.program, answer.values)[0] < 1e-6


def test_the_text_of_the_program_has_its_names() -> None:
    case, prices = random_routing(0)
    hours = Hours.of(case, case.demand, np.ones(1))
    model, variables = pulp_model(at_prices(case, hours, np.array(prices)[:, None]).program)
    names = {"route.demand_a_0", "route.capacity_own0_0_.most", "route.quality_b_0_.least"}
    assert names <= set(model.constraints)
    assert "share_a_own0_0" in {variable.name for variable in variables}


def test_bounds_of_linked_hours_hold() -> None:
    """With prices of the relaxation, block by block: between it and the optimum."""
    rng = np.random.default_rng(3)
    requests = [(rng.uniform(0.2, 3.0, 10) * 3600).tolist()]
    case = routing(
        requests,
        [own(0, start_hours=0.5), own(1, minimum=2), api(2)],
        [Route(0, 0, SECOND), Route(0, 1, 0.8 * SECOND), Route(0, 2, draws=((2, 1.0),))],
        wait=3,
    )
    hours = Hours.of(case, case.demand, np.ones(10))
    written = at_prices(case, hours, np.tile(np.array([[1.0], [0.9], [SECOND * 1.5]]), 10))
    exact = solve_linear(written.program, gap=1e-6)
    apart = solve_blocks(written.program, gap=1e-6, nodes=500, whole_columns=0)
    assert apart.bound <= exact.objective + 1e-9
    relaxed = solve_linear(written.program, relaxed=True)
    assert apart.bound >= relaxed.objective * (1 - 1e-4)  # whole replicas in each hour
    assert apart.objective >= exact.objective - 1e-9
    routed = settle(case, hours, written.read(apart))
    assert all(check.ok for check in check_routed(case, hours, routed))


def test_what_waits_never_exceeds_what_may_run_later() -> None:
    """Three hours of work, one replica, two hours of delay: it has to run in every hour.

    Prices of nothing tell the first hour to leave everything; then the last cannot do it.
    """
    case = routing([[3 * 3600, 0, 0]], [own(0, maximum=1)], [Route(0, 0, SECOND)], wait=2)
    hours = Hours.of(case, case.demand, np.ones(3))
    written = at_prices(case, hours, np.array([[1.0, 1.0, 1.0]]))
    relaxed = solve_linear(written.program, relaxed=True)
    values = dict(zip(written.program.names, relaxed.values.tolist(), strict=True))
    answer = solve_blocks(
        written.program, gap=1e-6, nodes=500, whole_columns=0, guide=Guide(values, {})
    )
    assert answer.status.has_plan
    assert answer.objective == pytest.approx(3.0)
    assert violation(written.program, answer.values)[0] < 1e-6


def test_hours_that_only_starts_link_are_restored() -> None:
    """Nothing stands outside the blocks: neither units, nor opening, nor purchases."""
    case = routing([[3600, 7200, 3600, 7200]], [own(0, start_hours=0.5)], [Route(0, 0, SECOND)])
    hours = Hours.of(case, case.demand, np.ones(4))
    written = at_prices(case, hours, np.ones((1, 4)))
    answer = solve_blocks(written.program, gap=1e-6, nodes=500, whole_columns=0)
    assert answer.status is Status.STOPPED  # restored, not solved in one piece
    assert answer.objective == pytest.approx(1 + 2.5 + 1 + 2.5)


def test_linked_hours_are_not_left_to_branching(monkeypatch: pytest.MonkeyPatch) -> None:
    """Work that waits fills whole replicas; branching without cuts ends half as dear again."""
    rng, count = np.random.default_rng(0), 26
    asked = [
        (rng.uniform(0, 1.5, count) * 3600).tolist(),
        (rng.uniform(0.2, 2, count) * 3600 * (rng.random(count) < 0.5)).tolist(),
    ]
    routes = [
        Route(stream, line, load * SECOND, ((2, 1.0),) if line == 2 else ())
        for line, loads in enumerate([(1.0, 1.0), (0.6, 0.9), (0.0, 0.0)])
        for stream, load in enumerate(loads)
    ]
    deployments = [own(0, step=2, start_hours=0.25), own(1, start_hours=1.0), api(2)]
    case = routing(asked, deployments, routes, wait=6)
    hours = Hours.of(case, case.demand, np.ones(count))
    prices = np.tile(np.array([[1.0], [1.4], [3 * SECOND]]), count)
    program = at_prices(case, hours, prices).program
    alone = branch(program, gap=1e-3, nodes=200)
    monkeypatch.setattr(route_blocks, "FEW_COLUMNS", 0)
    found = solve_blocks(program, gap=1e-3, nodes=200, whole_columns=3_000)
    assert alone.bound <= found.bound <= found.objective <= 0.8 * alone.objective
    assert violation(program, found.values)[0] < 1e-6


@pytest.mark.parametrize("broken", ["demand", "capacity", "steps", "start", "quality"])
def test_the_check_can_fail(broken: str) -> None:
    case = routing(
        [[3600, 7200]],
        [own(0, step=1, start_hours=0.5)],
        [Route(0, 0, SECOND, (), 0.8)],
        target=0.5,
    )
    _, routed, _ = solved(case, [1.0])
    hours = Hours.of(case, case.demand, np.ones(2))
    if broken == "demand":
        routed = replace(routed, requests=routed.requests * 0.99)
    elif broken == "capacity":
        routed = replace(routed, replicas=np.array([[1.0, 1.0]]))
    elif broken == "steps":
        routed = replace(routed, replicas=routed.replicas + 0.5)
    elif broken == "start":
        routed = replace(routed, started=np.zeros((1, 2)))
    else:
        case = replace(case, streams=(replace(case.streams[0], target=0.9),))
    assert not all(check.ok for check in check_routed(case, hours, routed))


def test_very_many_hours_are_merged_for_prices() -> None:
    """Groups keep every request and every hour; hours of a group are alike."""
    rng = np.random.default_rng(5)
    levels = rng.integers(1, 4, 60).astype(float)
    case = routing([(levels * 3600).tolist()], [own(0)], [Route(0, 0, SECOND)], wait=2)
    hours = Hours.of(case, case.demand, np.ones(60))
    problem = empty_problem(60)
    labels = alike(problem, hours, 3)
    assert len(set(zip(labels.tolist(), levels.tolist(), strict=True))) == 3
    apart, _, groups = merged(case, problem, hours, labels)
    assert (groups.requests @ groups.weight)[0] == pytest.approx(levels.sum() * 3600)
    assert groups.weight.sum() == 60
    assert not apart.streams[0].wait


def empty_problem(hours: int) -> Problem:
    """One pool without usage and without anything to buy."""
    none = np.zeros(0, dtype=np.int64)
    return Problem(
        pools=("m0",),
        sources=(),
        columns=(),
        weight=np.ones(hours),
        count=np.ones(hours),
        period=np.zeros(hours, dtype=np.int64),
        demand=np.zeros((1, hours)),
        tolerant=np.zeros((1, hours)),
        price=np.ones((1, 1)),
        spot_price=np.full(1, np.inf),
        penalty=np.full(1, np.inf),
        availability=np.ones((1, 1)),
        held=np.zeros((0, 1)),
        active=np.zeros((0, 1), dtype=bool),
        secures=np.zeros(0, dtype=bool),
        pair_source=none,
        pair_pool=none,
        pair_draw=np.zeros(0),
        cost=np.zeros(0),
        minimum=np.zeros(0),
        maximum=np.zeros(0),
        step=np.zeros(0),
        integer=np.zeros(0, dtype=bool),
        member_column=none,
        member_source=none,
        member_ratio=np.zeros(0),
    )
