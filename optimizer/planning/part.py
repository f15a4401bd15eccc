# SPDX-License-Identifier: Apache-2.0
"""A part of a plan: one component of the case, solved and proven on its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from optimizer.billing import Catalogue
from optimizer.demand import MovableDemand
from optimizer.program.caselimits import CaseLimits
from optimizer.program.components import Component
from optimizer.program.lawcost import LawCost
from optimizer.program.moves import Moves, Placement
from optimizer.program.problem import Floats, Ints, Problem
from optimizer.program.purchases import Column
from optimizer.program.route_blocks import Guide
from optimizer.program.route_case import RouteCase
from optimizer.program.routing import Routed, Routing
from optimizer.program.solve import Answer
from optimizer.program.stack import Stack
from optimizer.program.window import Marks, Window, build_window
from optimizer.tables import Settings


def window_of_part(
    settings: Settings,
    catalogue: Catalogue,
    component: Component,
    columns: Sequence[Column],
    limits: CaseLimits,
    marks: Marks | None = None,
) -> Window:
    """The window of a component, with hours kept apart as its limits need them."""
    return build_window(
        settings,
        catalogue,
        component.demand,
        component.holdings,
        columns,
        marks,
        spans=limits.spans,
        discounts_apart=limits.adds_up_hours and settings.discount_rate != 0,
    )


@dataclass(frozen=True)
class PartMoves:
    """What may move in a part, and where the plan puts it.

    ``window`` and ``horizon`` are the same moves over the window's hours and over those of
    the horizon, between lines of the part, and ``pools`` is ``window`` between pools;
    ``cost`` is dollars of the objective; ``proven`` says of an infeasible part that every
    placement is.
    """

    movable: MovableDemand
    window: Moves
    horizon: Moves
    pools: Moves
    placement: Placement
    cost: float
    proven: bool = False


@dataclass(frozen=True)
class PartRoutes:
    """What is routed in a part, and how.

    ``lines`` are its lines of the usage; ``horizon`` and ``routed`` the routing over the
    hours of the horizon and of the window; ``alternatives`` objectives of simpler plans;
    ``relaxed`` the relaxation of all hours, where it was solved; ``broken`` the rows that
    today's routing breaks, so that no plan may be like it.
    """

    routing: Routing
    lines: Ints
    horizon: Routed
    case: RouteCase
    routed: Routed
    alternatives: Mapping[str, float]
    relaxed: Guide | None
    broken: tuple[str, ...] = ()


@dataclass(frozen=True)
class Part:
    """A component of the case, its planning window, its program, the answer, and its limits.

    Where work may move or is routed, window, program and law are those of the plan's.
    ``renewals`` are columns of the program behind those that may be bought now: later
    purchases and renewals.  ``stack`` are the futures, where there are several; ``name`` is
    the hash of what it was made from.
    """

    component: Component
    window: Window
    problem: Problem
    law: LawCost
    answer: Answer
    limits: CaseLimits
    moved: PartMoves | None = None
    renewals: tuple[Column, ...] = ()
    routed: PartRoutes | None = None
    stack: Stack | None = None
    name: str = ""

    @cached_property
    def compared(self) -> float:
        """The plan's objective as it compares with that of other amounts."""
        return self.law.objective(self.answer.quantity)

    @property
    def columns(self) -> tuple[Column, ...]:
        """What may be bought now for the part."""
        return self.component.columns

    @property
    def every_column(self) -> tuple[Column, ...]:
        """The columns of the program: purchases, and renewals behind the horizon."""
        return (*self.columns, *self.renewals)

    @property
    def bought(self) -> Floats:
        """Amounts of the columns that may be bought now."""
        return self.answer.quantity[: len(self.columns)]
