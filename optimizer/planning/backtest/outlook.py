# SPDX-License-Identifier: Apache-2.0
"""What the purchase policy expects of the hours to come: a forecast that is doubted.

Three things move a line, and each is learnt from its own past alone:

* **the drift of its group** (lines that one instrument joins): a trend through weekly totals,
  less one standard error.  A decline is credited in full, growth only by half: what grows can
  be bought next month, what was bought cannot be undone.
* **its share of the group**: a share that falls keeps falling; what it loses goes on elsewhere
  in the group, where only instruments that reach further can cover it.
* **retirement**: hardware comes in generations.  A line that was there when history began is of
  unknown age, and may be given up for its successor within a year; one whose beginning was seen
  is safe until it is a generation old.  Whether a group changes generations at all is doubted
  too, and the longer nothing is retired, the less it is believed.

The scenarios are stratified: of each line the same share of them retires it within any time.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from optimizer.planning.backtest.market import DAY, MONTH, WEEK, Floats, Market

_MONTHS_A_YEAR = 12
_SEED = 7


@dataclass(frozen=True)
class Beliefs:
    """The parameters of the policy, each with its reason; none is fitted to a series.

    Attributes
    ----------
    trend_weeks, doubt
        The trend is fitted through a year, so that a season is no trend, and moved down by
        this many standard errors.
    usual
        Drift per month that is usual (0.05 is a factor of 1.8 a year): what a trend through few
        or noisy weeks says beyond it counts for little.
    growth
        Share of a rising trend that is credited: half, between what waiting would forgo
        (none) and what extrapolation would claim (all).
    share_weeks
        A quarter: shares move faster than totals.
    generation, settled
        Months that a hardware generation is bought (accelerators: two years), and the odds,
        before anything was seen, that a group never changes generations.
    born, gone, large
        Months after which a beginning counts as seen; a share of its peak below which a line
        counts as retired; a share of the group below which a line proves nothing.
    recent_days
        Days whose hours stand for those to come.
    scenarios, months, cells
        Scenarios of retirement; ends of the months of the year ahead that are told apart; and
        (line, hour, scenario, month) cells above which fewer of the recent hours are taken.
    """

    trend_weeks: int = 52
    doubt: float = 1.0
    usual: float = 0.05
    growth: float = 0.5
    share_weeks: int = 13
    generation: float = 24.0
    settled: float = 0.2
    born: float = 1.5
    gone: float = 0.1
    large: float = 0.05
    recent_days: int = 30
    scenarios: int = 12
    months: tuple[float, ...] = (1, 2, 3, 4, 6, 8, 10, 12)
    cells: int = 100_000

    @property
    def rest(self) -> float:
        """Months that a generation of unknown age has left, on average: half of its life."""
        return self.generation / 2


@dataclass(frozen=True)
class Outlook:
    """S scenarios of the L lines over J blocks of the time ahead.

    Attributes
    ----------
    edges
        (J + 1,) hours from now.
    recent
        (L, n) units in the recent hours that stand for those to come.
    level
        (L, J) what of the recent level is expected of the line and its successors together.
    stays
        (L, S, J) share of that which still runs on the line itself.
    """

    edges: Floats
    recent: Floats
    level: Floats
    stays: Floats


def foresee(market: Market, seen: Floats, beliefs: Beliefs, horizon: int) -> Outlook:
    """What the lines may do over ``horizon`` hours, from the (L, t) units seen so far."""
    edges = np.concatenate([[0.0], np.array(beliefs.months) / beliefs.months[-1]]) * horizon
    ahead = (edges[1:] + edges[:-1]) / 2 / MONTH
    # The recent hours lie half of their span behind now: the drift has that much further to go.
    span = min(beliefs.recent_days * DAY, seen.shape[1])
    ahead_of_recent = ahead + span / 2 / MONTH
    lines, blocks = len(market.lines), len(ahead)
    level = np.ones((lines, blocks))
    alone = all(len(group) == 1 for group in market.groups)
    scenarios = 1 if alone else beliefs.scenarios
    stays = np.ones((lines, scenarios, blocks))
    weekly = _weekly(seen * market.price[:, None])
    for group in market.groups:
        rows = list(group)
        total = weekly[rows].sum(axis=0)
        drift = group_drift(total, beliefs)
        level[rows] = np.exp(drift * ahead_of_recent)
        if len(rows) > 1:
            share = weekly[rows] / np.maximum(total, 1e-12)
            fade = np.exp(_fading(share, beliefs)[:, None] * ahead_of_recent)
            retired = _retirements(share, beliefs)
            stays[rows] = fade[:, None] * (retired[:, :, None] > ahead)
    step = _stride(span, lines * scenarios * blocks, beliefs.cells)
    return Outlook(edges, seen[:, -span::step], level, stays)


def group_drift(weekly_total: Floats, beliefs: Beliefs) -> float:
    """Drift of a group per month, in logs: its trend, doubted and damped."""
    slope, error = _trend(weekly_total[-beliefs.trend_weeks :])
    drift = (slope - beliefs.doubt * error) * _trusted(error, beliefs)
    return drift if drift < 0 else beliefs.growth * drift


def _trusted(error: float, beliefs: Beliefs) -> float:
    """How much of a trend counts: of a normal prior around none, what its error leaves."""
    return beliefs.usual**2 / (beliefs.usual**2 + error**2)


def generations_believed(share: Floats, beliefs: Beliefs) -> float:
    """Odds that the group's lines are retired for successors, after what was seen.

    (l, w) shares by week.  A line that was large and is gone proves it; each month without
    one is e^(−1/rest) times as likely if generations change as if they never do.
    """
    peak, now = _monthly_peak(share)
    if ((peak >= beliefs.large) & (now < beliefs.gone * peak)).any():
        return 1.0
    months = share.shape[1] * WEEK / MONTH
    quiet = (1 - beliefs.settled) * np.exp(-months / beliefs.rest)
    return float(quiet / (beliefs.settled + quiet))


def _retirements(share: Floats, beliefs: Beliefs) -> Floats:
    """(l, S) months from now at which each line is given up in each scenario; ``inf``: never."""
    lines, count = len(share), beliefs.scenarios
    odds = generations_believed(share, beliefs)
    draws = np.random.default_rng(_SEED)
    found = np.full((lines, count), np.inf)
    age = _ages(share, beliefs)
    for line in range(lines):
        rank = (draws.permutation(count) + 0.5) / count
        chosen = rank < odds
        found[line, chosen] = -beliefs.rest * np.log1p(-rank[chosen] / odds)
        found[line] += max(0.0, beliefs.generation - age[line])
    return found


def _ages(share: Floats, beliefs: Beliefs) -> Floats:
    """Months since each line's beginning; ``inf`` where it began before history did."""
    peak, _ = _monthly_peak(share)
    weeks = share.shape[1]
    there = share > beliefs.gone * peak[:, None]
    first = np.where(there.any(axis=1), there.argmax(axis=1), weeks)
    seen = first * WEEK / MONTH >= beliefs.born
    return np.where(seen, (weeks - first) * WEEK / MONTH, np.inf)


def _monthly_peak(share: Floats) -> tuple[Floats, Floats]:
    """Greatest and latest share of each line, over whole blocks of four weeks."""
    weeks = share.shape[1]
    size = 4 if weeks >= 4 else 1
    blocks = share[:, weeks % size :].reshape(len(share), -1, size).mean(axis=2)
    return blocks.max(axis=1), blocks[:, -1]


def _fading(share: Floats, beliefs: Beliefs) -> Floats:
    """(l,) drift of each share per month, in logs; only what falls."""
    found = np.zeros(len(share))
    for line, row in enumerate(share[:, -beliefs.share_weeks :]):
        if row[-1] > 0:
            slope, error = _trend(np.maximum(row, row.max() * 0.01))
            found[line] = min(0.0, slope * _trusted(error, beliefs))
    return found


def _weekly(spend: Floats) -> Floats:
    """(L, w) mean dollars per hour of the last whole weeks."""
    weeks = spend.shape[1] // WEEK
    cut = spend[:, spend.shape[1] - weeks * WEEK :]
    return np.asarray(cut.reshape(len(spend), weeks, WEEK).mean(axis=2))


def _trend(weekly: Floats) -> tuple[float, float]:
    """Slope of the logs per month, and its standard error; a constant where too little ran."""
    if len(weekly) < 4 or not (weekly > 0).any():
        return 0.0, 0.0
    logs = np.log(np.maximum(weekly, weekly.max() * 1e-3))
    at = np.arange(len(logs)) - (len(logs) - 1) / 2
    slope = float(at @ logs / (at @ at))
    left = logs - logs.mean() - slope * at
    error = float(np.sqrt(left @ left / (len(logs) - 2) / (at @ at)))
    return slope * MONTH / WEEK, error * MONTH / WEEK


def _stride(hours: int, each: int, cells: int) -> int:
    """Take every so-manieth hour; strides that visit all hours of a day and of a week."""
    for stride in (1, 5, 11, 17, 23, 29):
        if hours // stride * each <= cells:
            return stride
    return 29
