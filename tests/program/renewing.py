# SPDX-License-Identifier: Apache-2.0
"""Random cases of two terms and a tail, and their optimum by trying every plan.

Shares nothing with the program: purchases and renewals are counted through in whole amounts,
renewals pay term by term, and every hour is served in the order that AWS prescribes.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np

from .folders import Row, at, cover, meter, money, units, usage

HORIZON = 4
PLAN_DRAW = 0.5


@dataclass(frozen=True)
class World:
    """One meter for reservations and one beside it; a plan that covers both, perhaps.

    ``rate`` and ``upfront`` of the short and the long reservation, ``plan`` the term of the
    savings plan (0: none), ``held`` units of a reservation in force until ``until``.
    """

    price: tuple[float, float]
    demand: tuple[tuple[float, ...], tuple[float, ...]]
    term: tuple[int, int]
    rate: tuple[float, float]
    upfront: tuple[float, float]
    plan: int
    held: int
    until: int
    discount: float

    @classmethod
    def random(cls, seed: int) -> World:
        """A world of a seed: usage up to 3, terms of 2 to 6 and 8 to 12 hours."""
        rng = np.random.default_rng(seed)
        short, long = int(rng.integers(2, 7)), int(rng.integers(8, 13))
        paid = rng.integers(0, 2, 2)
        rate = np.round(rng.uniform(0.3, 0.9, 2), 2)
        plan = int(rng.choice([0, short, long]))
        demand = rng.integers(0, 3 if plan else 4, (2, HORIZON))
        return cls(
            price=(1.0, float(np.round(rng.uniform(0.6, 1.5), 2))),
            demand=(tuple(map(float, demand[0])), tuple(map(float, demand[1]))),
            term=(short, long),
            rate=(float(rate[0] * (1 - paid[0])), float(rate[1] * (1 - paid[1]))),
            upfront=(
                float(np.round(rate[0] * paid[0] * short, 2)),
                float(np.round(rate[1] * paid[1] * long, 2)),
            ),
            plan=plan,
            held=int(rng.integers(0, 3)),
            until=int(rng.integers(2, long + 2)),
            discount=float(rng.choice([0.0, 200.0])),  # a year's: 6e-4 an hour
        )

    @property
    def toml(self) -> str:
        """Settings: the discount rate, and no gap."""
        return f'[finance]\ndiscount_rate = "{self.discount}"\n[solve]\ngap = 0\n'

    @property
    def tables(self) -> dict[str, list[Row]]:
        """The world as tables."""
        offers = [
            units(name, self.term[n], self.rate[n], upfront=self.upfront[n])
            for n, name in enumerate(("short", "long"))
        ]
        offers.append(units("old", 4, "0.5", available_until=at(0)))
        covers = [cover(offer["offer"], "a") for offer in offers]
        if self.plan:
            offers.append(money("plan", self.plan))
            covers += [cover("plan", "a", PLAN_DRAW), cover("plan", "b", PLAN_DRAW)]
        held: list[Row] = []
        if self.held:
            held = [
                {
                    "commitment": "h",
                    "offer": "old",
                    "quantity": self.held,
                    "start": at(0),
                    "end": at(self.until),
                }
            ]
        return {
            "meters": [meter("a", self.price[0]), meter("b", self.price[1])],
            "usage": [*usage("a", list(self.demand[0])), *usage("b", list(self.demand[1]))],
            "offers": offers,
            "covers": covers,
            "commitments": held,
        }

    def best(self) -> float:
        """Least dollars of purchases, renewals and usage; of parts, where nothing joins a and b."""
        if self.plan:
            return self._least((0, 1))
        return self._least((0,)) + self._least((1,))

    def _least(self, meters: tuple[int, ...]) -> float:
        """Try every amount of everything that may be bought now or renewed."""
        offers: list[tuple[int, float, float, bool]] = []  # term, rate, upfront, a reservation
        if 0 in meters:
            offers += [(self.term[n], self.rate[n], self.upfront[n], True) for n in (0, 1)]
        if self.plan:
            offers.append((self.plan, 1.0, 0.0, False))
        if not offers:
            none = np.zeros(1)
            return sum(
                self._gamma(hour) * float(self._hour(hour, meters, none, none)[0])
                for hour in range(HORIZON)
            )
        last = max(HORIZON, *(term for term, *_ in offers))
        expiries = {term for term, *_ in offers} | ({self.until} if self.held else set())
        starts = sorted({HORIZON} | {hour for hour in expiries if HORIZON < hour < last})
        choices, costs = [], []
        for term, rate, upfront, reserved in offers:
            spans = [(0, term)]
            if term < last:
                spans += [(start, last) for start in starts]
            for start, end in spans:
                choices.append((start, end, reserved))
                costs.append(self._paid(start, end, term, rate, upfront))
        # More than the peak covers nothing.  The cost is linear between amounts of the plan
        # that cover a whole number of units, since everything else is whole: one is best.
        peak = int(max(self.demand[0]))
        both = int(max(map(sum, zip(*self.demand, strict=True))))
        ranges = [
            np.arange(peak + 1) if reserved else PLAN_DRAW * np.arange(both + 1)
            for *_, reserved in choices
        ]
        amounts = np.array(list(itertools.product(*ranges))).reshape(-1, len(choices))
        total = amounts @ np.array(costs)
        edges = sorted({HORIZON, last, *(e for e in expiries if HORIZON < e < last)})
        pieces = [(hour, hour + 1) for hour in range(HORIZON)]
        pieces += list(itertools.pairwise(edges))
        for low, high in pieces:
            inside = [start <= low < end for start, end, _ in choices]
            reserved = amounts @ np.array(
                [i and r for i, (*_, r) in zip(inside, choices, strict=True)]
            )
            plan = amounts @ np.array(
                [i and not r for i, (*_, r) in zip(inside, choices, strict=True)]
            )
            if self.held and 0 in meters and low < self.until:
                reserved = reserved + self.held
            weight = sum(self._gamma(hour) for hour in range(low, high))
            hours = [low] if low < HORIZON else range(HORIZON)
            for hour in hours:
                total = total + weight / len(hours) * self._hour(hour, meters, reserved, plan)
        return float(total.min())

    def _hour(
        self, hour: int, meters: tuple[int, ...], reserved: np.ndarray, plan: np.ndarray
    ) -> np.ndarray:
        """On-demand dollars: reservations first, then the plan where it saves the most."""
        left = {m: np.full(len(plan), self.demand[m][hour]) for m in meters}
        if 0 in left:
            left[0] = np.maximum(left[0] - reserved, 0.0)
        for m in sorted(left, key=lambda m: -self.price[m]):  # the same draw: the dearer first
            used = np.minimum(left[m], plan / PLAN_DRAW)
            left[m] = left[m] - used
            plan = plan - used * PLAN_DRAW
        return sum((self.price[m] * units for m, units in left.items()), np.zeros(len(plan)))

    def _paid(self, start: int, end: int, term: int, rate: float, upfront: float) -> float:
        """One unit over ``[start, end)``: whole terms, and the last one in proportion."""
        whole = sum(self._gamma(hour) for hour in range(term))
        dollars = 0.0
        for begin in range(start, end, term):
            part = sum(self._gamma(hour) for hour in range(min(term, end - begin)))
            dollars += self._gamma(begin) * (upfront + rate * whole) * part / whole
        return dollars

    def _gamma(self, hour: int) -> float:
        return float((1 + self.discount) ** (-hour / 8760))
