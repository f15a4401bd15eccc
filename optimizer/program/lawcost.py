# SPDX-License-Identifier: Apache-2.0
"""The objective of a plan when the providers' law, not the solver, decides the coverage."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass, replace
from decimal import Decimal

import numpy as np

from optimizer.billing import Catalogue, replay
from optimizer.billing.order import ordered_pairs
from optimizer.program.problem import Floats, Problem
from optimizer.program.purchases import Column, planned
from optimizer.program.window import Window
from optimizer.tables import Settings


@dataclass(frozen=True)
class LawOutcome:
    """A plan's cost over the window under the law.

    Attributes
    ----------
    objective
        Dollars: purchases, usage that nothing covers, spot with its interruptions; without
        the constant cost of what is held.
    hourly
        (N,) dollars of one hour's usage, without purchases.
    spot, uncovered
        (L, N) units that run on spot, and that neither spot nor a commitment serves.
    """

    objective: float
    hourly: Floats
    spot: Floats
    uncovered: Floats


class LawCost:
    """Prices plans by replay.

    Where a unit may run on spot, the plan takes, hour by hour, the cheapest of three
    policies:

    * commitments first: spot takes tolerant usage that they leave uncovered;
    * make room: where the law spent a commitment on tolerant usage and left other usage
      on demand, just as much tolerant usage moves to spot as that other usage needs;
    * prices first: tolerant usage goes to spot where spot is below the price π̂ of one
      more unit.
    """

    def __init__(
        self,
        settings: Settings,
        catalogue: Catalogue,
        window: Window,
        problem: Problem,
        columns: Sequence[Column],
    ) -> None:
        self.catalogue, self.window, self.problem = catalogue, window, problem
        bought = [
            (index, float(ratio), planned(offer, Decimal(1), settings.as_of))
            for index, column in enumerate(columns)
            for offer, ratio in column.members
        ]
        self.holdings = [*window.holdings, *(holding for _, _, holding in bought)]
        self.column = np.array([index for index, _, _ in bought], dtype=np.int64)
        self.ratio = np.array([ratio for _, ratio, _ in bought])
        self.orders = [
            ordered_pairs(catalogue, window.lines, self.holdings, modes, prices)
            for (_, modes), prices in zip(window.sharing.groups, window.savings_prices, strict=True)
        ]
        self.cheaper = window.spot_price[:, None] < window.price
        self.can_move = np.asarray(((window.tolerant > 0) & self.cheaper).any(axis=1))
        self.may_spot = bool(self.can_move.any())
        # For every holding: the lines that it may cover, with what a unit of them draws.
        self.reach: list[dict[int, float]] = [{} for _ in self.holdings]
        for order in self.orders:
            for pair in order:
                self.reach[pair.holding][pair.line] = pair.draw
        self.prefer: np.ndarray | None = None

    def with_usage(self, window: Window, problem: Problem) -> LawCost:
        """The same law for other usage of the same lines and hours."""
        other = copy(self)
        other.window, other.problem, other.prefer = window, problem, None
        other.can_move = np.asarray(((window.tolerant > 0) & other.cheaper).any(axis=1))
        other.may_spot = bool(other.can_move.any())
        return other

    def prefer_spot(self, unit_prices: Floats) -> None:
        """Set the prices π̂, shape (L, N), below which spot is taken first."""
        self.prefer = self.cheaper & (self.window.spot_price[:, None] < unit_prices - 1e-9)

    def outcome(self, quantity: Floats, *, quick: bool = False) -> LawOutcome:
        """Replay the window with these purchases, quantities of shape (K,).

        ``quick`` leaves the last policy out: for comparing many plans with each other.
        """
        window = self.window
        bought = self.ratio * quantity[self.column]
        capacity = np.vstack([window.held, bought[:, None] * window.active[self.column]])
        spot, uncovered, cost = self._commitments_first(capacity)
        if self.may_spot:
            others = [self._spot_first(self._room(capacity, spot, uncovered), capacity)]
            if self.prefer is not None and not quick:
                first = np.where(self.prefer, window.tolerant, 0.0)
                others.append(self._spot_first(first, capacity))
            for other in others:
                better = np.flatnonzero(other[2].sum(axis=0) < cost.sum(axis=0) - 1e-12)
                spot[:, better], uncovered[:, better] = other[0][:, better], other[1][:, better]
                cost[:, better] = other[2][:, better]
        hourly = cost.sum(axis=0)
        objective = float(self.problem.cost @ quantity) + float(window.weight @ hourly)
        return LawOutcome(objective, hourly, spot, uncovered)

    def objective(self, quantity: Floats) -> float:
        """The objective under the first two policies: what plans are compared by."""
        return self.outcome(quantity, quick=True).objective

    def _commitments_first(self, capacity: Floats) -> tuple[Floats, Floats, Floats]:
        left = self._replay(self.window.lines.quantity, capacity)
        spot = np.where(self.cheaper, np.minimum(left, self.window.tolerant), 0.0)
        return self._priced(spot, left - spot)

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

    def _spot_first(self, first: Floats, capacity: Floats) -> tuple[Floats, Floats, Floats]:
        """Run ``first`` on spot, cover the rest, and let spot take what is left over."""
        left = self._replay(self.window.lines.quantity - first, capacity)
        more = np.where(self.cheaper, np.minimum(left, self.window.tolerant - first), 0.0)
        return self._priced(first + more, left - more)

    def _replay(self, quantity: Floats, capacity: Floats) -> Floats:
        lines = replace(self.window.lines, quantity=quantity)
        return replay(
            self.catalogue,
            lines,
            self.holdings,
            capacity,
            self.window.sharing,
            orders=self.orders,
        ).uncovered

    def _priced(self, spot: Floats, uncovered: Floats) -> tuple[Floats, Floats, Floats]:
        cost = np.zeros_like(spot)
        np.multiply(uncovered, self.window.price, out=cost, where=uncovered > 0)
        on_spot = np.zeros_like(spot)
        np.multiply(spot, self.window.spot_price[:, None], out=on_spot, where=spot > 0)
        return spot, uncovered, cost + on_spot
