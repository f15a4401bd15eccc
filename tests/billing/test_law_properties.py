# SPDX-License-Identifier: Apache-2.0
"""What holds for the bill of each law, whatever the case."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from optimizer.billing import (
    LAWS,
    Replay,
    SharingModes,
    billing_lines,
    read_catalogue,
    read_holdings,
    replay,
)
from optimizer.billing.replay import capacity_of

from .conftest import START, Small, line
from .worlds import World, meter

HOURS = 4
ACCOUNTS = ("org/g1/a", "org/g1/b", "org/g2/c")
PREPAID = ("capacity.block", "throughput.units")
# Who owns it makes no difference to these; to all others the owner is the first to be served.
OWNERLESS = ("azure.reservation", "azure.savings", "gcp.flexible", "gcp.flexible.legacy")

examples = settings(max_examples=10, derandomize=True, deadline=None, database=None)
each_law = pytest.mark.parametrize("law", sorted(LAWS))


@st.composite
def worlds(draw: Any, law: str) -> World:
    """Commitments of one law, of several owners and scopes, and one that is prepaid."""
    provider = "aws" if law in PREPAID else law.split(".", maxsplit=1)[0]
    meters = tuple(
        meter(f"m{i}", provider, Decimal(draw(st.integers(5, 40))) / 10, float(i + 1))
        for i in range(2)
    )
    offers, covers, held = [], [], []
    for i, name in enumerate((law, law, draw(st.sampled_from((law, *PREPAID))))):
        offers.append(
            {"offer": f"o{i}", "law": name, "measure": LAWS[name].measure, "zone": "z1"}
            | {"term_hours": draw(st.sampled_from((8760, 26280))), "hourly": Decimal("0.3")}
            | {"upfront": Decimal(draw(st.integers(0, 900))), "monthly": Decimal(7)}
        )
        covers += [
            {"offer": f"o{i}", "meter": row["meter"], "draw": Decimal(draw(st.integers(1, 30))) / 9}
            for row in meters
        ]
        owned = {"account": draw(st.sampled_from(("", *ACCOUNTS)))}
        owned["scope"] = draw(st.sampled_from(("shared", "account", "org/g1", "org")))
        start = START + draw(st.integers(-2, HOURS - 1))
        held.append(
            {"commitment": f"c{i}", "offer": f"o{i}", "start": start, "end": start + HOURS}
            | {"quantity": Decimal(draw(st.integers(0, 40))) / 8}
            | owned
        )
    places = st.tuples(
        st.sampled_from([row["meter"] for row in meters]),
        st.sampled_from(ACCOUNTS),
        st.sampled_from(("z1", "z2")),
    )
    quantities = st.tuples(*[st.integers(0, 24).map(lambda n: n / 4)] * HOURS)
    usage = tuple(
        (*place, draw(quantities), draw(st.sampled_from((0.0, 0.0, 0.5))))
        for place in draw(st.lists(places, min_size=1, max_size=6, unique=True))
    )
    mode = draw(st.sampled_from(("organization", "prioritized", "restricted", "off")))
    return World(meters, tuple(offers), tuple(covers), tuple(held), usage, mode)


def traced(world: World) -> tuple[Replay, np.ndarray, list[str], list[Any]]:
    """The replay, covered units by commitment, line and hour, and the names of both."""
    case = world.case
    catalogue = read_catalogue(case)
    held = read_holdings(case, catalogue)
    usage = world.lines
    lines = billing_lines(usage, catalogue)
    hours = START + np.arange(HOURS)
    covered = np.zeros((len(held), len(lines.meter), HOURS))

    def trace(holding: int, line: int, units: np.ndarray) -> None:
        covered[holding, line] += units

    outcome = replay(
        catalogue,
        lines,
        held,
        capacity_of(held, hours),
        SharingModes.of(case.settings, hours),
        trace=trace,
    )
    places = list(zip(usage.meter, usage.account, usage.zone, strict=True))
    return outcome, covered, [row.name for row in held], places


@each_law
def test_quantity_is_conserved_by_hour_and_meter(law: str) -> None:
    @examples
    @given(worlds(law))
    def check(world: World) -> None:
        outcome, covered, _, places = traced(world)
        usage = world.lines
        whole = covered.sum(axis=0) + usage.spot + outcome.uncovered
        assert (covered >= 0).all()
        assert (outcome.uncovered >= 0).all()
        for name in {place[0] for place in places}:
            rows = [i for i, place in enumerate(places) if place[0] == name]
            np.testing.assert_allclose(
                whole[rows].sum(axis=0), usage.quantity[rows].sum(axis=0), rtol=0, atol=1e-9
            )

    check()


@each_law
def test_no_commitment_gives_more_than_it_has(law: str) -> None:
    @examples
    @given(worlds(law))
    def check(world: World) -> None:
        _, covered, names, places = traced(world)
        draws = world.draws
        price = {row["meter"]: float(row["on_demand"]) for row in world.meters}
        for c, name in enumerate(names):
            row = next(row for row in world.commitments if row["commitment"] == name)
            drawn = np.zeros(HOURS)
            for i, place in enumerate(places):
                draw = float(draws[name, place[0]])
                if world.offer_of(row)["law"] == "azure.savings":
                    draw = min(draw, price[place[0]])
                drawn += covered[c, i] * draw
            inside = [row["start"] <= START + hour < row["end"] for hour in range(HOURS)]
            assert (drawn <= float(row["quantity"]) * np.array(inside) + 1e-9).all()

    check()


@each_law
def test_a_commitment_of_nothing_changes_nothing(law: str) -> None:
    @examples
    @given(worlds(law), st.sampled_from(ACCOUNTS))
    def check(world: World, owner: str) -> None:
        nothing = world.commitments[0] | {"commitment": "a", "quantity": Decimal(0)}
        more = replace(world, commitments=(*world.commitments, nothing | {"account": owner}))
        before, after = world.bill(), more.bill()
        assert after.lines == before.lines
        assert after.total == before.total
        assert [row for row in after.holdings if row.commitment != "a"] == list(before.holdings)
        (added,) = (row for row in after.holdings if row.commitment == "a")
        assert (added.used, added.unused, added.cost) == (0, 0, 0)

    check()


@each_law
def test_parts_add_up_to_the_last_digit(law: str) -> None:
    @examples
    @given(worlds(law))
    def check(world: World) -> None:
        bill = world.bill()
        parts = [row.on_demand + row.spot for row in bill.lines]
        assert sum(parts) + sum(row.cost for row in bill.holdings) == bill.total
        for row in bill.lines:
            assert row.covered + row.spot_quantity + row.on_demand_quantity == row.quantity
            by_law = sum((units for _, units in row.covered_by), Decimal(0))
            assert abs(by_law - row.covered) < Decimal("1e-9")

    check()


@each_law
def test_names_of_accounts_do_not_matter(law: str) -> None:
    """Other names in the same order, groups kept: every number stays."""
    names = dict(zip(ACCOUNTS, ("org/g1/k", "org/g1/z", "org/g2/a"), strict=True))

    @examples
    @given(worlds(law))
    def check(world: World) -> None:
        before, after = world.bill(), world.renamed(names).bill()
        assert after.total == before.total
        assert after.holdings == before.holdings
        assert [replace(row, account=names[row.account]) for row in before.lines] == list(
            after.lines
        )

    check()


@each_law
def test_the_owner_comes_first(law: str, small: Small) -> None:
    """One unit of two: its owner gets it, whoever is called what; where owners count at all."""
    provider = "aws" if law in PREPAID else law.split(".", maxsplit=1)[0]
    small.meter("m", 2, provider=provider, zone="z1")
    for account in ("org/g/a", "org/g/b"):
        small.use("m", 1, account=account)
    small.offer("o", law, {"m": 1}, zone="z1")
    small.hold("o", 1, account="org/g/b")
    first = "org/g/a" if law in OWNERLESS else "org/g/b"
    bill = small.bill()
    assert line(bill, "m", first, "z1").covered == 1
    small.tables["commitments"][0]["account"] = "org/g/a"
    assert line(small.bill(), "m", "org/g/a", "z1").covered == 1
    assert small.bill().total == bill.total
