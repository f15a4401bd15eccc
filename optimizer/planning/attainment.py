# SPDX-License-Identifier: Apache-2.0
"""What the hours of a plan attain when they are played: latency and quality, by class.

The plan is taken from its document (``gpuopt plan --detail``), the profiles from the case: the
program that made the plan has no part in it. A plan may be played on worse profiles than it was
made for: ``slower`` divides every throughput, ``errors`` takes every score down by so many of
its standard errors.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from optimizer.errors import DataError
from optimizer.planning.simulate import Asked, Attained, play_hour
from optimizer.program.route_asking import output_lengths
from optimizer.tables import Case, parse_hour

Document = Mapping[str, Any]
Bucket = tuple[float, float]
HOURS = 12  # that are played by default
MOST_REQUESTS = 30_000  # of a deployment and hour: its peak and what is around it
TOLERANCE = 1e-9


@dataclass(frozen=True)
class Stress:
    """How much worse the truth is than the profile.

    Parameters
    ----------
    slower
        Throughput is the profile's divided by it.
    errors
        Scores are lower by so many standard errors, √(q(1 − q)/n).
    """

    slower: float = 1.0
    errors: float = 0.0


@dataclass(frozen=True)
class Played:
    """The hours that were played, and what the classes attained in them.

    Parameters
    ----------
    hours
        As hours since 1970.
    latency
        By class: the share of its requests that kept its targets, the least of any hour, the
        percentile asked for, and whether all requests together kept it; classes without a
        latency target are left out.
    quality
        By class: the mean score of its requests over the horizon, what is asked, and whether
        it is kept. Of classes with a target.
    """

    hours: tuple[int, ...]
    latency: tuple[dict[str, Any], ...]
    quality: tuple[dict[str, Any], ...]

    @property
    def kept(self) -> bool:
        """Whether every latency and every quality is kept."""
        return all(row["kept"] for row in (*self.latency, *self.quality))


def play_plan(
    case: Case, document: Document, stress: Stress | None = None, hours: int = HOURS
) -> Played:
    """Play a sample of a plan's hours: the busiest ones of each deployment, and random ones.

    Raises
    ------
    DataError
        If the document has no routes and replicas by hour.
    """
    stress = stress or Stress()
    profiles = Profiles(case)
    routes = by_hour_of(document, "routes")
    replicas = {
        (hour, row["deployment"]): float(row["replicas"])
        for hour, rows in by_hour_of(document, "replicas").items()
        for row in rows
    }
    chosen = sample_of(routes, hours, case.settings.solve.seed)
    found: dict[str, list[Attained]] = defaultdict(list)
    for hour in chosen:
        pools: dict[str, list[Asked]] = defaultdict(list)
        for row in routes[hour]:
            asked = profiles.asked(row["workload"], row["deployment"], row["requests"] / 3600)
            if asked is not None:
                pools[row["deployment"]].append(asked)
        for number, (deployment, asked_of) in enumerate(sorted(pools.items())):
            seed = (case.settings.solve.seed, hour, number)
            count = replicas.get((hour, deployment), 0.0)
            for attained in play_hour(asked_of, count, seed, stress.slower, MOST_REQUESTS):
                found[attained.workload].append(attained)
    latency = tuple(
        _latency(name, found[name], profiles.percentile(name))
        for name in sorted(found)
        if profiles.has_latency(name)
    )
    return Played(tuple(chosen), latency, tuple(_quality(profiles, routes, stress.errors)))


def by_hour_of(document: Document, key: str) -> dict[int, list[Mapping[str, Any]]]:
    """Rows of a document by hour; an error where it was written without its hours."""
    rows: dict[int, list[Mapping[str, Any]]] = defaultdict(list)
    for row in document.get(key, ()):
        if "hour" not in row:
            raise DataError(
                "the plan was written without its hours",
                mend="write it again: gpuopt plan CASE --detail --json -o PLAN.json",
            )
        rows[parse_hour(row["hour"])].append(row)
    if not rows and key == "routes":
        raise DataError("the plan has no routes", mend="plan a case with workloads")
    return rows


def sample_of(
    routes: Mapping[int, Sequence[Mapping[str, Any]]], hours: int, seed: int
) -> list[int]:
    """Return the hour in which each class asks most, and others at random, in order."""
    busiest: dict[str, tuple[float, int]] = {}
    for hour, rows in routes.items():
        totals: dict[str, float] = defaultdict(float)
        for row in rows:
            totals[row["workload"]] += row["requests"]
        for name, total in totals.items():
            busiest[name] = max(busiest.get(name, (-1.0, 0)), (total, -hour))
    chosen = {-hour for _, hour in busiest.values()}
    rest = sorted(set(routes) - chosen)
    more = min(max(hours - len(chosen), 0), len(rest))
    picked = np.random.default_rng(seed).choice(len(rest), more, replace=False) if more else ()
    return sorted(chosen | {rest[int(index)] for index in picked})


def _latency(name: str, found: Sequence[Attained], percentile: float) -> dict[str, Any]:
    requests = sum(each.requests for each in found)
    lost = any(not each.requests and not each.share for each in found)  # a pool without replicas
    kept = sum(each.share * each.requests for each in found) / requests if requests else 0.0
    share = 0.0 if lost and not requests else kept
    return {
        "workload": name,
        "asked": percentile,
        "attained": share,
        "least": min(each.share for each in found),
        "least_in_ten_minutes": min(each.peak_share for each in found),
        "requests": requests,
        "kept": share >= percentile - TOLERANCE and not lost,
    }


def _quality(
    profiles: Profiles, routes: Mapping[int, Sequence[Mapping[str, Any]]], errors: float
) -> list[dict[str, Any]]:
    """Return the mean quality of each class that has a target, hour by hour and in all."""
    scored: dict[str, dict[int, tuple[float, float]]] = defaultdict(dict)
    for hour, rows in routes.items():
        for row in rows:
            score = profiles.score(row["workload"], row["deployment"], errors)
            if score is not None:
                points, total = scored[row["workload"]].get(hour, (0.0, 0.0))
                of = row["requests"]
                scored[row["workload"]][hour] = (points + score * of, total + of)
    told = []
    for name, by_hour in sorted(scored.items()):
        target = profiles.target(name)
        if math.isnan(target):
            continue
        means = [points / total for points, total in by_hour.values() if total]
        whole = sum(p for p, _ in by_hour.values()) / sum(t for _, t in by_hour.values())
        told.append(
            {
                "workload": name,
                "asked": target,
                "attained": whole,
                "least": min(means),
                "kept": min(means) >= target - 1e-6,
            }
        )
    return told


class Profiles:
    """What the case says of classes, deployments and scores, looked up by name."""

    def __init__(self, case: Case) -> None:
        self._classes: dict[str, Any] = {}
        workloads = case.table("workloads")
        for row in workloads.drop_duplicates("workload").to_dict("records"):
            self._classes[row["workload"]] = row
        tokens = ["requests", "input_tokens", "output_tokens"]
        self._totals = workloads.groupby("workload")[tokens].sum(min_count=1).to_dict("index")
        self._rows: dict[tuple[str, str], dict[Bucket | None, Any]] = defaultdict(dict)
        self._models: dict[str, str] = {}
        for row in case.table("deployments").to_dict("records"):
            bucket = (_upto(row["input_upto"]), _upto(row["output_upto"]))
            key = None if bucket == (math.inf, math.inf) else bucket
            self._rows[row["deployment"], row["workload"]].setdefault(key, row)
            self._models[row["deployment"]] = row["model"]
        self._shares: dict[str, dict[Bucket, float]] = defaultdict(dict)
        for row in case.table("lengths").to_dict("records"):
            bucket = (float(row["input_upto"]), float(row["output_upto"]))
            self._shares[row["workload"]][bucket] = row["share"]
        self._lengths = output_lengths(case)
        self._scores = {
            (row["model"], row["quality_task"]): (row["quality"], row["quality_n"])
            for row in case.table("quality").to_dict("records")
        }

    def _mean(self, workload: str, column: str) -> float:
        """Mean tokens of a request; nan where the table does not tell."""
        totals = self._totals[workload]
        requests = _number(totals["requests"])
        return _number(totals[column]) / requests if requests else math.nan

    def _profile(self, workload: str, deployment: str) -> tuple[float, float, float] | None:
        """Return requests/s, TTFT and TPOT of a class; ``None`` where there are no replicas.

        Of a deployment that is measured by token buckets the rate is that of the mix, and the
        times are those that the class's percentile of its requests keeps.
        """
        rows = self._rows.get((deployment, workload)) or self._rows.get((deployment, ""), {})
        if not rows or next(iter(rows.values()))["kind"] != "replica":
            return None
        if None in rows:
            row = rows[None]
            times = _number(row["ttft_ms"]), _number(row["tpot_ms"])
            return float(row["requests_per_second"]), *times
        means = (self._mean(workload, "input_tokens"), self._mean(workload, "output_tokens"))
        taken, first, each = 0.0, [], []
        for wanted, share in (self._shares.get(workload) or {means: 1.0}).items():
            fits = [b for b in rows if b and b[0] >= wanted[0] and b[1] >= wanted[1]]
            if not fits:
                return None  # longer than measured: the plan cannot have routed it here
            row = rows[min(fits, key=lambda b: (sum(b), b))]
            taken += share / row["requests_per_second"]
            first.append((_number(row["ttft_ms"]), share))
            each.append((_number(row["tpot_ms"]), share))
        percentile = self.percentile(workload)
        return 1 / taken, _kept_by(first, percentile), _kept_by(each, percentile)

    def asked(self, workload: str, deployment: str, per_second: float) -> Asked | None:
        """Return what a class asks of a deployment's replicas; ``None`` where it has none."""
        profile = self._profile(workload, deployment)
        if profile is None:
            return None
        asks = self._classes[workload]
        peak = _number(asks["peak_to_mean"])
        return Asked(
            workload=workload,
            per_second=per_second,
            rate=profile[0],
            ttft_ms=profile[1],
            tpot_ms=profile[2],
            output_tokens=self._mean(workload, "output_tokens"),
            ttft_target_ms=_number(asks["ttft_ms"]),
            tpot_target_ms=_number(asks["tpot_ms"]),
            percentile=self.percentile(workload),
            peak=1.0 if math.isnan(peak) else peak,
            lengths=tuple(self._lengths.get(workload, ())),
        )

    def percentile(self, workload: str) -> float:
        """Return the share of requests that must keep the latency."""
        told = _number(self._classes[workload]["percentile"])
        return 0.95 if math.isnan(told) else told

    def has_latency(self, workload: str) -> bool:
        """Whether a class has a latency target."""
        row = self._classes[workload]
        return not (math.isnan(_number(row["ttft_ms"])) and math.isnan(_number(row["tpot_ms"])))

    def target(self, workload: str) -> float:
        """Return the mean quality that a class asks for; nan without."""
        return _number(self._classes[workload]["quality_target"])

    def score(self, workload: str, deployment: str, errors: float) -> float | None:
        """Return a score, less so many standard errors; ``None`` where there is none."""
        task = self._classes[workload]["quality_task"]
        quality, answers = self._scores.get((self._models[deployment], task), (None, None))
        if quality is None:
            return None
        if not errors or answers is None:
            return float(quality)
        return max(float(quality) - errors * math.sqrt(quality * (1 - quality) / answers), 0.0)


def _kept_by(values: Sequence[tuple[float, float]], percentile: float) -> float:
    """Return the time that a share of the requests keeps."""
    reached, total = 0.0, sum(share for _, share in values)
    for value, share in sorted(values):
        reached += share
        if reached >= percentile * total - TOLERANCE:
            return value
    return math.nan


def _upto(value: Any) -> float:
    return math.inf if value is None or math.isnan(value) else float(value)


def _number(value: Any) -> float:
    return math.nan if value is None or value == "" else float(value)
