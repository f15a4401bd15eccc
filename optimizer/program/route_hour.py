# SPDX-License-Identifier: Apache-2.0
"""The variables of one hour of routing, and the programs that hours are written into.

Every variable belongs to a *block* (an hour, or a day of hours), or to none: provisioned
units, opening, purchases.  Rows within one block are kept by the block; all other rows link
blocks and may be priced (:mod:`~optimizer.program.route_blocks`).
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from optimizer.program.linear import LinearProgram
from optimizer.program.problem import Flags, Floats, Ints
from optimizer.program.routing import TINY_LOAD, Routing

EVERYWHERE = -1  # the block of what no block owns


@dataclass
class BlockProgram(LinearProgram):
    """A program whose columns know their block; ``block`` is that of columns to come."""

    blocks: list[int] = field(default_factory=list)
    block: int = EVERYWHERE

    def column(
        self,
        name: str,
        *,
        cost: float = 0.0,
        lower: float = 0.0,
        upper: float = np.inf,
        whole: bool = False,
    ) -> int:
        """Add a variable to the current block; its number."""
        self.blocks.append(self.block)
        return super().column(name, cost=cost, lower=lower, upper=upper, whole=whole)


@dataclass(frozen=True)
class Hours:
    """N hours to be routed.

    Attributes
    ----------
    requests
        (streams, N) requests that arrive in each hour.
    scale
        (streams, N) requests that a variable of 1 stands for: those of the hour, or of a
        stream that may wait its largest hour's.
    weight
        (N,) hours × discount factor that each column of hours stands for.
    count
        (N,) plain hours that each stands for, for averages.
    tail
        (N,) behind the horizon: averages are kept there too, on their own.
    chains
        Columns that follow each other in time; of what looks from one hour to the next.
    exact
        Whether loads below :data:`TINY_LOAD` are kept, rounded up to it: a plan, no bound.
    room
        (deployments, N) how full replicas may run; at first as in the largest pool that
        answers anything more, which bounds from below.
    """

    requests: Floats
    scale: Floats
    weight: Floats
    count: Floats
    tail: Flags
    chains: tuple[Ints, ...]
    exact: bool = False
    room: Floats | None = None

    @classmethod
    def of(
        cls,
        routing: Routing,
        requests: Floats,
        weight: Floats,
        *,
        count: Floats | None = None,
        tail: Flags | None = None,
        chains: tuple[Ints, ...] | None = None,
    ) -> Hours:
        """Hours with these requests; one chain of all of them, in the horizon, unless given."""
        scale = requests.copy()
        for number, stream in enumerate(routing.streams):
            if stream.wait:
                scale[number] = requests[number].max(initial=0.0)
        if chains is None:
            chains = (np.arange(requests.shape[1]),)
        count = weight if count is None else count
        tail = np.zeros(len(weight), dtype=bool) if tail is None else tail
        made = cls(requests, scale, weight, count, tail, chains)
        return replace(made, room=most_room(routing, made))

    @property
    def number(self) -> int:
        """Number of hours, N."""
        return len(self.weight)


@dataclass
class LossVariables:
    """The numbers of the variables of an hour for one zone that may be lost.

    ``lost`` by stream: its routes that are lost; ``moved`` and ``late`` by route: the share of
    the stream's scale that what runs takes over, or replicas that are started, whose ``steps``
    are by deployment.
    """

    zone: int
    lost: dict[int, list[int]] = field(default_factory=dict)
    moved: dict[int, int] = field(default_factory=dict)
    late: dict[int, int] = field(default_factory=dict)
    steps: dict[int, int] = field(default_factory=dict)


@dataclass
class HourVariables:
    """The numbers of an hour's variables.

    ``share`` by route: the share of the stream's scale that it answers; ``steps`` and
    ``started`` by deployment: steps of replicas that run, and replicas that start.
    """

    hour: int
    share: dict[int, int] = field(default_factory=dict)
    steps: dict[int, int] = field(default_factory=dict)
    started: dict[int, int] = field(default_factory=dict)
    fallback: list[tuple[int, float, int]] = field(default_factory=list)
    """(line, units, variable) of expected usage when a zone is lost."""
    losses: list[LossVariables] = field(default_factory=list)


@dataclass
class WholeVariables:
    """Variables of the whole horizon: steps of provisioned units, and opening, by deployment."""

    units: dict[int, int] = field(default_factory=dict)
    opened: dict[int, int] = field(default_factory=dict)


def load_of(routing: Routing, hours: Hours, route: int, hour: int) -> float:
    """Replicas or units that a share of 1 takes: load · scale; tiny ones are none.

    That bounds from below; :func:`~optimizer.program.route_settle.settle` places them.
    """
    of = routing.routes[route]
    load = of.load * float(hours.scale[of.stream, hour])
    if load >= TINY_LOAD or load <= 0:
        return load
    return TINY_LOAD if hours.exact else 0.0


def room_of(routing: Routing, hours: Hours, deployment: int, hour: int) -> float:
    """ρ: how full the replicas of a deployment may run in an hour."""
    if hours.room is None:
        return 1.0 - routing.deployments[deployment].headroom
    return float(hours.room[deployment, hour])


def most_room(routing: Routing, hours: Hours) -> Floats | None:
    """(deployments, N) ρ of the largest pool of each hour; ``None`` without a queueing model."""
    if not any(deployment.utilisation for deployment in routing.deployments):
        return None
    room = np.ones((len(routing.deployments), hours.number))
    for number, deployment in enumerate(routing.deployments):
        room[number] = 1.0 - deployment.headroom
        if deployment.utilisation:
            steps = [most_steps(routing, hours, number, hour) for hour in range(hours.number)]
            # One replica where none could answer: a load of nothing fits any pool.
            room[number] = deployment.room(np.maximum(np.array(steps) * deployment.step, 1.0))
    return room


def most_steps(routing: Routing, hours: Hours, deployment: int, hour: int) -> float:
    """More steps than this of a deployment answer nothing more."""
    of = routing.deployments[deployment]
    load = 0.0
    by_stream: dict[int, float] = {}
    for route in routing.of_deployment[deployment]:
        stream = routing.routes[route].stream
        most = 1.0
        if routing.streams[stream].wait and hours.scale[stream, hour]:
            most = _backlog(routing, hours, stream)
        by_stream[stream] = max(
            by_stream.get(stream, 0.0), most * load_of(routing, hours, route, hour)
        )
    load = sum(by_stream.values())
    steps = float(np.ceil(load / room_of(routing, hours, deployment, hour) / of.step + 1e-9))
    # As many as a small pool would need: a pool is known only when it is chosen.
    steps = max(steps, float(of.replicas_for(np.array([load]))[0]) / of.step)
    if of.minimum and steps:
        steps = max(steps, float(np.ceil(of.minimum / of.step - 1e-9)))
    return min(steps, float(np.floor(of.maximum / of.step + 1e-9)))


def _backlog(routing: Routing, hours: Hours, stream: int) -> float:
    """The most that one hour may answer of a stream that waits, in units of its scale."""
    wait, most = routing.streams[stream].wait, 0.0
    for chain in hours.chains:
        arrived = np.concatenate([[0.0], np.cumsum(hours.requests[stream, chain])])
        last = np.arange(1, len(arrived))
        first = np.maximum(0, last - 1 - wait)
        most = max(most, float((arrived[last] - arrived[first]).max(initial=0.0)))
    return most / float(hours.scale[stream].max())


def define_route_variables(
    program: BlockProgram, routing: Routing, hours: Hours, hour: int
) -> HourVariables:
    """Shares 0 ≤ x of each stream, and whole steps of replicas, of one hour."""
    made = HourVariables(hour)
    for number, route in enumerate(routing.routes):
        if hours.scale[route.stream, hour] <= 0:
            continue
        stream = routing.streams[route.stream]
        most = _backlog(routing, hours, route.stream) if stream.wait else 1.0
        made.share[number] = program.column(
            f"share[{stream.name},{routing.deployments[route.deployment].name},{hour}]", upper=most
        )
    for number, deployment in enumerate(routing.deployments):
        if deployment.kind == "replica":
            most = most_steps(routing, hours, number, hour)
            if most > 0:
                made.steps[number] = program.column(
                    f"steps[{deployment.name},{hour}]", upper=most, whole=True
                )
    return made


def define_whole_variables(program: BlockProgram, routing: Routing, hours: Hours) -> WholeVariables:
    """Steps of provisioned units, and opening of deployments with a minimum."""
    made = WholeVariables()
    for number, deployment in enumerate(routing.deployments):
        if deployment.kind == "throughput":
            most = max(
                (most_steps(routing, hours, number, hour) for hour in range(hours.number)),
                default=0.0,
            )
            if most > 0:
                made.units[number] = program.column(
                    f"units[{deployment.name}]", upper=most, whole=True
                )
        if deployment.counted and deployment.minimum > 0:
            made.opened[number] = program.column(
                f"opened[{deployment.name}]", upper=1.0, whole=True
            )
    return made
