# SPDX-License-Identifier: Apache-2.0
"""Events that may happen, put into a few futures so that their odds come out exactly."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

TRIES = 64
_EXACT = 1e-13
_NEWTON = 60
_FAR = 50.0  # a multiplier beyond this: the odds of some future tend to zero


@dataclass(frozen=True)
class Choice:
    """One thing that turns out in one of several ways; the odds are positive and add up to 1."""

    name: str
    outcomes: tuple[str, ...]
    odds: tuple[float, ...]


def every_outcome(choices: Sequence[Choice]) -> tuple[Integers, Floats]:
    """(C, E) outcomes of all combinations, and (C,) their odds: the choices are independent."""
    rows = list(product(*(range(len(choice.odds)) for choice in choices)))
    outcomes = np.array(rows, dtype=np.int64).reshape(len(rows), len(choices))
    odds = np.ones(len(rows))
    for e, choice in enumerate(choices):
        odds *= np.array(choice.odds)[outcomes[:, e]]
    return outcomes, odds / odds.sum()


def least_futures(choices: Sequence[Choice]) -> int:
    """Futures that are needed for every outcome to be in one."""
    return max((len(choice.odds) for choice in choices), default=1)


def drawn_outcomes(choices: Sequence[Choice], effect: Floats, seed: int) -> tuple[Integers, Floats]:
    """Put outcomes into futures whose demand is already drawn.

    Each outcome is in a number of futures that is nearest to its odds, at least in one.  Of
    several random arrangements the one is taken in which the choices depend least on each
    other and on the demand.  The odds of the futures are then raked (Deming and Stephan
    1940) so that those of every outcome are exactly as stated.

    Parameters
    ----------
    choices
        E choices.
    effect
        (S,) how much demand each future has; S is at least ``least_futures``.
    seed
        The same arguments give the same arrangement.

    Returns
    -------
    tuple
        (S, E) outcomes and (S,) odds of the futures, positive, adding up to 1.

    Raises
    ------
    ValueError
        If no arrangement was found that can have all the odds.
    """
    futures = len(effect)
    if not choices:
        return np.zeros((futures, 0), dtype=np.int64), np.full(futures, 1.0 / futures)
    random = np.random.default_rng([seed, 1])
    rank = np.argsort(np.argsort(effect, kind="stable"), kind="stable").astype(np.float64)
    decks = [np.repeat(np.arange(len(c.odds)), _counts(c.odds, futures)) for c in choices]
    ranked = []
    for number in range(TRIES):
        outcomes = np.stack([random.permutation(deck) for deck in decks], axis=1)
        columns, _ = _columns(choices, outcomes)
        ranked.append((_dependence(np.column_stack([rank, columns])), number, outcomes))
    for _, _, outcomes in sorted(ranked, key=lambda item: item[:2]):
        odds = _raked(*_columns(choices, outcomes))
        if odds is not None:
            return outcomes, odds
    msg = f"no arrangement of {len(choices)} choices in {futures} futures has their odds"
    raise ValueError(msg)


def _counts(odds: Sequence[float], futures: int) -> Integers:
    """Number of futures of each outcome: largest remainders, at least one each."""
    wanted = np.array(odds) * futures
    counts: Integers = np.maximum(np.floor(wanted), 1).astype(np.int64)
    while counts.sum() != futures:
        if counts.sum() < futures:
            counts[np.argmax(wanted - counts)] += 1
        else:
            counts[np.argmax(np.where(counts > 1, counts - wanted, -np.inf))] -= 1
    return counts


def _columns(choices: Sequence[Choice], outcomes: Integers) -> tuple[Floats, Floats]:
    """(S, M) whether each outcome but the first of each choice is there, and (M,) their odds."""
    columns = [
        outcomes[:, e] == i for e, choice in enumerate(choices) for i in range(1, len(choice.odds))
    ]
    wanted = [odds for choice in choices for odds in choice.odds[1:]]
    return np.stack(columns, axis=1).astype(np.float64), np.array(wanted)


def _raked(columns: Floats, wanted: Floats) -> Floats | None:
    """(S,) odds of the futures, as even as may be, by which every outcome has its own.

    The odds of greatest entropy are exp(columns·λ), normalised; λ by Newton's method on
    the convex dual log Σ exp(columns·λ) − wanted·λ.  ``None`` where there are no such odds.
    """
    multiplier = np.zeros(len(wanted))
    value, odds = _dual(columns, wanted, multiplier)
    for _ in range(_NEWTON):
        slope = odds @ columns - wanted
        if np.abs(slope).max() < _EXACT:
            return odds
        centred = columns - odds @ columns
        curve = (centred * odds[:, None]).T @ centred
        step = np.linalg.lstsq(curve, -slope, rcond=1e-13)[0]
        size = 1.0
        while size > 1e-4:
            trial, found = _dual(columns, wanted, multiplier + size * step)
            if trial <= value + 1e-4 * size * float(slope @ step) + 1e-15:
                break
            size /= 2
        multiplier = multiplier + size * step
        if np.abs(multiplier).max() > _FAR:
            return None
        value, odds = trial, found
    return None


def _dual(columns: Floats, wanted: Floats, multiplier: Floats) -> tuple[float, Floats]:
    power = columns @ multiplier
    top = float(power.max())
    weight = np.exp(power - top)
    total = float(weight.sum())
    return top + float(np.log(total)) - float(wanted @ multiplier), np.asarray(weight / total)


def _dependence(columns: Floats) -> float:
    """Sum of the squared correlations between the columns of (S, M)."""
    centred = columns - columns.mean(axis=0)
    spread = centred.T @ centred
    scale = np.sqrt(np.maximum(np.diag(spread), 1e-300))
    return float(np.sum(np.triu(spread / np.outer(scale, scale), 1) ** 2))
