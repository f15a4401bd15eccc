# SPDX-License-Identifier: Apache-2.0
"""Classes that capacity does not reach for: which, when, for want of what, and the way out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

import numpy as np

from optimizer.billing.bill import exact
from optimizer.planning.relax import InfeasibleCase, Relaxation, Unserved
from optimizer.program.problem import Ints
from optimizer.program.purchases import Column
from optimizer.program.route_case import RouteCase
from optimizer.program.route_elastic import ElasticRouting, Room, Shortage
from optimizer.program.window import Window
from optimizer.tables import Case

ALTERNATIVES = 3


@dataclass(frozen=True)
class _Names:
    """What the case calls things."""

    whole: RouteCase
    window: Window
    columns: Sequence[Column]
    pool_of: Ints
    classes: tuple[str, ...]

    def limit(self, room: Room) -> str:
        """A limit in the words of the case."""
        routing, index = self.whole.routing, room.index
        if room.kind == "replicas":
            here = {
                routing.streams[routing.routes[r].stream].workload
                for r in routing.of_deployment[int(index)]
            }
            short = [name for name in self.classes if name in here] or sorted(here)
            name = routing.deployments[int(index)].name
            return f"maximum_replicas of deployment {name}, for class {' and '.join(short)},"
        if room.kind == "target":
            return f"quality_target of class {index}"
        if room.kind == "average":
            return "limits.quality_average"
        if room.kind == "offer":
            column = self.columns[int(index)]
            what = f"offer {column.name}" if len(column.members) == 1 else column.name
            return f"the maximum of {what}"
        if room.kind == "limit":
            family, _, of = self.whole.problem.limits.names[int(index)].partition("[")
            kind = family.removeprefix("coverage.")
            of = of.removesuffix("]")
            return f"limit {of}" if kind == "limit" else f"{kind} of meter {of}"
        line = int(np.flatnonzero(self.pool_of == int(index))[0])
        what = "on-demand capacity" if room.kind == "capacity" else "availability"
        return f"{what} of meter {self.window.lines.meter[line]}"

    def amount(self, elastic: ElasticRouting, room: Room, amount: float) -> Decimal:
        """The change in the limit's own unit, upwards: in whole steps of replicas."""
        if room.kind == "replicas":
            of = self.whole.routing.deployments[int(room.index)]
            able = np.floor(of.maximum / of.step + 1e-9) * of.step
            return exact(np.ceil((able + amount) / of.step - 1e-5) * of.step - of.maximum)
        if room.kind == "availability":
            amount = elastic.shares[room]
        return exact(np.ceil(amount * 1e6 - 0.01) / 1e6)


def refuse_short(
    case: Case, whole: RouteCase, window: Window, columns: Sequence[Column], pool_of: Ints
) -> None:
    """Raise for a routing that capacity does not reach for; return where that is not why.

    Raises
    ------
    InfeasibleCase
        Naming the classes, their hours, the limits that bind, and the cheapest relaxation first.
    """
    elastic = ElasticRouting(whole)
    shortage = elastic.shortage()
    if shortage is None:
        return
    routing, as_of = whole.routing, case.settings.as_of
    inside = shortage.requests[:, window.position]
    short = {
        workload: inside[list(streams)].sum(axis=0)
        for workload, streams in routing.of_workload.items()
        if inside[list(streams)].any()
    }
    names = _Names(whole, window, columns, pool_of, tuple(sorted(short)))
    ways = _ways(elastic, shortage, names, window.held_cost)
    if routing.zones:
        calm = ElasticRouting(replace(whole, routing=replace(routing, zones=())))
        if calm.shortage() is None:
            price = calm.price({})
            cost = None if price is None else exact(price + window.held_cost)
            ways.append([Relaxation("limits.survive_zone_loss", Decimal(1), cost)])
    if not ways:
        return
    ways.sort(key=lambda way: (way[0].cost is None, way[0].cost or Decimal(0), len(way)))
    limits = tuple(names.limit(room).removesuffix(",") for room in shortage.binding)
    raise InfeasibleCase(
        case,
        ways[0],
        ways[1:ALTERNATIVES],
        unserved=[
            Unserved(
                workload,
                tuple((as_of + int(t), float(amounts[t])) for t in np.flatnonzero(amounts)),
                limits,
            )
            for workload, amounts in sorted(short.items())
        ],
    )


def _ways(
    elastic: ElasticRouting, shortage: Shortage, names: _Names, held: float
) -> list[list[Relaxation]]:
    """Each single limit that does when it is relaxed; else a set from which none can be left."""
    sets = [
        found
        for room in shortage.binding
        if (found := elastic.least({room: 1.0 / elastic.size(room)})) is not None
    ]
    if not sets:
        together = {room: 1.0 / elastic.size(room) for room in elastic.rooms}
        found = elastic.least(together)
        for room in sorted(found or (), key=lambda room: -together[room]):
            fewer = {other: together[other] for other in found or () if other != room}
            less = elastic.least(fewer) if fewer else None
            found = less or found
        sets = [found] if found else []
    ways = []
    for rooms in sets:
        told = {room: names.amount(elastic, room, amount) for room, amount in rooms.items()}
        price = None
        if not any(room.kind == "capacity" for room in rooms):  # has no price to be had at
            price = elastic.price({room: _given(room, told[room], rooms[room]) for room in rooms})
        cost = None if price is None else exact(price + held)
        ways.append([Relaxation(names.limit(room), told[room], cost) for room in rooms])
    return ways


def _given(room: Room, told: Decimal, amount: float) -> float:
    """The room of a change: of an availability, which is a share, as the program has it."""
    return amount if room.kind == "availability" else max(amount, float(told))
