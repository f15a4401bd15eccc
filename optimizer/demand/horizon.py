# SPDX-License-Identifier: Apache-2.0
"""Demand of the horizon: given rows, else whole weeks of history repeated as they were.

Nothing is averaged: a mean profile destroys bursts, understates cost and over-commits.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from optimizer.errors import DataError
from optimizer.tables import Case, UsageLines, format_hour

WEEK = 168
DAY = 24


@dataclass(frozen=True)
class HorizonDemand:
    """Usage lines over the hours ``[as_of, as_of + horizon_hours)``, and where they are from.

    Attributes
    ----------
    usage
        L lines × T hours.  ``spot`` is what ran on spot in the hours that are repeated:
        today's practice, which the baseline keeps and a plan decides anew.
    given
        Shape (L, T): the row was given, not filled from history.
    notes
        What a reader must know about the origin of these hours.
    """

    usage: UsageLines
    given: NDArray[np.bool_]
    notes: tuple[str, ...]


def demand_of_horizon(case: Case) -> HorizonDemand:
    """Build the demand of the case's horizon.

    A line (meter, account, zone and interruption economics) is taken as given in the
    hours at or after ``as_of`` for which it has rows; its other hours repeat the last
    whole weeks before ``as_of``, hour of week by hour of week.

    Raises
    ------
    DataError
        If there is no usage at all.
    """
    if not has_routing(case):
        case.require("usage")
    usage = planned_usage(case)
    as_of, hours = case.settings.as_of, case.settings.horizon_hours
    count = usage.quantity.shape[1]
    if (not len(usage.meter) or not count) and not has_jobs(case) and not has_routing(case):
        raise DataError(
            "there is no usage, neither before as_of nor after",
            mend="give at least one row of usage",
            file=case.file("usage"),
        )
    notes = []
    fill = _Fill(usage, as_of, hours)
    source, note, given = fill.source, fill.note, fill.given
    if source is None and len(given) and not given.any(axis=0).all():
        missing = int((~given.any(axis=0)).sum())
        note = f"there is no history: {missing} hours of the horizon without usage are zero"
    if note and not given.all():
        notes.append(note)

    if usage.daily.any():
        notes.append(
            "some usage came in daily rows and was spread evenly over their hours: bursts within "
            "a day are unknown, so the plan may commit too much"
        )
    horizon = replace(
        usage,
        first_hour=as_of,
        quantity=fill(usage.quantity),
        spot=fill(usage.spot),
        spot_taken=fill(usage.spot_taken),
        tolerant=fill(usage.tolerant),
        present=np.ones_like(given),
    )
    return HorizonDemand(horizon, given, tuple(notes))


def part_of_horizon(case: Case, **only: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Quantity and tolerant part (L, T) of the horizon's rows with these values of columns.

    A part repeats the hours that the whole repeats, so that it is never more than the whole.
    """
    usage = planned_usage(case)
    fill = _Fill(usage, case.settings.as_of, case.settings.horizon_hours)
    part = case.usage_part(**only, **_planned_apart(case))
    return fill(part.quantity), fill(part.tolerant)


def fill_horizon(
    usage: UsageLines, as_of: int, hours: int
) -> tuple[Callable[[NDArray[np.float64]], NDArray[np.float64]], NDArray[np.bool_], str]:
    """How rows of the shape of ``usage`` fill the horizon, which are given, and a note."""
    fill = _Fill(usage, as_of, hours)
    return fill, fill.given, fill.note


def has_jobs(case: Case) -> bool:
    """Whether jobs are planned, so that usage of a job is not."""
    return case.has("jobs") and len(case.table("jobs")) > 0


def planned_usage(case: Case) -> UsageLines:
    """The usage that is planned as it is: what jobs and routing replace is left out."""
    if not case.has("usage"):
        return no_usage(case.settings.as_of)
    apart = _planned_apart(case)
    return case.usage_part(**apart) if apart else case.usage_lines()


def _planned_apart(case: Case) -> dict[str, str]:
    """Rows of a job, and those that serve a deployment, are decided by the plan."""
    apart = {"job": ""} if has_jobs(case) else {}
    return apart | ({"deployment": ""} if has_routing(case) else {})


def no_usage(first_hour: int) -> UsageLines:
    """No lines, and no hours."""
    none = np.zeros((0, 0))
    flags = np.zeros((0, 0), dtype=bool)
    return UsageLines(
        (), (), (), np.zeros(0), (), (), first_hour, none, none, none, none, flags,
        np.zeros(0, dtype=bool),
    )  # fmt: skip


def has_routing(case: Case) -> bool:
    """Whether requests are routed, so that usage of deployments is replaced."""
    return case.has("workloads") and len(case.table("workloads")) > 0


class _Fill:
    """Fills the horizon from an array of usage: given rows, else repeated history."""

    def __init__(self, usage: UsageLines, as_of: int, hours: int) -> None:
        future = np.arange(as_of, as_of + hours)
        self.source, self.note = _history_hours(usage, as_of, future)
        # Position of each horizon hour in the usage arrays, where it is given at all.
        position = future - usage.first_hour
        self.inside = (position >= 0) & (position < usage.quantity.shape[1])
        self.position = position[self.inside]
        self.given = np.zeros((len(usage.meter), hours), dtype=bool)
        self.given[:, self.inside] = usage.present[:, self.position]

    def __call__(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        filled = np.zeros(self.given.shape)
        if not values.any():
            return filled
        if self.source is not None:
            filled = values[:, self.source]
        if len(self.position):
            given = self.given[:, self.inside]
            filled[:, self.inside] = np.where(
                given, values[:, self.position], filled[:, self.inside]
            )
        return filled


def _history_hours(
    usage: UsageLines, as_of: int, future: NDArray[np.int64]
) -> tuple[NDArray[np.int64] | None, str]:
    """For each future hour the index of the history hour that it repeats.

    The block that repeats is the last whole weeks of history (the last whole days, or
    the hours there are, where no week is complete), so that the hour of the week agrees.
    """
    count = usage.quantity.shape[1]
    history = min(max(0, as_of - usage.first_hour), count)
    # History ends with its last row: hours without data before as_of are not zero demand.
    rows = np.flatnonzero(usage.present[:, :history].any(axis=0))
    if not len(rows):
        return None, ""
    history = int(rows[-1]) + 1
    if history >= WEEK:
        unit, note = WEEK, ""
    elif history >= DAY:
        unit, note = DAY, "whole days of it are repeated, the pattern of a week is unknown"
    else:
        unit, note = 1, "its hours are repeated, the pattern of a day is unknown"
    length = history - history % unit
    start = usage.first_hour + history - length
    if note:
        first = format_hour(usage.first_hour)
        note = f"history is shorter than a week ({history} hours from {first}): {note}"
    elif history % WEEK:
        note = (
            f"the last {length // WEEK} whole weeks of history are repeated as they were "
            f"(from {format_hour(start)})"
        )
    else:
        note = f"{length // WEEK} whole weeks of history are repeated as they were"
    source = history - length + (future - start) % length
    return source.astype(np.int64), note
