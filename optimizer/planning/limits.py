# SPDX-License-Identifier: Apache-2.0
"""The limits of a case under a plan: how much of each is used, and what one more is worth."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import numpy as np

from optimizer.billing.bill import exact
from optimizer.planning.part import Part
from optimizer.planning.plan import Plan
from optimizer.program.linking import rate_of
from optimizer.program.problem import Counts
from optimizer.program.purchases import planned

DOLLARS = "$ per $"
UNITS = "$ per unit over the horizon"


def row_and_name(name: str) -> tuple[str, str | None]:
    """A row's family and what it is of: ``coverage.limit[gpus]`` is of ``gpus``."""
    family, _, rest = name.partition("[")
    return family, rest.removesuffix("]") or None


def limits_of(plan: Plan) -> list[dict[str, Any]]:
    """Each limit with what is used of it, its maximum, and the price of one more.

    ``used`` of an hourly limit is its largest hour.  ``price`` is the certificate's.
    """
    return [row for part in plan.parts for row in (*_hourly(part), *_linked(plan, part))]


def shadow_prices(plan: Plan) -> list[dict[str, Any]]:
    """Prices above zero of limits and linking rows."""
    rows = []
    for part in plan.parts:
        prices, problem = part.answer.prices, part.problem
        worth = prices.limits @ problem.weight if problem.limits.names else ()
        for name, value, unit in (
            *((n, v, UNITS) for n, v in zip(problem.limits.names, worth, strict=True)),
            *((n, v, DOLLARS) for n, v in zip(problem.links.names, prices.links, strict=True)),
        ):
            if value > 0:
                family, of = row_and_name(name)
                rows.append({"row": family, "name": of, "value": exact(value), "unit": unit})
    return rows


def _hourly(part: Part) -> list[dict[str, Any]]:
    problem, outcome, rows = part.problem, part.answer.outcome, []
    quantity, limits = part.window.lines.quantity, problem.limits
    running = quantity - outcome.unmet
    units = {
        Counts.MARKET: np.maximum(running - outcome.spot - outcome.secured, 0.0),
        Counts.SPOT: outcome.spot,
        Counts.RUNNING: running,
    }
    for limit, name in enumerate(limits.names):
        mine = np.flatnonzero(limits.entry_limit == limit)
        most = limits.most[limit][problem.period]
        load = np.zeros(problem.hours)
        for entry in mine:
            lines = part.law.keeper.pool_of == limits.entry_pool[entry]
            kind = Counts(int(limits.entry_counts[entry]))
            load += limits.entry_weight[entry] * units[kind][lines].sum(axis=0)
        inside = np.isfinite(most)
        family, of = row_and_name(name)
        price = float(part.answer.prices.limits[limit] @ problem.weight)
        rows.append(
            {
                "row": family,
                "name": of,
                "used": float(load[inside].max(initial=0.0)),
                "maximum": float(most[inside].max(initial=0.0)),
                "price": exact(price),
                "unit": UNITS,
            }
        )
    return rows


def _linked(plan: Plan, part: Part) -> list[dict[str, Any]]:
    links, rows = part.problem.links, []
    for row, name in enumerate(links.names):
        family, of = row_and_name(name)
        if family == "agreement.shortfall":
            continue  # a section of its own
        used, most = float(part.answer.outcome.links[row]), float(links.most[row])
        if family == "coverage.unused":
            # The row is unused − share·committed ≤ 0, with what is held on the right.
            allowed = _committed(plan) * (plan.limits.settings.max_unused_share or 0.0)
            used, most = used - most + allowed, allowed
        rows.append(
            {
                "row": family,
                "name": of,
                "used": exact(used),
                "maximum": exact(most),
                "price": exact(float(part.answer.prices.links[row])),
                "unit": DOLLARS,
            }
        )
    return rows


def _committed(plan: Plan) -> float:
    """Σ h·f·A over the horizon: what all commitments cost in it, at f."""
    as_of = plan.case.settings.as_of
    end = as_of + plan.case.settings.horizon_hours
    whole = [
        *plan.holdings,
        *(planned(plan.catalogue.offers[name], q, as_of) for name, q in plan.bought.items()),
    ]
    return sum(
        rate_of(h.offer) * float(h.quantity) * max(0, min(end, h.end) - max(as_of, h.start))
        for h in whole
    )


def agreements_of(plan: Plan) -> list[dict[str, Any]]:
    """Each agreement with its spend, its shortfall, and what one more dollar spent avoids."""
    prices = {
        row_and_name(name)[1]: float(value)
        for part in plan.parts
        for name, value in zip(part.problem.links.names, part.answer.prices.links, strict=True)
        if name.startswith("agreement.shortfall")
    }
    zero = Decimal(0)
    return [
        row.as_dict() | {"price": exact(prices[name]) if name in prices else zero}
        for row in plan.agreements
        for name in (row.agreement.name,)
    ]
