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
    read_holdings,
)
from optimizer.billing.fit import open_catalogue
from optimizer.demand import Scenarios, movable_demand, scenarios_of_horizon
from optimizer.planning.given import need_prices, provider_advice
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
from optimizer.planning.reuse import Earlier, part_name
from optimizer.planning.scope import refuse_routed, refuse_unplanned
from optimizer.planning.shortfall import shortfalls, todays_shortfalls
from optimizer.planning.uncertain_plan import make_uncertain_plan
from optimizer.program.build import build_problem
from optimizer.program.caselimits import CaseLimits, read_case_limits
from optimizer.program.components import Component, split_case
from optimizer.program.lawcost import LawCost
from optimizer.program.problem import Problem
from optimizer.program.purchases import Column, advised_amounts, kinds_of, open_columns
from optimizer.program.renewal import renewals
from optimizer.program.solve import Effort, Progress, solve
from optimizer.program.warm import WarmStart
from optimizer.program.watch import Watch
from optimizer.program.window import build_window, held_cost
from optimizer.tables import Case


def make_plan(
    case: Case,
    progress: Progress = lambda _: None,
    *,
    watch: Watch | None = None,
    previous: Mapping[str, Decimal] | None = None,
    base: Plan | None = None,
    effort: Effort | None = None,
    scenarios: Scenarios | None = None,
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
        are the same start where its solver ended, and parts that are the same to the last
        number are taken as they are.
    effort
        How much work the other parts may take.
    scenarios
        Futures to plan for; by default those that the case asks for.

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
    case.require("meters", "usage", "offers", "covers")
    if scenarios is None:
        scenarios = scenarios_of_horizon(case)
    refuse_routed(case, scenarios)
    if len(scenarios) > 1 or scenarios.price_factor:
        if base is not None and previous is None:
            previous = base.bought
        return make_uncertain_plan(case, scenarios, progress, watch=watch, previous=previous)
    settings = case.settings
    catalogue = open_catalogue(case)
    holdings = tuple(read_holdings(case, catalogue))
    columns, closed = open_columns(case, catalogue)
    progress("demand of the horizon")
    movable = movable_demand(case, scenarios.demand(0))
    refuse_late_jobs(case, movable)
    demand = movable.demand
    today = replace(demand, usage=today_usage(settings, movable))
    need_prices(catalogue, today.usage, holdings, columns)
    progress("baseline")
    baseline = baseline_bill(case, catalogue, today.usage, holdings)
    limits = read_case_limits(case, holdings)
    together = limits.together(catalogue, demand.usage, columns)
    split = split_case(settings, catalogue, demand, holdings, columns, together, movable.joined)
    advice = provider_advice(case)
    previous = base.bought if base is not None and previous is None else previous
    watch = watch or Watch(tell=lambda told: progress(str(told)))
    parts: list[Part] = []
    earlier = Earlier(base)
    for number, component in enumerate(split.components, start=1):
        progress(f"part {number} of {len(split.components)}: {_title(component)}")
        moving = movable.part(component.lines, component.demand)
        name = part_name(settings, catalogue, component, limits, moving, advice)
        same = earlier.same(name, component)
        if same is not None:
            parts.append(same)
            continue
        if moving.works or moving.jobs:
            simple: dict[str, Mapping[str, Decimal]] = {"the providers' advice": advice}
            if previous is not None:
                simple["the previous plan"] = previous
            parts.append(
                solve_moving_part(
                    case, catalogue, component, limits, moving, simple, _of_part(case, watch)
                )
            )
        else:
            known = _Known(advice, previous, () if base is None else base.parts, effort)
            parts.append(
                _solve_part(case, catalogue, component, limits, known, _of_part(case, watch))
            )
        parts[-1] = replace(parts[-1], name=name)
    refuse_infeasible(case, parts, ways_of_part)
    bought = {n: q for part in parts for n, q in amounts_of(part.columns, part.bought).items()}
    for column in split.idle_columns:
        for offer, _ in column.members:
            closed[offer.name] = "nothing that it covers is used in the horizon"
    spot, unserved = (np.zeros_like(demand.usage.quantity) for _ in range(2))
    for part in parts:
        spot[part.component.lines] = part.answer.outcome.spot[:, part.window.position]
        unserved[part.component.lines] = part.answer.outcome.unmet[:, part.window.position]
    progress("replaying the plan")
    demand = replace(demand, usage=placed_usage(demand.usage, parts))
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


@dataclass(frozen=True)
class _Known:
    """What is known before a part is solved: advice, an earlier plan, and how that was solved."""

    advice: Mapping[str, Decimal]
    previous: Mapping[str, Decimal] | None
    parts: Sequence[Part]
    effort: Effort | None = None

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
        effort=known.effort,
    )
    return Part(component, window, problem, law, answer, limits, renewals=renewed)


def _of_part(case: Case, watch: Watch) -> Watch:
    """The watch of one part: each has the whole time that the settings allow."""
    return replace(watch, seconds=case.settings.solve.seconds, started=time.monotonic(), reason="")
