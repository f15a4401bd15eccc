# SPDX-License-Identifier: Apache-2.0
"""What asks and what can answer, as arrays: streams of requests, deployments, and routes.

A *stream* is a request class, or one of its token buckets; a *route* is a deployment that
may answer a stream.  What misses a latency, a floor, a region, a provider or a model is not
a route: the reason is kept (:class:`Missed`).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from optimizer.program.problem import Floats
from optimizer.program.zones import Loss, Zone

SECONDS = 3600.0
# Loads below this part of a replica leave the program (docs/program.md, "Scaling").
TINY_LOAD = 1e-5


@dataclass(frozen=True)
class Stream:
    """Requests of a class, or of one token bucket of it.

    Attributes
    ----------
    workload, bucket
        The class, and (input_upto, output_upto) where it is one bucket of the class.
    requests
        (T,) requests in each hour of the horizon.
    weight
        The class's weight in average quality.
    target
        The mean quality that the class must reach, all its streams together; nan without.
    peak
        φ: the peak of arrivals within an hour over their mean.
    wait
        Hours that requests may wait; 0: they are answered in their hour.
    critical
        Whether the class states a latency target.
    judged
        Whether the class counts in the average quality of all traffic.
    percentile
        The share of requests that keeps the latency.
    """

    workload: str
    bucket: tuple[int, int] | None
    requests: Floats
    weight: float = 1.0
    target: float = float("nan")
    peak: float = 1.0
    wait: int = 0
    critical: bool = False
    judged: bool = False
    percentile: float = 0.95

    @property
    def name(self) -> str:
        """The class, with its bucket where it is one."""
        if self.bucket is None:
            return self.workload
        return f"{self.workload}:{self.bucket[0]}x{self.bucket[1]}"


@dataclass(frozen=True)
class Deployment:
    """What can answer: an API, provisioned units, or replicas.

    Attributes
    ----------
    kind
        ``api``, ``throughput`` or ``replica``.
    draws
        (line, units) that one replica, or one provisioned unit, draws in an hour.
    minimum, step, maximum
        Replicas or units: none, or a multiple of step within [minimum, maximum].
    start_hours
        How long a new replica draws its meters before it answers.
    spot
        Whether its replicas run on spot.
    headroom
        1 − ρ: the share of a replica that latency keeps free, in the largest pool.
    utilisation
        ρ by number of replicas, from none on; empty where no latency asks for headroom.
    """

    name: str
    model: str
    kind: str
    draws: tuple[tuple[int, float], ...] = ()
    minimum: float = 0.0
    step: float = 1.0
    maximum: float = float("inf")
    start_hours: float = 0.0
    spot: bool = False
    tier: str = ""
    headroom: float = 0.0
    utilisation: tuple[float, ...] = ()

    def room(self, replicas: Floats) -> Floats:
        """ρ of pools of so many replicas each: at most the table's last."""
        if not self.utilisation:
            return np.full(len(replicas), 1.0 - self.headroom)
        table = np.asarray(self.utilisation)
        return np.asarray(table[np.clip(np.round(replicas), 0, len(table) - 1).astype(int)])

    def replicas_for(self, loads: Floats) -> Floats:
        """The fewest whole steps of replicas that carry loads, however many there may be."""
        enough = np.ceil(loads / (1.0 - self.headroom) / self.step - 1e-9) * self.step
        if not self.utilisation:
            return np.asarray(enough)
        most = max(float(enough.max(initial=0.0)), float(len(self.utilisation)))
        counts = np.arange(0.0, most + 2 * self.step, self.step)
        at = np.searchsorted(counts * self.room(counts), loads * (1 - 1e-7) - 1e-9)
        return np.asarray(np.maximum(counts[np.minimum(at, len(counts) - 1)], enough))

    @property
    def counted(self) -> bool:
        """Whether it has replicas or units of its own."""
        return self.kind != "api"


@dataclass(frozen=True)
class Route:
    """A deployment that may answer a stream.

    ``load`` is what one request in an hour takes of a replica or unit: φ / (3600·μ);
    ``draws`` are (line, units) per request; ``quality`` is the lower bound q̲, nan where
    the class is not judged.
    """

    stream: int
    deployment: int
    load: float = 0.0
    draws: tuple[tuple[int, float], ...] = ()
    quality: float = float("nan")


@dataclass(frozen=True)
class Missed:
    """Why a deployment may not answer a class: the limit, what it asks and what there is."""

    workload: str
    deployment: str
    limit: str
    asked: float | str
    found: float | str

    @property
    def reason(self) -> str:
        """In words: ``ttft_ms 220 > 200``."""
        if isinstance(self.asked, str) or isinstance(self.found, str):
            return f"{self.limit}: {self.found}"
        sign = ">" if self.found > self.asked else "<"
        return f"{self.limit} {self.found:g} {sign} {self.asked:g}"


@dataclass(frozen=True)
class Routing:
    """All streams, deployments and routes; T hours of the horizon.

    Attributes
    ----------
    meters
        The meter of each of the lines that routes and replicas draw.
    spot_lines
        Lines whose units may run on spot.
    average
        Q̄: the least quality of all judged traffic, weighted; nan without.
    zones
        Zones of which critical classes survive the loss of any one; none where that is not
        asked for.
    barred
        Routes that miss a limit: no plan takes them, but today's routing may.
    missed
        What is not a route, and why.
    """

    streams: tuple[Stream, ...]
    deployments: tuple[Deployment, ...]
    routes: tuple[Route, ...]
    meters: tuple[str, ...]
    spot_lines: tuple[bool, ...]
    average: float = float("nan")
    zones: tuple[Zone, ...] = ()
    barred: tuple[Route, ...] = ()
    missed: tuple[Missed, ...] = ()

    @property
    def hours(self) -> int:
        """Hours of the horizon, T."""
        return len(self.streams[0].requests) if self.streams else 0

    @cached_property
    def demand(self) -> Floats:
        """(streams, T) requests in each hour."""
        return np.array([stream.requests for stream in self.streams]).reshape(len(self.streams), -1)

    @cached_property
    def of_stream(self) -> tuple[tuple[int, ...], ...]:
        """Routes of each stream."""
        found: list[list[int]] = [[] for _ in self.streams]
        for number, route in enumerate(self.routes):
            found[route.stream].append(number)
        return tuple(tuple(numbers) for numbers in found)

    @cached_property
    def of_deployment(self) -> tuple[tuple[int, ...], ...]:
        """Routes of each deployment."""
        found: list[list[int]] = [[] for _ in self.deployments]
        for number, route in enumerate(self.routes):
            found[route.deployment].append(number)
        return tuple(tuple(numbers) for numbers in found)

    @cached_property
    def of_workload(self) -> dict[str, tuple[int, ...]]:
        """Streams of each class."""
        found: dict[str, list[int]] = {}
        for number, stream in enumerate(self.streams):
            found.setdefault(stream.workload, []).append(number)
        return {name: tuple(numbers) for name, numbers in found.items()}

    @property
    def unserved(self) -> tuple[int, ...]:
        """Streams that have requests and no route."""
        return tuple(
            number
            for number, routes in enumerate(self.of_stream)
            if not routes and self.demand[number].any()
        )

    @property
    def linked(self) -> bool:
        """Whether anything but commitments links the hours."""
        return (
            bool(np.isfinite(self.average))
            or any(stream.wait for stream in self.streams)
            or any(
                d.kind == "throughput" or d.minimum > 0 or d.start_hours > 0
                for d in self.deployments
            )
        )


@dataclass(frozen=True)
class Routed:
    """A routing of N hours.

    ``requests`` (routes, N) requests answered; ``replicas`` (deployments, N) replicas or
    units that run, ``started`` (deployments, N) those among them that were started;
    ``fallback`` (lines, N) units that are expected to be drawn when a zone is lost;
    ``losses`` what is done then, by zone.
    """

    requests: Floats
    replicas: Floats
    started: Floats
    fallback: Floats
    losses: tuple[Loss, ...] = ()

    def usage(self, routing: Routing) -> Floats:
        """(lines, N) units of the meters: replicas, their starts, and requests."""
        used = self.fallback.copy()
        for number, deployment in enumerate(routing.deployments):
            running = self.replicas[number] + deployment.start_hours * self.started[number]
            for line, units in deployment.draws:
                used[line] += units * running
        for number, route in enumerate(routing.routes):
            for line, units in route.draws:
                used[line] += units * self.requests[number]
        return used

    def take(self, hours: np.ndarray) -> Routed:
        """Some of the hours, or some of them many times."""
        return Routed(
            self.requests[:, hours],
            self.replicas[:, hours],
            self.started[:, hours],
            self.fallback[:, hours],
            tuple(loss.take(hours) for loss in self.losses),
        )
