# SPDX-License-Identifier: Apache-2.0
"""The bill of a plan for one future in many: the same purchases, replayed in forecast futures.

Nothing is decided anew in them: a plan that is made for one future says how much its bill
would move if demand went another way that history allows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

import numpy as np

from optimizer.billing import make_bill
from optimizer.billing.bill import PLACES, exact
from optimizer.demand import Scenarios, scenarios_of_horizon
from optimizer.demand.horizon import has_jobs, has_routing
from optimizer.errors import MissingPrice
from optimizer.planning.plan import Plan
from optimizer.planning.replayed import baseline_bill, planned_holdings
from optimizer.program.problem import Floats
from optimizer.program.risk import Measure, quantile
from optimizer.tables import UsageLines
from optimizer.tables.settings import Demand

SHARES = {"p10": 0.1, "p50": 0.5, "p90": 0.9}
# The worst tenth, where the case states no other share.
ALPHA = 0.9


@dataclass(frozen=True)
class Ranges:
    """Bills over the horizon in each of S futures of equal odds.

    Attributes
    ----------
    scenarios
        The futures; ``None`` where there are none.
    reason
        Why there are none.
    totals, baselines
        With the plan's purchases, and with what is held alone (empty where that cannot
        serve some future).
    """

    scenarios: Scenarios | None
    reason: str = ""
    totals: tuple[Decimal, ...] = ()
    baselines: tuple[Decimal, ...] = ()

    def as_dict(self, alpha: float) -> dict[str, Any]:
        """The keys of the plan document."""
        if self.scenarios is None:
            return {"ranges": {"absent": self.reason}}
        rows: list[dict[str, Any]] = [{"total": total} for total in self.totals]
        more: dict[str, Any] = {}
        if self.baselines:
            saved = [b - t for b, t in zip(self.baselines, self.totals, strict=True)]
            for row, baseline in zip(rows, self.baselines, strict=True):
                row["baseline"] = baseline
            more["baseline"] = summary(self.baselines, self.scenarios.odds, alpha)
            more["savings"] = {
                name: value
                for name, value in summary(saved, self.scenarios.odds, alpha).items()
                if name != "cvar"
            }
            more["pays"] = sum(value > 0 for value in saved) / len(saved)
        return {
            **summary(self.totals, self.scenarios.odds, alpha),
            "ranges": {
                "basis": f"the same purchases in {len(rows)} forecast futures",
                "futures": len(rows),
                "cvar_alpha": alpha,
                **more,
                "bills": rows,
            },
        }


def alpha_of(plan: Plan) -> float:
    """The share of the odds that the worst tail leaves out."""
    alpha = plan.case.settings.risk.cvar_alpha
    return ALPHA if alpha is None else alpha


def summary(values: Sequence[Decimal], odds: Floats, alpha: float) -> dict[str, Decimal]:
    """Mean, quantiles, and the mean of the dearest 1 − alpha."""
    floats = np.array([float(value) for value in values])
    exactly = dict(zip(floats.tolist(), values, strict=True))
    tail = Measure(odds, alpha, 0.0).tail(floats)

    def weigh(weights: Floats) -> Decimal:
        return sum(
            (exact(w) * value for w, value in zip(weights, values, strict=True)), Decimal(0)
        ).quantize(PLACES)

    return {
        "expected": weigh(odds),
        **{name: exactly[quantile(floats, odds, share)] for name, share in SHARES.items()},
        "cvar": weigh(tail),
    }


def unreplayed(plan: Plan) -> str:
    """Why a plan's purchases cannot be replayed alone with other demand; empty if they can."""
    case = plan.case
    if has_routing(case):
        return "requests are routed anew in every future"
    if has_jobs(case) or any(part.moved is not None for part in plan.parts):
        return "work that may move would move otherwise"
    if plan.agreements:
        return "shortfalls of agreements are not replayed"
    if plan.unserved.any() or any(p is not None for p in plan.demand.usage.unmet_penalty):
        return "some usage may stay unserved"
    return ""


def ranges_of(plan: Plan) -> Ranges:
    """Replay the plan's purchases in futures of the forecaster, in exact decimals.

    ``[demand] ranges`` is their number.  Where the plan's hours repeat weeks, they are those
    of the seasonal forecaster.  Given rows are the same in all of them.
    """
    case = plan.case
    count = case.settings.demand.ranges
    if not count:
        return Ranges(None, "[demand] ranges is 0")
    reason = unreplayed(plan)
    if reason:
        return Ranges(None, reason)
    if plan.demand.given.all():
        return Ranges(None, "every hour of the horizon is given")
    name = case.settings.demand.forecaster
    wanted = Demand("seasonal" if name == "weeks" else name, count, count)
    scenarios = scenarios_of_horizon(replace(case, settings=replace(case.settings, demand=wanted)))
    if len(scenarios) == 1 and count > 1:
        return Ranges(None, "history is too short to measure a change of demand")
    whole = [*plan.holdings, *planned_holdings(case, plan.catalogue, plan.bought)]
    totals, baselines = [], []
    for number in range(len(scenarios)):
        usage = scenarios.demand(number).usage
        try:
            bill = make_bill(case, plan.catalogue, spot_as_planned(plan, usage), whole)
        except MissingPrice as error:
            return Ranges(None, f"some future needs a price that is missing: {error.problem}")
        today = baseline_bill(case, plan.catalogue, usage, plan.holdings)
        totals.append(bill.total)
        baselines += [] if today is None else [today.total]
    known = tuple(baselines) if len(baselines) == len(totals) else ()
    return Ranges(scenarios, "", tuple(totals), known)


def spot_as_planned(plan: Plan, usage: UsageLines) -> UsageLines:
    """Other usage of the plan's lines, run on spot in the plan's shares of each hour.

    Where the plan has no usage in the hour, it is the line's share over the horizon.
    """
    quantity = plan.demand.usage.quantity
    whole = quantity.sum(axis=1)
    mean = np.divide(plan.spot.sum(axis=1), whole, out=np.zeros(len(whole)), where=whole > 0)
    share = np.broadcast_to(mean[:, None], quantity.shape).copy()
    np.divide(plan.spot, quantity, out=share, where=quantity > 0)
    spot = usage.quantity * np.minimum(share, 1.0)
    return replace(usage, spot=spot, spot_taken=np.zeros_like(spot))
