# SPDX-License-Identifier: Apache-2.0
"""Attribution: every dollar of the replayed bill goes to somebody, exactly once."""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from optimizer.billing import Bill, make_bill, read_catalogue, read_holdings
from optimizer.billing.attribution import (
    Amounts,
    Benefit,
    CostedHours,
    attribute,
    cost_hours,
    decimal_of,
    pico_of,
    split,
    window_totals,
    worth,
)
from optimizer.billing.focus_facts import NANO, Kind
from optimizer.billing.focus_rows import focus_facts
from optimizer.tables import Labels, UsageCells, UsageLines

from .conftest import START, Small
from .test_properties import HOURS, traced, worlds
from .worlds import World

examples = settings(max_examples=12, derandomize=True, deadline=None, database=None)


def cells_of(lines: UsageLines, parts: list[list[int]]) -> UsageCells:
    """Each line in as many series as it has parts, with the quantity in these proportions."""
    series: list[tuple[int, float]] = []
    for line, weights in enumerate(parts):
        series += [(line, weight / sum(weights)) for weight in weights]
    rows = [
        (hour, at, lines.quantity[line, hour] * share, lines.spot[line, hour] * share)
        for hour in range(lines.quantity.shape[1])
        for at, (line, share) in enumerate(series)
    ]
    count = len(series)
    return UsageCells(
        labels={"tag_team": Labels(("a", "b", ""), np.arange(count, dtype=np.int32) % 3)},
        line=np.array([line for line, _ in series], np.int32),
        first_hour=lines.first_hour,
        hours=lines.quantity.shape[1],
        series=np.array([row[1] for row in rows], np.int32),
        hour=np.array([row[0] for row in rows], np.int32),
        quantity=np.array([row[2] for row in rows]),
        spot=np.array([row[3] for row in rows]),
        spot_taken=np.zeros(len(rows)),
        of_day=np.zeros(len(rows), np.bool_),
    )


@dataclass(frozen=True)
class Divided:
    """A world, its lines in series, and a window of its hours."""

    world: World
    cells: UsageCells
    first: int
    last: int

    def bill(self) -> Bill:
        """The bill of the window alone: usage outside it never was."""
        case = self.world.case
        catalogue = read_catalogue(case)
        lines = self.world.lines
        cut = slice(self.first - START, self.last - START)
        arrays = ("quantity", "spot", "spot_taken", "tolerant", "present")
        usage = replace(
            lines, first_hour=self.first, **{name: getattr(lines, name)[:, cut] for name in arrays}
        )
        return make_bill(case, catalogue, usage, read_holdings(case, catalogue))


@st.composite
def divided(draw: Any) -> Divided:
    world = draw(worlds())
    weights = st.lists(st.integers(1, 7), min_size=1, max_size=3)
    parts = [draw(weights) for _ in world.usage]
    first = draw(st.integers(0, HOURS - 1))
    last = draw(st.integers(first + 1, HOURS))
    return Divided(world, cells_of(world.lines, parts), START + first, START + last)


def parts_of(costs: Any) -> list[Amounts]:
    return [costs.on_demand, costs.spot, costs.commitments, costs.unused]


@examples
@given(divided(), st.sampled_from(Benefit))
def test_every_rule_adds_up_to_the_replayed_bill(found: Divided, benefit: Benefit) -> None:
    """To the last of twelve places, in total and by kind of cost, for any window."""
    costed = cost_hours(found.world.case)
    costs = attribute(costed, found.cells, found.first, found.last, benefit)
    bill = found.bill()
    assert decimal_of(costs.total) == bill.total
    assert decimal_of(costs.on_demand.total()) == bill.on_demand
    assert decimal_of(costs.spot.total()) == bill.spot
    assert decimal_of(costs.commitments.total() + costs.unused.total()) == bill.commitment_cost
    for part in parts_of(costs):
        assert (part.whole >= 0).all()
        assert ((part.pico >= 0) & (part.pico < 10**12)).all()
    idle = costs.quantity == 0
    for part in (costs.on_demand, costs.spot):
        assert not part.take(np.flatnonzero(idle)).total()


@examples
@given(worlds())
def test_used_cost_is_what_each_commitment_paid_for_the_line(world: World) -> None:
    """Against the trace of the replay: units × draw × rate, hour by hour."""
    costed = cost_hours(world.case)
    _, _, drawn = traced(world)
    cells = cells_of(world.lines, [[1] for _ in world.usage])
    costs = attribute(costed, cells, START, START + HOURS, Benefit.used)
    rate = float(Decimal("0.5"))
    expected = drawn.sum(axis=(0, 2)) * rate
    assert costs.commitments.floats() == pytest.approx(expected, abs=1e-9)


@examples
@given(worlds())
def test_evened_usage_pays_one_rate_in_each_pool(world: World) -> None:
    """All eligible usage of a pool pays the same share of its on-demand worth in an hour."""
    costed = cost_hours(world.case)
    cells = cells_of(world.lines, [[1] for _ in world.usage])
    prices = costed.prices()
    for hour in range(HOURS):
        costs = attribute(costed, cells, START + hour, START + hour + 1, Benefit.even)
        paid = costs.on_demand.floats() + costs.commitments.floats()
        own = (costed.lines.quantity - costed.lines.spot)[:, hour] * prices
        for pool in range(costed.pools):
            lines = (costed.line_pool == pool) & costed.eligible[:, hour] & (own > 1e-9)
            rates = paid[lines] / own[lines]
            assert rates == pytest.approx(np.full(len(rates), rates[:1].sum()), rel=1e-6, abs=1e-9)


@examples
@given(divided())
def test_worth_is_quantity_at_prices(found: Divided) -> None:
    costed = cost_hours(found.world.case)
    costs = attribute(costed, found.cells, found.first, found.last, Benefit.used)
    value = worth(costed, found.cells, costs)
    catalogue = costed.catalogue
    price = [float(catalogue.meters[name].on_demand or 0) for name in costed.lines.meter]
    expected = costs.quantity * np.array(price)[found.cells.line]
    assert value.contract.floats() == pytest.approx(expected, abs=1e-6)
    assert not value.unpriced.any()


@examples
@given(
    st.lists(st.integers(0, 10**22), min_size=1, max_size=4),
    st.lists(st.tuples(st.integers(0, 3), st.floats(0, 1e9, allow_subnormal=False)), max_size=40),
)
def test_a_split_adds_up_and_nobody_pays_for_nothing(
    totals: list[int], members: list[tuple[int, float]]
) -> None:
    members += [(place, 1.0) for place in range(len(totals))]
    chosen = [(group % len(totals), weight) for group, weight in members]
    group = np.array([place for place, _ in chosen])
    weight = np.array([value for _, value in chosen])
    parts = split(totals, group, weight)
    assert parts.summed(group, len(totals)).picos() == totals
    assert (parts.whole >= 0).all()
    assert not parts.take(np.flatnonzero(weight == 0)).total()


def test_a_split_is_by_largest_remainder() -> None:
    parts = split([10**12, 5], np.array([0, 0, 0, 1, 1]), np.array([1.0, 1, 1, 3, 1]))
    assert [f"{part:f}" for part in parts.decimals()] == [
        "0.333333333334", "0.333333333333", "0.333333333333", "0.000000000004", "0.000000000001",
    ]  # fmt: skip


def test_members_without_weight_share_alike() -> None:
    assert split([4], np.zeros(2, int), np.zeros(2)).picos() == [2, 2]
    with pytest.raises(ValueError, match="no member"):
        split([4, 1], np.zeros(2, int), np.zeros(2))


def test_money_of_any_size_stays_exact() -> None:
    total = pico_of(Decimal("8123456789012.123456789012"))
    parts = split([total], np.zeros(3, int), np.array([1e-9, 1.0, 1e9]))
    assert parts.total() == total
    assert decimal_of(total) == Decimal("8123456789012.123456789012")


def costed_of(small: Small) -> tuple[CostedHours, UsageCells]:
    case = small.case()
    return cost_hours(case), case.usage_cells()


def test_the_hours_of_a_monthly_payment_and_sustained_use(small: Small) -> None:
    """A commitment paid by the month, sustained use, spot that was taken back: the same bill."""
    small.meter("n1", "1.00", provider="gcp", sustained_use=0.3)
    small.meter("gpu", "10", spot="3")
    for team, amount in (("a", 1), ("b", 3)):
        small.use("n1", [amount] * 600, tag_team=team)
        small.use("gpu", [amount] * 30, tag_team=team, spot_share=0.5, interrupted="true")
        small.use("gpu", [amount] * 30, at=30, tag_team=team, spot_share=0.25)
    small.offer("ri", "aws.reserved.regional", {"gpu": 1}, monthly="730")
    small.hold("ri", 1, hours=8760)
    bill = small.bill()
    costed, cells = costed_of(small)
    assert costed.bill.total == bill.total
    for benefit in Benefit:
        costs = attribute(costed, cells, START, START + 600, benefit)
        assert decimal_of(costs.total) == bill.total
    weeks = [window_totals(costed, START + at, START + at + 100).total for at in range(0, 600, 100)]
    assert decimal_of(sum(weeks)) == pytest.approx(bill.total, abs=Decimal("1e-9"))
    assert costs.spot.floats().sum() == pytest.approx(90)  # 0.25 × 4 × 30 × 3; taken back: free


def test_what_is_unused_is_one_number_of_bill_and_window(small: Small) -> None:
    """An hour of a month of 30 days costs more than one of 31: hours are not worth the same."""
    small.meter("m", 100)
    small.offer("ri", "aws.reserved.regional", {"m": 1}, monthly=7440)
    small.hold("ri", 1)  # its months are 720 hours from 2 November, then 744
    small.use("m", [1] * 72 + [0] * 672 + [1] * 720)
    costed, _ = costed_of(small)
    unused = Decimal(7440) * 648 / 720 + Decimal(7440) * 24 / 744
    found = window_totals(costed, START, START + costed.hours)
    assert abs(costed.bill.unused_cost - unused) < Decimal("1e-9")
    assert decimal_of(found.unused[0]) == costed.bill.unused_cost
    assert decimal_of(found.unused[0] + found.used[0]) == costed.bill.commitment_cost


def test_daily_rows_count_by_their_hours_in_the_window(small: Small) -> None:
    small.meter("gpu", "10")
    small.use("gpu", 48, grain="day", tag_team="a")
    small.use("gpu", [1] * 24, tag_team="b")
    costed, cells = costed_of(small)
    costs = attribute(costed, cells, START + 6, START + 12, Benefit.used)
    team = {name: costs.on_demand.decimals()[at] for at, name in enumerate(_teams(cells))}
    assert team == {"a": Decimal(120), "b": Decimal(60)}


def _teams(cells: UsageCells) -> list[str]:
    label = cells.labels["tag_team"]
    return [label.text(at) for at in range(cells.count)]


def test_cells_keep_rows_apart_that_lines_add_up(small: Small) -> None:
    """Costs of 0.10 and 0.1 are one line; tags, charges and taxes are as they were written."""
    small.meter("gpu", "10")
    small.use("gpu", [1, 2], tag_team="=1+1", restart_cost="0.10")
    small.use("gpu", [3, 4], tag_team="<b>🦄</b>", restart_cost="0.1")
    small.use("gpu", 5, tag_team="<b>🦄</b>", restart_cost="0.1", charge_id="x")
    small.use("gpu", 9, charge_category="Tax")
    case = small.case()
    cells, lines = case.usage_cells(), case.usage_lines()
    assert len(lines.meter) == 1
    assert cells.line.tolist() == [0, 0]
    assert _teams(cells) == ["<b>🦄</b>", "=1+1"] or _teams(cells) == ["=1+1", "<b>🦄</b>"]
    assert cells.quantity.sum() == pytest.approx(lines.quantity.sum()) == 15
    assert len(cells.series) == 5


@examples
@given(worlds())
def test_the_focus_rows_say_the_same(world: World) -> None:
    """EffectiveCost of the FOCUS rows, made another way, by line and by unused commitment."""
    case = world.case
    costed = cost_hours(case)
    cells = cells_of(world.lines, [[1] for _ in world.usage])
    costs = attribute(costed, cells, START, START + HOURS, Benefit.used)
    facts = focus_facts(case, costed.bill)
    effective = facts.effective / NANO
    usage = np.isin(facts.kind, (Kind.ON_DEMAND, Kind.SPOT, Kind.USED))
    by_line = np.bincount(facts.line[usage], effective[usage], minlength=cells.count)
    ours = sum(part.floats() for part in parts_of(costs)[:3])
    assert by_line == pytest.approx(ours, abs=1e-6)
    idle = facts.kind == Kind.UNUSED
    count = len(costed.holdings)
    unused = np.bincount(facts.holding[idle], effective[idle], minlength=count)
    assert unused == pytest.approx(costs.unused.floats(), abs=1e-6)
