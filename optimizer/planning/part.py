# SPDX-License-Identifier: Apache-2.0
"""A part of a plan: one component of the case, solved and proven on its own."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from optimizer.program.caselimits import CaseLimits
from optimizer.program.components import Component
from optimizer.program.lawcost import LawCost
from optimizer.program.problem import Problem
from optimizer.program.purchases import Column
from optimizer.program.solve import Answer
from optimizer.program.window import Window


@dataclass(frozen=True)
class Part:
    """A component of the case, its planning window, its program, the answer, and its limits."""

    component: Component
    window: Window
    problem: Problem
    law: LawCost
    answer: Answer
    limits: CaseLimits

    @cached_property
    def compared(self) -> float:
        """The plan's objective as it compares with that of other amounts."""
        return self.law.objective(self.answer.quantity)

    @property
    def columns(self) -> tuple[Column, ...]:
        """What may be bought for the part."""
        return self.component.columns
