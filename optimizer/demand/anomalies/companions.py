# SPDX-License-Identifier: Apache-2.0
"""Series that move together, as requests and tokens of one class do.

Judged alone, a day on which people write longer questions looks like an anomaly of tokens.
As in multivariate process control two things are judged of M companions:

- what they have in common: the mean of their y, as one series
- what each does beyond the others: y − Σ β·y of the others.  β ≥ 0 is a ridge regression of r on
  the r of the others over the eight weeks before, learned anew each day.  The series must have
  moved itself as well: it is no anomaly to stand still when others move.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from optimizer.demand.anomalies.baseline import Baseline
from optimizer.demand.anomalies.moves import Moves, moves_of
from optimizer.demand.anomalies.parameters import Detector
from optimizer.demand.horizon import DAY

Floats = NDArray[np.float64]

_BACK = 2 * DAY  # hours before a day that its moves rest on, and some


@dataclass(frozen=True)
class Shared:
    """What companions have in common, as L series of their own.

    Attributes
    ----------
    values
        (L, T) geometric mean of the units of the companions.
    baseline
        Its baseline.
    """

    values: Floats
    baseline: Baseline


def shared(baselines: list[Baseline], alive: NDArray[np.bool_]) -> Shared:
    """Return what M companions of L lines have in common; ``alive`` (M, L): those ever used."""
    weight = (alive / np.maximum(alive.sum(axis=0), 1))[:, :, None]
    logs = {
        "least": [np.log(one.least) for one in baselines],
        "mean": [np.log(np.maximum(one.mean, one.least)) for one in baselines],
        "profile": [one.profile for one in baselines],
        "week": [one.week for one in baselines],
        "rest": [one.rest for one in baselines],
    }
    mean = {name: np.asarray((weight * np.stack(each)).sum(axis=0)) for name, each in logs.items()}
    least = np.exp(mean["least"])
    baseline = Baseline(least, np.exp(mean["mean"]), mean["profile"], mean["week"], mean["rest"])
    return Shared(np.exp(baseline.rest + baseline.profile) - least, baseline)


def moves_beyond(rests: Floats, moves: list[Moves], start: int, detector: Detector) -> list[Moves]:
    """Return the moves of each of M companions beyond what the others explain.

    Parameters
    ----------
    rests
        (M, L, T) y.
    moves
        Of each companion, (L, T): its own.
    start
        Column before which nothing is judged; scales need the weeks before it.
    """
    count, lines, hours = rests.shape
    r = np.stack([one.mean - one.expected for one in moves])
    shape = (count, len(fields(Moves)), lines, hours)
    found = np.full(shape, np.nan)
    first = max(_BACK, (start - detector.scale) // DAY * DAY)
    for day in range(first, hours, DAY):
        low, high = day - _BACK, min(day + DAY, hours)
        beta = _explained(r[:, :, max(0, day - detector.scale) : day], detector)
        beyond = rests[:, :, low:high] - np.einsum("mnl,nlt->mlt", beta, rests[:, :, low:high])
        for m in range(count):
            part = moves_of(beyond[m], detector)
            for j, field in enumerate(fields(Moves)):
                found[m, j, :, day:high] = getattr(part, field.name)[:, _BACK:]
    return [Moves(*found[m]) for m in range(count)]


def _explained(r: Floats, detector: Detector) -> Floats:
    """(M, M, L) β of each companion on each other; 0 on itself."""
    count, _, _ = r.shape
    with np.errstate(invalid="ignore"):
        usual = (np.abs(r) < detector.outlier).all(axis=0)
    clean = np.where(usual, r, 0.0)
    products = np.einsum("mlt,nlt->lmn", clean, clean)
    found = np.zeros((count, count, r.shape[1]))
    for m in range(count):
        others = [n for n in range(count) if n != m]
        square = products[:, others][:, :, others] + detector.prior * np.eye(count - 1)
        beta = np.linalg.solve(square, products[:, others, m][:, :, None])[:, :, 0]
        found[m, others] = np.maximum(beta, 0.0).T
    return found
