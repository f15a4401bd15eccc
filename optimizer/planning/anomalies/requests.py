# SPDX-License-Identifier: Apache-2.0
"""Requests and tokens of the history as series of each class."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from optimizer.demand.anomalies import HourlySeries
from optimizer.demand.history import gaps
from optimizer.planning.anomalies.anomaly import Measure
from optimizer.planning.anomalies.cells import Judged
from optimizer.tables import Case

Floats = NDArray[np.float64]

UNITS = {
    Measure.requests: "requests",
    Measure.input_tokens: "tokens",
    Measure.output_tokens: "tokens",
}


def request_series(case: Case, first: int, last: int) -> list[Judged]:
    """The classes of ``workloads`` in the hours ``[first, last)``; none without such rows."""
    if not case.has("workloads"):
        return []
    frame = case.table("workloads")
    hour = frame["hour"].astype(np.int64).to_numpy()
    inside = (hour >= first) & (hour < last)
    if not inside.any():
        return []
    frame, hour = frame[inside], hour[inside]
    first = int(hour.min())
    names = sorted(set(frame["workload"]))
    place = {name: i for i, name in enumerate(names)}
    code = np.array([place[name] for name in frame["workload"]])
    present = np.zeros(last - first, dtype=np.bool_)
    present[hour - first] = True
    known = ~gaps(present)
    found = []
    for measure in UNITS:
        column = frame[measure.value].astype(np.float64).to_numpy()
        if measure is not Measure.requests and np.isnan(column).all():
            continue
        values: Floats = np.zeros((len(names), last - first))
        np.add.at(values, (code, hour - first), np.nan_to_num(column))
        found.append(Judged(measure, "workload", tuple(names), HourlySeries(first, values, known)))
    return found
