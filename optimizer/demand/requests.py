# SPDX-License-Identifier: Apache-2.0
"""Requests of the horizon by class: given rows, else whole weeks of history as they were."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import numpy as np
from numpy.typing import NDArray

from optimizer.demand.horizon import fill_horizon
from optimizer.errors import DataError
from optimizer.tables import Case, UsageLines

Floats = NDArray[np.float64]

# What is constant over the rows of a class.
CONSTANT = (
    "weight",
    "quality_task",
    "quality_floor",
    "quality_target",
    "ttft_ms",
    "tpot_ms",
    "percentile",
    "peak_to_mean",
    "deferrable_hours",
    "allow_regions",
    "allow_providers",
    "deny_models",
)


@dataclass(frozen=True)
class RequestClass:
    """A request class over the T hours of the horizon.

    Attributes
    ----------
    requests, input_tokens, output_tokens
        (T,) per hour; tokens are nan where the table has none.
    row
        Its first row in ``workloads``.
    facts
        Its constant columns, by name; ``None`` where absent.
    """

    name: str
    requests: Floats
    input_tokens: Floats
    output_tokens: Floats
    row: int
    facts: dict[str, Any]

    def number(self, name: str, default: float) -> float:
        """A constant column as a number, or its default where it is absent."""
        value = self.facts[name]
        return default if value is None else float(value)


@dataclass(frozen=True)
class Requests:
    """All classes, by name, and what a reader must know about where the hours are from."""

    classes: tuple[RequestClass, ...]
    notes: tuple[str, ...]


def requests_of_horizon(case: Case) -> Requests:
    """Read ``workloads`` and fill the horizon as the demand of usage is filled.

    Raises
    ------
    DataError
        If a column that is constant per class is not, by row; or without any row.
    """
    frame = case.table("workloads")
    if not len(frame):
        raise DataError(
            "there are no requests, neither before as_of nor after",
            mend="give at least one row of workloads",
            file=case.file("workloads"),
        )
    names = sorted(set(frame["workload"]))
    hours = frame["hour"].astype(np.int64).to_numpy()
    first, last = int(hours.min()), int(hours.max())
    place = {name: index for index, name in enumerate(names)}
    shape = (len(names), last - first + 1)
    requests = np.zeros(shape)
    tokens = {column: np.full(shape, np.nan) for column in ("input_tokens", "output_tokens")}
    present = np.zeros(shape, dtype=bool)
    facts: dict[str, tuple[int, dict[str, Any]]] = {}
    for number, row in zip(frame.index, frame.to_dict("records"), strict=True):
        where = (place[row["workload"]], int(row["hour"]) - first)
        requests[where] = row["requests"]
        present[where] = True
        for column, values in tokens.items():
            values[where] = row[column]
        own = {column: _value(row[column]) for column in CONSTANT}
        known = facts.setdefault(row["workload"], (int(number), own))
        for column in CONSTANT:
            if own[column] != known[1][column]:
                raise DataError(
                    f"{column} of class '{row['workload']}' is {_said(own[column])} here and "
                    f"{_said(known[1][column])} in row {known[0]}",
                    mend="write the same value in every row of the class",
                    file=case.file("workloads"),
                    row=int(number),
                    column=column,
                )
    fill, given, note = fill_horizon(
        _lines(names, first, requests, present), case.settings.as_of, case.settings.horizon_hours
    )
    filled = {column: fill(values) for column, values in tokens.items()}
    every = fill(requests)
    notes = [f"requests: {note}"] if note and not given.all() else []
    if not note and not given.any(axis=0).all():
        missing = int((~given.any(axis=0)).sum())
        notes.append(f"requests: there is no history; {missing} hours of the horizon have none")
    classes = tuple(
        RequestClass(
            name=name,
            requests=every[index],
            input_tokens=filled["input_tokens"][index],
            output_tokens=filled["output_tokens"][index],
            row=facts[name][0],
            facts=facts[name][1],
        )
        for index, name in enumerate(names)
    )
    return Requests(classes, tuple(notes))


def empty_usage(as_of: int, hours: int) -> UsageLines:
    """No usage at all over the hours of a horizon."""
    return _lines([], as_of, np.zeros((0, hours)), np.zeros((0, hours), dtype=bool))


def _lines(names: list[str], first: int, values: Floats, present: NDArray[np.bool_]) -> UsageLines:
    none, blank = np.zeros_like(values), tuple("" for _ in names)
    return UsageLines(
        meter=tuple(names),
        account=blank,
        zone=blank,
        lost_hours=np.zeros(len(names)),
        restart_cost=tuple(Decimal(0) for _ in names),
        unmet_penalty=tuple(None for _ in names),
        first_hour=first,
        quantity=values,
        spot=none,
        spot_taken=none,
        tolerant=none,
        present=present,
        daily=np.zeros(len(names), dtype=bool),
    )


def _value(value: Any) -> Any:
    """A cell, with ``None`` for every way of being absent."""
    if value is None or value in ("", ()) or (isinstance(value, float) and np.isnan(value)):
        return None
    return value


def _said(value: Any) -> str:
    if value is None:
        return "absent"
    return ";".join(value) if isinstance(value, tuple) else str(value)
