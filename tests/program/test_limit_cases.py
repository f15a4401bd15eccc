# SPDX-License-Identifier: Apache-2.0
"""Cases with limits, reckoned by hand: each limit binds, and its price is right."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from optimizer.errors import DataError
from optimizer.planning import Plan, make_plan, plan_document, to_json

from .folders import Row, at, cover, meter, money, units, usage
from .four_hours import FOUR, case
from .memory import case_of


def document_of(plan: Plan) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(to_json(plan_document(plan)))
    assert Decimal(document["total"]) == plan.total
    assert all(check["ok"] for check in document["checks"])
    return document


def limit(plan: Plan, row: str) -> dict[str, Any]:
    (found,) = [each for each in document_of(plan)["limits"] if each["row"] == row]
    return found


def optimal(plan: Plan, total: str) -> None:
    """The plan costs what was reckoned, and no plan costs less."""
    assert plan.total == Decimal(total)
    assert float(plan.lower_bound) == pytest.approx(float(plan.total), rel=1e-7)
    assert plan.status == "optimal"


def test_a_discount_frees_no_quota(tmp_path: Path) -> None:
    """4 units at 1.00, three on the market: a discount at 0.50 covers none beyond.

    3 × 0.50 + 1 × 5.00 unserved, each hour: 26.00.  One more unit of quota saves 4 × 4.50.
    """
    plan = make_plan(
        case(
            tmp_path,
            meters=[meter("m", "1", on_demand_limit=3)],
            used=usage("m", FOUR, unmet_penalty=5),
            offers=[units("ri", 4, "0.50")],
        )
    )
    assert plan.bought == {"ri": 3}
    assert plan.unmet == 20
    optimal(plan, "26")
    row = limit(plan, "coverage.on_demand_limit")
    assert (row["name"], row["used"], row["maximum"]) == ("m", 3, 3)
    assert Decimal(row["price"]) == 18
    assert document_of(plan)["shadow_prices"] == [
        {
            "row": "coverage.on_demand_limit",
            "name": "m",
            "value": "18.000000000000",
            "unit": "$ per unit over the horizon",
        }
    ]


def test_guaranteed_capacity_is_beyond_the_quota(tmp_path: Path) -> None:
    """The same, and a reservation with capacity at 2.00: 3 × 0.50 + 2.00 = 3.50 an hour."""
    plan = make_plan(
        case(
            tmp_path,
            meters=[meter("m", "1", on_demand_limit=3)],
            used=usage("m", FOUR, unmet_penalty=5),
            offers=[
                units("ri", 4, "0.50", guarantees_capacity="false"),
                units("block", 4, "2", law="capacity.block", guarantees_capacity="true"),
            ],
        )
    )
    assert plan.bought == {"block": 1, "ri": 3}
    optimal(plan, "14")


def test_the_quota_is_of_all_pools_of_the_meter(tmp_path: Path) -> None:
    """Two accounts with 2 units each and 3 on the market: one unit goes unserved."""
    used = [
        row
        for account, penalty in (("a", 3), ("b", 2))
        for row in usage("m", [2, 2, 2, 2], account=account, unmet_penalty=penalty)
    ]
    plan = make_plan(case(tmp_path, meters=[meter("m", "1", on_demand_limit=3)], used=used))
    assert plan.unserved.sum(axis=1).tolist() == [0, 4]  # the cheaper penalty
    optimal(plan, "20")
    assert len(plan.parts) == 1


def test_a_spot_limit(tmp_path: Path) -> None:
    """All 4 may run on spot at 0.40, one may at once: 0.40 + 3 × 1.00 = 3.40 an hour."""
    plan = make_plan(
        case(
            tmp_path,
            meters=[meter("m", "1", spot="0.40", spot_limit=1)],
            used=usage("m", FOUR, spot_tolerant=1),
        )
    )
    optimal(plan, "13.6")
    row = limit(plan, "coverage.spot_limit")
    assert (row["used"], row["maximum"]) == (1, 1)
    assert float(row["price"]) == pytest.approx(4 * 0.60)


def test_availability_sends_usage_to_spot_though_it_is_dearer(tmp_path: Path) -> None:
    """Half of the units can be had; spot at 1.50 beats the penalty: 2 × 1.00 + 2 × 1.50."""
    plan = make_plan(
        case(
            tmp_path,
            meters=[meter("m", "1", spot="1.50", availability=0.5)],
            used=usage("m", FOUR, spot_tolerant=1, unmet_penalty=9),
        )
    )
    assert plan.spot.tolist() == [[2, 2, 2, 2]]
    optimal(plan, "20")


def test_a_shared_quota_between_its_hours(tmp_path: Path) -> None:
    """GPUs: a weighs 2, b 1, at most 7 in hours 1 and 2; a's penalty 5 per 2, b's 2 per 1.

    3 a + 4 b weigh 10: three units of b go unserved in those hours, at 2.00 instead of 1.00.
    """
    rows = [
        {"limit": "gpus", "meter": m, "weight": w, "maximum": 7}
        | {"hour_from": at(1), "hour_until": at(3)}
        for m, w in (("a", 2), ("b", 1))
    ]
    plan = make_plan(
        case(
            tmp_path,
            meters=[meter("a", "1"), meter("b", "1")],
            used=[
                *usage("a", [3, 3, 3, 3], unmet_penalty=5),
                *usage("b", FOUR, unmet_penalty=2),
            ],
            limits=rows,
        )
    )
    assert plan.unserved.tolist() == [[0, 0, 0, 0], [0, 3, 3, 0]]
    optimal(plan, str(7 * 4 + 6))
    row = limit(plan, "coverage.limit")
    assert (row["name"], row["used"], row["maximum"]) == ("gpus", 7, 7)
    assert float(row["price"]) == pytest.approx(2)


def test_a_quota_with_two_maximums_in_an_hour_is_refused(tmp_path: Path) -> None:
    rows = [{"limit": "q", "meter": m, "weight": 1, "maximum": x} for m, x in (("a", 7), ("b", 8))]
    with pytest.raises(DataError, match="two maximums") as caught:
        make_plan(
            case(
                tmp_path,
                meters=[meter("a", "1"), meter("b", "1")],
                used=[*usage("a", FOUR), *usage("b", FOUR)],
                limits=rows,
            )
        )
    assert (caught.value.file, caught.value.row, caught.value.column) == (
        "limits.csv",
        2,
        "maximum",
    )


def test_penalty_and_price_are_apart(tmp_path: Path) -> None:
    """A penalty above the price: usage runs on demand; below it: unserved, at the penalty."""
    meters = [meter("a", "1"), meter("b", "1")]
    used = [*usage("a", FOUR, unmet_penalty=2), *usage("b", FOUR, unmet_penalty="0.25")]
    plan = make_plan(case(tmp_path, meters=meters, used=used))
    assert plan.bill.on_demand == 16
    assert plan.unmet == 4
    optimal(plan, "20")
    (row,) = document_of(plan)["unmet"]
    assert (row["meter"], row["quantity"]) == ("b", 16)


def test_cash(tmp_path: Path) -> None:
    """2.00 up front for a unit that avoids 4.00, cash of 5.00: two units, not four.

    The price of a dollar of cash is what the relaxed program earns with it: 2.00 / 2.00.
    """
    plan = make_plan(
        case(
            tmp_path,
            '[limits]\nupfront_cash = "5"\n',
            meters=[meter("m", "1")],
            used=usage("m", FOUR),
            offers=[units("ri", 4, "0", upfront="2")],
        )
    )
    assert plan.bought == {"ri": 2}
    optimal(plan, "12")
    row = limit(plan, "purchase.cash")
    assert (Decimal(row["used"]), Decimal(row["maximum"]), Decimal(row["price"])) == (4, 5, 1)


def test_cash_for_money_is_kept_to_the_last_step(tmp_path: Path) -> None:
    """3.00 up front for 1.00 an hour: 1.001 of cash buys 0.333, not 0.334."""
    plan = make_plan(
        case(
            tmp_path,
            '[limits]\nupfront_cash = "1.001"\n',
            meters=[meter("m", "1")],
            used=usage("m", FOUR),
            offers=[money("sp", 4, "0", upfront="3")],
        )
    )
    assert plan.bought == {"sp": Decimal("0.333")}
    # 0.333 covers 0.333 units of each hour's 4, for 0.999.
    assert plan.total == 16 - 4 * Decimal("0.333") + Decimal("0.999")


def test_the_largest_purchase(tmp_path: Path) -> None:
    """A unit commits to 2.00 in all; 5.00 at once: two units of each offer."""
    plan = make_plan(
        case(
            tmp_path,
            '[limits]\nlargest_purchase = "5"\n',
            meters=[meter("m", "1")],
            used=usage("m", FOUR),
            offers=[units("x", 4, "0.25", upfront="1"), units("y", 4, "0.75")],
        )
    )
    assert plan.bought == {"x": 2, "y": 1}
    optimal(plan, str(2 * 2 + 3 + 4))


def test_the_spot_share(tmp_path: Path) -> None:
    """Spot at 0.40 for all, a quarter of the spend at on-demand prices may: 4 of 16 units."""
    plan = make_plan(
        case(
            tmp_path,
            "[limits]\nspot_share = 0.25\n",
            meters=[meter("m", "1", spot="0.40")],
            used=usage("m", FOUR, spot_tolerant=1),
        )
    )
    assert plan.spot.sum() == pytest.approx(4)
    optimal(plan, str(16 - 4 * Decimal("0.60")))
    row = limit(plan, "coverage.spot_share")
    assert (Decimal(row["used"]), Decimal(row["maximum"])) == (4, 4)
    assert float(row["price"]) == pytest.approx(0.60)


def test_the_unused_share(tmp_path: Path) -> None:
    """Use 4, 4, 4, 1; a unit at 0.50 an hour pays three times of four.

    Four units would be unused in 3 of 16 unit-hours, a share of 0.1875 > 0.15; three in 2
    of 12 (0.167); two in 1 of 8 (0.125).
    """
    plan = make_plan(
        case(
            tmp_path,
            "[limits]\nmax_unused_share = 0.15\n",
            meters=[meter("m", "1")],
            used=usage("m", [4, 4, 4, 1]),
            offers=[units("ri", 4, "0.50")],
        )
    )
    assert plan.bought == {"ri": 2}
    optimal(plan, str(2 * 2 + 2 * 3))
    row = limit(plan, "coverage.unused")
    assert float(row["used"]) == pytest.approx(0.5)
    assert float(row["maximum"]) == pytest.approx(0.15 * 4)


def test_what_is_held_counts_as_unused(tmp_path: Path) -> None:
    """Two units held for nothing spoil the share: nothing that leaves any unused is bought."""
    held = [{"commitment": "c", "offer": "old", "quantity": 1, "start": at(0), "end": at(4)}]
    offers = [units("ri", 4, "0.50"), units("old", 4, "0.50")]
    plan = make_plan(
        case(
            tmp_path,
            "[limits]\nmax_unused_share = 0.5\n",
            meters=[meter("m", "1"), meter("idle", "1")],
            used=usage("m", [4, 4, 4, 0]),
            offers=offers,
            covers=[cover("ri", "m"), cover("old", "idle")],
            commitments=held,
        )
    )
    # unused (4 + q) of (4 + 4 q) unit-hours ≤ half: q ≥ 2, and more is better anyway.
    assert plan.bought == {"ri": 4}
    optimal(plan, str(2 + 8))


def agreement(**more: Any) -> list[Row]:
    row = {"agreement": "ea", "provider": "aws", "start": at(0), "end": at(4), "committed": 16}
    return [row | {"counted_share": 1, "shortfall_share": 1} | more]


def test_a_shortfall_is_paid(tmp_path: Path) -> None:
    """16.00 was promised; a plan saves 8.00 and would pay all of it again as a shortfall.

    At a half, 8.00 less spend costs 4.00: it still pays.
    """
    meters, offers = [meter("m", "1")], [units("ri", 4, "0.50")]
    plan = make_plan(
        case(
            tmp_path,
            meters=meters,
            used=usage("m", FOUR),
            offers=offers,
            agreements=agreement(shortfall_share="0.5"),
        )
    )
    assert plan.bought == {"ri": 4}
    optimal(plan, "12")
    document = document_of(plan)
    (row,) = document["agreements"]
    assert [Decimal(row[key]) for key in ("target", "spend", "shortfall", "cost", "price")] == [
        *(16, 8, 8, 4),
        Decimal("0.5"),
    ]
    assert Decimal(document["baseline"]) == 16
    assert Decimal(document["savings"]) == 4


def test_an_agreement_counts_in_its_hours_alone(tmp_path: Path) -> None:
    """Half of it lies behind the horizon, half before: a quarter of 64.00 is due within.

    Counted at one half: the spend of hours 2 and 3 at 1.00 is 8.00, counted 4.00; the
    target of two of its eight hours is 16.00, 12.00 are missing.
    """
    plan = make_plan(
        case(
            tmp_path,
            meters=[meter("m", "1")],
            used=usage("m", FOUR),
            agreements=agreement(start=at(2), end=at(10), committed=64, counted_share="0.5"),
        )
    )
    optimal(plan, "28")
    (row,) = document_of(plan)["agreements"]
    assert [Decimal(row[key]) for key in ("target", "spend", "counted", "shortfall")] == [
        *(16, 8, 4, 12)
    ]


def test_what_is_held_counts_as_spend(tmp_path: Path) -> None:
    """Four units held at 0.50 and used: 8.00 of the 16.00; 8.00 are missing, and are paid."""
    held = [{"commitment": "c", "offer": "ri", "quantity": 4, "start": at(0), "end": at(4)}]
    plan = make_plan(
        case(
            tmp_path,
            meters=[meter("m", "1")],
            used=usage("m", FOUR),
            offers=[units("ri", 4, "0.50", available_until=at(0))],
            commitments=held,
            agreements=agreement(),
        )
    )
    optimal(plan, "16")


def test_an_agreement_without_usage_costs_its_shortfall(tmp_path: Path) -> None:
    plan = make_plan(
        case(
            tmp_path,
            meters=[meter("m", "1")],
            used=usage("m", FOUR),
            agreements=agreement(provider="azure", committed=10),
        )
    )
    optimal(plan, "26")


@pytest.mark.parametrize("method", ["partition", "mathopt", "reference"])
def test_every_method_plans_within_limits(tmp_path: Path, method: str) -> None:
    """Cash of 5.00, a spot share of a quarter, and a quota of 3, all binding at once.

    Four hours of 4 units at 1.00: a unit goes to spot at 0.40 or unserved at 9.00 each
    hour; two units at 2.00 up front each save 4.00.
    """
    rows = {
        "meters": [meter("m", "1", spot="0.40", on_demand_limit=3)],
        "usage": usage("m", FOUR, spot_tolerant=1, unmet_penalty=9),
        "offers": [units("ri", 4, "0", upfront="2")],
        "covers": [cover("ri", "m")],
    }
    toml = (
        f'[solve]\nmethod = "{method}"\ngap = 0\n[limits]\nupfront_cash = "5"\nspot_share = 0.25\n'
    )
    plan = make_plan(case_of(tmp_path, 4, toml, **rows))
    assert plan.bought == {"ri": 2}
    assert plan.spot.sum() == pytest.approx(4)
    assert plan.total == pytest.approx(Decimal("9.6"))
    assert float(plan.lower_bound) <= 9.6 + 1e-9
