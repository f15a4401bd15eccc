# SPDX-License-Identifier: Apache-2.0
"""``initiatives``: planned, experimental and retiring work, each with its odds."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

import numpy as np
from numpy.typing import NDArray

from optimizer.demand.horizon import HorizonDemand
from optimizer.demand.lineset import LineSet
from optimizer.errors import DataError
from optimizer.tables import Case
from optimizer.tables.lines import DEFAULT_LOST_HOURS

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

TABLE = "initiatives"
_SMALL = 1e-9


@dataclass(frozen=True)
class Part:
    """One row: what comes (or goes, negative) in each hour ``[begin, end)`` of the horizon."""

    meter: str
    workload: str
    quantity: float
    begin: int
    end: int


@dataclass(frozen=True)
class Initiative:
    """One event: all rows of one name happen, or none.

    ``odds`` is ``None`` where no row states them.
    """

    name: str
    odds: float | None
    row: int
    parts: tuple[Part, ...]


def read_initiatives(case: Case) -> tuple[list[Initiative], list[str]]:
    """Return the initiatives that touch the horizon, and notes on the others.

    Raises
    ------
    DataError
        If rows of one initiative state different odds, or a row names a workload in a
        case without workloads.
    """
    found: dict[str, tuple[float | None, int, list[Part]]] = {}
    if not case.has(TABLE):
        return [], []
    first, hours = case.settings.as_of, case.settings.horizon_hours
    frame = case.table(TABLE)
    for number, row in zip(frame.index, frame.to_dict("records"), strict=True):
        name = row["initiative"]
        if row["workload"] and not case.has("workloads"):
            raise DataError(
                f"initiative {name!r} asks for workload {row['workload']!r}, but the case has "
                "no table workloads",
                mend="add workloads, or name the meter that it draws in meter",
                file=case.file(TABLE),
                row=int(number),
                column="workload",
            )
        stated = None if math.isnan(row["odds"]) else float(row["odds"])
        odds, start, parts = found.setdefault(name, (stated, int(number), []))
        if stated is not None and odds is not None and stated != odds:
            raise DataError(
                f"initiative {name!r} has odds {odds:g} in row {start} and {stated:g} here",
                mend="give all its rows the same odds (they happen together), or another name",
                file=case.file(TABLE),
                row=int(number),
                column="odds",
            )
        found[name] = (stated if odds is None else odds, start, parts)
        begin, end = max(0, row["start"] - first), min(hours, row["end"] - first)
        sign = -1.0 if row["stage"] == "retire" else 1.0
        if begin < end:
            amount = sign * float(row["quantity"])
            parts.append(Part(row["meter"], row["workload"], amount, begin, end))
    notes = [
        f"initiative {name} lies outside the horizon and changes nothing in it"
        for name, (_, _, parts) in found.items()
        if not parts
    ]
    return [
        Initiative(name, odds, number, tuple(parts))
        for name, (odds, number, parts) in found.items()
        if parts
    ], notes


def with_lines(base: HorizonDemand, initiatives: Sequence[Initiative]) -> HorizonDemand:
    """The demand with a line for every meter that an initiative adds usage to."""
    lines = LineSet(base.usage)
    for initiative in initiatives:
        for part in initiative.parts:
            if part.meter and part.quantity > 0:
                lines.find(_key(part.meter))
    return lines.demand(base) if lines.added else base


def _key(meter: str) -> tuple[str, str, str, float, Decimal, Decimal | None]:
    """The line of planned work: no account, zone or economics of its own."""
    return (meter, "", "", DEFAULT_LOST_HOURS, Decimal(0), None)


def apply_initiatives(
    base: HorizonDemand,
    quantity: Floats,
    tolerant: Floats,
    initiatives: Sequence[Initiative],
    happens: Flags,
) -> tuple[str, ...]:
    """Change demand in place by what happens in each future; return what could not be.

    What retires is taken from the lines of the meter in proportion to what they run, never
    below zero; then what is added comes on top, on the line of planned work, of which no
    part may run on spot.

    Parameters
    ----------
    base
        Its lines are those of the arrays.
    quantity, tolerant
        (S, L, T), changed in place.
    initiatives
        I of them.
    happens
        (S, I).
    """
    known = LineSet(base.usage).known
    meters: dict[str, list[int]] = {}
    for line, meter in enumerate(base.usage.meter):
        meters.setdefault(meter, []).append(line)
    lacking: dict[str, tuple[float, int, str]] = {}
    for future in range(len(quantity)):
        active = [item for item, so in zip(initiatives, happens[future], strict=True) if so]
        retired: dict[str, Floats] = {}
        for item in active:
            for part in item.parts:
                if part.meter and part.quantity < 0:
                    taken = retired.setdefault(part.meter, np.zeros(quantity.shape[2]))
                    taken[part.begin : part.end] -= part.quantity
                    _note_lack(item, part, quantity[future, meters.get(part.meter, [])], lacking)
        for meter, taken in retired.items():
            lines = meters.get(meter, [])
            runs = quantity[future, lines].sum(axis=0)
            left = np.divide(
                np.maximum(runs - taken, 0.0), runs, out=np.zeros_like(runs), where=runs > 0
            )
            untouched = taken == 0
            for array in (quantity, tolerant):
                rows = array[future, lines]
                array[future, lines] = np.where(untouched, rows, rows * left)
        for item in active:
            for part in item.parts:
                if part.meter and part.quantity > 0:
                    quantity[future, known[_key(part.meter)], part.begin : part.end] += (
                        part.quantity
                    )
    return tuple(
        f"initiative {name} retires more of {meter} than runs in up to {hours} hours "
        f"(by up to {most:g} units): no usage is below zero"
        for name, (most, hours, meter) in lacking.items()
    )


def _note_lack(
    item: Initiative, part: Part, rows: Floats, lacking: dict[str, tuple[float, int, str]]
) -> None:
    """Remember where a part retires more than runs."""
    lack = -part.quantity - rows.sum(axis=0)[part.begin : part.end]
    hours = int((lack > _SMALL * -part.quantity).sum())
    if hours:
        most, before, _ = lacking.get(item.name, (0.0, 0, ""))
        lacking[item.name] = (max(most, float(lack.max())), max(before, hours), part.meter)


def requests_of(
    initiatives: Sequence[Initiative], happens: Flags, hours: int
) -> Mapping[str, Floats]:
    """(S, T) requests per hour that come on top of each class's own in each future.

    Negative where a class retires: whoever adds them up keeps the sum at or above zero.
    """
    added: dict[str, Floats] = {}
    for i, item in enumerate(initiatives):
        for part in item.parts:
            if part.workload:
                array = added.setdefault(part.workload, np.zeros((len(happens), hours)))
                array[happens[:, i], part.begin : part.end] += part.quantity
    return added
