# SPDX-License-Identifier: Apache-2.0
"""The built-in forecaster: real weeks on a level that moves as it moved before.

A path chains blocks of consecutive weeks of the history, the same weeks for all lines, so
that shape, bursts and the correlation across lines stay as they were.  Each week is scaled
from the level around it to the path's level:

    level(k) = max(0, ℓ + s·(θ·Σ_{j≤k} φ^j + ε(o, k)·√(1 + k/n)))
    usage(k, h) = level(k) · y(u, h) / local(u)

ℓ level now, s its scale, θ doubted trend, φ damping, ε(o, k) the relative error that a
forecast made at origin o of the history turned out to have k weeks later, n weeks of
history (the drift is known no better than that), u = o + k the week that is repeated.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from optimizer.demand.blocks import block_paths
from optimizer.demand.history import History
from optimizer.demand.horizon import WEEK
from optimizer.demand.levels import damped, levels_of

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Seasonal:
    """Hour of week, level shifts, doubted trend and errors in whole blocks of weeks."""

    name: str = "seasonal"

    def paths(self, history: History, hours: int, scenarios: int, seed: int) -> Floats:
        """Return sample paths, of equal odds.

        Parameters
        ----------
        history
            At least two whole weeks.
        hours
            T, from the end of the history on.
        scenarios
            S.
        seed
            The same history and seed give the same paths, byte for byte.

        Returns
        -------
        numpy.ndarray
            (S, L, T) units within the hour, not negative.
        """
        levels = levels_of(history)
        leads = np.arange(1, -(-hours // WEEK) + 1)
        course = damped(leads)[:, None] * levels.trend
        return block_paths(history, levels, course, hours, scenarios, seed)
