# SPDX-License-Identifier: Apache-2.0
"""Shared platforms by request: usage of a deployment on the classes that asked for it.

Usage that names a deployment and no class of its own is divided, hour by hour, over the
classes that ``routes_today`` sends there: ``share × requests`` of each over their sum (or
tokens).  Usage that names a class is that class's.  Where ``workloads`` tells a class's
``tag_*``, the usage is its team's.  Hours without known requests stay as they are: nothing is
guessed.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from optimizer.planning.spend.classes import Asked
from optimizer.tables import Labels, UsageCells

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_DAY = 24


@dataclass(frozen=True)
class _Piece:
    """Part of a series that one class asked for; ``share`` (N,) by hour, ``None``: all of it."""

    series: int
    workload: str
    share: Floats | None


def by_request(cells: UsageCells, asked: Asked, measure: str = "requests") -> UsageCells:
    """Cells in which usage is that of the classes that asked; quantities add up as before.

    Parameters
    ----------
    measure
        ``requests``, ``tokens``, ``input_tokens`` or ``output_tokens``.
    """
    shares = {name: _shares(asked, name, measure, cells.hours) for name in asked.shares}
    known = set(asked.names)
    pieces: list[_Piece] = []
    moved: dict[int, list[int]] = {}  # series → its pieces
    workload, deployment = (cells.labels.get(name) for name in ("workload", "deployment"))
    for series in range(cells.count):
        own = workload.text(series) if workload else ""
        if own in known:
            found = [_Piece(series, own, None)]
        elif deployment and not own:
            parts = shares.get(deployment.text(series), {})
            found = [_Piece(series, name, part) for name, part in parts.items()]
        else:
            continue
        if found:
            moved[series] = list(range(len(pieces), len(pieces) + len(found)))
            pieces += found
    return _divided(cells, asked, pieces, moved) if pieces else cells


def unknown_hours(asked: Asked, deployment: str, measure: str, hours: int) -> NDArray[np.bool_]:
    """(N,) hours in which nothing tells who asked for a shared deployment."""
    parts = _shares(asked, deployment, measure, hours)
    return sum(parts.values(), np.zeros(hours)) <= 0


def _shares(asked: Asked, deployment: str, measure: str, hours: int) -> dict[str, Floats]:
    """By class the share (N,) of a deployment's work; all zero in hours that are not known."""
    place = {name: index for index, name in enumerate(asked.names)}
    counts = asked.count(measure)
    parts = {
        name: counts[place[name]] * share
        for name, share in sorted(asked.shares.get(deployment, {}).items())
        if name in place
    }
    whole = sum(parts.values(), np.zeros(hours))  # nan where one class is not known
    known = whole > 0
    return {
        name: np.divide(part, whole, out=np.zeros(hours), where=known)
        for name, part in parts.items()
    }


def _divided(
    cells: UsageCells, asked: Asked, pieces: list[_Piece], moved: dict[int, list[int]]
) -> UsageCells:
    """Replace the rows of the series that move by rows of their pieces.

    A piece is a series of its own, after those there are; what nobody is known to have asked
    for stays on the old one.
    """
    is_moved = np.zeros(cells.count, np.bool_)
    is_moved[list(moved)] = True
    rows = is_moved[cells.series]
    stay = ~rows
    columns: list[list[NDArray[Any]]] = [[] for _ in range(5)]
    hourly = _hourly(cells, np.flatnonzero(rows))
    order = np.argsort(hourly[0], kind="stable")
    bounds = np.searchsorted(hourly[0][order], np.arange(cells.count + 1))
    for series, parts in moved.items():
        chosen = order[bounds[series] : bounds[series + 1]]
        hour = hourly[1][chosen]
        left = np.ones(len(chosen))
        for piece in parts:
            share = pieces[piece].share
            part = np.ones(len(chosen)) if share is None else share[hour]
            left = left - part
            _append(columns, cells.count + piece, hour, hourly, chosen, part)
        if any(pieces[piece].share is not None for piece in parts):
            unknown = np.where(left > 0.5, 1.0, 0.0)  # shares of an hour add up to 1 or to 0
            _append(columns, series, hour, hourly, chosen, unknown)
    own: list[NDArray[Any]] = [
        cells.series, cells.hour, cells.quantity, cells.spot, cells.spot_taken,
    ]  # fmt: skip
    joined = [
        np.concatenate([values[stay], *more]) for values, more in zip(own, columns, strict=True)
    ]
    of_day = np.zeros(len(joined[0]), np.bool_)
    of_day[: int(stay.sum())] = cells.of_day[stay]
    order = np.lexsort((joined[2], joined[0], joined[1]))
    base = np.array([piece.series for piece in pieces], np.int64)
    return replace(
        cells,
        labels=_labels(cells, asked, pieces, base),
        line=np.concatenate([cells.line, cells.line[base]]),
        series=joined[0][order].astype(np.int32),
        hour=joined[1][order].astype(np.int32),
        quantity=joined[2][order],
        spot=joined[3][order],
        spot_taken=joined[4][order],
        of_day=of_day[order],
    )


def _hourly(cells: UsageCells, rows: Ints) -> tuple[Ints, Ints, Floats, Floats, Floats]:
    """Rows as hours: a day's row becomes 24."""
    repeat = np.where(cells.of_day[rows], _DAY, 1)
    index = np.repeat(rows, repeat)
    start = np.repeat(np.cumsum(repeat) - repeat, repeat)
    hour = cells.hour[index].astype(np.int64) + np.arange(len(index)) - start
    length = np.repeat(repeat, repeat)
    return (
        cells.series[index].astype(np.int64),
        hour,
        cells.quantity[index] / length,
        cells.spot[index] / length,
        cells.spot_taken[index] / length,
    )


def _append(
    columns: list[list[NDArray[Any]]],
    series: int,
    hour: Ints,
    hourly: tuple[Ints, Ints, Floats, Floats, Floats],
    chosen: Ints,
    part: Floats,
) -> None:
    some = part > 0
    picked, share = chosen[some], part[some]
    columns[0].append(np.full(len(picked), series, np.int64))
    columns[1].append(hour[some])
    for place in (2, 3, 4):
        columns[place].append(hourly[place][picked] * share)


def _labels(cells: UsageCells, asked: Asked, pieces: list[_Piece], base: Ints) -> dict[str, Labels]:
    """Labels of the old series and of the pieces."""
    place = {name: index for index, name in enumerate(asked.names)}
    given = {"workload": [piece.workload for piece in pieces]}
    for column, tags in asked.tags.items():
        given[column] = [tags[place[piece.workload]] for piece in pieces]
    labels = {}
    for name in {**cells.labels, **given}:
        old = cells.labels.get(name)
        if old is None:
            old = Labels(("",), np.zeros(cells.count, np.int32))
        values = list(old.values)
        index = {value: code for code, value in enumerate(values)}
        code = old.code[base].copy()
        for at, value in enumerate(given.get(name, ())):
            if value:
                if value not in index:
                    index[value] = len(values)
                    values.append(value)
                code[at] = index[value]
        labels[name] = Labels(tuple(values), np.concatenate([old.code, code]))
    return labels
