# SPDX-License-Identifier: Apache-2.0
"""A plan: what it was made from, and its figures."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from optimizer.billing import (
    Bill,
    Catalogue,
    Holding,
)
from optimizer.billing.bill import exact
from optimizer.demand import HorizonDemand
from optimizer.planning.moving import (
    Segments,
    cash_of_moves,
)
from optimizer.planning.part import Part
from optimizer.planning.shortfall import Shortfall
from optimizer.program.caselimits import CaseLimits
from optimizer.program.problem import Floats
from optimizer.program.purchases import planned
from optimizer.program.status import Status
from optimizer.tables import Case


@dataclass(frozen=True)
class Plan:
    """A plan and everything it was made from.

    Attributes
    ----------
    bought
        Offer name → quantity, for offers that are bought.
    baseline, bill
        The horizon's bill with what is held and today's use of spot; with the plan.
        ``baseline`` is ``None`` where what is held cannot serve the horizon at all.
    spot
        (L, T) units that the plan runs on spot.
    covers
        Offer name → meter → units that the purchase covers in the horizon.
    unserved
        (L, T) units that the plan leaves unserved.
    unmet
        Dollars of penalties for them.
    today, segments
        The demand of ``baseline``: all work where it is, jobs as early as possible; and
        what jobs run on. ``demand`` has the work where the plan puts it.
    limits
        What limits the case.
    agreements, baseline_agreements
        Its agreements with the plan's spend, and with today's.
    total
        The plan's bill, its penalties and the cost of its shortfalls.
    """

    case: Case
    catalogue: Catalogue
    demand: HorizonDemand
    holdings: tuple[Holding, ...]
    closed: dict[str, str]
    parts: tuple[Part, ...]
    idle_cost: float
    bought: dict[str, Decimal]
    baseline: Bill | None
    bill: Bill
    spot: Floats
    covers: dict[str, dict[str, Decimal]]
    unserved: Floats
    unmet: Decimal
    today: HorizonDemand
    segments: Segments
    limits: CaseLimits
    agreements: tuple[Shortfall, ...]
    baseline_agreements: tuple[Shortfall, ...]

    @property
    def move_cost(self) -> Decimal:
        """Dollars of the horizon for moving work: switching, egress and delay of jobs."""
        return cash_of_moves(self.parts)

    @property
    def total(self) -> Decimal:
        """The plan's bill over the horizon, its unmet penalties and its shortfalls."""
        return self.bill.total + self.unmet + self.shortfall

    @property
    def baseline_total(self) -> Decimal:
        """The bill with what is held, and what its shortfalls cost; 0 without a baseline."""
        today = self.baseline.total if self.baseline is not None else Decimal(0)
        return today + sum((row.cost for row in self.baseline_agreements), Decimal(0))

    @property
    def shortfall(self) -> Decimal:
        """What the agreements cost that the plan falls short of."""
        return sum((row.cost for row in self.agreements), Decimal(0))

    @property
    def status(self) -> Status:
        """Of the whole plan: its gap against the gap that was asked for."""
        return Status.of_gap(self.gap_solver, self.case.settings.solve.gap)

    @property
    def tail_hours(self) -> int:
        """Hours behind the horizon that whole terms reach into; 0 without a tail."""
        return max((part.window.tail_hours for part in self.parts), default=0)

    @property
    def objective(self) -> Decimal:
        """What the program minimises; the total where tail, discount and rework are absent."""
        if self._plain:
            return self.total + self.move_cost
        return exact(
            sum(part.answer.objective + part.window.held_cost for part in self.parts)
            + self.idle_cost
            + self._idle_shortfall
            + float(self._sustained)
        )

    @property
    def lower_bound(self) -> Decimal:
        """The certificates of the parts, moved by the same constant as the objective."""
        return self.objective - exact(self._left("objective", "bound") + float(self._sustained))

    @property
    def gap(self) -> float:
        """(objective − lower_bound) / objective."""
        return self._share(self._left("objective", "bound") + float(self._sustained))

    @property
    def gap_solver(self) -> float:
        """What the solver left: free choice for these purchases against the bound."""
        return self._share(self._left("free", "bound"))

    @property
    def gap_law(self) -> float:
        """What the law's order costs over free choice, at this plan."""
        return self._share(self._left("objective", "free") + float(self._sustained))

    @property
    def _plain(self) -> bool:
        """Whether the objective is the total, to the last digit."""
        settings = self.case.settings
        on_spot = {line.meter for line in self.bill.lines if line.spot_quantity}
        rework = any(self.catalogue.meters[name].spot_interruption for name in on_spot)
        if self.tail_hours or settings.discount_rate or rework:
            return False
        end = settings.as_of + settings.horizon_hours
        inside = all(
            planned(self.catalogue.offers[name], amount, settings.as_of).end <= end
            for name, amount in self.bought.items()
        )
        return inside or settings.after_horizon == "prorata"

    @property
    def _idle_shortfall(self) -> float:
        """Shortfalls of providers that no usage is billed by: a constant."""
        used = {self.catalogue.meters[meter].provider for meter in self.demand.usage.meter}
        return sum(float(row.cost) for row in self.agreements if row.agreement.provider not in used)

    @property
    def _sustained(self) -> Decimal:
        """What on-demand costs in the bill above its price at the full sustained use discount.

        The program reckons with the full discount, which bounds the bill from below; what a
        month's hours do not earn of it is the law's part of the gap.
        """
        extra = Decimal(0)
        for line in self.bill.lines:
            meter = self.catalogue.meters[line.meter]
            if meter.sustained_use and meter.on_demand is not None:
                least = meter.on_demand * (1 - Decimal(repr(meter.sustained_use)))
                extra += line.on_demand - line.on_demand_quantity * least
        return extra

    def _left(self, high: str, low: str) -> float:
        return float(
            sum(
                max(0.0, getattr(part.answer, high) - getattr(part.answer, low))
                for part in self.parts
            )
        )

    def _share(self, dollars: float) -> float:
        whole = float(self.objective)
        return dollars / whole if whole > 0 else 0.0
