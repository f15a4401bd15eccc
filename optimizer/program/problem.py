# SPDX-License-Identifier: Apache-2.0
"""The coverage problem as frozen arrays: what every formulation and every proof reads.

Sets and symbols are those of ``docs/program.md``: P pools (usage that every source may
cover alike), S sources (an offer of one owner and scope, held or to be bought), K purchase
columns (an offer, or a bundle of offers), J pairs (source, pool), N weighted hours in R
periods (hours with the same prices and the same things in force).
Money is in dollars, as float64: this is the solver's side of the house.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import IntEnum
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from optimizer.program.structure import Structure

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]


class Counts(IntEnum):
    """What of a pool's usage counts against an hourly limit."""

    MARKET = 0
    """On demand, or covered by a discount that guarantees no capacity."""
    SPOT = 1
    RUNNING = 2
    """Everything that is served."""


def _ints() -> Ints:
    return np.zeros(0, dtype=np.int64)


def _floats(*shape: int) -> Floats:
    return np.zeros(shape or (0,))


@dataclass(frozen=True)
class HourlyLimits:
    """I limits that hold in every hour: Σ weight · units ≤ most.

    Attributes
    ----------
    most
        (I, R) by period; ``inf`` where the limit does not apply.
    entry_limit, entry_pool, entry_counts, entry_weight
        (E,) which pools count against which limit, with what (:class:`Counts`).
    """

    names: tuple[str, ...] = ()
    most: Floats = field(default_factory=lambda: _floats(0, 0))
    entry_limit: Ints = field(default_factory=_ints)
    entry_pool: Ints = field(default_factory=_ints)
    entry_counts: Ints = field(default_factory=_ints)
    entry_weight: Floats = field(default_factory=_floats)


@dataclass(frozen=True)
class Links:
    """I rows that link the hours: Σ p·Q + Σₜ h·[t ∈ window](Σ a·u + b·r + c·y) − z ≤ most.

    h are hours (:attr:`Problem.count`, not discounted); z ≥ 0 costs ``excess_price`` each.

    Attributes
    ----------
    most, excess_price
        (I,); a price of ``inf`` makes the row hard.
    purchase, on_demand, spot, covered
        (I, K), (I, P), (I, P), (I, J) coefficients.
    window
        (I, R) periods whose hours count.
    demand
        (I, P) what of ``most`` each unit of demand made: work that arrives adds as much.
    """

    names: tuple[str, ...] = ()
    most: Floats = field(default_factory=_floats)
    excess_price: Floats = field(default_factory=_floats)
    purchase: Floats = field(default_factory=lambda: _floats(0, 0))
    on_demand: Floats = field(default_factory=lambda: _floats(0, 0))
    spot: Floats = field(default_factory=lambda: _floats(0, 0))
    covered: Floats = field(default_factory=lambda: _floats(0, 0))
    window: Flags = field(default_factory=lambda: np.zeros((0, 0), dtype=bool))
    demand: Floats = field(default_factory=lambda: _floats(0, 0))

    def __post_init__(self) -> None:
        """Rows that are made without it do not follow the demand."""
        if len(self.demand) != len(self.names):
            object.__setattr__(self, "demand", np.zeros_like(self.spot))


@dataclass(frozen=True)
class Problem:
    """A coverage problem.

    Attributes
    ----------
    weight, count
        (N,) hours × discount factor that each column of hours stands for; and hours alone.
    period
        (N,) the period of each hour, 0 … R−1.
    demand, tolerant
        (P, N) units; ``tolerant`` is the part that may run on spot.
    price
        (P, R) dollars for a unit on demand; ``inf`` where it cannot be had.
    spot_price
        (P,) dollars for a unit on spot with its interruptions; ``inf`` without spot.
    penalty
        (P,) dollars for a unit that is not served; ``inf`` where it must be.
    availability
        (P, R) share of the demand that the market can serve: on demand, or under a discount
        that guarantees no capacity.
    held
        (S, R) capacity already held or queued, in the source's measure.
    active
        (S, R) periods in which what is bought now is in force.
    secures
        (S,) sources that guarantee capacity, so that neither availability nor a limit on
        the market bounds what they cover.
    pair_source, pair_pool, pair_draw
        (J,) which source covers which pool, and what it spends on a unit.
    cost, minimum, maximum, step, integer
        (K,) dollars for one unit of the column over its term (discounted), and the
        amounts that may be bought: 0, or a multiple of step within [minimum, maximum].
        Columns that are not integer are rounded to their step afterwards.
    member_column, member_source, member_ratio
        (M,) what buying one unit of a column adds to a source.
    member_active
        (M, R) periods in which it adds that, where columns of one source differ in them, as
        purchases of different hours and futures do; else empty, and that of the source.
    limits, links
        Limits of every hour, and rows that link the hours.
    arriving
        (P,) most units per hour that work which may move can add to a pool.
    renewal
        (K,) columns that are no purchase of now: shorter terms, bought again behind the
        horizon; empty where there are none.
    """

    pools: tuple[str, ...]
    sources: tuple[str, ...]
    columns: tuple[str, ...]
    weight: Floats
    count: Floats
    period: Ints
    demand: Floats
    tolerant: Floats
    price: Floats
    spot_price: Floats
    penalty: Floats
    availability: Floats
    held: Floats
    active: Flags
    secures: Flags
    pair_source: Ints
    pair_pool: Ints
    pair_draw: Floats
    cost: Floats
    minimum: Floats
    maximum: Floats
    step: Floats
    integer: Flags
    member_column: Ints
    member_source: Ints
    member_ratio: Floats
    limits: HourlyLimits = field(default_factory=HourlyLimits)
    links: Links = field(default_factory=Links)
    arriving: Floats | None = None
    renewal: Flags = field(default_factory=lambda: np.zeros(0, dtype=bool))
    member_active: Flags = field(default_factory=lambda: np.zeros((0, 0), dtype=bool))

    @property
    def hours(self) -> int:
        """Number of weighted hours, N."""
        return len(self.weight)

    @property
    def periods(self) -> int:
        """Number of periods, R."""
        return int(self.held.shape[1])

    @property
    def rows(self) -> int:
        """Rows of the program that writes every hour: P·N + S·N."""
        return (len(self.pools) + len(self.sources)) * self.hours

    @cached_property
    def structure(self) -> Structure:
        """Which sources are own to one pool, and the pairs of each pool."""
        return Structure.of(self)

    @cached_property
    def in_force(self) -> Flags:
        """Periods in which each member adds to its source; shape (M, R)."""
        if len(self.member_active):
            return self.member_active
        return self.active[self.member_source]

    @property
    def renewals(self) -> Ints:
        """Columns that are no purchase of now."""
        return np.flatnonzero(self.renewal)

    def take(self, hours: Ints) -> Problem:
        """The problem of some of its hours only.

        What linking rows leave to a part of the hours is not known: unless the hours are
        all there are, they are kept as rows that no plan satisfies.
        """
        links = self.links
        if links.names and len(hours) < self.hours:
            links = replace(
                links,
                most=np.full(len(links.names), -1.0),
                excess_price=np.full(len(links.names), np.inf),
                purchase=np.zeros_like(links.purchase),
                window=np.zeros_like(links.window),
            )
        return replace(
            self,
            links=links,
            weight=self.weight[hours],
            count=self.count[hours],
            period=self.period[hours],
            demand=self.demand[:, hours],
            tolerant=self.tolerant[:, hours],
        )

    def expand(self) -> Problem:
        """The same problem with every hour a period of its own: R = N."""
        period = self.period
        return replace(
            self,
            period=np.arange(self.hours),
            price=self.price[:, period],
            availability=self.availability[:, period],
            held=self.held[:, period],
            active=self.active[:, period],
            member_active=self.member_active[:, period]
            if len(self.member_active)
            else self.member_active,
            limits=replace(self.limits, most=self.limits.most[:, period])
            if self.limits.names
            else self.limits,
            links=replace(self.links, window=self.links.window[:, period])
            if self.links.names
            else self.links,
        )

    @cached_property
    def feeds(self) -> tuple[tuple[tuple[int, float, Flags], ...], ...]:
        """For each source the columns that add to it, as (column, ratio, (R,) in force)."""
        fed: list[list[tuple[int, float, Flags]]] = [[] for _ in self.sources]
        for column, source, ratio, active in zip(
            self.member_column, self.member_source, self.member_ratio, self.in_force, strict=True
        ):
            fed[int(source)].append((int(column), float(ratio), active))
        return tuple(tuple(columns) for columns in fed)

    def capacity(self, quantity: Floats) -> Floats:
        """Capacity A = H + Q of every source in every period; shape (S, R)."""
        bought = self.member_ratio * quantity[self.member_column]
        some = np.flatnonzero(bought)
        capacity = self.held.copy()
        np.add.at(capacity, self.member_source[some], bought[some, None] * self.in_force[some])
        return capacity

    def needed(self) -> Floats:
        """The most of each column that any plan can use; shape (K,).

        More than the largest hour of eligible draw covers nothing, so that an optimal
        plan within these amounts exists as long as nothing has a negative price.
        """
        return self._needed.copy()

    @cached_property
    def _needed(self) -> Floats:
        peak = np.zeros((len(self.sources), self.periods))
        order = np.argsort(self.pair_source, kind="stable")
        bounds = np.searchsorted(self.pair_source[order], np.arange(len(self.sources) + 1))
        highest = np.stack([self._highest(row) for row in self.demand])
        arriving = np.zeros(len(self.pools)) if self.arriving is None else self.arriving
        for source in range(len(self.sources)):
            pairs = order[bounds[source] : bounds[source + 1]]
            if not len(pairs) or not self.active[source].any():
                continue
            draws, pools = self.pair_draw[pairs], self.pair_pool[pairs]
            extra = float(draws @ arriving[pools])
            if len(pairs) == 1:
                load = draws[0] * highest[pools[0]]
            else:
                every = np.zeros(len(self.pools))
                every[pools] = draws
                rows = slice(int(pools.min()), int(pools.max()) + 1)
                load = self._highest(every[rows] @ self.demand[rows])
            peak[source] = load + extra
        most = np.zeros(len(self.columns))
        reached = np.where(self.in_force, peak[self.member_source], 0.0).max(axis=1, initial=0.0)
        np.maximum.at(most, self.member_column, reached / self.member_ratio)
        most = np.ceil(most / self.step - 1e-9) * self.step
        # The ends of the range that are amounts: only multiples of the step are.
        least = np.where(
            self.integer, np.ceil(self.minimum / self.step - 1e-9) * self.step, self.minimum
        )
        limit = np.where(
            self.integer, np.floor(self.maximum / self.step + 1e-9) * self.step, self.maximum
        )
        return np.where(limit < least, 0.0, np.minimum(np.maximum(most, least), limit))

    def _highest(self, hourly: Floats) -> Floats:
        """The largest hour of each period; shape (R,), 0 without one."""
        order, starts, some = self._by_period
        highest = np.zeros(self.periods)
        if len(starts):
            highest[some] = np.maximum(np.maximum.reduceat(hourly[order], starts), 0.0)
        return highest

    @cached_property
    def _by_period(self) -> tuple[Ints, Ints, Ints]:
        """The hours in the order of their periods, where each period starts, and which it is."""
        order = np.argsort(self.period, kind="stable")
        some, starts = np.unique(self.period[order], return_index=True)
        return order, np.asarray(starts, dtype=np.int64), np.asarray(some, dtype=np.int64)


def merge_labels(problem: Problem, labels: Ints) -> Problem:
    """Average the hours that carry the same label (0 … n−1), adding their weights.

    Hours of one label must be of one period.

    Exact if such hours agree; a lower bound otherwise, because the cost of an hour is
    convex in demand and capacity together (``docs/program.md``, "Merging").
    """
    count = int(labels.max()) + 1 if len(labels) else 0
    weight = np.bincount(labels, problem.weight, minlength=count)
    hours = np.bincount(labels, problem.count, minlength=count)
    first = np.zeros(count, dtype=np.int64)
    first[labels[::-1]] = np.arange(len(labels))[::-1]

    def mean(values: Floats) -> Floats:
        return (
            np.stack(
                [
                    np.bincount(labels, row * problem.weight, minlength=count) / weight
                    for row in values
                ]
            )
            if len(values)
            else np.zeros((0, count))
        )

    return replace(
        problem,
        weight=np.asarray(weight, dtype=np.float64),
        count=np.asarray(hours, dtype=np.float64),
        period=problem.period[first],
        demand=mean(problem.demand),
        tolerant=mean(problem.tolerant),
    )
