# SPDX-License-Identifier: Apache-2.0
"""The frontier of cost, quality and latency: what one more point of either costs.

By the ε-constraint method (Y. Haimes, L. Lasdon, D. Wismer, 1971): cost is minimised at each of
some levels of average quality (``limits.quality_average``, over all traffic) and latency (the
classes' TTFT and TPOT times a factor). Of the plans found those that another one beats in all
three are marked: what is left is the efficient set.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd

from optimizer.billing.bill import exact
from optimizer.errors import DataError
from optimizer.planning.document import head
from optimizer.program.quality import score_pairs
from optimizer.tables import Case
from optimizer.tables.schema import TABLES

MOST_POINTS = 50
ALIKE = 1e-5  # plans that differ by less, in cost relative, are no better than each other
Plans = Callable[[Case], Mapping[str, Any]]
"""Returns the document of a case's plan; of an infeasible case with that status."""


@dataclass(frozen=True)
class Point:
    """A plan at one level of quality and latency.

    Parameters
    ----------
    asked
        The average quality asked for; ``None``: none but the classes' own.
    quality
        The average quality of its routes, at the bounds that plans count.
    latency
        The factor on every TTFT and TPOT target.
    cost
        The plan's objective; infinite where there is no plan.
    document
        The plan, or what proves that there is none.
    efficient
        Whether no other point has less cost, no less quality and no more latency.
    """

    asked: float | None
    quality: float
    latency: float
    cost: float
    document: Mapping[str, Any]
    efficient: bool = True

    @property
    def feasible(self) -> bool:
        """Whether there is a plan."""
        return math.isfinite(self.cost)


def frontier(
    case: Case,
    plans: Plans,
    levels: int = 5,
    factors: Sequence[float] = (1.0,),
    progress: Callable[[str], None] = lambda _: None,
) -> list[Point]:
    """Return the points, by latency and then by quality.

    At each latency the first plan asks for no average; the others for levels at even steps from
    the quality that it has to the best that any routing has.

    Raises
    ------
    DataError
        If the case has no workloads; or a class without a quality task or score, by row.
    """
    case.require("workloads", "deployments", "quality")
    if not levels >= 1 or levels * len(factors) > MOST_POINTS or not factors:
        msg = f"a frontier has 1 to {MOST_POINTS} points, not {levels} × {len(factors)}"
        raise DataError(msg, mend="ask for fewer levels or latencies")
    judged = asking(case, average=0.0)
    bounds = score_pairs(judged).bound
    points: list[Point] = []
    for factor in sorted(factors):
        own = faster(case, factor)
        points.append(_point(own, None, factor, bounds, plans, progress))
        start = points[-1]
        best = best_quality(case, bounds)
        if not start.feasible or best <= start.quality:
            continue
        for step in range(1, levels):
            # The very best is a vertex that rounding may miss: a hair below it.
            asked = start.quality + (best - start.quality) * (step / (levels - 1)) * (1 - 1e-6)
            made = _point(asking(own, asked), asked, factor, bounds, plans, progress)
            points.append(made)
    return mark_efficient(points)


def _point(
    case: Case,
    asked: float | None,
    factor: float,
    bounds: Mapping[tuple[str, str], float],
    plans: Plans,
    progress: Callable[[str], None],
) -> Point:
    words = "as the classes ask" if asked is None else f"at least {asked:.4f}"
    progress(f"quality {words}, latency × {factor:g}")
    document = plans(case)
    if document["status"] == "infeasible":
        return Point(asked, math.nan, factor, math.inf, document)
    quality = average_quality(case, document, bounds)
    return Point(asked, quality, factor, float(document["objective"]), document)


def average_quality(
    case: Case, document: Mapping[str, Any], bounds: Mapping[tuple[str, str], float]
) -> float:
    """Return the average quality of a plan's routes: by weight × requests."""
    weights = _weights(case)
    points = total = 0.0
    for row in document["routes"]:
        counted = weights[row["workload"]] * float(row["requests"])
        points += counted * bounds[row["workload"], row["deployment"]]
        total += counted
    return points / total if total else math.nan


def best_quality(case: Case, bounds: Mapping[tuple[str, str], float]) -> float:
    """Return an upper limit of the average: every class at its best score."""
    table, weights = case.table("workloads"), _weights(case)
    requests = table.groupby("workload")["requests"].sum()
    best = {
        name: max((q for (workload, _), q in bounds.items() if workload == name), default=0.0)
        for name in weights
    }
    counted = {name: weights[name] * float(requests[name]) for name in weights}
    total = sum(counted.values())
    return sum(counted[name] * best[name] for name in weights) / total if total else 0.0


def _weights(case: Case) -> dict[str, float]:
    table = case.table("workloads")
    return {
        name: 1.0 if math.isnan(weight) else weight
        for name, weight in zip(table["workload"], table["weight"], strict=True)
    }


def mark_efficient(points: Sequence[Point]) -> list[Point]:
    """Return the points, each with whether no other one beats it."""
    return [
        replace(each, efficient=each.feasible and not any(_beats(o, each) for o in points))
        for each in points
    ]


def _beats(one: Point, other: Point) -> bool:
    """Whether one is no worse in all three and better in one: by more than plans are rounded."""
    if not one.feasible:
        return False
    better = (
        (other.cost - one.cost) / max(abs(other.cost), 1e-300),
        one.quality - other.quality,
        other.latency - one.latency,
    )
    return min(better) >= -ALIKE and max(better) > ALIKE


def asking(case: Case, average: float) -> Case:
    """Return the case with an average quality of all traffic to reach."""
    limits = replace(case.settings.limits, quality_average=average)
    settings = replace(case.settings, limits=limits)
    return replace(case, settings=settings, snapshot=_named(case, {"quality_average": average}))


def faster(case: Case, factor: float) -> Case:
    """Return the case with every TTFT and TPOT target times a factor."""
    if factor == 1.0:
        return case
    table = case.table("workloads")
    for column in ("ttft_ms", "tpot_ms"):
        cells = [value if _absent(value) else value * factor for value in table[column]]
        table[column] = pd.Series(cells, index=table.index, dtype=object)
    frames = {name: case.table(name) for name in TABLES if name != "usage" and case.has(name)} | {
        "workloads": table
    }
    return replace(case, _frames=frames, snapshot=_named(case, {"latency": factor}))


def _absent(value: Any) -> bool:
    return value is None or value == "" or math.isnan(value)


def _named(case: Case, change: Mapping[str, float]) -> str:
    """A case with a change is another snapshot, of the same name whenever it is made."""
    text = f"{case.snapshot}\n{json.dumps(change)}"
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


def frontier_document(case: Case, points: Sequence[Point]) -> dict[str, Any]:
    """Return the document of ``gpuopt frontier``: a row for each point, with its plan.

    ``price_of_a_point`` is what quality costs between an efficient point and the one before it
    of the same latency, in money per hundredth of average quality.
    """
    rows: list[dict[str, Any]] = []
    before: dict[float, Point] = {}
    for each in points:
        row: dict[str, Any] = {
            "quality_asked": each.asked,
            "latency": each.latency,
            "status": each.document["status"],
            "efficient": each.efficient,
        }
        if each.feasible:
            row |= {"quality": each.quality}
            row |= {key: each.document[key] for key in ("total", "objective", "lower_bound", "gap")}
            last = before.get(each.latency)
            gained = each.quality - last.quality if last else 0.0
            if last and each.efficient and gained > 0:
                row["price_of_a_point"] = exact((each.cost - last.cost) / gained / 100)
            if each.efficient:
                before[each.latency] = each
        rows.append(row | {"plan": each.document})
    return {**head(case), "horizon_hours": case.settings.horizon_hours, "frontier": rows}
