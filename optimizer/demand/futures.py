# SPDX-License-Identifier: Apache-2.0
"""The futures of a case: demand paths, initiatives and price scenarios, each with its odds."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from optimizer.demand.forecaster import forecaster_of
from optimizer.demand.history import SHORT, history_of
from optimizer.demand.horizon import HorizonDemand, demand_of_horizon, planned_usage
from optimizer.demand.scenarios import Scenarios
from optimizer.errors import DataError
from optimizer.tables import Case

Floats = NDArray[np.float64]


def scenarios_of_horizon(case: Case) -> Scenarios:
    """Return the futures of the case's horizon, by ``[demand]`` and ``[solve] seed``.

    Given rows are the same in every future; the other hours are forecast.  The same case
    gives the same futures, byte for byte.

    Raises
    ------
    DataError
        If there is no usage at all, if a forecaster is asked for more than it can give, or
        if it needs an extra that is not installed.
    """
    base = demand_of_horizon(case)
    settings = case.settings.demand
    paths, notes = _demand_paths(case, base)
    base = replace(base, notes=(*base.notes, *notes))
    if len(paths) == 1 and settings.forecaster == "weeks":
        if settings.scenarios > 1:
            raise DataError(
                f"{settings.scenarios} scenarios are asked of repeated weeks, which are one",
                mend='set forecaster = "seasonal" in [demand], or scenarios = 1',
                file="case.toml",
                column="demand.scenarios",
            )
        return Scenarios.single(base)
    count = len(paths)
    return Scenarios(
        base=base,
        names=tuple(f"demand {i + 1}" for i in range(count)),
        odds=np.full(count, 1.0 / count),
        quantity=paths,
        tolerant=_tolerant(base, paths),
    )


def _demand_paths(case: Case, base: HorizonDemand) -> tuple[Floats, tuple[str, ...]]:
    """(S, L, T) equally likely demand, without initiatives, and notes on its origin."""
    settings = case.settings
    usage = planned_usage(case)
    history, notes = history_of(usage, settings.as_of)
    whole = base.usage.quantity[None]
    if settings.demand.forecaster == "weeks" or base.given.all():
        return whole, () if base.given.all() else notes
    if history.hours < SHORT:
        note = "there is one demand scenario, as planned: no change of demand could be measured"
        return whole, (*notes, note)
    skipped = settings.as_of - history.end
    paths = forecaster_of(settings.demand.forecaster).paths(
        history,
        skipped + settings.horizon_hours,
        settings.demand.scenarios,
        settings.solve.seed,
    )[:, :, skipped:]
    return np.where(base.given, whole, paths), notes


def _tolerant(base: HorizonDemand, paths: Floats) -> Floats:
    """(S, L, T) the part that may run on spot: the share that may of the demand as planned.

    Where the demand as planned runs nothing, it is the line's share over the horizon.
    """
    usage = base.usage
    total = usage.quantity.sum(axis=1)
    mean = np.divide(usage.tolerant.sum(axis=1), total, out=np.zeros(len(total)), where=total > 0)
    share = np.broadcast_to(mean[:, None], usage.quantity.shape).copy()
    np.divide(usage.tolerant, usage.quantity, out=share, where=usage.quantity > 0)
    return np.where(paths == usage.quantity, usage.tolerant, paths * np.minimum(share, 1.0))
