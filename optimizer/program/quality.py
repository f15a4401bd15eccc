# SPDX-License-Identifier: Apache-2.0
"""How well each deployment answers each class: scores, taken at a lower confidence bound.

An optimiser that compares measured scores picks the luckiest one. So a score counts at its
one-sided lower bound after Clopper and Pearson ("The use of confidence or fiducial limits
illustrated in the case of the binomial", Biometrika 26, 1934), at the level
(1 − ``risk.quality_confidence``) ÷ (classes × deployments): by Bonferroni's inequality all
bounds of a case hold at once with the confidence asked for, whichever the optimiser picks.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from optimizer.errors import DataError
from optimizer.tables import Case

Pair = tuple[str, str]
"""A request class (``workload``) and a deployment."""

_TINY = 1e-300
_PRECISION = 1e-13


@dataclass(frozen=True)
class Scores:
    """The quality of every pair that may be routed.

    Parameters
    ----------
    bound
        What counts: the lower confidence bound, or the mean where no confidence is asked for.
    mean
        The measured score, a share between 0 and 1.
    level
        The chance that one bound may be above the truth; 0.5 or more never occurs, 1 stands
        for "means are taken".
    """

    bound: dict[Pair, float]
    mean: dict[Pair, float]
    level: float


def score_pairs(case: Case, pairs: Collection[Pair] | None = None) -> Scores:
    """Return the scores of the pairs whose class is judged by quality.

    A class is judged where it has a ``quality_floor`` or ``quality_target``, or where
    ``limits.quality_average`` is set; pairs of other classes are left out.

    Parameters
    ----------
    pairs
        What may be routed; ``None``: every class to every deployment that has a row for it
        and whose model it does not deny. Their number does not change the level.

    Raises
    ------
    DataError
        A judged class without ``quality_task``, a model without a score on it, or a score
        without ``quality_n`` where confidence is asked for: by row.
    """
    tasks = _tasks(case)
    scores = _measured(case)
    deployments = _models(case)
    confidence = case.settings.risk.quality_confidence
    classes = len(set(case.table("workloads")["workload"]))
    level = 1.0 if confidence == 0 else (1 - confidence) / max(classes * len(deployments), 1)
    bound: dict[Pair, float] = {}
    mean: dict[Pair, float] = {}
    for workload, deployment in sorted(set(_eligible(case) if pairs is None else pairs)):
        if workload not in tasks:
            continue
        model, row = deployments[deployment]
        task = tasks[workload]
        if (model, task) not in scores:
            raise DataError(
                f"quality has no score of model '{model}' on task '{task}', by which class "
                f"'{workload}' is judged",
                mend=f"add a row with the model, the task, its score and quality_n to "
                f"{case.file('quality')}, or put the model into deny_models of '{workload}'",
                file=case.file("deployments"),
                row=row,
                column="model",
            )
        score = scores[model, task]
        mean[workload, deployment] = score.quality
        bound[workload, deployment] = (
            score.quality if confidence == 0 else _bounded(case, score, level)
        )
    return Scores(bound=bound, mean=mean, level=level)


@dataclass(frozen=True)
class _Score:
    row: int
    quality: float
    answers: int | None


def _bounded(case: Case, score: _Score, level: float) -> float:
    if score.answers is None:
        raise DataError(
            "the score has no quality_n, so that no confidence bound can be told",
            mend="add how many answers were judged, or set [risk] quality_confidence = 0 to take "
            "scores as they are",
            file=case.file("quality"),
            row=score.row,
            column="quality_n",
        )
    return clopper_pearson_lower(score.quality, score.answers, level)


def _tasks(case: Case) -> dict[str, str]:
    """Return the task of each class that is judged."""
    everyone = case.settings.limits.quality_average is not None
    table = case.table("workloads")
    tasks: dict[str, str] = {}
    for row, name, task, floor, target in zip(
        table.index,
        table["workload"],
        table["quality_task"],
        table["quality_floor"],
        table["quality_target"],
        strict=True,
    ):
        if name in tasks or (math.isnan(floor) and math.isnan(target) and not everyone):
            continue
        if not task:
            raise DataError(
                f"class '{name}' is to reach a quality, but no task tells how to judge it",
                mend="name the quality_task, or take quality_floor, quality_target and "
                "limits.quality_average out",
                file=case.file("workloads"),
                row=int(row),
                column="quality_task",
            )
        tasks[name] = task
    return tasks


def _measured(case: Case) -> dict[Pair, _Score]:
    table = case.table("quality")
    return {
        (model, task): _Score(int(row), float(quality), answers)
        for row, model, task, quality, answers in zip(
            table.index,
            table["model"],
            table["quality_task"],
            table["quality"],
            table["quality_n"],
            strict=True,
        )
    }


def _models(case: Case) -> dict[str, tuple[str, int]]:
    """Return the model of each deployment and the first row that names it."""
    table = case.table("deployments")
    found: dict[str, tuple[str, int]] = {}
    for row, name, model in zip(table.index, table["deployment"], table["model"], strict=True):
        found.setdefault(name, (model, int(row)))
    return found


def _eligible(case: Case) -> Iterator[Pair]:
    denied: dict[str, frozenset[str]] = {}
    workloads = case.table("workloads")
    for name, models in zip(workloads["workload"], workloads["deny_models"], strict=True):
        denied[name] = denied.get(name, frozenset()) | frozenset(models)
    table: Any = case.table("deployments")
    for name, model, only in zip(
        table["deployment"], table["model"], table["workload"], strict=True
    ):
        for workload, refused in denied.items():
            if only in ("", workload) and model not in refused:
                yield workload, name


@lru_cache(maxsize=4096)
def clopper_pearson_lower(quality: float, answers: int, level: float) -> float:
    """Return the one-sided lower bound of a share of right answers.

    The level-quantile of the beta distribution with parameters k and n − k + 1, k = quality·n
    right ones of n. Published scores are rounded, so that k need not be whole: between two
    whole numbers the quantile is continuous and rising.

    Parameters
    ----------
    quality
        The measured share, 0 to 1.
    answers
        n, how many were judged; at least 1.
    level
        The chance that the bound may be above the truth, 0 to 1; at 0 it is 0.

    Returns
    -------
    float
        At most ``quality`` for any level below about a half.
    """
    if not 0.0 <= quality <= 1.0 or answers < 1 or not 0.0 <= level <= 1.0:
        msg = f"no share of answers at a level: {quality!r} of {answers!r} at {level!r}"
        raise ValueError(msg)
    right = quality * answers
    if right <= 0.0 or level <= 0.0:
        return 0.0
    return beta_quantile(level, right, answers - right + 1.0)


def beta_quantile(share: float, a: float, b: float) -> float:
    """Return x with I(x; a, b) = share, by Newton's steps kept within a bisection.

    Parameters
    ----------
    share
        Between 0 and 1.
    a, b
        The parameters of the beta distribution, above 0.
    """
    if share >= 1.0:
        return 1.0
    low, high = 0.0, 1.0
    x = a / (a + b)
    for _ in range(200):
        error = beta_share(x, a, b) - share
        if error > 0.0:
            high = x
        else:
            low = x
        if high - low <= _PRECISION * high:
            break
        slope = math.exp((a - 1.0) * math.log(x) + (b - 1.0) * math.log1p(-x) - _log_beta(a, b))
        step = x - error / slope if slope > _TINY else low
        if abs(step - x) <= _PRECISION * x and low < step < high:
            return step
        x = step if low < step < high else (low + high) / 2.0
    return low


def beta_share(x: float, a: float, b: float) -> float:
    """Return the regularised incomplete beta function I(x; a, b).

    By its continued fraction (DLMF 8.17.22), which converges fast below the mean; above it
    the symmetry I(x; a, b) = 1 − I(1 − x; b, a) is used.
    """
    if x <= 0.0:
        return 0.0
    if x >= 1.0:
        return 1.0
    front = math.exp(a * math.log(x) + b * math.log1p(-x) - _log_beta(a, b))
    if x < (a + 1.0) / (a + b + 2.0):
        return front * _fraction(x, a, b) / a
    return 1.0 - front * _fraction(1.0 - x, b, a) / b


def _log_beta(a: float, b: float) -> float:
    return math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b)


def _fraction(x: float, a: float, b: float) -> float:
    """Evaluate the continued fraction by Lentz's method."""
    numerator, denominator = 1.0, 1.0 / _away(1.0 - (a + b) * x / (a + 1.0))
    value = denominator
    for m in range(1, 100_000):
        even = m * (b - m) * x / ((a + 2 * m - 1.0) * (a + 2 * m))
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1.0))
        for term in (even, odd):
            denominator = 1.0 / _away(1.0 + term * denominator)
            numerator = _away(1.0 + term / numerator)
            factor = numerator * denominator
            value *= factor
        if abs(factor - 1.0) < 1e-15:
            break
    return value


def _away(value: float) -> float:
    """Keep a divisor away from zero."""
    return value if abs(value) > _TINY else _TINY
