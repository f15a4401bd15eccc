# SPDX-License-Identifier: Apache-2.0
"""Work that may move within limits, in cases that are small enough to reckon by hand."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from optimizer.planning import InfeasibleCase, make_plan, plan_document, to_json

from .folders import Row, at, cover, meter, units, usage
from .memory import case_of

EXACT = "[solve]\ngap = 0\n"


def document(folder: Path, horizon: int, toml: str = "", **tables: list[Row]) -> dict[str, Any]:
    """The plan document, with every check of it held and its bound at its objective."""
    tables = {"offers": [units("ri", horizon, 90)], "covers": [cover("ri", "a")]} | tables
    plan = make_plan(case_of(folder, horizon, EXACT + toml, **tables))
    found = json.loads(to_json(plan_document(plan)))
    assert all(check["ok"] for check in found["checks"])
    assert float(found["lower_bound"]) == pytest.approx(float(found["objective"]), abs=1e-6)
    return found


def substitute(share: float = 1.0) -> list[Row]:
    return [{"from_meter": "a", "to_meter": "b", "ratio": 1, "maximum_share": share}]


def job(name: str, of: str, work: float, least: float, most: float, last: int) -> Row:
    row = {"job": name, "meter": of, "unit_hours": work, "earliest": at(0), "deadline": at(last)}
    return row | {"minimum_units": least, "maximum_units": most}


def test_work_moves_as_far_as_a_quota_allows(tmp_path: Path) -> None:
    """4 units at $3 may move to $1, where two may run: 2 × 3 + 2 × 1 = $8 in each of 4 hours."""
    tables = {"usage": usage("a", [4, 4, 4, 4]), "substitutes": substitute()}
    for folder, limit, total in (("a", "", 16), ("b", 2, 32), ("c", 0, 48)):
        meters = [meter("a", 3), meter("b", 1, on_demand_limit=limit)]
        found = document(tmp_path / folder, 4, meters=meters, **tables)
        assert float(found["total"]) == pytest.approx(total)
        if limit:
            (row,) = found["limits"]
            assert (row["row"], row["name"]) == ("coverage.on_demand_limit", "b")
            assert (row["used"], row["maximum"]) == (pytest.approx(2), 2)
            # One more unit in each hour saves 3 − 1.
            assert float(row["price"]) == pytest.approx(4 * 2)


def test_what_is_used_there_leaves_less_of_the_quota(tmp_path: Path) -> None:
    """One unit of b runs anyway: one of four may come; 3 × 3 + 1 + 1 = $11 in an hour."""
    found = document(
        tmp_path,
        4,
        meters=[meter("a", 3), meter("b", 1, on_demand_limit=2)],
        usage=[*usage("a", [4, 4, 4, 4]), *usage("b", [1, 1, 1, 1])],
        substitutes=substitute(),
    )
    assert float(found["total"]) == pytest.approx(44)


def test_a_job_spreads_over_the_hours_of_a_spot_limit(tmp_path: Path) -> None:
    """Four unit-hours in three hours, one unit at once on spot: 3 × $2 + 1 × $10 = $16."""
    for folder, limit, last, total in (("a", "", 3, 8), ("b", 1, 3, 16), ("c", 1, 4, 8)):
        found = document(
            tmp_path / folder,
            4,
            meters=[meter("a", 10, spot=2, spot_limit=limit)],
            usage=usage("a", [0, 0, 0, 0]),
            jobs=[job("train", "a", 4, 1, 2, last) | {"preemptible": "true"}],
        )
        assert float(found["total"]) == pytest.approx(total)
        if limit:
            assert found["limits"][0]["used"] <= 1 + 1e-9


def test_a_share_of_spot_counts_what_arrives(tmp_path: Path) -> None:
    """Half of all dollars at list may be spot; the work that moves makes half of its own room.

    4 units at $3 move to b at $2, spot $1: 2 on demand and 2 on spot, $6 an hour.
    """
    found = document(
        tmp_path,
        4,
        "[limits]\nspot_share = 0.5\n",
        meters=[meter("a", 3), meter("b", 2, spot=1)],
        usage=usage("a", [4, 4, 4, 4], spot_tolerant=1),
        substitutes=substitute(),
    )
    assert float(found["total"]) == pytest.approx(24)
    (row,) = (row for row in found["limits"] if row["row"] == "coverage.spot_share")
    assert float(row["used"]) == pytest.approx(16)
    assert float(row["maximum"]) == pytest.approx(16)


def test_a_shared_quota_over_both_meters(tmp_path: Path) -> None:
    """b counts half: with at most 3 of 4, half of the work has to move although b is dearer."""
    rows = [
        {"limit": "power", "meter": m, "weight": w, "maximum": 3} for m, w in (("a", 1), ("b", 0.5))
    ]
    found = document(
        tmp_path,
        4,
        meters=[meter("a", 1), meter("b", 2)],
        usage=usage("a", [4, 4, 4, 4]),
        substitutes=substitute(),
        limits=rows,
    )
    assert float(found["total"]) == pytest.approx(4 * (2 * 1 + 2 * 2))


def held(quantity: int) -> dict[str, list[Row]]:
    """GPUs that have no on-demand price, and some of them reserved for four hours."""
    commitment = {"commitment": "c", "offer": "ri", "quantity": quantity}
    return {
        "meters": [meter("gpu", "")],
        "usage": usage("gpu", [0, 0, 0, 0]),
        "offers": [units("ri", 4, 5, maximum=0)],
        "covers": [cover("ri", "gpu")],
        "commitments": [commitment | {"start": at(0), "end": at(4)}],
    }


def gang(name: str) -> Row:
    return job(name, "gpu", 4, 2, 2, 4) | {"preemptible": "false"}


def test_no_capacity_is_proven_where_no_placement_has_any(tmp_path: Path) -> None:
    """Two jobs of 4 unit-hours, and one reservation for four hours."""
    with pytest.raises(InfeasibleCase, match="and that is proven") as caught:
        make_plan(case_of(tmp_path, 4, EXACT, **held(1), jobs=[gang("x"), gang("y")]))
    assert "job x, job y" in str(caught.value)


def test_no_capacity_is_not_called_proven_where_it_is_not(tmp_path: Path) -> None:
    """Three gangs of two for two hours each fill 3 × 4 unit-hours, but two never fit at once."""
    jobs = [gang(name) for name in "xyz"]
    with pytest.raises(InfeasibleCase, match="and not for all of them") as caught:
        make_plan(case_of(tmp_path, 4, EXACT, **held(3), jobs=jobs))
    assert "and that is proven" not in str(caught.value)
    assert all(r.amount > Decimal(0) for r in caught.value.relaxations)
