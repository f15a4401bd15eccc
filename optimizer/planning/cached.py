# SPDX-License-Identifier: Apache-2.0
"""What ``cached_share`` says of a class, held against what its deployments draw."""

from __future__ import annotations

from optimizer.program.routing import Routing
from optimizer.tables import Case

METERS_WITH_CACHE = 3  # plain input, cached input, output


def cached_notes(case: Case, routing: Routing) -> tuple[str, ...]:
    """A note for each class whose cached input some deployment may price like any other.

    ``meter_units`` say what a request draws, cached input too; ``cached_share`` changes
    none of them.  A deployment with fewer than three meters per request has no price of its
    own for cached input.
    """
    frame = case.table("workloads")
    cached = frame.loc[frame["cached_share"].astype(float) > 0]
    notes = []
    for name, shares in cached.groupby("workload")["cached_share"]:
        alike = sorted(
            {
                routing.deployments[route.deployment].name
                for route in routing.routes
                if routing.streams[route.stream].workload == name
                and routing.deployments[route.deployment].kind == "api"
                and len(route.draws) < METERS_WITH_CACHE
            }
        )
        if alike:
            notes.append(
                f"cached_share: up to {float(shares.astype(float).max()):.0%} of the input of "
                f"class '{name}' is read from a cache, but {', '.join(alike)} draw no meter of "
                "its own for it; what a request costs is what meter_units of deployments say"
            )
    return tuple(notes)
