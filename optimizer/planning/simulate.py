# SPDX-License-Identifier: Apache-2.0
"""Play an hour of requests against a pool of replicas, one request after the other.

What is played is what ``program/queueing.py`` approximates: requests arrive at random, wait in
one line, in the order of arrival, for a free place in any replica, and stay for the tokens that
they write. Nothing of the formulas is used: lengths are drawn from the class's histogram,
classes mix as the plan routes them, and arrivals swell for ten minutes of the hour to
``peak_to_mean``. The first requests, which find the pool empty, are not counted.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

HOUR = 3600.0
BLOCKS = 6  # of ten minutes; one of them is the peak
WARM_STAYS = 5.0  # mean stays that pass before requests count


@dataclass(frozen=True)
class Asked:
    """Requests of one class that a pool is to answer within an hour.

    Parameters
    ----------
    workload
        The class.
    per_second
        Mean arrivals in the hour.
    rate
        µ, requests per second of one replica.
    ttft_ms, tpot_ms
        Of the profile, milliseconds; nan where not told.
    output_tokens
        Mean per request; nan where not told.
    ttft_target_ms, tpot_target_ms
        What the class asks; nan where it does not.
    percentile
        The share of its requests that must keep the targets.
    peak
        φ: arrivals of the busiest ten minutes over the mean.
    lengths
        Rows (least, greatest, share) of output tokens; none: exponential.
    """

    workload: str
    per_second: float
    rate: float
    ttft_ms: float = math.nan
    tpot_ms: float = math.nan
    output_tokens: float = math.nan
    ttft_target_ms: float = math.nan
    tpot_target_ms: float = math.nan
    percentile: float = 0.95
    peak: float = 1.0
    lengths: tuple[tuple[float, float, float], ...] = ()

    @property
    def stay(self) -> float:
        """S, seconds that a request stays at the profile's load; 1/µ where tokens are unknown."""
        first = 0.0 if math.isnan(self.ttft_ms) else self.ttft_ms / 1000
        each = self.tpot_ms / 1000 * self.output_tokens
        return 1 / self.rate if math.isnan(each) or first + each <= 0 else first + each


@dataclass(frozen=True)
class Attained:
    """What one class attained in one pool and hour.

    Parameters
    ----------
    requests
        How many were played and counted.
    share
        The part of them that kept all targets of the class; 1 where it has none.
    peak_share
        The same of the busiest ten minutes.
    ttft_ms
        The time to the first token at the class's percentile; nan where the profile has none.
    """

    workload: str
    requests: int
    share: float
    peak_share: float
    ttft_ms: float


def play_queue(arrivals: Floats, stays: Floats, servers: int) -> Floats:
    """Return how long each request waits: one line, in order, for the first free server.

    Parameters
    ----------
    arrivals
        Seconds, rising.
    stays
        Seconds, of each request.
    servers
        At least 1.
    """
    waits = np.empty(len(arrivals))
    free = [0.0] * min(servers, len(arrivals))  # a heap: when each server is free again
    for number, (arrival, stay) in enumerate(zip(arrivals.tolist(), stays.tolist(), strict=True)):
        start = max(free[0], arrival)
        waits[number] = start - arrival
        heapq.heapreplace(free, start + stay)
    return waits


def play_hour(
    asked: Sequence[Asked],
    replicas: float,
    seed: int | Sequence[int],
    slower: float = 1.0,
    most_requests: int = 200_000,
) -> list[Attained]:
    """Play the classes of one pool through an hour.

    Parameters
    ----------
    replicas
        n, whole or not; at 0 nothing is attained.
    slower
        Throughput is the profile's divided by it: each replica answers fewer requests at once,
        each as fast as before.
    most_requests
        Of a busier hour the peak and what is around it are played, and the rest is left out.

    Returns
    -------
    list of Attained
        One for each class that asks anything, in the order given.
    """
    asked = [each for each in asked if each.per_second > 0]
    if not asked:
        return []
    load = sum(each.per_second / each.rate for each in asked)  # replicas
    busy = sum(each.per_second * each.stay for each in asked)  # requests at once
    # Classes take unlike parts of a replica: places are of the mean size, and each class stays
    # as long as its part of a replica's capacity says.
    places = max(busy / load, 1.0)
    servers = math.floor(replicas * places / slower + 1e-9)
    if servers < 1:
        return [Attained(each.workload, 0, 0.0, 0.0, math.inf) for each in asked]
    total = sum(each.per_second for each in asked)
    span = min(HOUR, most_requests / total)
    warm = WARM_STAYS * max(places / each.rate for each in asked)
    random = np.random.default_rng(seed)
    parts = []
    for number, each in enumerate(asked):
        times = _arrivals(random, each, warm, span)
        stays = _stays(random, each, len(times)) * (places / each.rate)
        parts.append((times, stays, np.full(len(times), number)))
    times, stays, kind = (np.concatenate(column) for column in zip(*parts, strict=True))
    order = np.argsort(times, kind="stable")
    waits = np.empty(len(times))
    waits[order] = play_queue(times[order], stays[order], servers)
    return [
        _attained(each, times[kind == number] - warm, waits[kind == number], span)
        for number, each in enumerate(asked)
    ]


def _arrivals(random: np.random.Generator, each: Asked, warm: float, span: float) -> Floats:
    """Poisson arrivals: as many as the mean before the peak block, more within it."""
    low, high = _peak(span)
    peak = min(each.peak, float(BLOCKS))
    calm = (BLOCKS - peak) / (BLOCKS - 1)
    times = []
    for start, end, level in (
        (-warm, low, calm),
        (low, high, peak),
        (high, span, calm),
    ):
        if end > start:
            count = random.poisson(each.per_second * level * (end - start))
            times.append(random.uniform(start, end, count))
    return np.sort(np.concatenate(times)) + warm


def _peak(span: float) -> tuple[float, float]:
    """Where the busiest ten minutes lie: in the middle, or all of a shorter span's middle."""
    length = min(HOUR / BLOCKS, span / 2)
    return (span - length) / 2, (span + length) / 2


def _stays(random: np.random.Generator, each: Asked, count: int) -> Floats:
    """How long requests stay, over their mean: prefill and tokens, as the class writes."""
    first = 0.0 if math.isnan(each.ttft_ms) else each.ttft_ms / 1000
    if math.isnan(each.tpot_ms * each.output_tokens):
        return random.exponential(1.0, count)
    if each.lengths:
        shares = np.array([row[2] for row in each.lengths])
        chosen = random.choice(len(each.lengths), count, p=shares / shares.sum())
        least, greatest = (np.array([row[i] for row in each.lengths])[chosen] for i in (0, 1))
        tokens = random.uniform(least, greatest)
        mean = sum(share * (low + high) / 2 for low, high, share in each.lengths) / shares.sum()
        tokens = tokens * (each.output_tokens / mean)
    else:
        tokens = random.exponential(each.output_tokens, count)
    stays = first + each.tpot_ms / 1000 * tokens
    return np.asarray(stays / each.stay)


def _attained(each: Asked, times: Floats, waits: Floats, span: float) -> Attained:
    counted = times >= 0
    times, waits = times[counted], waits[counted]
    first = (0.0 if math.isnan(each.ttft_ms) else each.ttft_ms) + 1000 * waits
    kept = np.ones(len(times), dtype=bool)
    if not math.isnan(each.ttft_target_ms):
        kept &= first <= each.ttft_target_ms
    if not math.isnan(each.tpot_target_ms) and not math.isnan(each.tpot_ms):
        kept &= each.tpot_ms <= each.tpot_target_ms
    low, high = _peak(span)
    peak = kept[(times >= low) & (times < high)]
    return Attained(
        workload=each.workload,
        requests=len(times),
        share=float(kept.mean()) if len(kept) else 1.0,
        peak_share=float(peak.mean()) if len(peak) else 1.0,
        ttft_ms=float(np.quantile(first, each.percentile)) if len(first) else math.nan,
    )
