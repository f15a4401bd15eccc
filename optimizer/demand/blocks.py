# SPDX-License-Identifier: Apache-2.0
"""Paths out of blocks of weeks: errors of the level in whole blocks, on the weeks they are of."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from optimizer.demand.history import History
from optimizer.demand.horizon import DAY, WEEK
from optimizer.demand.levels import MOST_RATIO, Levels

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Flags = NDArray[np.bool_]

RECENT = 52.0  # weeks after which an origin is drawn half as often
OWN_ORIGINS = 8  # fewer than these, and a line's errors are taken from other lines


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
    errors = _centred(levels.errors[:, :choices, :], own, odds)
    effect = np.einsum("l,lo->o", levels.now, errors[:, :, -1])
    source = np.empty((scenarios, count, lines), dtype=np.int64)
    level = np.empty((scenarios, count, lines))
    most = MOST_RATIO * np.maximum(levels.now, levels.floor)
    reached = np.broadcast_to(levels.now, (scenarios, lines))
    for begin in range(0, count, block):
        size = min(block, count - begin)
        chosen = _stratified(odds, effect, scenarios, random)
        origin, error = _errors(errors, own, chosen, odds, random)
        lead = begin + np.arange(1, size + 1)
        spread = np.sqrt(1.0 + (begin + lead) / n)  # the drift is known no better than that
        expected = course[begin : begin + size] - (course[begin - 1] if begin else 0.0)
        moved = expected + error[:, :size, :] * spread[:, None]
        # Growth beyond twice today's level goes on by amounts, no longer by rates.
        scale = np.minimum(np.maximum(reached, levels.floor), most)
        level[:, begin : begin + size] = np.maximum(reached[:, None] + scale[:, None] * moved, 0.0)
        source[:, begin : begin + size] = origin[:, None, :] + 1 + np.arange(size)[:, None]
        reached = level[:, begin + size - 1]
    return source, level


def _own(errors: Floats) -> Flags:
    """(L, O) whether a line has an error of its own at an origin, and enough of them to judge."""
    own = np.asarray(np.isfinite(errors).all(axis=2))
    count = own.sum(axis=1)
    enough = count >= min(OWN_ORIGINS, int(count.max(initial=0)))
    return np.asarray(own & enough[:, None])


def _centred(errors: Floats, own: Flags, odds: Floats) -> Floats:
    """Errors without their mean: of the trend, only what is not doubted is believed."""
    weight = own * odds
    total = np.maximum(weight.sum(axis=1), 1e-300)[:, None]
    known = np.where(own[:, :, None], errors, 0.0)
    mean = np.einsum("lo,lok->lk", weight, known) / total
    return np.where(own[:, :, None], errors - mean[:, None, :], 0.0)


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

    All lines take the chosen origin.  A line that was not yet born then takes another
    origin of its own; one that has too few, the error of another line at the chosen one.
    """
    lines = len(errors)
    origin = np.repeat(chosen[:, None], lines, axis=1)
    donor = np.broadcast_to(np.arange(lines), origin.shape).copy()
    for line in range(lines):
        lacking = np.flatnonzero(~own[line, chosen])
        if not len(lacking):
            continue
        known = np.flatnonzero(own[line])
        if len(known):
            share = odds[known] / odds[known].sum()
            origin[lacking, line] = random.choice(known, len(lacking), p=share)
            continue
        for scenario in lacking:
            others = np.flatnonzero(own[:, chosen[scenario]])
            if len(others):
                donor[scenario, line] = others[random.integers(len(others))]
    return origin, np.moveaxis(errors[donor, origin], 2, 1)


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
