# SPDX-License-Identifier: Apache-2.0
"""The whole program of some hours of routing, put together from its families.

At prices per unit of each line (:func:`at_prices`) it is routing alone; beside commitments
(:mod:`~optimizer.program.route_joint`) its usage is demand of the coverage rows.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from optimizer.program.linear import LinearAnswer
from optimizer.program.problem import Floats
from optimizer.program.route_capacity import define_route_capacity
from optimizer.program.route_deadline import define_route_deadline
from optimizer.program.route_demand import define_route_demand
from optimizer.program.route_hour import (
    EVERYWHERE,
    BlockProgram,
    Hours,
    HourVariables,
    WholeVariables,
    define_route_variables,
    define_whole_variables,
)
from optimizer.program.route_meter import define_route_prices, usage_terms
from optimizer.program.route_open import define_route_open, define_route_open_units
from optimizer.program.route_quality import define_route_quality, define_route_quality_average
from optimizer.program.route_start import define_route_start
from optimizer.program.route_throughput import define_route_throughput
from optimizer.program.route_zone_settle import read_losses
from optimizer.program.route_zones import define_route_zones
from optimizer.program.routing import Routed, Routing


@dataclass
class RouteProgram:
    """A program with the numbers of its variables, hour by hour."""

    program: BlockProgram
    routing: Routing
    hours: Hours
    every: list[HourVariables]
    whole: WholeVariables

    @classmethod
    def of(cls, routing: Routing, hours: Hours) -> RouteProgram:
        """Write every family of routing, without any cost."""
        program = BlockProgram()
        whole = define_whole_variables(program, routing, hours)
        define_route_open_units(program, routing, whole)
        every = []
        for hour in range(hours.number):
            program.block = hour
            variables = define_route_variables(program, routing, hours, hour)
            define_route_demand(program, routing, hours, variables)
            define_route_capacity(program, routing, hours, variables)
            define_route_quality(program, routing, hours, variables)
            define_route_throughput(program, routing, hours, variables, whole)
            define_route_open(program, routing, hours, variables, whole)
            define_route_zones(program, routing, hours, variables, whole)
            every.append(variables)
        by_hour = dict(enumerate(every))
        define_route_start(program, routing, hours, by_hour)
        define_route_deadline(program, routing, hours, by_hour)
        define_route_quality_average(program, routing, hours, every)
        program.block = EVERYWHERE
        return cls(program, routing, hours, every, whole)

    def usage(self, hour: int) -> list[dict[int, float]]:
        """What an hour draws of each line, as terms."""
        return usage_terms(self.routing, self.hours, self.every[hour], self.whole)

    def read(self, answer: LinearAnswer) -> Routed:
        """The routing that an answer's values say; what is within rounding is made exact."""
        routing, hours, values = self.routing, self.hours, answer.values
        requests = np.zeros((len(routing.routes), hours.number))
        replicas = np.zeros((len(routing.deployments), hours.number))
        fallback = np.zeros((len(routing.meters), hours.number))
        for number, column in self.whole.units.items():
            step = routing.deployments[number].step
            replicas[number] = step * round(float(values[column]))
        for variables in self.every:
            hour = variables.hour
            for number, column in variables.steps.items():
                step = routing.deployments[number].step
                replicas[number, hour] = step * round(float(values[column]))
            self._read_shares(values, variables, requests)
            for line, units, column in variables.fallback:
                fallback[line, hour] += units * max(0.0, float(values[column]))
        started = started_in(routing, hours, replicas)
        losses = read_losses(routing, hours, self.every, values)
        return Routed(requests, replicas, started, fallback, losses)

    def _read_shares(self, values: Floats, variables: HourVariables, requests: Floats) -> None:
        """Shares as requests; of a stream that may not wait they add up to its requests."""
        hour = variables.hour
        for number, stream in enumerate(self.routing.streams):
            shares = {
                route: max(0.0, float(values[variables.share[route]]))
                for route in self.routing.of_stream[number]
                if route in variables.share
            }
            shares = {route: share for route, share in shares.items() if share > 1e-9}
            total = sum(shares.values())
            if not total:
                continue
            amount = float(self.hours.scale[number, hour])
            if not stream.wait:
                amount /= total
            for route, share in shares.items():
                requests[route, hour] = share * amount


def at_prices(routing: Routing, hours: Hours, prices: Floats) -> RouteProgram:
    """Routing alone: every unit of a line costs its price; (lines, N) dollars."""
    written = RouteProgram.of(routing, hours)
    for hour in range(hours.number):
        define_route_prices(
            written.program,
            written.usage(hour),
            [float(price) for price in prices[:, hour]],
            float(hours.weight[hour]),
        )
    return written


def started_in(routing: Routing, hours: Hours, replicas: Floats) -> Floats:
    """Replicas that start in each hour: the increase, where starting takes time."""
    started = np.zeros_like(replicas)
    for number, deployment in enumerate(routing.deployments):
        if deployment.start_hours <= 0 or deployment.kind != "replica":
            continue
        for chain in hours.chains:
            more = np.diff(replicas[number, chain])
            started[number, chain[1:]] = np.maximum(more, 0.0)
    return started
