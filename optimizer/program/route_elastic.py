# SPDX-License-Identifier: Apache-2.0
"""The elastic program of routing: which class cannot be served, when, and for want of what.

A program of its own beside the one that plans: the hours beside commitments, with purchases as
variables, a *shortage* of each stream in each hour, and *room* in every limit of capacity.  All
of them are shut but those that a question is about; the rows are the same for every question.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

import numpy as np

from optimizer.program.linear import LinearAnswer, LinearProgram, solve_linear
from optimizer.program.problem import Floats, Problem
from optimizer.program.route_beside import BesideProgram, beside
from optimizer.program.route_case import RouteCase
from optimizer.program.route_hour import EVERYWHERE
from optimizer.program.status import Status

WHOLE_COLUMNS, NODES = 3_000, 2_000  # beyond, the relaxation answers
DUST = 1e-6
OF_USAGE = ("limit", "availability", "capacity", "offer")  # that bind what is not routed, too


@dataclass(frozen=True)
class Room:
    """A limit that may be relaxed: its kind, and its place there.

    ``replicas`` of a deployment, ``limit`` of the problem's hourly limits, ``availability`` and
    on-demand ``capacity`` of a pool, ``offer`` of the problem's columns, ``target`` of a class,
    ``average`` quality of all.
    """

    kind: str
    index: int | str


@dataclass(frozen=True)
class Shortage:
    """What cannot be served: (streams, N) requests, and the limits that bind then.

    No requests, where usage that is not routed has no plan by itself.
    """

    requests: Floats
    binding: tuple[Room, ...]


class ElasticRouting:
    """The program with its shortages and rooms, by variable."""

    def __init__(self, case: RouteCase) -> None:
        self.case = case
        deployments = tuple(replace(d, maximum=np.inf) for d in case.routing.deployments)
        free = replace(case.routing, deployments=deployments)
        unlimited = replace(case.problem, maximum=np.full(len(case.problem.columns), np.inf))
        self.made: BesideProgram = beside(free, case.hours, unlimited, case.pool_of)
        self.program: LinearProgram = self.made.written.program
        self.made.written.program.block = EVERYWHERE
        self.cost = list(self.program.cost)
        self.rooms: dict[Room, int] = {}
        self.rows: dict[Room, list[int]] = {}
        self.short: dict[tuple[int, int], int] = {}
        self.shares: dict[Room, float] = {}  # of an availability, for the last room found
        self._name_rows()
        self._shortages()
        for parts in (self._replicas, self._limits, self._pools, self._offers, self._targets):
            parts()

    @property
    def whole(self) -> bool:
        """Whether answers are of whole replicas."""
        return len(self.program.names) <= WHOLE_COLUMNS

    def shortage(self) -> Shortage | None:
        """The fewest requests that no plan serves; ``None`` if all can be, or it is not known."""
        cost = dict.fromkeys(self.short.values(), 0.0)
        for (stream, hour), column in self.short.items():
            cost[column] = float(self.case.hours.scale[stream, hour])
        relaxed = self._solve(cost, self.short.values(), relaxed=True)
        if relaxed.status is Status.INFEASIBLE:  # what is not routed is too much by itself
            of_usage = tuple(room for room in self.rooms if room.kind in OF_USAGE)
            return Shortage(np.zeros(self.case.hours.requests.shape), of_usage)
        answer = relaxed if not self.whole else self._solve(cost, self.short.values())
        requests = np.zeros(self.case.hours.requests.shape)
        for (stream, hour), column in self.short.items():
            requests[stream, hour] = answer.values[column] * cost[column]
        asked = self.case.hours.requests
        requests = np.where(requests > DUST * (1.0 + asked), requests, 0.0)
        proven = answer.status.has_plan and (relaxed is answer or answer.bound > DUST)
        if not proven or not requests.any():
            return None
        duals = relaxed.duals
        binding = [
            room
            for room, rows in self.rows.items()
            if duals is not None and any(abs(float(duals[row])) > DUST for row in rows)
        ]
        return Shortage(requests, tuple(binding or self.rooms))

    def least(self, rooms: Mapping[Room, float]) -> dict[Room, float] | None:
        """The least room, weighed, that lets every request be served; ``None`` if none does."""
        cost = {self.rooms[room]: weight for room, weight in rooms.items()}
        answer = self._solve(cost, cost)
        if not answer.status.has_plan:
            return None
        found = {room: float(answer.values[self.rooms[room]]) for room in rooms}
        for room, amount in found.items():
            if room.kind == "availability" and amount > DUST:
                self.shares[room] = self._share_needed(room, answer.values)
        return {room: amount for room, amount in found.items() if amount > DUST}

    def size(self, room: Room) -> float:
        """What an amount of room is weighed against: the limit itself."""
        problem, index = self.case.problem, room.index
        size = 1.0
        if room.kind == "replicas":
            size = self.case.routing.deployments[int(index)].maximum
        elif room.kind == "limit":
            most = problem.limits.most[int(index)]
            size = float(most[np.isfinite(most)].max(initial=0.0))
        elif room.kind == "offer":
            size = float(problem.maximum[int(index)])
        elif room.kind in ("availability", "capacity"):
            size = 1.0 + float((problem.arriving if problem.arriving is not None else
                                problem.demand.max(axis=1))[int(index)])  # fmt: skip
        return max(size, 1.0)

    def price(self, rooms: Mapping[Room, float]) -> float | None:
        """Dollars of the cheapest plan with so much room, but for what is held."""
        most = {self.rooms[room]: amount * (1 + 1e-9) + 1e-9 for room, amount in rooms.items()}
        answer = self._solve(dict(enumerate(self.cost)), most, most=most)
        return answer.objective if answer.status.has_plan else None

    def _share_needed(self, room: Room, values: Floats) -> float:
        """How much more of what is asked for has to be available in some hour, as a share."""
        own, worst = self.rooms[room], 0.0
        for row in self.rows[room]:
            if not self.program.row_names[row].startswith("coverage.availability"):
                continue
            terms = self.program.terms[row]
            hour = int(self.program.row_names[row].rpartition(",")[2].removesuffix("]"))
            period = int(self.case.problem.period[hour])
            share = float(self.case.problem.availability[int(room.index), period])
            market = sum(float(values[k]) for k, a in terms.items() if k != own and a > 0)
            asked = float(self.case.problem.demand[int(room.index), hour])
            asked -= sum(a * float(values[k]) for k, a in terms.items() if k != own and a < 0) / (
                share or np.inf
            )
            if market > DUST:
                worst = max(worst, min(1.0, market / asked if asked and share else 1.0) - share)
        if worst <= 0:  # it binds when a zone is lost
            worst = 1.0 - float(self.case.problem.availability[int(room.index)].min())
        return worst

    def _solve(
        self,
        cost: Mapping[int, float],
        opened: Collection[int],
        *,
        most: Mapping[int, float] | None = None,
        relaxed: bool = False,
    ) -> LinearAnswer:
        """Minimise a cost with some of the shortages and rooms open."""
        program, shut = self.program, [*self.rooms.values(), *self.short.values()]
        for column in shut:
            program.upper[column] = 0.0
        for column in opened:
            program.upper[column] = np.inf if most is None else most[column]
        for column in range(len(program.cost)):
            program.cost[column] = float(cost.get(column, 0.0))
        plain = relaxed or not self.whole
        large = not self.whole
        return solve_linear(
            program, relaxed=plain, interior=large, presolve=large, nodes=NODES, gap=1e-5
        )

    def _name_rows(self) -> None:
        self.by_family: dict[str, list[int]] = {}
        for number, name in enumerate(self.program.row_names):
            self.by_family.setdefault(name.rpartition(",")[0], []).append(number)

    def _column(self, room: Room) -> int:
        if room not in self.rooms:
            self.rooms[room] = self.program.column(f"room[{room.kind},{room.index}]", upper=0.0)
            self.rows[room] = []
            self.cost.append(0.0)
        return self.rooms[room]

    def _give(self, room: Room, families: list[str], sign: float) -> None:
        """Add room to the rows of some families, which are named up to the hour."""
        for family in families:
            for row in self.by_family.get(family, ()):
                terms = dict(self.program.terms[row])
                terms[self._column(room)] = sign
                self.program.terms[row] = terms
                self.rows[room].append(row)

    def _bound(self, room: Room, terms: Mapping[int, float], most: float) -> None:
        """Σ terms − room ≤ most."""
        row = self.program.row(
            f"elastic.{room.kind}[{room.index}]", {**terms, self._column(room): -1.0}, high=most
        )
        if row is not None:
            self.rows[room].append(row)

    def _shortages(self) -> None:
        routing = self.case.routing
        for number, stream in enumerate(routing.streams):
            kind = "deadline" if stream.wait else "demand"
            for row in self.by_family.get(f"route.{kind}[{stream.name}", ()):
                hour = int(self.program.row_names[row].rpartition(",")[2].removesuffix("]"))
                column = self.program.column(f"short[{stream.name},{hour}]", upper=0.0)
                self.cost.append(0.0)
                self.short[number, hour] = column
                self.program.terms[row] = {**self.program.terms[row], column: 1.0}

    def _replicas(self) -> None:
        written = self.made.written
        for number, deployment in enumerate(self.case.routing.deployments):
            if not deployment.counted or not np.isfinite(deployment.maximum):
                continue
            most = np.floor(deployment.maximum / deployment.step + 1e-9) * deployment.step
            room = Room("replicas", number)
            if number in written.whole.units:
                self._bound(room, {written.whole.units[number]: deployment.step}, most)
            for variables in written.every:
                if number not in variables.steps:
                    continue
                running = {variables.steps[number]: deployment.step}
                self._bound(room, running, most)
                for made in variables.losses:
                    if number in made.steps:
                        self._bound(room, {**running, made.steps[number]: deployment.step}, most)

    def _limits(self) -> None:
        zones = [zone.name for zone in self.case.routing.zones]
        for number, name in enumerate(self.case.problem.limits.names):
            families = [name, *(f"route.zone_limit[{name},{zone}" for zone in zones)]
            self._give(Room("limit", number), families, -1.0)

    def _pools(self) -> None:
        problem: Problem = self.case.problem
        zones = [zone.name for zone in self.case.routing.zones]
        for pool, name in enumerate(problem.pools):
            lost = [f"route.zone_limit[{name},{zone}" for zone in zones]
            if (problem.availability[pool] < 1.0).any():
                self._give(
                    Room("availability", pool), [f"coverage.availability[{name}", *lost], -1.0
                )
            if np.isinf(problem.price[pool]).any() and np.isinf(problem.penalty[pool]):
                self._give(Room("capacity", pool), [f"coverage.meet[{name}"], 1.0)
                self._give(Room("capacity", pool), lost, -1.0)

    def _offers(self) -> None:
        for column, number in self.made.purchases.items():
            most = float(self.case.problem.maximum[column])
            if np.isfinite(most):
                self._bound(Room("offer", column), {number: 1.0}, most)

    def _targets(self) -> None:
        for workload in self.case.routing.of_workload:
            families = [f"route.quality[{workload}"]
            families += [
                f"route.zone_quality[{workload},{zone.name}" for zone in self.case.routing.zones
            ]
            self._give(Room("target", workload), families, 1.0)
        # Rows of all hours have no hour in their names.
        self.by_family["route.quality_average"] = [
            row
            for row, name in enumerate(self.program.row_names)
            if name.startswith("route.quality_average[")
        ]
        self._give(Room("average", "all"), ["route.quality_average"], 1.0)
