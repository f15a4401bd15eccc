# SPDX-License-Identifier: Apache-2.0
"""Runs of jobs: the cheapest at given prices, and a floor under all of them."""

from __future__ import annotations

import heapq
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from optimizer.program.moves import Job
from optimizer.program.problem import Floats

# Windows of an elastic, contiguous job that are tried: all of them in small cases.
MOST_WINDOWS = 4_000
MOST_SORTED = 600  # hours of a window that are sorted anew for each finish
TINY = 1e-9


def fill_run(job: Job, on: NDArray[np.bool_], price: Floats) -> Floats | None:
    """The cheapest units (H,) that do the job in exactly the hours ``on``; None if too few.

    ``price`` (H,) is dollars for a unit in each hour.  A knapsack with one row: at least
    ``least`` in each hour, and the rest where a unit of work costs least.
    """
    hours = np.flatnonzero(on)
    effect = np.ones(len(hours))
    effect[1:][np.diff(hours) > 1] -= job.restart  # hours in which it resumes
    units = np.full(len(hours), max(job.least, 0.0))
    left = job.work - float(units @ effect)
    with np.errstate(divide="ignore", invalid="ignore"):
        order = np.argsort(np.where(effect > 0, price[hours] / effect, np.inf), kind="stable")
    for position in order:
        if left <= TINY * job.work or effect[position] <= 0:
            break
        more = min(job.most - units[position], left / effect[position])
        units[position] += more
        left -= more * effect[position]
    if left > TINY * job.work:
        return None
    # An hour without units does not run: only where the gang has no least size.
    run = np.zeros(len(job.hours))
    run[hours] = units
    return run


def windows(job: Job, length: int) -> Iterator[NDArray[np.bool_]]:
    """All contiguous runs of a length, by start."""
    for start in range(len(job.hours) - length + 1):
        on = np.zeros(len(job.hours), dtype=bool)
        on[start : start + length] = True
        yield on


def trim_run(job: Job, run: Floats) -> Floats:
    """The run without hours and units that it does not need: a tie costs no more without."""
    run = run.copy()
    for hour in [*np.flatnonzero(run > 0)[::-1], *np.flatnonzero(run > 0)]:
        on = np.flatnonzero(run > 0)
        if len(on) < 2 or (not job.preemptible and hour not in (on[0], on[-1])):
            continue
        shorter = run.copy()
        shorter[hour] = 0.0
        if job.done(shorter) >= job.work * (1 - TINY):
            run = shorter
    for hour in np.flatnonzero(run > 0)[::-1]:
        spare = max(0.0, job.done(run) - job.work)
        run[hour] -= min(spare, run[hour] - job.least)
    return run


def earliest_run(job: Job) -> Floats:
    """As early as possible, with as many units as may run together."""
    for length in range(job.shortest, len(job.hours) + 1):
        on = np.arange(len(job.hours)) < length
        run = fill_run(job, on, np.arange(len(job.hours), dtype=np.float64))
        if run is not None:
            return run
    msg = f"job {job.name} does not fit into its window"
    raise ValueError(msg)


def cheapest_run(job: Job, price: Floats) -> Floats:
    """The cheapest run at these prices, (H,) dollars for a unit, with its delay.

    Exact for jobs of one size, and for all contiguous ones up to 4,000 windows.  Runs that
    pause are the cheapest hours before each finish, exact where a restart costs nothing.
    """
    best, least = earliest_run(job), np.inf
    for run in _candidates(job, price):
        cost = float(run @ price) + job.delayed(run)
        if np.isinf(least) or cost < least - TINY * max(abs(least), 1.0):
            best, least = run, cost
    return best


def _candidates(job: Job, price: Floats) -> Iterator[Floats]:
    hours, shortest = len(job.hours), job.shortest
    if job.rigid:
        sums = np.convolve(price, np.ones(shortest), mode="valid") * job.most
        start = int(np.argmin(sums + job.delay * np.arange(len(sums))))
        run = np.zeros(hours)
        run[start : start + shortest] = job.most
        yield run
        return
    tried = 0
    for length in range(shortest, min(hours, _longest(job)) + 1):
        for on in windows(job, length):
            tried += 1
            found = fill_run(job, on, price)
            if found is not None:
                yield found
        if tried > MOST_WINDOWS:
            break
    if not job.preemptible:
        return
    finishes = np.arange(shortest, hours + 1) if job.delay else np.array([hours])
    if len(finishes) > MOST_SORTED:
        finishes = finishes[np.linspace(0, len(finishes) - 1, MOST_SORTED).astype(np.int64)]
    for finish in finishes:
        order = np.argsort(price[:finish], kind="stable")
        # A few hours more than the shortest run make up for what restarts lose.
        for count in range(shortest, min(finish, 2 * shortest + 8) + 1):
            on = np.zeros(hours, dtype=bool)
            on[order[:count]] = True
            found = fill_run(job, on, price)
            if found is not None:
                yield found
                break


def run_floor(job: Job, price: Floats) -> float:
    """What any run costs at least at these prices, with its delay; dollars.

    Exact for contiguous jobs of one size, and of any size up to 4,000 windows, and for jobs
    that may pause at no cost.  Otherwise relaxed: no contiguity, and nothing lost at restarts.
    """
    count, hours = job.shortest, len(job.hours)
    if count > hours:
        return np.inf
    if job.rigid:
        sums = np.convolve(price, np.ones(count), mode="valid") * job.most
        return float((sums + job.delay * np.arange(len(sums))).min())
    lengths = range(count, min(hours, _longest(job)) + 1)
    if not job.preemptible and sum(hours - length + 1 for length in lengths) <= MOST_WINDOWS:
        runs = (fill_run(job, on, price) for length in lengths for on in windows(job, length))
        return min(float(run @ price) + job.delayed(run) for run in runs if run is not None)
    if job.least > 0 and hours <= MOST_SORTED:
        floors = [
            _fill_floor(job, np.sort(price[:finish])[:count]) + job.delay * (finish - count)
            for finish in (range(count, hours + 1) if job.delay else (hours,))
        ]
        return min(floors)
    return _heap_floor(job, price)


def _fill_floor(job: Job, price: Floats) -> float:
    """Dollars of the work in hours of ascending prices: the least size in each, then more."""
    more = max(0.0, job.work - job.least * len(price))
    room = job.most - job.least
    added = np.clip(more - room * np.arange(len(price)), 0.0, room)
    return float((job.least + added) @ price)


def _heap_floor(job: Job, price: Floats) -> float:
    """The cheapest hours before each finish, without a least size, in one pass."""
    count = job.shortest
    rest = job.work - (count - 1) * job.most  # units in the dearest of the hours
    chosen: list[float] = []  # a heap of the cheapest hours so far, the dearest first
    total, least = 0.0, np.inf
    for finish, value in enumerate(price, start=1):
        heapq.heappush(chosen, -float(value))
        total += float(value)
        if len(chosen) > count:
            total += heapq.heappop(chosen)
        if len(chosen) == count:
            dearest = -chosen[0]
            cost = job.most * (total - dearest) + rest * dearest
            least = min(least, cost + job.delay * (finish - count))
    return least


def _longest(job: Job) -> int:
    """Hours beyond which a run does nothing that a part of it would not do."""
    if job.least <= 0:
        return len(job.hours)
    return max(job.shortest, int(job.work // job.least) + 1)
