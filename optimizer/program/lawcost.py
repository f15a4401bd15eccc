# SPDX-License-Identifier: Apache-2.0
"""The objective of a plan when the providers' law, not the solver, decides the coverage."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass, replace
from decimal import Decimal

import numpy as np

from optimizer.billing import Catalogue, Holding, replay
from optimizer.billing.order import ordered_pairs
from optimizer.program.hours import HourOracle
from optimizer.program.keeper import Covered, Keeper
from optimizer.program.linkcost import LinkedCost
from optimizer.program.problem import Floats, Ints, Problem
from optimizer.program.purchases import Column
from optimizer.program.window import Window
from optimizer.tables import Settings


@dataclass(frozen=True)
class LawOutcome:
    """A plan's cost over the window under the law.

    Attributes
    ----------
    objective
        Dollars: purchases, usage on demand, spot with its interruptions, unserved usage and
        the excess over rows that have a price; without the constant cost of what is held.
        ``inf`` where a limit is not kept.
    hourly
        (N,) dollars of one hour's usage, without purchases; the excess in equal parts.
    spot, uncovered, unmet, secured
        (L, N) units that run on spot, that run on demand, that are not served, and that a
        source with guaranteed capacity covers (where a limit asks).
    links
        (I,) left-hand sides of the linking rows.
    """

    objective: float
    hourly: Floats
    spot: Floats
    uncovered: Floats
    unmet: Floats
    secured: Floats
    links: Floats


# Of a policy: spot, on demand, unserved, dollars by line; used by holding; secured by line.
Priced = tuple[Floats, Floats, Floats, Floats, Floats, Floats]


class LawCost:
    """Prices plans by replay.

    Where a unit may run on spot, the plan takes, hour by hour, the cheapest of four
    policies:

    * commitments first: spot takes tolerant usage that they leave uncovered;
    * make room: where the law spent a commitment on tolerant usage and left other usage
      on demand, just as much tolerant usage moves to spot as that other usage needs;
    * prices first: tolerant usage goes to spot where spot is below the price π̂ of one
      more unit;
    * as under free choice: what runs on spot where coverage could be chosen, at the prices
      of the certificate (:meth:`HourOracle.spot`).  In hours in which that leaves nothing
      on demand the law has no order in which to cover the wrong part of the usage.

    Each policy is then brought within the hourly limits (:class:`Keeper`), and the whole
    within the share of spot.  Other rows that are hard make the cost ``inf``.
    """

    def __init__(
        self,
        settings: Settings,
        catalogue: Catalogue,
        window: Window,
        problem: Problem,
        columns: Sequence[Column],
        pool_of: Ints,
    ) -> None:
        self.keeper = Keeper(problem, window, pool_of)
        self.price = np.minimum(window.price, window.penalty[:, None])
        self.unserved = window.penalty[:, None] < window.price
        self.catalogue, self.window, self.problem = catalogue, window, problem
        bought = [
            (index, float(ratio), column.holding(offer, Decimal(1), settings.as_of))
            for index, column in enumerate(columns)
            for offer, ratio in column.members
        ]
        self.holdings = [*window.holdings, *(holding for _, _, holding in bought)]
        self.column = np.array([index for index, _, _ in bought], dtype=np.int64)
        self.ratio = np.array([ratio for _, ratio, _ in bought])
        self.cheaper = window.spot_price[:, None] < self.price
        self.can_move = np.asarray(((window.tolerant > 0) & self.cheaper).any(axis=1))
        self.may_spot = bool(self.can_move.any())
        self.prefer: np.ndarray | None = None
        self.rents: Floats | None = None
        self.oracle: HourOracle | None = None
        self._arrange(self.holdings)

    def _arrange(self, holdings: Sequence[Holding]) -> None:
        """Put what the holdings may cover into the order of the law."""
        self.holdings = list(holdings)
        self.orders = [
            ordered_pairs(self.catalogue, self.window.lines, self.holdings, modes)
            for _, modes in self.window.sharing.groups
        ]
        self.secures = np.array([h.offer.guarantees_capacity for h in self.holdings], dtype=bool)
        self.linked = LinkedCost(self.problem, self.window, self.holdings, self.keeper.pool_of)
        # For every holding: the lines that it may cover, with what a unit of them draws.
        self.reach: list[dict[int, float]] = [{} for _ in self.holdings]
        for order in self.orders:
            for pair in order:
                self.reach[pair.holding][pair.line] = pair.draw

    def with_usage(self, window: Window, problem: Problem) -> LawCost:
        """The same law for other usage of the same lines and hours."""
        other = copy(self)
        other.window, other.problem, other.prefer = window, problem, None
        other.rents = other.oracle = None
        pool_of = self.keeper.pool_of
        other.keeper = Keeper(problem, window, pool_of)
        other.linked = LinkedCost(problem, window, self.holdings, pool_of)
        other.can_move = np.asarray(((window.tolerant > 0) & other.cheaper).any(axis=1))
        other.may_spot = bool(other.can_move.any())
        return other

    def prefer_spot(self, unit_prices: Floats) -> None:
        """Set the prices π̂, shape (L, N), below which spot is taken first."""
        self.prefer = self.cheaper & (self.window.spot_price[:, None] < unit_prices - 1e-9)

    def choose_spot(self, rents: Floats) -> None:
        """Set the prices, shape (shared sources, N), at which coverage would be chosen."""
        self.rents, self.oracle = rents, None

    def outcome(self, quantity: Floats, *, quick: bool = False) -> LawOutcome:
        """Replay the window with these purchases, quantities of shape (K,).

        ``quick`` leaves *prices first* out: for comparing many plans with each other.
        """
        found = self._outcome(quantity, quick, self.rents)
        if self.rents is not None and self.problem.links.spot.any():
            # The share of spot is capped after the hours have chosen: what is best before
            # that need not be after it.
            other = self._outcome(quantity, quick, None)
            if other.objective < found.objective:
                return other
        return found

    def _outcome(self, quantity: Floats, quick: bool, rents: Floats | None) -> LawOutcome:
        window = self.window
        capacity = self._capacity(quantity)
        plan = self._commitments_first(capacity)
        if self.may_spot:
            spot, uncovered, _, cost = plan[:4]
            others = [self._spot_first(self._room(capacity, spot, uncovered), capacity)]
            if rents is not None:
                others.append(self._spot_first(self._chosen(quantity, rents), capacity))
            if self.prefer is not None and not quick:
                first = np.where(self.prefer, window.tolerant, 0.0)
                others.append(self._spot_first(first, capacity))
            for other in others:
                better = np.flatnonzero(other[3].sum(axis=0) < cost.sum(axis=0) - 1e-12)
                for mine, theirs in zip(plan, other, strict=True):
                    mine[:, better] = theirs[:, better]
        links = self.linked.rows(quantity, *plan[:2], plan[4])
        capped = self.linked.cap_spot(links, plan[0], self.price)
        if capped is not None:
            plan = self._settle(capped, capacity, capped)
            links = self.linked.rows(quantity, *plan[:2], plan[4])
        excess = self.linked.cost(links)
        hourly = plan[3].sum(axis=0) + excess / float(window.weight.sum())
        objective = float(self.problem.cost @ quantity) + float(window.weight @ hourly)
        return LawOutcome(objective, hourly, plan[0], plan[1], plan[2], plan[5], links)

    def objective(self, quantity: Floats) -> float:
        """The objective without *prices first*: what plans are compared by."""
        return self.outcome(quantity, quick=True).objective

    def _capacity(self, quantity: Floats) -> Floats:
        """(C, N) what each holding may spend in each hour."""
        bought = self.ratio * quantity[self.column]
        return np.vstack([self.window.held, bought[:, None] * self.window.active[self.column]])

    def _commitments_first(self, capacity: Floats) -> Priced:
        covered = self._replay(self.window.lines.quantity, capacity)
        left = covered.uncovered
        spot = np.where(self.cheaper, np.minimum(left, self.window.tolerant), 0.0)
        if self.keeper.active:
            return self._settle(spot, capacity, self.window.tolerant)
        return self._priced(spot, left - spot, covered)

    def _room(self, capacity: Floats, spot: Floats, uncovered: Floats) -> Floats:
        """Spot that makes room in each holding for what the law left uncovered; (L, N)."""
        spot, left = spot.copy(), uncovered.copy()
        there = np.asarray(capacity.any(axis=1))
        by_price = np.argsort(self.window.spot_price, kind="stable")
        for holding, reach in enumerate(self.reach):
            tolerant = [int(j) for j in by_price if int(j) in reach and self.can_move[j]]
            if not there[holding] or not tolerant or len(reach) < 2:
                continue
            inside = capacity[holding] > 0
            need = sum(draw * left[line] for line, draw in reach.items()) * inside
            freed = np.zeros(capacity.shape[1])
            for line in tolerant:
                room = np.minimum(
                    self.window.tolerant[line] - spot[line], (need - freed) / reach[line]
                )
                room = np.where(self.cheaper[line], np.maximum(room, 0.0), 0.0)
                spot[line] += room
                freed += room * reach[line]
            for line, draw in reach.items():
                taken = np.minimum(left[line], freed / draw)
                left[line] -= taken
                freed = np.maximum(freed - taken * draw, 0.0)
        return spot

    def _chosen(self, quantity: Floats, rents: Floats) -> Floats:
        """Spot of each line where coverage could be chosen, in proportion of its pool; (L, N)."""
        if self.oracle is None:
            self.oracle = HourOracle(self.problem)
        pool_of, tolerant = self.keeper.pool_of, self.window.tolerant
        spot = self.oracle.spot(quantity, rents)
        whole = np.zeros_like(spot)
        np.add.at(whole, pool_of, tolerant)
        share = np.divide(spot, whole, out=np.zeros_like(spot), where=whole > 0)
        return np.where(self.cheaper, np.minimum(share[pool_of], 1.0) * tolerant, 0.0)

    def _spot_first(self, first: Floats, capacity: Floats) -> Priced:
        """Run ``first`` on spot, cover the rest, and let spot take what is left over."""
        covered = self._replay(self.window.lines.quantity - first, capacity)
        left = covered.uncovered
        more = np.where(self.cheaper, np.minimum(left, self.window.tolerant - first), 0.0)
        if self.keeper.active:
            return self._settle(first + more, capacity, self.window.tolerant)
        return self._priced(first + more, left - more, covered)

    def _settle(self, spot: Floats, capacity: Floats, most: Floats) -> Priced:
        """The usage within the hourly limits, from this use of spot on; broken hours are inf."""
        settled = self.keeper.settle(spot, lambda units: self._replay(units, capacity), most)
        priced = self._priced(
            settled.spot, settled.covered.uncovered, settled.covered, settled.unmet
        )
        priced[3][:, settled.broken] = np.inf
        return priced

    def _replay(self, quantity: Floats, capacity: Floats) -> Covered:
        lines = replace(self.window.lines, quantity=quantity)
        secured = np.zeros_like(quantity)

        def trace(holding: int, line: int, units: Floats) -> None:
            if self.secures[holding]:
                secured[line] += units

        outcome = replay(
            self.catalogue,
            lines,
            self.holdings,
            capacity,
            self.window.sharing,
            orders=self.orders,
            trace=trace if self.keeper.counts_market and self.secures.any() else None,
        )
        return Covered(outcome.uncovered, secured, outcome.used)

    def _priced(
        self, spot: Floats, left: Floats, covered: Covered, unmet: Floats | None = None
    ) -> Priced:
        """Price what is left by its cheapest way, and what runs on spot or is not served."""
        unmet = np.zeros_like(left) if unmet is None else unmet
        unmet = unmet + np.where(self.unserved, left, 0.0)
        left = np.where(self.unserved, 0.0, left)
        cost = np.zeros_like(spot)
        for units, price in (
            (left, self.window.price),
            (spot, self.window.spot_price[:, None]),
            (unmet, self.window.penalty[:, None]),
        ):
            part = np.zeros_like(spot)
            np.multiply(units, price, out=part, where=units > 0)
            cost += part
        return spot, left, unmet, cost, covered.used, covered.secured
