# SPDX-License-Identifier: Apache-2.0
"""``plan``: from a case to what to buy, with the proof of how good it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal

import numpy as np

from optimizer.billing import Catalogue, read_holdings
from optimizer.billing.fit import open_catalogue
from optimizer.demand import (
    HorizonDemand,
    MovableDemand,
    Scenarios,
    movable_demand,
    scenarios_of_horizon,
)
from optimizer.demand.horizon import has_routing
from optimizer.planning.given import need_prices, provider_advice
from optimizer.planning.moving import (
    Segments,
    placed_usage,
    refuse_late_jobs,
    today_usage,
    ways_of_part,
)
from optimizer.planning.plan import Plan
from optimizer.planning.relax import refuse_infeasible
from optimizer.planning.released import refuse_unreleased
from optimizer.planning.replayed import (
    amounts_of,
    baseline_bill,
    planned_holdings,
    replay_plan,
)
from optimizer.planning.reuse import Earlier
from optimizer.planning.routing import RoutedDemand, routed_demand, routed_usage
from optimizer.planning.scope import refuse_routed, refuse_unplanned
from optimizer.planning.shortfall import shortfalls, todays_shortfalls
from optimizer.planning.solving import Known, Solving
from optimizer.planning.uncertain_plan import make_uncertain_plan
from optimizer.planning.unserved import refuse_unserved
from optimizer.program.caselimits import read_case_limits
from optimizer.program.components import split_case
from optimizer.program.purchases import open_columns
from optimizer.program.solve import Effort, Progress
from optimizer.program.watch import Watch
from optimizer.program.window import held_cost
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
    case.require("meters", *(() if has_routing(case) else ("usage", "offers", "covers")))
    if scenarios is None:
        scenarios = scenarios_of_horizon(case)
    refuse_routed(case, scenarios)
    previous = base.bought if base is not None and previous is None else previous
    if len(scenarios) > 1 or scenarios.price_factor:
        return make_uncertain_plan(case, scenarios, progress, watch=watch, previous=previous)
    settings = case.settings
    catalogue = open_catalogue(case)
    refuse_unreleased(case, catalogue)
    holdings = tuple(read_holdings(case, catalogue))
    columns, closed = open_columns(case, catalogue)
    progress("demand of the horizon")
    movable, asked, today = _demand(case, catalogue, scenarios.demand(0))
    demand = movable.demand
    need_prices(catalogue, today.usage, holdings, columns)
    progress("baseline")
    known_today = asked is None or asked.today is not None
    baseline = baseline_bill(case, catalogue, today.usage, holdings) if known_today else None
    limits = read_case_limits(case, holdings)
    together = limits.together(catalogue, demand.usage, columns)
    joined = movable.joined if asked is None else (*movable.joined, tuple(asked.lines.tolist()))
    split = split_case(settings, catalogue, demand, holdings, columns, together, joined)
    known = Known(provider_advice(case), previous, Earlier(base), effort)
    watch = watch or Watch(tell=lambda told: progress(str(told)))
    solving = Solving(case, catalogue, limits, movable, asked, known, watch)
    parts = solving.parts(split.components, progress)
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
    case: Case, catalogue: Catalogue, demand: HorizonDemand
) -> tuple[MovableDemand, RoutedDemand | None, HorizonDemand]:
    """What is demanded, without what jobs and routing decide; what is routed; and today's."""
    movable = movable_demand(case, demand)
    refuse_late_jobs(case, movable)
    asked = routed_demand(case, catalogue, movable.demand)
    if asked is not None:
        refuse_unserved(case, catalogue, asked)
        movable = replace(movable, demand=asked.demand)
    usage = today_usage(case.settings, movable)
    if asked is not None:
        usage = asked.today_usage(usage)
    return movable, asked, replace(movable.demand, usage=usage)
