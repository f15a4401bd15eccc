# SPDX-License-Identifier: Apache-2.0
"""The parameters of the detector, the same for every series."""

from __future__ import annotations

from dataclasses import dataclass

from optimizer.demand.horizon import DAY, WEEK


@dataclass(frozen=True)
class Detector:
    """Parameters, the same for every series; logarithms are natural.

    Chosen on the first half of two regions of the data of docs/anomalies.md.

    Attributes
    ----------
    hours
        Hours of data that make an alarm, k.
    level, recent
        Hours that ``normal`` and ``recent`` are medians of.
    follow
        φ.
    rise, fall, doubt
        Least r of a spike; least −r of a drop is ``fall`` + ``doubt`` × scale, where the scale
        is the upper quartile of |r|, of the middle one of the k hours.
    each, noise
        Every one of the k hours has to be ``each`` − ``noise`` × scale above, with the same
        scale.
    above
        Least distance from ``normal``.
    wild
        Times the 90 % quantile of |r| that a threshold is at least.
    record
        Times the most of the four weeks before from which on ``wild`` is no excuse.
    moved
        Share of the least r that a series must move itself, where it is judged by what its
        companions do.
    prior
        Strength of the belief that companions explain nothing: a sum of squares of r.
    outlier
        Hours of which |r| is larger teach nothing about companions.
    unknown
        The scale that ``noise`` is reckoned with before there is one.
    scale
        Hours that scales are measured over.
    material
        Least distance in units, as a share of the mean of the four weeks before.
    probation
        Hours of its own that a series has before it is judged.
    least
        Hours that a series spans, before any of it is judged.
    """

    hours: int = 3
    level: int = 14
    recent: int = 3
    follow: float = 0.85
    rise: float = 0.52
    fall: float = 0.58
    doubt: float = 1.0
    each: float = 0.7
    noise: float = 2.5
    above: float = 0.15
    wild: float = 1.25
    record: float = 1.15
    moved: float = 0.5
    prior: float = 0.5
    outlier: float = 0.7
    unknown: float = 0.1
    scale: int = 8 * WEEK
    material: float = 0.2
    probation: int = WEEK
    least: int = 2 * WEEK

    @property
    def memory(self) -> int:
        """Hours before an hour that its judgement rests on."""
        return self.scale + 4 * WEEK + 2 * DAY

    @property
    def memory_together(self) -> int:
        """The same for series that are judged by their companions."""
        return self.memory + self.scale


DEFAULT = Detector()
