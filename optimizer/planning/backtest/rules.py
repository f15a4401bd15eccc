# SPDX-License-Identifier: Apache-2.0
"""The peers' rules, restated from what they publish; each sees the past and what is held.

Where a rule is published for one instrument and there are several, it is applied to one after
the other, those that reach the fewest lines first, each on what the ones before it leave.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from optimizer.planning.backtest.market import DAY, Floats, Market
from optimizer.planning.backtest.walk import Book
from optimizer.program.dated import cover

_HALVINGS = 50


@dataclass(frozen=True)
class OnDemand:
    """Never buy anything."""

    name: str = "all on demand"

    def decide(self, market: Market, seen: Floats, book: Book) -> Floats:  # noqa: ARG002
        """Nothing."""
        return np.zeros(len(market.instruments))


@dataclass(frozen=True)
class MostSaved:
    """The AWS and Azure recommendation, followed at every date.

    From the usage of a look-back, the hourly commitment that would have saved most, net of what
    is held now (AWS: "Savings Plans recommendations", look-back 7, 30 or 60 days; Azure: the
    same of 7, 30 or 60 days of hourly usage).  ``part`` of it is bought.
    """

    days: int = 30
    kinds: str = "all"
    part: float = 1.0
    label: str = ""

    @property
    def name(self) -> str:
        """Look-back, and which instruments where not all."""
        return self.label or f"provider {self.days} d{_of_kinds(self.kinds)}"

    def decide(self, market: Market, seen: Floats, book: Book) -> Floats:
        """Instrument after instrument, the amount whose last unit just pays."""
        recent = seen[:, -self.days * DAY :]
        chosen = _chosen(market, self.kinds)
        return self.part * _one_by_one(market, recent, book, chosen, _last_that_pays)


@dataclass(frozen=True)
class StableUsage:
    """Google's recommendation for stable usage: what ran in every hour of the last 30 days."""

    days: int = 30
    name: str = "Google stable usage"

    def decide(self, market: Market, seen: Floats, book: Book) -> Floats:
        """The least load of the look-back, where a unit used all the time pays."""
        recent = seen[:, -self.days * DAY :]

        def least(load: Floats, worth: Floats, rate: float) -> float:
            amount = float(load[-1].min(initial=np.inf)) if len(load) else 0.0
            return amount if _mean_worth(load, worth, amount) >= rate else 0.0

        return _one_by_one(market, recent, book, market.narrow_first, least)


@dataclass(frozen=True)
class FixedCoverage:
    """Top up at every date until a share of the last 30 days' eligible spend would be covered.

    Of instruments that cover the same usage, the widest is bought.
    """

    share: float
    days: int = 30

    @property
    def name(self) -> str:
        """The target."""
        return f"coverage {self.share:.0%}"

    def decide(self, market: Market, seen: Floats, book: Book) -> Floats:
        """Amounts of the widest instruments that reach the share, one after the other."""
        recent = seen[:, -self.days * DAY :]
        found = np.zeros(len(market.instruments))
        now = _in_force(book)
        for o in market.widest:
            found[o] = self._top_up(market, recent, now + found, o)
        return found

    def _top_up(self, market: Market, recent: Floats, force: Floats, o: int) -> float:
        """The least more of an instrument under which its lines reach the share."""
        lines = sorted(market.reach[o])
        goal = (1 - self.share) * float((market.price[lines] @ recent[lines]).sum())

        def enough(amount: float) -> bool:
            more = force.copy()
            more[o] += amount
            level = np.repeat(more[:, None], recent.shape[1], axis=1)
            rest = cover(market.pairs, market.price, recent, level)[2]
            return float((market.price[lines] @ rest[lines]).sum()) <= goal

        load, _ = _load(market, recent, np.repeat(force[:, None], recent.shape[1], axis=1), o)
        return 0.0 if enough(0.0) else _bisect(enough, float(load[-1].max(initial=0.0)))


@dataclass(frozen=True)
class BreakEven:
    """Wang, Li and Liang's deterministic online rule ("To Reserve or Not to Reserve", 2013).

    A unit is reserved once what it has cost on demand within the last term reaches the fee of a
    reservation; hours that a reservation would have covered in the term before its purchase are
    not counted again.  At most 2 − α times the optimum for α the usage price of what is reserved
    (here 0: the whole fee is committed).  Restated for purchases on the dates of the calendar.
    """

    name: str = "online break-even"

    def decide(self, market: Market, seen: Floats, book: Book) -> Floats:
        """Per instrument the units whose uncovered cost within a term has reached its fee."""
        found = np.zeros(len(market.instruments))
        for o in market.widest:
            term = int(market.term[o])
            begin = max(0, book.now - term)
            force = book.held(np.arange(begin, book.now), back=True) + found[:, None]
            load, worth = _load(market, seen[:, begin:], force, o)
            fee = float(market.rate[o]) * term / max(book.now - begin, 1)
            found[o] = _last_that_pays(load, worth, fee)
        return found


def peers(market: Market) -> list[OnDemand | MostSaved | StableUsage | FixedCoverage | BreakEven]:
    """The rules that a backtest compares with."""
    kinds = ["all"]
    if market.money.any() and not market.money.all():
        kinds += ["units", "money"]
    return [
        OnDemand(),
        *(MostSaved(days, kind) for kind in kinds for days in (7, 30, 60)),
        StableUsage(),
        *(FixedCoverage(share) for share in (0.6, 0.7, 0.8, 0.9)),
        gap_split(),
        BreakEven(),
    ]


def gap_split() -> MostSaved:
    """sp-autopilot's "maximum" target with its gap split, restated from its description.

    The target is the commitment that saves most over the look-back; each month a part of the
    gap between it and what is held is bought.
    """
    return MostSaved(30, "money-or-all", GAP_PART, label="sp-autopilot gap split")


GAP_PART = 1 / 2


def _of_kinds(kinds: str) -> str:
    return {"all": "", "units": ", reservations", "money": ", plans"}.get(kinds, f", {kinds}")


def _chosen(market: Market, kinds: str) -> tuple[int, ...]:
    if kinds == "units":
        return tuple(o for o in market.narrow_first if not market.money[o])
    if kinds == "money" or (kinds == "money-or-all" and market.money.any()):
        return tuple(o for o in market.narrow_first if market.money[o])
    return market.narrow_first


def _in_force(book: Book) -> Floats:
    return np.asarray(book.held(np.array([book.now]))[:, 0])


def _one_by_one(
    market: Market,
    recent: Floats,
    book: Book,
    chosen: tuple[int, ...],
    amount_of: Callable[[Floats, Floats, float], float],
) -> Floats:
    """Amounts of each chosen instrument on what is held and those before it leave."""
    found = np.zeros(len(market.instruments))
    now = _in_force(book)
    for o in chosen:
        force = np.repeat((now + found)[:, None], recent.shape[1], axis=1)
        load, worth = _load(market, recent, force, o)
        found[o] = amount_of(load, worth, float(market.rate[o]))
    return found


def _load(market: Market, units: Floats, force: Floats, o: int) -> tuple[Floats, Floats]:
    """What an instrument could still cover, hour by hour, best first.

    Returns
    -------
    (P, n) its measure drawn by its first, first two, … pairs, and (P,) dollars that a unit of
    its measure saves on each.
    """
    pairs = market.of(o)
    rest = cover(market.pairs, market.price, units, force)[2]
    draws = np.array([pair.draw for pair in pairs])
    lines = np.array([pair.line for pair in pairs], dtype=np.int64)
    worth = market.price[lines] / draws
    order = np.argsort(-worth, kind="stable")
    return np.cumsum(rest[lines[order]] * draws[order, None], axis=0), worth[order]


def _mean_worth(load: Floats, worth: Floats, amount: float) -> float:
    """Dollars per hour that the unit just below an amount saves, on average."""
    if not len(load) or amount <= 0:
        return float("inf") if len(load) else 0.0
    below = load < amount * (1 - 1e-12)
    place = below.sum(axis=0)  # the pair in whose load the unit falls
    padded = np.append(worth, 0.0)
    return float(padded[place].mean())


def _last_that_pays(load: Floats, worth: Floats, rate: float) -> float:
    """The greatest amount whose last unit saves its rate."""
    if not len(load):
        return 0.0
    points = np.unique(load[load > 0])
    low, high = -1, len(points) - 1
    while low < high:  # the mean worth falls as the amount grows
        middle = (low + high + 1) // 2
        if _mean_worth(load, worth, float(points[middle])) >= rate - 1e-12:
            low = middle
        else:
            high = middle - 1
    return float(points[low]) if low >= 0 else 0.0


def _bisect(enough: Callable[[float], bool], most: float) -> float:
    """The least amount that is enough, or the most."""
    low, high = 0.0, most
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high
