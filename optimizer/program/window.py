# SPDX-License-Identifier: Apache-2.0
"""The planning window: distinct weighted hours of the horizon and of the tail behind it.

The tail are the hours from the horizon to the last expiry of anything that may be bought.
They repeat the horizon's rows, weighted, and shorter terms may be bought again there
(:mod:`~optimizer.program.renewal`), so that a long term is compared with that and not with
on-demand, which would make it win falsely (``docs/program.md``, "Cash and tail").
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from optimizer.billing import BillingLines, Catalogue, Holding, SharingModes, billing_lines
from optimizer.billing.cost import hourly_costs
from optimizer.billing.replay import capacity_of
from optimizer.demand import HorizonDemand
from optimizer.program.purchases import Column, discount
from optimizer.program.renewal import last_resort_prices
from optimizer.tables import Settings, UsageLines

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Window:
    """N distinct hours of L lines, with everything that a plan's cost depends on.

    Attributes
    ----------
    lines
        Usage as if nothing ran on spot: where it runs is the plan's decision.
    tolerant
        (L, N) units that may run on spot.
    price
        (L, N) dollars for a unit that nothing covers: the on-demand price; where there is
        none, ``inf`` in the horizon, and in the tail the last resort of what must be served.
    penalty
        (L,) dollars for a unit that is not served; ``inf`` where it must be.
    spot_price
        (L,) spot price with its interruptions: spot·(1 + δω) + δι; ``inf`` without spot.
    weight, count
        (N,) hours × discount factor; and hours alone.
    period
        (N,) hours of one period have the same prices and the same things in force.
    holdings, held
        What is held or queued, and its (C, N) capacity.
    active
        (K, N) hours in which what is bought is in force, by column.
    position
        (T,) for every hour of the horizon the column of hours that stands for it.
    repeats
        (N,) an hour of the horizon whose usage the column has.
    sharing
        Groups of hours that share one order of the law: their sharing modes.
    horizon, inside
        (N,) hours of the horizon; and (W, N) those within each window that was asked for.
    held_cost
        Discounted amortised cost of the holdings over the window: a constant.
    tail_hours
        Hours of the tail; 0 without one.
    """

    lines: BillingLines
    tolerant: Floats
    price: Floats
    penalty: Floats
    spot_price: Floats
    weight: Floats
    count: Floats
    period: NDArray[np.int64]
    holdings: tuple[Holding, ...]
    held: Floats
    active: NDArray[np.bool_]
    sharing: SharingModes
    position: NDArray[np.int64]
    repeats: NDArray[np.int64]
    horizon: NDArray[np.bool_]
    inside: NDArray[np.bool_]
    held_cost: float
    tail_hours: int


@dataclass(frozen=True)
class Marks:
    """What tells hours apart beside their usage, where work may move.

    Attributes
    ----------
    recurring, once
        (X, T) figures of the horizon's hours, which the tail repeats, and does not.
    renewed
        The usage that last resorts are priced for: with all that may move to a meter.
    """

    recurring: Floats
    once: Floats
    renewed: UsageLines


def build_window(
    settings: Settings,
    catalogue: Catalogue,
    demand: HorizonDemand,
    holdings: Sequence[Holding],
    columns: Sequence[Column],
    marks: Marks | None = None,
    *,
    spans: Sequence[tuple[int, int]] = (),
    discounts_apart: bool = False,
) -> Window:
    """Lay out horizon and tail, price them, and merge hours that are identical.

    Hours within and outside each of the windows ``spans`` are kept apart, and with
    ``discounts_apart`` also those of different discount: rows that add up plain hours
    weigh them alike, while their costs differ.
    """
    usage = demand.usage
    marks = marks or Marks(
        np.zeros((0, settings.horizon_hours)), np.zeros((0, settings.horizon_hours)), usage
    )
    lines = billing_lines(usage, catalogue)
    horizon, as_of = settings.horizon_hours, settings.as_of
    edges = tail_edges(settings, holdings, columns)
    # Columns of hours before merging: the horizon, then one copy of it for each tail part.
    starts = [as_of + np.arange(horizon)]
    weights = [discount(np.arange(horizon), settings.discount_rate)]
    counts = [np.ones(horizon)]
    for low, high in pairwise(edges):
        gamma = discount(np.arange(low - as_of, high - as_of), settings.discount_rate).sum()
        starts.append(np.full(horizon, low))
        weights.append(np.full(horizon, gamma / horizon))
        counts.append(np.full(horizon, (high - low) / horizon))
    parts = len(starts)
    moment = np.concatenate(starts)
    sharing = SharingModes.of(settings, moment)
    mode = np.zeros(len(moment))
    for number, (index, _) in enumerate(sharing.groups):
        mode[index] = number
    quantity = np.tile(usage.quantity, parts)
    tolerant = np.tile(usage.tolerant, parts)
    held = capacity_of(holdings, moment)
    terms = [column.term(as_of) for column in columns]
    active = np.array([(moment >= low) & (moment < high) for low, high in terms])
    active = active.reshape(len(columns), len(moment))
    in_tail = np.repeat(np.arange(parts) > 0, horizon)
    told = np.tile(marks.recurring, parts)
    once = np.zeros((len(marks.once), len(moment)))
    once[:, :horizon] = marks.once
    inside = np.array([(moment >= low) & (moment < high) & ~in_tail for low, high in spans])
    inside = inside.reshape(len(spans), len(moment))
    gamma_of = np.round(np.concatenate(weights) / np.concatenate(counts), 12)
    apart = gamma_of if discounts_apart else np.zeros(len(moment))
    label, first = identical(
        np.vstack([quantity, tolerant, held, active, in_tail, mode, inside, apart, told, once])
    )
    weight = np.bincount(label, np.concatenate(weights))
    today = on_demand_price(lines, catalogue)
    penalty = np.array([np.inf if p is None else float(p) for p in usage.unmet_penalty])
    later = today
    if len(edges) > 1:
        last = last_resort_prices(settings, catalogue, marks.renewed, columns)
        later = np.where(np.isfinite(today) | np.isfinite(penalty), today, last)
    price = np.where(in_tail[first], later[:, None], today[:, None])
    groups = [
        (index, by_provider)
        for number, (_, by_provider) in enumerate(sharing.groups)
        for index in (np.flatnonzero(mode[first] == number),)
        if len(index)
    ]
    none = np.zeros((len(lines.meter), len(first)))
    return Window(
        lines=replace(lines, quantity=quantity[:, first], spot=none, spot_free=none),
        tolerant=tolerant[:, first],
        price=price,
        penalty=penalty,
        spot_price=spot_price(lines, catalogue, usage.lost_hours, usage.restart_cost),
        weight=np.asarray(weight, dtype=np.float64),
        count=np.asarray(np.bincount(label, np.concatenate(counts)), dtype=np.float64),
        period=identical(np.vstack([held, active, in_tail, inside])[:, first])[0],
        holdings=tuple(holdings),
        held=held[:, first],
        active=active[:, first],
        sharing=SharingModes(tuple(groups)),
        position=label[:horizon],
        repeats=first % horizon,
        horizon=~in_tail[first],
        inside=inside[:, first],
        held_cost=held_cost(settings, holdings, edges[-1]),
        tail_hours=edges[-1] - edges[0],
    )


def tail_edges(
    settings: Settings, holdings: Sequence[Holding], columns: Sequence[Column]
) -> list[int]:
    """End of the horizon, and every later hour at which something starts or expires."""
    end = settings.as_of + settings.horizon_hours
    if settings.after_horizon == "prorata":
        return [end]
    terms = [column.term(settings.as_of) for column in columns]
    last = max({end, *(hour for _, hour in terms)})
    changes = {hour for term in (*terms, *((h.start, h.end) for h in holdings)) for hour in term}
    return sorted({end, *(hour for hour in changes if end < hour <= last)})


def identical(rows: Floats) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Label identical columns 0 … n−1 in the order of their first appearance.

    Returns
    -------
    The label of each column, and the first column of each label.
    """
    seen: dict[bytes, int] = {}
    first: list[int] = []
    label = np.empty(rows.shape[1], dtype=np.int64)
    for index, column in enumerate(np.ascontiguousarray(rows.T)):
        key = column.tobytes()
        if key not in seen:
            seen[key] = len(first)
            first.append(index)
        label[index] = seen[key]
    return label, np.array(first, dtype=np.int64)


def on_demand_price(lines: BillingLines, catalogue: Catalogue) -> Floats:
    """On-demand prices (L,), with the largest sustained use discount; ``inf`` without one."""
    prices = []
    for name in lines.meter:
        meter = catalogue.meters[name]
        on_demand = meter.on_demand
        if on_demand is not None and meter.sustained_use:
            # The lowest that a month's sustained use can come to: it bounds from below.
            on_demand *= 1 - Decimal(repr(meter.sustained_use))
        prices.append(np.inf if on_demand is None else float(on_demand))
    return np.array(prices)


def spot_price(
    lines: BillingLines,
    catalogue: Catalogue,
    lost_hours: NDArray[np.float64],
    restart_cost: Sequence[Decimal],
) -> Floats:
    """ŝ = spot·(1 + δω) + δι, with the chance δ of losing a unit within an hour."""
    prices = np.full(len(lines.meter), np.inf)
    for index, name in enumerate(lines.meter):
        meter = catalogue.meters[name]
        if meter.spot is not None:
            chance = meter.spot_interruption
            prices[index] = float(meter.spot) * (1 + chance * lost_hours[index]) + (
                chance * float(restart_cost[index])
            )
    return prices


def held_cost(settings: Settings, holdings: Sequence[Holding], until: int) -> float:
    """Discounted amortised dollars of the holdings over the hours ``[as_of, until)``."""
    gamma = discount(np.arange(until - settings.as_of), settings.discount_rate)
    return sum(
        float(h.quantity)
        * float(hourly_costs(h.offer, h.start, h.end, settings.as_of, until) @ gamma)
        for h in holdings
    )
