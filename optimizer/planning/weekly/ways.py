# SPDX-License-Identifier: Apache-2.0
"""The change of demand divided another way: by team, by model, by any column of usage."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from optimizer.billing import Catalogue, make_bill
from optimizer.errors import MissingPrice
from optimizer.planning.weekly.changes import Cause, DemandStep, Step, Walk, affordable
from optimizer.planning.weekly.window import WEEK, Weeks, with_spot_of
from optimizer.tables import Case, UsageCells, UsageLines

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

MOST = 10  # groups that are exchanged alone
_DAY = 24


@dataclass(frozen=True)
class WeekRows:
    """Rows of usage of two weeks, each of one hour; R rows.

    Attributes
    ----------
    series, line
        Of each row.
    hour
        Of the week, 0 to 167.
    last
        Whether it is of the week, and not of the one before.
    quantity
        Units of the meter.
    """

    series: Integers
    line: Integers
    hour: Integers
    last: NDArray[np.bool_]
    quantity: Floats


def week_rows(cells: UsageCells, weeks: Weeks) -> WeekRows:
    """Return the rows of the two weeks, daily ones spread over their hours."""
    start = cells.first_hour + cells.hour.astype(np.int64)
    near = (start > weeks.before - _DAY) & (start < weeks.end)
    hours = np.where(cells.of_day[near], _DAY, 1)
    row = np.repeat(np.flatnonzero(near), hours)
    offset = np.arange(len(row)) - np.repeat(np.cumsum(hours) - hours, hours)
    hour = start[row] + offset
    inside = (hour >= weeks.before) & (hour < weeks.end)
    row, hour = row[inside], hour[inside]
    series = cells.series[row].astype(np.int64)
    return WeekRows(
        series=series,
        line=cells.line[series].astype(np.int64),
        hour=(hour - weeks.before) % WEEK,
        last=hour >= weeks.start,
        quantity=cells.quantity[row] / np.where(cells.of_day[row], _DAY, 1),
    )


def demand_by(
    states: DemandStep,
    cells: UsageCells,
    weeks: Weeks,
    names: Sequence[str],
    nameless: str,
    most: int = MOST,
) -> list[Step]:
    """Return what each group of usage added to the bill; the steps add up to that of demand.

    Parameters
    ----------
    states
        The demand step of `explain_change`.
    names
        Of each series the group that it belongs to; ``""`` where it has none.
    nameless
        What that is called.
    most
        Groups that are exchanged one by one; those that changed most, at on-demand prices.
    """
    try:
        bill = make_bill(states.case, states.catalogue, states.was, states.holdings)
        end = make_bill(states.case, states.catalogue, states.now, states.holdings)
    except MissingPrice:
        return []
    rows = week_rows(cells, weeks)
    known = _both(rows)
    groups, code = np.unique(np.array(names, dtype=object), return_inverse=True)
    signed = np.where(rows.last, rows.quantity, -rows.quantity) * known[rows.hour]
    weight = _weights(states, rows, signed, code, len(groups))
    most = affordable(states.was, most)
    chosen = [int(i) for i in np.argsort(-weight, kind="stable")[:most] if weight[i] > 0]
    was = with_spot_of(states.was, states.was)
    walk = Walk(states.case, states.catalogue, states.holdings, was, bill)
    walk.take(Cause.demand, "hours of the week in which spot ran")
    quantity = states.was.quantity.copy()
    for index in sorted(chosen, key=lambda i: str(groups[i])):
        mine = code[rows.series] == index
        np.add.at(quantity, (rows.line[mine], rows.hour[mine]), signed[mine])
        np.maximum(quantity, 0.0, out=quantity)  # rounding may leave −1e-17 behind
        walk.usage = with_spot_of(_with(states, quantity.copy()), states.was)
        walk.take(Cause.demand, str(groups[index]) or nameless)
    walk.usage = states.now
    left = int((weight > 0).sum()) - len(chosen)
    walk.take(Cause.demand, f"{left:,} others" if left > 0 else "rounding")
    walk.finish(end)
    return walk.steps


def _with(states: DemandStep, quantity: Floats) -> UsageLines:
    """Usage of some quantity; where a line did not run before, it runs on spot as it does now."""
    now = states.now
    share = np.divide(now.spot, now.quantity, out=np.zeros_like(quantity), where=now.quantity > 0)
    gone = np.divide(now.spot_taken, now.spot, out=np.zeros_like(quantity), where=now.spot > 0)
    spot = quantity * np.minimum(share, 1.0)
    return replace(states.was, quantity=quantity, spot=spot, spot_taken=spot * gone)


def _both(rows: WeekRows) -> Floats:
    """Hours of the week that have rows in both weeks: others are no change of demand."""
    was, now = (
        np.bincount(rows.hour[chosen], minlength=WEEK) for chosen in (~rows.last, rows.last)
    )
    return ((was > 0) & (now > 0)).astype(np.float64)


def _weights(
    states: DemandStep, rows: WeekRows, signed: Floats, code: Integers, count: int
) -> Floats:
    """How much each group changed, hour by hour, at on-demand prices."""
    price = np.array([float(states.catalogue.meters[m].on_demand or 1) for m in states.was.meter])
    places = code[rows.series] * np.int64(WEEK) + rows.hour
    by_line = places * len(price) + rows.line
    found, at = np.unique(by_line, return_inverse=True)
    change = np.abs(np.bincount(at, weights=signed * price[rows.line], minlength=len(found)))
    change[change < 1e-9] = 0.0
    sums = np.bincount(found // len(price) // WEEK, weights=change, minlength=count)
    return sums.astype(np.float64)


@dataclass(frozen=True)
class Owners:
    """Who used what in the week; S series, weighed at on-demand prices."""

    worth: Floats
    meter: Integers
    owner: Integers
    meters: Mapping[str, int]
    names: tuple[str, ...]

    def of(self, meters: Sequence[str]) -> tuple[str, float] | None:
        """Return who used most of some meters, and their share; ``None`` where no row says."""
        codes = [self.meters[name] for name in meters if name in self.meters]
        mine = np.isin(self.meter, codes)
        sums = np.bincount(self.owner[mine], weights=self.worth[mine], minlength=len(self.names))
        total = float(sums.sum())
        if total <= 0:
            return None
        best = int(sums.argmax())
        return (self.names[best], float(sums[best]) / total) if self.names[best] else None


def owners_of(cells: UsageCells, catalogue: Catalogue, weeks: Weeks, column: str) -> Owners:
    """Return who used what in the week, by a column of usage."""
    rows = week_rows(cells, weeks)
    units = np.bincount(
        rows.series[rows.last], weights=rows.quantity[rows.last], minlength=cells.count
    )
    label = cells.labels["meter"]
    price = np.array([float(catalogue.meters[name].on_demand or 1) for name in label.values])
    who = cells.labels[column]
    return Owners(
        worth=units * price[label.code],
        meter=label.code.astype(np.int64),
        owner=who.code.astype(np.int64),
        meters={name: index for index, name in enumerate(label.values)},
        names=who.values,
    )


def models_of(case: Case, cells: UsageCells) -> list[str]:
    """Return the model of each series, by its deployment; ``""`` where it serves none."""
    label = cells.labels.get("deployment")
    if label is None or not case.has("deployments"):
        return [""] * cells.count
    frame = case.table("deployments")
    model = dict(zip(frame["deployment"], frame["model"], strict=True))
    names = [str(model.get(value) or value) for value in label.values]
    return [names[code] for code in label.code]
