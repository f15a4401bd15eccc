# SPDX-License-Identifier: Apache-2.0
"""The elastic program: which limits to relax, so that an infeasible problem has a plan.

A program of its own, in PuLP, with the rows of the readable one.  Every limit gets room,
at most what any plan could use of it, and a switch that opens the room.  It is solved
twice: for the fewest switches, and then, with no more than those, for the least relative
room.  The program that plans are made with has none of this.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import highspy
import numpy as np
import pulp

from optimizer.program.coverage import (
    CoverageVariables,
    define_coverage_availability,
    define_coverage_draw,
    define_coverage_limit,
    define_coverage_meet,
    define_coverage_variables,
)
from optimizer.program.linkrows import define_excess_variables, define_link_rows
from optimizer.program.problem import Flags, Floats, Problem
from optimizer.program.purchase import (
    PurchaseVariables,
    bought_by_source,
    define_purchase_variables,
)

KINDS = ("maximum", "minimum", "capacity", "availability", "limit", "link")
NODES = 2_000
DUST = 1e-7


@dataclass(frozen=True)
class Room:
    """A limit that may be relaxed: its kind, its place there, and the most it could need.

    ``capacity`` is on-demand capacity of pools without a price, by group of pools; the
    other kinds are of the problem's columns, pools, hourly limits and linking rows.
    """

    kind: str
    index: int
    most: float


@dataclass(frozen=True)
class Relaxed:
    """Limits to relax together, by how much each, and the amounts bought then."""

    amounts: tuple[tuple[Room, float], ...]
    quantity: Floats


def rooms_of(problem: Problem, groups: Sequence[Sequence[int]]) -> list[Room]:
    """Every limit of a problem that some plan could exceed.

    Parameters
    ----------
    groups
        Pools whose missing on-demand capacity counts as one limit.
    """
    free = _unlimited(problem)
    need, peak = free.needed(), problem.demand.max(axis=1, initial=0.0)
    rooms = [
        Room("maximum", k, float(need[k] - problem.maximum[k])) for k in range(len(problem.columns))
    ]
    rooms += [
        Room("minimum", k, float(problem.minimum[k] - problem.step[k]))
        for k in range(len(problem.columns))
    ]
    unpriced = _unpriced(problem)
    for number, group in enumerate(groups):
        must = [pool for pool in group if unpriced[pool]]
        rooms.append(Room("capacity", number, float(peak[must].sum())))
    rooms += [
        Room("availability", p, 1.0 - float(problem.availability[p].min(initial=1.0)))
        for p in range(len(problem.pools))
    ]
    limits, links = problem.limits, problem.links
    for limit in range(len(limits.names)):
        mine = limits.entry_limit == limit
        load = float(limits.entry_weight[mine] @ peak[limits.entry_pool[mine]])
        rooms.append(Room("limit", limit, load - float(limits.most[limit].min(initial=np.inf))))
    for row in np.flatnonzero(np.isinf(links.excess_price)):
        hours = links.window[row][problem.period] * problem.count
        load = float(np.maximum(links.purchase[row], 0.0) @ need)
        for factor, pools in (
            (links.on_demand[row], np.arange(len(problem.pools))),
            (links.spot[row], np.arange(len(problem.pools))),
            (links.covered[row], problem.pair_pool),
        ):
            load += float(np.maximum(factor, 0.0) @ (problem.demand[pools] @ hours))
        rooms.append(Room("link", int(row), load - float(links.most[row])))
    return [room for room in rooms if np.isfinite(room.most) and room.most > DUST]


def fewest_relaxed(
    problem: Problem,
    groups: Sequence[Sequence[int]],
    *,
    without: Sequence[Sequence[Room]] = (),
    at_most: int | None = None,
) -> Relaxed | None:
    """The smallest set of limits whose relaxation gives the problem a plan.

    Parameters
    ----------
    without
        Sets that are known and must not be found again.
    at_most
        No more limits than these; ``None`` if any number will do.

    Returns
    -------
    The set with the least relative room among the smallest; ``None`` if there is none.
    """
    rooms = rooms_of(problem, groups)
    program = _Elastic(problem, rooms, groups)
    for known in without:
        program.model += pulp.lpSum(program.opened[room] for room in known) <= len(known) - 1
    if at_most is not None:
        program.model += pulp.lpSum(program.opened.values()) <= at_most
        for room in rooms:
            if room.kind == "capacity":
                program.model += program.opened[room] <= 0
    # Capacity that nobody has a price for is asked for only where nothing else will do.
    last = 1.0 + len(rooms)
    weights = {room: last if room.kind == "capacity" else 1.0 for room in rooms}
    switches = pulp.lpSum(weights[room] * program.opened[room] for room in rooms)
    if not program.solve(switches):
        return None
    program.model += switches <= round(float(pulp.value(switches)))
    # Off the smallest share of room: what is chosen must still be worth its name.
    if not program.solve(pulp.lpSum(program.room[room] * (1.0 / room.most) for room in rooms)):
        return None
    chosen = tuple(
        (room, float(program.room[room].varValue))
        for room in rooms
        if float(program.room[room].varValue) > DUST * room.most
    )
    # What is in no row, because it covers nothing that is used, never reaches the solver.
    quantity = np.array([float(pulp.value(q) or 0.0) for q in program.quantity])
    return Relaxed(chosen, quantity)


def relax(problem: Problem, relaxed: Relaxed, groups: Sequence[Sequence[int]]) -> Problem:
    """The problem with its limits relaxed; missing capacity is left unserved, for nothing."""
    maximum, minimum = problem.maximum.copy(), problem.minimum.copy()
    penalty, availability = problem.penalty.copy(), problem.availability.copy()
    most, rows = problem.limits.most.copy(), problem.links.most.copy()
    for room, amount in relaxed.amounts:
        more = amount * (1.0 + 1e-7) + 1e-9
        if room.kind == "maximum":
            maximum[room.index] += more
        elif room.kind == "minimum":
            minimum[room.index] -= more
        elif room.kind == "capacity":
            pools = list(groups[room.index])
            penalty[pools] = np.where(np.isinf(penalty[pools]), 0.0, penalty[pools])
        elif room.kind == "availability":
            availability[room.index] = np.minimum(1.0, availability[room.index] + more)
        elif room.kind == "limit":
            most[room.index] += more
        else:
            rows[room.index] += more
    return replace(
        problem,
        maximum=maximum,
        minimum=minimum,
        penalty=penalty,
        availability=availability,
        limits=replace(problem.limits, most=most),
        links=replace(problem.links, most=rows),
    )


def _unpriced(problem: Problem) -> Flags:
    """(P,) pools that must be served and that cannot be had on demand in some period."""
    return np.asarray(np.isinf(problem.penalty) & np.isinf(problem.price).any(axis=1))


def _unlimited(problem: Problem) -> Problem:
    """Any amount may be bought; the least amounts stay, as plans may need them in full."""
    return replace(problem, maximum=np.full(len(problem.columns), np.inf))


class _Elastic:
    """The rows of the readable program with room in its limits."""

    def __init__(
        self, problem: Problem, rooms: Sequence[Room], groups: Sequence[Sequence[int]]
    ) -> None:
        self.model = model = pulp.LpProblem("elastic", pulp.LpMinimize)
        self.room, self.opened = {}, {}
        for number, room in enumerate(rooms):
            self.room[room] = model.add_variable(f"room_{number}", lowBound=0, upBound=room.most)
            self.opened[room] = model.add_variable(f"relaxed_{number}", cat="Binary")
            # The end of the room is what any plan could use: no large number is made up.
            model += self.room[room] <= room.most * self.opened[room]
        by_kind = {
            kind: {room.index: self.room[room] for room in rooms if room.kind == kind}
            for kind in KINDS
        }
        whole = problem.expand()
        free = replace(
            _unlimited(whole), penalty=np.where(np.isinf(whole.penalty), 0.0, whole.penalty)
        )
        purchases = define_purchase_variables(model, free)
        self.quantity = purchases.quantity
        coverage = define_coverage_variables(model, free)
        excess = {**define_excess_variables(model, free), **by_kind["link"]}
        define_coverage_meet(model, free, coverage)
        define_coverage_draw(model, free, coverage, bought_by_source(free, purchases))
        define_coverage_availability(model, free, coverage, by_kind["availability"])
        define_coverage_limit(model, free, coverage, by_kind["limit"])
        define_link_rows(model, free, purchases.quantity, coverage, excess)
        self._range(whole, free, purchases, by_kind)
        self._capacity(whole, coverage, groups, by_kind["capacity"])

    def _range(
        self,
        whole: Problem,
        free: Problem,
        purchases: PurchaseVariables,
        by_kind: dict[str, dict[int, pulp.LpVariable]],
    ) -> None:
        """min·β − room ≤ Q ≤ max + room."""
        need = free.needed()
        for column, quantity in enumerate(purchases.quantity):
            if np.isfinite(whole.maximum[column]):
                more = by_kind["maximum"].get(column, 0)
                self.model += quantity - more <= float(whole.maximum[column])
            least = float(whole.minimum[column])
            if least > 0:
                chosen = self.model.add_variable(f"opened_{column}", cat="Binary")
                less = by_kind["minimum"].get(column, 0)
                self.model += quantity - least * chosen + less >= 0
                self.model += quantity <= float(max(need[column], least)) * chosen

    def _capacity(
        self,
        whole: Problem,
        coverage: CoverageVariables,
        groups: Sequence[Sequence[int]],
        rooms: dict[int, pulp.LpVariable],
    ) -> None:
        """Unserved usage that must be served fits into the room of its group in every hour."""
        for group, pools in enumerate(groups):
            must = {int(p) for p in pools if np.isinf(whole.penalty[p])}
            hours: dict[int, list[pulp.LpVariable]] = {}
            for (pool, hour), variable in coverage.unmet.items():
                if pool in must:
                    hours.setdefault(hour, []).append(variable)
            for variables in hours.values():
                self.model += pulp.lpSum(variables) <= rooms.get(group, 0)

    def solve(self, objective: pulp.LpAffineExpression) -> bool:
        """Solve for an objective; whether there is an answer."""
        self.model.setObjective(objective)
        self.model.solve(
            pulp.HiGHS(
                msg=False,
                threads=1,
                mip_rel_gap=0.0,
                presolve="off",
                random_seed=0,
                mip_max_nodes=NODES,
            )
        )
        solver = self.model.solverModel
        state, info = solver.getModelStatus(), solver.getInfo()
        return bool(
            info.primal_solution_status == 2 and state != highspy.HighsModelStatus.kInfeasible
        )
