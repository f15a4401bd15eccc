# SPDX-License-Identifier: Apache-2.0
"""``backtest``: every rule through the case's own history, from several start dates."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future, as_completed
from dataclasses import dataclass, replace

import numpy as np

from optimizer.billing.lines import SharingModes
from optimizer.errors import UsageError
from optimizer.planning.backtest.market import (
    DAY,
    MONTH,
    SHORTEST,
    History,
    Market,
    Opened,
    open_market,
)
from optimizer.planning.backtest.policy import Policy
from optimizer.planning.backtest.rules import OnDemand, peers
from optimizer.planning.backtest.walk import Calendar, Rule, Walk, decide_all, optimum, settle
from optimizer.program.dated import DatedAnswer
from optimizer.tables import Case

LOOK = 90 * DAY  # what is seen before the first date, where there is as much
STARTS = 3
FORWARD, BACKWARD = "as it was", "backwards"
_GAP_ALONE, _GAP = 1e-5, 1e-4

Progress = Callable[[str], None]


@dataclass(frozen=True)
class Scenario:
    """One walk's history: as it was, or backwards, so that what grew declines."""

    name: str
    calendar: Calendar


@dataclass(frozen=True)
class Outcome:
    """All rules over one scenario, and the best that could have been done.

    ``best`` are the cheapest continuous amounts on the same dates with the window foreseen.
    """

    scenario: Scenario
    best: DatedAnswer
    optimum: Walk
    walks: tuple[Walk, ...]

    def regret(self, walk: Walk) -> float:
        """Dollars more than the optimum."""
        return walk.cost - self.optimum.cost

    def ratio(self, walk: Walk) -> float:
        """Cost over the optimum's."""
        return walk.cost / self.optimum.cost if self.optimum.cost else 1.0

    def of(self, rule: str) -> Walk:
        """The walk of a rule by its name."""
        return next(walk for walk in self.walks if walk.rule == rule)


@dataclass(frozen=True)
class Backtest:
    """What the rules would have cost; the first outcome is the longest, as it was."""

    case: Case
    opened: Opened
    outcomes: tuple[Outcome, ...]


def backtest(
    case: Case,
    *,
    executor: Executor | None = None,
    step: int = MONTH,
    starts: int = STARTS,
    backwards: bool = True,
    term_hours: int | None = None,
    rules: Sequence[Rule] | None = None,
    progress: Progress = lambda _: None,
) -> Backtest:
    """Walk every rule forward over the history of a case.

    Parameters
    ----------
    executor
        Where scenarios, start dates and rules run side by side; without one, one by one here.
    step
        Hours from one purchase date to the next.
    starts
        Start dates: each begins later than the one before and has its own optimum.
    backwards
        Whether the history is walked backwards as well.
    term_hours
        The term to test; the shortest of each kind by default.

    Raises
    ------
    DataError
        For a history that is too short or has a gap, and where nothing can be tested.
    """
    if step < DAY or starts < 1:
        msg = f"a backtest of {starts} start dates with a purchase every {step} hours is none"
        raise UsageError(f"{msg}. To mend it: use at least one start, and 24 hours or more")
    progress("reading the history")
    opened = open_market(case, term_hours=term_hours)
    market, history = opened.market, opened.history
    chosen = list(rules) if rules is not None else [*peers(market), Policy()]
    scenarios = [
        Scenario(name, calendar)
        for name in ((FORWARD, BACKWARD) if backwards else (FORWARD,))
        for calendar in calendars(history.hours, step, starts)
    ]
    told = {
        name: history if name == FORWARD else reversed_history(history)
        for name in (FORWARD, BACKWARD)
    }
    jobs = [(scenario, rule) for scenario in scenarios for rule in (None, *chosen)]
    found = _run(market, told, jobs, executor, progress)
    outcomes, width = [], len(chosen) + 1
    for index, scenario in enumerate(scenarios):
        (best, ideal), *walks = found[index * width : (index + 1) * width]
        assert best is not None  # the first job of a scenario is its optimum
        outcomes.append(Outcome(scenario, best, ideal, tuple(walk for _, walk in walks)))
    return Backtest(case, opened, tuple(outcomes))


def calendars(hours: int, step: int, starts: int) -> list[Calendar]:
    """Calendars that begin after a first look, and later by whole steps, to the end."""
    first = min(LOOK, max(SHORTEST, hours // 3))
    dates = len(range(first, hours, step))
    count = min(starts, max(1, dates // 2))
    # The later starts lie evenly in the first half of the dates.
    skips = sorted({dates // 2 * index // max(count - 1, 1) for index in range(count)})
    return [Calendar.every(first + skip * step, hours, step) for skip in skips]


def reversed_history(history: History) -> History:
    """The same hours, last first; sharing is that of the latest hours throughout."""
    groups = history.sharing.groups
    last = max(range(len(groups)), key=lambda g: int(groups[g][0].max(initial=-1)))
    sharing = SharingModes(((np.arange(history.hours), groups[last][1]),))
    return replace(
        history,
        demand=np.ascontiguousarray(history.demand[:, ::-1]),
        present=np.ascontiguousarray(history.present[:, ::-1]),
        sharing=sharing,
        orders=(history.orders[last],),
    )


_Job = tuple[Scenario, Rule | None]
_Found = tuple[DatedAnswer | None, Walk]


def _run(
    market: Market,
    told: dict[str, History],
    jobs: Sequence[_Job],
    executor: Executor | None,
    progress: Progress,
) -> list[_Found]:
    """Each job's answer, in the order of the jobs whatever order they end in."""
    if executor is None:
        found = []
        for number, (scenario, rule) in enumerate(jobs, start=1):
            found.append(walk_one(market, told[scenario.name], scenario.calendar, rule))
            progress(f"{number} of {len(jobs)}: {found[-1][1].rule}, {scenario.name}")
        return found
    futures: list[Future[_Found]] = [
        executor.submit(walk_one, market, told[scenario.name], scenario.calendar, rule)
        for scenario, rule in jobs
    ]
    position = {future: index for index, future in enumerate(futures)}
    for number, future in enumerate(as_completed(futures), start=1):
        scenario, _ = jobs[position[future]]
        progress(f"{number} of {len(jobs)}: {future.result()[1].rule}, {scenario.name}")
    return [future.result() for future in futures]


def walk_one(market: Market, history: History, calendar: Calendar, rule: Rule | None) -> _Found:
    """One rule over one history; without a rule, the offline optimum."""
    if rule is None:
        gap = _GAP_ALONE if len(market.instruments) == 1 else _GAP
        best = optimum(market, history.demand, calendar, gap=gap)
        return best, settle(market, history, calendar, best.amount, "optimum")
    amount = decide_all(market, history.demand, calendar, rule)
    return None, settle(market, history, calendar, amount, rule.name)


def all_on_demand(outcome: Outcome) -> Walk:
    """The walk that bought nothing."""
    return outcome.of(OnDemand().name)
