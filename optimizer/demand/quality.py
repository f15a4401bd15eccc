# SPDX-License-Identifier: Apache-2.0
"""Forecast quality: how a forecaster would have done on the history's own past."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from optimizer.demand.forecaster import Forecaster
from optimizer.demand.history import SHORT, History
from optimizer.demand.horizon import WEEK

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

LEADS = (4, 12)
# Pinball loss is the mean over these; the first and the last are the band.
QUANTILES = (0.1, 0.25, 0.5, 0.75, 0.9)
_SLACK = 1e-9


@dataclass(frozen=True)
class Quality:
    """How forecasts of a week's mean usage turned out.

    Attributes
    ----------
    coverage
        Share of outcomes within the P10–P90 band, its ends included; 0.8 is right.
    pinball
        Mean pinball loss over the quantiles (Koenker and Bassett 1978), units per hour.
    naive
        The same loss of seasonal-naive: the last week as every quantile.
    outcomes
        Number of outcomes: lines × origins.
    """

    coverage: float
    pinball: float
    naive: float
    outcomes: int


@dataclass(frozen=True)
class ForecastQuality:
    """Quality by lead in weeks, of all lines and of each; what was missing is in ``notes``.

    Outcomes are those of lines that had run before the origin, and that ran in the week
    before the origin or in the week that was forecast: zero after zero is no achievement.
    """

    pooled: dict[int, Quality]
    lines: dict[int, tuple[Quality | None, ...]]
    origins: int
    notes: tuple[str, ...]

    def as_dict(self, names: Sequence[str]) -> dict[str, object]:
        """Return it ready for JSON; ``names`` are those of the lines."""
        return {
            "origins": self.origins,
            "leads": [
                {
                    "weeks": lead,
                    "pooled": vars(quality),
                    "lines": [
                        {"line": name, **vars(of_line)}
                        for name, of_line in zip(names, self.lines[lead], strict=True)
                        if of_line is not None
                    ],
                }
                for lead, quality in self.pooled.items()
            ],
            "notes": list(self.notes),
        }


def forecast_quality(
    forecaster: Forecaster,
    history: History,
    *,
    leads: Sequence[int] = LEADS,
    scenarios: int = 100,
    seed: int = 7,
    step: int = 4,
    first: int = 13,
    origins: int = 26,
) -> ForecastQuality:
    """Forecast from origins in the history's past, and compare with what followed.

    Parameters
    ----------
    forecaster, history
        What is judged, and on what.
    leads
        Weeks ahead: the mean usage of that week is what is forecast.
    scenarios, seed
        S of each forecast; the seed of an origin is ``seed`` plus its number of weeks.
    step, first, origins
        Weeks between two origins, whole weeks known at the first, and how many origins at
        most (the last ones).

    Returns
    -------
    ForecastQuality
        Leads for which the history is too short are left out, with a note.
    """
    weeks = history.hours // WEEK
    start = history.hours - weeks * WEEK
    mean = history.quantity[:, start:].reshape(len(history.quantity), weeks, WEEK).mean(axis=2)
    notes: list[str] = []
    least = max(first, -(-SHORT // WEEK))
    found: dict[int, list[tuple[Flags, Flags, Floats, Floats]]] = {}
    known = range(weeks - min(leads), least - 1, -step)[:origins]
    for o in sorted(known):
        past = history.until(start + o * WEEK)
        ahead = [lead for lead in leads if o + lead <= weeks]
        paths = forecaster.paths(past, max(ahead) * WEEK, scenarios, seed + o)
        weekly = paths.reshape(*paths.shape[:2], -1, WEEK).mean(axis=3)
        for lead in ahead:
            came, last = mean[:, o + lead - 1], mean[:, o - 1]
            quantiles = np.quantile(weekly[:, :, lead - 1], QUANTILES, axis=0)
            slack = _SLACK * np.maximum(came, 1.0)
            inside = (quantiles[0] - slack <= came) & (came <= quantiles[-1] + slack)
            counted = (past.born < past.hours) & ((last > 0) | (came > 0))
            naive = np.broadcast_to(last, quantiles.shape)
            found.setdefault(lead, []).append(
                (counted, inside, _pinball(quantiles, came), _pinball(naive, came))
            )
    notes.extend(
        f"history is too short to judge forecasts {lead} weeks ahead ({weeks} weeks, "
        f"{least + lead} are needed)"
        for lead in leads
        if lead not in found
    )
    pooled, lines = {}, {}
    for lead in (lead for lead in leads if lead in found):
        counted, inside, loss, naive = (np.stack(x) for x in zip(*found[lead], strict=True))
        quality = _quality(counted, inside, loss, naive)
        if quality is None:
            notes.append(f"nothing ran in any week that was forecast {lead} weeks ahead")
            continue
        pooled[lead] = quality
        lines[lead] = tuple(
            _quality(counted[:, i], inside[:, i], loss[:, i], naive[:, i]) for i in range(len(mean))
        )
    return ForecastQuality(pooled, lines, len(known), tuple(notes))


def _pinball(quantiles: Floats, came: Floats) -> Floats:
    """(L,) pinball loss of (Q, L) quantiles: max(q·(y − x), (q − 1)·(y − x)), mean over q."""
    share = np.array(QUANTILES)[:, None]
    gap = came - quantiles
    return np.asarray(np.maximum(share * gap, (share - 1.0) * gap).mean(axis=0))


def _quality(counted: Flags, inside: Flags, loss: Floats, naive: Floats) -> Quality | None:
    number = int(counted.sum())
    if not number:
        return None
    return Quality(
        coverage=float(inside[counted].mean()),
        pinball=float(loss[counted].mean()),
        naive=float(naive[counted].mean()),
        outcomes=number,
    )
