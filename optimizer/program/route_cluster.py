# SPDX-License-Identifier: Apache-2.0
"""Hours alike in one: what a relaxation of very many hours is solved over.

It only supplies purchases to start from, and prices, which prove a bound whatever they are.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from optimizer.program.problem import Floats, Ints, Problem, merge_labels
from optimizer.program.route_hour import Hours
from optimizer.program.routing import Routing

ITERATIONS = 12


def alike(problem: Problem, hours: Hours, count: int) -> Ints:
    """Labels 0 … of about ``count`` groups of hours of one period with similar demand."""
    rows = np.vstack([hours.requests, problem.demand])
    size = rows.mean(axis=1, keepdims=True)
    rows = rows[size[:, 0] > 0] / size[size[:, 0] > 0]
    labels = np.zeros(problem.hours, dtype=np.int64)
    first = 0
    for period in np.unique(problem.period):
        members = np.flatnonzero(problem.period == period)
        groups = max(1, min(len(members), round(count * len(members) / problem.hours)))
        labels[members] = first + _nearest(rows[:, members], groups)
        first += groups
    return np.unique(labels, return_inverse=True)[1].astype(np.int64)


def merged(
    routing: Routing, problem: Problem, hours: Hours, labels: Ints
) -> tuple[Routing, Problem, Hours]:
    """The problem over groups of hours; what links hours in time is left out."""
    weight, count = (
        np.bincount(labels, each).astype(np.float64) for each in (hours.weight, hours.count)
    )
    requests = np.stack(
        [np.bincount(labels, row * hours.weight) / weight for row in hours.requests]
    )
    tail = np.bincount(labels, hours.tail) > 0
    apart = replace(
        routing,
        streams=tuple(replace(stream, wait=0) for stream in routing.streams),
        deployments=tuple(replace(d, start_hours=0.0) for d in routing.deployments),
    )
    return (
        apart,
        merge_labels(problem, labels),
        Hours.of(apart, requests, weight, count=count, tail=tail),
    )


def _nearest(rows: Floats, groups: int) -> Ints:
    """Label columns by the nearest of some means; deterministic."""
    order = np.argsort(rows.sum(axis=0), kind="stable")
    centres = rows[:, order[np.linspace(0, len(order) - 1, groups).round().astype(np.int64)]]
    label = np.zeros(rows.shape[1], dtype=np.int64)
    for _ in range(ITERATIONS):
        distance = (centres**2).sum(axis=0)[:, None] - 2.0 * centres.T @ rows
        label = distance.argmin(axis=0)
        sums = np.stack([np.bincount(label, row, minlength=groups) for row in rows])
        members = np.bincount(label, minlength=groups)
        centres = np.where(members > 0, sums / np.maximum(members, 1), centres)
    return np.asarray(label, dtype=np.int64)
