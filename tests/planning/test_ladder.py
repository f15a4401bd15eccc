# SPDX-License-Identifier: Apache-2.0
"""What a plan for several futures says: ranges, the ladder, lock-in; and what it refuses."""

from __future__ import annotations

import json
from dataclasses import replace
from decimal import Decimal
from itertools import pairwise

import numpy as np
import pytest

from optimizer.demand import Scenarios, demand_of_horizon
from optimizer.errors import DataError
from optimizer.planning import make_plan, plan_document, to_json
from optimizer.planning.ladder import ladder_rows
from optimizer.planning.outlook import next_month, worth_of_waiting
from optimizer.planning.sampled import sampled
from optimizer.reporting.ladder import ladder_page
from optimizer.reporting.text import plan_page, render
from optimizer.tables import Case, parse_hour, read_case

from .conftest import Build, at

MONTH = 730
TOML = 'currency = "USD"\nas_of = "2026-11-21T00:00:00Z"\nhorizon_hours = 2190\n'


def case_of(build: Build, more: str = "", **tables: list) -> Case:
    """Two reservations of one meter, one commitment that ends, in a horizon of three months."""
    units = {"law": "aws.reserved.regional", "measure": "units", "upfront": ""}
    folder = build(
        offers=[
            units | {"offer": "short", "term_hours": MONTH, "hourly": "7"},
            units | {"offer": "long", "term_hours": 3 * MONTH, "hourly": "5"},
        ],
        covers=[{"offer": o, "meter": "gpu", "draw": "1"} for o in ("short", "long")],
        usage=[{"hour": at(0), "meter": "gpu", "quantity": 4, "spot_tolerant": 0}],
        commitments=[
            {
                "commitment": "c",
                "offer": "long",
                "quantity": 1,
                "start": "2026-09-01T00:00:00Z",
                "end": "2026-12-01T00:00:00Z",
                "cancel_until": "2026-11-25T00:00:00Z",
            }
        ],
        **tables,
    ).path
    (folder / "case.toml").write_text(TOML + "[ladder]\nsteps = [1, 2]\n" + more, encoding="utf-8")
    return read_case(folder)


def futures_of(case: Case, months: list[list[float]]) -> Scenarios:
    """One future for each row of the levels of its months."""
    base = demand_of_horizon(case)
    quantity = np.array(months)[:, None, :].repeat(MONTH, axis=2)
    odds = np.full(len(months), 1 / len(months))
    names = tuple(f"f{s}" for s in range(len(months)))
    return Scenarios(base, names, odds, quantity, np.zeros_like(quantity))


# It falls, or it grows: seen in the second month, and settled in the third.
PATHS = [[4.0, 2.0, 1.0], [4.0, 6.0, 8.0]]


def test_ranges_are_those_of_the_replayed_bills(build: Build) -> None:
    case = case_of(build)
    plan = make_plan(case, scenarios=futures_of(case, PATHS))
    document = plan_document(plan)
    totals = sorted(row["total"] for row in document["scenarios"])
    assert document["expected"] == document["total"]
    assert document["total"] == pytest.approx(sum(totals) / 2, rel=Decimal("1e-9"))
    assert (document["p10"], document["p90"]) == (totals[0], totals[-1])
    assert document["cvar"] == pytest.approx(totals[-1], rel=Decimal("1e-9"))
    assert document["bill"]["total"] == document["total"]
    for row in document["scenarios"]:
        regret = max(Decimal(0), row["objective"] - row["hindsight"])
        assert abs(row["regret"] - regret) < Decimal("1e-9")
        assert row["hindsight"] <= row["objective"]
    as_planned = next(row for row in document["sensitivity"] if row["demand"] == 1)
    assert as_planned["total"] == pytest.approx(document["total"], rel=Decimal("1e-9"))
    assert json.loads(to_json(document))["ladder"]
    assert f"in half and ${document['p90']:,.0f} in nine tenths" in document["explanation"][-1]
    text = render(plan_page(document), width=132, colour=False)
    assert "The bill in 2 futures" in text


def test_what_grows_is_bought_when_it_is_seen(build: Build) -> None:
    case = case_of(build)
    plan = make_plan(case, scenarios=futures_of(case, PATHS))
    rows = ladder_rows(plan)
    assert [row["date"] for row in rows] == sorted(row["date"] for row in rows)
    later = [row for row in rows if row["action"] == "buy_later" and row["odds"] < 1]
    assert later
    for row in later:
        assert row["low"] == 0 < row["expected"] < row["high"]
        assert row["trigger"]["above"] == 4.0  # the mean of the second month: 2 or 6
        assert row["odds"] == 0.5
    # What is bought of it, and of nothing else, differs between the futures.
    names = [{h.name for h in future.later} for future in plan.futures]
    assert names[0] < names[1]
    assert {row["action"] for row in rows} >= {"end", "cancel", "buy"}
    assert worth_of_waiting(plan) > 0
    document = {
        "currency": "USD", "snapshot": case.snapshot, "as_of": at(0), "ladder": rows,
        "scenarios": 2, "worth_of_waiting": worth_of_waiting(plan),
    }  # fmt: skip
    text = render(ladder_page(document), width=132, colour=False)
    assert "was above 4 units on average" in text
    assert "last day to cancel" in text


def test_lock_in_falls_to_nothing(build: Build) -> None:
    case = case_of(build)
    rows = plan_document(make_plan(case, scenarios=futures_of(case, PATHS)))["lock_in"]
    owed = [row["held"] + row["bought"] for row in rows]
    assert all(more >= less for more, less in pairwise(owed))
    assert owed[-1] == 0 < owed[0]
    # One unit of "long" at $5, from the case's hour to the end of November.
    assert rows[0]["held"] == 5 * 24 * 10


def test_a_purchase_that_cannot_wait_says_so(build: Build) -> None:
    case = case_of(build)
    plan = make_plan(case, scenarios=futures_of(case, PATHS))
    now = [row for row in ladder_rows(plan) if row["action"] == "buy"]
    assert now
    assert {row["latest"] for row in now} == {"2026-12-21T10:00:00Z"}
    chances = {row["offer"]: row["pays_back"] for row in plan_document(plan)["purchases"]}
    assert set(chances) == {row["offer"] for row in now}
    assert all(0 <= chance <= 1 for chance in chances.values())


def test_a_price_cut_is_in_the_bill_and_in_the_advice(build: Build) -> None:
    case = case_of(build)
    same = futures_of(case, [[4.0, 4.0, 4.0]] * 3)
    factor = np.ones((3, 3 * MONTH))
    factor[1:, MONTH:] = 0.1
    cut = replace(same, price_factor={"gpu": factor})
    plan, dear = make_plan(case, scenarios=cut), make_plan(case, scenarios=same)
    # Without purchases: 3 units beyond the held one for ten days, then 4, at $10 or $1.
    first, second, _ = (future.baseline.on_demand for future in plan.futures)
    assert first == 10 * (3 * 240 + 4 * (2190 - 240))
    assert second == 10 * (3 * 240 + 4 * (MONTH - 240)) + 4 * 2 * MONTH
    # On average on-demand costs $4 after the cut: no term of $5 pays, but where it stays at $10.
    assert dear.bought == {"long": 4}
    assert "long" not in plan.bought
    assert plan.total < dear.total
    # The cut is seen by the second step.
    assert plan.ground.tree.nodes(2) == [(0,), (1, 2)]
    assert plan.lower_bound <= plan.objective


@pytest.mark.parametrize("paths", [PATHS, [[4.0, 6.0, 8.0]] * 2])
def test_upfront_cash_holds_for_every_quarter_and_path(
    build: Build, paths: list[list[float]]
) -> None:
    case = case_of(build, '[limits]\nupfront_cash = "6000"\n')
    folder = case.path
    rows = (folder / "offers.csv").read_text().splitlines()
    head = rows[0].split(",")
    at_upfront, at_hourly = head.index("upfront"), head.index("hourly")
    made = []
    for row in rows[1:]:
        cells = row.split(",")
        cells[at_upfront], cells[at_hourly] = ("3000", "") if "short" in row else ("9000", "")
        made.append(",".join(cells))
    (folder / "offers.csv").write_text("\n".join([rows[0], *made]) + "\n", encoding="utf-8")
    case = read_case(folder)
    plan = make_plan(case, scenarios=futures_of(case, paths))
    names = [name for part in plan.parts for name in part.problem.links.names]
    assert any(name.startswith("ladder.cash[2027-01-20") for name in names)
    # Everything pays here: all the cash of the quarter is spent.
    spent = []
    for future in plan.futures:
        paid = sum(h.quantity * h.offer.upfront for h in future.later)
        paid += sum(q * plan.catalogue.offers[name].upfront for name, q in plan.bought.items())
        spent.append(paid)
    assert max(spent) == 6000


@pytest.mark.parametrize(
    ("more", "column"),
    [
        ("[limits]\nspot_share = 0.5\n", "limits.spot_share"),
        ("[limits]\nmax_unused_share = 0.1\n", "limits.max_unused_share"),
    ],
)
def test_what_is_not_combined_is_refused(build: Build, more: str, column: str) -> None:
    case = case_of(build, more)
    with pytest.raises(DataError, match="under several futures") as caught:
        make_plan(case, scenarios=futures_of(case, PATHS))
    assert caught.value.column == column


def test_months() -> None:
    assert next_month(parse_hour("2026-11-21T00:00:00Z")) == parse_hour("2026-12-01T00:00:00Z")
    assert next_month(parse_hour("2026-12-31T23:00:00Z")) == parse_hour("2027-01-01T00:00:00Z")


def test_a_sample_of_the_hours_costs_what_all_of_them_do(
    build: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = case_of(build)
    scenarios = futures_of(case, PATHS)
    noise = np.random.default_rng(3).integers(0, 3, scenarios.quantity.shape)
    plan = make_plan(case, scenarios=replace(scenarios, quantity=scenarios.quantity + noise))
    whole = sum(part.answer.objective for part in plan.parts)
    monkeypatch.setattr("optimizer.planning.sampled.SAMPLE_SIZE", 800)
    small = sampled(plan)
    assert sum(len(part.window.weight) for part in small.parts) <= 800
    assert sum(part.problem.weight.sum() for part in small.parts) == pytest.approx(
        sum(part.problem.weight.sum() for part in plan.parts)
    )
    assert sum(part.answer.objective for part in small.parts) == pytest.approx(whole, rel=0.02)
    assert small.bought == plan.bought
