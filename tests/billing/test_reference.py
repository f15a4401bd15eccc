# SPDX-License-Identifier: Apache-2.0
"""Bills agree with a second, slow implementation of the laws in random hours of each law."""

from __future__ import annotations

import random
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from optimizer.billing import (
    LAWS,
    SharingModes,
    bill_case,
    billing_lines,
    read_catalogue,
    read_holdings,
)
from optimizer.billing import replay as fast_replay
from optimizer.billing.replay import capacity_of
from optimizer.tables import Case, parse_settings

from . import reference
from .conftest import START
from .worlds import TOML, Row, World, meter

WORLDS, HOURS = 42, 24  # of each law: 1,008 hours
ACCOUNTS = ("", "org/g1/a", "org/g1/b", "org/g2/c", "org/g2/c/deep", "org/d")
OWNERS = ("", "", "org/g1/a", "org/g1/b", "org/g2", "org/g2/c", "org/d")
SCOPES = ("shared", "shared", "account", "org", "org/g1", "org/g2/c")
MODES = ("organization", "prioritized", "restricted", "off")
PREPAID = ("capacity.block", "throughput.units")
NEAR = 1e-9


def world_of(law: str, seed: int) -> World:
    """Offers of the law and of its rivals, on few meters, so that they compete and tie."""
    pick = random.Random(f"{law} {seed}")
    provider = law.split(".", maxsplit=1)[0]
    if law in PREPAID:
        provider = pick.choice(("aws", "azure", "gcp"))
    rivals = [name for name in sorted(LAWS) if name.startswith(provider + ".")] + [*PREPAID]
    meters = [_meter(pick, f"m{i}", provider) for i in range(pick.randint(1, 4))]
    offers, covers, held = [], [], []
    for i in range(pick.randint(2, 6)):
        own = law if i == 0 or pick.random() < 0.5 else pick.choice(rivals)
        offers.append(_offer(pick, f"o{i}", own))
        for row in pick.sample(meters, pick.randint(1, len(meters))):
            money = LAWS[own].measure == "money"
            # Tenths of the price, so that savings tie; sometimes it is above the price.
            draw = row["on_demand"] * pick.randint(3, 11) / 10 if money else row["size"]
            draw = Decimal(str(draw)) or Decimal("0.5")
            covers.append({"offer": f"o{i}", "meter": row["meter"], "draw": draw})
        names = [f"c{pick.randint(0, 9)}{i}{j}" for j in range(pick.randint(1, 2))]
        held += [_held(pick, name, f"o{i}") for name in names]
    places = [(m["meter"], a, z) for m in meters for a in ACCOUNTS for z in ("", "z1", "z2")]
    usage = tuple(
        (*place, _quantities(pick), pick.choice((0.0, 0.0, 0.0, 0.25, 1.0)))
        for place in pick.sample(places, min(len(places), pick.randint(2, 9)))
    )
    mode = pick.choice(MODES)
    return World(tuple(meters), tuple(offers), tuple(covers), tuple(held), usage, mode)


def _meter(pick: random.Random, name: str, provider: str) -> Row:
    price = Decimal(pick.choice((0, 10, 20, 20, 40, 37))) / 10  # zero and equal prices too
    idle = pick.random() < 0.25
    return meter(name, provider, price, pick.choice((1.0, 2.0, 2.0, 4.0))) | {
        "zone": pick.choice(("", "z1", "z2")),
        "capacity_reservation_status": "unused" if idle else "",
    }


def _offer(pick: random.Random, name: str, law: str) -> Row:
    return {
        "offer": name,
        "law": law,
        "measure": LAWS[law].measure,
        "zone": pick.choice(("z1", "z2")),
        "term_hours": pick.choice((8760, 26280)),
        "upfront": pick.choice((None, Decimal(876))),
        "hourly": Decimal(pick.randint(0, 9)) / 10,
        "monthly": pick.choice((None, Decimal(31))),
    }


def _held(pick: random.Random, name: str, offer: str) -> Row:
    start = START + pick.choice((-1000, -3, 0, 5))
    return {
        "commitment": name,
        "offer": offer,
        "quantity": Decimal(pick.choice((0, 1, 3, 8, 20, 50, 400))) / 8,
        "start": start,
        "end": start + pick.choice((2, 12, 1012, 8760)),
        "account": pick.choice(OWNERS),
        "scope": pick.choice(SCOPES),
    }


def _quantities(pick: random.Random) -> tuple[float, ...]:
    top = pick.choice((4, 16, 80))
    return tuple(pick.randint(0, top) / 8 if pick.random() > 0.1 else 0.0 for _ in range(HOURS))


def facts_of(world: World) -> reference.Facts:
    """A world as the reference reads it."""
    return {
        "meters": {
            row["meter"]: {
                "provider": row["provider"],
                "zone": row.get("zone", ""),
                "on_demand": row["on_demand"],
                "spot": row["spot"],
                "size": row["size"],
                "idle": row.get("capacity_reservation_status") == "unused",
            }
            for row in world.meters
        },
        "offers": {
            row["offer"]: {
                "law": row["law"],
                "zone": row["zone"],
                "term_hours": row["term_hours"],
                **{name: row.get(name) or 0 for name in ("upfront", "hourly", "monthly")},
            }
            for row in world.offers
        },
        "draws": {(row["offer"], row["meter"]): row["draw"] for row in world.covers},
        "held": [row | {"name": row["commitment"]} for row in world.commitments],
        "usage": {
            row[:3]: [(Fraction(q), Fraction(q) * Fraction(row[4])) for q in row[3]]
            for row in world.usage
        },
        "modes": {provider: [("2026-01", world.mode)] for provider in ("aws", "azure", "gcp")},
    }


def traced(case: Case) -> tuple[dict[Any, float], dict[Any, float], dict[Any, float]]:
    """Of the replay: used by commitment, covered by both, uncovered by place; hour by hour."""
    catalogue = read_catalogue(case)
    held = read_holdings(case, catalogue)
    usage = case.usage_lines()
    lines = billing_lines(usage, catalogue)
    places = list(zip(usage.meter, usage.account, usage.zone, strict=True))
    hours = START + np.arange(usage.quantity.shape[1])
    covered: dict[Any, float] = {}

    def trace(holding: int, line: int, units: np.ndarray) -> None:
        for hour in np.flatnonzero(units):
            covered[held[holding].name, places[line], int(hour)] = float(units[hour])

    outcome = fast_replay(
        catalogue,
        lines,
        held,
        capacity_of(held, hours),
        SharingModes.of(case.settings, hours),
        trace=trace,
    )
    used = {
        (row.name, hour): float(outcome.used[i, hour])
        for i, row in enumerate(held)
        for hour in range(len(hours))
    }
    uncovered = {
        (place, hour): float(outcome.uncovered[i, hour])
        for i, place in enumerate(places)
        for hour in range(len(hours))
    }
    return used, covered, uncovered


def assert_same(got: dict[Any, float], expected: dict[Any, Fraction]) -> None:
    for key in got.keys() | expected.keys():
        assert abs(got.get(key, 0.0) - float(expected.get(key, 0))) < NEAR, key


def assert_agrees(case: Case, slow: dict[str, Any]) -> dict[Any, float]:
    """Used and covered amounts of every hour, and the totals of the bill; the used amounts."""
    used, covered, uncovered = traced(case)
    assert_same(used, slow["used"])
    assert_same(covered, slow["covered"])
    assert_same(uncovered, slow["uncovered"])
    bill = bill_case(case)
    for got, name in (
        (bill.on_demand, "on_demand"),
        (bill.spot, "spot"),
        (bill.commitment_cost, "commitments"),
    ):
        assert abs(Fraction(got) - slow[name]) < Fraction(1, 10**9), name
    return used


@pytest.mark.parametrize("law", sorted(LAWS))
def test_the_slow_implementation_agrees(law: str) -> None:
    applied = 0
    for seed in range(WORLDS):
        world = world_of(law, seed)
        used = assert_agrees(world.case, reference.replay(facts_of(world), START))
        own = {row["commitment"] for row in world.commitments if world.offer_of(row)["law"] == law}
        applied += len({hour for (name, hour), units in used.items() if name in own and units})
    assert applied > WORLDS * HOURS // 4  # hours in which the law does anything at all


def test_the_setting_of_a_month_decides_all_of_it() -> None:
    """Sharing is turned off in the middle of December: off from its first hour, open before."""
    days = 32  # 2 November to 3 December
    world = world_of("aws.reserved.regional", 3)
    owned = {"account": "org/g1/a", "scope": "shared", "start": START, "end": START + 24 * days}
    world = replace(
        world,
        commitments=tuple(row | owned for row in world.commitments),
        usage=tuple((*row[:3], row[3] * days, row[4]) for row in world.usage),
    )
    settings = '[[sharing.aws]]\nfrom = "{}"\nmode = "{}"\n'
    text = TOML + settings.format("2026-01-01", "organization")
    text += settings.format("2026-12-20", "off")
    facts = facts_of(world)
    facts["modes"] = {"aws": [("2026-01", "organization"), ("2026-12", "off")]}
    slow = reference.replay(facts, START)
    assert_agrees(replace(world.case, settings=parse_settings(text)), slow)
    days_used = [sum(v for (_, h), v in slow["used"].items() if h // 24 == day) for day in (0, 30)]
    assert days_used[1] < days_used[0]
