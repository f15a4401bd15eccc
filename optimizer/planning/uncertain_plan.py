# SPDX-License-Identifier: Apache-2.0
"""A plan for several futures, made and priced."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

import numpy as np

from optimizer.billing.bill import PLACES, exact
from optimizer.demand import Scenarios
from optimizer.planning.futures import (
    Future,
    exact_odds,
    expected_bill,
    replay_futures,
)
from optimizer.planning.given import need_prices, provider_advice
from optimizer.planning.moving import Segments, ways_of_part
from optimizer.planning.plan import Plan
from optimizer.planning.relax import refuse_infeasible
from optimizer.planning.replayed import amounts_of
from optimizer.planning.uncertain import (
    Ground,
    Solved,
    ground_of,
    solve_parts,
    split_futures,
)
from optimizer.program.problem import Floats
from optimizer.program.solve import Progress
from optimizer.program.status import Status
from optimizer.program.watch import Watch
from optimizer.program.window import held_cost
from optimizer.tables import Case, UsageLines


@dataclass(frozen=True)
class UncertainPlan(Plan):
    """A plan for several futures: what to buy now, and what later in which of them.

    Bills, units and penalties of :class:`Plan` are means over the futures.  ``demand`` is
    their mean, of which totals are shown; nothing is planned for it.

    Attributes
    ----------
    ground, solved
        What the program was made from, and what it found.
    futures
        Every future with its bills.
    """

    ground: Ground
    solved: Solved
    futures: tuple[Future, ...]

    @property
    def scenarios(self) -> Scenarios:
        """The futures that were planned for."""
        return self.ground.scenarios

    @property
    def status(self) -> Status:
        """Of the whole plan: its gap against the gap that was asked for."""
        return Status.of_gap(self.gap_solver, self.case.settings.solve.gap)

    @property
    def objective(self) -> Decimal:
        """The measure of the futures' costs over whole terms."""
        return exact(self._measured() + self._idle)

    @property
    def lower_bound(self) -> Decimal:
        """No plan's measure is below it."""
        return exact(min(self.solved.bound, self._free()) + self._idle)

    @property
    def gap(self) -> float:
        """(objective − lower_bound) / objective."""
        return self._share(float(self.objective - self.lower_bound))

    @property
    def gap_solver(self) -> float:
        """What the solver left: free choice for these purchases against the bound."""
        return self._share(self._free() - min(self.solved.bound, self._free()))

    @property
    def gap_law(self) -> float:
        """What the law's order costs over free choice, at this plan."""
        return self._share(self._measured() + self._idle - self._free() - self._idle)

    @property
    def _idle(self) -> float:
        return self.idle_cost + float(self._sustained)

    def _measured(self) -> float:
        return self.ground.measure.of(self.solved.costs)

    def _free(self) -> float:
        return min(self.ground.measure.of(self.solved.free), self._measured())


def make_uncertain_plan(
    case: Case,
    scenarios: Scenarios,
    progress: Progress = lambda _: None,
    *,
    watch: Watch | None = None,
    previous: Mapping[str, Decimal] | None = None,
) -> UncertainPlan:
    """Plan a case for several futures; see :func:`optimizer.planning.make.make_plan`."""
    watch = watch or Watch(tell=lambda told: progress(str(told)))
    ground, columns, closed, holdings = ground_of(case, scenarios, previous, provider_advice(case))
    catalogue, settings = ground.catalogue, case.settings
    most = replace(scenarios.base.usage, quantity=scenarios.quantity.max(axis=0))
    need_prices(catalogue, most, holdings, [*columns, *(c for cs in ground.by_step for c in cs)])
    split = split_futures(ground, columns, holdings)
    progress(f"{len(scenarios)} futures, {len(ground.tree.leaves)} of them told apart in time")
    solved = solve_parts(ground, split.components, watch)
    refuse_infeasible(case, solved.parts, ways_of_part)
    bought = {
        name: amount
        for part in solved.parts
        for name, amount in amounts_of(part.columns, part.bought).items()
    }
    for column in split.idle_columns:
        for offer, _ in column.members:
            closed.setdefault(offer.name, "nothing that it covers is used in any future")
    progress("replaying every future")
    futures = replay_futures(case, catalogue, scenarios, holdings, solved.parts, bought)
    odds = exact_odds(scenarios.odds)
    spot, unserved = (
        np.average([getattr(f, name) for f in futures], axis=0, weights=scenarios.odds)
        for name in ("spot", "unserved")
    )
    baselines = [future.baseline for future in futures if future.baseline is not None]
    today = replace(scenarios.base, usage=_mean_usage(scenarios))
    return UncertainPlan(
        case=case,
        catalogue=catalogue,
        demand=today,
        holdings=holdings,
        closed=closed,
        parts=solved.parts,
        idle_cost=held_cost(settings, split.idle_holdings, settings.as_of + settings.horizon_hours),
        bought=dict(sorted(bought.items())),
        baseline=expected_bill(baselines, odds) if len(baselines) == len(futures) else None,
        bill=expected_bill([future.bill for future in futures], odds),
        spot=spot,
        covers=_expected_covers(futures, odds),
        unserved=unserved,
        unmet=_mean([future.unmet for future in futures], odds),
        today=today,
        segments=Segments((), spot),
        limits=ground.limits,
        agreements=(),
        baseline_agreements=(),
        ground=ground,
        solved=solved,
        futures=futures,
    )


def _mean_usage(scenarios: Scenarios) -> UsageLines:
    """The mean of the futures' usage, of which totals are shown; nothing is planned for it."""
    every = [scenarios.demand(number).usage for number in range(len(scenarios))]

    def mean(name: str) -> Floats:
        return np.asarray(
            np.average([getattr(u, name) for u in every], axis=0, weights=scenarios.odds)
        )

    return replace(
        scenarios.base.usage,
        quantity=mean("quantity"),
        tolerant=mean("tolerant"),
        spot=mean("spot"),
        spot_taken=mean("spot_taken"),
    )


def _expected_covers(
    futures: Sequence[Future], odds: Sequence[Decimal]
) -> dict[str, dict[str, Decimal]]:
    """Offer name → meter → units that a purchase of now covers, on average."""
    found: dict[str, dict[str, Decimal]] = {}
    for future, share in zip(futures, odds, strict=True):
        for name, by_meter in future.covers.items():
            mine = found.setdefault(name, {})
            for meter, units in by_meter.items():
                mine[meter] = mine.get(meter, Decimal(0)) + share * units
    return found


def _mean(values: Sequence[Decimal], odds: Sequence[Decimal]) -> Decimal:
    return sum((p * v for p, v in zip(odds, values, strict=True)), Decimal(0)).quantize(PLACES)
