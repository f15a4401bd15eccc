# SPDX-License-Identifier: Apache-2.0
"""The hours in which something is at its peak: where a large problem is infeasible, if it is."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from optimizer.program.problem import Ints, Links, Problem


def peak_hours(problem: Problem) -> Ints:
    """For each period the largest hour of every pool, source and hourly limit."""
    limits = problem.limits
    loads = [*problem.demand]
    for limit in range(len(limits.names)):
        mine = limits.entry_limit == limit
        loads.append(limits.entry_weight[mine] @ problem.demand[limits.entry_pool[mine]])
    for source in range(len(problem.sources)):
        pairs = np.flatnonzero(problem.pair_source == source)
        loads.append(problem.pair_draw[pairs] @ problem.demand[problem.pair_pool[pairs]])
    hours: set[int] = set()
    for period in range(problem.periods):
        inside = np.flatnonzero(problem.period == period)
        if len(inside):
            hours |= {int(inside[np.argmax(load[inside])]) for load in loads}
    return np.array(sorted(hours), dtype=np.int64)


def purchase_rows(problem: Problem) -> Ints:
    """Linking rows of purchases alone: those that hold whatever hours are looked at."""
    links = problem.links
    return np.array(
        [
            row
            for row in range(len(links.names))
            if not (links.on_demand[row].any() or links.spot[row].any() or links.covered[row].any())
        ],
        dtype=np.int64,
    )


def at_peaks(problem: Problem, hours: Ints) -> Problem:
    """The problem of some hours, without the rows that add up others, too."""
    links, alone = problem.links, purchase_rows(problem)
    kept = Links(
        names=tuple(links.names[row] for row in alone),
        **{
            name: getattr(links, name)[alone]
            for name in Links.__dataclass_fields__
            if name != "names"
        },
    )
    return replace(replace(problem, links=Links()).take(hours), links=kept)
