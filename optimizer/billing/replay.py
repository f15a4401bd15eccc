# SPDX-License-Identifier: Apache-2.0
"""Replay: hours of usage against holdings, in the order of the providers' laws.

The inner loop runs over pairs, not over hours: each pair is applied to all hours at once
with NumPy, which is what makes a year × 200 meters a matter of seconds.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from optimizer.billing.catalogue import Catalogue, Holding
from optimizer.billing.order import OrderedPair, ordered_pairs
from optimizer.tables import Settings, UsageLines, format_hour

Array = NDArray[np.float64]
# Share of a line's usage in an hour below which what is uncovered is a rounding error.
DUST = 1e-10
# Called for every pair with holding, line and the units covered in each hour.
Trace = Callable[[int, int, Array], None]


@dataclass(frozen=True)
class BillingLines:
    """Usage lines as the laws see them: L lines × N hours (columns need not be consecutive).

    Attributes
    ----------
    meter, provider, account, zone
        Of each line; the zone is the usage's, else the meter's.
    idle
        The line is the unused part of on-demand capacity reservations.
    quantity, spot, spot_free
        Units of the meter: all usage; the part that runs on spot; the part of that which
        is not charged because the provider took it back in its first hour.
    """

    meter: tuple[str, ...]
    provider: tuple[str, ...]
    account: tuple[str, ...]
    zone: tuple[str, ...]
    idle: tuple[bool, ...]
    quantity: Array
    spot: Array
    spot_free: Array


@dataclass(frozen=True)
class SharingModes:
    """Sharing mode of each provider in each of N hours, as settings prescribe.

    ``groups`` are hours that share one mode: (indices of the hours, mode by provider).
    """

    groups: tuple[tuple[NDArray[np.int64], dict[str, str]], ...]

    @classmethod
    def of(cls, settings: Settings, hours: NDArray[np.int64]) -> SharingModes:
        """The last setting that begins by the end of a month decides the whole month.

        (AWS: the preference at 23:59:59 UTC on the month's last day decides the bill.)
        """
        if not settings.sharing:
            return cls(((np.arange(len(hours)), {}),))
        months = [format_hour(int(hour))[:7] for hour in hours]
        by_mode: dict[tuple[tuple[str, str], ...], list[int]] = {}
        for index, month in enumerate(months):
            modes = []
            for provider, entries in sorted(settings.sharing.items()):
                in_force = [rule.mode for rule in entries if f"{rule.start:%Y-%m}" <= month]
                if in_force:
                    modes.append((provider, in_force[-1]))
            by_mode.setdefault(tuple(modes), []).append(index)
        return cls(tuple((np.array(index), dict(modes)) for modes, index in by_mode.items()))


@dataclass(frozen=True)
class Replay:
    """The outcome: arrays over L lines or C holdings and N hours.

    Attributes
    ----------
    uncovered
        Units per line that no holding covers and that do not run on spot.
    capacity, used
        Of each holding, in its measure (units, or dollars) per hour.
    """

    uncovered: Array
    capacity: Array
    used: Array


def billing_lines(usage: UsageLines, catalogue: Catalogue) -> BillingLines:
    """Turn usage lines into billing lines; a line without a zone has its meter's."""
    meters = [catalogue.meters[name] for name in usage.meter]
    free = np.zeros_like(usage.spot)
    for index, meter in enumerate(meters):
        # AWS does not charge an instance that it takes back in its first hour; nobody
        # else promises that.
        if meter.provider == "aws":
            free[index] = usage.spot_taken[index]
    return BillingLines(
        meter=tuple(usage.meter),
        provider=tuple(meter.provider for meter in meters),
        account=tuple(usage.account),
        zone=tuple(zone or meter.zone for zone, meter in zip(usage.zone, meters, strict=True)),
        idle=tuple(meter.idle_reservation for meter in meters),
        quantity=usage.quantity,
        spot=usage.spot,
        spot_free=free,
    )


def capacity_of(holdings: Sequence[Holding], hours: NDArray[np.int64]) -> Array:
    """Capacity of each holding in each hour, in its measure; shape (C, N)."""
    capacity = np.zeros((len(holdings), len(hours)))
    for index, holding in enumerate(holdings):
        inside = (hours >= holding.start) & (hours < holding.end)
        capacity[index, inside] = float(holding.quantity)
    return capacity


def orders_of(
    catalogue: Catalogue, lines: BillingLines, holdings: Sequence[Holding], sharing: SharingModes
) -> list[list[OrderedPair]]:
    """The law's order of pairs in each group of hours that share one sharing mode."""
    return [ordered_pairs(catalogue, lines, holdings, modes) for _, modes in sharing.groups]


def replay(
    catalogue: Catalogue,
    lines: BillingLines,
    holdings: Sequence[Holding],
    capacity: Array,
    sharing: SharingModes,
    *,
    orders: Sequence[Sequence[OrderedPair]] | None = None,
    trace: Trace | None = None,
) -> Replay:
    """Apply the holdings to the lines, pair by pair, in the order of the law.

    Parameters
    ----------
    capacity
        Shape (C, N): what each holding may spend in each hour.
    orders
        The pairs of each sharing group from :func:`orders_of`, to save their sorting when
        the same holdings are replayed many times.
    trace
        Called for every pair with the units that it covers in each hour.

    Raises
    ------
    MissingPrice
        If a law needs an on-demand price that the case does not supply.
    """
    uncovered = lines.quantity - lines.spot
    free = capacity.copy()
    if orders is None:
        orders = orders_of(catalogue, lines, holdings, sharing)
    for (index, _), pairs in zip(sharing.groups, orders, strict=True):
        whole = len(index) == uncovered.shape[1]
        rest = uncovered if whole else uncovered[:, index]
        left = free if whole else free[:, index]
        spans = [_span(row) for row in left]
        for pair in pairs:
            low, high = spans[pair.holding]
            if high <= low:
                continue
            need = rest[pair.line, low:high]
            have = left[pair.holding, low:high]
            # Azure: what a negotiated price of zero covers burns nothing.
            take = np.minimum(need, have / pair.draw) if pair.draw else need.copy()
            need -= take
            have -= take * pair.draw
            np.maximum(have, 0.0, out=have)  # rounding may leave −1e-17 behind
            if trace is not None:
                row = np.zeros(uncovered.shape[1])
                row[index[low:high]] = take
                trace(pair.holding, pair.line, row)
        if not whole:
            uncovered[:, index] = rest
            free[:, index] = left
    # What is short by the rounding of floats alone is covered: it must not ask for a price.
    uncovered[uncovered <= DUST * lines.quantity] = 0.0
    return Replay(uncovered, capacity, capacity - free)


def _span(row: NDArray[Any]) -> tuple[int, int]:
    """First and one past the last hour in which a holding has anything to give."""
    there = np.flatnonzero(row)
    return (int(there[0]), int(there[-1]) + 1) if len(there) else (0, 0)
