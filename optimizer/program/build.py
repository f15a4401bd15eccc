# SPDX-License-Identifier: Apache-2.0
"""From a planning window to the arrays of the coverage problem."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from optimizer.billing import Catalogue, Holding
from optimizer.billing.order import draw_of, reach_of
from optimizer.program.caselimits import CaseLimits
from optimizer.program.linking import Ground, build_links
from optimizer.program.problem import Flags, Floats, Ints, Problem
from optimizer.program.purchases import Column, column_costs, source_name, whole_term_cost
from optimizer.program.quotas import build_limits
from optimizer.program.window import Window
from optimizer.tables import Settings


def build_problem(
    settings: Settings,
    catalogue: Catalogue,
    window: Window,
    columns: Sequence[Column],
    limits: CaseLimits,
    in_force: Flags | None = None,
    cost: Floats | None = None,
) -> tuple[Problem, Ints]:
    """Merge lines that every source may cover alike into pools, and write the arrays.

    A source is an offer with an owner and a scope, and as a renewal with its start; holdings
    of one source add up.  A pair
    exists where ``covers`` has a draw and the scope, zone and sharing let the two meet in
    some hour: free choice may do all that the law may do, so that it bounds the bill.

    Parameters
    ----------
    in_force
        (K, R) periods in which each column is in force, where those of one source differ in
        them; else that of the window.
    cost
        (K,) what a unit of each column costs, where that is known already.

    Returns
    -------
    The problem, and the pool of each line, (L,).
    """
    bought = [
        (index, float(ratio), column.holding(offer, offer.amount_step, settings.as_of))
        for index, column in enumerate(columns)
        for offer, ratio in column.members
    ]
    sources: dict[tuple[str, ...], Holding] = {}
    for holding in (*window.holdings, *(holding for _, _, holding in bought)):
        sources.setdefault(_key(holding), holding)
    keys = sorted(sources)
    number = {key: index for index, key in enumerate(keys)}
    pools, pool_of = _pools(catalogue, window, [sources[key] for key in keys])

    hours = len(window.weight)
    _, start = np.unique(window.period, return_index=True)  # one hour of each period
    held = np.zeros((len(keys), len(start)))
    for index, holding in enumerate(window.holdings):
        held[number[_key(holding)]] += window.held[index, start]
    active = np.zeros((len(keys), len(start)), dtype=bool)
    members = []
    for index, ratio, holding in bought:
        source = number[_key(holding)]
        active[source] |= window.active[index, start] if in_force is None else in_force[index]
        members.append((index, source, ratio))
    demand, tolerant = (np.zeros((len(pools), hours)) for _ in range(2))
    np.add.at(demand, pool_of, window.lines.quantity)
    np.add.at(tolerant, pool_of, window.tolerant)
    first = [int(np.flatnonzero(pool_of == pool)[0]) for pool in range(len(pools))]
    drawn = (
        (source, pool, draw_of(catalogue, sources[keys[source]].offer, window.lines.meter[line]))
        for pool, line in enumerate(first)
        for source in pools[pool]
    )
    # A draw of zero is usage that costs nothing anyway (a negotiated price of zero).
    pairs = [(source, pool, float(draw)) for source, pool, draw in drawn if draw]
    pair_source = np.array([pair[0] for pair in pairs], dtype=np.int64)
    pair_pool = np.array([pair[1] for pair in pairs], dtype=np.int64)
    pair_draw = np.array([pair[2] for pair in pairs], dtype=np.float64)
    offers = [sources[key].offer for key in keys]
    meters = [catalogue.meters[window.lines.meter[line]] for line in first]
    horizon = window.horizon[start]
    inside = dict(zip(limits.spans, window.inside[:, start], strict=True))
    share = np.array([meter.availability for meter in meters])
    price = window.price[first][:, start]
    ground = Ground(
        settings=settings,
        limits=limits,
        catalogue=catalogue,
        columns=columns,
        meters=meters,
        offers=offers,
        pair_source=pair_source,
        pair_pool=pair_pool,
        pair_draw=pair_draw,
        price=price[:, horizon][:, 0],
        demand=demand @ (window.count * window.horizon),
        horizon=horizon,
        inside=inside,
    )
    problem = Problem(
        pools=tuple(_pool_name(window, line) for line in first),
        sources=tuple(source_name(sources[key]) for key in keys),
        columns=tuple(column.name for column in columns),
        weight=window.weight,
        count=window.count,
        period=window.period,
        demand=demand,
        tolerant=np.minimum(tolerant, demand),
        price=price,
        spot_price=window.spot_price[first],
        penalty=window.penalty[first],
        # Behind the horizon what is missing is bought again, with its capacity.
        availability=np.where(horizon, share[:, None], 1.0),
        held=held,
        active=active,
        secures=np.array([offer.guarantees_capacity for offer in offers], dtype=bool),
        pair_source=pair_source,
        pair_pool=pair_pool,
        pair_draw=pair_draw,
        cost=column_costs(columns, settings) if cost is None else cost,
        minimum=np.array([float(column.minimum) for column in columns]),
        maximum=np.array([_most(column, limits) for column in columns], dtype=np.float64),
        step=np.array([float(column.step) for column in columns]),
        integer=np.array([column.integer for column in columns], dtype=bool),
        renewal=np.array([column.renewed is not None for column in columns], dtype=bool),
        member_column=np.array([member[0] for member in members], dtype=np.int64),
        member_source=np.array([member[1] for member in members], dtype=np.int64),
        member_ratio=np.array([member[2] for member in members], dtype=np.float64),
        member_active=np.zeros((0, 0), dtype=bool)
        if in_force is None
        else in_force[[member[0] for member in members]],
        limits=build_limits(limits, catalogue, [meter.name for meter in meters], horizon, inside),
        links=build_links(ground),
    )
    return problem, pool_of


def _most(column: Column, limits: CaseLimits) -> float:
    """The most of a column: its maximum, and what keeps its commitment below the largest.

    A renewal is no purchase, which is what ``largest_purchase`` is about.
    """
    most = np.inf if column.maximum is None else float(column.maximum)
    largest, whole = limits.settings.largest_purchase, whole_term_cost(column)
    renewal = column.renewed is not None and column.decided is None
    if largest is None or not whole or renewal:
        return most
    return min(most, float(largest / whole))


def _key(holding: Holding) -> tuple[str, ...]:
    """Sorts the sources: by offer, owner and scope, and what is bought now before renewals."""
    since = source_name(holding) if holding.state == "renewed" else ""
    return (holding.offer.name, holding.account, holding.scope, since)


def _pools(
    catalogue: Catalogue, window: Window, holdings: Sequence[Holding]
) -> tuple[list[tuple[int, ...]], Ints]:
    """Group lines by meter, prices and the sources that may cover them."""
    lines = window.lines
    modes = [by_provider for _, by_provider in window.sharing.groups]
    groups: dict[tuple[object, ...], int] = {}
    sources: list[tuple[int, ...]] = []
    pool_of = np.zeros(len(lines.meter), dtype=np.int64)
    for line, meter in enumerate(lines.meter):
        able = tuple(
            index
            for index, holding in enumerate(holdings)
            if meter in catalogue.draws[holding.offer.name]
            and any(reach_of(holding, lines, line, mode) is not None for mode in modes)
        )
        prices = (window.spot_price[line], window.penalty[line], window.price[line].tobytes())
        key = (meter, able, prices)
        if key not in groups:
            groups[key] = len(sources)
            sources.append(able)
        pool_of[line] = groups[key]
    return sources, pool_of


def _pool_name(window: Window, line: int) -> str:
    parts = (window.lines.meter[line], window.lines.account[line], window.lines.zone[line])
    return "|".join(part for part in parts if part)
