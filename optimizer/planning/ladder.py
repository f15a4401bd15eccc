# SPDX-License-Identifier: Apache-2.0
"""The ladder: a calendar of what to buy, what ends, and what would change the advice.

Now is advice; later steps are what the program would do in each information node, so that
their amounts are ranges, and their triggers what is observed until then.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from optimizer.billing import Holding, Offer
from optimizer.billing.release import hours_in_force
from optimizer.planning.plan import Plan
from optimizer.planning.released import release_rows
from optimizer.planning.renewed import renewal_rows
from optimizer.planning.replayed import amounts_of, planned_holdings
from optimizer.planning.uncertain_plan import UncertainPlan
from optimizer.program.later import MONTH
from optimizer.tables import format_hour

# Months of the calendar.
MONTHS = 12
# Share by which levels must differ to be told apart.
APART = 1e-3
_ORDER = {
    "end": 0, "start": 1, "cancel": 2, "buy": 3, "buy_later": 4, "renew": 5,
    "release": 6, "may_release": 7,
}  # fmt: skip


def ladder_rows(plan: Plan) -> list[dict[str, Any]]:
    """The calendar of the next twelve months, in the order of its dates.

    ``action`` is ``buy`` (now), ``buy_later`` (in some or all futures), ``end`` (a commitment
    that is held expires), ``start`` (one that is queued begins), ``cancel`` (the last hour in
    which one may be cancelled), ``renew`` (a plan for one future counts on buying it then),
    ``release`` (what is bought now is given back then) or ``may_release`` (the hour from which
    a commitment that is held may be given back).
    """
    later = _later(plan) if isinstance(plan, UncertainPlan) else _renewals(plan)
    until = plan.case.settings.as_of + MONTHS * MONTH
    rows = [*_now(plan), *later, *_held(plan), *release_rows(plan, until)]
    return sorted(rows, key=lambda row: (row["date"], _ORDER[row["action"]], row["name"]))


def _now(plan: Plan) -> list[dict[str, Any]]:
    as_of = plan.case.settings.as_of
    steps = plan.ground.tree.hours if isinstance(plan, UncertainPlan) else (0,)
    rows = []
    for holding in planned_holdings(plan.case, plan.catalogue, plan.bought):
        offer = holding.offer
        # Behind the next step it is another decision; some offers close before.
        latest = as_of + steps[1] if len(steps) > 1 else None
        for limit in (offer.available_until, offer.starts):
            if limit is not None:
                latest = limit if latest is None else min(latest, limit)
        amount = float(holding.quantity)
        rows.append(
            _purchase(plan, holding, "buy", as_of)
            | {
                "low": amount,
                "expected": amount,
                "high": amount,
                "odds": 1.0,
                "latest": None if latest is None else format_hour(latest),
                "trigger": None,
            }
        )
    return rows


def _renewals(plan: Plan) -> list[dict[str, Any]]:
    """What the plan counts on buying again behind a horizon that is shorter than the calendar."""
    until = format_hour(plan.case.settings.as_of + MONTHS * MONTH)
    return [
        {
            "date": row["start"],
            "action": "renew",
            "name": row["offer"],
            "offer": row["offer"],
            "measure": row["measure"],
            "quantity": row["quantity"],
        }
        for row in renewal_rows(plan)
        if row["start"] < until
    ]


@dataclass
class _Later:
    """One offer at one step: its amount in every future."""

    holding: Holding
    decided: int
    amounts: list[float]


def _later(plan: UncertainPlan) -> list[dict[str, Any]]:
    settings, odds = plan.case.settings, plan.scenarios.odds
    until = settings.as_of + MONTHS * MONTH
    found: dict[tuple[int, str], _Later] = {}
    for part in plan.parts:
        amounts = part.answer.quantity[len(part.columns) :]
        for column, amount in zip(part.renewals, amounts, strict=True):
            if column.decided is None or column.decided >= until or not amount:
                continue
            exactly = amounts_of([column], np.array([amount]))
            for offer, _ in column.members:
                if offer.name not in exactly:
                    continue
                held = column.holding(offer, exactly[offer.name], settings.as_of)
                key = column.decided, offer.name
                row = found.setdefault(key, _Later(held, column.decided, [0.0] * len(odds)))
                for future in column.futures or range(len(odds)):
                    row.amounts[future] = float(exactly[offer.name])
    rows = []
    hours = [settings.as_of + hour for hour in plan.ground.tree.hours]
    for (decided, _), later in sorted(found.items()):
        amount = np.array(later.amounts)
        step = hours.index(decided)
        latest = hours[step + 1] if step + 1 < len(hours) else None
        if later.holding.offer.available_until is not None:
            closes = later.holding.offer.available_until
            latest = closes if latest is None else min(latest, closes)
        rows.append(
            _purchase(plan, later.holding, "buy_later", decided)
            | {
                "low": float(amount.min()),
                "expected": float(odds @ amount),
                "high": float(amount.max()),
                "odds": 1.0 if amount.all() else float(odds[amount > 0].sum()),
                "latest": None if latest is None else format_hour(latest),
                "trigger": trigger(plan, later.holding.offer, step, amount),
            }
        )
    return rows


def trigger(
    plan: UncertainPlan, offer: Offer, step: int, amount: Sequence[float] | np.ndarray
) -> dict[str, Any] | None:
    """What is observed between the last step and this one where the offer is bought.

    The level is the mean of what it could cover, in its measure per hour.  ``None`` if it is
    bought in every future.  Where no level tells the nodes apart, ``above`` and ``below`` are
    absent: the path decides, in other lines or earlier.
    """
    bought = np.asarray(amount) > 0
    if bought.all():
        return None
    low, high = plan.ground.tree.hours[step - 1], plan.ground.tree.hours[step]
    draws = plan.catalogue.draws[offer.name]
    usage = plan.scenarios.base.usage
    level = np.zeros(len(bought))
    for line, meter in enumerate(usage.meter):
        if meter in draws:
            mean = plan.scenarios.quantity[:, line, low:high].mean(axis=1)
            level += float(draws[meter]) * mean
    # Nodes, not futures, are what can be told apart.
    nodes = plan.ground.tree.nodes(step)
    odds = plan.scenarios.odds
    means = [float(np.average(level[list(node)], weights=odds[list(node)])) for node in nodes]
    buys = [m for m, node in zip(means, nodes, strict=True) if bought[node[0]]]
    waits = [m for m, node in zip(means, nodes, strict=True) if not bought[node[0]]]
    row: dict[str, Any] = {
        "measure": offer.measure,
        "meters": sorted(draws),
        "from": format_hour(plan.case.settings.as_of + low),
        "until": format_hour(plan.case.settings.as_of + high),
        "where_bought": [min(buys), max(buys)],
        "where_not": [min(waits), max(waits)],
    }
    apart = APART * max(*buys, *waits)
    if min(buys) > max(waits) + apart:
        row["above"] = (min(buys) + max(waits)) / 2
    elif max(buys) < min(waits) - apart:
        row["below"] = (max(buys) + min(waits)) / 2
    return row


def _purchase(plan: Plan, holding: Holding, action: str, hour: int) -> dict[str, Any]:
    offer = holding.offer
    end = plan.case.settings.as_of + plan.case.settings.horizon_hours
    start = offer.starts if offer.starts is not None else hour
    return {
        "date": format_hour(hour),
        "action": action,
        "name": offer.name,
        "offer": offer.name,
        "bundle": offer.bundle or None,
        "measure": offer.measure,
        "payment": offer.payment or None,
        "term_hours": hours_in_force(offer),
        "beyond_horizon": max(0, start + hours_in_force(offer) - end),
        "upfront": offer.upfront,
        "hourly": offer.hourly,
        "monthly": offer.monthly,
        **({"premium": offer.premium} if offer.premium else {}),
    }


def _held(plan: Plan) -> list[dict[str, Any]]:
    as_of = plan.case.settings.as_of
    until = as_of + MONTHS * MONTH
    cancels = cancel_hours(plan)
    rows = []
    for holding in plan.holdings:
        moments = [("end", holding.end), ("start", holding.start)]
        if holding.name in cancels:
            moments.append(("cancel", cancels[holding.name]))
        for action, hour in moments:
            if as_of < hour < until and hour <= holding.end:
                rows.append(
                    {
                        "date": format_hour(hour),
                        "action": action,
                        "name": holding.name,
                        "offer": holding.offer.name,
                        "measure": holding.offer.measure,
                        "quantity": float(holding.quantity),
                    }
                )
    return rows


def cancel_hours(plan: Plan) -> dict[str, int]:
    """By commitment the last hour in which it may be cancelled, where the case states it."""
    if not plan.case.has("commitments"):
        return {}
    frame = plan.case.table("commitments")
    return {
        name: int(hour)
        for name, hour in zip(frame["commitment"], frame["cancel_until"], strict=True)
        if hour is not None and hour == hour  # noqa: PLR0124  # absent hours may be NaN
    }
