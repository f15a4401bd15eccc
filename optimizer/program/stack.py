# SPDX-License-Identifier: Apache-2.0
"""Futures beside each other: one planning window for all of them, and the law's cost of each.

A future is more hours of the same lines, weighing as much as its odds.  Nothing else of the
program changes: what is bought in some futures only, or later, is in force in their hours
alone.

Behind the horizon every future repeats a sample of its own hours, every so many-th of them:
a mean would cost less than the hours do, and all of them would be many.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from optimizer.billing import Catalogue, Holding, SharingModes, billing_lines
from optimizer.billing.replay import capacity_of
from optimizer.demand import HorizonDemand
from optimizer.program.later import node_odds
from optimizer.program.lawcost import LawCost, LawOutcome
from optimizer.program.problem import Flags, Floats, Ints, Problem
from optimizer.program.purchases import Column, discount
from optimizer.program.renewal import last_resort_prices
from optimizer.program.scenario_tree import ScenarioTree
from optimizer.program.window import (
    Window,
    held_cost,
    identical,
    on_demand_price,
    spot_price,
    tail_edges,
)
from optimizer.tables import Settings

# Hours of the horizon, at most, that each part of the tail repeats.
TAIL_HOURS = 700
# Kept law orders of sets of purchases.
MOST_ORDERS = 64


@dataclass(frozen=True)
class Stack:
    """S futures in one window.

    Attributes
    ----------
    window
        All hours of all futures; its ``active`` is empty, and ``position`` that of the first.
    odds
        (S,) as the window's weights have them.
    future
        (N,) the future of each hour.
    in_force
        (K, R) periods in which each column is in force.
    position
        (S, T) for every hour of each horizon the column of hours that stands for it.
    calendar, lasting
        (S, H) the same for every hour of horizon and tail; and (H,) its discounted hours.
    """

    window: Window
    odds: Floats
    future: Ints
    in_force: Flags
    position: Ints
    calendar: Ints
    lasting: Floats

    def weighing(self, odds: Floats) -> Stack:
        """The same futures with other odds."""
        factor = (odds / self.odds)[self.future]
        window = replace(
            self.window, weight=self.window.weight * factor, count=self.window.count * factor
        )
        return replace(self, window=window, odds=odds)


def stack_futures(
    settings: Settings,
    catalogue: Catalogue,
    futures: Sequence[HorizonDemand],
    odds: Floats,
    holdings: Sequence[Holding],
    columns: Sequence[Column],
    tree: ScenarioTree,
    *,
    spans: Sequence[tuple[int, int]] = (),
    discounts_apart: bool = False,
    price_factor: Mapping[str, Floats] | None = None,
) -> Stack:
    """Lay out horizon and tail of every future, and merge hours of one that are identical.

    Parameters
    ----------
    futures
        S demands of the same lines.
    tree
        Futures in one leaf share their periods: the same is in force in them.
    price_factor
        By meter (S, T): the on-demand price over today's.  The tail keeps the last hour's.
    """
    usage = futures[0].usage
    lines = billing_lines(usage, catalogue)
    hours = _Calendar.of(settings, holdings, columns, spans)
    today = on_demand_price(lines, catalogue)
    penalty = np.array([np.inf if p is None else float(p) for p in usage.unmet_penalty])
    apart = np.round(hours.weight / hours.count, 12) if discounts_apart else 0.0 * hours.count
    factors = price_factor or {}
    leaf = np.zeros(len(futures), dtype=np.int64)
    for number, members in enumerate(tree.leaves):
        leaf[list(members)] = number
    parts, position, size = [], [], 0
    for number, future in enumerate(futures):
        rows = [factors[m][number] if m in factors else np.ones(1) for m in lines.meter]
        # Behind the horizon a price stays what it has become.
        changed = np.array(
            [np.where(hours.tail, row[-1], row[hours.at % len(row)]) for row in rows]
        ).reshape(len(lines.meter), len(hours.at))
        quantity = future.usage.quantity[:, hours.at]
        tolerant = future.usage.tolerant[:, hours.at]
        label, first = identical(np.vstack([quantity, tolerant, hours.marks, apart, changed]))
        later, known = today, np.isfinite(today) | np.isfinite(penalty)
        if hours.tail.any() and not known.all():
            last = last_resort_prices(settings, catalogue, future.usage, columns)
            later = np.where(known, today, last)
        parts.append(
            {
                "quantity": quantity[:, first],
                "tolerant": tolerant[:, first],
                "price": np.where(hours.tail[first], later[:, None], today[:, None])
                * changed[:, first],
                "weight": np.bincount(label, hours.weight) * odds[number],
                "count": np.bincount(label, hours.count) * odds[number],
                "leaf": np.full(len(first), leaf[number], dtype=np.float64),
                "future": np.full(len(first), number, dtype=np.float64),
                "hour": first.astype(np.float64),
            }
        )
        position.append(size + label)
        size += len(first)
    whole = {name: np.concatenate([part[name] for part in parts], axis=-1) for name in parts[0]}
    hour = whole["hour"].astype(np.int64)
    told = [hours.marks[:, hour], whole["leaf"]]
    period = identical(np.vstack([*told, whole["price"]] if factors else told))[0]
    _, start = np.unique(period, return_index=True)
    when, leaf_of = hours.when[hour[start]], whole["leaf"][start].astype(np.int64)
    in_force = [
        (when >= low) & (when < high) & _known(column, tree, leaf_of)
        for column in columns
        for low, high in (column.term(settings.as_of),)
    ]
    none = np.zeros((len(lines.meter), size))
    window = Window(
        lines=replace(lines, quantity=whole["quantity"], spot=none, spot_free=none),
        tolerant=whole["tolerant"],
        price=whole["price"],
        penalty=penalty,
        spot_price=spot_price(lines, catalogue, usage.lost_hours, usage.restart_cost),
        weight=whole["weight"],
        count=whole["count"],
        period=period,
        holdings=tuple(holdings),
        held=hours.held[:, hour],
        active=np.zeros((0, size), dtype=bool),
        sharing=hours.modes(hour),
        position=position[0][: settings.horizon_hours],
        repeats=hours.at[hour],
        horizon=~hours.tail[hour],
        inside=hours.inside[:, hour],
        held_cost=held_cost(settings, holdings, hours.edges[-1]),
        tail_hours=hours.edges[-1] - hours.edges[0],
    )
    return Stack(
        window,
        odds,
        whole["future"].astype(np.int64),
        np.array(in_force, dtype=bool).reshape(len(columns), len(start)),
        np.stack(position)[:, : settings.horizon_hours],
        np.stack(position),
        hours.weight,
    )


@dataclass(frozen=True)
class _Calendar:
    """The hours of any future: the horizon, then a sample of it for each part of the tail.

    Attributes
    ----------
    at, when
        (H,) the hour of the horizon that each repeats, and the hour that it stands in.
    weight, count
        (H,) hours × discount factor; and hours alone.
    tail
        (H,) hours behind the horizon.
    held, inside
        (C, H) capacity that is held; (W, H) hours of the horizon within each window.
    marks
        What tells periods apart, whatever is used: what is held and in force, windows, sharing.
    """

    at: Ints
    when: Ints
    weight: Floats
    count: Floats
    tail: Flags
    held: Floats
    inside: Flags
    marks: Floats
    sharing: SharingModes
    edges: list[int]

    @classmethod
    def of(
        cls,
        settings: Settings,
        holdings: Sequence[Holding],
        columns: Sequence[Column],
        spans: Sequence[tuple[int, int]],
    ) -> _Calendar:
        """Lay out horizon and tail."""
        horizon, as_of, rate = settings.horizon_hours, settings.as_of, settings.discount_rate
        edges = tail_edges(settings, holdings, columns)
        sample = np.arange(0, horizon, _stride(horizon))
        at, when = [np.arange(horizon)], [as_of + np.arange(horizon)]
        weight, count = [discount(np.arange(horizon), rate)], [np.ones(horizon)]
        for low, high in pairwise(edges):
            gamma = discount(np.arange(low - as_of, high - as_of), rate).sum()
            at.append(sample)
            when.append(np.full(len(sample), low))
            weight.append(np.full(len(sample), gamma / len(sample)))
            count.append(np.full(len(sample), (high - low) / len(sample)))
        hours = np.concatenate(when)
        tail = np.arange(len(hours)) >= horizon
        inside = np.array([(hours >= low) & (hours < high) & ~tail for low, high in spans])
        inside = inside.reshape(len(spans), len(hours))
        sharing = SharingModes.of(settings, hours)
        mode = np.zeros(len(hours))
        for number, (index, _) in enumerate(sharing.groups):
            mode[index] = number
        held = capacity_of(holdings, hours)
        terms = sorted({hour for column in columns for hour in column.term(as_of)})
        segment = np.searchsorted(np.array(terms, dtype=np.int64), hours, side="right")
        return cls(
            at=np.concatenate(at),
            when=hours,
            weight=np.concatenate(weight),
            count=np.concatenate(count),
            tail=tail,
            held=held,
            inside=inside,
            marks=np.vstack([held, segment, tail, mode, inside]),
            sharing=sharing,
            edges=edges,
        )

    def modes(self, hour: Ints) -> SharingModes:
        """The sharing modes of some of the hours, which are numbered anew."""
        groups = []
        for index, by_provider in self.sharing.groups:
            chosen = np.flatnonzero(np.isin(hour, index))
            if len(chosen):
                groups.append((chosen, by_provider))
        return SharingModes(tuple(groups))


def _known(column: Column, tree: ScenarioTree, leaf: Ints) -> Flags:
    """Periods, by their leaf, in the futures that a column is bought in."""
    if column.futures is None:
        return np.ones(len(leaf), dtype=bool)
    mine = [number for number, members in enumerate(tree.leaves) if members[0] in column.futures]
    return np.isin(leaf, mine)


def _stride(hours: int) -> int:
    """Every so many-th hour of a long horizon; no factor in common with the hours of a week."""
    wanted = max(1, -(-hours // TAIL_HOURS))
    return next(s for s in range(wanted, 10**9) if s == 1 or (s % 2 and s % 3 and s % 7))


class StackedLaw(LawCost):
    """The law's cost of futures beside each other.

    Columns of one source add to one holding, and those that nothing is bought of are left
    out: the replay sees no more commitments than there are.
    """

    def __init__(
        self,
        settings: Settings,
        catalogue: Catalogue,
        stack: Stack,
        problem: Problem,
        columns: Sequence[Column],
        pool_of: Ints,
    ) -> None:
        self.known: dict[bytes, tuple[object, ...]] = {}
        super().__init__(settings, catalogue, stack.window, problem, columns, pool_of)
        self.stack, self.every = stack, self.holdings

    def _arrange(self, holdings: Sequence[Holding]) -> None:
        """Later, for those that something is bought of."""

    def weighing(self, stack: Stack, problem: Problem) -> StackedLaw:
        """The same law where the futures have other odds."""
        other = copy(self)
        other.stack, other.window, other.problem = stack, stack.window, problem
        other.keeper, other.oracle = copy(self.keeper), None
        other.keeper.problem, other.keeper.window = problem, stack.window
        other.known = {}
        return other

    def outcome(self, quantity: Floats, *, quick: bool = False) -> LawOutcome:
        """Replay all futures with these purchases, quantities of shape (K,)."""
        self._narrow(quantity)
        return super().outcome(quantity, quick=quick)

    def by_future(self, outcome: LawOutcome, quantity: Floats, columns: Sequence[Column]) -> Floats:
        """(S,) dollars of each future: its purchases and its hours, not weighed by its odds."""
        stack, odds = self.stack, self.stack.odds
        hours = np.bincount(stack.future, self.window.weight * outcome.hourly, minlength=len(odds))
        paid, chance = self.problem.cost * quantity, node_odds(columns, odds)
        np.divide(paid, chance, out=paid, where=chance > 0)
        bought = np.zeros(len(odds))
        for column, dollars in zip(columns, paid, strict=True):
            if dollars:
                bought[slice(None) if column.futures is None else list(column.futures)] += dollars
        return np.asarray(bought + hours / odds)

    def _narrow(self, quantity: Floats) -> None:
        """Keep holdings, orders and reach of what is held or bought with these amounts."""
        held, member = len(self.window.holdings), np.flatnonzero(quantity[self.column])
        key = member.tobytes()
        if key not in self.known:
            if len(self.known) >= MOST_ORDERS:
                self.known.clear()
            rows: dict[tuple[object, ...], int] = {}
            kept, row = list(self.every[:held]), []
            for holding in (self.every[held + int(m)] for m in member):
                start = holding.start if holding.state == "renewed" else None
                source = (holding.offer.name, holding.account, holding.scope, start)
                if source not in rows:
                    rows[source] = len(kept)
                    kept.append(holding)
                row.append(rows[source])
            super()._arrange(kept)
            self.row = np.array(row, dtype=np.int64)
            self.known[key] = (
                self.holdings, self.orders, self.secures, self.linked, self.reach, self.row,
            )  # fmt: skip
        (
            self.holdings, self.orders, self.secures, self.linked, self.reach, self.row,
        ) = self.known[key]  # type: ignore[assignment]  # fmt: skip
        self.some = member

    def _capacity(self, quantity: Floats) -> Floats:
        """(C, N) of what is held, and of each source that something is bought of."""
        bought = self.ratio[self.some] * quantity[self.column[self.some]]
        in_force = self.stack.in_force[self.column[self.some]]
        count = len(self.holdings) - len(self.window.holdings)
        by_period = np.zeros((count, in_force.shape[1]))
        np.add.at(by_period, self.row - len(self.window.holdings), bought[:, None] * in_force)
        return np.vstack([self.window.held, by_period[:, self.window.period]])
