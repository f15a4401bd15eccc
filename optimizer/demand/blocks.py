# SPDX-License-Identifier: Apache-2.0
"""Paths out of blocks of weeks: errors of the level in whole blocks, on the weeks they are of."""

from __future__ import annotations

from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from optimizer.demand.history import History
from optimizer.demand.horizon import DAY, WEEK
from optimizer.demand.levels import Levels

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Flags = NDArray[np.bool_]

# Chosen on the first 104 weeks of the data of docs/forecast.md, both ways in time.
RECENT = 52.0  # weeks after which an origin is drawn half as often
OWN_ORIGINS = 8  # fewer than these, and a line's errors are taken from other lines
LENT = 20.0  # a quiet line with n origins borrows an error at odds LENT / (LENT + n)
BELIEVED = 0.5  # share of the mean error, the drift that no trend foresaw, that is kept
WIDER = 1.1  # errors are measured on the history that chose the level: they are too small
TAIL = 0.66  # (z² + 1) / 4 at P90
MOST_RATIO = 2.0  # growth beyond this over today's level goes on by amounts, not by rates


def block_paths(
    history: History, levels: Levels, course: Floats, hours: int, scenarios: int, seed: int
) -> Floats:
    """Return sample paths of equal odds, (S, L, T).

    Parameters
    ----------
    history, levels
        The history, and what was measured of it.
    course
        (K, L) expected change of the level, as a share of it, k = 1 … K weeks ahead;
        K covers the hours.
    hours, scenarios, seed
        T and S; the same arguments give the same bytes.
    """
    random = np.random.default_rng(seed)
    source, level = _level_paths(levels, course, scenarios, random)
    return _hourly(history, levels, source, level, hours)


def _level_paths(
    levels: Levels, course: Floats, scenarios: int, random: np.random.Generator
) -> tuple[Integers, Floats]:
    """(S, K, L) source week and level of each week of each path."""
    lines, n, _ = levels.weeks.shape
    count = len(course)
    block = levels.block
    choices = n - block  # origins that have a whole block behind them
    own = _own(levels.errors[:, :choices, :])
    odds = 0.5 ** (np.arange(choices)[::-1] / RECENT)
    few = _few(scenarios)
    errors = few * _centred(levels.errors[:, :choices, :], own, odds, BELIEVED)
    # How a level drifts was seen for one block of weeks; behind it no drift is claimed.
    driftless = few * _centred(levels.errors[:, :choices, :], own, odds, 0.0)
    effect = np.einsum("l,lo->o", levels.now, errors[:, :, -1])
    source = np.empty((scenarios, count, lines), dtype=np.int64)
    level = np.empty((scenarios, count, lines))
    most = MOST_RATIO * np.maximum(levels.now, levels.floor)
    reached = np.broadcast_to(levels.now, (scenarios, lines))
    for begin in range(0, count, block):
        size = min(block, count - begin)
        chosen = _stratified(odds, effect, scenarios, random)
        origin, error = _errors(driftless if begin else errors, own, chosen, odds, random)
        lead = begin + np.arange(1, size + 1)
        spread = _unsure(n - levels.first, begin, lead)
        expected = course[begin : begin + size] - (course[begin - 1] if begin else 0.0)
        moved = expected + error[:, :size, :] * spread
        # Growth beyond twice today's level goes on by amounts, no longer by rates.
        scale = np.minimum(np.maximum(reached, levels.floor), most)
        ahead = np.maximum(reached[:, None] + scale[:, None] * moved, 0.0)
        if begin:
            meant = np.maximum(reached[:, None] + scale[:, None] * expected, 0.0).mean(axis=0)
            ahead *= _balance(ahead.mean(axis=0), meant)
        level[:, begin : begin + size] = ahead
        source[:, begin : begin + size] = origin[:, None, :] + 1 + np.arange(size)[:, None]
        reached = level[:, begin + size - 1]
    return source, level


def _unsure(known: Integers, begin: int, lead: Integers) -> Floats:
    """(k, L) factor of the errors for what so few weeks of history leave unknown.

    Of n weeks the drift is known no better than √(1 + lead/n), and the spread of errors k
    weeks after their origin, of which there are n/k apart, only as Student's t has it:
    t₀.₉(ν)/z₀.₉ ≈ 1 + (z² + 1)/(4ν).
    """
    weeks = known + LENT  # what is borrowed counts as known
    drift = np.sqrt(1.0 + (begin + lead[:, None]) / weeks)
    freedom = np.maximum(weeks / (lead[:, None] - begin) - 1.0, 1.0)
    return np.asarray(drift * (1.0 + TAIL / freedom))


def _few(paths: int) -> float:
    """The factor by which the P10–P90 band of a few paths is too narrow, at most 1.25.

    Of S paths the interpolated P90 is the (0.9(S − 1) + 1)th, of which S + 1 are as likely.
    """
    normal = NormalDist()
    reached = (0.9 * (paths - 1) + 1) / (paths + 1)
    return min(1.25, normal.inv_cdf(0.9) / normal.inv_cdf(max(reached, 0.8)))


def _own(errors: Floats) -> Flags:
    """(L, O) whether a line has an error of its own at an origin, and enough of them to judge."""
    own = np.asarray(np.isfinite(errors).all(axis=2))
    count = own.sum(axis=1)
    enough = count >= min(OWN_ORIGINS, int(count.max(initial=0)))
    return np.asarray(own & enough[:, None])


def _balance(mean: Floats, meant: Floats) -> Floats:
    """Factors that bring the mean of the paths' levels back to what was meant.

    Levels end at zero below and nowhere above, and errors are shares of a level that they have
    moved before: chained over many blocks that alone lets the mean wander off.
    """
    return np.where(mean > 0, meant / np.where(mean > 0, mean, 1.0), 1.0)


def _centred(errors: Floats, own: Flags, odds: Floats, believed: float) -> Floats:
    """Errors with only so much of their mean as is believed, and somewhat wider."""
    weight = own * odds
    total = np.maximum(weight.sum(axis=1), 1e-300)[:, None]
    known = np.where(own[:, :, None], errors, 0.0)
    mean = np.einsum("lo,lok->lk", weight, known) / total
    return np.where(own[:, :, None], WIDER * (errors - (1.0 - believed) * mean[:, None, :]), 0.0)


def _stratified(
    odds: Floats, effect: Floats, scenarios: int, random: np.random.Generator
) -> Integers:
    """(S,) origins: one from each of S strata of equal odds, ordered by what they do in total."""
    order = np.argsort(effect, kind="stable")
    edges = np.cumsum(odds[order]) / odds.sum()
    points = (random.permutation(scenarios) + random.random(scenarios)) / scenarios
    return order[np.minimum(np.searchsorted(edges, points, side="right"), len(odds) - 1)]


def _errors(
    errors: Floats,
    own: Flags,
    chosen: Integers,
    odds: Floats,
    random: np.random.Generator,
) -> tuple[Integers, Floats]:
    """(S, L) origin of each line's week, and (S, b, L) its errors.

    All lines take the chosen origin; one that was not yet born then, another of its own.
    Now and then a line whose errors are smaller than usual borrows the error of another one
    at its origin, the more often the fewer origins it has (always, if it has none): what
    never happened to it yet may.
    """
    lines = len(errors)
    origin = np.repeat(chosen[:, None], lines, axis=1)
    for line in range(lines):
        lacking = np.flatnonzero(~own[line, chosen])
        known = np.flatnonzero(own[line])
        if len(lacking) and len(known):
            share = odds[known] / odds[known].sum()
            origin[lacking, line] = random.choice(known, len(lacking), p=share)
    count = own.sum(axis=1)
    spread = (np.abs(errors[:, :, -1]) * own).sum(axis=1) / np.maximum(count, 1)
    usual = spread[count > 0].mean() if count.any() else 0.0
    quiet = spread <= usual
    lent = random.random(origin.shape) < quiet * LENT / (LENT + count)
    lender = np.broadcast_to(np.arange(lines), origin.shape).copy()
    for scenario, line in np.argwhere(lent):
        others = np.flatnonzero(own[:, origin[scenario, line]])
        if len(others):
            lender[scenario, line] = others[random.integers(len(others))]
    return origin, np.moveaxis(errors[lender, origin], 2, 1)


def _hourly(
    history: History, levels: Levels, source: Integers, level: Floats, hours: int
) -> Floats:
    """(S, L, T): the weeks of the sources, each on its level."""
    scenarios, count, lines = source.shape
    paths = np.empty((scenarios, lines, count * WEEK))
    for line in range(lines):
        weeks, local, usable = _usable(history, levels, line)
        week = usable[source[:, :, line]]
        factor = level[:, :, line] / local[week]
        shaped = weeks[week]
        shaped *= factor[:, :, None]
        if _whole(weeks):
            np.rint(shaped, out=shaped)
        paths[:, line] = shaped.reshape(scenarios, -1)
    return paths[:, :, :hours]


def _whole(quantity: Floats) -> bool:
    """Whether a line comes in whole units only."""
    return bool((quantity == np.rint(quantity)).all())


def _usable(history: History, levels: Levels, line: int) -> tuple[Floats, Floats, Integers]:
    """The weeks of a line, the level around each, and the week that stands for each.

    A week before the line's birth, or without usage around it, has no shape: the nearest
    week that has one stands for it; of a line born within the last week, its own hours
    repeated.
    """
    weeks, local = levels.weeks[line], levels.local[line]
    n = len(weeks)
    fine = np.flatnonzero((np.arange(n) >= levels.first[line]) & (local > 0))
    if not len(fine):
        week = _repeated(history.quantity[line, history.born[line] :])
        mean = float(week.mean())
        return week[None], np.array([mean if mean > 0 else 1.0]), np.zeros(n, dtype=np.int64)
    at = np.clip(np.searchsorted(fine, np.arange(n)), 0, len(fine) - 1)
    before = np.maximum(at - 1, 0)
    nearer = np.abs(fine[before] - np.arange(n)) < np.abs(fine[at] - np.arange(n))
    return weeks, np.where(local > 0, local, 1.0), np.where(nearer, fine[before], fine[at])


def _repeated(hours: Floats) -> Floats:
    """(168,) the last whole days (or the hours there are), repeated so that they end a week."""
    if not len(hours):
        return np.zeros(WEEK)
    length = len(hours) - len(hours) % DAY or len(hours)
    return hours[len(hours) - length + (np.arange(WEEK) - WEEK) % length]
