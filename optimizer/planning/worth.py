# SPDX-License-Identifier: Apache-2.0
"""What single commitments are worth in many futures: the replay with and without each.

A sample of the hours is replayed, all futures in one go; nothing is decided or billed on it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from optimizer.billing import Holding, SharingModes, billing_lines
from optimizer.billing.cost import amortised_cost
from optimizer.billing.replay import capacity_of, orders_of, replay
from optimizer.demand import Scenarios
from optimizer.planning.part import Part
from optimizer.planning.plan import Plan
from optimizer.planning.ranges import spot_as_planned
from optimizer.planning.replayed import planned_holdings
from optimizer.program.problem import Floats
from optimizer.program.purchases import open_columns

# Shares of the planned demand at which purchases are tried.
LEVELS = (1.0, 0.9, 0.8, 0.7, 0.6, 0.5)
# Lines × hours of all futures that are replayed at once, about.
SIZE = 1_500_000


@dataclass(frozen=True)
class Worth:
    """What a commitment saves within the horizon, less its amortised cost there, in dollars.

    Attributes
    ----------
    levels
        By ``LEVELS`` of the demand as planned.
    futures
        (S,) in the forecast futures; empty where there are none.
    """

    levels: Floats
    futures: Floats

    @property
    def pays_back(self) -> float | None:
        """The chance that it saves more than it costs."""
        return float((self.futures > 0).mean()) if len(self.futures) else None

    @property
    def pays_down_to(self) -> float | None:
        """The lowest level down to which it pays at every level; ``None`` if at none."""
        pays = self.levels > 0
        count = len(pays) if pays.all() else int(pays.argmin())
        return LEVELS[count - 1] if count else None

    @property
    def expected(self) -> float:
        """The mean over the futures; as planned where there are none."""
        return float(self.futures.mean()) if len(self.futures) else float(self.levels[0])


def worth_of_commitments(
    plan: Plan, scenarios: Scenarios | None
) -> tuple[dict[str, Worth], dict[str, Worth]]:
    """What purchases are worth, by offer, and renewals of what ends, by commitment.

    All else is as planned.  A renewal is the same amount of the same offer from the end on,
    where the offer can still be bought then.  Members of a bundle share their worth.  What
    needs a price that is missing has none.
    """
    usage = plan.demand.usage
    paths = [usage.quantity * level for level in LEVELS]
    if scenarios is not None:
        paths += list(scenarios.quantity)
    bought: dict[str, Worth] = {}
    renewed: dict[str, Worth] = {}
    renewals = renewals_of(plan)
    for part in plan.parts:
        stacked = _Stacked(plan, part, paths, list(renewals.values()))
        for column in part.columns:
            names = [offer.name for offer, _ in column.members if offer.name in plan.bought]
            if names:
                worth = stacked.worth({f"plan {name}" for name in names})
                bought |= dict.fromkeys(names, worth) if worth is not None else {}
        mine = {holding.name for holding in part.component.holdings}
        for name, holding in renewals.items():
            if name in mine:
                worth = stacked.worth({holding.name})
                if worth is not None:
                    renewed[name] = worth
    return bought, renewed


def renewals_of(plan: Plan) -> dict[str, Holding]:
    """What is held and ends within the horizon, bought again at its end, where that is open."""
    until = plan.case.settings.as_of + plan.case.settings.horizon_hours
    open_then: Mapping[int, set[str]] = {
        hour: {
            offer.name
            for column in open_columns(plan.case, plan.catalogue, hour)[0]
            for offer, _ in column.members
        }
        for hour in {holding.end for holding in plan.holdings if holding.end < until}
    }
    return {
        h.name: replace(
            h, name=f"renewed {h.name}", start=h.end, end=h.end + h.offer.term_hours,
            state="planned",
        )
        for h in plan.holdings
        if h.offer.starts is None and h.offer.name in open_then.get(h.end, ())
    }  # fmt: skip


class _Stacked:
    """The lines of a part in a sample of hours of all paths, and how they are covered."""

    def __init__(
        self, plan: Plan, part: Part, paths: Sequence[Floats], renewals: Sequence[Holding]
    ) -> None:
        settings, lines = plan.case.settings, part.component.lines
        self.as_of, self.until = settings.as_of, settings.as_of + settings.horizon_hours
        count = settings.horizon_hours
        stride = max(1, -(-len(lines) * count * len(paths) // SIZE))
        if stride > 1:  # no factor in common with the hours of a week
            stride = next(s for s in range(stride, 10**9) if s % 2 and s % 3 and s % 7)
        at = np.arange(0, count, stride)
        self.scale, self.paths = count / len(at), len(paths)
        quantity, spot = [], []
        for path in paths:
            usage = spot_as_planned(plan, replace(plan.demand.usage, quantity=path))
            quantity.append(usage.quantity[lines][:, at])
            spot.append(usage.spot[lines][:, at])
        stacked, on_spot = np.concatenate(quantity, axis=1), np.concatenate(spot, axis=1)
        self.lines = billing_lines(
            replace(
                part.component.demand.usage,
                quantity=stacked,
                spot=on_spot,
                spot_taken=np.zeros_like(on_spot),
            ),
            plan.catalogue,
        )
        mine = {offer.name for column in part.columns for offer, _ in column.members}
        own = {holding.name for holding in part.component.holdings}
        new = planned_holdings(plan.case, plan.catalogue, plan.bought)
        self.holdings = [
            *part.component.holdings,
            *(holding for holding in new if holding.offer.name in mine),
            *(h for h in renewals if h.name.removeprefix("renewed ") in own),
        ]
        hours = np.tile(settings.as_of + at, len(paths))
        self.capacity = capacity_of(self.holdings, hours)
        self.sharing = SharingModes.of(settings, hours)
        self.catalogue = plan.catalogue
        self.orders = orders_of(plan.catalogue, self.lines, self.holdings, self.sharing)
        renewed = {holding.name for holding in renewals}
        self.usual = np.array([h.name not in renewed for h in self.holdings], dtype=bool)
        # What lasts is charged at the full sustained use discount, as the program reckons.
        meters = [plan.catalogue.meters[name] for name in self.lines.meter]
        self.priced = np.array([meter.on_demand is not None for meter in meters], dtype=bool)
        self.price = np.array([float(m.on_demand or 0) * (1.0 - m.sustained_use) for m in meters])
        self.known: dict[bytes, Floats | None] = {}

    def worth(self, names: set[str]) -> Worth | None:
        """Of commitments by their names, together."""
        chosen = np.array([holding.name in names for holding in self.holdings], dtype=bool)
        having, without = self._cost(self.usual | chosen), self._cost(self.usual & ~chosen)
        if having is None or without is None:
            return None
        cost = sum(
            float(amortised_cost(holding, self.as_of, self.until))
            for holding in self.holdings
            if holding.name in names
        )
        saved = (without - having) * self.scale - cost
        return Worth(saved[: len(LEVELS)], saved[len(LEVELS) :])

    def _cost(self, there: np.ndarray) -> Floats | None:
        """Dollars on demand of each path in the sampled hours; ``None`` if a price is missing."""
        key = there.tobytes()
        if key not in self.known:
            outcome = replay(
                self.catalogue, self.lines, self.holdings,
                self.capacity * there[:, None], self.sharing, orders=self.orders,
            )  # fmt: skip
            left = outcome.uncovered
            missing = bool(left[~self.priced].any())
            by_path = (self.price @ left).reshape(self.paths, -1).sum(axis=1)
            self.known[key] = None if missing else by_path
        return self.known[key]
