# SPDX-License-Identifier: Apache-2.0
"""What a plan for several futures says of them: ranges, regret, what pays back, lock-in."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import numpy as np

from optimizer.billing import Holding, make_bill
from optimizer.billing.bill import PLACES, exact
from optimizer.billing.cost import amortised_cost
from optimizer.errors import MissingPrice
from optimizer.planning.futures import Future, exact_odds, price_factor_of
from optimizer.planning.hindsight import HINDSIGHT_SIZE, least_of_future
from optimizer.planning.plan import Plan
from optimizer.planning.replayed import planned_holdings
from optimizer.planning.sampled import sampled
from optimizer.planning.sensitivity import FACTORS, Sensitivity
from optimizer.planning.uncertain_plan import UncertainPlan
from optimizer.program.later import without_later
from optimizer.program.problem import Floats
from optimizer.program.risk import quantile
from optimizer.program.watch import Watch
from optimizer.program.ways import pick, run_way
from optimizer.tables import format_hour

_SHARES = {"p10": 0.1, "p50": 0.5, "p90": 0.9}
_MOST_MONTHS = 61


def outlook(plan: UncertainPlan) -> dict[str, Any]:
    """The keys of the plan document that only a plan for several futures has."""
    totals = [future.total for future in plan.futures]
    measure = plan.measure
    odds = measure.odds
    values = np.array([float(total) for total in totals])
    exactly = {float(total): total for total in totals}
    tail = measure.tail(values)
    document: dict[str, Any] = {"expected": plan.total}
    document |= {name: exactly[quantile(values, odds, s)] for name, s in _SHARES.items()}
    document["cvar"] = sum(
        (exact(w) * total for w, total in zip(tail, totals, strict=True)), Decimal(0)
    ).quantize(PLACES)
    document["risk"] = {
        "measure": plan.case.settings.risk.measure,
        "cvar_alpha": measure.alpha,
        "cvar_weight": measure.weight,
        "expected_objective": exact(measure.expected(plan.costs) + plan.idle_cost),
        "cvar_objective": exact(measure.cvar(plan.costs) + plan.idle_cost),
        "rounds": plan.solved.rounds,
    }
    least = hindsight(plan)
    document["scenarios"] = [
        _scenario(plan, future, number, None if least is None else float(least[number]))
        for number, future in enumerate(plan.futures)
    ]
    if plan.whole is not None:
        document["aggregation"] = {
            "futures": len(plan.futures),
            "planned": len(plan.scenarios),
            "gap": plan.gap_solver,
            "gap_planned": plan.gap_planned,
            "mean_off": _mean_off(plan),
        }
    document["lock_in"] = lock_in(plan)
    return document


def _mean_off(plan: UncertainPlan) -> float:
    """The mean bill of the futures that were planned for, over that of all, less 1."""
    few = sum(future.odds * float(future.total) for future in plan.planned_futures)
    every = float(plan.total)
    return few / every - 1.0 if every else 0.0


def _scenario(
    plan: UncertainPlan, future: Future, number: int, least: float | None
) -> dict[str, Any]:
    cost = float(plan.costs[number])
    row: dict[str, Any] = {"scenario": future.name, "odds": future.odds}
    if future.baseline is not None:
        row["baseline"] = future.baseline.total
    row |= {"total": future.total, "objective": exact(cost)}
    if least is not None:
        row |= {"hindsight": exact(min(least, cost)), "regret": exact(max(0.0, cost - least))}
    return row


def hindsight(plan: UncertainPlan) -> Floats | None:
    """(S,) dollars over whole terms below which no plan for that future alone comes.

    So the regret of a plan is at most its cost less this.  ``None`` where that takes long.
    """
    if plan.whole is not None:
        return plan.whole.hindsight
    if sum(len(part.problem.pools) * part.problem.hours for part in plan.parts) > HINDSIGHT_SIZE:
        return None
    method = plan.case.settings.solve.method
    futures = range(len(plan.futures))
    return np.array(
        [sum(least_of_future(part, number, method) for part in plan.parts) for number in futures]
    )


def worth_of_waiting(plan: UncertainPlan) -> Decimal:
    """What buying later is worth at least, in dollars over whole terms, on average.

    No plan that buys only now costs less than the certificate of the same program without
    later purchases; what the plan costs less than that is the worth of its ladder.
    """
    bound = 0.0
    for part in plan.parts:
        problem = without_later(part.problem, part.every_column)
        way, why = pick(problem, plan.case.settings.solve.method)
        gap, held = plan.case.settings.solve.gap, part.window.held_cost
        found = run_way(problem, way, why, gap=gap, constant=held, start=None, watch=Watch())
        bound += found.bounded.bound + held
    odds = plan.scenarios.odds
    return max(Decimal(0), exact(bound - float(odds @ plan.solved.costs)))


def pays_back(plan: UncertainPlan) -> dict[str, float]:
    """The chance that each purchase of now costs less than doing without it.

    Over its whole term, by the law, with all else as planned.  Members of a bundle share it.
    """
    chances = {}
    for part in sampled(plan).parts:
        law, columns = part.law, part.every_column
        by_future = getattr(law, "by_future", None)
        if by_future is None or part.stack is None:
            continue
        now = by_future(part.answer.outcome, part.answer.quantity, columns)
        for index, column in enumerate(part.columns):
            if not part.answer.quantity[index]:
                continue
            without = part.answer.quantity.copy()
            without[index] = 0.0
            then = by_future(law.outcome(without), without, columns)
            chance = float(part.stack.odds[then > now].sum())
            for offer, _ in column.members:
                chances[offer.name] = chance
    return chances


def lock_in(plan: Plan) -> list[dict[str, Any]]:
    """Amortised cost of the terms to run at the start of each month: held, and bought now."""
    whole = [*plan.holdings, *planned_holdings(plan.case, plan.catalogue, plan.bought)]
    rows = []
    hour = plan.case.settings.as_of
    for _ in range(_MOST_MONTHS):
        held, bought = (
            sum(
                (amortised_cost(h, max(hour, h.start), h.end) for h in whole if _new(h) is new),
                Decimal(0),
            ).quantize(PLACES)
            for new in (False, True)
        )
        rows.append({"month": format_hour(hour), "held": held, "bought": bought})
        if not held + bought:
            break
        hour = next_month(hour)
    return rows


def _new(holding: Holding) -> bool:
    return holding.state == "planned"


def next_month(hour: int) -> int:
    """The first hour of the next calendar month."""
    moment = datetime.fromtimestamp(hour * 3600, UTC)
    year, month = moment.year + moment.month // 12, moment.month % 12 + 1
    return int(datetime(year, month, 1, tzinfo=UTC).timestamp()) // 3600


def sensitivity_of_futures(plan: UncertainPlan) -> list[Sensitivity]:
    """The mean bill if in every future all usage is so many times what it is there.

    The purchases stay as planned, later ones too.  Empty where a price is missing.
    """
    case, catalogue = plan.case, plan.catalogue
    bought = planned_holdings(case, catalogue, plan.bought)
    odds = exact_odds(plan.scenarios.odds)
    rows = []
    for factor in FACTORS:
        scale, baseline, total = float(factor), Decimal(0), Decimal(0)
        for number, (future, share) in enumerate(zip(plan.planned_futures, odds, strict=True)):
            usage = plan.scenarios.demand(number).usage
            price = price_factor_of(plan.scenarios, number)
            today = replace(
                usage,
                quantity=usage.quantity * scale,
                spot=usage.spot * scale,
                spot_taken=usage.spot_taken * scale,
            )
            ahead = replace(
                usage,
                quantity=np.maximum(usage.quantity - future.unserved, 0.0) * scale,
                spot=future.spot * scale,
                spot_taken=np.zeros_like(future.spot),
            )
            held = [*plan.holdings, *future.later, *bought]
            try:
                baseline += share * make_bill(case, catalogue, today, plan.holdings, price).total
                total += share * make_bill(case, catalogue, ahead, held, price).total
            except MissingPrice:
                return []
        rows.append(Sensitivity(factor, baseline.quantize(PLACES), total.quantize(PLACES)))
    return rows
