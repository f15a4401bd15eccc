# SPDX-License-Identifier: Apache-2.0
"""``plan``: from a case to what to buy, with the proof of how good it is."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

import numpy as np

from optimizer.billing import (
    Catalogue,
    Holding,
    read_holdings,
)
from optimizer.billing.fit import open_catalogue
from optimizer.demand import HorizonDemand, MovableDemand, demand_of_horizon, movable_demand
from optimizer.demand.horizon import has_routing
from optimizer.planning.moving import (
    Segments,
    placed_usage,
    refuse_late_jobs,
    solve_moving_part,
    today_usage,
    ways_of_part,
)
from optimizer.planning.part import Part
from optimizer.planning.plan import Plan
from optimizer.planning.relax import refuse_infeasible
from optimizer.planning.replayed import (
    amounts_of,
    baseline_bill,
    planned_holdings,
    replay_plan,
)
from optimizer.planning.routing import (
    RoutedDemand,
    routed_demand,
    routed_usage,
    solve_routing_part,
)
from optimizer.planning.scope import refuse_moving, refuse_unplanned
from optimizer.planning.shortfall import shortfalls, todays_shortfalls
from optimizer.planning.unserved import refuse_unserved
from optimizer.program.build import build_problem
from optimizer.program.caselimits import CaseLimits, read_case_limits
from optimizer.program.components import Component, split_case
from optimizer.program.lawcost import LawCost
from optimizer.program.problem import Problem
from optimizer.program.purchases import Column, advised_amounts, kinds_of, open_columns
from optimizer.program.renewal import renewals
from optimizer.program.solve import Progress, solve
from optimizer.program.warm import WarmStart
from optimizer.program.watch import Watch
from optimizer.program.window import build_window, held_cost
from optimizer.tables import Case, UsageLines


def make_plan(
    case: Case,
    progress: Progress = lambda _: None,
    *,
    watch: Watch | None = None,
    previous: Mapping[str, Decimal] | None = None,
    base: Plan | None = None,
) -> Plan:
    """Plan the horizon of a case.

    Parameters
    ----------
    progress, watch
        Told what is being done; a watch also gets incumbent, bound and gap, and may cancel:
        the best plan so far is kept.
    previous
        Amounts by offer of an earlier plan of a similar case, to start from.
    base
        The plan of a similar case that was made in this process: parts whose offers and hours
        are the same start where its solver ended.

    Raises
    ------
    DataError
        If a table is missing or refused, or asks for what this version does not plan.
    InfeasibleCase
        If no plan serves the usage; it names what to relax.
    MissingPrice
        If a meter of the horizon's usage has no on-demand price and nothing covers it.
    """
    refuse_unplanned(case)
    case.require("meters", *(() if has_routing(case) else ("usage", "offers", "covers")))
    settings = case.settings
    catalogue = open_catalogue(case)
    holdings = tuple(read_holdings(case, catalogue))
    columns, closed = open_columns(case, catalogue)
    progress("demand of the horizon")
    movable, asked, today = _demand(case, catalogue)
    demand = movable.demand
    _need_prices(catalogue, today.usage, holdings, columns)
    progress("baseline")
    known_today = asked is None or asked.today is not None
    baseline = baseline_bill(case, catalogue, today.usage, holdings) if known_today else None
    limits = read_case_limits(case, holdings)
    together = limits.together(catalogue, demand.usage, columns)
    joined = movable.joined if asked is None else (*movable.joined, tuple(asked.lines.tolist()))
    split = split_case(settings, catalogue, demand, holdings, columns, together, joined)
    advice = _advice(case)
    if base is not None and previous is None:
        previous = base.bought
    watch = watch or Watch(tell=lambda told: progress(str(told)))
    parts = []
    for number, component in enumerate(split.components, start=1):
        progress(f"part {number} of {len(split.components)}: {_title(component)}")
        moving = movable.part(component.lines, component.demand)
        routed = asked is not None and asked.first in component.lines
        if not (routed or moving.works or moving.jobs):
            known = _Known(advice, previous, () if base is None else base.parts)
            parts.append(
                _solve_part(case, catalogue, component, limits, known, _of_part(case, watch))
            )
            continue
        simple: dict[str, Mapping[str, Decimal]] = {"the providers' advice": advice}
        if previous is not None:
            simple["the previous plan"] = previous
        if routed and asked is not None:
            refuse_moving(case, moving)
            part = solve_routing_part(
                case, catalogue, component, limits, asked, simple, _of_part(case, watch)
            )
        else:
            part = solve_moving_part(
                case, catalogue, component, limits, moving, simple, _of_part(case, watch)
            )
        parts.append(part)
    refuse_infeasible(case, parts, ways_of_part)
    bought = {
        name: amount
        for part in parts
        for name, amount in amounts_of(part.columns, part.bought).items()
    }
    for column in split.idle_columns:
        for offer, _ in column.members:
            closed[offer.name] = "nothing that it covers is used in the horizon"
    spot, unserved = (np.zeros_like(demand.usage.quantity) for _ in range(2))
    for part in parts:
        spot[part.component.lines] = part.answer.outcome.spot[:, part.window.position]
        unserved[part.component.lines] = part.answer.outcome.unmet[:, part.window.position]
    progress("replaying the plan")
    demand = replace(demand, usage=routed_usage(placed_usage(demand.usage, parts), parts))
    segments = Segments(parts, spot)
    bill, covers, unmet, on_demand = replay_plan(
        case, catalogue, demand.usage, holdings, bought, spot, unserved, segments
    )
    whole = [*holdings, *planned_holdings(case, catalogue, bought)]
    return Plan(
        case=case,
        catalogue=catalogue,
        demand=demand,
        holdings=holdings,
        closed=closed,
        parts=tuple(parts),
        idle_cost=held_cost(settings, split.idle_holdings, settings.as_of + settings.horizon_hours),
        bought=dict(sorted(bought.items())),
        baseline=baseline,
        bill=bill,
        spot=spot,
        covers=covers,
        unserved=unserved,
        unmet=unmet,
        today=today,
        segments=segments,
        limits=limits,
        agreements=shortfalls(limits.agreements, catalogue, bill, whole, on_demand, spot),
        baseline_agreements=todays_shortfalls(
            case, limits, catalogue, today.usage, holdings, baseline
        ),
    )


def _demand(
    case: Case, catalogue: Catalogue
) -> tuple[MovableDemand, RoutedDemand | None, HorizonDemand]:
    """What is demanded, without what jobs and routing decide; what is routed; and today's."""
    movable = movable_demand(case, demand_of_horizon(case))
    refuse_late_jobs(case, movable)
    asked = routed_demand(case, catalogue, movable.demand)
    if asked is not None:
        refuse_unserved(case, catalogue, asked)
        movable = replace(movable, demand=asked.demand)
    usage = today_usage(case.settings, movable)
    if asked is not None:
        usage = asked.today_usage(usage)
    return movable, asked, replace(movable.demand, usage=usage)


@dataclass(frozen=True)
class _Known:
    """What is known before a part is solved: advice, an earlier plan, and how that was solved."""

    advice: Mapping[str, Decimal]
    previous: Mapping[str, Decimal] | None
    parts: Sequence[Part]

    def start(self, columns: Sequence[Column], problem: Problem) -> WarmStart | None:
        """Where the part that buys the same stopped; else the earlier plan's amounts."""
        names = [column.name for column in columns]
        for part in self.parts:
            alike = part.moved is None and [c.name for c in part.every_column] == names
            if alike and len(part.problem.pools) == len(problem.pools):
                return WarmStart.of(part.problem, part.answer.quantity, part.answer.learnt, problem)
        if self.previous is None:
            return None
        return WarmStart(advised_amounts(columns, self.previous))


def _title(component: Component) -> str:
    meters = sorted(set(component.demand.usage.meter))
    return meters[0] if len(meters) == 1 else f"{meters[0]} and {len(meters) - 1} more meters"


def _solve_part(
    case: Case,
    catalogue: Catalogue,
    component: Component,
    limits: CaseLimits,
    known: _Known,
    watch: Watch,
) -> Part:
    settings = case.settings
    limits = limits.of_meters(catalogue, component.demand.usage.meter)
    renewed = renewals(
        settings, catalogue, component.demand.usage, component.holdings, component.columns
    )
    columns = (*component.columns, *renewed)
    window = build_window(
        settings,
        catalogue,
        component.demand,
        component.holdings,
        columns,
        spans=limits.spans,
        discounts_apart=limits.adds_up_hours and settings.discount_rate != 0,
    )
    problem, pool_of = build_problem(settings, catalogue, window, columns, limits)
    law = LawCost(settings, catalogue, window, problem, columns, pool_of)
    advised = advised_amounts(columns, known.advice)
    answer = solve(
        problem,
        law,
        pool_of,
        method=settings.solve.method,
        gap=settings.solve.gap,
        constant=window.held_cost,
        incumbents={"the providers' advice": advised} if advised.any() else {},
        kinds=kinds_of(component.columns),
        start=known.start(columns, problem),
        watch=watch,
    )
    return Part(component, window, problem, law, answer, limits, renewals=renewed)


def _of_part(case: Case, watch: Watch) -> Watch:
    """The watch of one part: each has the whole time that the settings allow."""
    return replace(watch, seconds=case.settings.solve.seconds, started=time.monotonic(), reason="")


def _need_prices(
    catalogue: Catalogue,
    usage: UsageLines,
    holdings: Sequence[Holding],
    columns: Sequence[Column],
) -> None:
    """A meter that is used, and that nothing but on-demand could serve, needs its price."""
    offered = {offer.name for column in columns for offer, _ in column.members}
    offered |= {holding.offer.name for holding in holdings}
    able = {meter for name in offered for meter in catalogue.draws[name]}
    for index, name in enumerate(usage.meter):
        if name not in able and usage.unmet_penalty[index] is None and usage.quantity[index].any():
            catalogue.meters[name].need_on_demand("no offer or commitment covers it")


def _advice(case: Case) -> dict[str, Decimal]:
    """The providers' own advice: amounts by offer; a plan that needs no solver."""
    advice: dict[str, Decimal] = {}
    if case.has("provider_advice"):
        frame = case.table("provider_advice")
        for offer, quantity in zip(frame["offer"], frame["quantity"], strict=True):
            advice[offer] = advice.get(offer, Decimal(0)) + Decimal(str(quantity))
    return advice
