# SPDX-License-Identifier: Apache-2.0
"""Exponential smoothing chosen by statsforecast, behind the extra ``forecast``.

AutoETS chooses the model of each line's weekly levels; the errors are those that the
chosen model made at the history's own origins (parameters as fitted on all of it), and the
hours are real weeks, as with the built-in forecaster.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from optimizer.demand.blocks import MOST_RATIO, block_paths
from optimizer.demand.history import History
from optimizer.demand.horizon import WEEK
from optimizer.demand.levels import Levels, levels_of
from optimizer.errors import UsageError

Floats = NDArray[np.float64]

LEAST_WEEKS = 12  # fewer, and AutoETS has next to nothing to choose by
ORIGIN_WEEKS = 8


@dataclass(frozen=True)
class Automatic:
    """AutoETS on weekly levels, with its own past errors in whole blocks of weeks."""

    name: str = "statsforecast"

    def __post_init__(self) -> None:
        """Say at once that the extra is missing, not in the middle of a plan."""
        _library()

    def paths(self, history: History, hours: int, scenarios: int, seed: int) -> Floats:
        """Return (S, L, T) sample paths of equal odds, as ``Forecaster`` says."""
        levels = levels_of(history)
        count = -(-hours // WEEK)
        course = np.zeros((count, len(history.quantity)))
        errors = levels.errors.copy()
        weekly = levels.weeks.mean(axis=2)
        for line, first in enumerate(levels.first):
            series = weekly[line, int(first) :]
            if len(series) < LEAST_WEEKS or np.ptp(series) == 0:
                continue
            course[:, line], errors[line] = _line(levels, line, series, count)
        return block_paths(history, replace(levels, errors=errors), course, hours, scenarios, seed)


def _library() -> Any:
    try:
        from statsforecast.models import AutoETS
    except ImportError:
        raise UsageError(
            'forecaster = "statsforecast" needs the extra forecast, which is not installed; '
            "to mend it: pip install 'gpuopt[forecast]', or use forecaster = \"seasonal\""
        ) from None
    return AutoETS


def _line(levels: Levels, line: int, series: Floats, count: int) -> tuple[Floats, Floats]:
    """(K,) expected relative change of a line, and (O, b) its errors at the origins."""
    model = _library()(season_length=1, model="ZZN", damped=True)
    now, scale = levels.now[line], max(levels.now[line], levels.floor[line])
    model.fit(series)
    ahead = np.maximum(model.predict(h=count)["mean"], 0.0)
    course = (np.minimum(ahead, MOST_RATIO * series.max()) - now) / scale if scale else 0 * ahead
    errors = np.full(levels.errors.shape[1:], np.nan)
    first, block = int(levels.first[line]), levels.block
    for origin in range(ORIGIN_WEEKS, len(series) - block + 1):
        known = series[:origin]
        made = np.maximum(model.forward(y=known, h=block)["mean"], 0.0)
        came = levels.local[line, first + origin : first + origin + block]
        by = np.maximum(np.maximum(known[-1], made), came)
        if (by > 0).all():
            errors[first + origin - 1] = (came - made) / by
    return course, errors
