# SPDX-License-Identifier: Apache-2.0
"""What asked in the hours of history: requests and tokens of each class, and who answered."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from optimizer.tables import Case

Floats = NDArray[np.float64]

TAG = "tag_"
MEASURES = ("requests", "input_tokens", "output_tokens")


@dataclass(frozen=True)
class Asked:
    """Classes W over the hours of a replay (N).

    Attributes
    ----------
    names
        Of the classes, sorted.
    counts
        By measure: (W, N), nan in hours of which nothing is known.
    tags
        By ``tag_*`` column of ``workloads``: (W,) values, ``""`` where absent or not one.
    shares
        By deployment of ``routes_today``: class → share of its requests.
    models
        By deployment of ``deployments``: its model.
    file, routes_file
        Where it is from, for messages.
    """

    names: tuple[str, ...]
    counts: Mapping[str, Floats]
    tags: Mapping[str, tuple[str, ...]]
    shares: Mapping[str, Mapping[str, float]]
    models: Mapping[str, str]
    file: str
    routes_file: str

    def count(self, measure: str) -> Floats:
        """(W, N) of a measure; ``tokens`` are input and output tokens."""
        if measure == "tokens":
            return self.counts["input_tokens"] + self.counts["output_tokens"]
        return self.counts[measure]


def read_asked(case: Case, first: int, hours: int) -> Asked:
    """Read ``workloads``, ``routes_today`` and ``deployments`` for the hours of a replay."""
    frame = case.table("workloads")
    names = sorted(set(frame["workload"]))
    place = {name: index for index, name in enumerate(names)}
    counts = {measure: np.full((len(names), hours), np.nan) for measure in MEASURES}
    at = frame["hour"].astype(np.int64).to_numpy() - first
    inside = (at >= 0) & (at < hours)
    row = frame["workload"].map(place).astype(np.int64).to_numpy()
    for measure, array in counts.items():
        values = frame[measure].astype(np.float64).to_numpy()
        array[row[inside], at[inside]] = values[inside]
    tags = {}
    for column in sorted(str(name) for name in frame.columns if str(name).startswith(TAG)):
        found: dict[str, set[str]] = {name: set() for name in names}
        for name, value in zip(frame["workload"], frame[column], strict=True):
            found[name].add(value)
        tags[column] = tuple(
            next(iter(found[name])) if len(found[name]) == 1 else "" for name in names
        )
    shares: dict[str, dict[str, float]] = {}
    for each in case.table("routes_today").to_dict("records"):
        if each["share"] > 0:
            shares.setdefault(each["deployment"], {})[each["workload"]] = float(each["share"])
    deployments = case.table("deployments")
    models = dict(zip(deployments["deployment"], deployments["model"], strict=True))
    return Asked(
        names=tuple(names),
        counts=counts,
        tags=tags,
        shares=shares,
        models=models,
        file=case.file("workloads"),
        routes_file=case.file("routes_today"),
    )
