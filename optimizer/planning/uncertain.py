# SPDX-License-Identifier: Apache-2.0
"""``plan`` under several futures: what to buy now, and what later in which of them.

Each part of the case is one program over all futures beside each other
(:mod:`optimizer.program.stack`).  Under a risk measure it is solved again and again, with
odds that weigh the dear futures more (:mod:`optimizer.program.risk`).
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

import numpy as np

from optimizer.billing import Catalogue, Holding
from optimizer.billing.catalogue import read_holdings
from optimizer.billing.fit import open_catalogue
from optimizer.demand import Scenarios
from optimizer.errors import DataError
from optimizer.planning.part import Part
from optimizer.planning.released import refuse_unreleased
from optimizer.program.build import build_problem
from optimizer.program.caselimits import CaseLimits, read_case_limits
from optimizer.program.components import Component, Split, split_case
from optimizer.program.engine import hours_apart
from optimizer.program.hours import HourOracle
from optimizer.program.later import MONTH, cash_links, node_odds, recourse_of
from optimizer.program.problem import Floats
from optimizer.program.purchases import Column, advised_amounts, kinds_of, open_columns
from optimizer.program.risk import Measure
from optimizer.program.scenario_tree import ScenarioTree, observed_tree
from optimizer.program.search import on_step
from optimizer.program.solve import SEARCH_EVALUATIONS, Answer, Effort, solve
from optimizer.program.stack import StackedLaw, stack_futures
from optimizer.program.status import Status
from optimizer.program.watch import Watch
from optimizer.tables import Case, Settings

# Times that the odds are weighed anew at most.
RISK_ROUNDS = 6
# Lines × hours of all futures for which the replayed bill is searched in full.
SEARCH_SIZE = 400_000
FEWEST_EVALUATIONS = 12


@dataclass(frozen=True)
class Solved:
    """The parts, with the plan's cost in each future and the bound of the whole.

    Attributes
    ----------
    costs, free
        (S,) dollars over whole terms: under the law, and under free choice.
    bound
        No plan's measure is below it.
    rounds
        Times that the odds were weighed.
    """

    parts: tuple[Part, ...]
    costs: Floats
    free: Floats
    bound: float
    rounds: int


def refuse_uncombined(case: Case, scenarios: Scenarios) -> None:
    """Raise for what is planned for one future only.

    Raises
    ------
    DataError
        Naming the table or key.
    """
    for table, what in (("jobs", "work that moves in time"), ("substitutes", "work that moves")):
        if case.has(table) and len(case.table(table)):
            raise DataError(
                f"this version does not plan {what} under several futures yet",
                mend=f"take {case.file(table)} out of the case, or set [demand] scenarios = 1",
                file=case.file(table),
            )
    if case.has("agreements") and len(case.table("agreements")):
        raise DataError(
            "this version does not plan agreements under several futures yet",
            mend=f"take {case.file('agreements')} out of the case, or set [demand] scenarios = 1",
            file=case.file("agreements"),
        )
    for key in ("spot_share", "max_unused_share"):
        if getattr(case.settings.limits, key) is not None:
            raise DataError(
                f"this version does not plan with limits.{key} under several futures yet",
                mend="take the key out of [limits], or set [demand] scenarios = 1",
                file="case.toml",
                column=f"limits.{key}",
            )
    usage = scenarios.base.usage
    catalogue = open_catalogue(case)
    refuse_unreleased(case, catalogue, futures=2)
    for line, meter in enumerate(usage.meter):
        spotty = catalogue.meters[meter].spot is not None and scenarios.tolerant[:, line].any()
        if meter in scenarios.price_factor and spotty:
            raise DataError(
                f"this version does not plan a change of the price of {meter!r}, of which some "
                "may run on spot",
                mend="clear spot_tolerant of its usage, or leave it out of price_scenarios",
                file=case.file("usage"),
                column="spot_tolerant",
            )


def tree_of(case: Case, catalogue: Catalogue, scenarios: Scenarios) -> ScenarioTree:
    """The information tree of the case's futures, at the steps of its ladder."""
    ladder = case.settings.ladder
    hours = [MONTH * month for month in ladder.steps]
    return observed_tree(
        observed_paths(scenarios),
        scenarios.odds,
        [hour for hour in hours if hour < case.settings.horizon_hours],
        worth=line_prices(catalogue, scenarios),
        most=ladder.nodes,
    )


def line_prices(catalogue: Catalogue, scenarios: Scenarios) -> Floats:
    """(L,) dollars per unit: on demand, else the list price, else spot, else 1."""
    prices = []
    for name in scenarios.base.usage.meter:
        meter = catalogue.meters[name]
        known = [p for p in (meter.on_demand, meter.list_price, meter.spot) if p is not None]
        prices.append(float(known[0]) if known else 1.0)
    return np.array(prices)


def observed_paths(scenarios: Scenarios) -> Floats:
    """(S, L, T) units, weighed by what prices have become: both are seen."""
    paths = scenarios.quantity
    for meter, factor in sorted(scenarios.price_factor.items()):
        lines = [i for i, name in enumerate(scenarios.base.usage.meter) if name == meter]
        paths = paths.copy()
        paths[:, lines] *= factor[:, None, :]
    return paths


def measure_of(settings: Settings, odds: Floats) -> Measure:
    """What the case minimises."""
    risk = settings.risk
    if risk.measure == "expected":
        return Measure(odds, risk.cvar_alpha if risk.cvar_alpha is not None else 0.9, 0.0)
    return Measure(odds, risk.cvar_alpha or 0.0, risk.cvar_weight or 0.0)


@dataclass(frozen=True)
class Ground:
    """What every part is solved from."""

    case: Case
    catalogue: Catalogue
    scenarios: Scenarios
    tree: ScenarioTree
    limits: CaseLimits
    open_now: frozenset[str]
    by_step: tuple[tuple[Column, ...], ...]
    advice: Mapping[str, Decimal]
    previous: Mapping[str, Decimal] | None
    measure: Measure


@dataclass(frozen=True)
class PartProgram:
    """One part's program, at the odds of the case."""

    component: Component
    columns: tuple[Column, ...]
    later: tuple[Column, ...]
    limits: CaseLimits
    law: StackedLaw

    def weighing(self, odds: Floats) -> StackedLaw:
        """Program and law with other odds."""
        law = self.law
        if np.array_equal(odds, law.stack.odds):
            return law
        stack = law.stack.weighing(odds)
        factor = node_odds(self.columns, odds) / node_odds(self.columns, law.stack.odds)
        problem = replace(
            law.problem,
            weight=stack.window.weight,
            count=stack.window.count,
            cost=law.problem.cost * factor,
        )
        return law.weighing(stack, problem)


def build_part(ground: Ground, component: Component) -> PartProgram:
    """The program of a component over all futures."""
    now, later = columns_of(ground, component)
    return program_of(ground, component, now, later)


def columns_of(
    ground: Ground, component: Component
) -> tuple[tuple[Column, ...], tuple[Column, ...]]:
    """What may be bought of a component now, and in each node of the tree."""
    mine = {column.name for column in component.columns}
    now = tuple(c for c in component.columns if c.name in ground.open_now)
    recourse = recourse_of(
        ground.case.settings,
        ground.catalogue,
        component.demand.usage,
        component.holdings,
        now,
        [[c for c in offered if c.name in mine] for offered in ground.by_step],
        ground.tree,
    )
    return now, recourse.columns


def program_of(
    ground: Ground,
    component: Component,
    now: Sequence[Column],
    later: Sequence[Column],
    cost: Floats | None = None,
) -> PartProgram:
    """The program of a component with these columns over the futures of the ground.

    ``cost`` (K,) is what a unit of each column costs, where that is known already.
    """
    settings, scenarios = ground.case.settings, ground.scenarios
    usage = component.demand.usage
    limits = ground.limits.of_meters(ground.catalogue, usage.meter)
    columns = (*now, *later)
    futures = [
        replace(
            component.demand,
            usage=replace(
                usage,
                quantity=scenarios.quantity[s][component.lines],
                tolerant=scenarios.tolerant[s][component.lines],
            ),
        )
        for s in range(len(scenarios))
    ]
    stack = stack_futures(
        settings,
        ground.catalogue,
        futures,
        scenarios.odds,
        component.holdings,
        columns,
        ground.tree,
        spans=limits.spans,
        price_factor=scenarios.price_factor,
    )
    problem, pool_of = build_problem(
        settings, ground.catalogue, stack.window, columns, limits, stack.in_force, cost
    )
    problem = replace(
        problem,
        cost=problem.cost * node_odds(columns, scenarios.odds),
        links=cash_links(settings, columns, problem.links),
    )
    law = StackedLaw(settings, ground.catalogue, stack, problem, columns, pool_of)
    alone = replace(component, columns=tuple(now))
    return PartProgram(alone, columns, tuple(later), limits, law)


@dataclass(frozen=True)
class _Candidate:
    """Amounts of every part, and what each future costs with them: law, and free choice."""

    quantity: tuple[Floats, ...]
    costs: Floats
    free: Floats


def solve_parts(ground: Ground, components: Sequence[Component], watch: Watch) -> Solved:
    """Solve all parts under the case's measure.

    With a tail's weight the odds are weighed anew for the worst of the plans so far, until
    the best plan's measure and the best bound meet, or ``RISK_ROUNDS`` times.  Any odds prove
    a bound; mixtures of the plans are tried, too.
    """
    return solve_programs(ground, [build_part(ground, each) for each in components], watch)


def solve_programs(ground: Ground, programs: Sequence[PartProgram], watch: Watch) -> Solved:
    """Solve the programs of all parts, of the ground's futures, under its measure."""
    measure, odds = ground.measure, ground.scenarios.odds
    constant = sum(program.law.window.held_cost for program in programs)
    first = [solve_part(ground, program, odds, [], watch) for program in programs]
    bound = sum(answer.bound for answer in first) + constant
    if any(answer.status is Status.INFEASIBLE for answer in first):
        none = np.full(len(odds), np.inf)
        return Solved(_parts(programs, first), none, none, bound, 1)
    found = [_candidate(programs, [answer.quantity for answer in first], first, constant)]
    rounds, gap = 1, ground.case.settings.solve.gap
    while measure.weight and rounds < RISK_ROUNDS and not watch.stop():
        best = min(found, key=lambda c: measure.of(c.costs))
        value = measure.of(best.costs)
        if measure.of(best.free) - bound <= gap * abs(value):
            break
        tail, shares, _ = measure.next_tail([c.costs for c in found])
        weighed = measure.weighed(tail)
        watch.report(f"odds of the tail, round {rounds}", value, bound)
        answers = [
            solve_part(ground, program, weighed, [c.quantity[at] for c in found], watch)
            for at, program in enumerate(programs)
        ]
        bound = max(bound, sum(answer.bound for answer in answers) + constant)
        mixed = [
            on_step(
                program.law.problem,
                sum(w * c.quantity[at] for w, c in zip(shares, found, strict=True)),
            )
            for at, program in enumerate(programs)
        ]
        found.append(_candidate(programs, [a.quantity for a in answers], answers, constant))
        if not any(all(map(np.array_equal, mixed, c.quantity)) for c in found):
            found.append(_candidate(programs, mixed, answers, constant))
        rounds += 1
    best = min(found, key=lambda c: measure.of(c.costs))
    final = [
        _at_case_odds(program, answer, quantity, best is found[0])
        for program, answer, quantity in zip(programs, first, best.quantity, strict=True)
    ]
    return Solved(_parts(programs, final), best.costs, best.free, bound, rounds)


def solve_part(
    ground: Ground, program: PartProgram, odds: Floats, known: Sequence[Floats], watch: Watch
) -> Answer:
    """One part at some odds; amounts found at other odds are held against the answer."""
    settings = ground.case.settings
    law = program.weighing(odds)
    simple = {"the providers' advice": advised_amounts(program.columns, ground.advice)}
    if ground.previous is not None:
        simple["the earlier plan"] = advised_amounts(program.columns, ground.previous)
    simple = {name: amounts for name, amounts in simple.items() if amounts.any()}
    simple |= {f"round {number}": amounts for number, amounts in enumerate(known, start=1)}
    size = law.window.lines.quantity.size
    return solve(
        law.problem,
        law,
        law.keeper.pool_of,
        method=settings.solve.method,
        gap=settings.solve.gap,
        constant=law.window.held_cost,
        incumbents=simple,
        kinds=kinds_of(program.component.columns) if size <= SEARCH_SIZE else {},
        effort=Effort(
            max(
                FEWEST_EVALUATIONS,
                min(SEARCH_EVALUATIONS, SEARCH_EVALUATIONS * SEARCH_SIZE // size),
            )
        ),
        watch=replace(watch, seconds=settings.solve.seconds, started=time.monotonic(), reason=""),
    )


def _candidate(
    programs: Sequence[PartProgram],
    quantity: Sequence[Floats],
    answers: Sequence[Answer],
    constant: float,
) -> _Candidate:
    """What amounts cost in every future, by the law and under free choice."""
    count = len(programs[0].law.stack.odds)
    costs, free = (np.full(count, float(constant)) for _ in range(2))
    for program, amounts, answer in zip(programs, quantity, answers, strict=True):
        outcome = program.law.outcome(amounts)
        costs += program.law.by_future(outcome, amounts, program.columns)
        hourly = outcome.hourly
        if hours_apart(program.law.problem):
            oracle = HourOracle(program.law.problem).run(amounts, answer.prices.shared)
            hourly = np.minimum(hourly, oracle.cost)
        chosen = replace(outcome, hourly=hourly)
        free += program.law.by_future(chosen, amounts, program.columns)
    return _Candidate(tuple(quantity), costs, free)


def _at_case_odds(program: PartProgram, first: Answer, quantity: Floats, same: bool) -> Answer:
    """The answer at the odds of the case, for the amounts that were chosen."""
    if same:
        return first
    outcome = program.law.outcome(quantity)
    return replace(
        first,
        quantity=quantity,
        outcome=outcome,
        free=outcome.objective,
        method=f"{first.method}, weighed for the tail",
    )


def _parts(programs: Sequence[PartProgram], answers: Sequence[Answer]) -> tuple[Part, ...]:
    return tuple(
        Part(
            program.component,
            program.law.window,
            program.law.problem,
            program.law,
            answer,
            program.limits,
            renewals=program.later,
            stack=program.law.stack,
        )
        for program, answer in zip(programs, answers, strict=True)
    )


def ground_of(
    case: Case,
    scenarios: Scenarios,
    previous: Mapping[str, Decimal] | None,
    advice: Mapping[str, Decimal],
) -> tuple[Ground, list[Column], dict[str, str], tuple[Holding, ...]]:
    """What the parts are made from; the columns of now, why others are closed, what is held."""
    refuse_uncombined(case, scenarios)
    catalogue = open_catalogue(case)
    holdings = tuple(read_holdings(case, catalogue))
    columns, closed = open_columns(case, catalogue)
    tree = tree_of(case, catalogue, scenarios)
    as_of = case.settings.as_of
    by_step = tuple(
        tuple(open_columns(case, catalogue, as_of + hour)[0]) for hour in tree.hours[1:]
    )
    ground = Ground(
        case=case,
        catalogue=catalogue,
        scenarios=scenarios,
        tree=tree,
        limits=read_case_limits(case, holdings),
        open_now=frozenset(column.name for column in columns),
        by_step=by_step,
        advice=advice,
        previous=previous,
        measure=measure_of(case.settings, scenarios.odds),
    )
    return ground, columns, closed, holdings


def split_futures(ground: Ground, columns: Sequence[Column], holdings: Sequence[Holding]) -> Split:
    """The components over all futures, and with what may be bought later."""
    scenarios = ground.scenarios
    most = replace(
        scenarios.base,
        usage=replace(
            scenarios.base.usage,
            quantity=scenarios.quantity.max(axis=0),
            tolerant=scenarios.tolerant.max(axis=0),
        ),
    )
    every = {column.name: column for column in columns}
    for offered in ground.by_step:
        for column in offered:
            every.setdefault(column.name, column)
    ordered = [every[name] for name in sorted(every)]
    together = ground.limits.together(ground.catalogue, most.usage, ordered)
    return split_case(ground.case.settings, ground.catalogue, most, holdings, ordered, together)
