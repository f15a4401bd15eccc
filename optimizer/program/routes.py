# SPDX-License-Identifier: Apache-2.0
"""From ``workloads``, ``deployments``, ``lengths`` and ``quality`` to streams and routes.

A deployment's row for a stream is the one of its class, else that of its token bucket, else
the one for all.  A class in ``lengths`` is one stream per bucket; else its mean lengths pick
the bucket of deployments that are measured by buckets.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from optimizer.billing.catalogue import Catalogue, rows
from optimizer.demand.requests import RequestClass, Requests
from optimizer.errors import DataError
from optimizer.program.quality import Pair, score_pairs
from optimizer.program.route_asking import TIMES, Served, asking
from optimizer.program.route_queue import all_with_headroom
from optimizer.program.routing import SECONDS, Deployment, Missed, Route, Routing, Stream
from optimizer.program.zones import Zone, zones_of
from optimizer.tables import Case

# Shares of a class's lengths are decimals, rounded: their sum may be off by this.
SUM_OF_SHARES = 1e-4

Row = dict[str, Any]


@dataclass(frozen=True)
class _Profile:
    """The rows of one deployment for one class, bucket, or all."""

    workload: str
    bucket: tuple[int, int] | None
    rows: tuple[Row, ...]

    def scalar(self, name: str) -> float:
        """A scalar that agrees over the rows; nan where none states it."""
        values = [float(row[name]) for row in self.rows if not _absent(row[name])]
        return values[0] if values else float("nan")


def read_routing(case: Case, catalogue: Catalogue, requests: Requests) -> Routing:
    """Build the streams and routes of a case.

    Raises
    ------
    DataError
        By row, where a table contradicts itself or lacks what a route needs.
    """
    profiles = _profiles(case)
    names = sorted(profiles)
    lines: dict[tuple[str, bool], int] = {}
    deployments = tuple(_deployment(case, catalogue, name, profiles[name], lines) for name in names)
    streams = _streams(case, requests, profiles)
    classes = {each.name: each for each in requests.classes}
    facts = _places(case)
    found: list[tuple[int, int, _Profile]] = []
    missed: list[Missed] = []
    barred: list[Route] = []
    for s, stream in enumerate(streams):
        asks = classes[stream.workload]
        for d, deployment in enumerate(deployments):
            profile = _profile_for(case, profiles[deployment.name], stream, asks)
            if profile is None:
                missed.append(_no_profile(stream, deployment, profiles[deployment.name]))
                continue
            reasons = _misses(asks, deployment, profile, facts)
            missed += reasons
            if reasons:
                barred.append(_route(case, s, d, deployment, stream, profile, math.nan, lines))
            else:
                found.append((s, d, profile))
    pairs: set[Pair] = {(streams[s].workload, deployments[d].name) for s, d, _ in found}
    scores = score_pairs(case, pairs)
    routes = []
    for s, d, profile in found:
        stream, deployment = streams[s], deployments[d]
        quality = scores.bound.get((stream.workload, deployment.name), math.nan)
        floor = classes[stream.workload].number("quality_floor", math.nan)
        if quality < floor:
            missed.append(Missed(stream.workload, deployment.name, "quality_floor", floor, quality))
            barred.append(_route(case, s, d, deployment, stream, profile, quality, lines))
            continue
        routes.append(_route(case, s, d, deployment, stream, profile, quality, lines))
    if case.settings.risk.queueing == "mgc":
        served = [
            Served(d, classes[streams[s].workload], streams[s].bucket, *map(profile.scalar, TIMES))
            for s, d, profile in found
        ]
        deployments = all_with_headroom(deployments, asking(case, served))
    limits = case.settings.limits
    return Routing(
        streams=tuple(streams),
        deployments=deployments,
        routes=tuple(routes),
        meters=tuple(meter for meter, _ in lines),
        spot_lines=tuple(spot for _, spot in lines),
        average=math.nan if limits.quality_average is None else limits.quality_average,
        zones=_zones(case, profiles, deployments, streams, routes),
        barred=tuple(barred),
        missed=tuple(dict.fromkeys(missed)),
    )


def _zones(
    case: Case,
    profiles: dict[str, list[_Profile]],
    deployments: tuple[Deployment, ...],
    streams: list[Stream],
    routes: list[Route],
) -> tuple[Zone, ...]:
    """Zones whose loss has to be survived, if that is asked for."""
    if not case.settings.limits.survive_zone_loss:
        return ()
    return zones_of(
        case,
        [{row["meter"] for p in profiles[d.name] for row in p.rows} for d in deployments],
        [d.spot for d in deployments],
        [route.deployment for route in routes if streams[route.stream].critical],
    )


def _profiles(case: Case) -> dict[str, list[_Profile]]:
    """Rows of each deployment by what they are for."""
    groups: dict[str, dict[tuple[Any, ...], list[Row]]] = {}
    for row in rows(case, "deployments"):
        bucket = None
        if not (_absent(row["input_upto"]) and _absent(row["output_upto"])):
            most = 2**62  # a bucket that is open to one side
            bucket = tuple(
                most if _absent(row[side]) else int(row[side])
                for side in ("input_upto", "output_upto")
            )
        key = (row["workload"] or "", bucket)
        groups.setdefault(row["deployment"], {}).setdefault(key, []).append(row)
    return {
        name: [_Profile(key[0], key[1], tuple(found)) for key, found in by_key.items()]
        for name, by_key in groups.items()
    }


def _streams(case: Case, requests: Requests, profiles: dict[str, list[_Profile]]) -> list[Stream]:
    """One stream per class, or per bucket of its lengths where a deployment tells them apart."""
    apart = {p.workload for own in profiles.values() for p in own if p.bucket is not None}
    lengths: dict[str, list[Row]] = {}
    for row in rows(case, "lengths"):
        lengths.setdefault(row["workload"], []).append(row)
    average = case.settings.limits.quality_average is not None
    streams = []
    for asks in requests.classes:
        floor, target = (asks.facts[f"quality_{kind}"] for kind in ("floor", "target"))

        def stream(
            bucket: tuple[int, int] | None,
            share: float,
            asks: RequestClass = asks,
            floor: Any = floor,
            target: Any = target,
        ) -> Stream:
            return Stream(
                workload=asks.name,
                bucket=bucket,
                requests=share * asks.requests,
                weight=asks.number("weight", 1.0),
                target=math.nan if target is None else float(target),
                peak=asks.number("peak_to_mean", 1.0),
                wait=int(asks.number("deferrable_hours", 0.0)),
                critical=asks.facts["ttft_ms"] is not None or asks.facts["tpot_ms"] is not None,
                judged=average or floor is not None or target is not None,
                percentile=asks.number("percentile", 0.95),
            )

        own = lengths.get(asks.name)
        if own is None:
            streams.append(stream(None, 1.0))
            continue
        total = sum(float(row["share"]) for row in own)
        if abs(total - 1.0) > SUM_OF_SHARES:
            raise DataError(
                f"the shares of class '{asks.name}' add up to {total:g}",
                mend="make the shares of its buckets add up to 1",
                file=case.file("lengths"),
                row=own[0]["row"],
                column="share",
            )
        if not apart & {"", asks.name}:
            streams.append(stream(None, 1.0))
            continue
        for row in own:
            if row["share"] > 0:
                bucket = (int(row["input_upto"]), int(row["output_upto"]))
                streams.append(stream(bucket, float(row["share"])))
    return streams


def _deployment(
    case: Case,
    catalogue: Catalogue,
    name: str,
    profiles: list[_Profile],
    lines: dict[tuple[str, bool], int],
) -> Deployment:
    """The scalars of a deployment, which agree over all its rows, and what a replica draws."""
    every = sorted((row for p in profiles for row in p.rows), key=lambda row: row["row"])
    first = every[0]
    spot = first["capacity"] == "spot"
    kind = first["kind"]
    drawn: dict[str, float] = {}
    for row in every:
        if row["per"] == "replica_hour" or (not row["per"] and kind == "replica"):
            drawn[row["meter"]] = float(row["meter_units"])
        elif kind == "throughput":
            drawn.setdefault(row["meter"], 1.0)  # a unit that is reserved draws a unit
        if spot and catalogue.meters[row["meter"]].spot is None:
            raise DataError(
                f"deployment '{name}' runs on spot, and its meter '{row['meter']}' has no spot "
                "price",
                mend="fill spot of the meter, or set capacity to on_demand",
                file=case.file("deployments"),
                row=row["row"],
                column="meter",
            )
    draws = []
    for meter, units in sorted(drawn.items()):
        draws.append((lines.setdefault((meter, spot), len(lines)), units))
    return Deployment(
        name=name,
        model=first["model"],
        kind=kind,
        draws=tuple(draws),
        minimum=_number(every, "minimum_replicas", 0.0),
        step=_number(every, "step_replicas", 1.0),
        maximum=_number(every, "maximum_replicas", math.inf),
        start_hours=_number(every, "start_minutes", 0.0) / 60.0,
        spot=spot,
        tier=next((row["tier"] for row in every if row["tier"]), ""),
    )


def _number(every: list[Row], column: str, default: float) -> float:
    return next((float(row[column]) for row in every if not _absent(row[column])), default)


def _profile_for(
    case: Case, profiles: list[_Profile], stream: Stream, asks: RequestClass
) -> _Profile | None:
    """The rows of a deployment for a stream; ``None`` where it has none."""
    own = [p for p in profiles if p.workload == stream.workload]
    for chosen in (own, [p for p in profiles if not p.workload]):
        if not chosen:
            continue
        whole = next((p for p in chosen if p.bucket is None), None)
        buckets = [p for p in chosen if p.bucket is not None]
        if not buckets:
            return whole
        wanted = stream.bucket or _mean_lengths(case, asks)
        fits = [
            p for p in buckets
            if p.bucket is not None and p.bucket[0] >= wanted[0] and p.bucket[1] >= wanted[1]
        ]  # fmt: skip
        # Of buckets that hold all its requests, its own, or the one with the least of both.
        exact = next((p for p in fits if p.bucket == stream.bucket), None)
        best = exact or min(
            fits, key=lambda p: (sum(p.bucket or (0, 0)), p.bucket or (0, 0)), default=None
        )
        if best is not None or whole is not None:
            return best or whole
    return None


def _mean_lengths(case: Case, asks: RequestClass) -> tuple[float, float]:
    """Mean tokens of a class that gives no histogram: what picks its bucket."""
    total = float(asks.requests.sum())
    means = []
    for column, tokens in (
        ("input_tokens", asks.input_tokens),
        ("output_tokens", asks.output_tokens),
    ):
        known = np.nansum(tokens)
        if not np.isfinite(tokens[asks.requests > 0]).all():
            raise DataError(
                f"class '{asks.name}' has no {column}, and deployments are measured by token "
                "buckets",
                mend=f"fill {column}, or give the class's histogram in lengths",
                file=case.file("workloads"),
                row=asks.row,
                column=column,
            )
        means.append(float(known) / total if total else 0.0)
    return means[0], means[1]


def _no_profile(stream: Stream, deployment: Deployment, profiles: list[_Profile]) -> Missed:
    """No row of the deployment is for the stream: other classes only, or shorter requests."""
    for_all = [p for p in profiles if p.workload in ("", stream.workload)]
    what = "no row is for the class" if not for_all else "its requests are longer than measured"
    return Missed(stream.workload, deployment.name, "deployments", stream.name, what)


@dataclass(frozen=True)
class _Place:
    region: str
    provider: str


def _places(case: Case) -> dict[str, _Place]:
    return {row["meter"]: _Place(row["region"], row["provider"]) for row in rows(case, "meters")}


def _misses(
    asks: RequestClass, deployment: Deployment, profile: _Profile, places: dict[str, _Place]
) -> list[Missed]:
    """Every limit of the class that the deployment misses, quality apart."""

    def miss(limit: str, asked: float | str, found: float | str) -> Missed:
        return Missed(asks.name, deployment.name, limit, asked, found)

    found = []
    for limit in ("ttft_ms", "tpot_ms"):
        most = asks.facts[limit]
        if most is None:
            continue
        measured = profile.scalar(limit)
        if math.isnan(measured):
            found.append(miss(limit, float(most), f"no {limit} was measured"))
        elif measured > float(most):
            found.append(miss(limit, float(most), measured))
    meters = {row["meter"] for row in profile.rows}
    for limit, attribute in (("allow_regions", "region"), ("allow_providers", "provider")):
        allowed = asks.facts[limit]
        if allowed is None:
            continue
        others = sorted({getattr(places[m], attribute) for m in meters} - set(allowed))
        if others:
            found.append(miss(limit, ";".join(allowed), f"{attribute} {others[0] or 'unknown'}"))
    if deployment.model in (asks.facts["deny_models"] or ()):
        found.append(miss("deny_models", deployment.model, f"model {deployment.model} is denied"))
    return found


def _route(
    case: Case,
    stream: int,
    deployment: int,
    of: Deployment,
    asks: Stream,
    profile: _Profile,
    quality: float,
    lines: dict[tuple[str, bool], int],
) -> Route:
    """What a request of the stream draws, and what it takes of a replica or unit."""
    rate = profile.scalar("requests_per_second")
    draws: list[tuple[int, float]] = []
    load = 0.0
    for row in profile.rows:
        per = row["per"] or ("replica_hour" if of.kind == "replica" else "request")
        if per == "replica_hour":
            continue
        if of.kind == "throughput":
            if math.isnan(rate):
                load += asks.peak * float(row["meter_units"])
            continue
        line = lines.setdefault((row["meter"], of.spot), len(lines))
        if row["meter_units"]:
            draws.append((line, float(row["meter_units"])))
    if of.counted and not math.isnan(rate):
        load = asks.peak / (SECONDS * rate)
    if of.counted and not load:
        raise DataError(
            f"deployment '{of.name}' has no requests_per_second for '{asks.name}'",
            mend="fill it: what one replica, or unit, answers within its latency tier",
            file=case.file("deployments"),
            row=profile.rows[0]["row"],
            column="requests_per_second",
        )
    return Route(stream, deployment, load, tuple(draws), quality)


def _absent(value: Any) -> bool:
    return value is None or value == "" or (isinstance(value, float) and math.isnan(value))
