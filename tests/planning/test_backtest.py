# SPDX-License-Identifier: Apache-2.0
"""Walking a history: costs by hand, the optimum below every rule, the gate, and bad input."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.optimize import linprog
from typer.testing import CliRunner

from api.cli import app
from optimizer.billing.order import OrderedPair
from optimizer.errors import DataError, UsageError
from optimizer.planning.backtest import Policy, Verdict, backtest, backtest_document, gate
from optimizer.planning.backtest.market import open_market
from optimizer.planning.backtest.rules import MostSaved, OnDemand, peers
from optimizer.planning.backtest.run import calendars
from optimizer.planning.backtest.walk import Calendar, decide_all, optimum, settle
from optimizer.program.dated import Dated, cover, solve_dated
from optimizer.reporting.backtest import chart, table_rows, walks
from optimizer.tables import read_case

from .markets import one, several, write_case

HERE = Path(__file__).parent
DRAWS = np.random.default_rng(11)


def shaved_ice(first: str, last: str) -> np.ndarray:
    """The paper's hours, their maximum scaled to 100."""
    rows = [line.split(",") for line in (HERE / "shaved_ice.csv").read_text().splitlines()[3:]]
    units = np.array([float(value) for hour, value in rows if first <= hour <= last])
    return (units * 100 / units.max())[None]


def test_the_papers_optimum_level_and_cost() -> None:
    """Shaved Ice (ICPE 2025): level 77.45, cost 29,326.43, at a premium of 2.1."""
    demand = shaved_ice("2024-01-07T01", "2024-01-20T23:00:00Z")
    assert demand.shape == (1, 335)
    best = optimum(one(1.0, price=2.1), demand, Calendar((0,), 0, 335), gap=1e-9)
    assert round(float(best.amount[0, 0]), 2) == 77.45
    assert round(best.cost, 2) == 29326.43


def test_rows_are_by_what_they_cost_in_json_too() -> None:
    """Costs are texts in JSON, and "98000" is above "9000.5" as a text alone."""
    costs = {"c": "98000", "b": "10000", "a": "9000.5", "d": "10000"}
    rows = [
        {"scenario": "history", "start": "2026-01-01T00:00:00Z", "rule": rule, "cost": cost}
        for rule, cost in costs.items()
    ]
    (found,) = walks({"rules": rows})
    assert [row["rule"] for row in found] == ["a", "b", "d", "c"]


def test_the_papers_weekly_ladder() -> None:
    """Four weeks at one level: 55,647; by weeks 55,184, which is 0.84 above the least."""
    demand = shaved_ice("2023-12-03T01", "2023-12-30T23:00:00Z")
    assert demand.shape == (1, 671)
    single = optimum(one(1.0, price=2.1), demand, Calendar((0,), 0, 671), gap=1e-9)
    weekly = optimum(one(1.0, 168, 2.1), demand, Calendar.every(0, 671, 168), gap=1e-9)
    assert round(single.cost) == 55647
    assert weekly.cost == pytest.approx(55184, abs=1.0)
    assert weekly.cost <= 55184


def test_a_walk_is_charged_inside_its_window_only(tmp_path: Path) -> None:
    demand = np.concatenate([np.full(500, 4.0), np.full(500, 2.0)])
    folder = write_case(tmp_path, {"m": demand}, reserved=0.6, term=200)
    opened = open_market(read_case(folder))
    calendar = Calendar((400, 600), 400, 900)
    walk = settle(opened.market, opened.history, calendar, np.array([[3.0], [1.0]]), "by hand")
    # 400–599: three held of four (first hundred), of two (second); 600–799: one held of two.
    assert walk.committed == pytest.approx(0.6 * (3 * 200 + 1 * 200))
    assert walk.on_demand == pytest.approx(1 * 100 + 0 * 100 + 1 * 200 + 2 * 100)
    assert walk.all_on_demand == pytest.approx(4 * 100 + 2 * 400)
    assert walk.used == pytest.approx(0.6 * (300 + 200 + 200))
    assert walk.coverage == pytest.approx(1 - 500 / 1200)
    assert walk.savings_rate == pytest.approx(1 - (480 + 500) / 1200)
    assert walk.by_step[0].sum() == pytest.approx(walk.cost)
    assert walk.in_force == pytest.approx(np.array([[3.0, 1.0]]))


def test_one_more_unit_is_worth_what_covering_with_it_saves() -> None:
    market = several(3)
    demand = DRAWS.uniform(0, 10, (3, 40))
    force = np.repeat(np.array([3.0, 5.0, 1.0, 4.0])[:, None], 40, axis=1)
    cost, worth, left = cover(market.pairs, market.price, demand, force)
    assert cost == pytest.approx(left.sum(axis=0))
    for instrument in range(4):
        more = force.copy()
        more[instrument] += 1e-7
        saved = cost - cover(market.pairs, market.price, demand, more)[0]
        assert saved / 1e-7 == pytest.approx(worth[instrument], abs=1e-5)


@pytest.mark.parametrize("seed", range(4))
def test_dated_purchases_are_those_of_the_program_with_every_hour_written_out(seed: int) -> None:
    draws = np.random.default_rng(seed)
    lines, hours, dates = 2, 24, (0, 8, 16)
    demand = draws.uniform(0, 5, (lines, hours))
    market = several(lines, term=12)
    calendar = Calendar(dates, 0, hours)
    best = optimum(market, demand, calendar, gap=1e-7)
    # Columns: amounts (date, instrument), covered (pair, hour); what is left is on demand.
    count, pairs = len(market.instruments), market.pairs
    size = len(dates) * count
    width = size + len(pairs) * hours
    price = np.zeros(width)
    rows, limit = [], []
    for k, date in enumerate(dates):
        for o in range(count):
            price[k * count + o] = market.rate[o] * (min(date + 12, hours) - date)
    for hour in range(hours):
        for line in range(lines):
            row = np.zeros(width)
            for p, pair in enumerate(pairs):
                if pair.line == line:
                    row[size + p * hours + hour] = 1.0
                    price[size + p * hours + hour] = -1.0
            rows.append(row)
            limit.append(demand[line, hour])
        for o in range(count):
            row = np.zeros(width)
            for p, pair in enumerate(pairs):
                if pair.holding == o:
                    row[size + p * hours + hour] = pair.draw
            for k, date in enumerate(dates):
                if date <= hour < date + 12:
                    row[k * count + o] = -1.0
            rows.append(row)
            limit.append(0.0)
    answer = linprog(price, A_ub=np.array(rows), b_ub=np.array(limit), method="highs")
    assert best.cost == pytest.approx(answer.fun + demand.sum(), rel=1e-6)
    assert best.bound <= best.cost


def test_what_is_held_is_not_bought_again() -> None:
    problem = Dated(
        pairs=(OrderedPair(0, 0, 1.0),),
        price=np.ones(1),
        demand=(np.full((1, 1), 5.0),),
        weight=(np.array([10.0]),),
        held=np.array([[3.0]]),
        cost=np.array([[6.0]]),
        active=np.ones((1, 1, 1), dtype=bool),
    )
    assert solve_dated(problem).amount == pytest.approx(np.array([[2.0]]))
    full = replace(problem, held=np.array([[5.0]]))
    assert solve_dated(full).amount == pytest.approx(np.array([[0.0]]))


@pytest.mark.parametrize("seed", range(3))
def test_no_rule_costs_less_than_the_optimum(seed: int) -> None:
    draws = np.random.default_rng(seed)
    steps = np.cumsum(draws.normal(0, 0.3, (2, 60)), axis=1)
    demand = 20 * np.exp(np.repeat(steps, 50, axis=1) / 3) * draws.uniform(0.7, 1.3, (2, 3000))
    market = several(2, term=1500)
    calendar = Calendar.every(750, 3000, 500)
    best = optimum(market, demand, calendar, gap=1e-4)
    for rule in [*peers(market), Policy()]:
        amount = decide_all(market, demand, calendar, rule)
        force = np.zeros((3, 3000))
        for date, bought in zip(calendar.dates, amount, strict=True):
            force[:, date : date + 1500] += bought[:, None]
        hourly, _, _ = cover(market.pairs, market.price, demand[:, 750:], force[:, 750:])
        assert hourly.sum() + (market.rate @ force[:, 750:]).sum() >= best.bound * (1 - 1e-9)


def test_a_backtest_is_the_same_side_by_side_and_backwards_begins_at_the_end(
    tmp_path: Path,
) -> None:
    hours = np.arange(2400)
    demand = {"a": 5 + hours / 400, "b": np.full(2400, 3.0)}
    case = read_case(write_case(tmp_path, demand, reserved=0.6, plan=0.72, term=1460))
    rules = [OnDemand(), MostSaved(30), Policy()]
    alone = backtest(case, starts=2, rules=rules)
    with ThreadPoolExecutor(2) as executor:
        beside = backtest(case, starts=2, rules=rules, executor=executor)
    document = backtest_document(alone, detail=True)
    assert document == backtest_document(beside, detail=True)
    half = len(alone.outcomes) // 2
    assert [o.scenario.name for o in alone.outcomes] == ["as it was"] * half + ["backwards"] * half
    forward, backward = alone.outcomes[0], alone.outcomes[-1]
    first = alone.opened.history.demand
    calendar = backward.scenario.calendar
    assert backward.of("all on demand").cost == pytest.approx(
        first[:, ::-1][:, calendar.first :].sum()
    )
    assert forward.regret(forward.of("gpuopt")) >= -1e-4 * forward.optimum.cost
    for row in document["rules"]:
        assert row["cost"] == row["on_demand"] + row["commitment_cost"]
        assert sum(step["cost"] for step in row["steps"]) == pytest.approx(row["cost"], abs=1)


def test_the_replay_of_the_law_covers_as_the_program_does(tmp_path: Path) -> None:
    demand = {name: DRAWS.uniform(0, 9, 400) for name in "abc"}
    opened = open_market(read_case(write_case(tmp_path, demand, reserved=0.6, plan=0.72)))
    market, history = opened.market, opened.history
    force = np.repeat(np.arange(1.0, len(market.instruments) + 1)[:, None], 400, axis=1)
    _, _, left = cover(market.pairs, market.price, history.demand, force)
    assert history.cover(0, 400, force).uncovered == pytest.approx(left)


def test_dates_begin_after_a_look_and_later_starts_have_less_to_walk() -> None:
    assert calendars(2160, 730, 1)[0] == Calendar((720, 1450), 720, 2160)
    several_starts = calendars(26280, 730, 3)
    assert [c.first for c in several_starts] == [2160, 2160 + 8 * 730, 2160 + 17 * 730]
    assert all(c.last == 26280 for c in several_starts)
    assert calendars(400, 730, 3) == [Calendar((336,), 336, 400)]


def test_the_gate_does_not_know_what_a_short_history_cannot_show(tmp_path: Path) -> None:
    short = read_case(write_case(tmp_path / "s", {"m": np.full(2000, 5.0)}, reserved=0.6))
    found = gate(short)
    assert found.verdict is Verdict.unknown
    assert "too short to know" in found.reason
    document = found.as_dict()
    assert document["window_hours"] == 2000 - 666
    # Both rules buy all five units at once, and save forty percent.
    for who in ("policy", "provider", "optimum"):
        assert document[who]["effective_savings_rate"] == pytest.approx(0.4, abs=1e-3)
    tiny = read_case(write_case(tmp_path / "t", {"m": np.full(100, 5.0)}, reserved=0.6))
    nothing = gate(tiny)
    assert nothing.verdict is Verdict.unknown
    assert "100 hours of history" in nothing.reason
    assert "policy" not in nothing.as_dict()


def test_the_gate_passes_and_fails_on_what_history_says(tmp_path: Path) -> None:
    hours = np.arange(5000)
    falling = read_case(
        write_case(tmp_path / "f", {"m": 100 * np.exp(-hours / 2000)}, reserved=0.6, term=2190)
    )
    passed = gate(falling)
    assert passed.verdict is Verdict.passed
    assert passed.ours is not None
    assert passed.providers is not None
    assert passed.ours.cost < passed.providers.cost
    # What fell for long, and then came back for good: the doubt does not pay.
    level = np.where(hours < 2600, 100 * np.exp(-hours / 2000), 100.0)
    level[2600:] *= np.exp((hours[2600:] - 2600) / 5000)
    back = read_case(write_case(tmp_path / "b", {"m": level}, reserved=0.6, term=2190))
    failed = gate(back)
    assert failed.verdict is Verdict.failed
    assert failed.ours is not None
    assert failed.providers is not None
    assert failed.ours.cost > failed.providers.cost


def test_less_than_two_weeks_of_history_is_refused_by_name(tmp_path: Path) -> None:
    case = read_case(write_case(tmp_path, {"m": np.full(335, 5.0)}, reserved=0.6))
    with pytest.raises(DataError, match=r"335 hours of history before as_of.*two weeks"):
        backtest(case)


def test_a_gap_is_refused_by_name_and_a_missing_hour_is_noted(tmp_path: Path) -> None:
    demand = {"m": np.full(900, 5.0)}
    gap = write_case(tmp_path / "gap", demand, reserved=0.6, absent=slice(400, 430))
    with pytest.raises(DataError, match="gap of 30 hours from 2024-01-17T16:00:00Z"):
        backtest(read_case(gap))
    hole = write_case(tmp_path / "hole", demand, reserved=0.6, absent=slice(400, 403))
    result = backtest(read_case(hole), rules=[OnDemand()], starts=1)
    assert result.opened.notes == ("3 hours without any row count as hours in which nothing ran",)


def test_what_cannot_be_tested_is_left_out_with_its_reason(tmp_path: Path) -> None:
    folder = write_case(tmp_path, {"m": np.full(900, 5.0), "n": np.zeros(900)}, reserved=0.6)
    offers = (folder / "offers.csv").read_text().splitlines()
    offers[0] += ",starts,bundle"
    offers[1:] = [f"{line},," for line in offers[1:]]
    offers += [
        "long,aws.reserved.regional,units,26280,0.4,,",
        "block,capacity.block,units,336,0.1,2024-02-01T00:00:00Z,",
        "tied,aws.reserved.regional,units,8760,0.1,,b",
    ]
    (folder / "offers.csv").write_text("\n".join(offers) + "\n")
    with (folder / "covers.csv").open("a") as file:
        file.write("long,m,1\nblock,m,1\ntied,m,1\n")
    opened = open_market(read_case(folder))
    assert opened.market.instruments == ("ri/m",)
    assert opened.market.lines == ("m",)
    assert set(opened.left_out) == {"long", "block", "tied", "ri/n"}
    assert "shorter term" in opened.left_out["long"]
    longer = open_market(read_case(folder), term_hours=26280)
    assert longer.market.instruments == ("long",)
    with pytest.raises(DataError, match="no offer of the case can be tested"):
        open_market(read_case(folder), term_hours=1)


def test_a_backtest_of_nothing_is_refused(tmp_path: Path) -> None:
    case = read_case(write_case(tmp_path, {"m": np.full(900, 5.0)}, reserved=0.6))
    with pytest.raises(UsageError, match="0 start dates"):
        backtest(case, starts=0)


def test_the_command_prints_one_backtest_in_every_format(tmp_path: Path) -> None:
    demand = {"m": 5 + 2 * np.sin(np.arange(1500) / 24)}
    folder = str(write_case(tmp_path / "case", demand, reserved=0.6))
    options = ["--workers", "1", "--starts", "1", "--forward-only"]
    drawn, saved = tmp_path / "chart.json", tmp_path / "b.json"
    run = CliRunner().invoke
    table = run(app, ["backtest", folder, *options, "--chart", str(drawn), "-o", str(saved)])
    assert table.exit_code == 0, table.output
    assert "gpuopt cost at most" in table.stdout
    assert "provider 30 d" in table.stdout
    assert "gpuopt, as it was" in table.stderr  # progress
    machine = run(app, ["backtest", folder, *options, "--json", "--quiet"])
    document = json.loads(machine.stdout)
    assert document == json.loads(saved.read_text())
    assert {row["rule"] for row in document["rules"]} >= {"gpuopt", "optimum", "online break-even"}
    assert document.keys() >= {"schema_version", "currency", "snapshot", "settings", "seed"}
    csv = run(app, ["backtest", folder, *options, "--format", "csv", "--quiet"]).stdout
    assert len(csv.splitlines()) == len(document["rules"]) + 1
    assert len(table_rows(document)) == len(document["rules"]) + 1
    words = run(app, ["backtest", folder, *options, "--format", "md", "--quiet"]).stdout
    assert words.count("| gpuopt |") == 1
    spec = json.loads(drawn.read_text())
    assert len(spec["data"]["values"]) == len(document["rules"])


def test_the_chart_is_a_vega_lite_specification(tmp_path: Path) -> None:
    altair = pytest.importorskip("altair")
    case = read_case(write_case(tmp_path, {"m": np.full(900, 5.0)}, reserved=0.6))
    document = backtest_document(backtest(case, starts=1, rules=[OnDemand(), Policy()]))
    altair.Chart.from_dict(chart(document), validate=True)


def test_the_command_refuses_a_short_history_with_its_exit_code(tmp_path: Path) -> None:
    folder = write_case(tmp_path, {"m": np.full(300, 5.0)}, reserved=0.6)
    answer = CliRunner().invoke(app, ["backtest", str(folder), "--quiet"])
    assert answer.exit_code == 13
    assert "To mend it" in answer.stderr
