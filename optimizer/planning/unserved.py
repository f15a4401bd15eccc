# SPDX-License-Identifier: Apache-2.0
"""Classes that no deployment can serve: which limit binds, and the cheapest way to relax one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

import numpy as np

from optimizer.billing import Catalogue
from optimizer.billing.bill import exact
from optimizer.planning.relax import InfeasibleCase, Relaxation
from optimizer.planning.routing import RoutedDemand
from optimizer.program.problem import Floats
from optimizer.program.route_blocks import solve_blocks
from optimizer.program.route_hour import Hours
from optimizer.program.route_program import at_prices
from optimizer.program.routing import Missed, Routing
from optimizer.tables import Case

_PLACES = Decimal("1e-9")
NODES = 200
GAP = 1e-3


@dataclass(frozen=True)
class _Way:
    """What to relax so that a deployment may answer a class, and the cost of the plan then."""

    missed: tuple[Missed, ...]
    routing: Routing
    cost: Decimal | None

    def relaxations(self) -> list[Relaxation]:
        return [Relaxation(_limit(miss), _amount(miss), self.cost) for miss in self.missed]


def refuse_unserved(case: Case, catalogue: Catalogue, asked: RoutedDemand) -> None:
    """Raise for classes that no deployment may answer, or not well enough.

    Raises
    ------
    InfeasibleCase
        Naming the class, each limit that binds, and the cheapest relaxation first.
    """
    routing = asked.routing
    prices = line_prices(catalogue, routing)
    unserved = sorted({routing.streams[s].workload for s in routing.unserved})
    if unserved:
        first: list[Relaxation] = []
        others: list[list[Relaxation]] = []
        for workload in unserved:
            ways = _ways(routing, workload, prices)
            if not ways:
                first.append(
                    Relaxation(
                        f"deployments for class {workload}, of which none has a row,",
                        Decimal(1),
                        None,
                    )
                )
                continue
            first += ways[0].relaxations()
            others += [way.relaxations() for way in ways[1:3]]
        raise InfeasibleCase(case, first, others if len(unserved) == 1 else ())
    _refuse_targets(case, routing)


def line_prices(catalogue: Catalogue, routing: Routing) -> Floats:
    """(lines,) what a unit costs without commitments; ``inf`` where it cannot be had so."""
    found = []
    for meter, spot in zip(routing.meters, routing.spot_lines, strict=True):
        row = catalogue.meters[meter]
        options = [row.on_demand, row.spot if spot else None]
        found.append(min((float(p) for p in options if p is not None), default=np.inf))
    return np.array(found)


def routing_cost(routing: Routing, prices: Floats) -> Decimal | None:
    """Dollars of the cheapest routing of the horizon at these prices; ``None`` if there is none."""
    usable = np.isfinite(prices)
    routes = [r for r in routing.routes if all(usable[line] for line, _ in r.draws)]
    bad = {
        number
        for number, deployment in enumerate(routing.deployments)
        if not all(usable[line] for line, _ in deployment.draws)
    }
    routes = [r for r in routes if r.deployment not in bad]
    one = replace(routing, routes=tuple(routes), barred=())
    if one.unserved:
        return None
    hours = Hours.of(one, one.demand, np.ones(one.hours))
    each = np.tile(np.where(usable, prices, 0.0)[:, None], one.hours)
    try:
        written = at_prices(one, hours, each)
    except ValueError:  # a row that asks for what there is none of
        return None
    answer = solve_blocks(written.program, gap=GAP, nodes=NODES, whole_columns=3_000)
    return exact(answer.objective) if answer.status.has_plan else None


def _ways(routing: Routing, workload: str, prices: Floats) -> list[_Way]:
    """Each deployment that could answer a class, once all that it misses is relaxed."""
    ways = []
    for number, deployment in enumerate(routing.deployments):
        missed = tuple(
            miss
            for miss in routing.missed
            if miss.workload == workload and miss.deployment == deployment.name
        )
        barred = tuple(
            route
            for route in routing.barred
            if route.deployment == number and routing.streams[route.stream].workload == workload
        )
        if not missed or not barred or any(miss.limit == "deployments" for miss in missed):
            continue
        allowed = replace(
            routing,
            streams=tuple(
                replace(s, target=float("nan")) if s.workload == workload else s
                for s in routing.streams
            ),
            routes=(*routing.routes, *barred),
            barred=(),
            average=float("nan"),
        )
        # Other classes that nothing can serve are left out of this one's cost.
        allowed = replace(
            allowed,
            streams=tuple(
                replace(s, requests=np.zeros_like(s.requests)) if n in allowed.unserved else s
                for n, s in enumerate(allowed.streams)
            ),
        )
        if any(allowed.streams[n].workload == workload for n in allowed.unserved):
            continue
        ways.append(_Way(missed, allowed, routing_cost(allowed, prices)))
    return sorted(
        ways,
        key=lambda way: (way.cost is None, way.cost or Decimal(0), len(way.missed)),
    )


def _limit(miss: Missed) -> str:
    """The limit of a class, in the words of the case."""
    of = f"{miss.limit} of class {miss.workload}"
    if isinstance(miss.found, str):
        return f"{of} ({miss.deployment}: {miss.found})"
    return f"{of} (for {miss.deployment}: {miss.reason})"


def _amount(miss: Missed) -> Decimal:
    """By how much; 1 where a list is to be widened."""
    if isinstance(miss.asked, str) or isinstance(miss.found, str):
        return Decimal(1)
    return abs(exact(miss.found - miss.asked)).quantize(_PLACES)


def _refuse_targets(case: Case, routing: Routing) -> None:
    """A mean that is above the best score of every deployment of the class."""
    short = []
    for workload, streams in routing.of_workload.items():
        target = routing.streams[streams[0]].target
        if np.isnan(target):
            continue
        best = [
            max((routing.routes[r].quality for r in routing.of_stream[s]), default=1.0)
            for s in streams
        ]
        weight = [float(routing.demand[s].sum()) for s in streams]
        reached = float(np.dot(best, weight) / sum(weight)) if sum(weight) else 1.0
        if reached < target - 1e-12:
            short.append(
                Relaxation(
                    f"quality_target of class {workload} (the best deployment reaches "
                    f"{reached:.4f})",
                    _up(target - reached),
                    None,
                )
            )
    if short:
        raise InfeasibleCase(case, short)


def _up(amount: float) -> Decimal:
    return exact(np.ceil(amount * 1e9 - 0.5) / 1e9)


def reasons(missed: Sequence[Missed]) -> list[dict[str, str]]:
    """Rows of what is no route, for the plan document."""
    return [
        {"workload": miss.workload, "deployment": miss.deployment, "reason": miss.reason}
        for miss in missed
        if miss.limit != "deployments"
    ]
