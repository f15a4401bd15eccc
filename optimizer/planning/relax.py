# SPDX-License-Identifier: Apache-2.0
"""Infeasible cases: the smallest set of limits to relax, and what the plan costs then."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import numpy as np

from optimizer.billing.bill import exact
from optimizer.errors import Infeasible
from optimizer.planning.part import Part
from optimizer.program.elastic import Relaxed, Room, fewest_relaxed, relax
from optimizer.program.peaks import at_peaks, peak_hours
from optimizer.program.problem import Problem
from optimizer.program.purchases import whole_term_cost
from optimizer.program.reference import solve_reference
from optimizer.program.status import Status
from optimizer.tables import format_hour

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from optimizer.tables import Case

MOST_ROWS = 6_000  # of the elastic program: beyond, its peak hours stand for all
ALTERNATIVES = 3
_KEYS = {
    "purchase.cash": "limits.upfront_cash",
    "ladder.cash": "limits.upfront_cash",
    "coverage.spot_share": "limits.spot_share",
    "coverage.unused": "limits.max_unused_share",
}


@dataclass(frozen=True)
class Relaxation:
    """A limit, by how much to relax it, and what the plan costs over the terms when it is.

    Where several limits must be relaxed, ``cost`` is that of the plan with all of them.
    It is ``None`` where the case has no price for what is missing.
    """

    limit: str
    amount: Decimal
    cost: Decimal | None

    def as_dict(self) -> dict[str, Any]:
        """The relaxation in the shape of the contract."""
        return {"limit": self.limit, "amount": float(self.amount), "cost": self.cost}

    @property
    def advice(self) -> str:
        """What to do, as an imperative sentence without a full stop."""
        if self.limit == "limits.survive_zone_loss":
            return "switch limits.survive_zone_loss off"
        verb = (
            "lower"
            if self.limit.startswith(("the minimum", "quality_", "limits.quality_average"))
            else "raise"
        )
        if self.limit.startswith(("allow_", "deny_")):
            return f"change {self.limit}"
        if self.limit.startswith("deployments"):
            return f"add {self.limit}"
        return f"{verb} {self.limit} by {self.amount.normalize():f}"


@dataclass(frozen=True)
class Unserved:
    """A class that cannot be served: how many of its requests, and in which hours.

    ``hours`` are hours since 1970 with what is short in each; ``limits`` those that bind.
    """

    workload: str
    hours: tuple[tuple[int, float], ...]
    limits: tuple[str, ...]

    @property
    def worst(self) -> tuple[int, float]:
        """The hour in which most is short."""
        return max(self.hours, key=lambda pair: pair[1])

    @property
    def told(self) -> str:
        """A clause for people."""
        hour, most = self.worst
        count = "an hour" if len(self.hours) == 1 else f"{len(self.hours)} hours"
        return (
            f"class {self.workload} is short of {sum(n for _, n in self.hours):,.0f} requests in "
            f"{count} ({most:,.0f} at {format_hour(hour)})"
        )

    def as_dict(self) -> dict[str, Any]:
        """The row of the document."""
        hour, most = self.worst
        return {
            "workload": self.workload,
            "requests": sum(n for _, n in self.hours),
            "hours": [format_hour(hour) for hour, _ in self.hours],
            "worst_hour": format_hour(hour),
            "worst_requests": most,
            "limits": list(self.limits),
        }


class InfeasibleCase(Infeasible):
    """A case without a plan, with the limits to relax, and other sets that would do."""

    def __init__(
        self,
        case: Case,
        relaxations: Sequence[Relaxation],
        alternatives: Sequence[Sequence[Relaxation]] = (),
        *,
        proven: bool = True,
        unserved: Sequence[Unserved] = (),
    ) -> None:
        self.case = case
        self.relaxations = tuple(relaxations)
        self.unserved = tuple(unserved)
        self.alternatives = tuple(tuple(known) for known in alternatives)
        ways = [relaxations, *alternatives]
        advice = ", or ".join(" and ".join(each.advice for each in way) for way in ways)
        what = "no plan serves the horizon's usage within the limits, and that is proven"
        if not proven:
            what = (
                "no plan was found that serves the horizon's usage within the limits; it is proven "
                "for each placement of the work that was tried, and not for all of them"
            )
        short = "".join(f"; {each.told}" for each in unserved)
        super().__init__(f"{what}{short}. To mend it: {advice}")


Ways = list[list[Relaxation]]


def refuse_infeasible(case: Case, parts: Sequence[Part], ways_of: Callable[[Part], Ways]) -> None:
    """Raise for parts that have no plan; other sets of limits are told where there is one."""
    without = [part for part in parts if part.answer.status is Status.INFEASIBLE]
    if without:
        ways = [ways_of(part) for part in without]
        first = [relaxation for way in ways for relaxation in (way[0] if way else ())]
        others = ways[0][1:] if len(ways) == 1 else ()
        # One part without any plan is enough for there to be none.
        proven = any(part.moved is None or part.moved.proven for part in without)
        raise InfeasibleCase(case, first, others, proven=proven)


def relaxations_of(part: Part) -> list[list[Relaxation]]:
    """The smallest sets of limits to relax, the one with the least relative change first."""
    groups = _meters(part)
    problem = _peaks(part.problem)
    ways: list[Relaxed] = []
    found = fewest_relaxed(problem, groups)
    while found is not None:
        ways.append(found)
        if len(ways) > ALTERNATIVES:
            break
        found = fewest_relaxed(
            problem,
            groups,
            without=[[room for room, _ in way.amounts] for way in ways],
            at_most=len(ways[0].amounts),
        )
    return [_described(part, problem, way, groups) for way in ways]


def _meters(part: Part) -> list[list[int]]:
    """Pools by their meter: what is missing on demand is missing of a meter."""
    groups: dict[str, list[int]] = {}
    for line, pool in enumerate(part.law.keeper.pool_of):
        pools = groups.setdefault(part.window.lines.meter[line], [])
        if int(pool) not in pools:
            pools.append(int(pool))
    return [groups[meter] for meter in sorted(groups)]


def _peaks(problem: Problem) -> Problem:
    """A problem of few enough rows: the hours in which something is at its peak.

    Rows over all hours that are not of purchases alone are left out then.
    """
    if problem.rows <= MOST_ROWS:
        return problem
    return at_peaks(problem, peak_hours(problem))


def _described(
    part: Part, problem: Problem, way: Relaxed, groups: list[list[int]]
) -> list[Relaxation]:
    """The set in the words of the case, with the cost of the plan that it allows."""
    cost: Decimal | None = None
    if problem is part.problem and not any(room.kind == "capacity" for room, _ in way.amounts):
        solution = solve_reference(relax(problem, way, groups), nodes=2_000)
        if solution.status.has_plan:
            cost = exact(solution.objective + part.window.held_cost)
    rows: dict[str, Relaxation] = {}
    for room, amount in way.amounts:
        name, by = _named(part, problem, room, amount, way, groups)
        # One key may limit several columns: the largest change serves them all.
        if name not in rows or rows[name].amount < by:
            rows[name] = Relaxation(name, by, cost)
    return list(rows.values())


def _named(
    part: Part,
    problem: Problem,
    room: Room,
    amount: float,
    way: Relaxed,
    groups: list[list[int]],
) -> tuple[str, Decimal]:
    """What the case calls a limit, and the change in its own unit."""
    if room.kind in ("maximum", "minimum"):
        column = part.every_column[room.index]
        what = f"offer {column.name}" if len(column.members) == 1 else column.name
        own = np.inf if column.maximum is None else float(column.maximum)
        if room.kind == "maximum" and own > problem.maximum[room.index] * (1 + 1e-9):
            whole = float(whole_term_cost(column))
            return "limits.largest_purchase", _up(amount * whole)
        return f"the {room.kind} of {what}", _up(amount)
    if room.kind in ("capacity", "availability"):
        pool = groups[room.index][0] if room.kind == "capacity" else room.index
        line = int(np.flatnonzero(part.law.keeper.pool_of == pool)[0])
        what = "on-demand capacity" if room.kind == "capacity" else "availability"
        return f"{what} of meter {part.window.lines.meter[line]}", _up(amount)
    names = problem.limits.names if room.kind == "limit" else problem.links.names
    family, _, of = names[room.index].partition("[")
    of = of.removesuffix("]")
    if room.kind == "limit":
        kind = family.removeprefix("coverage.")
        return (f"limit {of}" if kind == "limit" else f"{kind} of meter {of}"), _up(amount)
    most, settings = float(problem.links.most[room.index]), part.limits.settings
    if family == "coverage.spot_share" and most:
        amount *= (settings.spot_share or 0.0) / most
    elif family == "coverage.unused":
        # The row is (1 − share)·committed − used ≤ 0, with what is held on the right.
        asked = float(problem.links.purchase[room.index] @ way.quantity) - most
        amount *= (1.0 - (settings.max_unused_share or 0.0)) / asked
    return _KEYS[family], _up(amount)


def _up(amount: float) -> Decimal:
    """To nine places, upwards but for rounding: the limit must be enough."""
    return exact(np.ceil(amount * 1e9 - 0.5) / 1e9)
