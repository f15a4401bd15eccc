# SPDX-License-Identifier: Apache-2.0
"""``route.zone_limit``: what is started when a zone is lost keeps the limits of its meters.

All that fallback draws counts, not what is expected of it, on top of what the hour runs: a
limit tells what can be had, and what gives way is not taken to be given back in time.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from optimizer.program.linear import add_terms
from optimizer.program.problem import Counts, Ints, Problem
from optimizer.program.route_program import RouteProgram
from optimizer.program.route_zones import fallback_terms

Terms = dict[int, float]


def define_route_zone_limit(
    written: RouteProgram,
    problem: Problem,
    pool_of: Ints,
    hour: int,
    market: Sequence[Terms],
    running: Sequence[Terms],
    used: Sequence[Terms],
) -> None:
    """Write the limits, availability and on-demand capacity of each zone's loss in one hour.

    Parameters
    ----------
    market, running, used
        By pool: units on demand or under a discount without capacity; all units that run; and
        units that are asked for beside ``Problem.demand``.
    """
    routing, program = written.routing, written.program
    period, limits = int(problem.period[hour]), problem.limits
    # What is expected of all losses is in the hour's usage; it is not drawn beside all of one.
    expected: list[Terms] = [{} for _ in problem.pools]
    for line, units, column in written.every[hour].fallback:
        pool = int(pool_of[line])
        expected[pool] = add_terms((expected[pool], 1.0), ({column: units}, 1.0))
    for made in written.every[hour].losses:
        more: list[Terms] = [{} for _ in problem.pools]
        drawn = fallback_terms(routing, written.hours, written.every[hour], made)
        for line, terms in enumerate(drawn):
            if not routing.spot_lines[line]:
                pool = int(pool_of[line])
                more[pool] = add_terms((more[pool], 1.0), (terms, 1.0))
        zone = routing.zones[made.zone].name
        for limit, name in enumerate(limits.names):
            most = float(limits.most[limit, period])
            if not np.isfinite(most):
                continue
            total: Terms = {}
            touched = False
            for entry in np.flatnonzero(limits.entry_limit == limit):
                pool = int(limits.entry_pool[entry])
                counts = Counts(int(limits.entry_counts[entry]))
                if counts is Counts.SPOT:
                    continue
                runs = (market if counts is Counts.MARKET else running)[pool]
                each = float(limits.entry_weight[entry])
                total = add_terms(
                    (total, 1.0), (runs, each), (expected[pool], -each), (more[pool], each)
                )
                touched = touched or bool(more[pool])
            if touched:
                program.row(f"route.zone_limit[{name},{zone},{hour}]", total, high=most)
        for pool, terms in enumerate(more):
            if not terms:
                continue
            name = f"route.zone_limit[{problem.pools[pool]},{zone},{hour}]"
            share = float(problem.availability[pool, period])
            if not np.isfinite(problem.price[pool, period]):
                program.row(name, terms, high=0.0)  # nothing can be had on demand
            elif share < 1.0:
                asked = add_terms(
                    (market[pool], 1.0),
                    (used[pool], -share),
                    (expected[pool], share - 1.0),
                    (terms, 1.0 - share),
                )
                program.row(name, asked, high=share * float(problem.demand[pool, hour]))
