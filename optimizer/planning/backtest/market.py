# SPDX-License-Identifier: Apache-2.0
"""What a rule may buy, and what it covers: the offers of a case in the order of the law.

A rule decides amounts of instruments.  An instrument is an offer that can be bought on any
date: per line that it may cover it has a draw, and it costs a rate per unit and hour for the
whole of its term.  Everything in here is in dollars as float64; amounts are continuous, so
that rules are compared by what they know and not by how they round.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from optimizer.billing import Catalogue, Holding, Offer, billing_lines
from optimizer.billing.cost import fixed_rate
from optimizer.billing.fit import open_catalogue
from optimizer.billing.lines import BillingLines, SharingModes
from optimizer.billing.order import OrderedPair, ordered_pairs
from optimizer.billing.replay import Replay, replay
from optimizer.errors import DataError
from optimizer.tables import Case, UsageLines, format_hour

Floats = NDArray[np.float64]

DAY = 24
WEEK = 168
MONTH = 730
SHORTEST = 2 * WEEK  # less than this says nothing about a week
_EVER = 2**40
_NO_CATALOGUE = Catalogue({}, {}, {})  # a replay whose orders are known asks it for nothing
_DUST = 1e-9


@dataclass(frozen=True)
class Market:
    """L lines that run and O instruments that may cover them.

    Attributes
    ----------
    lines, price
        Names of the lines, and (L,) dollars for a unit on demand.
    instruments, rate, term, money
        Names; (O,) dollars per unit and hour; (O,) hours; whether the amount is hourly money.
    pairs
        Which instrument covers which line at which draw, in the order of the law.
    """

    lines: tuple[str, ...]
    price: Floats
    instruments: tuple[str, ...]
    rate: Floats
    term: NDArray[np.int64]
    money: NDArray[np.bool_]
    pairs: tuple[OrderedPair, ...]

    @cached_property
    def reach(self) -> tuple[frozenset[int], ...]:
        """The lines of each instrument."""
        found: list[set[int]] = [set() for _ in self.instruments]
        for pair in self.pairs:
            found[pair.holding].add(pair.line)
        return tuple(frozenset(lines) for lines in found)

    @cached_property
    def narrow_first(self) -> tuple[int, ...]:
        """Instruments by how many lines they reach, then in the order of the law."""
        first = {pair.holding: index for index, pair in reversed(list(enumerate(self.pairs)))}
        return tuple(sorted(first, key=lambda o: (len(self.reach[o]), first[o])))

    @cached_property
    def widest(self) -> tuple[int, ...]:
        """Instruments whose lines no other instrument has with more beside them."""
        return tuple(
            o for o in self.narrow_first if not any(self.reach[o] < other for other in self.reach)
        )

    @cached_property
    def groups(self) -> tuple[tuple[int, ...], ...]:
        """Lines that instruments join: of each group, what one line loses another may win."""
        label = list(range(len(self.lines)))

        def root(line: int) -> int:
            while label[line] != line:
                line = label[line]
            return line

        for lines in self.reach:
            first, *others = sorted(lines) or [-1]
            for line in others:
                label[root(line)] = root(first)
        groups: dict[int, list[int]] = {}
        for line in range(len(self.lines)):
            groups.setdefault(root(line), []).append(line)
        return tuple(tuple(lines) for _, lines in sorted(groups.items()))

    def of(self, instrument: int) -> list[OrderedPair]:
        """The pairs of one instrument, in the order of the law."""
        return [pair for pair in self.pairs if pair.holding == instrument]


@dataclass(frozen=True)
class History:
    """What ran before ``as_of``: (L, T) units by line and hour, firm usage alone.

    ``present`` says in which hours a line has a row.  ``law`` are billing lines and ``probes``
    one holding for each instrument; ``sharing`` are groups of hours and ``orders`` the pairs of
    each in the order of the law: what its replay needs.
    """

    first_hour: int
    demand: Floats
    present: NDArray[np.bool_]
    law: BillingLines
    probes: tuple[Holding, ...]
    sharing: SharingModes
    orders: tuple[tuple[OrderedPair, ...], ...]

    @property
    def hours(self) -> int:
        """Number of hours, T."""
        return int(self.demand.shape[1])

    def cover(self, first: int, last: int, capacity: Floats) -> Replay:
        """Replay the hours ``[first, last)`` against (O, last − first) capacity, by the law."""
        law = self.law
        units = self.demand[:, first:last]
        none = np.zeros_like(units)
        lines = replace(law, quantity=units, spot=none, spot_free=none)
        inside = [
            (index[(index >= first) & (index < last)] - first, modes)
            for index, modes in self.sharing.groups
        ]
        sharing = SharingModes(tuple(inside))
        return replay(_NO_CATALOGUE, lines, self.probes, capacity, sharing, orders=self.orders)


@dataclass(frozen=True)
class Opened:
    """A case ready to be walked: market, history, and what was left out, with its reason."""

    market: Market
    history: History
    left_out: dict[str, str]
    notes: tuple[str, ...]


def open_market(case: Case, *, term_hours: int | None = None) -> Opened:
    """Read the market and the history of a case.

    Offers with a fixed start, capacity blocks and bundles are left out, and of offers that
    cover the same usage under the same law all but the cheapest of the shortest term (or of
    ``term_hours``): longer terms cannot be told apart on a history shorter than they are.

    Raises
    ------
    DataError
        For a history of less than two weeks, a gap of a day or more in it, or a case in which
        nothing can be tested.
    """
    case.require("meters", "usage", "offers", "covers")
    catalogue = open_catalogue(case)
    usage, notes = _past(case)
    left: dict[str, str] = {}
    keep = _lines(catalogue, usage, left)
    usage = _take(usage, keep)
    lines = billing_lines(usage, catalogue)
    firm = usage.quantity - usage.spot
    probes = _probes(catalogue, lines, left, term_hours)
    hours = usage.first_hour + np.arange(firm.shape[1])
    sharing = SharingModes.of(case.settings, hours)
    orders = [
        [pair for pair in ordered_pairs(catalogue, lines, probes, modes) if pair.draw > _DUST]
        for _, modes in sharing.groups
    ]
    used = sorted({pair.holding for pairs in orders for pair in pairs})
    for index, probe in enumerate(probes):
        if index not in used:
            left[probe.offer.name] = "nothing that it covers ran"
    if not used:
        raise DataError(
            "no offer of the case can be tested on its history",
            mend="add offers that cover what ran, with their rows in covers; left out were: "
            + "; ".join(f"{name} ({why})" for name, why in sorted(left.items())),
            file=case.file("offers"),
        )
    number = {old: new for new, old in enumerate(used)}
    numbered = tuple(
        tuple(OrderedPair(number[p.holding], p.line, p.draw) for p in pairs) for pairs in orders
    )
    latest = max(range(len(orders)), key=lambda g: int(sharing.groups[g][0].max(initial=-1)))
    chosen = tuple(probes[index] for index in used)
    market = Market(
        lines=tuple(_line_name(lines, index) for index in range(len(lines.meter))),
        price=np.array([float(catalogue.meters[m].on_demand or 0) for m in lines.meter]),
        instruments=tuple(probe.offer.name for probe in chosen),
        rate=np.array([hourly_rate(probe.offer) for probe in chosen]),
        term=np.array([probe.offer.term_hours for probe in chosen], dtype=np.int64),
        money=np.array([probe.offer.measure == "money" for probe in chosen], dtype=bool),
        pairs=numbered[latest],
    )
    none = np.zeros((len(lines.meter), 0))
    law = replace(lines, quantity=none, spot=none, spot_free=none)
    history = History(usage.first_hour, firm, usage.present, law, chosen, sharing, numbered)
    return Opened(market, history, left, tuple(notes))


def hourly_rate(offer: Offer) -> float:
    """Amortised dollars per unit and hour; a month is 730 hours."""
    return float(fixed_rate(offer)) + float(offer.monthly) / MONTH


def _past(case: Case) -> tuple[UsageLines, list[str]]:
    """Usage before ``as_of``, from the first hour with a row to the last."""
    usage = case.usage_lines()
    count = usage.quantity.shape[1]
    past = min(max(0, case.settings.as_of - usage.first_hour), count)
    there = np.flatnonzero(usage.present[:, :past].any(axis=0))
    first, last = (int(there[0]), int(there[-1]) + 1) if len(there) else (0, 0)
    if last - first < SHORTEST:
        raise DataError(
            f"the case has {last - first} hours of history before as_of, and a backtest needs "
            f"two weeks ({SHORTEST} hours) at least",
            mend="add hourly usage before as_of, or pull a longer window",
            file=case.file("usage"),
        )
    gaps = np.diff(there)
    widest = int(gaps.argmax()) if len(gaps) else 0
    if len(gaps) and gaps[widest] > DAY:
        start = usage.first_hour + int(there[widest]) + 1
        raise DataError(
            f"history has a gap of {int(gaps[widest]) - 1} hours from {format_hour(start)}: no "
            "usage of anything",
            mend="fill the hours that are missing (0 where nothing ran), or cut the history "
            "before the gap away",
            file=case.file("usage"),
        )
    missing = last - first - len(there)
    notes = [f"{missing} hours without any row count as hours in which nothing ran"]
    if usage.daily.any():
        notes.append("daily rows are spread evenly over their hours: bursts within a day are lost")
    window = slice(first, last)
    cut = replace(
        usage,
        first_hour=usage.first_hour + first,
        quantity=usage.quantity[:, window],
        spot=usage.spot[:, window],
        spot_taken=usage.spot_taken[:, window],
        tolerant=usage.tolerant[:, window],
        present=usage.present[:, window],
    )
    return cut, notes if missing else notes[1:]


def _lines(catalogue: Catalogue, usage: UsageLines, left: dict[str, str]) -> list[int]:
    """Lines that can be walked: used, and with an on-demand price to compare with."""
    keep = []
    for index, name in enumerate(usage.meter):
        if catalogue.meters[name].on_demand is None:
            left[name] = "it has no on-demand price, so that a commitment saves nothing to count"
        elif not (usage.quantity[index] - usage.spot[index]).any():
            left[name] = "nothing of it ran before as_of, but on spot"
        elif name in catalogue.coverable:
            keep.append(index)
        else:
            left[name] = "no offer covers it"
    return keep


def _take(usage: UsageLines, keep: list[int]) -> UsageLines:
    rows = np.array(keep, dtype=np.int64)
    return replace(
        usage,
        meter=tuple(usage.meter[index] for index in keep),
        account=tuple(usage.account[index] for index in keep),
        zone=tuple(usage.zone[index] for index in keep),
        restart_cost=tuple(usage.restart_cost[index] for index in keep),
        unmet_penalty=tuple(usage.unmet_penalty[index] for index in keep),
        lost_hours=usage.lost_hours[rows],
        quantity=usage.quantity[rows],
        spot=usage.spot[rows],
        spot_taken=usage.spot_taken[rows],
        tolerant=usage.tolerant[rows],
        present=usage.present[rows],
        daily=usage.daily[rows],
    )


def _probes(
    catalogue: Catalogue, lines: BillingLines, left: dict[str, str], term_hours: int | None
) -> list[Holding]:
    """One holding of each offer that can be walked, in force for ever."""
    best: dict[tuple[object, ...], Offer] = {}
    for name in sorted(catalogue.offers):
        offer = catalogue.offers[name]
        if offer.released is not None:
            continue  # walked as the offer that it is of, kept to its end
        if offer.starts is not None or offer.law == "capacity.block":
            left[name] = "it has a fixed start: it cannot be bought on any date"
        elif offer.bundle:
            left[name] = "it is bought in a bundle"
        elif term_hours is not None and offer.term_hours != term_hours:
            left[name] = f"its term is {offer.term_hours} hours, not {term_hours}"
        else:
            covers = frozenset(catalogue.draws[name]) & set(lines.meter)
            key = (offer.law, covers, offer.zone, offer.account, offer.scope)
            other = best.setdefault(key, offer)
            if other is not offer:
                best[key], loser = (offer, other) if _shorter(offer, other) else (other, offer)
                left[loser.name] = f"{best[key].name} covers the same for a shorter term, or less"
    return [
        Holding(offer.name, offer, offer.amount_step, 0, _EVER, offer.account, offer.scope)
        for offer in sorted(best.values(), key=lambda offer: offer.name)
    ]


def _shorter(offer: Offer, other: Offer) -> bool:
    return (offer.term_hours, hourly_rate(offer)) < (other.term_hours, hourly_rate(other))


def _line_name(lines: BillingLines, index: int) -> str:
    parts = (lines.meter[index], lines.account[index], lines.zone[index])
    return "|".join(part for part in parts if part)
