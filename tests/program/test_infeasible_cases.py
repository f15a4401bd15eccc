# SPDX-License-Identifier: Apache-2.0
"""Cases that no plan meets, reckoned by hand: which limits are named, and by how much."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from optimizer.planning import make_plan
from optimizer.planning.relax import InfeasibleCase
from optimizer.tables import Case

from .folders import meter, units, usage
from .four_hours import FOUR, case
from .memory import case_of


def infeasible(case_: Case) -> InfeasibleCase:
    with pytest.raises(InfeasibleCase) as caught:
        make_plan(case_)
    return caught.value


def told(error: InfeasibleCase) -> list[tuple[str, Decimal, Decimal | None]]:
    return [(row.limit, row.amount, row.cost) for row in error.relaxations]


def test_of_two_limits_the_one_that_suffices_is_named(tmp_path: Path) -> None:
    """4 units must run: 3 on demand, and spot takes none of them, tolerant or not.

    With a quota of 4 all is well; with a spot limit of 1, too, but that is a change from
    nothing. Each alone is enough, and both are told.
    """
    error = infeasible(
        case(
            tmp_path,
            meters=[meter("m", "1", spot="0.40", on_demand_limit=3, spot_limit=0)],
            used=usage("m", FOUR, spot_tolerant=1),
        )
    )
    (first,), ((second,),) = error.relaxations, error.alternatives
    assert {first.limit, second.limit} == {"on_demand_limit of meter m", "spot_limit of meter m"}
    assert first.amount == second.amount == 1
    costs = {row.limit: row.cost for row in (first, second)}
    assert costs["on_demand_limit of meter m"] == 16
    assert float(costs["spot_limit of meter m"] or 0) == pytest.approx(12 + 4 * 0.40)
    assert "on_demand_limit of meter m by 1" in str(error)
    assert "spot_limit of meter m by 1" in str(error)
    assert error.exit_code == 11


def test_a_limit_that_does_not_help_is_not_named(tmp_path: Path) -> None:
    """Two limits are too tight, and the quota of all GPUs binds in any case: one is enough.

    4 units, on_demand_limit 4, quota 3: only the quota is in the way.
    """
    error = infeasible(
        case(
            tmp_path,
            '[limits]\nupfront_cash = "0"\n',
            meters=[meter("m", "1", on_demand_limit=4)],
            used=usage("m", FOUR),
            offers=[units("ri", 4, "0", upfront="2")],
            limits=[{"limit": "gpus", "meter": "m", "weight": 1, "maximum": 3}],
        )
    )
    assert told(error) == [("limit gpus", Decimal(1), Decimal(16))]
    assert not error.alternatives


def test_two_limits_must_go_together(tmp_path: Path) -> None:
    """Nothing on demand but 2 at once, and quota 3: both must be relaxed."""
    error = infeasible(
        case(
            tmp_path,
            meters=[meter("m", "1", on_demand_limit=2)],
            used=usage("m", FOUR),
            limits=[{"limit": "gpus", "meter": "m", "weight": 2, "maximum": 6}],
        )
    )
    assert sorted(told(error)) == [
        ("limit gpus", Decimal(2), Decimal(16)),
        ("on_demand_limit of meter m", Decimal(2), Decimal(16)),
    ]


def test_a_minimum_and_cash_that_contradict_each_other_are_both_named(tmp_path: Path) -> None:
    """Two units must be covered; five is the least, at 100.00 up front each, for cash of 200.00.

    Cash of 500.00 would do, or a minimum of two.
    """
    error = infeasible(
        case(
            tmp_path,
            '[limits]\nupfront_cash = "200"\n',
            meters=[meter("m", "")],
            used=usage("m", [2, 2, 2, 2]),
            offers=[units("ri", 4, "0", upfront="100", minimum=5)],
        )
    )
    known = {way[0].limit: way[0] for way in (error.relaxations, *error.alternatives)}
    assert known["limits.upfront_cash"].amount == 300
    assert known["limits.upfront_cash"].cost == 500
    assert known["the minimum of offer ri"].amount == 3
    assert known["the minimum of offer ri"].cost == 200
    assert "raise limits.upfront_cash by 300" in str(error)
    assert "lower the minimum of offer ri by 3" in str(error)


def test_shares_and_the_largest_purchase_in_their_own_units(tmp_path: Path) -> None:
    """One unit of four has a price elsewhere: three must be bought for 2.00 each, one may."""
    error = infeasible(
        case(
            tmp_path / "largest",
            '[limits]\nlargest_purchase = "2"\n',
            meters=[meter("m", "")],
            used=usage("m", [3, 3, 3, 3]),
            offers=[units("ri", 4, "0.50")],
        )
    )
    assert ("limits.largest_purchase", Decimal(4)) in {row[:2] for row in told(error)} | {
        (row.limit, row.amount) for way in error.alternatives for row in way
    }
    error = infeasible(
        case(
            tmp_path / "share",
            "[limits]\nspot_share = 0.5\n",
            meters=[meter("m", "1", on_demand_limit=0, spot="0.40")],
            used=usage("m", FOUR, spot_tolerant=1),
        )
    )
    known = {row.limit: row for way in (error.relaxations, *error.alternatives) for row in way}
    assert float(known["limits.spot_share"].amount) == pytest.approx(0.5)
    error = infeasible(
        case(
            tmp_path / "unused",
            "[limits]\nmax_unused_share = 0.25\n",
            meters=[meter("m", "")],
            used=usage("m", [2, 2, 0, 0]),
            offers=[units("ri", 4, "0.50")],
        )
    )
    known = {row.limit: row for way in (error.relaxations, *error.alternatives) for row in way}
    assert float(known["limits.max_unused_share"].amount) == pytest.approx(0.25)


@pytest.mark.parametrize("method", ["partition", "mathopt"])
def test_every_method_proves_what_is_infeasible(tmp_path: Path, method: str) -> None:
    rows = {
        "meters": [meter("m", "1", on_demand_limit=2)],
        "usage": usage("m", FOUR),
        "limits": [{"limit": "gpus", "meter": "m", "weight": 2, "maximum": 6}],
    }
    error = infeasible(case_of(tmp_path, 4, f'[solve]\nmethod = "{method}"\n', **rows))
    assert {row.limit for row in error.relaxations} == {"limit gpus", "on_demand_limit of meter m"}
