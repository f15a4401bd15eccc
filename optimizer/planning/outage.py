# SPDX-License-Identifier: Apache-2.0
"""Hours of a plan in which a zone is lost, played request by request.

The zone's spot replicas are gone from the first minute on.  What the plan's document says moves
at once does so; what waits for replicas that are started misses until they run, after
``start_minutes``.  A plan that says nothing has its lost requests spread over whatever else
answers their class in that hour.  Classes without a latency target give way.  The program that
made the plan has no part in it.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from optimizer.billing.catalogue import rows as rows_of
from optimizer.errors import DataError
from optimizer.planning.attainment import MOST_REQUESTS, Profiles, by_hour_of, sample_of
from optimizer.planning.simulate import Asked, play_hour
from optimizer.tables import Case, parse_hour

Document = Mapping[str, Any]
HOURS = 6  # that are played by default
TOLERANCE = 1e-9


@dataclass(frozen=True)
class Outage:
    """What critical classes attain in the hours of a loss.

    ``rows``: by class the share of its requests in all hours that kept their targets, the
    least share of any hour, the percentile asked for, and whether it was kept.
    """

    zone: str
    rows: tuple[dict[str, Any], ...]

    @property
    def kept(self) -> bool:
        """Whether every class kept its latency."""
        return all(row["kept"] for row in self.rows)


@dataclass
class _Answer:
    """Requests of one class at one deployment: at once, and after the start."""

    at_once: float = 0.0
    late: float = 0.0


def play_loss(case: Case, document: Document, zone: str, hours: int = HOURS) -> Outage:
    """Play some hours of a plan, each with the spot replicas of a zone lost at its beginning.

    Parameters
    ----------
    document
        The plan's, with its hours (``--detail``).

    Raises
    ------
    DataError
        If no spot deployment is in the zone, or the document has no hours.
    """
    gone = lost_with(case, zone)
    profiles = Profiles(case)
    routes, replicas = by_hour_of(document, "routes"), by_hour_of(document, "replicas")
    told = _told(document, zone)
    found: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for hour in sample_of(routes, hours, case.settings.solve.seed):
        answers = _answers(profiles, routes[hour], gone, told.get(hour, ()), document)
        running = {row["deployment"]: float(row["replicas"]) for row in replicas.get(hour, ())}
        started = _started(document, zone, hour)
        attained = _play(case, profiles, answers, running, started, hour)
        for workload, requests in _asked(profiles, routes[hour]).items():
            found[workload].append((attained.get(workload, 0.0), requests))
    rows = []
    for workload, of_hours in sorted(found.items()):
        percentile = profiles.percentile(workload)
        share = sum(kept for kept, _ in of_hours) / sum(asked for _, asked in of_hours)
        rows.append(
            {
                "workload": workload,
                "asked": percentile,
                "attained": share,
                "least": min(kept / asked for kept, asked in of_hours),
                "hours": len(of_hours),
                "kept": share >= percentile - TOLERANCE,
            }
        )
    return Outage(zone, tuple(rows))


def lost_with(case: Case, zone: str) -> frozenset[str]:
    """Spot deployments with capacity in a zone, or somewhere in its region that is not told."""
    meters: dict[str, dict[str, Any]] = {row["meter"]: row for row in rows_of(case, "meters")}
    regions = {(row["provider"], row["region"]) for row in meters.values() if zone in _words(row)}
    found = set()
    for row in case.table("deployments").to_dict("records"):
        meter = meters[row["meter"]]
        place = (meter["provider"], meter["region"])
        inside = zone in _words(meter) or (not meter["zone"] and place in regions)
        alone = not meter["zone"] and zone in (*place, "/".join(place))
        if row["capacity"] == "spot" and (inside or alone):
            found.add(row["deployment"])
    if not found:
        raise DataError(
            f"no deployment runs on spot in zone '{zone}'",
            mend="name the zone of a spot deployment's meter",
            file=case.file("meters"),
            column="zone",
        )
    return frozenset(found)


def _words(meter: Mapping[str, Any]) -> tuple[str, ...]:
    """What a plan may call the zone of a meter: where zones share a name, with their region."""
    zone, region = meter["zone"], meter["region"] or ""
    if not zone:
        return ()
    return zone, f"{region}/{zone}", f"{meter['provider'] or ''}/{region}/{zone}"


def _asked(profiles: Profiles, rows: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    asked: dict[str, float] = defaultdict(float)
    for row in rows:
        if profiles.has_latency(row["workload"]):
            asked[row["workload"]] += row["requests"]
    return asked


def _told(document: Document, zone: str) -> dict[int, list[Mapping[str, Any]]]:
    """What the plan says of the loss of a zone, by hour."""
    found: dict[int, list[Mapping[str, Any]]] = defaultdict(list)
    for row in document.get("zone_routes", ()):
        if row["zone"] == zone:
            found[parse_hour(row["hour"])].append(row)
    return found


def _started(document: Document, zone: str, hour: int) -> dict[str, float]:
    return {
        row["deployment"]: float(row["started"])
        for row in document.get("zone_replicas", ())
        if row["zone"] == zone and parse_hour(row["hour"]) == hour
    }


def _answers(
    profiles: Profiles,
    rows: Sequence[Mapping[str, Any]],
    gone: frozenset[str],
    told: Sequence[Mapping[str, Any]],
    document: Document,
) -> dict[tuple[str, str], _Answer]:
    """Requests of critical classes by class and deployment, once the zone is lost."""
    answers: dict[tuple[str, str], _Answer] = defaultdict(_Answer)
    lost: dict[str, float] = defaultdict(float)
    for row in rows:
        if not profiles.has_latency(row["workload"]):
            continue
        if row["deployment"] in gone:
            lost[row["workload"]] += row["requests"]
        else:
            answers[row["workload"], row["deployment"]].at_once += row["requests"]
    if "zone_routes" in document:
        for row in told:
            answer = answers[row["workload"], row["deployment"]]
            answer.at_once += row["requests"]
            answer.late += row["late"]
        return answers
    for workload, requests in lost.items():
        left = {key: a.at_once for key, a in answers.items() if key[0] == workload and a.at_once}
        for key, share in left.items():
            answers[key].at_once += requests * share / sum(left.values())
    return answers


def _play(
    case: Case,
    profiles: Profiles,
    answers: Mapping[tuple[str, str], _Answer],
    running: Mapping[str, float],
    started: Mapping[str, float],
    hour: int,
) -> dict[str, float]:
    """Requests of each class that keep their targets: before the start, and after it."""
    attained: dict[str, float] = defaultdict(float)
    starts = start_hours(case)
    names = sorted({deployment for _, deployment in answers})
    for number, name in enumerate(names):
        own = {w: answer for (w, d), answer in answers.items() if d == name}
        whole = {w: answer.at_once + answer.late for w, answer in own.items()}
        wait = min(1.0, starts[name]) if started.get(name) else 0.0
        phases = (
            (wait, {w: a.at_once for w, a in own.items()}, running.get(name, 0.0)),
            (1.0 - wait, whole, running.get(name, 0.0) + started.get(name, 0.0)),
        )
        for phase, (span, requests, count) in enumerate(phases):
            if not span:
                continue
            asked = [_of(profiles, w, name, amount) for w, amount in sorted(requests.items())]
            pools = [each for each in asked if each is not None and each.per_second > 0]
            if not pools:  # an API, or provisioned units: taken at the table's latencies
                for workload, amount in requests.items():
                    attained[workload] += span * amount
                continue
            seed = (case.settings.solve.seed, hour, number, phase)
            for each in play_hour(pools, count, seed, 1.0, MOST_REQUESTS):
                attained[each.workload] += span * each.share * requests[each.workload]
    return attained


def _of(profiles: Profiles, workload: str, deployment: str, requests: float) -> Asked | None:
    return profiles.asked(workload, deployment, requests / 3600)


def start_hours(case: Case) -> dict[str, float]:
    """Hours until a replica answers, by deployment."""
    found: dict[str, float] = defaultdict(float)
    for row in case.table("deployments").to_dict("records"):
        minutes = row["start_minutes"]
        # One of a deployment's rows may say it for all.
        if not (minutes is None or minutes == "" or math.isnan(float(minutes))):
            found.setdefault(row["deployment"], float(minutes) / 60)
    return found
