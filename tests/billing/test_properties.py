# SPDX-License-Identifier: Apache-2.0
"""What holds for every bill, whatever the case: found by Hypothesis, the same each time."""

from __future__ import annotations

import random
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from optimizer.billing import (
    LAWS,
    Bill,
    Replay,
    SharingModes,
    billing_lines,
    read_catalogue,
    read_holdings,
    replay,
)
from optimizer.billing.replay import capacity_of

from .conftest import START, Small
from .worlds import Row, World, meter

HOURS = 5
ACCOUNTS = ("org/g1/a", "org/g1/b", "org/g2/c", "org/g2/d")
MODES = ("organization", "prioritized", "restricted", "off")
PREPAID = ("capacity.block", "throughput.units")

examples = settings(max_examples=25, derandomize=True, deadline=None, database=None)


@st.composite
def worlds(draw: Any, laws: tuple[str, ...] = (), *, plain: bool = False) -> World:
    """Few meters, accounts and hours, so that offers compete; ``plain``: one owner, one zone."""
    provider = "aws" if laws else draw(st.sampled_from(("aws", "azure", "gcp")))
    laws = laws or tuple(sorted(law for law in LAWS if law.startswith(provider + "."))) + PREPAID
    meters = tuple(
        meter(
            f"m{i}",
            provider,
            Decimal(draw(st.integers(10, 40))) / 10,
            draw(st.sampled_from((1.0, 2.0, 4.0))),
        )
        for i in range(draw(st.integers(1, 4)))
    )
    places = st.tuples(
        st.sampled_from([row["meter"] for row in meters]),
        st.sampled_from(ACCOUNTS),
        st.sampled_from(("z1",) if plain else ("z1", "z2")),
    )
    quantities = st.tuples(*[st.integers(0, 24).map(lambda n: n / 4)] * HOURS)
    spot = st.sampled_from((0.0, 0.0, 0.5, 1.0))
    usage = tuple(
        (*place, draw(quantities), draw(spot))
        for place in draw(st.lists(places, min_size=1, max_size=8, unique=True))
    )
    offers, covers, held = [], [], []
    for i in range(draw(st.integers(1, 5))):
        law = draw(st.sampled_from(laws))
        offer = {"offer": f"o{i}", "law": law, "measure": LAWS[law].measure, "zone": "z1"}
        terms = {"term_hours": draw(st.sampled_from((8760, 26280))), "hourly": Decimal("0.5")}
        offers.append(offer | terms)
        for row in draw(
            st.lists(st.sampled_from(meters), min_size=1, unique_by=lambda m: m["meter"])
        ):
            money = offer["measure"] == "money"
            share = Decimal(draw(st.integers(3, 10))) / 10
            cover = row["on_demand"] * share if money else share * 2
            covers.append({"offer": f"o{i}", "meter": row["meter"], "draw": cover})
        start = START + draw(st.integers(-2, HOURS - 1))
        owner = ACCOUNTS[0] if plain else draw(st.sampled_from(("", *ACCOUNTS)))
        scope = "shared" if plain else draw(st.sampled_from(("shared", "account", "org/g1")))
        span = {"start": start, "end": start + draw(st.integers(1, 9))}
        held.append(
            {"commitment": f"c{draw(st.integers(0, 9))}-{i}", "offer": f"o{i}", **span}
            | {"quantity": Decimal(draw(st.integers(1, 60))) / 8, "account": owner, "scope": scope}
        )
    mode = "organization" if plain else draw(st.sampled_from(MODES))
    return World(meters, tuple(offers), tuple(covers), tuple(held), usage, mode)


def traced(world: World) -> tuple[Replay, np.ndarray, np.ndarray]:
    """Replay a world; covered units and what they drew, by holding, line and hour."""
    case = world.case
    catalogue = read_catalogue(case)
    held = read_holdings(case, catalogue)
    lines = billing_lines(world.lines, catalogue)
    hours = START + np.arange(HOURS)
    covered = np.zeros((len(held), len(lines.meter), HOURS))

    def trace(holding: int, line: int, units: np.ndarray) -> None:
        covered[holding, line] += units

    sharing = SharingModes.of(case.settings, hours)
    outcome = replay(catalogue, lines, held, capacity_of(held, hours), sharing, trace=trace)
    draws = world.draws
    draw = [[float(draws.get((h.name, name), 0)) for name in lines.meter] for h in held]
    return outcome, covered, covered * np.array(draw)[:, :, None]


@examples
@given(worlds())
def test_every_unit_is_somewhere(world: World) -> None:
    """In every hour: covered + spot + on demand = quantity, and used ≤ capacity."""
    outcome, covered, drawn = traced(world)
    usage = world.lines
    whole = covered.sum(axis=0) + usage.spot + outcome.uncovered
    np.testing.assert_allclose(whole, usage.quantity, rtol=0, atol=1e-8)
    np.testing.assert_allclose(drawn.sum(axis=1), outcome.used, rtol=0, atol=1e-9)
    assert (outcome.uncovered >= 0).all()
    assert (covered >= 0).all()
    assert (outcome.used <= outcome.capacity).all()


@examples
@given(worlds())
def test_nothing_is_left_that_could_be_covered(world: World) -> None:
    """Shared by all: a commitment and a line that it covers, one of the two runs out."""
    open_to_all = {"account": "", "scope": "shared"}
    world = replace(world, commitments=tuple(row | open_to_all for row in world.commitments))
    outcome, _, _ = traced(world)
    usage, draws = world.lines, world.draws
    free = outcome.capacity - outcome.used
    for c, held in enumerate(sorted(world.commitments, key=lambda row: row["commitment"])):
        zonal = world.offer_of(held)["law"] == "aws.reserved.zonal"
        for i, name in enumerate(usage.meter):
            if (held["commitment"], name) in draws and not (zonal and usage.zone[i] != "z1"):
                assert (np.minimum(outcome.uncovered[i], free[c]) < 1e-9).all()


@examples
@given(worlds())
def test_parts_add_up_exactly(world: World) -> None:
    bill = world.bill()
    parts = [row.on_demand for row in bill.lines] + [row.spot for row in bill.lines]
    parts += [row.cost for row in bill.holdings]
    assert sum(parts) == bill.total
    assert bill.on_demand + bill.spot + bill.commitment_cost == bill.total
    for row in bill.lines:
        assert row.covered + row.spot_quantity + row.on_demand_quantity == row.quantity
    held = sorted(world.commitments, key=lambda row: row["commitment"])
    for row, given_row in zip(bill.holdings, held, strict=True):
        inside = min(given_row["end"], START + HOURS) - max(given_row["start"], START)
        assert row.used + row.unused == given_row["quantity"] * max(0, inside)
        assert row.cost == given_row["quantity"] * max(0, inside) * Decimal("0.5")


@examples
@given(worlds(), st.integers(0, 4), st.integers(1, 40))
def test_more_commitment_never_raises_on_demand(world: World, index: int, more: int) -> None:
    """Of no line; and no other commitment is used more: a larger one only relieves them."""
    index %= len(world.commitments)
    grown = list(world.commitments)
    grown[index] = grown[index] | {"quantity": grown[index]["quantity"] + Decimal(more) / 8}
    before, after = world.bill(), replace(world, commitments=tuple(grown)).bill()
    for old, new in zip(before.lines, after.lines, strict=True):
        assert new.on_demand_quantity <= old.on_demand_quantity + Decimal("1e-9")
    for old, new in zip(before.holdings, after.holdings, strict=True):
        if old.commitment != grown[index]["commitment"]:
            assert new.used <= old.used + Decimal("1e-9")


@examples
@given(worlds())
def test_one_commitment_fewer_never_lowers_on_demand(world: World) -> None:
    fewer = replace(world, commitments=world.commitments[1:]).bill()
    assert fewer.on_demand >= world.bill().on_demand - Decimal("1e-9")


@examples
@given(worlds(plain=True), st.permutations(ACCOUNTS))
def test_names_of_accounts_do_not_matter(world: World, names: list[str]) -> None:
    """With one owner and open sharing, whoever is called what: the total is the same."""
    renamed = world.renamed(dict(zip(ACCOUNTS, names, strict=True)))
    assert abs(renamed.bill().total - world.bill().total) < Decimal("1e-9")


@examples
@given(worlds())
def test_names_in_the_same_order_do_not_matter(world: World) -> None:
    """Any case at all, with names that keep their order and groups: the same bill."""
    names = dict(zip(ACCOUNTS, ("org/g1/k", "org/g1/y", "org/g2/l", "org/g2/x"), strict=True))
    assert figures(world.renamed(names).bill()) == figures(world.bill())


def figures(bill: Bill) -> tuple[Any, ...]:
    lines = [replace(row, account="") for row in bill.lines]
    return bill.total, bill.coverage, bill.utilization, lines, bill.holdings


AWS = ("aws.reserved.zonal", "aws.reserved.regional", "aws.savings.instance", "aws.savings.compute")


@examples
@given(worlds(laws=AWS))
def test_a_plain_replay_in_fractions_agrees(world: World) -> None:
    """AWS by a second, slow replay: hour by hour, exact, one benefit after the other."""
    uncovered = slow_aws(world)
    got = {(row.meter, row.account, row.zone): row.on_demand_quantity for row in world.bill().lines}
    for key, units in uncovered.items():
        assert float(got[key]) == pytest.approx(float(units), abs=1e-9)


def slow_aws(world: World) -> dict[tuple[str, str, str], Fraction]:
    """Units on demand by meter, account and zone."""
    price = {row["meter"]: Fraction(row["on_demand"]) for row in world.meters}
    size = {row["meter"]: row["size"] for row in world.meters}
    draws = world.draws
    total: dict[tuple[str, str, str], Fraction] = {}
    for hour in range(HOURS):
        need = {row[:3]: Fraction(row[3][hour]) * (1 - Fraction(row[4])) for row in world.usage}
        held = [row for row in world.commitments if row["start"] <= START + hour < row["end"]]
        free = {row["commitment"]: Fraction(row["quantity"]) for row in held}
        for law in AWS:
            turns = []
            for row in held:
                offer, called = world.offer_of(row), row["commitment"]
                for name, account, zone in need:
                    far = distance(row, account, world.mode)
                    if offer["law"] != law or far is None or (called, name) not in draws:
                        continue
                    if law == "aws.reserved.zonal" and zone != offer["zone"]:
                        continue
                    draw = Fraction(draws[called, name])
                    first = (size[name],) if "reserved" in law else (draw / price[name], draw)
                    turns.append((far, first, name, row["end"], called, account, zone, draw))
            for _, _, name, _, called, account, zone, draw in sorted(turns):
                units = min(need[name, account, zone], free[called] / draw)
                need[name, account, zone] -= units
                free[called] -= units * draw
        for place, units in need.items():
            total[place] = total.get(place, Fraction(0)) + units
    return total


def distance(held: Row, account: str, mode: str) -> int | None:
    """0 own (or nobody's), 1 the owner's group, 2 others; ``None`` if out of reach."""
    owner = held["account"]
    if held["scope"] == "account":
        return 0 if account == owner else None
    if held["scope"] == "org/g1" and not account.startswith("org/g1/"):
        return None
    if account == owner or not owner:
        return 0
    mates = account.split("/")[1] == owner.split("/")[1]
    return {
        "organization": 2,
        "prioritized": 1 if mates else 2,
        "restricted": 1 if mates else None,
        "off": None,
    }[mode]


@pytest.mark.parametrize("seed", range(2))
def test_rows_in_any_order_give_the_same_bill(small: Small, seed: int) -> None:
    """Through files: every table's rows are shuffled, the document stays the same."""
    pick = random.Random(seed)
    for i in range(4):
        small.meter(f"m{i}", pick.randint(1, 9), size=pick.choice((1, 2, 4)), spot="0.1")
        for account in ACCOUNTS:
            quantities = [pick.randint(0, 60) / 7 for _ in range(HOURS)]
            small.use(f"m{i}", quantities, account=account, spot_share=pick.choice((0, "0.1")))
            small.use(f"m{i}", [0.1, 0.2, 0.3], account=account, charge_id="x")
    for i, law in enumerate(AWS * 2):
        names = pick.sample(["m0", "m1", "m2", "m3"], pick.randint(1, 4))
        small.offer(f"o{i}", law, {name: pick.randint(1, 7) / 8 for name in names})
        for j in range(2):
            owner = pick.choice(ACCOUNTS)
            small.hold(f"o{i}", pick.randint(1, 9) / 4, name=f"c{i}{j}", account=owner)
    expected = small.bill().as_dict(detail=True)
    for rows in small.tables.values():
        pick.shuffle(rows)
    assert small.bill().as_dict(detail=True) == expected
