# SPDX-License-Identifier: Apache-2.0
"""Zones whose spot replicas may be lost at once, and what a plan does then.

Spot capacity of one zone is taken back together: preemptions are correlated within a zone and
nearly independent between zones (Mao et al., *SkyServe: Serving AI Models across Regions and
Clouds with Spot Instances*, EuroSys 2025, doi:10.1145/3689031.3717459), which spreads replicas
over zones, runs more of them than are needed, and falls back to on-demand ones.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from optimizer.billing.catalogue import rows
from optimizer.errors import DataError
from optimizer.program.problem import Floats
from optimizer.tables import Case

Place = tuple[str, str, str]  # provider, region, zone


@dataclass(frozen=True)
class Zone:
    """A zone whose spot replicas are lost together.

    Attributes
    ----------
    name
        The zone's; of spot capacity without one, its region's or provider's.
    lost
        Deployments of which no replica is left.
    shut
        Deployments of which none is started then: they are in the zone.
    odds
        The chance that it is lost within an hour.
    """

    name: str
    lost: tuple[int, ...]
    shut: tuple[int, ...]
    odds: float


@dataclass(frozen=True)
class Loss:
    """What a plan of N hours does in each of them, should a zone be lost in it.

    ``moved`` (routes, N) requests that what runs takes over at once, ``late`` (routes, N) those
    that wait for replicas which are started, and ``started`` (deployments, N) those replicas.
    """

    moved: Floats
    late: Floats
    started: Floats

    def take(self, hours: np.ndarray) -> Loss:
        """Some of the hours."""
        return Loss(self.moved[:, hours], self.late[:, hours], self.started[:, hours])


def zones_of(
    case: Case,
    meters: Sequence[Iterable[str]],
    spot: Sequence[bool],
    critical: Sequence[int],
) -> tuple[Zone, ...]:
    """The zones whose loss would take replicas of critical classes.

    Spot capacity whose meter names no zone is taken to be lost with any zone of its region.

    Parameters
    ----------
    meters
        Of each deployment.
    spot
        Whether a deployment runs on spot.
    critical
        Deployments that may answer a class with a latency target.

    Raises
    ------
    DataError
        If such a meter has no ``spot_interruption``: fallback is priced by it.
    """
    known: Mapping[str, dict[str, Any]] = {row["meter"]: row for row in rows(case, "meters")}
    places = [{_place(known[meter]) for meter in sorted(own)} for own in meters]
    at_risk = [number for number in sorted(set(critical)) if spot[number]]
    for number in at_risk:
        for meter in sorted(meters[number]):
            _need_odds(case, known[meter])
    named = sorted({place for number in at_risk for place in places[number]})
    zones = []
    for place in named:
        if not place[2] and any(other[:2] == place[:2] and other[2] for other in named):
            continue  # lost with each of the region's zones
        inside = [n for n in range(len(meters)) if any(_within(p, place) for p in places[n])]
        lost = tuple(number for number in inside if spot[number])
        odds = max(
            float(known[meter]["spot_interruption"])
            for number in at_risk
            if number in lost
            for meter in meters[number]
            if _within(_place(known[meter]), place)
        )
        shut = tuple(
            number for number in inside if not spot[number] and place[2] and place in places[number]
        )
        zones.append((place, Zone("", lost, shut, odds)))
    names = _names([place for place, _ in zones])
    return tuple(replace(zone, name=names[place]) for place, zone in zones)


def _names(places: Sequence[Place]) -> dict[Place, str]:
    """The shortest words that tell places apart: Azure has a zone 1 in every region."""
    found: dict[Place, str] = {}
    for parts in (1, 2, 3):
        words = {place: "/".join([w for w in place if w][-parts:]) for place in places}
        shared = Counter(words.values())
        for place, word in words.items():
            if place not in found and (shared[word] == 1 or parts == 3):
                found[place] = word
    return found


def _place(row: Mapping[str, Any]) -> Place:
    return row["provider"] or "", row["region"] or "", row["zone"] or ""


def _within(place: Place, zone: Place) -> bool:
    """Whether capacity of a place may be in a zone: one that is not told may be anywhere."""
    return place[:2] == zone[:2] and place[2] in ("", zone[2])


def _need_odds(case: Case, row: Mapping[str, Any]) -> None:
    if np.isnan(row["spot_interruption"]):
        raise DataError(
            f"meter '{row['meter']}' has no spot_interruption, and limits.survive_zone_loss prices "
            "fallback by it",
            mend="fill spot_interruption of the meter, or take survive_zone_loss out of [limits]",
            file=case.file("meters"),
            row=row["row"],
            column="spot_interruption",
        )
