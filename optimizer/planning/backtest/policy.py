# SPDX-License-Identifier: Apache-2.0
"""The house's own purchase policy: plan the doubted year ahead, and take its first step.

On each date the hours to come are foreseen (:mod:`~optimizer.planning.backtest.outlook`) and
the cheapest purchases on this date *and on later ones* are found, over all scenarios at once.
Only those of now are made.  Because later purchases are in the program, a level is bought now
only if no later date would do better: waiting has its value.  Because an instrument is charged
for its whole term, what declines is bought only as far as it will last.  Because all instruments
are decided together, no usage is covered twice.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from optimizer.billing.order import OrderedPair
from optimizer.planning.backtest.market import Floats, Market
from optimizer.planning.backtest.outlook import Beliefs, Outlook, foresee
from optimizer.planning.backtest.walk import Book
from optimizer.program.dated import Dated, solve_dated

GAP = 3e-4
ROUNDS = 150


@dataclass(frozen=True)
class Policy:
    """The rule that ``gpuopt`` itself would have followed."""

    beliefs: Beliefs = field(default_factory=Beliefs)
    name: str = "gpuopt"

    def decide(self, market: Market, seen: Floats, book: Book) -> Floats:
        """Amounts (O,) to buy now."""
        horizon = int(market.term.max())
        outlook = foresee(market, seen, self.beliefs, horizon)
        problem = year_ahead(market, outlook, book)
        answer = solve_dated(problem, gap=GAP, rounds=ROUNDS)
        return np.asarray(answer.amount[0])


def year_ahead(market: Market, outlook: Outlook, book: Book) -> Dated:
    """The program of the time ahead: purchases now and at the beginning of each later block.

    What a line loses to others of its group becomes usage *elsewhere*: lines of their own that
    only instruments of more than one line cover.
    """
    moving = bool((outlook.stays < 1).any())
    pairs, price = market.pairs, market.price
    elsewhere = np.zeros((0, len(price)))
    if moving:
        pairs, price, elsewhere = _with_elsewhere(market)
    edges = outlook.edges
    blocks, scenarios = len(edges) - 1, outlook.stays.shape[1]
    count = outlook.recent.shape[1]
    demand, weight = [], []
    for block in range(blocks):
        whole = outlook.recent * outlook.level[:, block : block + 1]
        parts = []
        for scenario in range(scenarios):
            stays = whole * outlook.stays[:, scenario, block : block + 1]
            parts.append(np.vstack([stays, elsewhere @ (whole - stays)]))
        demand.append(np.hstack(parts))
        hours = (edges[block + 1] - edges[block]) / (count * scenarios)
        weight.append(np.full(count * scenarios, hours))
    starts = edges[:-1]
    ends = starts[:, None] + market.term[None]
    middle = (edges[1:] + edges[:-1]) / 2
    active = (starts[:, None, None] <= middle) & (middle < ends[:, :, None])
    return Dated(
        pairs=pairs,
        price=price,
        demand=tuple(demand),
        weight=tuple(weight),
        held=_held(book, edges),
        cost=market.rate[None] * (np.minimum(ends, edges[-1]) - starts[:, None]),
        active=active,
    )


def _held(book: Book, edges: Floats) -> Floats:
    """(O, J) mean amount in force in each block of the time ahead."""
    hours = book.now + np.arange(int(edges[-1]))
    force = book.held(hours)
    cuts = edges.astype(np.int64)
    return np.add.reduceat(force, cuts[:-1], axis=1) / np.diff(cuts)


def _with_elsewhere(market: Market) -> tuple[tuple[OrderedPair, ...], Floats, Floats]:
    """Pairs and prices with the lines of *elsewhere*, and the (E, L) matrix that feeds them.

    Lines of one price that the same wide instruments cover at the same draws share one.
    """
    wide = [len(lines) > 1 for lines in market.reach]
    keys = [
        (
            float(market.price[line]),
            *((p.holding, p.draw) for p in market.pairs if p.line == line and wide[p.holding]),
        )
        for line in range(len(market.lines))
    ]
    order = {key: number for number, key in enumerate(dict.fromkeys(keys))}
    feeds = np.zeros((len(order), len(keys)))
    for line, key in enumerate(keys):
        feeds[order[key], line] = 1.0
    pairs: list[OrderedPair] = []
    made = set()
    for pair in market.pairs:
        pairs.append(pair)
        other = OrderedPair(pair.holding, len(keys) + order[keys[pair.line]], pair.draw)
        if wide[pair.holding] and other not in made:
            made.add(other)
            pairs.append(other)
    price = np.concatenate([market.price, np.array([key[0] for key in order], dtype=np.float64)])
    return tuple(pairs), price, feeds
