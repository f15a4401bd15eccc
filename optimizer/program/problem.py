# SPDX-License-Identifier: Apache-2.0
"""The coverage problem as frozen arrays: what every formulation and every proof reads.

Sets and symbols are those of ``docs/program.md``: P pools (usage that every source may
cover alike), S sources (an offer of one owner and scope, held or to be bought), K purchase
columns (an offer, or a bundle of offers), J pairs (source, pool), N weighted hours.
Money is in dollars, as float64: this is the solver's side of the house.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class Problem:
    """A coverage problem.

    Attributes
    ----------
    weight
        (N,) hours × discount factor that each column of hours stands for.
    demand, tolerant
        (P, N) units; ``tolerant`` is the part that may run on spot.
    price
        (P, N) dollars for a unit that nothing covers; ``inf`` where it cannot be had.
    spot_price
        (P,) dollars for a unit on spot with its interruptions; ``inf`` without spot.
    held
        (S, N) capacity already held or queued, in the source's measure.
    active
        (S, N) hours in which what is bought now is in force.
    pair_source, pair_pool, pair_draw
        (J,) which source covers which pool, and what it spends on a unit.
    cost, minimum, maximum, step, integer
        (K,) dollars for one unit of the column over its term (discounted), and the
        amounts that may be bought: 0, or a multiple of step within [minimum, maximum].
        Columns that are not integer are rounded to their step afterwards.
    member_column, member_source, member_ratio
        (M,) what buying one unit of a column adds to a source.
    """

    pools: tuple[str, ...]
    sources: tuple[str, ...]
    columns: tuple[str, ...]
    weight: Floats
    demand: Floats
    tolerant: Floats
    price: Floats
    spot_price: Floats
    held: Floats
    active: Flags
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

    @property
    def hours(self) -> int:
        """Number of weighted hours, N."""
        return len(self.weight)

    @property
    def rows(self) -> int:
        """Rows of the program that writes every hour: P·N + S·N."""
        return (len(self.pools) + len(self.sources)) * self.hours

    def take(self, hours: Ints) -> Problem:
        """The problem of some of its hours only."""
        return replace(
            self,
            weight=self.weight[hours],
            demand=self.demand[:, hours],
            tolerant=self.tolerant[:, hours],
            price=self.price[:, hours],
            held=self.held[:, hours],
            active=self.active[:, hours],
        )

    def bought(self, quantity: Floats) -> Floats:
        """Amount that each source gains from the columns' quantities; shape (S,)."""
        return np.bincount(
            self.member_source,
            weights=self.member_ratio * quantity[self.member_column],
            minlength=len(self.sources),
        ).astype(np.float64)

    def capacity(self, quantity: Floats) -> Floats:
        """Capacity A = H + Q of every source in every hour; shape (S, N)."""
        return self.held + self.bought(quantity)[:, None] * self.active

    def needed(self) -> Floats:
        """The most of each column that any plan can use; shape (K,).

        More than the largest hour of eligible draw covers nothing, so that an optimal
        plan within these amounts exists as long as nothing has a negative price.
        """
        load = np.zeros((len(self.sources), self.hours))
        np.add.at(load, self.pair_source, self.pair_draw[:, None] * self.demand[self.pair_pool])
        peak = np.where(self.active, load, 0.0).max(axis=1, initial=0.0)
        most = np.zeros(len(self.columns))
        np.maximum.at(most, self.member_column, peak[self.member_source] / self.member_ratio)
        most = np.ceil(most / self.step - 1e-9) * self.step
        # The ends of the range that are amounts: only multiples of the step are.
        least = np.where(
            self.integer, np.ceil(self.minimum / self.step - 1e-9) * self.step, self.minimum
        )
        limit = np.where(
            self.integer, np.floor(self.maximum / self.step + 1e-9) * self.step, self.maximum
        )
        return np.where(limit < least, 0.0, np.minimum(np.maximum(most, least), limit))


def merge_labels(problem: Problem, labels: Ints) -> Problem:
    """Average the hours that carry the same label (0 … n−1), adding their weights.

    Exact if such hours agree; a lower bound otherwise, because the cost of an hour is
    convex in demand and capacity together (``docs/program.md``, "Merging").
    """
    count = int(labels.max()) + 1 if len(labels) else 0
    weight = np.bincount(labels, problem.weight, minlength=count)
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
        demand=mean(problem.demand),
        tolerant=mean(problem.tolerant),
        held=mean(problem.held),
        price=problem.price[:, first],
        active=problem.active[:, first],
    )
