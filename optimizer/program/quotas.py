# SPDX-License-Identifier: Apache-2.0
"""Limits that hold in every hour of the horizon: from the case to the problem's arrays."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from optimizer.billing import Catalogue
from optimizer.errors import DataError
from optimizer.program.caselimits import CaseLimits, QuotaRow, Span
from optimizer.program.problem import Counts, Flags, Floats, HourlyLimits

Entry = tuple[int, Counts, float]


def build_limits(
    limits: CaseLimits,
    catalogue: Catalogue,
    meters: Sequence[str],
    horizon: Flags,
    inside: dict[Span, Flags],
) -> HourlyLimits:
    """Quotas of single meters, and shared ones; ``inf`` behind the horizon.

    Parameters
    ----------
    meters
        The meter of each pool.
    horizon, inside
        (R,) periods of the horizon; and of each window of :attr:`CaseLimits.spans`.
    """
    names: list[str] = []
    most: list[Floats] = []
    entries: list[tuple[int, Entry]] = []

    def add(name: str, row: Floats, counted: Sequence[Entry]) -> None:
        if counted:
            entries.extend((len(names), entry) for entry in counted)
            names.append(name)
            most.append(row)

    for name in sorted(set(meters)):
        meter = catalogue.meters[name]
        pools = [pool for pool, of in enumerate(meters) if of == name]
        for key, counts, limit in (
            ("on_demand_limit", Counts.MARKET, meter.on_demand_limit),
            ("spot_limit", Counts.SPOT, meter.spot_limit),
        ):
            if math.isfinite(limit):
                row = np.where(horizon, limit, np.inf)
                add(f"coverage.{key}[{name}]", row, [(pool, counts, 1.0) for pool in pools])
    for name in sorted({quota.name for quota in limits.quotas}):
        quotas = [quota for quota in limits.quotas if quota.name == name]
        for group, row in _segments(quotas, horizon, inside, limits.file):
            weights = {quota.meter: quota.weight for quota in group}
            counted = [
                (pool, Counts.RUNNING, weights[meter])
                for pool, meter in enumerate(meters)
                if weights.get(meter)
            ]
            add(f"coverage.limit[{name}]", row, counted)
    return HourlyLimits(
        names=tuple(names),
        most=np.array(most, dtype=np.float64).reshape(len(names), len(horizon)),
        entry_limit=np.array([limit for limit, _ in entries], dtype=np.int64),
        entry_pool=np.array([entry[0] for _, entry in entries], dtype=np.int64),
        entry_counts=np.array([entry[1] for _, entry in entries], dtype=np.int64),
        entry_weight=np.array([entry[2] for _, entry in entries], dtype=np.float64),
    )


def _segments(
    quotas: Sequence[QuotaRow], horizon: Flags, inside: dict[Span, Flags], file: str
) -> list[tuple[tuple[QuotaRow, ...], Floats]]:
    """Rows of one quota that hold together, with their maximum by period."""
    found: dict[tuple[QuotaRow, ...], Floats] = {}
    for period in np.flatnonzero(horizon):
        group = tuple(quota for quota in quotas if inside[quota.span][period])
        if not group:
            continue
        for quota in group[1:]:
            if quota.maximum != group[0].maximum:
                raise DataError(
                    f"limit {quota.name!r} has two maximums in the same hour "
                    f"({group[0].maximum:g} and {quota.maximum:g})",
                    mend="give all its rows one maximum, or hours that do not overlap",
                    file=file,
                    row=quota.row,
                    column="maximum",
                )
        seen = [quota.meter for quota in group]
        if len(set(seen)) < len(seen):
            raise DataError(
                f"limit {group[0].name!r} names a meter twice in the same hour",
                mend="give the rows of a meter hours that do not overlap",
                file=file,
                row=group[-1].row,
                column="meter",
            )
        found.setdefault(group, np.full(len(horizon), np.inf))[period] = group[0].maximum
    return list(found.items())
