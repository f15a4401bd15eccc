# SPDX-License-Identifier: Apache-2.0
"""How full replicas may run so that requests rarely wait too long: M/G/c.

**The model.** A replica with continuous batching answers up to b requests at once. At the batch
size of its profile it completes µ requests per second and each stays S seconds (prefill and all
its tokens), so that b = µS by Little's law. A pool of n replicas behind a router that knows its
free places is then a queue with c = n·b servers. A request that finds no place waits W before
its prefill begins: its time to the first token is W plus the profile's. The promise is
P(W > budget) ≤ 1 − percentile, with the budget = the class's ``ttft_ms`` − the profile's.

    P(W > t) ≈ C(c, a) · exp(−t · C(c, a) / E[W])
    E[W]     ≈ (ca² + cs²)/2 · C(c, a) · (S/c) / (1 − ρ)

with the load a = ρ·c, Erlang's delay formula C, and the squared coefficients of variation of the
times between arrivals (ca²; 1 for Poisson arrivals, then the formula is Lee and Longton's, 1959)
and of service (cs²): the approximation of Allen and Cunneen for G/G/c (A. O. Allen,
"Probability, Statistics, and Queueing Theory", 1990, §5.3), whose waits beyond zero are taken to
be exponential (W. Whitt, "Approximations for the GI/G/m queue", Production and Operations
Management 2, 1993). It is exact for M/M/c, and grows exact in heavy traffic.

**Its limits.** The rate within the hour is the hour's mean times ``peak_to_mean``, which the rows
of the program apply and not this module; bursts beyond Poisson are told by ca². Slots are taken
to be alike: that a prefill slows the decoding beside it is in the profile, measured at a full
batch. A router that sends requests to replicas blindly waits longer than this. See
``planning/simulate.py`` for what a plan's hours attain when they are played.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

_EXACT = 64  # beyond so many replicas the table is stepwise
_GROWTH = 1.05


@dataclass(frozen=True)
class Service:
    """What one replica does for one class of requests.

    Parameters
    ----------
    rate
        µ, requests per second of one replica at its profile; above 0.
    seconds
        S, how long a request stays at that load; 1/µ where it is not known, which is one
        request at a time and waits longest.
    variation
        cs², the variance of S over its squared mean; 1 if not known (exponential).
    """

    rate: float
    seconds: float
    variation: float = 1.0

    @property
    def slots(self) -> int:
        """The requests that one replica answers at once: µS rounded down, at least one."""
        return max(1, math.floor(self.rate * self.seconds + 1e-9))


def service(
    requests_per_second: float,
    ttft_ms: float | None = None,
    tpot_ms: float | None = None,
    output_tokens: float | None = None,
    lengths: Sequence[tuple[float, float, float]] = (),
) -> Service:
    """Return the service of a class by a deployment's profile.

    Parameters
    ----------
    requests_per_second
        Of one replica.
    ttft_ms, tpot_ms
        Of the profile, milliseconds; ``None`` if not told.
    output_tokens
        Mean per request; ``None`` if not told.
    lengths
        Rows (least, greatest, share) of the class's output tokens: spread evenly within each
        bucket. Their mean is scaled to ``output_tokens`` where that is told.

    Raises
    ------
    ValueError
        If ``requests_per_second`` is not above 0.
    """
    if not requests_per_second > 0:
        msg = f"requests_per_second is {requests_per_second!r}"
        raise ValueError(msg)
    total = sum(share for _, _, share in lengths)
    mean, square = output_tokens, None
    if total > 0:
        first = sum(share * (low + high) / 2 for low, high, share in lengths) / total
        second = sum(share * (low**2 + low * high + high**2) / 3 for low, high, share in lengths)
        mean = first if mean is None else mean
        square = second / total * (mean / first) ** 2 if first > 0 else None
    if tpot_ms is None or mean is None:
        return Service(requests_per_second, 1.0 / requests_per_second)
    start, each = (ttft_ms or 0.0) / 1000.0, tpot_ms / 1000.0
    seconds = start + each * mean
    if seconds <= 0:
        return Service(requests_per_second, 1.0 / requests_per_second)
    # Without a histogram output lengths are taken to be exponential: their square is 2·mean².
    spread = (2 * mean**2 if square is None else square) - mean**2
    return Service(requests_per_second, seconds, max(each**2 * spread / seconds**2, 0.0))


def pooled(services: Iterable[Service]) -> Service:
    """Return one service that waits no less than any mix of these on the same replicas.

    It has the fewest slots and the longest stay of them, and the greatest variation that any
    mix of two of them can have: one class of long answers makes the short ones wait.

    Raises
    ------
    ValueError
        If there is none.
    """
    given = list(services)
    if not given:
        msg = "no service to pool"
        raise ValueError(msg)
    if len(given) == 1:
        return given[0]
    slots = min(each.slots for each in given)
    rate = min(each.rate for each in given)
    # Per slot of the pool: b/µ seconds each.
    moments = [(slots / e.rate, (slots / e.rate) ** 2 * (1 + e.variation)) for e in given]
    worst = max(each.variation for each in given)
    for i, one in enumerate(moments):
        for other in moments[i + 1 :]:
            worst = max(worst, _worst_mix(one, other))
    return Service(rate, slots / rate, worst)


def _worst_mix(one: tuple[float, float], other: tuple[float, float]) -> float:
    """Return the greatest cs² over all mixes of two services, of which the moments are given."""
    slope, rise = one[0] - other[0], one[1] - other[1]
    if slope == 0.0 or rise == 0.0:
        return 0.0
    # (B₂ + w·rise)/(B₁ + w·slope)² is stationary here.
    share = (rise * other[0] - 2 * slope * other[1]) / (rise * slope)
    if not 0.0 < share < 1.0:
        return 0.0
    return (other[1] + share * rise) / (other[0] + share * slope) ** 2 - 1.0


def delay_chance(servers: int, load: float) -> float:
    """Return Erlang's C: the chance that a request finds all servers busy.

    Parameters
    ----------
    servers
        c, at least 1.
    load
        a, erlangs, at least 0; from c on the chance is 1.
    """
    if load <= 0.0:
        return 0.0
    if load >= servers:
        return 1.0
    # 1/B = Σ c!/((c−k)! aᵏ); its terms rise and then fall, the log keeps them in range.
    terms = np.cumsum(np.log(np.arange(servers, 0, -1) / load))
    top = max(float(terms.max()), 0.0)
    inverse = math.exp(-top) + float(np.exp(terms - top).sum())  # of B, over exp(top)
    lost = math.exp(-top) / inverse if top < 700 else 0.0
    share = load / servers
    return lost / (1.0 - share * (1.0 - lost))


def wait_chance(
    service: Service, replicas: int, utilisation: float, seconds: float, arrivals: float = 1.0
) -> float:
    """Return P(W > seconds), the chance to wait longer before the prefill begins.

    Parameters
    ----------
    replicas
        n, at least 1.
    utilisation
        ρ, requests per second over n·µ.
    seconds
        At least 0: at 0 the chance to wait at all.
    arrivals
        ca², 1 for Poisson arrivals.
    """
    if utilisation >= 1.0:
        return 1.0
    if utilisation <= 0.0:
        return 0.0
    servers = replicas * service.slots
    chance = delay_chance(servers, utilisation * servers)
    # The stay that fits whole slots: n replicas complete n·µ per second, no more, no less.
    stay = service.slots / service.rate
    spread = max((arrivals + service.variation) / 2.0, 1e-9)
    return chance * math.exp(-seconds * servers * (1.0 - utilisation) / (stay * spread))


@lru_cache(maxsize=1024)
def greatest_utilisation(
    service: Service, replicas: int, seconds: float, percentile: float, arrivals: float = 1.0
) -> float:
    """Return the largest ρ at which P(W > seconds) ≤ 1 − percentile, to within 1e-6 below.

    Parameters
    ----------
    seconds
        The budget to wait; below 0 no load keeps the promise and ρ is 0.
    percentile
        A share, 0 to 1; at 1 nobody may ever wait and ρ is 0.
    """
    if seconds < 0 or percentile >= 1:
        return 0.0
    low, high = 0.0, 1.0
    while high - low > 1e-6:
        middle = (low + high) / 2
        if wait_chance(service, replicas, middle, seconds, arrivals) <= 1 - percentile:
            low = middle
        else:
            high = middle
    return low


def utilisation_table(
    service: Service, most: int, seconds: float, percentile: float, arrivals: float = 1.0
) -> NDArray[np.float64]:
    """Return ρ by the number of replicas: the load that a pool may carry, over its capacity.

    It rises with the pool: many replicas have less chance to be all busy. Up to 64 replicas
    each number has its own value, beyond it has that of a pool up to 5 % smaller, which is on
    the safe side.

    Returns
    -------
    ndarray, shape (most + 1,)
        At 0 replicas 0; its last value is the largest, for bounds.
    """
    table = np.zeros(most + 1)
    size = 1
    while size <= most:
        following = size + 1 if size < _EXACT else math.ceil(size * _GROWTH)
        table[size:following] = greatest_utilisation(service, size, seconds, percentile, arrivals)
        size = following
    return table
