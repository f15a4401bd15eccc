# SPDX-License-Identifier: Apache-2.0
"""Weighted futures: what may be asked for, and at which list prices, each with its odds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from optimizer.demand.horizon import HorizonDemand
from optimizer.tables import UsageLines

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Scenarios:
    """S futures of the same L lines over the T hours of the horizon.

    Attributes
    ----------
    base
        The lines, and the single future that a plan without scenarios is made for.
    names
        One for each future, unique.
    odds
        (S,) positive, adding up to 1.
    quantity, tolerant
        (S, L, T) units, and the part of them that may run on spot.
    price_factor
        For each meter whose on-demand and spot prices may change: (S, T), new price over
        today's.  Committed rates stay; a meter that is not named keeps its prices.
    requests_added
        For each class of ``workloads`` that an initiative changes: (S, T) requests in each
        hour on top of its own; where negative, the sum stays at or above zero.
    """

    base: HorizonDemand
    names: tuple[str, ...]
    odds: Floats
    quantity: Floats
    tolerant: Floats
    price_factor: Mapping[str, Floats] = field(default_factory=dict)
    requests_added: Mapping[str, Floats] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Futures that do not fit each other are a defect of whoever made them."""
        shape = (len(self.names), *self.base.usage.quantity.shape)
        fits = self.quantity.shape == self.tolerant.shape == shape
        hourly = (*self.price_factor.values(), *self.requests_added.values())
        changes = all(values.shape == (shape[0], shape[2]) for values in hourly)
        if not fits or not changes or self.odds.shape != shape[:1]:
            msg = f"scenarios of shape {self.quantity.shape}, wanted {shape}"
            raise ValueError(msg)
        if len(set(self.names)) != len(self.names):
            msg = "two scenarios have one name"
            raise ValueError(msg)
        if (self.odds <= 0).any() or abs(self.odds.sum() - 1.0) > 1e-9:
            msg = f"odds must be positive and add up to 1, not {self.odds.sum()!r}"
            raise ValueError(msg)

    @classmethod
    def single(cls, base: HorizonDemand) -> Scenarios:
        """The one future of a plan without scenarios."""
        usage = base.usage
        return cls(base, ("as planned",), np.ones(1), usage.quantity[None], usage.tolerant[None])

    def __len__(self) -> int:
        """Number of futures, S."""
        return len(self.names)

    def take(self, futures: Sequence[int], odds: Floats) -> Scenarios:
        """Some of the futures, with other odds."""
        index = list(futures)
        return replace(
            self,
            names=tuple(self.names[future] for future in index),
            odds=odds,
            quantity=self.quantity[index],
            tolerant=self.tolerant[index],
            price_factor={name: rows[index] for name, rows in self.price_factor.items()},
            requests_added={name: rows[index] for name, rows in self.requests_added.items()},
        )

    def demand(self, index: int) -> HorizonDemand:
        """The demand of one future, as a plan without scenarios would see it."""
        usage = with_quantity(self.base.usage, self.quantity[index], self.tolerant[index])
        return replace(self.base, usage=usage)


def with_quantity(usage: UsageLines, quantity: Floats, tolerant: Floats) -> UsageLines:
    """The lines with another demand; today's practice keeps its share on spot, hour by hour.

    Where the lines run nothing, what comes instead runs on demand in today's practice.
    """
    if np.array_equal(quantity, usage.quantity):
        return replace(usage, quantity=quantity, tolerant=tolerant)
    ratio = np.zeros_like(quantity)
    np.divide(quantity, usage.quantity, out=ratio, where=usage.quantity > 0)
    ratio[quantity == usage.quantity] = 1.0
    return replace(
        usage,
        quantity=quantity,
        tolerant=tolerant,
        spot=np.minimum(usage.spot * ratio, quantity),
        spot_taken=np.minimum(usage.spot_taken * ratio, quantity),
    )
