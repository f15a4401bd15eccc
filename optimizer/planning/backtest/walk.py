# SPDX-License-Identifier: Apache-2.0
"""Walk a rule through a history: date by date it sees what ran before, and buys."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from optimizer.planning.backtest.market import Floats, History, Market
from optimizer.program.dated import Dated, DatedAnswer, solve_dated

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Calendar:
    """When it is decided, and which hours are charged.

    Attributes
    ----------
    dates
        (K,) hours of the history at which something may be bought; in force from that hour on.
    first, last
        The hours ``[first, last)`` whose cost counts: commitments are charged inside them only.
    """

    dates: tuple[int, ...]
    first: int
    last: int

    @classmethod
    def every(cls, first: int, last: int, step: int) -> Calendar:
        """Decide at ``first`` and every ``step`` hours from then on."""
        return cls(tuple(range(first, last, step)), first, last)

    @property
    def step(self) -> int:
        """Hours from one date to the next."""
        return self.dates[1] - self.dates[0] if len(self.dates) > 1 else self.last - self.first


@dataclass(frozen=True)
class Book:
    """What has been bought so far: amounts (K, O) on dates (K,), and the next date, ``now``."""

    dates: Ints
    amount: Floats
    term: Ints
    now: int
    step: int

    def held(self, hours: Ints, *, back: bool = False) -> Floats:
        """(O, N) amounts in force in these hours.

        ``back`` counts each purchase from a term before its date as well.
        """
        begin = self.dates[:, None] - (self.term[None] if back else 0)
        end = self.dates[:, None] + self.term[None]
        begin, end = np.broadcast_arrays(begin, end)
        inside = (begin[:, :, None] <= hours) & (hours < end[:, :, None])
        return np.asarray((self.amount[:, :, None] * inside).sum(axis=0))


class Rule(Protocol):
    """Decides what to buy from what it has seen; nothing else is given to it."""

    @property
    def name(self) -> str:
        """What the rule is called in tables."""

    def decide(self, market: Market, seen: Floats, book: Book) -> Floats:
        """Amounts (O,) to buy now, from the (L, now) units that ran before ``book.now``."""


@dataclass(frozen=True)
class Walk:
    """What a rule bought and what that cost, over the hours that count.

    ``cost = on_demand + committed``, dollars; ``all_on_demand`` is what the same usage costs
    without commitments; ``covered`` what the covered usage would have cost on demand; ``used``
    the dollars of commitment that met usage.  ``by_step`` are (cost, all on demand) from date
    to date, and ``in_force`` the (O, K) amounts at each date.
    """

    rule: str
    amount: Floats
    on_demand: float
    committed: float
    used: float
    all_on_demand: float
    by_step: Floats
    in_force: Floats

    @property
    def cost(self) -> float:
        """Dollars in the window."""
        return self.on_demand + self.committed

    @property
    def covered(self) -> float:
        """Dollars that the covered usage would have cost on demand."""
        return self.all_on_demand - self.on_demand

    @property
    def coverage(self) -> float:
        """Covered share of the usage, at on-demand prices."""
        return self.covered / self.all_on_demand if self.all_on_demand else 0.0

    @property
    def utilization(self) -> float | None:
        """Used share of the commitments, by cost; ``None`` without any."""
        return self.used / self.committed if self.committed else None

    @property
    def savings_rate(self) -> float:
        """Effective savings rate, 1 − cost ÷ all on demand."""
        return 1.0 - self.cost / self.all_on_demand if self.all_on_demand else 0.0


def decide_all(
    market: Market,
    demand: Floats,
    calendar: Calendar,
    rule: Rule,
    tell: Callable[[int, int], None] = lambda _done, _of: None,
) -> Floats:
    """The (K, O) amounts that a rule buys; on each date it is given the hours before it."""
    amount = np.zeros((len(calendar.dates), len(market.instruments)))
    dates = np.array(calendar.dates, dtype=np.int64)
    for k, date in enumerate(calendar.dates):
        seen = demand[:, :date].copy()
        book = Book(dates[:k], amount[:k].copy(), market.term, date, calendar.step)
        asked = rule.decide(market, seen, book)
        amount[k] = np.maximum(np.where(asked > 1e-9, asked, 0.0), 0.0)
        tell(k + 1, len(calendar.dates))
    return amount


def settle(market: Market, history: History, calendar: Calendar, amount: Floats, rule: str) -> Walk:
    """Replay the window's usage against purchases, by the law, and price it."""
    dates = np.array(calendar.dates, dtype=np.int64)
    book = Book(dates, amount, market.term, calendar.last, calendar.step)
    edges = segment_edges(market, calendar)
    force = np.repeat(book.held(edges[:-1]), np.diff(edges), axis=1)
    window = slice(calendar.first, calendar.last)
    outcome = history.cover(calendar.first, calendar.last, force)
    price = market.price[:, None]
    left = (outcome.uncovered * price).sum(axis=0)
    whole = (history.demand[:, window] * price).sum(axis=0)
    committed = market.rate @ force
    starts = dates - calendar.first
    return Walk(
        rule=rule,
        amount=amount,
        on_demand=float(left.sum()),
        committed=float(committed.sum()),
        used=float((market.rate @ outcome.used).sum()),
        all_on_demand=float(whole.sum()),
        by_step=np.stack(
            [np.add.reduceat(left + committed, starts), np.add.reduceat(whole, starts)]
        ),
        in_force=book.held(dates),
    )


def segment_edges(market: Market, calendar: Calendar) -> Ints:
    """Hours between which the same purchases are in force, from first to last."""
    dates = np.array(calendar.dates, dtype=np.int64)
    ends = (dates[:, None] + np.unique(market.term)[None]).ravel()
    inside = ends[(ends > calendar.first) & (ends < calendar.last)]
    return np.unique(np.concatenate([dates, inside, [calendar.first, calendar.last]]))


def optimum(
    market: Market, demand: Floats, calendar: Calendar, *, gap: float = 2e-4
) -> DatedAnswer:
    """The cheapest continuous purchases on the same dates, with the whole window foreseen."""
    edges = segment_edges(market, calendar)
    dates = np.array(calendar.dates, dtype=np.int64)
    ends = dates[:, None] + market.term[None]
    active = (dates[:, None, None] <= edges[:-1]) & (edges[:-1] < ends[:, :, None])
    charged = np.minimum(ends, calendar.last) - dates[:, None]
    pieces = [distinct(demand[:, a:b]) for a, b in pairwise(edges.tolist())]
    problem = Dated(
        pairs=market.pairs,
        price=market.price,
        demand=tuple(units for units, _ in pieces),
        weight=tuple(weight for _, weight in pieces),
        held=np.zeros((len(market.instruments), len(edges) - 1)),
        cost=market.rate[None] * charged,
        active=active,
    )
    return solve_dated(problem, gap=gap)


def distinct(units: Floats) -> tuple[Floats, Floats]:
    """Hours that agree, once each, and how many they are."""
    if len(units) == 1:
        values, count = np.unique(units[0], return_counts=True)
        return values[None], count.astype(np.float64)
    return units, np.ones(units.shape[1])
