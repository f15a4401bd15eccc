# SPDX-License-Identifier: Apache-2.0
"""Usage as the laws see it: billing lines, and the sharing mode of every hour."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from optimizer.billing.catalogue import Catalogue
from optimizer.tables import Settings, UsageLines, format_hour

Array = NDArray[np.float64]


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


def row_sums(array: Array) -> list[float]:
    """Return the sum of each row, added up as that of a row alone would be."""
    if array.strides[1] == array.itemsize:
        return list(array.sum(axis=1).tolist())
    return [float(row.sum()) for row in array]


def billing_lines(usage: UsageLines, catalogue: Catalogue) -> BillingLines:
    """Turn usage lines into billing lines; a line without a zone has its meter's."""
    meters = [catalogue.meters[name] for name in usage.meter]
    free = np.zeros(usage.spot.shape)  # unlike zeros_like it touches no memory
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
