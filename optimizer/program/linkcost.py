# SPDX-License-Identifier: Apache-2.0
"""Linking rows of a plan whose coverage the law decided."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from optimizer.billing import Holding
from optimizer.program.problem import Floats, Ints, Problem
from optimizer.program.purchases import source_name
from optimizer.program.window import Window

# Relative to the row's own size: decimals of money are rounded to their step.
TOLERANCE = 1e-7


class LinkedCost:
    """Recomputes the linking rows of a problem from lines and holdings."""

    def __init__(
        self, problem: Problem, window: Window, holdings: Sequence[Holding], pool_of: Ints
    ) -> None:
        self.problem, self.window, self.pool_of = problem, window, pool_of
        links, self.hours = problem.links, np.zeros((0, problem.hours))
        if not links.names:
            return
        self.hours = links.window[:, problem.period] * problem.count
        # A covered unit counts by what it draws, so that what a holding spends counts alike.
        each = np.zeros((len(links.names), len(problem.sources)))
        with np.errstate(divide="ignore", invalid="ignore"):
            each[:, problem.pair_source] = links.covered / problem.pair_draw
        number = {name: index for index, name in enumerate(problem.sources)}
        self.used = (
            np.stack(
                [each[:, number[source_name(holding)]] for holding in holdings],
                axis=1,
            )
            if holdings
            else np.zeros((len(links.names), 0))
        )

    def rows(self, quantity: Floats, spot: Floats, on_demand: Floats, used: Floats) -> Floats:
        """Left-hand sides, without excess; shape (I,)."""
        links = self.problem.links
        if not links.names:
            return np.zeros(0)
        total = links.purchase @ quantity
        for factors, units in (
            (links.on_demand[:, self.pool_of], on_demand),
            (links.spot[:, self.pool_of], spot),
            (self.used, used),
        ):
            total = total + np.einsum("il,in,ln->i", factors, self.hours, units, optimize=True)
        return np.asarray(total)

    def cost(self, rows: Floats) -> float:
        """What the excess over the rows costs; ``inf`` over a row that has no price."""
        links = self.problem.links
        over = rows - links.most
        over = np.where(over <= TOLERANCE * (1.0 + np.abs(links.most)), 0.0, over)
        soft = np.isfinite(links.excess_price)
        if (over[~soft] > 0).any():
            return float(np.inf)
        return float(np.maximum(over[soft], 0.0) @ links.excess_price[soft])

    def cap_spot(self, rows: Floats, spot: Floats, price: Floats) -> Floats | None:
        """Less spot, the least saving first, until the shares of spot are kept.

        ``None`` where nothing has to change.
        """
        links, capped = self.problem.links, None
        for row in range(len(links.names)):
            factor = links.spot[row][self.pool_of]
            over = float(rows[row] - links.most[row])
            if over <= 0 or np.isfinite(links.excess_price[row]) or not (factor > 0).any():
                continue
            capped = spot.copy() if capped is None else capped
            size = factor[:, None] * self.hours[row] * capped
            line, hour = np.nonzero(size > 0)
            with np.errstate(invalid="ignore"):
                saving = (price[line, hour] - self.window.spot_price[line]) / factor[line]
            saving = saving * self.problem.weight[hour] / self.problem.count[hour]
            order = np.argsort(saving, kind="stable")
            line, hour = line[order], hour[order]
            sizes = size[line, hour]
            before = np.cumsum(sizes) - sizes  # taken off by the cells with less saving
            capped[line, hour] *= 1.0 - np.clip((over - before) / sizes, 0.0, 1.0)
        return capped
