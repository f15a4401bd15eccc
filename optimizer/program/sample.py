# SPDX-License-Identifier: Apache-2.0
"""A sample of the hours, for questions that all of them are too many for."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from optimizer.program.hours import HourOracle
from optimizer.program.problem import Problem

# Units of work (pools × hours) above which line searches look at a sample of the hours.
SAMPLE_ABOVE = 150_000


class Sample:
    """Every so many-th hour of a large problem, weighing as much as all of them."""

    def __init__(self, problem: Problem) -> None:
        size = len(problem.pools) * problem.hours
        # A stride that shares no factor with the hours of a week sees every hour of it.
        stride = next(
            s
            for s in range(max(1, size // SAMPLE_ABOVE), 10**9)
            if s == 1 or (s % 2 and s % 3 and s % 7)
        )
        self.hours = np.arange(0, problem.hours, stride)
        if stride == 1:
            self.problem = problem
        else:
            part = problem.take(self.hours)
            factor = float(problem.weight.sum() / part.weight.sum())
            self.problem = replace(part, weight=part.weight * factor)
        self.oracle = HourOracle(self.problem)
