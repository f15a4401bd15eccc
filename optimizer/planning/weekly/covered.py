# SPDX-License-Identifier: Apache-2.0
"""Coverage day by day, and whose usage it is: one replay of both weeks, line by line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from optimizer.billing import Catalogue, Holding, SharingModes, billing_lines, replay
from optimizer.billing.replay import capacity_of
from optimizer.planning.weekly.window import DAY, Weeks, hours_of
from optimizer.tables import Case

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class DailyCoverage:
    """Of each provider and meter, and of each of D days, covered and eligible dollars.

    Both are at on-demand prices, over meters that some offer covers; usage on spot is in
    neither, as in the coverage of a bill. ``first_day`` is the hour in which the first begins.
    """

    first_day: int
    days: int
    covered: Mapping[tuple[str, str], Floats]
    eligible: Mapping[tuple[str, str], Floats]

    def share(self, *, provider: str = "", meter: str = "") -> list[float | None]:
        """Coverage of each day, of all meters, of a provider's, or of one."""
        chosen = self._chosen(provider, meter)
        covered = sum((self.covered[key] for key in chosen), np.zeros(self.days))
        eligible = sum((self.eligible[key] for key in chosen), np.zeros(self.days))
        return [float(c / e) if e > 0 else None for c, e in zip(covered, eligible, strict=True)]

    def share_of_week(self, week: int, *, provider: str = "", meter: str = "") -> float | None:
        """Coverage of a whole week (0: the one before), as in the coverage of its bill."""
        days = slice(7 * week, 7 * week + 7)
        chosen = self._chosen(provider, meter)
        covered = sum(float(self.covered[key][days].sum()) for key in chosen)
        eligible = sum(float(self.eligible[key][days].sum()) for key in chosen)
        return covered / eligible if eligible > 0 else None

    def _chosen(self, provider: str, meter: str) -> list[tuple[str, str]]:
        return [
            key
            for key in self.eligible
            if provider in ("", key[0]) and meter in ("", key[1])
        ]  # fmt: skip

    @property
    def providers(self) -> list[str]:
        """Providers with anything to cover, in alphabetical order."""
        return sorted({key[0] for key, worth in self.eligible.items() if worth.any()})

    def meters(self, most: int) -> list[tuple[str, str]]:
        """The (provider, meter) with most to cover, in that order."""
        worth = {key: float(value.sum()) for key, value in self.eligible.items()}
        return sorted((k for k in worth if worth[k] > 0), key=lambda k: (-worth[k], k))[:most]


def daily_coverage(
    case: Case, catalogue: Catalogue, holdings: Sequence[Holding], weeks: Weeks
) -> DailyCoverage:
    """Return coverage by day of the two weeks."""
    hours = np.arange(weeks.before, weeks.end)
    days = len(hours) // DAY
    usage = hours_of(case.usage_lines(), weeks.before, weeks.end)
    lines = billing_lines(usage, catalogue)
    outcome = replay(
        catalogue, lines, holdings, capacity_of(holdings, hours),
        SharingModes.of(case.settings, hours),
    )  # fmt: skip
    covered: dict[tuple[str, str], Floats] = {}
    eligible: dict[tuple[str, str], Floats] = {}
    coverable = catalogue.coverable
    for index, name in enumerate(lines.meter):
        price = catalogue.meters[name].on_demand
        if name not in coverable or price is None:
            continue
        key = lines.provider[index], name
        whole = lines.quantity[index] - lines.spot[index]
        for sums, units in (
            (covered, whole - outcome.uncovered[index]), (eligible, whole)
        ):  # fmt: skip
            worth = units.reshape(days, DAY).sum(axis=1) * float(price)
            sums[key] = sums.get(key, 0.0) + np.maximum(worth, 0.0)
    return DailyCoverage(weeks.before, days, covered, eligible)
