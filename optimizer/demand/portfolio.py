# SPDX-License-Identifier: Apache-2.0
"""What may happen in a case: initiatives and price scenarios, tied where they bear one name."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from optimizer.demand.events import Choice
from optimizer.demand.initiatives import TABLE, Initiative, read_initiatives
from optimizer.demand.price_changes import PriceScenario, read_price_scenarios
from optimizer.errors import DataError
from optimizer.tables import Case

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class Events:
    """All that may happen.

    Attributes
    ----------
    items
        The initiatives, I.
    prices
        The price scenarios that have odds; at most one of them comes.
    choices
        What is open, E; the first is the price scenario, where there is one.
    notes
        What a reader must know.
    """

    items: tuple[Initiative, ...]
    prices: tuple[PriceScenario, ...]
    choices: tuple[Choice, ...]
    notes: tuple[str, ...]

    def certain(self) -> Flags:
        """(I,) whether an initiative happens in every future."""
        return np.array([self._choice(item) is None for item in self.items], dtype=np.bool_)

    def happens(self, outcomes: Integers) -> Flags:
        """(S, I) whether each initiative happens in each future."""
        found = np.ones((len(outcomes), len(self.items)), dtype=np.bool_)
        for i, item in enumerate(self.items):
            choice = self._choice(item)
            if choice is not None:
                place, outcome = choice
                found[:, i] = outcomes[:, place] == outcome
        return found

    def price_factor(self, outcomes: Integers) -> dict[str, Floats]:
        """(S, T) new price over today's, for each meter of which some future changes it.

        Meters that change alike share one array.
        """
        shared: dict[bytes, Floats] = {}
        found: dict[str, Floats] = {}
        if not self.prices:
            return found
        which = self._price_outcomes()
        for meter in sorted({meter for price in self.prices for meter in price.factor}):
            changes = [price.factor.get(meter) for price in self.prices]
            key = b"|".join(b"" if factor is None else factor.tobytes() for factor in changes)
            if key not in shared:
                hours = next(len(factor) for factor in changes if factor is not None)
                array = np.ones((len(outcomes), hours))
                for factor, outcome in zip(changes, which, strict=True):
                    chosen = outcomes[:, 0] == outcome if outcome >= 0 else slice(None)
                    if factor is not None:
                        array[chosen] = factor
                shared[key] = array
            found[meter] = shared[key]
        return found

    def _price_outcomes(self) -> list[int]:
        """The outcome of the first choice that is each price scenario; −1: it is certain."""
        if not self.choices or self.choices[0].name != PRICES:
            return [-1] * len(self.prices)
        return [self.choices[0].outcomes.index(price.name) for price in self.prices]

    def _choice(self, item: Initiative) -> tuple[int, int] | None:
        """The choice and the outcome in which an initiative happens; ``None``: in all."""
        for price, outcome in zip(self.prices, self._price_outcomes(), strict=True):
            if price.name == item.name:
                return None if outcome < 0 else (0, outcome)
        for place, choice in enumerate(self.choices):
            if choice.name == item.name:
                return place, 1
        return None


PRICES = " prices"  # no name of a table begins with a blank


def read_events(case: Case) -> Events:
    """Read ``initiatives`` and ``price_scenarios``.

    An initiative that bears the name of a price scenario is the same event: it happens
    where that scenario comes, and has its odds.

    Raises
    ------
    DataError
        As the two tables' readers do, or if the odds of one event differ.
    """
    items, notes = read_initiatives(case)
    scenarios = {price.name: price for price in read_price_scenarios(case)}
    for item in items:
        price = scenarios.get(item.name)
        if price is not None and item.odds is not None and item.odds != price.odds:
            raise DataError(
                f"initiative {item.name!r} has odds {item.odds:g}, and the price scenario of that "
                f"name, which is the same event, {price.odds:g}",
                mend="leave the initiative's odds empty, or give it another name",
                file=case.file(TABLE),
                row=item.row,
                column="odds",
            )
    tied = {item.name for item in items}
    for name, price in scenarios.items():
        if not price.factor and name not in tied:
            notes.append(f"price scenario {name} changes nothing within the horizon")
    never = {name for name, price in scenarios.items() if price.odds <= 0}
    prices = tuple(
        price
        for name, price in scenarios.items()
        if name not in never and (price.factor or name in tied)
    )
    happening = [
        item
        for item in items
        if item.name not in never and (item.name in scenarios or item.odds != 0)
    ]
    choices = []
    rest = 1.0 - sum(price.odds for price in prices)
    if prices and not (len(prices) == 1 and rest <= _NOTHING):
        named = [(price.name, price.odds) for price in prices]
        if rest > _NOTHING:
            named.insert(0, ("", rest))
        total = sum(odds for _, odds in named)
        outcomes, odds = zip(*((name, odds / total) for name, odds in named), strict=True)
        choices.append(Choice(PRICES, outcomes, odds))
    choices.extend(
        Choice(item.name, ("", item.name), (1.0 - item.odds, item.odds))
        for item in happening
        if item.name not in scenarios and item.odds is not None and item.odds < 1
    )
    return Events(tuple(happening), prices, tuple(choices), tuple(notes))


_NOTHING = 1e-9
