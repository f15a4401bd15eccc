# SPDX-License-Identifier: Apache-2.0
"""Many futures by a few of them: planned on representatives, replayed and proven on all.

The purchases are those of a plan for representatives (:mod:`optimizer.demand.representatives`).
What they cost is then replayed in every future, with the later purchases of the information
node that it belongs to, and the program of all futures is bounded by its certificate, some
futures at a time (:mod:`optimizer.program.batches`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

import numpy as np

from optimizer.billing import Holding
from optimizer.demand import Scenarios
from optimizer.demand.representatives import Representatives, monthly_costs, representatives
from optimizer.errors import DataError, SolverError
from optimizer.planning.futures import Future, replay_futures
from optimizer.planning.hindsight import HINDSIGHT_SIZE, least_of_future
from optimizer.planning.part import Part
from optimizer.planning.uncertain import (
    Ground,
    PartProgram,
    Solved,
    columns_of,
    line_prices,
    measure_of,
    program_of,
    solve_part,
    solve_programs,
)
from optimizer.program.batches import BatchedBound
from optimizer.program.certificate import pool_prices
from optimizer.program.components import Component
from optimizer.program.engine import hours_apart
from optimizer.program.hours import HourOracle
from optimizer.program.later import node_odds
from optimizer.program.prices import zero_prices
from optimizer.program.problem import Flags, Floats, Problem
from optimizer.program.purchases import Column
from optimizer.program.risk import Measure
from optimizer.program.solve import Answer
from optimizer.program.stack import Stack
from optimizer.program.watch import Watch

# Lines × hours of the horizon of the futures that are in memory at a time.
BATCH_SIZE = 4_000_000
# Times the shared capacity at which hours are priced, beside the plan's own.
FACTORS = (0.9, 1.1)


@dataclass(frozen=True)
class Whole:
    """All futures of a plan that was made for some of them.

    Attributes
    ----------
    scenarios, measure
        All S futures, and what is minimised over them.
    chosen
        Which were planned for.
    costs, free
        (S,) dollars over whole terms, under the law and under free choice.
    bound
        No plan's measure over all futures is below it.
    futures
        Each with its bills; spot and unserved units only of those that were planned for.
    spot, unserved
        (L, T) units, means over all futures.
    hindsight
        (S,) dollars below which no plan for that future alone comes; ``None`` where that
        takes long.
    """

    scenarios: Scenarios
    measure: Measure
    chosen: Representatives
    costs: Floats
    free: Floats
    bound: float
    futures: tuple[Future, ...]
    spot: Floats
    unserved: Floats
    hindsight: Floats | None


@dataclass(frozen=True)
class Aggregated:
    """A plan for representatives, and all that it stands for.

    ``ground`` and ``solved`` are of the representatives alone.
    """

    ground: Ground
    solved: Solved
    programs: tuple[PartProgram, ...]
    components: tuple[Component, ...]
    columns: tuple[tuple[tuple[Column, ...], tuple[Column, ...]], ...]
    chosen: Representatives


def choose(ground: Ground) -> Representatives:
    """The futures that are planned for: medoids of monthly cost by line, within the leaves."""
    leaf = np.zeros(len(ground.scenarios), dtype=np.int64)
    for number, members in enumerate(ground.tree.leaves):
        leaf[list(members)] = number
    prices = line_prices(ground.catalogue, ground.scenarios)
    count = ground.case.settings.demand.planned
    costs = monthly_costs(ground.scenarios, prices)
    return representatives(costs, ground.scenarios.odds, leaf, count)


def of_some(ground: Ground, futures: Sequence[int], odds: Floats) -> Ground:
    """The ground of some futures, with odds that add up to 1, in the nodes that they have."""
    return replace(
        ground,
        scenarios=ground.scenarios.take(futures, odds),
        tree=ground.tree.take(futures),
        measure=measure_of(ground.case.settings, odds),
    )


def in_some(columns: Sequence[Column], futures: Sequence[int]) -> tuple[Column, ...]:
    """Columns of all futures as columns of some; of a node without any they are in force never."""
    place = {int(future): number for number, future in enumerate(futures)}
    return tuple(
        c
        if c.futures is None
        else replace(c, futures=tuple(sorted(place[s] for s in c.futures if s in place)))
        for c in columns
    )


def solve_representatives(
    ground: Ground, components: Sequence[Component], watch: Watch
) -> Aggregated:
    """Plan for the representatives of the ground's futures."""
    chosen = choose(ground)
    few = of_some(ground, chosen.chosen.tolist(), chosen.odds)
    columns = tuple(columns_of(ground, component) for component in components)
    programs = tuple(
        program_of(few, component, now, in_some(later, chosen.chosen.tolist()))
        for component, (now, later) in zip(components, columns, strict=True)
    )
    solved = solve_programs(few, programs, watch)
    return Aggregated(few, solved, programs, tuple(components), columns, chosen)


def replay_all(
    ground: Ground,
    plan: Aggregated,
    holdings: Sequence[Holding],
    bought: dict[str, Decimal],
    watch: Watch,
) -> Whole:
    """Replay every future, and bound the program of all of them.

    Raises
    ------
    DataError
        If in some future the purchases leave usage unserved that nothing else may serve.
    """
    odds, measure = ground.scenarios.odds, measure_of(ground.case.settings, ground.scenarios.odds)
    answers = [part.answer for part in plan.solved.parts]
    count = len(odds)
    costs, free = np.zeros(count), np.zeros(count)
    spot, unserved = (np.zeros_like(ground.scenarios.base.usage.quantity) for _ in range(2))
    kept = {int(future) for future in plan.chosen.chosen}
    futures: list[Future] = []
    bounds = _bounds(plan, odds, answers)
    layouts = [program.law.problem for program in plan.programs]
    size = sum(len(each.pools) * each.hours for each in layouts) * count / len(kept)
    least = np.zeros(count) if size <= HINDSIGHT_SIZE else None
    for batch in _batches(ground):
        watch.report(f"futures {batch[0] + 1} to {batch[-1] + 1} of {count}")
        parts = []
        for number, answer in enumerate(answers):
            program = _program(ground, plan, number, batch, odds)
            law, amounts = program.law, answer.quantity
            shared, served = _priced(law.stack, law.problem, answer, plan, number, batch)
            bounds[number].add(law.problem, shared, float(odds[batch].sum()))
            prices = replace(zero_prices(law.problem), shared=shared[0])
            law.prefer_spot(pool_prices(law.problem, prices, amounts)[law.keeper.pool_of])
            law.choose_spot(prices.shared)
            outcome = law.outcome(amounts)
            _refuse_unserved(ground, outcome.hourly, law.stack.future, batch)
            chosen = outcome.hourly
            if hours_apart(law.problem):
                chosen = np.minimum(chosen, served)
            costs[batch] += law.by_future(outcome, amounts, program.columns)
            free[batch] += law.by_future(replace(outcome, hourly=chosen), amounts, program.columns)
            costs[batch] += law.window.held_cost
            free[batch] += law.window.held_cost
            parts.append(
                Part(
                    program.component,
                    law.window,
                    law.problem,
                    law,
                    replace(answer, outcome=outcome),
                    program.limits,
                    renewals=program.later,
                    stack=law.stack,
                )
            )
        if least is not None:
            method = ground.case.settings.solve.method
            for local, at in enumerate(batch):
                least[at] += sum(least_of_future(part, local, method) for part in parts)
        some = ground.scenarios.take(batch, odds[batch] / odds[batch].sum())
        for future, at in zip(
            replay_futures(ground.case, ground.catalogue, some, holdings, parts, bought),
            batch,
            strict=True,
        ):
            spot += odds[at] * future.spot
            unserved += odds[at] * future.unserved
            whole = replace(future, odds=float(odds[at]))
            if at not in kept:
                whole = replace(whole, spot=_NONE, unserved=_NONE)
            futures.append(whole)
    constant = sum(part.window.held_cost for part in plan.solved.parts)
    bound = sum(each.bound() for each in bounds) + constant
    if measure.weight:
        bound = max(bound, _tail_bound(ground, plan, measure, costs, watch) + constant)
    value = measure.of(free)
    if bound > value + 1e-7 * abs(value):
        # A bound above a plan disproves the bound: nothing could be said about the plan.
        msg = (
            f"the lower bound of all futures, {bound!r}, is above what this plan costs, {value!r}. "
            "To mend it: report the case"
        )
        raise SolverError(msg)
    return Whole(
        ground.scenarios,
        measure,
        plan.chosen,
        costs,
        free,
        bound,
        tuple(futures),
        spot,
        unserved,
        least,
    )


_NONE = np.zeros((0, 0))


def _tail_bound(
    ground: Ground, plan: Aggregated, measure: Measure, costs: Floats, watch: Watch
) -> float:
    """The bound at the odds under which this plan costs most: of any plan's measure, too.

    The representatives are solved with the odds of what they stand for, for their prices.
    """
    odds = measure.weighed(measure.tail(costs))
    few = np.zeros(len(plan.chosen.chosen))
    np.add.at(few, plan.chosen.stands, odds)
    answers = [solve_part(plan.ground, program, few, [], watch) for program in plan.programs]
    bounds = _bounds(plan, odds, answers)
    for batch in _batches(ground):
        watch.report(f"odds of the tail, futures {batch[0] + 1} to {batch[-1] + 1}")
        for number, answer in enumerate(answers):
            law = _program(ground, plan, number, batch, odds).law
            shared, _ = _priced(law.stack, law.problem, answer, plan, number, batch)
            bounds[number].add(law.problem, shared, float(odds[batch].sum()))
    return sum(each.bound() for each in bounds)


def _batches(ground: Ground) -> Iterator[list[int]]:
    lines, hours = ground.scenarios.base.usage.quantity.shape
    size = max(1, BATCH_SIZE // max(1, lines * hours))
    for first in range(0, len(ground.scenarios), size):
        yield list(range(first, min(first + size, len(ground.scenarios))))


def _program(
    ground: Ground, plan: Aggregated, number: int, batch: list[int], odds: Floats
) -> PartProgram:
    """The program of a part over a batch, with the columns of all futures."""
    now, later = plan.columns[number]
    some = of_some(ground, batch, odds[batch] / odds[batch].sum())
    return program_of(
        some,
        plan.components[number],
        now,
        in_some(later, batch),
        _unit_costs(plan.programs[number]),
    )


def _unit_costs(program: PartProgram) -> Floats:
    """(K,) what a unit of each column costs where it is bought."""
    chance = node_odds(program.columns, program.law.stack.odds)
    return np.asarray(program.law.problem.cost / chance)


def _bounds(plan: Aggregated, odds: Floats, answers: Sequence[Answer]) -> list[BatchedBound]:
    found = []
    for number, (program, answer) in enumerate(zip(plan.programs, answers, strict=True)):
        layout = program.law.problem
        now, later = plan.columns[number]
        every = (*now, *later)
        usage = plan.components[number].demand.usage
        peak = np.zeros(len(layout.pools))
        np.add.at(peak, program.law.keeper.pool_of, usage.quantity.max(axis=1))
        count = 1
        if len(layout.structure.shared):
            count = 3 + (len(FACTORS) if _scaled(layout, answer.quantity) is not None else 0)
        cost = _unit_costs(program) * node_odds(every, odds)
        found.append(BatchedBound(layout, cost, answer.prices, peak, count))
    return found


def _scaled(problem: Problem, amounts: Floats) -> Flags | None:
    """(K,) whether a column feeds a shared source; ``None`` if none of these is bought."""
    shared = np.isin(problem.member_source, problem.structure.shared)
    feeds = np.isin(np.arange(len(amounts)), problem.member_column[shared])
    return feeds if amounts[feeds].any() else None


def _priced(
    stack: Stack,
    problem: Problem,
    answer: Answer,
    plan: Aggregated,
    number: int,
    batch: Sequence[int],
) -> tuple[list[Floats], Floats]:
    """Prices of a batch's hours, those at the plan's amounts first; and what its hours cost.

    Beside them those of the representatives' hours, with more and with less shared capacity,
    and prices of nothing.
    """
    program, amounts = plan.programs[number], answer.quantity
    guess = np.zeros((len(problem.structure.shared), problem.hours))
    for at, future in enumerate(batch):
        there = program.law.stack.calendar[plan.chosen.stands[future]]
        here = stack.calendar[at]
        hours = np.bincount(here, stack.lasting, minlength=problem.hours)
        mine = hours > 0
        for row, known in zip(guess, answer.prices.shared, strict=True):
            # Hours of the future that are one have the mean price of the other's.
            dollars = np.bincount(here, stack.lasting * known[there], minlength=problem.hours)
            row[mine] = dollars[mine] / hours[mine]
    oracle = HourOracle(problem)
    first = oracle.run(amounts, guess)
    at_plan = np.where(np.isfinite(first.prices), first.prices, guess)
    again = oracle.run(amounts, at_plan)
    cost = np.minimum(first.cost, again.cost)
    prices = [np.where(np.isfinite(again.prices), again.prices, guess)]
    if not len(guess):
        return prices, cost
    feeds = _scaled(program.law.problem, amounts)
    if feeds is not None:
        for factor in FACTORS:
            other = oracle.run(np.where(feeds, amounts * factor, amounts), at_plan).prices
            prices.append(np.where(np.isfinite(other), other, guess))
    return [*prices, guess, np.zeros_like(guess)], cost


def _refuse_unserved(
    ground: Ground, hourly: Floats, future: np.ndarray, batch: Sequence[int]
) -> None:
    broken = np.flatnonzero(~np.isfinite(hourly))
    if not len(broken):
        return
    name = ground.scenarios.names[batch[int(future[broken[0]])]]
    planned = ground.case.settings.demand.planned
    raise DataError(
        f"what is bought for {planned} of the {len(ground.scenarios)} futures leaves usage "
        f"unserved in the future {name!r} that has no penalty: its meter has no on-demand price, "
        "or a limit keeps it from it",
        mend="fill on_demand of the meter or unmet_penalty of the usage, or raise planned in "
        "[demand]",
        file="case.toml",
        column="demand.planned",
    )
