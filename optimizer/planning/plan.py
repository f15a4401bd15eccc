# SPDX-License-Identifier: Apache-2.0
"""``plan``: from a case to what to buy, with the proof of how good it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

import numpy as np

from optimizer.billing import (
    Bill,
    Catalogue,
    Holding,
    billing_lines,
    make_bill,
    read_holdings,
)
from optimizer.billing.bill import exact, price_replay
from optimizer.billing.fit import open_catalogue
from optimizer.billing.lines import SharingModes
from optimizer.billing.replay import capacity_of, replay
from optimizer.demand import HorizonDemand, demand_of_horizon, movable_demand
from optimizer.errors import MissingPrice
from optimizer.planning.moving import (
    Segments,
    cash_of_moves,
    placed_usage,
    refuse_late_jobs,
    solve_moving_part,
    today_usage,
    ways_of_part,
)
from optimizer.planning.part import Part
from optimizer.planning.relax import refuse_infeasible
from optimizer.planning.scope import refuse_unplanned
from optimizer.planning.shortfall import Shortfall, shortfalls, todays_shortfalls
from optimizer.planning.start import near_limits
from optimizer.program.build import build_problem
from optimizer.program.caselimits import CaseLimits, read_case_limits
from optimizer.program.components import Component, split_case
from optimizer.program.lawcost import LawCost
from optimizer.program.problem import Floats
from optimizer.program.purchases import Column, open_columns, planned
from optimizer.program.solve import Progress, solve
from optimizer.program.status import Status
from optimizer.program.window import build_window, held_cost
from optimizer.program.within import links_purchases
from optimizer.tables import Case, UsageLines

_WHOLE = Decimal(1)


@dataclass(frozen=True)
class Plan:
    """A plan and everything it was made from.

    Attributes
    ----------
    bought
        Offer name → quantity, for offers that are bought.
    baseline, bill
        The horizon's bill with what is held and today's use of spot; with the plan.
        ``baseline`` is ``None`` where what is held cannot serve the horizon at all.
    spot
        (L, T) units that the plan runs on spot.
    covers
        Offer name → meter → units that the purchase covers in the horizon.
    unserved
        (L, T) units that the plan leaves unserved.
    unmet
        Dollars of penalties for them.
    today, segments
        The demand of ``baseline``: all work where it is, jobs as early as possible; and
        what jobs run on. ``demand`` has the work where the plan puts it.
    limits
        What limits the case.
    agreements, baseline_agreements
        Its agreements with the plan's spend, and with today's.
    total
        The plan's bill, its penalties and the cost of its shortfalls.
    """

    case: Case
    catalogue: Catalogue
    demand: HorizonDemand
    holdings: tuple[Holding, ...]
    closed: dict[str, str]
    parts: tuple[Part, ...]
    idle_cost: float
    bought: dict[str, Decimal]
    baseline: Bill | None
    bill: Bill
    spot: Floats
    covers: dict[str, dict[str, Decimal]]
    unserved: Floats
    unmet: Decimal
    today: HorizonDemand
    segments: Segments
    limits: CaseLimits
    agreements: tuple[Shortfall, ...]
    baseline_agreements: tuple[Shortfall, ...]

    @property
    def move_cost(self) -> Decimal:
        """Dollars of the horizon for moving work: switching, egress and delay of jobs."""
        return cash_of_moves(self.parts)

    @property
    def total(self) -> Decimal:
        """The plan's bill over the horizon, its unmet penalties and its shortfalls."""
        return self.bill.total + self.unmet + self.shortfall

    @property
    def baseline_total(self) -> Decimal:
        """The bill with what is held, and what its shortfalls cost; 0 without a baseline."""
        today = self.baseline.total if self.baseline is not None else Decimal(0)
        return today + sum((row.cost for row in self.baseline_agreements), Decimal(0))

    @property
    def shortfall(self) -> Decimal:
        """What the agreements cost that the plan falls short of."""
        return sum((row.cost for row in self.agreements), Decimal(0))

    @property
    def status(self) -> Status:
        """Of the whole plan: its gap against the gap that was asked for."""
        return Status.of_gap(self.gap_solver, self.case.settings.solve.gap)

    @property
    def tail_hours(self) -> int:
        """Hours behind the horizon that whole terms reach into; 0 without a tail."""
        return max((part.window.tail_hours for part in self.parts), default=0)

    @property
    def objective(self) -> Decimal:
        """What the program minimises; the total where tail, discount and rework are absent."""
        if self._plain:
            return self.total + self.move_cost
        return exact(
            sum(part.answer.objective + part.window.held_cost for part in self.parts)
            + self.idle_cost
            + self._idle_shortfall
            + float(self._sustained)
        )

    @property
    def lower_bound(self) -> Decimal:
        """The certificates of the parts, moved by the same constant as the objective."""
        return self.objective - exact(self._left("objective", "bound") + float(self._sustained))

    @property
    def gap(self) -> float:
        """(objective − lower_bound) / objective."""
        return self._share(self._left("objective", "bound") + float(self._sustained))

    @property
    def gap_solver(self) -> float:
        """What the solver left: free choice for these purchases against the bound."""
        return self._share(self._left("free", "bound"))

    @property
    def gap_law(self) -> float:
        """What the law's order costs over free choice, at this plan."""
        return self._share(self._left("objective", "free") + float(self._sustained))

    @property
    def _plain(self) -> bool:
        """Whether the objective is the total, to the last digit."""
        settings = self.case.settings
        on_spot = {line.meter for line in self.bill.lines if line.spot_quantity}
        rework = any(self.catalogue.meters[name].spot_interruption for name in on_spot)
        if self.tail_hours or settings.discount_rate or rework:
            return False
        end = settings.as_of + settings.horizon_hours
        inside = all(
            planned(self.catalogue.offers[name], amount, settings.as_of).end <= end
            for name, amount in self.bought.items()
        )
        return inside or settings.after_horizon == "prorata"

    @property
    def _idle_shortfall(self) -> float:
        """Shortfalls of providers that no usage is billed by: a constant."""
        used = {self.catalogue.meters[meter].provider for meter in self.demand.usage.meter}
        return sum(float(row.cost) for row in self.agreements if row.agreement.provider not in used)

    @property
    def _sustained(self) -> Decimal:
        """What on-demand costs in the bill above its price at the full sustained use discount.

        The program reckons with the full discount, which bounds the bill from below; what a
        month's hours do not earn of it is the law's part of the gap.
        """
        extra = Decimal(0)
        for line in self.bill.lines:
            meter = self.catalogue.meters[line.meter]
            if meter.sustained_use and meter.on_demand is not None:
                least = meter.on_demand * (1 - Decimal(repr(meter.sustained_use)))
                extra += line.on_demand - line.on_demand_quantity * least
        return extra

    def _left(self, high: str, low: str) -> float:
        return float(
            sum(
                max(0.0, getattr(part.answer, high) - getattr(part.answer, low))
                for part in self.parts
            )
        )

    def _share(self, dollars: float) -> float:
        whole = float(self.objective)
        return dollars / whole if whole > 0 else 0.0


def make_plan(case: Case, progress: Progress = lambda _: None) -> Plan:
    """Plan the horizon of a case.

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
    settings = case.settings
    catalogue = open_catalogue(case)
    holdings = tuple(read_holdings(case, catalogue))
    columns, closed = open_columns(case, catalogue)
    progress("demand of the horizon")
    movable = movable_demand(case, demand_of_horizon(case))
    refuse_late_jobs(case, movable)
    demand = movable.demand
    today = replace(demand, usage=today_usage(settings, movable))
    _need_prices(catalogue, today.usage, holdings, columns)
    progress("baseline")
    baseline = _baseline(case, catalogue, today.usage, holdings)
    limits = read_case_limits(case, holdings)
    together = limits.together(catalogue, demand.usage, columns)
    split = split_case(settings, catalogue, demand, holdings, columns, together, movable.joined)
    advice = _advice(case)
    parts = []
    for number, component in enumerate(split.components, start=1):
        progress(f"part {number} of {len(split.components)}: {_title(component)}")
        moving = movable.part(component.lines, component.demand)
        if moving.works or moving.jobs:
            advised = _advised(component, advice)
            parts.append(
                solve_moving_part(case, catalogue, component, limits, moving, advised, progress)
            )
        else:
            parts.append(_solve_part(case, catalogue, component, limits, advice, progress))
    refuse_infeasible(case, parts, ways_of_part)
    bought = {
        name: amount
        for part in parts
        for name, amount in _amounts(part.columns, part.answer.quantity).items()
    }
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
    bill, covers, unmet, on_demand = _replay_plan(
        case, catalogue, demand.usage, holdings, bought, spot, unserved, segments
    )
    whole = [*holdings, *_planned(case, catalogue, bought)]
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


def _title(component: Component) -> str:
    meters = sorted(set(component.demand.usage.meter))
    return meters[0] if len(meters) == 1 else f"{meters[0]} and {len(meters) - 1} more meters"


def _solve_part(
    case: Case,
    catalogue: Catalogue,
    component: Component,
    limits: CaseLimits,
    advice: dict[str, Decimal],
    progress: Progress,
) -> Part:
    settings = case.settings
    limits = limits.of_meters(catalogue, component.demand.usage.meter)
    window = build_window(
        settings,
        catalogue,
        component.demand,
        component.holdings,
        component.columns,
        spans=limits.spans,
        discounts_apart=limits.adds_up_hours and settings.discount_rate != 0,
    )
    problem, pool_of = build_problem(settings, catalogue, window, component.columns, limits)
    law = LawCost(settings, catalogue, window, problem, component.columns, pool_of)
    advised = _advised(component, advice)
    incumbents = {"the providers' advice": advised} if advised.any() else {}
    if links_purchases(problem):
        near = near_limits(settings, problem, law)
        incumbents |= {} if near is None else {"amounts lowered to the limits": near}
    answer = solve(
        problem,
        law,
        pool_of,
        method=settings.solve.method,
        gap=settings.solve.gap,
        constant=window.held_cost,
        incumbents=incumbents,
        progress=progress,
    )
    return Part(component, window, problem, law, answer, limits)


def _advised(component: Component, advice: dict[str, Decimal]) -> Floats:
    """The providers' advice as amounts of the component's columns."""
    return np.array(
        [
            float(advice.get(column.members[0][0].name, 0)) if len(column.members) == 1 else 0.0
            for column in component.columns
        ]
    )


def _amounts(columns: Sequence[Column], quantity: Floats) -> dict[str, Decimal]:
    """Amounts of columns as exact amounts of offers, each a whole number of its steps."""
    bought = {}
    for column, amount in zip(columns, quantity, strict=True):
        for offer, ratio in column.members:
            steps = (Decimal(repr(float(amount))) * ratio / offer.amount_step).quantize(_WHOLE)
            if steps:
                bought[offer.name] = (steps * offer.amount_step).normalize()
    return bought


def _baseline(
    case: Case, catalogue: Catalogue, usage: UsageLines, holdings: Sequence[Holding]
) -> Bill | None:
    """The horizon's bill with what is held; ``None`` if it needs a price there is none of."""
    try:
        return make_bill(case, catalogue, usage, holdings)
    except MissingPrice:
        return None


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


def _replay_plan(
    case: Case,
    catalogue: Catalogue,
    usage: UsageLines,
    holdings: Sequence[Holding],
    bought: dict[str, Decimal],
    spot: Floats,
    unserved: Floats,
    segments: Segments,
) -> tuple[Bill, dict[str, dict[str, Decimal]], Decimal, Floats]:
    """Replay the plan over every hour of the horizon, in exact decimals.

    What is left unserved does not run: its penalty is returned, and the bill does not
    contain it.  The same goes for what rounding leaves where that costs less than to run
    on demand.  Also returned are the (L, T) units on demand.
    """
    whole = [*holdings, *_planned(case, catalogue, bought)]
    base = billing_lines(usage, catalogue)
    hours = usage.first_hour + np.arange(usage.quantity.shape[1])
    sharing = SharingModes.of(case.settings, hours)
    quantity = np.maximum(usage.quantity - unserved, 0.0)
    lines = replace(base, quantity=quantity, spot=spot, spot_free=np.zeros_like(spot))
    capacity = capacity_of(whole, hours)
    outcome = replay(catalogue, lines, whole, capacity, sharing, trace=segments.trace(whole))
    unmet = Decimal(0)
    left = outcome.uncovered.copy()
    quantity = quantity.copy()
    for index, penalty in enumerate(usage.unmet_penalty):
        if penalty is not None:
            unmet += exact(unserved[index].sum()) * penalty
        price = catalogue.meters[usage.meter[index]].on_demand
        if penalty is not None and (price is None or penalty < price):
            unmet += exact(left[index].sum()) * penalty
            quantity[index] -= left[index]
            left[index] = 0.0
    served = replace(usage, quantity=quantity, spot=spot)
    bill = price_replay(
        catalogue,
        served,
        replace(lines, quantity=quantity),
        whole,
        replace(outcome, uncovered=left),
    )
    sums: dict[str, dict[str, float]] = {name: {} for name in bought}
    for (index, line), units in outcome.covered.items():
        if whole[index].state == "planned" and units:
            by_meter = sums[whole[index].offer.name]
            by_meter[lines.meter[line]] = by_meter.get(lines.meter[line], 0.0) + units
    covers = {
        name: {meter: exact(units) for meter, units in sorted(by_meter.items())}
        for name, by_meter in sums.items()
    }
    return bill, covers, unmet, left


def _planned(case: Case, catalogue: Catalogue, bought: dict[str, Decimal]) -> list[Holding]:
    """What is bought, as holdings in the order of their names."""
    as_of = case.settings.as_of
    return [planned(catalogue.offers[name], bought[name], as_of) for name in sorted(bought)]
