# SPDX-License-Identifier: Apache-2.0
"""A plan for several futures, made and priced."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

import numpy as np

from optimizer.billing.bill import PLACES, exact
from optimizer.demand import Scenarios
from optimizer.planning.aggregated import Whole, replay_all, solve_representatives
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
from optimizer.program.risk import Measure
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
    whole
        All futures, where ``ground`` and ``solved`` are of some that stand for them; else
        ``None``.
    """

    ground: Ground
    solved: Solved
    futures: tuple[Future, ...]
    whole: Whole | None = None

    @property
    def scenarios(self) -> Scenarios:
        """The futures that were planned for."""
        return self.ground.scenarios

    @property
    def planned_futures(self) -> tuple[Future, ...]:
        """Those of ``scenarios``, with the odds of all that each stands for."""
        if self.whole is None:
            return self.futures
        chosen = self.whole.chosen
        return tuple(
            replace(self.futures[future], odds=float(odds))
            for future, odds in zip(chosen.chosen, chosen.odds, strict=True)
        )

    @property
    def measure(self) -> Measure:
        """What is minimised, over all futures."""
        return self.ground.measure if self.whole is None else self.whole.measure

    @property
    def costs(self) -> Floats:
        """(S,) dollars of every future over whole terms, under the law."""
        return self.solved.costs if self.whole is None else self.whole.costs

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
        return exact(min(self._bound, self._free()) + self._idle)

    @property
    def gap(self) -> float:
        """(objective − lower_bound) / objective."""
        return self._share(float(self.objective - self.lower_bound))

    @property
    def gap_solver(self) -> float:
        """What the solver left: free choice for these purchases against the bound."""
        return self._share(self._free() - min(self._bound, self._free()))

    @property
    def gap_law(self) -> float:
        """What the law's order costs over free choice, at this plan."""
        return self._share(self._measured() + self._idle - self._free() - self._idle)

    @property
    def _idle(self) -> float:
        return self.idle_cost + float(self._sustained)

    def _measured(self) -> float:
        return self.measure.of(self.costs)

    def _free(self) -> float:
        free = self.solved.free if self.whole is None else self.whole.free
        return min(self.measure.of(free), self._measured())

    @property
    def _bound(self) -> float:
        return self.solved.bound if self.whole is None else self.whole.bound

    @property
    def gap_planned(self) -> float:
        """What the solver left of the futures that were planned for alone."""
        free = self.ground.measure.of(self.solved.free)
        return self._share(max(0.0, free - self.solved.bound))


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
    aggregated = None
    if len(scenarios) > settings.demand.planned:
        progress(f"planning for {settings.demand.planned} of them that stand for all")
        aggregated = solve_representatives(ground, split.components, watch)
        solved = aggregated.solved
    else:
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
    odds = exact_odds(scenarios.odds)
    whole = None
    if aggregated is not None:
        whole = replay_all(ground, aggregated, holdings, bought, watch)
        ground = aggregated.ground
        futures, spot, unserved = whole.futures, whole.spot, whole.unserved
    else:
        futures = replay_futures(case, catalogue, scenarios, holdings, solved.parts, bought)
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
        whole=whole,
    )


def _mean_usage(scenarios: Scenarios) -> UsageLines:
    """The mean of the futures' usage, of which totals are shown; nothing is planned for it."""
    base = scenarios.base.usage
    quantity, tolerant, spot, taken = (np.zeros_like(base.quantity) for _ in range(4))
    for number, share in enumerate(scenarios.odds):
        usage = scenarios.demand(number).usage
        quantity += share * usage.quantity
        tolerant += share * usage.tolerant
        spot += share * usage.spot
        taken += share * usage.spot_taken
    return replace(base, quantity=quantity, tolerant=tolerant, spot=spot, spot_taken=taken)


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
