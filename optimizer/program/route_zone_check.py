# SPDX-License-Identifier: Apache-2.0
"""The independent check of what is done when a zone is lost.

Each zone's loss is played hour by hour on the requests and replicas of the plan: what is left
answers, what moves adds up, and what that draws is recomputed.  It shares no code with the
formulation.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from optimizer.program.check import Check
from optimizer.program.lawcost import LawOutcome
from optimizer.program.problem import Counts, Floats, Ints, Problem
from optimizer.program.routing import Deployment, Routed, Routing
from optimizer.program.zones import Loss, Zone

TOLERANCE = 1e-6


@dataclass(frozen=True)
class Running:
    """(pools, N) units under the law: without capacity of their own, and all that run."""

    market: Floats
    every: Floats

    @classmethod
    def of(cls, problem: Problem, outcome: LawOutcome, pool_of: Ints) -> Running:
        """The units of each pool, from those of its lines."""
        unmet, secured, spot = (np.zeros_like(problem.demand) for _ in range(3))
        np.add.at(unmet, pool_of, outcome.unmet)
        np.add.at(secured, pool_of, outcome.secured)
        np.add.at(spot, pool_of, outcome.spot)
        every = problem.demand - unmet
        return cls(every - spot - secured, every)


def check_losses(routing: Routing, routed: Routed) -> list[Check]:
    """Whether the plan serves its critical classes with any one of the zones lost."""
    if not routing.zones:
        return []
    if len(routed.losses) != len(routing.zones):
        return [Check("route.zone", False, "it is not told what is done when a zone is lost")]
    worst = dict.fromkeys(("moved", "", "started", "late", "quality", "open"), 0.0)
    expected = np.zeros_like(routed.fallback)
    for zone, loss in zip(routing.zones, routed.losses, strict=True):
        for name, value in _played(routing, routed, zone, loss).items():
            worst[name] = max(worst[name], value)
        expected += zone.odds * _drawn(routing, loss)
    off = np.abs(expected - routed.fallback) / (1e-12 + np.abs(expected).max(initial=0.0))
    checks = [
        _check(f"route.zone_{name}" if name else "route.zone", value)
        for name, value in worst.items()
    ]
    return [*checks, _check("route.zone_cost", float(off.max(initial=0.0)))]


def check_loss_limits(
    problem: Problem, routing: Routing, routed: Routed, pool_of: Ints, runs: Running
) -> list[Check]:
    """Whether all that a loss draws can be had beside what the hour runs.

    Parameters
    ----------
    problem
        With the routing's usage as demand.
    pool_of
        The pool of each line of the routing.
    runs
        Units by pool and hour, of the plan under the law.
    """
    worst = 0.0
    expected = np.zeros_like(problem.demand)  # is not drawn beside all of it
    np.add.at(expected, pool_of, routed.fallback)
    for loss in routed.losses:
        more = np.zeros_like(problem.demand)
        for line, units in enumerate(_drawn(routing, loss)):
            more[pool_of[line]] += 0.0 if routing.spot_lines[line] else units
        period = problem.period
        used = {
            Counts.MARKET: runs.market - expected + more,
            Counts.RUNNING: runs.every - expected + more,
        }
        for limit in range(len(problem.limits.names)):
            total, mine = np.zeros(problem.hours), problem.limits.entry_limit == limit
            grows = np.zeros(problem.hours, dtype=bool)
            for entry in np.flatnonzero(mine):
                counts = Counts(int(problem.limits.entry_counts[entry]))
                pool = problem.limits.entry_pool[entry]
                if counts is not Counts.SPOT:
                    total += problem.limits.entry_weight[entry] * used[counts][pool]
                    grows |= more[pool] > 0
            most = problem.limits.most[limit][period]
            binds = grows & np.isfinite(most)
            over = (total[binds] - most[binds]) / (1.0 + np.abs(most[binds]))
            worst = max(worst, float(over.max(initial=0.0)))
        for pool in np.flatnonzero(more.any(axis=1)):
            share, price = problem.availability[pool][period], problem.price[pool][period]
            able = share * (problem.demand[pool] - expected[pool] + more[pool])
            over = (used[Counts.MARKET][pool] - able) / (1.0 + able)
            over = np.where(share < 1.0, over, 0.0)
            over = np.where(np.isinf(price), more[pool], over)
            worst = max(worst, float(over[more[pool] > 0].max(initial=0.0)))
    return [_check("route.zone_limit", worst)] if routing.zones else []


def _played(routing: Routing, routed: Routed, zone: Zone, loss: Loss) -> dict[str, float]:
    """The largest violation of each rule when one zone is lost."""
    hours = routed.replicas.shape[1]
    shape = (len(routing.deployments), hours)
    at_once, all_told = np.zeros(shape), np.zeros(shape)
    parts = np.concatenate([loss.moved, loss.late, loss.started], axis=0)
    worst = {"moved": max(0.0, -float(parts.min(initial=0.0)))}
    points: dict[str, Floats] = {}
    late: dict[str, Floats] = {}
    asked: dict[str, Floats] = {}
    for number, stream in enumerate(routing.streams):
        own = [(r, route) for r, route in enumerate(routing.routes) if route.stream == number]
        before, after = np.zeros(hours), np.zeros(hours)
        for r, route in own:
            moves = loss.moved[r] + loss.late[r]
            before += routed.requests[r]
            gone = route.deployment in zone.lost
            if gone or not stream.critical:
                # Nothing moves to what is lost, and nothing but critical requests moves.
                worst["moved"] = max(worst["moved"], float(moves.max(initial=0.0)))
            if gone or not stream.critical:
                continue
            now = routed.requests[r] + loss.moved[r]
            at_once[route.deployment] += route.load * now
            all_told[route.deployment] += route.load * (now + loss.late[r])
            after += now + loss.late[r]
            of = routing.deployments[route.deployment]
            late[stream.workload] = late.get(stream.workload, np.zeros(hours)) + loss.late[r] * min(
                1.0, of.start_hours
            )
            if not np.isnan(stream.target):
                answered = (now + loss.late[r]) * (route.quality - stream.target)
                points[stream.workload] = points.get(stream.workload, np.zeros(hours)) + answered
        if stream.critical:
            size = max(1.0, float(before.max(initial=0.0)))
            worst["moved"] = max(
                worst["moved"], float(np.abs(after - before).max(initial=0.0)) / size
            )
            asked[stream.workload] = asked.get(stream.workload, np.zeros(hours)) + before
    # Half of what may miss its latency: the other half may still wait in the line.
    share = {stream.workload: (1.0 - stream.percentile) / 2 for stream in routing.streams}
    worst["late"] = max(
        (_over(late[name] - share[name] * asked[name], asked[name]) for name in late), default=0.0
    )
    worst["quality"] = max((_over(-points[name], asked[name]) for name in points), default=0.0)
    return worst | _capacity(routing, routed, zone, loss, at_once, all_told)


def _capacity(
    routing: Routing, routed: Routed, zone: Zone, loss: Loss, at_once: Floats, all_told: Floats
) -> dict[str, float]:
    """Replicas: those that run, at once; with those that are started, afterwards."""
    worst = dict.fromkeys(("", "started", "open"), 0.0)
    for number, deployment in enumerate(routing.deployments):
        started = loss.started[number]
        if number in zone.lost or number in zone.shut or deployment.spot:
            worst["open"] = max(worst["open"], float(started.max(initial=0.0)))
        if number in zone.lost or deployment.kind == "api":
            continue
        runs = routed.replicas[number]
        if deployment.start_hours:
            worst[""] = max(worst[""], _too_full(deployment, at_once[number], runs))
        worst["started"] = max(
            worst["started"], _too_full(deployment, all_told[number], runs + started)
        )
        steps = started / deployment.step
        worst["open"] = max(
            worst["open"],
            float(np.abs(steps - np.round(steps)).max(initial=0.0)),
            float((runs + started - deployment.maximum)[started > 0].max(initial=0.0)),
        )
        if started.any() and deployment.kind != "replica":
            worst["open"] = np.inf
        if started.any() and deployment.minimum:
            worst["open"] = max(worst["open"], float((deployment.minimum - runs).max(initial=0.0)))
    return worst


def _too_full(deployment: Deployment, loads: Floats, replicas: Floats) -> float:
    over = loads - deployment.room(replicas) * replicas
    return float((over / (1.0 + replicas)).max(initial=0.0))


def _over(amount: Floats, asked: Floats) -> float:
    """Relative to the class's largest hour."""
    return float(amount.max(initial=0.0)) / max(float(asked.max(initial=0.0)), 1e-300)


def _drawn(routing: Routing, loss: Loss) -> Floats:
    """(lines, N) units that are drawn when the zone is lost."""
    drawn = np.zeros((len(routing.meters), loss.started.shape[1]))
    for r, route in enumerate(routing.routes):
        for line, units in route.draws:
            drawn[line] += units * (loss.moved[r] + loss.late[r])
    for number, deployment in enumerate(routing.deployments):
        for line, units in deployment.draws:
            # A replica that is started draws from the beginning of its start on.
            drawn[line] += units * loss.started[number] * (1.0 + deployment.start_hours)
    return drawn


def _check(name: str, worst: float) -> Check:
    return Check(name, bool(worst <= TOLERANCE), f"largest violation {worst:.2e}, relative")
