# SPDX-License-Identifier: Apache-2.0
"""A plan beside the providers' advice: scored by the replay that the README did by hand."""

from __future__ import annotations

import json
import shutil
from decimal import Decimal
from pathlib import Path

import pytest

from optimizer.errors import DataError
from optimizer.planning import make_plan, to_json
from optimizer.planning.compare import advised, compare, comparison_document
from optimizer.tables import Case, read_case

TINY = Path(__file__).parents[2] / "fixtures" / "tiny"
HEAD = "provider,offer,quantity,as_of,estimated_saving\n"


def with_advice(folder: Path, rows: str) -> Case:
    shutil.copytree(TINY, folder)
    (folder / "provider_advice.csv").write_text(HEAD + rows)
    return read_case(folder)


def test_candidates_are_billed_as_by_hand(tmp_path: Path) -> None:
    """The rows of the table "the best plan" in fixtures/tiny/README.md are candidates."""
    rows = "aws,plan,14,2026-01,3000\naws,ri,2,2026-01,\n"
    case = with_advice(tmp_path / "case", rows)
    today, scored = compare(case, {"ri": Decimal(1), "plan": Decimal(7)})
    assert today.total == Decimal(102)
    totals = {each.candidate.name: each.bill.total for each in scored}
    assert totals["plan"] == Decimal("77.25")
    assert totals["aws: plan"] == Decimal("85.25")
    # Two RIs cover all GPUs: 60 for three RIs, and 22 of CPUs on demand.
    assert totals["aws: ri"] == Decimal(82)
    # Both, as if they were meant to be added up: the 14 an hour is wasted on few CPUs.
    assert totals["aws: all of its advice"] == Decimal(60 + 56)
    assert scored[0].candidate.name == "plan"
    assert scored == sorted(scored, key=lambda each: each.bill.total)


def test_the_plan_is_scored_like_the_rest(tmp_path: Path) -> None:
    """Without spot and moves, the purchases' bill is that of the plan itself."""
    case = with_advice(tmp_path / "case", "aws,plan,3.2,2026-01,900\n")
    plan = make_plan(case)
    _, scored = compare(case, plan.bought)
    assert scored[0].candidate.name == "plan"
    assert scored[0].bill.total == plan.total
    assert not any(each.candidate.name == "plan, aws alone" for each in scored)  # the same


def test_what_is_claimed_stands_beside_what_is_replayed(tmp_path: Path) -> None:
    case = with_advice(tmp_path / "case", "aws,plan,3.2,2026-01,900\n")
    document = json.loads(to_json(comparison_document(case, {"plan": Decimal(7)})))
    advice = next(row for row in document["candidates"] if row["by"] == "aws")
    assert Decimal(advice["claimed_per_month"]) == 900
    hours = document["horizon_hours"]
    assert Decimal(advice["savings_per_month"]) == Decimal(advice["savings"]) * 730 / hours
    assert Decimal(advice["total"]) + Decimal(advice["savings"]) == Decimal(
        document["today"]["total"]
    )
    assert [row["demand"] for row in advice["sensitivity"]] == [0.5, 0.8, 1.0, 1.2]
    assert advice["sensitivity"][2]["total"] == advice["total"]
    assert "claims 900.00 a month" in document["explanation"][0]


def test_several_providers_are_told_apart(tmp_path: Path) -> None:
    folder = tmp_path / "case"
    shutil.copytree(TINY, folder)
    for name, row in {
        "meters": "az,azure,eastus,instance,Instance-Hours,2.00,made up,2026-01\n",
        "offers": "azr,azure.reservation,units,4,monthly,,1.00,made up,2026-01\n",
        "covers": "azr,az,1\n",
        "usage": "".join(f"2026-01-01T0{h}:00:00Z,az,5\n" for h in range(4)),
    }.items():
        with (folder / f"{name}.csv").open("a") as file:
            file.write(row)
    (folder / "provider_advice.csv").write_text(
        HEAD + "aws,plan,3.2,2026-01,900\nazure,azr,4,2026-01,2000\n"
    )
    case = read_case(folder)
    bought = {"plan": Decimal(7), "azr": Decimal(5)}
    today, scored = compare(case, bought)
    totals = {each.candidate.name: each.bill.total for each in scored}
    assert today.total == Decimal(102 + 40)
    assert totals["azure: azr"] == Decimal(102 + 16 + 8)
    assert totals["plan, azure alone"] == Decimal(102 + 20)
    assert totals["plan, aws alone"] + Decimal(20) - 40 == totals["plan"]
    every = totals["all providers: all of their advice"]
    assert every == totals["aws: plan"] + totals["azure: azr"] - today.total
    every_claim = next(c for c in advised(case) if c.by == "providers").claimed
    assert every_claim == Decimal(2900)


def test_what_cannot_be_compared_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no provider_advice"):
        compare(read_case(TINY), {})
    case = with_advice(tmp_path / "case", "aws,plan,3.2,2026-01,900\n")
    with pytest.raises(DataError, match="does not offer"):
        compare(case, {"other": Decimal(1)})
