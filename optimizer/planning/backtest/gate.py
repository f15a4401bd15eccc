# SPDX-License-Identifier: Apache-2.0
"""The gate: what the house's own policy would have earned, before anything is advised.

The policy and the provider's rule are walked through the case's own history.  Where history is
shorter than what can be seen before the first purchase plus a whole term, it cannot tell what a
commitment costs once usage falls, and the gate says that it does not know.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from optimizer.billing.bill import exact
from optimizer.errors import DataError
from optimizer.planning.backtest.market import DAY, MONTH, open_market
from optimizer.planning.backtest.policy import Policy
from optimizer.planning.backtest.rules import MostSaved, OnDemand
from optimizer.planning.backtest.run import Outcome, backtest
from optimizer.planning.backtest.walk import Rule, Walk
from optimizer.tables import Case

LOOK_BACK = 30  # days of the provider's rule that the policy is held against
MOST_DATES = 12
TIE = 0.001  # what the policy may cost more than the provider's rule and still pass


class Verdict(StrEnum):
    """What history says about the policy."""

    passed = "passed"
    failed = "failed"
    unknown = "unknown"


@dataclass(frozen=True)
class Gate:
    """What history says.

    ``outcome`` are the walks, ``None`` where there is no history to walk; ``term_hours`` is the
    shortest term that was tested, ``reason`` why the verdict is what it is.
    """

    verdict: Verdict
    reason: str
    history_hours: int = 0
    term_hours: int = 0
    outcome: Outcome | None = None

    @property
    def ours(self) -> Walk | None:
        """The policy's walk."""
        return None if self.outcome is None else self.outcome.of(Policy().name)

    @property
    def providers(self) -> Walk | None:
        """The cheapest of the provider's rule over all, reservations alone and plans alone."""
        if self.outcome is None:
            return None
        other = {Policy().name, OnDemand().name}
        walks = [walk for walk in self.outcome.walks if walk.rule not in other]
        return min(walks, key=lambda walk: walk.cost)

    def as_dict(self) -> dict[str, Any]:
        """The part ``gate`` of a plan's document."""
        found: dict[str, Any] = {
            "verdict": str(self.verdict),
            "reason": self.reason,
            "history_hours": self.history_hours,
            "term_hours": self.term_hours,
        }
        ours, theirs, outcome = self.ours, self.providers, self.outcome
        if outcome is None or ours is None or theirs is None:
            return found
        calendar = outcome.scenario.calendar
        return found | {
            "window_hours": calendar.last - calendar.first,
            "dates": len(calendar.dates),
            "policy": _figures(outcome, ours),
            "provider": {"rule": theirs.rule, **_figures(outcome, theirs)},
            "optimum": _figures(outcome, outcome.optimum),
            "all_on_demand": exact(ours.all_on_demand),
        }


def gate(case: Case) -> Gate:
    """Hold the policy against the provider's rule on the case's own history.

    Purchases are made monthly, and in longer histories every so many months that there are no
    more than twelve dates: it is shown with every plan, so it must be quick.  Never raises for
    a history that cannot be walked: then nothing is known, and why.
    """
    try:
        opened = open_market(case)
    except DataError as error:
        return Gate(Verdict.unknown, error.problem)
    market, history = opened.market, opened.history
    kinds = ["all"]
    if market.money.any() and not market.money.all():
        kinds += ["units", "money"]
    rules: list[Rule] = [OnDemand(), *(MostSaved(LOOK_BACK, kind) for kind in kinds), Policy()]
    if history.hours < MONTH:
        shorter = f"the history of {history.hours} hours is shorter than a month: no date to buy at"
        return Gate(Verdict.unknown, shorter, history.hours)
    months = -(-history.hours // (MOST_DATES * MONTH))
    walked = backtest(case, step=months * MONTH, starts=1, backwards=False, rules=rules)
    outcome = walked.outcomes[0]
    term = int(market.term.min())
    calendar = outcome.scenario.calendar
    window = calendar.last - calendar.first
    found = Gate(Verdict.unknown, "", history.hours, term, outcome)
    ours, theirs = found.ours, found.providers
    assert ours is not None and theirs is not None  # noqa: PT018  both were walked
    if window < term:
        verdict = Verdict.unknown
        reason = (
            f"history is too short to know: {_days(history.hours)}, of which {_days(window)} were "
            f"walked, and the shortest term is {_days(term)}; what a commitment costs once usage "
            "falls cannot have shown"
        )
    elif ours.cost <= theirs.cost * (1 + TIE):
        verdict, reason = Verdict.passed, "on this history the policy costs no more"
    else:
        verdict, reason = Verdict.failed, "on this history the provider's own rule costs less"
    return Gate(verdict, reason, history.hours, term, outcome)


def _days(hours: int) -> str:
    return f"{hours // DAY} days"


def _figures(outcome: Outcome, walk: Walk) -> dict[str, Any]:
    return {
        "cost": exact(walk.cost),
        "effective_savings_rate": walk.savings_rate,
        "cost_over_optimum": outcome.ratio(walk),
    }


__all__ = ["Gate", "Verdict", "gate"]
