# SPDX-License-Identifier: Apache-2.0
"""What a forecaster is, and the ones that ``[demand] forecaster`` may name."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from optimizer.demand.history import History
from optimizer.demand.horizon import WEEK
from optimizer.demand.seasonal import Seasonal

Floats = NDArray[np.float64]


class Forecaster(Protocol):
    """Makes sample paths of what follows a history.

    ``paths(history, hours, scenarios, seed)`` returns (S, L, T) units within the hour, for
    the hours ``[history.end, history.end + hours)``, of equal odds and not negative.  The
    history has at least two whole weeks.  The same arguments give the same bytes.
    """

    @property
    def name(self) -> str:
        """Its name in ``[demand] forecaster``."""
        ...

    def paths(self, history: History, hours: int, scenarios: int, seed: int) -> Floats:
        """Sample paths, of equal odds."""
        ...


class SeasonalNaive:
    """The last week again and again: what every forecast has to beat."""

    name = "seasonal-naive"

    def paths(self, history: History, hours: int, scenarios: int, seed: int) -> Floats:  # noqa: ARG002
        """One path, as often as is asked for; ``seed`` decides nothing."""
        source = history.hours - WEEK + np.arange(hours) % WEEK
        once = history.quantity[:, source]
        return np.broadcast_to(once, (scenarios, *once.shape))


class RepeatedWeeks:
    """All whole weeks of the history again, as they were: one path."""

    name = "weeks"

    def paths(self, history: History, hours: int, scenarios: int, seed: int) -> Floats:  # noqa: ARG002
        """One path, as often as is asked for; ``seed`` decides nothing."""
        length = history.hours - history.hours % WEEK
        source = history.hours - length + np.arange(hours) % length
        once = history.quantity[:, source]
        return np.broadcast_to(once, (scenarios, *once.shape))


def forecaster_of(name: str) -> Forecaster:
    """Return the forecaster of this name.

    Raises
    ------
    UsageError
        If it needs an extra that is not installed.
    """
    if name == "statsforecast":
        from optimizer.demand.automatic import Automatic

        return Automatic()
    return RepeatedWeeks() if name == "weeks" else Seasonal()
