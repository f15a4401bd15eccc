# SPDX-License-Identifier: Apache-2.0
"""A plan for one future, replayed in many: every figure reckoned by hand from the paths."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest

from optimizer.demand import scenarios_of_horizon
from optimizer.planning import make_plan, plan_document, to_json
from optimizer.planning.plan import Plan
from optimizer.planning.ranges import ranges_of
from optimizer.planning.worth import LEVELS, worth_of_commitments
from optimizer.reporting.text import plan_page, render
from optimizer.tables import Case, read_case
from optimizer.tables.settings import Demand

from .conftest import Build
from .markets import write_case

WEEK = 168
HORIZON = 8 * WEEK
RATE = 0.6


def case_of(folder: Path, weeks: int = 26, toml: str = "", term: int = HORIZON) -> Case:
    """One meter at 1.00 whose weekly level wanders, and a reservation at 0.60."""
    random = np.random.default_rng(5)
    level = np.repeat(np.maximum(2, 20 + random.normal(0, 2, weeks).cumsum()), WEEK)
    day = np.tile(np.arange(24) < 12, weeks * 7)
    write_case(folder, {"gpu": np.round(level * (1 + 0.3 * day))}, reserved=RATE, term=term)
    text = (folder / "case.toml").read_text(encoding="utf-8")
    more = f"horizon_hours = {HORIZON}\n{toml}"
    (folder / "case.toml").write_text(text + more, encoding="utf-8")
    return read_case(folder)


def paths_of(case: Case, count: int) -> np.ndarray:
    """(S, T): what the seasonal forecaster says."""
    asked = replace(case, settings=replace(case.settings, demand=Demand("seasonal", count)))
    return scenarios_of_horizon(asked).quantity[:, 0]


@pytest.fixture(scope="module")
def plan(tmp_path_factory: pytest.TempPathFactory) -> Plan:
    return make_plan(case_of(tmp_path_factory.mktemp("ranges") / "case"))


def test_bills_of_the_futures_are_those_reckoned_by_hand(plan: Plan) -> None:
    document = plan_document(plan)
    paths, amount = paths_of(plan.case, 20), float(plan.bought["ri/gpu"])
    bills = RATE * amount * HORIZON + np.maximum(paths - amount, 0).sum(axis=1)
    rows = document["ranges"]["bills"]
    assert [float(row["total"]) for row in rows] == pytest.approx(bills.tolist())
    assert [float(row["baseline"]) for row in rows] == pytest.approx(paths.sum(axis=1).tolist())
    ordered = np.sort(bills)
    assert float(document["expected"]) == pytest.approx(bills.mean())
    assert float(document["p10"]) == pytest.approx(ordered[1])
    assert float(document["p50"]) == pytest.approx(ordered[9])
    assert float(document["p90"]) == pytest.approx(ordered[17])
    assert float(document["cvar"]) == pytest.approx(ordered[-2:].mean())
    assert ordered[0] < ordered[-1]
    saved = paths.sum(axis=1) - bills
    assert float(document["ranges"]["savings"]["expected"]) == pytest.approx(saved.mean())
    assert document["ranges"]["pays"] == (saved > 0).mean()
    # All hours fit into the sample here, so that the chance is of these very bills.
    (row,) = document["purchases"]
    assert row["pays_back"] == (saved > 0).mean()
    text = render(plan_page(document), width=132, colour=False)
    assert "The bill in 20 forecast futures, with the same purchases" in text
    assert "the purchase above" in text
    assert "weeks of history, stretched" not in text
    assert any(line.startswith("Ranges: with the same") for line in document["explanation"])


def test_down_to_which_demand_a_purchase_pays(plan: Plan) -> None:
    bought, _ = worth_of_commitments(plan, None)
    worth, amount = bought["ri/gpu"], float(plan.bought["ri/gpu"])
    usage = plan.demand.usage.quantity[0]
    by_hand = [
        np.minimum(usage * level, amount).sum() - RATE * amount * HORIZON for level in LEVELS
    ]
    assert worth.levels.tolist() == pytest.approx(by_hand)
    assert worth.pays_back is None
    least = next((i for i, saved in enumerate(by_hand) if saved <= 0), len(LEVELS))
    assert 0 < least < len(LEVELS)
    assert worth.pays_down_to == LEVELS[least - 1]
    assert worth.expected == worth.levels[0]


def test_a_sample_of_the_hours_says_nearly_the_same(
    plan: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    scenarios = ranges_of(plan).scenarios
    whole, _ = worth_of_commitments(plan, scenarios)
    monkeypatch.setattr("optimizer.planning.worth.SIZE", 5000)
    small, _ = worth_of_commitments(plan, scenarios)
    scale = RATE * float(plan.bought["ri/gpu"]) * HORIZON
    assert np.abs(small["ri/gpu"].futures - whole["ri/gpu"].futures).max() < 0.03 * scale
    assert not np.array_equal(small["ri/gpu"].futures, whole["ri/gpu"].futures)


def test_what_ends_is_told_with_the_worth_of_buying_it_again(tmp_path: Path) -> None:
    folder = tmp_path / "case"
    case = case_of(folder, toml="[demand]\nranges = 5\n")
    held = "commitment,offer,quantity,start,end\nold,ri/gpu,3,2024-05-27T00:00:00Z,{end}\n"
    (folder / "commitments.csv").write_text(held.format(end="2024-07-15T00:00:00Z"))
    plan = make_plan(read_case(folder))
    document = plan_document(plan)
    (row,) = [row for row in document["ladder"] if row["action"] == "end"]
    amount = float(plan.bought["ri/gpu"])
    at = 2 * WEEK  # as_of is 2024-07-01
    usage = plan.demand.usage.quantity[0, at:]
    saved = np.minimum(np.maximum(usage - amount, 0), 3).sum() - RATE * 3 * (HORIZON - at)
    assert float(row["renewal"]["saves_as_planned"]) == pytest.approx(saved)
    paths = paths_of(case, 5)[:, at:]
    each = np.minimum(np.maximum(paths - amount, 0), 3).sum(axis=1) - RATE * 3 * (HORIZON - at)
    assert float(row["renewal"]["saves"]) == pytest.approx(each.mean())
    assert row["renewal"]["pays_back"] == (each > 0).mean()
    assert document["lock_in"][0]["held"] == Decimal("0.6") * 3 * at
    assert "bought again it would" in render(plan_page(document), width=132, colour=False)


def test_two_documents_have_the_same_bytes_and_a_quick_one_has_no_ranges(plan: Plan) -> None:
    assert to_json(plan_document(plan)) == to_json(plan_document(plan))
    assert not {"ranges", "expected", "ladder"} & set(plan_document(plan, weighed=False))


def test_ranges_are_absent_with_their_reason(tmp_path: Path, build: Build) -> None:
    def reason(case: Case) -> str:
        document = plan_document(make_plan(case))
        assert "expected" not in document
        assert "ladder" in document
        why = document["ranges"]["absent"]
        assert f"Ranges: none, because {why}." in document["explanation"]
        text = render(plan_page(document), width=400, colour=False)
        assert why in text
        assert "forecast futures" not in text
        return str(why)

    assert reason(build()) == "every hour of the horizon is given"
    assert "too short" in reason(case_of(tmp_path / "short", weeks=1))
    assert "[demand] ranges is 0" in reason(
        case_of(tmp_path / "off", toml="[demand]\nranges = 0\n")
    )


def test_futures_longer_than_the_history_are_called_rough(tmp_path: Path) -> None:
    plan = make_plan(case_of(tmp_path / "case", weeks=6, toml="[demand]\nranges = 4\n"))
    document = plan_document(plan)
    assert document["ranges"]["history_hours"] == 6 * WEEK
    more = document["ranges"]["baseline"]["expected"] / document["baseline"] - 1
    text = render(plan_page(document), width=400, colour=False)
    assert "6 weeks of history, stretched over 8: read the range as rough." in text
    assert f"cost {more:+.0%} against demand as planned" in text


def test_what_a_plan_counts_on_again_stands_in_the_calendar(tmp_path: Path) -> None:
    """A term longer than the horizon, and one that ends with it and is counted on again."""
    folder = tmp_path / "case"
    case_of(folder, toml="[demand]\nranges = 2\n")
    offers = folder / "offers.csv"
    offers.write_text(offers.read_text() + f"long,aws.reserved.regional,units,{4 * HORIZON},0.65\n")
    covers = folder / "covers.csv"
    covers.write_text(covers.read_text() + "long,gpu,1\n")
    document = plan_document(make_plan(read_case(folder)))
    counted = [(row["offer"], row["start"]) for row in document.get("renewals", [])]
    rows = [(row["offer"], row["date"]) for row in document["ladder"] if row["action"] == "renew"]
    assert rows
    assert sorted(rows) == sorted(row for row in counted if row[1] < "2025-07-01T00:00:00Z")
