# SPDX-License-Identifier: Apache-2.0
"""Keeping a plan within its limits when the providers' law decides the coverage.

The plan cannot choose what a commitment covers; it can choose what runs on spot and what
stays unserved.  Where the law leaves more on the market than a limit allows, usage moves
to spot or goes unserved, the cheapest way first, and the law is asked again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from optimizer.program.problem import Counts, Flags, Floats, Ints, Problem
from optimizer.program.window import Window

PASSES = 24
DUST = 1e-9


@dataclass(frozen=True)
class Covered:
    """What the law makes of some usage: (L, N) uncovered and secured units, (C, N) used."""

    uncovered: Floats
    secured: Floats
    used: Floats


@dataclass(frozen=True)
class Settled:
    """Usage within the limits: (L, N) units; hours (N,) that no way was found for."""

    spot: Floats
    unmet: Floats
    covered: Covered
    broken: Flags


Ask = Callable[[Floats], Covered]


class Keeper:
    """Settles hours of lines within the hourly limits and availability of a problem."""

    def __init__(self, problem: Problem, window: Window, pool_of: Ints) -> None:
        self.problem, self.window, self.pool_of = problem, window, pool_of
        limits = problem.limits
        most = limits.most[:, problem.period] if limits.names else np.zeros((0, problem.hours))
        # (L,) weights of the lines in each limit, by what of them counts.
        self.rows: list[tuple[Counts, Floats, Floats]] = []
        for limit in range(len(limits.names)):
            weight = np.zeros(len(problem.pools))
            mine = limits.entry_limit == limit
            weight[limits.entry_pool[mine]] = limits.entry_weight[mine]
            counts = Counts(int(limits.entry_counts[mine][0]))
            self.rows.append((counts, weight[pool_of], most[limit]))
        share = problem.availability[:, problem.period]
        for pool in np.flatnonzero((share < 1.0).any(axis=1)):
            able = np.where(share[pool] < 1.0, share[pool] * problem.demand[pool], np.inf)
            self.rows.append((Counts.MARKET, (pool_of == pool).astype(np.float64), able))
        self.active = bool(self.rows)
        self.counts_market = any(counts == Counts.MARKET for counts, _, _ in self.rows)
        self.quantity = window.lines.quantity
        self.penalty = window.penalty[:, None]
        self.may_unmet = np.isfinite(window.penalty)
        self.may_spot = np.isfinite(window.spot_price)

    def settle(self, spot: Floats, ask: Ask, most_spot: Floats) -> Settled:
        """Choose spot and unserved usage from ``spot`` on, so that every limit is kept.

        Parameters
        ----------
        spot
            (L, N) units that would run on spot without limits.
        ask
            What the law covers of given usage.
        most_spot
            (L, N) units that may run on spot at all.
        """
        unmet = np.zeros_like(spot)
        broken = np.zeros(spot.shape[1], dtype=bool)
        for counts, weight, most in self.rows:
            if counts == Counts.RUNNING:
                over = self._over(weight, self.quantity - unmet, most)
                broken |= self._leave(unmet, weight, over)
        spot = np.minimum(spot, np.minimum(most_spot, self.quantity - unmet))
        self._cap_spot(spot)
        covered = ask(self.quantity - spot - unmet)
        for _ in range(PASSES):
            # What nothing covers is left unserved where that costs less than to serve it.
            cheap = self.penalty < self.window.price
            unmet = unmet + np.where(cheap, covered.uncovered, 0.0)
            left = np.where(cheap, 0.0, covered.uncovered)
            covered = Covered(left, covered.secured, covered.used)
            moved = self._relieve(spot, unmet, covered, most_spot, broken)
            if not moved:
                break
            covered = ask(self.quantity - spot - unmet)
        for counts, weight, most in self.rows:
            load = self._load(counts, spot, unmet, covered)
            broken |= self._over(weight, load, most) > 1e-7 * (
                1.0 + np.where(np.isinf(most), 0, most)
            )
        return Settled(spot, unmet, covered, broken)

    def _load(self, counts: Counts, spot: Floats, unmet: Floats, covered: Covered) -> Floats:
        if counts == Counts.SPOT:
            return spot
        if counts == Counts.RUNNING:
            return self.quantity - unmet
        return np.maximum(self.quantity - spot - unmet - covered.secured, 0.0)

    @staticmethod
    def _over(weight: Floats, units: Floats, most: Floats) -> Floats:
        """(N,) by how much a limit is exceeded; nothing where it does not apply."""
        return np.maximum(weight @ units - most, 0.0)

    def _leave(self, unmet: Floats, weight: Floats, over: Floats) -> Flags:
        """Leave usage unserved until nothing is over; hours in which that is not enough."""
        rest = over.copy()
        lines = np.flatnonzero((weight > 0) & self.may_unmet)
        for line in sorted(lines, key=lambda at: self.window.penalty[at] / weight[at]):
            amount = np.minimum(self.quantity[line] - unmet[line], rest / weight[line])
            unmet[line] += amount
            rest = rest - amount * weight[line]
        return rest > DUST * (1.0 + over)

    def _cap_spot(self, spot: Floats) -> None:
        """Take usage off spot, the least saving first, until every spot limit is kept."""
        # Without spot there is nothing to take off: ∞ − ∞ is not asked for.
        price = np.where(self.may_spot, self.window.spot_price, 0.0)
        worth = (np.minimum(self.window.price, self.penalty) - price[:, None]).mean(axis=1)
        for counts, weight, most in self.rows:
            if counts != Counts.SPOT:
                continue
            over = self._over(weight, spot, most)
            for line in sorted(np.flatnonzero(weight > 0), key=lambda at: worth[at] / weight[at]):
                amount = np.minimum(spot[line], over / weight[line])
                spot[line] -= amount
                over = over - amount * weight[line]

    def _relieve(
        self, spot: Floats, unmet: Floats, covered: Covered, most_spot: Floats, broken: Flags
    ) -> bool:
        """Move usage off the market where too much is on it; whether anything moved."""
        moved = False
        for counts, weight, most in self.rows:
            if counts != Counts.MARKET:
                continue
            market = self._load(counts, spot, unmet, covered)
            rest = self._over(weight, market, most)
            rest[broken | (rest <= DUST * (1.0 + weight @ self.quantity))] = 0.0
            if not rest.any():
                continue
            for line, to_spot in self._ways(weight):
                # Secured units may be what leaves first: the law says so when asked again.
                room = np.maximum(market[line], 0.0)
                if to_spot:
                    room = np.minimum(room, self._spot_room(spot, most_spot, line))
                amount = np.minimum(room, rest / weight[line])
                if not amount.any():
                    continue
                (spot if to_spot else unmet)[line] += amount
                market[line] -= amount
                rest = rest - amount * weight[line]
                moved = True
            broken |= rest > 1e-7 * (1.0 + np.where(np.isinf(most), 0.0, most))
        return moved

    def _ways(self, weight: Floats) -> list[tuple[int, bool]]:
        """Lines and whether they go to spot, the cheapest way off the market first."""
        price = np.where(np.isfinite(self.window.price), self.window.price, 0.0).mean(axis=1)
        ways = []
        for line in np.flatnonzero(weight > 0):
            for open_, cost, to_spot in (
                (self.may_spot[line], self.window.spot_price[line], True),
                (self.may_unmet[line], self.window.penalty[line], False),
            ):
                if open_:
                    ways.append(((cost - price[line]) / weight[line], int(line), to_spot))
        return [(line, to_spot) for _, line, to_spot in sorted(ways)]

    def _spot_room(self, spot: Floats, most_spot: Floats, line: int) -> Floats:
        """Units of a line that spot still takes, within its tolerance and every spot limit."""
        room = most_spot[line] - spot[line]
        for counts, weight, most in self.rows:
            if counts == Counts.SPOT and weight[line] > 0:
                room = np.minimum(room, (most - weight @ spot) / weight[line])
        return np.asarray(np.maximum(room, 0.0))
