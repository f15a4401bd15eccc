# SPDX-License-Identifier: Apache-2.0
"""What latency needs to know of each route: how long its requests stay, and may wait."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from optimizer.billing.catalogue import rows
from optimizer.demand.requests import RequestClass
from optimizer.errors import DataError
from optimizer.program.queueing import service
from optimizer.program.route_queue import Asking
from optimizer.tables import Case

TIMES = ("requests_per_second", "ttft_ms", "tpot_ms")


@dataclass(frozen=True)
class Served:
    """A class, or one token bucket of it, that a deployment may answer, and its profile.

    Times are nan where they are not told.
    """

    deployment: int
    asks: RequestClass
    bucket: tuple[int, int] | None
    requests_per_second: float
    ttft_ms: float
    tpot_ms: float


def asking(case: Case, served: Sequence[Served]) -> dict[int, list[Asking]]:
    """Return how the classes use each deployment that has requests per second.

    Raises
    ------
    DataError
        By row, if a class asks that nobody ever waits.
    """
    writes = output_lengths(case)
    found: dict[int, list[Asking]] = {}
    for one in served:
        asks, first, each = one.asks, one.ttft_ms, one.tpot_ms
        if math.isnan(one.requests_per_second):
            continue
        percentile = asks.number("percentile", 0.95)
        if percentile >= 1.0 and asks.facts["ttft_ms"] is not None:
            raise DataError(
                f"percentile {percentile:g} of class '{asks.name}' asks that nobody ever waits, "
                "which no number of replicas promises",
                mend='write a percentile below 1, or set [risk] queueing = "off"',
                file=case.file("workloads"),
                row=asks.row,
                column="percentile",
            )
        lengths = writes.get(asks.name, [])
        tokens = _mean_output(asks)
        if one.bucket is not None:
            lengths = [row for row in lengths if row[1] == one.bucket[1]][:1]
            tokens = None
        own = service(
            one.requests_per_second,
            None if math.isnan(first) else first,
            None if math.isnan(each) else each,
            tokens,
            lengths,
        )
        target = asks.facts["ttft_ms"]
        budget = None if target is None else (float(target) - first) / 1000.0
        found.setdefault(one.deployment, []).append(Asking(own, budget, percentile))
    return found


def _mean_output(asks: RequestClass) -> float | None:
    """Mean output tokens of a class over the horizon; ``None`` if the table does not tell."""
    total = float(asks.requests.sum())
    tokens = asks.output_tokens[asks.requests > 0]
    return float(tokens.sum()) / total if total and np.isfinite(tokens).all() else None


def output_lengths(case: Case) -> dict[str, list[tuple[float, float, float]]]:
    """Rows (more than, up to, share) of the output tokens of each class in ``lengths``."""
    found: dict[str, dict[int, float]] = {}
    for row in rows(case, "lengths"):
        own = found.setdefault(row["workload"], {})
        own[int(row["output_upto"])] = own.get(int(row["output_upto"]), 0.0) + float(row["share"])
    made = {}
    for name, shares in found.items():
        bounds = [0, *sorted(shares)]
        made[name] = [
            (float(low), float(high), shares[high])
            for low, high in pairwise(bounds)
            if shares[high]
        ]
    return made
