# SPDX-License-Identifier: Apache-2.0
"""The futures of a case: demand paths, initiatives and price scenarios, each with its odds."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from optimizer.demand.events import Choice, drawn_outcomes, every_outcome, least_futures
from optimizer.demand.forecaster import forecaster_of
from optimizer.demand.history import SHORT, history_of
from optimizer.demand.horizon import WEEK, HorizonDemand, demand_of_horizon, planned_usage
from optimizer.demand.initiatives import apply_initiatives, requests_of, with_lines
from optimizer.demand.portfolio import Events, read_events
from optimizer.demand.quality import ForecastQuality, forecast_quality
from optimizer.demand.scenarios import Scenarios, with_quantity
from optimizer.errors import DataError
from optimizer.tables import Case
from optimizer.tables.settings import DEFAULT_SCENARIOS

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Flags = NDArray[np.bool_]


def scenarios_of_horizon(case: Case) -> Scenarios:
    """Return the futures of the case's horizon, by ``[demand]`` and ``[solve] seed``.

    Given rows are forecast by nobody: but for initiatives they are the same in every
    future.  The same case gives the same futures, byte for byte.

    With repeated weeks (one demand path) the futures are all combinations of what may
    happen, if they are not more than ``scenarios``; else, and with many paths, what may
    happen is put into the ``scenarios`` futures so that its odds are exact.

    Raises
    ------
    DataError
        If there is no usage at all, if a table is refused (see ``read_initiatives`` and
        ``read_price_scenarios``), or if ``scenarios`` does not fit what is asked for.
    UsageError
        If the forecaster needs an extra that is not installed.
    """
    demand = demand_of_horizon(case)
    events = read_events(case)
    if case.settings.demand.forecaster == "weeks" and not events.choices:
        _refuse_many(case)
    paths, notes = _demand_paths(case, demand)
    base = with_lines(replace(demand, notes=(*demand.notes, *notes, *events.notes)), events.items)
    paths = _padded(paths, len(base.given))
    base, lacking = _with_certain(base, events, events.certain())
    outcomes, odds, names = _outcomes(case, events, paths)
    if len(paths) == 1:
        paths = np.repeat(paths, len(odds), axis=0)
    tolerant = _tolerant(demand, paths)
    happens = events.happens(outcomes)
    lacking += apply_initiatives(base, paths, tolerant, events.items, happens)
    base = replace(base, notes=(*base.notes, *dict.fromkeys(lacking)))
    return Scenarios(
        base=base,
        names=names,
        odds=odds,
        quantity=paths,
        tolerant=tolerant,
        price_factor=events.price_factor(outcomes),
        requests_added=requests_of(events.items, happens, paths.shape[2]),
    )


def quality_of_forecast(case: Case) -> tuple[tuple[str, ...], ForecastQuality]:
    """Return the meter of each line, and how the case's forecaster did on its own history.

    Raises
    ------
    UsageError
        If the forecaster needs an extra that is not installed.
    """
    settings, usage = case.settings, planned_usage(case)
    repeated = settings.demand.forecaster == "weeks"
    history, notes = history_of(usage, settings.as_of, repeated=repeated)
    quality = forecast_quality(
        forecaster_of(settings.demand.forecaster),
        history,
        scenarios=1 if repeated else max(settings.demand.scenarios, DEFAULT_SCENARIOS),
        seed=settings.solve.seed,
    )
    return usage.meter, replace(quality, notes=(*notes, *quality.notes))


def _refuse_many(case: Case) -> None:
    if case.settings.demand.scenarios > 1:
        raise DataError(
            f"{case.settings.demand.scenarios} scenarios are asked of repeated weeks, which are "
            "one, and nothing else is uncertain",
            mend='set forecaster = "seasonal" in [demand], or scenarios = 1',
            file="case.toml",
            column="demand.scenarios",
        )


def _padded(paths: Floats, lines: int) -> Floats:
    """The paths on as many lines, without usage on the last ones."""
    more = lines - paths.shape[1]
    if not more:
        return paths
    return np.concatenate([paths, np.zeros((len(paths), more, paths.shape[2]))], axis=1)


def _with_certain(
    base: HorizonDemand, events: Events, certain: Flags
) -> tuple[HorizonDemand, tuple[str, ...]]:
    """The demand of a plan without scenarios: with the initiatives that are certain."""
    if not certain.any():
        return base, ()
    quantity, tolerant = base.usage.quantity[None].copy(), base.usage.tolerant[None].copy()
    lacking = apply_initiatives(base, quantity, tolerant, events.items, certain[None])
    usage = with_quantity(base.usage, quantity[0], tolerant[0])
    return replace(base, usage=usage), lacking


def _outcomes(
    case: Case, events: Events, paths: Floats
) -> tuple[Integers, Floats, tuple[str, ...]]:
    """(S, E) how each choice turns out in each future, its odds and its name."""
    settings, choices = case.settings, events.choices
    asked = settings.demand.scenarios
    if len(paths) == 1:
        asked = DEFAULT_SCENARIOS if asked == 1 else asked
        if math.prod(len(choice.odds) for choice in choices) <= asked:
            outcomes, odds = every_outcome(choices)
            return outcomes, odds, _names(["as planned"] * len(odds), choices, outcomes)
    effect = paths.sum(axis=(1, 2)) if len(paths) > 1 else np.zeros(asked)
    if len(effect) < least_futures(choices):
        raise _too_few(len(effect), f"at least {least_futures(choices)}")
    try:
        outcomes, odds = drawn_outcomes(choices, effect, settings.solve.seed)
    except ValueError:
        raise _too_few(len(effect), "more") from None
    demand = [f"demand {i + 1}" if len(paths) > 1 else "as planned" for i in range(len(odds))]
    return outcomes, odds, _names(demand, choices, outcomes)


def _too_few(futures: int, wanted: str) -> DataError:
    return DataError(
        f"{futures} scenarios cannot hold all that may happen at the odds that are stated",
        mend=f"set scenarios to {wanted} in [demand], or leave out what is least likely",
        file="case.toml",
        column="demand.scenarios",
    )


def _names(demand: list[str], choices: Sequence[Choice], outcomes: Integers) -> tuple[str, ...]:
    """Name each future by its demand and what happens in it."""
    names = []
    for i, name in enumerate(demand):
        happened = [c.outcomes[o] for c, o in zip(choices, outcomes[i], strict=True)]
        names.append(", ".join([name, *(text for text in happened if text)]))
    if len(set(names)) < len(names):  # the same may happen more than once where it is drawn
        names = [f"{i + 1}: {name}" for i, name in enumerate(names)]
    return tuple(names)


def _demand_paths(case: Case, base: HorizonDemand) -> tuple[Floats, tuple[str, ...]]:
    """(S, L, T) equally likely demand, without initiatives, and notes on its origin."""
    settings = case.settings
    whole = np.array(base.usage.quantity[None])
    if base.given.all():
        return whole, ()
    repeated = settings.demand.forecaster == "weeks"
    history, notes = history_of(planned_usage(case), settings.as_of, repeated=repeated)
    if repeated:
        return whole, notes
    if history.hours < SHORT:
        note = "there is one demand scenario, as planned: no change of demand could be measured"
        return whole, (*notes, note)
    # A history that ended years ago is no more uncertain than one that ended a year ago.
    late = settings.as_of - history.end
    skipped = min(late, 52 * WEEK + late % WEEK)
    paths = forecaster_of(settings.demand.forecaster).paths(
        history,
        skipped + settings.horizon_hours,
        settings.demand.scenarios,
        settings.solve.seed,
    )[:, :, skipped:]
    np.copyto(paths, whole, where=base.given)
    note = (
        f"hours without rows are forecast in {len(paths)} paths of equal odds "
        f"({settings.demand.forecaster}); the repeated weeks are only the single demand beside them"
    )
    return paths, (note, *notes)


def _tolerant(base: HorizonDemand, paths: Floats) -> Floats:
    """(S, L, T) the part that may run on spot: the share that may of the demand as planned.

    Where the demand as planned runs nothing, it is the line's share over the horizon.
    """
    usage = base.usage
    lines, found = len(usage.meter), np.zeros(paths.shape)  # untouched memory where none may
    if not usage.tolerant.any():
        return found
    total = usage.quantity.sum(axis=1)
    mean = np.divide(usage.tolerant.sum(axis=1), total, out=np.zeros(lines), where=total > 0)
    share = np.broadcast_to(mean[:, None], usage.quantity.shape).copy()
    np.divide(usage.tolerant, usage.quantity, out=share, where=usage.quantity > 0)
    for path, part in zip(paths, found, strict=True):
        known = path[:lines]
        scaled = known * np.minimum(share, 1.0)
        part[:lines] = np.where(known == usage.quantity, usage.tolerant, scaled)
    return found
