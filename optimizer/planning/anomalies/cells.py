# SPDX-License-Identifier: Apache-2.0
"""The usage of a case as hourly series by meter, account, tag and whatever else it tells apart."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from optimizer.billing import Catalogue
from optimizer.demand.anomalies import HourlySeries
from optimizer.demand.history import gaps
from optimizer.demand.horizon import DAY
from optimizer.planning.anomalies.anomaly import Measure
from optimizer.tables import Case, UsageCells

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
Integers = NDArray[np.int64]

MOST = 300  # values of a column that are judged: those that cost most
SINGLE = ("zone", "job")  # columns that explain, but whose values are not judged themselves


@dataclass(frozen=True)
class Judged:
    """Series that are judged together, one for each of ``values``."""

    measure: Measure
    column: str
    values: tuple[str, ...]
    series: HourlySeries


@dataclass(frozen=True)
class Cells:
    """Usage rows in the hours ``[first_hour, first_hour + hours)``, S cells.

    Attributes
    ----------
    line
        (S,) the line of ``UsageLines`` that a cell is part of.
    labels
        By column the distinct values and, (S,), the value of each cell.
    price
        (S,) on-demand price of a unit, else the list price; nan without either.
    cell, hour, quantity
        (R,) rows by hour, counted from ``first_hour``.
    provider
        (S,) provider of a cell.
    """

    first_hour: int
    hours: int
    line: Integers
    labels: dict[str, tuple[tuple[str, ...], Integers]]
    price: Floats
    provider: tuple[str, ...]
    cell: Integers
    hour: Integers
    quantity: Floats

    def sums(self, start: int, end: int) -> Floats:
        """(S,) units within the hours ``[start, end)``, counted from ``first_hour``."""
        low, high = np.searchsorted(self.hour, (max(start, 0), max(end, 0)))
        return np.bincount(
            self.cell[low:high], self.quantity[low:high], minlength=len(self.line)
        ).astype(np.float64)

    def table(self, code: Integers, count: int, weight: Floats) -> Floats:
        """(count, T) sums of weighted usage; cells of code −1 are left out."""
        of_row = code[self.cell]
        use = of_row >= 0
        place = of_row[use] * self.hours + self.hour[use]
        values = self.quantity[use] * weight[self.cell[use]]
        flat = np.bincount(place, values, minlength=count * self.hours)
        return flat.reshape(count, self.hours).astype(np.float64)

    def price_of_meter(self, meter: str) -> float | None:
        """Dollars of a unit of a meter, where there is a price."""
        names, code = self.labels["meter"]
        price = float(self.price[code == names.index(meter)][0])
        return None if np.isnan(price) else price

    @cached_property
    def known(self) -> dict[str, Flags]:
        """By provider, (T,) the hours that are no gap in its rows."""
        found = {}
        for provider in sorted(set(self.provider)):
            mine = np.array([name == provider for name in self.provider], dtype=np.bool_)
            present = np.zeros(self.hours, dtype=np.bool_)
            present[self.hour[mine[self.cell]]] = True
            found[provider] = ~gaps(present)
        return found

    @cached_property
    def all_known(self) -> Flags:
        """(T,) the hours that are a gap of no provider."""
        every = np.ones(self.hours, dtype=np.bool_)
        for known in self.known.values():
            every &= known
        return every

    @cached_property
    def owner(self) -> Integers:
        """(S,) a number for who used a cell: all its labels but the meter and the zone."""
        codes = [code for name, (_, code) in self.labels.items() if name not in ("meter", "zone")]
        if not codes:
            return np.zeros(len(self.line), dtype=np.int64)
        _, owner = np.unique(np.stack(codes, axis=1), axis=0, return_inverse=True)
        return owner.reshape(-1).astype(np.int64)

    @cached_property
    def dollars(self) -> Floats:
        """(S,) price of a unit; 0 for what has none: it is in no cost."""
        return np.nan_to_num(self.price)


def cells_of(
    case: Case, catalogue: Catalogue, first: int, last: int, read: UsageCells | None = None
) -> Cells:
    """The usage of the hours ``[first, last)``, of which those before all usage are left out."""
    read = case.usage_cells() if read is None else read
    hour, series, quantity = _hourly(read, first - DAY)
    hour = hour + read.first_hour
    first = max(first, read.first_hour)
    inside = (hour >= first) & (hour < last)
    order = np.argsort(hour[inside], kind="stable")
    labels = {
        name: (column.values, column.code.astype(np.int64)) for name, column in read.labels.items()
    }
    if case.has("deployments") and "deployment" in labels:
        labels["model"] = _models(case, labels["deployment"])
    # A table of usage without rows has no labels.
    names, code = labels.setdefault("meter", ((), np.zeros(0, dtype=np.int64)))
    prices = np.array([_price(catalogue, name) for name in names], dtype=np.float64)
    providers = [catalogue.meters[name].provider for name in names]
    return Cells(
        first_hour=first,
        hours=max(0, last - first),
        line=read.line.astype(np.int64),
        labels=labels,
        price=prices[code],
        provider=tuple(providers[place] for place in code),
        cell=series[inside][order],
        hour=(hour[inside] - first)[order],
        quantity=quantity[inside][order],
    )


def _hourly(read: UsageCells, since: int) -> tuple[Integers, Integers, Floats]:
    """Hour, series and quantity of each row from an hour on; a daily row is 24 of them."""
    low = int(np.searchsorted(read.hour, since - read.first_hour))  # rows are in their order
    day, quantity = read.of_day[low:], read.quantity[low:]
    hour, series = read.hour[low:].astype(np.int64), read.series[low:].astype(np.int64)
    steps = np.tile(np.arange(DAY), int(day.sum()))
    return (
        np.concatenate([hour[~day], np.repeat(hour[day], DAY) + steps]),
        np.concatenate([series[~day], np.repeat(series[day], DAY)]),
        np.concatenate([quantity[~day], np.repeat(quantity[day] / DAY, DAY)]),
    )


def _models(
    case: Case, deployments: tuple[tuple[str, ...], Integers]
) -> tuple[tuple[str, ...], Integers]:
    """The model of each cell's deployment; ``""`` without one."""
    table = case.table("deployments")
    model_of = dict(zip(table["deployment"], table["model"], strict=True))
    models = [str(model_of.get(name, "")) for name in deployments[0]]
    values, code = np.unique(np.array(models, dtype=object), return_inverse=True)
    return tuple(str(v) for v in values), code.astype(np.int64)[deployments[1]]


def _price(catalogue: Catalogue, name: str) -> float:
    meter = catalogue.meters[name]
    price = meter.on_demand if meter.on_demand is not None else meter.list_price
    return float("nan") if price is None else float(price)


def judged_series(cells: Cells) -> list[Judged]:
    """What is judged: each meter in units, total cost, and cost by every other column."""
    found = []
    names, code = cells.labels["meter"]
    ones = np.ones(len(cells.line))
    for provider, known in cells.known.items():
        mine = sorted({int(c) for c, p in zip(code, cells.provider, strict=True) if p == provider})
        place = np.full(len(names), -1, dtype=np.int64)
        place[mine] = np.arange(len(mine))
        values = cells.table(place[code], len(mine), ones)
        found.append(
            Judged(
                Measure.usage,
                "meter",
                tuple(names[place_] for place_ in mine),
                HourlySeries(cells.first_hour, values, known),
            )
        )
    total = cells.table(np.zeros(len(cells.line), dtype=np.int64), 1, cells.dollars)
    found.append(
        Judged(Measure.cost, "", ("",), HourlySeries(cells.first_hour, total, cells.all_known))
    )
    for column, (values_, codes) in cells.labels.items():
        if column == "meter" or column in SINGLE or len(values_) < 2:
            continue
        found.append(_by_value(cells, column, values_, codes))
    return found


def _by_value(cells: Cells, column: str, values: tuple[str, ...], code: Integers) -> Judged:
    spent = np.bincount(
        code, cells.sums(0, cells.hours) * cells.dollars, minlength=len(values)
    ).astype(np.float64)
    spent[[not value for value in values]] = 0.0  # what has no value is nobody's
    chosen = [int(i) for i in np.argsort(-spent, kind="stable")[:MOST] if spent[i] > 0]
    place = np.full(len(values), -1, dtype=np.int64)
    place[chosen] = np.arange(len(chosen))
    table = cells.table(place[code], len(chosen), cells.dollars)
    return Judged(
        Measure.cost,
        column,
        tuple(values[i] for i in chosen),
        HourlySeries(cells.first_hour, table, cells.all_known),
    )
