# SPDX-License-Identifier: Apache-2.0
"""Random cases over all families: every way agrees with trying everything, bounds bound."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import fields
from decimal import Decimal
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from optimizer.billing.laws import LAWS
from optimizer.planning import Plan
from optimizer.planning.moving import Segments
from optimizer.planning.replayed import amounts_of, planned_holdings, replay_plan
from optimizer.planning.shortfall import shortfalls
from optimizer.program.moves import Placement

from ..seeds import Seeds
from .agreeing import Examined, Part, examine
from .families import draw_case
from .folders import case_of

SEEDS = Seeds(304, 120)
FAMILIES = {
    *("offers.minimum", "offers.maximum", "step", "offers.bundle", "offers.upfront"),
    *("offers.starts", "offers.guarantees_capacity", "long term", "tail", "prorata"),
    *("active", "queued", "expires", "discount_rate", "no price", "unmet", "availability"),
    *("meters.on_demand_limit", "meters.spot_limit", "limits", "agreements"),
    *("meters.spot", "interruption", "meters.sustained_use"),
    *("limits.upfront_cash", "limits.largest_purchase", "limits.spot_share"),
    *("limits.max_unused_share", "sharing.prioritized", "sharing.restricted", "sharing.off"),
    *("substitutes", "substitutes.switching_cost", "substitutes.egress_per_unit"),
    *("substitutes.available_from", "jobs", "jobs.preemptible", "jobs.restart_hours"),
    "jobs.delay_cost_per_hour",
}
# Fewest programs, of all seeds, that each way speaks of.  What moves is refused by the ways that
# do not know it, and has its own; within limits the engine only bounds (``hours_apart``).
WAYS = {
    "reference": 180,
    "mathopt gscip": 85,
    "mathopt highs": 85,
    "arrays": 180,
    "engine": 115,
    "engine, limits": 55,
    "planning": 310,
    "moving reference": 180,
    "moving mathopt": 180,
    "moving arrays": 170,
}


@pytest.mark.parametrize("seed", range(0, SEEDS.full, 41))
def test_a_case_in_memory_is_what_its_folder_says(seed: int, tmp_path: Path) -> None:
    case = draw_case(seed)
    read = case_of(tmp_path / "case", case.settings.horizon_hours, case.toml, **case.rows)
    assert read.settings == case.settings
    for name in case.rows:
        assert read.has(name)
        if name != "usage":
            pd.testing.assert_frame_equal(read.table(name), case.table(name))
    ours, theirs = case.usage_lines(), read.usage_lines()
    for field in fields(theirs):
        assert np.array_equal(getattr(ours, field.name), getattr(theirs, field.name)), field.name


@pytest.mark.parametrize("seed", SEEDS)
def test_all_ways_agree_with_trying_everything(seed: int) -> None:
    for part in examine(seed).parts:
        best = part.best
        near = {"rel": 1e-6, "abs": 1e-6}
        for way, told in part.told.items():
            if told.exact:
                assert told.objective == pytest.approx(best, **near), way
                assert told.bound == pytest.approx(best, **near), way
            if math.isinf(best):
                continue
            assert told.bound <= best + 1e-7 * (1 + abs(best)), way
            # What a way says it may have lost is no less than what it lost.
            if not math.isnan(told.objective):
                assert told.objective >= best - 1e-6 * (1 + abs(best)), way
                lost, stated = told.objective - best, told.objective - told.bound
                assert lost <= stated + 1e-7 * (1 + abs(best)), way


@pytest.mark.parametrize("seed", SEEDS)
def test_no_plan_is_below_a_bound(seed: int) -> None:
    for part in examine(seed).parts:
        if math.isinf(part.best):
            continue
        bound = max(told.bound for told in part.told.values())
        near = 1e-6 * (1 + abs(part.best))
        for plan in part.tried:
            assert plan.free >= max(bound, part.best) - near, plan.name
            assert plan.law >= plan.free - near, plan.name


@pytest.mark.parametrize("seed", SEEDS)
def test_the_bill_of_a_plan_is_what_the_program_says(seed: int) -> None:
    examined = examine(seed)
    plan = examined.plan
    if plan is None:
        assert refused_for_good(examined)
        return
    constant = sum(part.window.held_cost for part in plan.parts) + plan.idle_cost
    near = 1e-6 * (1 + abs(float(plan.objective)))
    best = sum(part.best for part in examined.parts)
    assert float(plan.lower_bound) - constant <= best + near
    assert float(plan.objective) - constant >= best - near
    assert plan.objective >= plan.lower_bound
    assert all(check.ok for part in plan.parts for check in part.answer.checks)
    if billed_alike(examined):
        said = sum(part.answer.objective for part in plan.parts) + constant
        assert float(plan.objective) == pytest.approx(said, rel=1e-6, abs=1e-5)
    for amounts, said in tried_together(examined):
        assert billed(plan, amounts) == pytest.approx(said + constant, rel=1e-6, abs=1e-5)
        assert said + constant >= float(plan.lower_bound) - near


@pytest.mark.parametrize("seed", SEEDS)
def test_a_plan_keeps_what_the_tables_say(seed: int) -> None:
    """Quotas, steps, ranges and cash, from the rows of the case and the plan's usage alone."""
    case, plan = draw_case(seed), examine(seed).plan
    if plan is None:
        return
    running, market = plan.demand.usage.quantity - plan.unserved, np.zeros_like(plan.spot)
    for part in plan.parts:
        secured = part.answer.outcome.secured[:, part.window.position]
        market[part.component.lines] = -secured
    market += running - plan.spot
    for meter in case.rows["meters"]:
        mine = [line for line, name in enumerate(plan.demand.usage.meter) if name == meter["meter"]]
        for units, key in ((market, "on_demand_limit"), (plan.spot, "spot_limit")):
            assert units[mine].sum(axis=0).max(initial=0) <= meter.get(key, math.inf) + 1e-6, key
    load, most = np.zeros(running.shape[1]), math.inf
    for quota in case.rows.get("limits", []):
        mine = [line for line, name in enumerate(plan.demand.usage.meter) if name == quota["meter"]]
        since, most = int("hour_from" in quota), quota["maximum"]
        load[since:] += quota["weight"] * running[mine].sum(axis=0)[since:]
    assert load.max(initial=0) <= most + 1e-6
    cash = whole = Decimal(0)
    for offer in case.rows["offers"]:
        amount = plan.bought.get(offer["offer"], Decimal(0))
        upfront = amount * Decimal(offer.get("upfront") or 0)
        cash += upfront
        whole = max(whole, upfront + amount * offer["term_hours"] * Decimal(offer["hourly"]))
        if amount:
            assert amount % Decimal(offer.get("step") or "0.001") == 0
            assert Decimal(offer.get("minimum") or 0) <= amount
            assert amount <= Decimal(offer.get("maximum") or "Infinity")
    limits = case.settings.limits
    assert limits.upfront_cash is None or cash <= limits.upfront_cash
    assert limits.largest_purchase is None or whole <= limits.largest_purchase


def refused_for_good(examined: Examined) -> bool:
    """Whether trying everything finds no plan, or the law spoils what it finds, as is said."""
    said = str(examined.refusal)
    spoilt = "order of applying discounts" in said or "for each placement of the work" in said
    return spoilt or any(math.isinf(part.best) for part in examined.parts)


def billed_alike(examined: Examined) -> bool:
    """Whether the objective is the bill: no tail, discount, rework, or sustained use."""
    plan = examined.plan
    apart = {"discount_rate", "interruption", "meters.sustained_use"} & examined.families
    return plan is not None and not apart and not plan.tail_hours


def tried_together(examined: Examined) -> list[tuple[list[np.ndarray], float]]:
    """Amounts of all parts of a case where nothing moves, with their law's objectives."""
    if not billed_alike(examined) or any(part.moving for part in examined.parts):
        return []
    count = min((len(part.tried) for part in examined.parts), default=0)
    together = [[part.tried[-1 - n] for part in examined.parts] for n in range(count)]
    return [
        (
            [plan.amounts for plan in plans],
            sum(
                whole(part, plan.amounts) for part, plan in zip(examined.parts, plans, strict=True)
            ),
        )
        for plans in together
        if all(math.isfinite(plan.law) for plan in plans)
    ]


def whole(part: Part, amounts: np.ndarray) -> float:
    return part.law_of(Placement((), ())).outcome(amounts).objective


def billed(plan: Plan, amounts: list[np.ndarray]) -> float:
    """The bill in decimals, the penalties and the shortfalls of amounts of every part."""
    usage = plan.demand.usage
    spot, unserved = (np.zeros_like(usage.quantity) for _ in range(2))
    bought = {}
    for part, quantity in zip(plan.parts, amounts, strict=True):
        outcome = part.law.outcome(quantity)
        spot[part.component.lines] = outcome.spot[:, part.window.position]
        unserved[part.component.lines] = outcome.unmet[:, part.window.position]
        bought |= amounts_of(part.columns, quantity)
    bill, _, unmet, on_demand = replay_plan(
        plan.case, plan.catalogue, usage, plan.holdings, bought, spot, unserved, Segments([], spot)
    )
    held = [*plan.holdings, *planned_holdings(plan.case, plan.catalogue, bought)]
    rows = shortfalls(plan.limits.agreements, plan.catalogue, bill, held, on_demand, spot)
    return float(bill.total + unmet + sum(row.cost for row in rows))


def test_every_family_and_every_way_is_there() -> None:
    """Each law and each family in some cases, each way in many: nothing agrees for nothing."""
    families: Counter[str] = Counter()
    ways: Counter[str] = Counter()
    plans = bought = bills = tried = moved = impossible = spoilt = 0
    for seed in SEEDS:
        examined = examine(seed)
        families.update(examined.families)
        for part in examined.parts:
            ways.update(list(part.told))
            tried += sum(math.isfinite(plan.law) for plan in part.tried)
        impossible += any(math.isinf(part.best) for part in examined.parts)
        bills += len(tried_together(examined))
        if examined.plan is None:
            spoilt += all(math.isfinite(part.best) for part in examined.parts)
            continue
        plans += 1
        bought += bool(examined.plan.bought)
        moved += any(
            share.any()
            for part in examined.plan.parts
            if part.moved is not None
            for share in part.moved.placement.shares
        )
    assert set(LAWS) | FAMILIES <= set(families)
    assert min(families[name] for name in set(LAWS) | FAMILIES) >= SEEDS.share(15)
    assert set(ways) == set(WAYS)
    few = {way for way, count in ways.items() if count < SEEDS.share(WAYS[way])}
    assert few == set()
    # Most have a plan that buys, many of their plans are billed, few go wrong under the law.
    assert plans >= SEEDS.share(250)
    assert bought >= SEEDS.share(190)
    assert moved >= SEEDS.share(30)
    assert SEEDS.share(15) <= impossible <= SEEDS.share(50)
    assert spoilt <= SEEDS.share(5)
    assert bills >= SEEDS.share(200)
    assert tried >= SEEDS.share(1700)
