# SPDX-License-Identifier: Apache-2.0
"""The parts of a plan, each solved in the way that it asks for, or taken from an earlier plan."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from optimizer.billing import Catalogue
from optimizer.demand import MovableDemand
from optimizer.planning.moving import solve_moving_part
from optimizer.planning.part import Part, window_of_part
from optimizer.planning.reuse import Earlier, part_name
from optimizer.planning.routing import RoutedDemand, solve_routing_part
from optimizer.planning.scope import refuse_moving
from optimizer.program.build import build_problem
from optimizer.program.caselimits import CaseLimits
from optimizer.program.components import Component
from optimizer.program.lawcost import LawCost
from optimizer.program.problem import Problem
from optimizer.program.purchases import Column, advised_amounts, kinds_of
from optimizer.program.renewal import renewals
from optimizer.program.solve import Effort, Progress, solve
from optimizer.program.warm import WarmStart
from optimizer.program.watch import Watch
from optimizer.tables import Case


@dataclass(frozen=True)
class Known:
    """What is known before a part is solved: advice, an earlier plan, and how that was solved."""

    advice: Mapping[str, Decimal]
    previous: Mapping[str, Decimal] | None
    earlier: Earlier
    effort: Effort | None = None

    def start(self, columns: Sequence[Column], problem: Problem) -> WarmStart | None:
        """Where the part that buys the same stopped; else the earlier plan's amounts."""
        names = [column.name for column in columns]
        for part in self.earlier.parts:
            plain = part.moved is None and part.routed is None and part.stack is None
            alike = plain and [c.name for c in part.every_column] == names
            if alike and len(part.problem.pools) == len(problem.pools):
                return WarmStart.of(part.problem, part.answer.quantity, part.answer.learnt, problem)
        if self.previous is None:
            return None
        return WarmStart(advised_amounts(columns, self.previous))

    def simple(self) -> dict[str, Mapping[str, Decimal]]:
        """Plans that need no solver, by name."""
        plans = {"the providers' advice": self.advice}
        return plans if self.previous is None else plans | {"the previous plan": self.previous}


@dataclass(frozen=True)
class Solving:
    """Solves the parts of one case.

    ``movable`` is the demand with the work that may move, ``asked`` what is routed.
    """

    case: Case
    catalogue: Catalogue
    limits: CaseLimits
    movable: MovableDemand
    asked: RoutedDemand | None
    known: Known
    watch: Watch

    def parts(self, components: Sequence[Component], progress: Progress) -> list[Part]:
        """Every component's part; one that an earlier plan has to the last number is its."""
        parts = []
        for number, component in enumerate(components, start=1):
            progress(f"part {number} of {len(components)}: {_title(component)}")
            moving = self.movable.part(component.lines, component.demand)
            if self.asked is not None and self.asked.first in component.lines:
                refuse_moving(self.case, moving)
                parts.append(self._routed(component, self.asked))
                continue
            name = part_name(
                self.case.settings,
                self.catalogue,
                component,
                self.limits,
                moving,
                self.known.advice,
            )
            part = self.known.earlier.same(name, component)
            if part is None and (moving.works or moving.jobs):
                part = self._moved(component, moving)
            elif part is None:
                part = self._plain(component)
            parts.append(replace(part, name=name))
        return parts

    def _watched(self) -> Watch:
        """The watch of one part: each has the whole time that the settings allow."""
        seconds = self.case.settings.solve.seconds
        return replace(self.watch, seconds=seconds, started=time.monotonic(), reason="")

    def _routed(self, component: Component, asked: RoutedDemand) -> Part:
        return solve_routing_part(
            self.case,
            self.catalogue,
            component,
            self.limits,
            asked,
            self.known.simple(),
            self._watched(),
        )

    def _moved(self, component: Component, moving: MovableDemand) -> Part:
        return solve_moving_part(
            self.case,
            self.catalogue,
            component,
            self.limits,
            moving,
            self.known.simple(),
            self._watched(),
        )

    def _plain(self, component: Component) -> Part:
        settings, catalogue = self.case.settings, self.catalogue
        limits = self.limits.of_meters(catalogue, component.demand.usage.meter)
        renewed = renewals(
            settings, catalogue, component.demand.usage, component.holdings, component.columns
        )
        columns = (*component.columns, *renewed)
        window = window_of_part(settings, catalogue, component, columns, limits)
        problem, pool_of = build_problem(settings, catalogue, window, columns, limits)
        law = LawCost(settings, catalogue, window, problem, columns, pool_of)
        advised = advised_amounts(columns, self.known.advice)
        answer = solve(
            problem,
            law,
            pool_of,
            method=settings.solve.method,
            gap=settings.solve.gap,
            constant=window.held_cost,
            incumbents={"the providers' advice": advised} if advised.any() else {},
            kinds=kinds_of(component.columns),
            start=self.known.start(columns, problem),
            watch=self._watched(),
            effort=self.known.effort,
        )
        return Part(component, window, problem, law, answer, limits, renewals=renewed)


def _title(component: Component) -> str:
    meters = sorted(set(component.demand.usage.meter))
    return meters[0] if len(meters) == 1 else f"{meters[0]} and {len(meters) - 1} more meters"
