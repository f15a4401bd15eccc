# SPDX-License-Identifier: Apache-2.0
"""The laws of billing: in which order commitments are applied to an hour of usage.

Every law of every provider is an *order of pairs*.  In each hour the pairs
(holding, usage line) are taken one after the other; each covers as much of the line as
the line still needs and the holding still has.  What a holding does not spend in an hour
is lost.  A law is therefore one function that ranks a pair; the pair with the smallest
rank comes first.  The rules and their sources are listed in ``docs/laws.md``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

Rank = tuple[int | float | Fraction, ...]


@dataclass(frozen=True)
class Pair:
    """What a law may look at when it ranks a holding against a usage line.

    Attributes
    ----------
    saving
        Saving of the pair as a share of the on-demand price.
    draw
        What the holding spends on one unit of the line's meter.
    size
        Normalised size of the line's meter.
    reach
        0 the line belongs to the holding's owner, 1 to the owner's sharing group,
        2 to another account.
    scope_depth
        Length of the holding's scope path; 0 for shared.
    term_hours
        Term of the holding's offer.
    idle
        Whether the line is the unused part of an on-demand capacity reservation.
    """

    saving: Fraction
    draw: Fraction
    size: float
    reach: int
    scope_depth: int
    term_hours: int
    idle: bool = False


@dataclass(frozen=True)
class Law:
    """A billing rule.

    Attributes
    ----------
    rank
        Ranks a pair; the smallest rank is applied first.
    measure
        What its offers are bought in: ``units`` or ``money``.
    provider
        The provider whose meters it applies to; empty for every provider's.
    needs_zone
        Applies only in the zone that its offer names, and not to unused reservations.
    by_saving
        Ranks by the saving over the on-demand price, which it therefore needs.
    """

    name: str
    rank: Callable[[Pair], Rank]
    measure: str
    provider: str = ""
    needs_zone: bool = False
    by_saving: bool = False


LAWS: dict[str, Law] = {}


def register(*laws: Law) -> None:
    """Make laws known under their names; a law is registered once."""
    for law in laws:
        if law.name in LAWS:
            msg = f"law {law.name!r} is registered twice"
            raise ValueError(msg)
        LAWS[law.name] = law


def law_of(name: str) -> Law:
    """Return a law by its name; ``KeyError`` if there is none."""
    return LAWS[name]
