# SPDX-License-Identifier: Apache-2.0
"""Work that may move, in cases that are small enough to reckon by hand."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from optimizer.errors import DataError
from optimizer.planning import InfeasibleCase, make_plan, plan_document, to_json
from optimizer.program.blocks import Block, pack_jobs
from optimizer.program.moves import Job

from ..seeds import Seeds
from .folders import Row, at, cover, meter, random_rows, units, usage
from .memory import case_of, memory_case
from .small import simple

EXACT = "[solve]\ngap = 0\n"


def document(folder: Path, horizon: int, **tables: list[Row]) -> dict[str, Any]:
    """The plan document as it is printed, with every check of it held."""
    plan = make_plan(case_of(folder, horizon, EXACT, **tables))
    found = json.loads(to_json(plan_document(plan)))
    assert all(check["ok"] for check in found["checks"])
    assert Decimal(found["lower_bound"]) <= Decimal(found["objective"])
    return found


def figure(found: dict[str, Any], key: str) -> float:
    return float(found[key])


def job(name: str, of: str, work: float, size: float, first: int, last: int, **more: Any) -> Row:
    row = {"job": name, "meter": of, "unit_hours": work, "earliest": at(first)}
    row |= {"deadline": at(last), "minimum_units": size, "maximum_units": size}
    return row | {"preemptible": "false"} | more


def held(offer: str, quantity: float, horizon: int) -> list[Row]:
    return [
        {"commitment": "c", "offer": offer, "quantity": quantity, "start": at(0)}
        | {"end": at(horizon)}
    ]


def reserved(horizon: int) -> dict[str, list[Row]]:
    """GPUs of $10 with reservations of $5; busy, idle for two hours, busy again."""
    return {
        "meters": [meter("gpu", 10)],
        "usage": usage("gpu", [2, 2, 0, 0, 2, 2]),
        "offers": [units("ri", horizon, 5)],
        "covers": [cover("ri", "gpu")],
        "commitments": held("ri", 2, horizon),
    }


def test_a_job_runs_under_an_idle_reservation(tmp_path: Path) -> None:
    """2 reservations × 6 h × $5 = $60; as early as possible the job pays 4 × $10 besides."""
    found = document(tmp_path, 6, **reserved(6), jobs=[job("train", "gpu", 4, 2, 0, 6)])
    assert figure(found, "baseline") == 100
    assert figure(found, "total") == figure(found, "objective") == 60
    assert figure(found, "lower_bound") == pytest.approx(60, abs=1e-6)
    (row,) = found["jobs"]
    assert (row["start"], row["finish"]) == (at(2), at(4))
    assert row["on"] == {"commitment": 4, "block": 0, "spot": 0, "on_demand": 0}
    assert row["slack_hours"] == 2
    assert row["segments"] == [{"start": at(2), "end": at(4), "units": 2}]


def test_delay_is_weighed_against_the_idle_reservation(tmp_path: Path) -> None:
    """Two hours later saves $40: it pays at $19 an hour of delay, not at $21."""
    for folder, cost, start, total, objective in (
        ("a", 19, 2, 60, 98),
        ("b", 21, 0, 100, 100),
    ):
        jobs = [job("train", "gpu", 4, 2, 0, 6, delay_cost_per_hour=cost)]
        found = document(tmp_path / folder, 6, **reserved(6), jobs=jobs)
        assert found["jobs"][0]["start"] == at(start)
        assert (figure(found, "total"), figure(found, "objective")) == (total, objective)


def test_usage_of_a_job_is_replaced_by_it(tmp_path: Path) -> None:
    """Rows of the job ahead are not counted twice; what ran before now is done."""
    tables = reserved(6)
    rows = [row | {"job": ""} for row in tables["usage"]]
    rows += [row | {"job": "train"} for row in usage("gpu", [1, 1, 1, 1])]
    rows += [{"hour": at(-1), "meter": "gpu", "quantity": 2, "job": "train"}]
    found = document(
        tmp_path, 6, **(tables | {"usage": rows}), jobs=[job("train", "gpu", 6, 2, -1, 6)]
    )
    assert found["jobs"][0]["unit_hours"] == 4
    assert figure(found, "total") == 60


def test_a_job_that_misses_its_deadline_is_named(tmp_path: Path) -> None:
    jobs = [job("late", "gpu", 9, 2, 2, 6), job("fine", "gpu", 4, 2, 0, 6)]
    with pytest.raises(InfeasibleCase, match="deadline of job late by 1") as caught:
        make_plan(case_of(tmp_path, 6, EXACT, **reserved(6), jobs=jobs))
    assert len(caught.value.relaxations) == 1


def test_a_job_without_capacity_is_named(tmp_path: Path) -> None:
    """No on-demand price, and reservations for 2 of the 3 units of the gang."""
    tables = reserved(6) | {"meters": [meter("gpu", "")]}
    tables["offers"] = [units("ri", 6, 5, maximum=0)]
    with pytest.raises(InfeasibleCase, match="job big"):
        make_plan(case_of(tmp_path, 6, EXACT, **tables, jobs=[job("big", "gpu", 6, 3, 0, 6)]))


def test_a_gang_that_contradicts_itself_is_refused(tmp_path: Path) -> None:
    jobs = [job("j", "gpu", 4, 2, 0, 6) | {"minimum_units": 3}]
    with pytest.raises(DataError, match="at least 3 and at most 2") as caught:
        make_plan(case_of(tmp_path, 6, EXACT, **reserved(6), jobs=jobs))
    assert (caught.value.file, caught.value.row) == ("jobs.csv", 1)


def test_a_preemptible_job_pauses_where_the_reservation_is_busy(tmp_path: Path) -> None:
    """Free hours 0–1 and 4–5; a restart of an hour is run on demand in hour 3: 2 × $10."""
    tables = reserved(6) | {"usage": usage("gpu", [0, 0, 2, 2, 0, 0])}
    jobs = [job("train", "gpu", 8, 2, 0, 6, preemptible="true")]
    assert figure(document(tmp_path / "a", 6, **tables, jobs=jobs), "total") == 60
    jobs[0]["restart_hours"] = 1
    found = document(tmp_path / "b", 6, **tables, jobs=jobs)
    assert figure(found, "total") == 60 + 20
    assert found["jobs"][0]["unit_hours"] == 10


def blocks(maximum: Any = "") -> dict[str, list[Row]]:
    """GPUs of $10; a block of a day, from hour 24 on, at $3 an hour."""
    block = units("block", 24, 3, law="capacity.block", starts=at(24), maximum=maximum)
    return {
        "meters": [meter("gpu", 10)],
        "usage": usage("gpu", [0] * 72),
        "offers": [block],
        "covers": [cover("block", "gpu")],
    }


def test_whole_jobs_go_into_a_capacity_block(tmp_path: Path) -> None:
    """8 units for a day cost 8 × 24 × $3 = $576, against 160 × $10 on demand."""
    found = document(tmp_path / "a", 72, **blocks(), jobs=[job("a", "gpu", 160, 8, 0, 72)])
    assert found["purchases"][0]["quantity"] == 8
    assert figure(found, "total") == 576
    assert found["jobs"][0]["on"]["block"] == 160
    assert at(24) <= found["jobs"][0]["start"] <= at(28)
    # Two of 10 hours fit one after the other; a third does not, and a block has 8 units.
    jobs = [job(name, "gpu", 80, 8, 0, 72) for name in ("a", "b", "c")]
    found = document(tmp_path / "b", 72, **blocks(8), jobs=jobs)
    assert found["purchases"][0]["quantity"] == 8
    # Its contiguous run may still begin in the block's last four hours: 32 unit-hours less.
    assert figure(found, "total") == 576 + 80 * 10 - 32 * 10


def packing(jobs: list[Job], outside: float, most: float) -> Any:
    """One block of 8 units over hours 4–8 at $32 a unit, packed."""
    problem = simple([[1.0] * 12], [10.0], [(0, 0, 1.0)], [{"cost": 32.0, "maximum": most}])
    problem = type(problem)(**{**problem.__dict__, "arriving": np.array([100.0])})
    block = Block(column=0, source=0, units=0.0, begin=4, end=8)
    return pack_jobs(problem, tuple(jobs), (block,), np.full(len(jobs), outside), seed=0)


def gang(name: str, work: float, size: float) -> Job:
    return Job(name, 0, np.arange(12), work, size, size, False)


def test_packing_fills_a_block_or_says_that_nothing_fits() -> None:
    """4 h × 8 units: 2 h × 8, 2 h × 4 and 2 h × 4 fit exactly; 5 hours do not fit at all."""
    jobs = [gang("a", 16, 8), gang("b", 8, 4), gang("c", 8, 4)]
    found = packing(jobs, np.inf, 8)
    assert found.quantity[0] == 8
    load = sum(found.runs)
    assert load[4:8].tolist() == [8, 8, 8, 8]
    assert load.sum() == 32
    assert packing(jobs, np.inf, 7) is None
    assert packing([gang("a", 10, 2)], np.inf, 8) is None
    # Where running elsewhere is cheaper than the units, the block stays empty.
    assert packing([gang("a", 16, 8)], 255.0, 8).runs == (None,)
    assert packing([gang("a", 16, 8)], 257.0, 8).quantity[0] == 8


def regions(quantities: list[float], **more: Any) -> dict[str, list[Row]]:
    """One GPU at $10 in one region, at $8 in another, at $1 in a third."""
    return {
        "meters": [meter("eu", 10), meter("us", 8), meter("asia", 1)],
        "usage": usage("eu", quantities, **more),
        "offers": [units("ri", len(quantities), 9.5, maximum=0)],
        "covers": [cover("ri", "eu")],
    }


def move(**more: Any) -> Row:
    return {"from_meter": "eu", "to_meter": "us", "ratio": 1} | more


def test_moving_pays_only_after_its_switching_cost(tmp_path: Path) -> None:
    """10 hours save $2 each: $20 against $15, or against $25 for the unit that moves."""
    found = document(tmp_path / "a", 10, **regions([1] * 10), substitutes=[move(switching_cost=15)])
    assert figure(found, "total") == 80
    assert figure(found, "move_cost") == 15
    assert figure(found, "objective") == 95
    (row,) = found["substitutions"]
    assert (row["share"], row["units"]) == (1, 10)
    assert (row["start"], row["end"]) == (at(0), at(10))
    assert (float(row["move_cost"]), float(row["saving"])) == (15, 5)
    found = document(tmp_path / "b", 10, **regions([1] * 10), substitutes=[move(switching_cost=25)])
    assert (found["substitutions"], figure(found, "objective")) == ([], 100)


def test_ratio_egress_share_and_opening(tmp_path: Path) -> None:
    """From hour 4 on, half of 2 units runs on 1.1 units at $8, with $0.2 of egress."""
    rows = [move(ratio=1.1, egress_per_unit="0.2", maximum_share=0.5, available_from=at(4))]
    found = document(tmp_path, 10, **regions([2] * 10), substitutes=rows)
    assert figure(found, "total") == pytest.approx(20 * 10 - 6 * 10 + 6 * 1.1 * 8)
    assert figure(found, "objective") == pytest.approx(140 + 52.8 + 1.2)
    assert found["substitutions"][0]["start"] == at(4)


def test_work_stays_for_a_week(tmp_path: Path) -> None:
    """Every second hour a reservation is idle elsewhere; hopping there would save $5 an hour.

    Staying pays $25 in the other hours, so that nothing moves.
    """
    hours = 336
    tables = {
        "meters": [meter("a", 10), meter("b", 25)],
        "usage": usage("a", [1] * hours) + usage("b", [0, 1] * (hours // 2)),
        "offers": [units("ri", hours, 5, maximum=0)],
        "covers": [cover("ri", "b")],
        "commitments": held("ri", 1, hours),
    }
    rows = [{"from_meter": "a", "to_meter": "b", "ratio": 1}]
    found = document(tmp_path / "a", hours, **tables, substitutes=rows)
    assert found["substitutions"] == []
    assert figure(found, "objective") == hours * 10 + hours * 5
    # In the second week the reservation is idle in all hours, and the work moves for it.
    tables["usage"] = usage("a", [1] * hours) + usage("b", [0, 1] * 84 + [0] * 168)
    found = document(tmp_path / "b", hours, **tables, substitutes=rows)
    (row,) = found["substitutions"]
    assert (row["start"], row["end"], row["share"]) == (at(168), at(336), 1)
    assert figure(found, "objective") == 168 * 10 + hours * 5


def test_only_named_pairs_and_workloads_move(tmp_path: Path) -> None:
    """The third region costs $1, and no row allows it; work without a row stays."""
    tables = regions([1] * 6)
    tables["usage"] = usage("eu", [1] * 6, workload="chat") + usage("eu", [2] * 6, workload="law")
    found = document(tmp_path, 6, **tables, substitutes=[move(workload="chat")])
    assert figure(found, "total") == 6 * 8 + 12 * 10
    assert [row["workload"] for row in found["substitutions"]] == ["chat"]
    assert (
        {line["meter"] for line in found["bill"]["lines"]} >= {"eu", "us"}
        if ("lines" in found["bill"])
        else True
    )


def test_what_replaces_itself_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="replaces itself") as caught:
        make_plan(
            case_of(tmp_path, 6, EXACT, **regions([1] * 6), substitutes=[move(to_meter="eu")])
        )
    assert (caught.value.file, caught.value.row) == ("substitutes.csv", 1)


def movable(seed: int) -> tuple[int, str, dict[str, list[Row]]]:
    """A random case (see ``random_rows``) with substitutes between its meters, and jobs."""
    horizon, toml, tables = random_rows(seed)
    rng = np.random.default_rng(30_000 + seed)
    names = [row["meter"] for row in tables["meters"]]
    rows = [
        {
            "from_meter": one,
            "to_meter": other,
            "ratio": float(rng.choice([0.5, 1.0, 1.25])),
            "maximum_share": float(rng.choice([1.0, 0.4])),
            "switching_cost": int(rng.choice([0, 1, 5])),
            "egress_per_unit": float(rng.choice([0.0, 0.1])),
        }
        for one in names
        for other in names
        if one != other and rng.random() < 0.5
    ]
    jobs = [
        job(f"j{number}", str(rng.choice(names)), float(rng.integers(2, 5)), 2, 0, horizon)
        | {"preemptible": str(rng.random() < 0.5).lower()}
        for number in range(int(rng.integers(0, 3)))
    ]
    more = {name: found for name, found in (("substitutes", rows), ("jobs", jobs)) if found}
    return horizon, toml, {**tables, **more}


@pytest.mark.parametrize("seed", Seeds(45, 15))
def test_random_cases_keep_their_work_and_their_promises(seed: int) -> None:
    horizon, toml, tables = movable(seed)
    if not {"substitutes", "jobs"} & set(tables):
        return
    plan = make_plan(memory_case(horizon, toml, **tables))
    assert all(check.ok for part in plan.parts for check in part.answer.checks)
    assert min(plan.gap_solver, plan.gap_law) >= 0
    assert plan.gap == pytest.approx(plan.gap_solver + plan.gap_law, abs=1e-12)
    assert float(plan.objective) == pytest.approx(
        sum(part.answer.objective + part.window.held_cost for part in plan.parts) + plan.idle_cost,
        rel=1e-6,
    )
    # What leaves a meter arrives at another, and every job is done.
    before, after = plan.today.usage, plan.demand.usage
    work = sum(float(row["unit_hours"]) for row in tables.get("jobs", []))
    done = arrived = left = 0.0
    for part in plan.parts:
        if part.moved is None:
            continue
        one = part.moved
        done += sum(float(run.sum()) for run in one.placement.runs)
        for planned, shares in zip(one.movable.works, one.placement.shares, strict=True):
            left += float(shares.sum()) * float(planned.units.sum())
            for target, share in zip(planned.targets, shares[0], strict=True):
                arrived += target.ratio * float(share) * float(planned.units.sum())
    assert work <= done <= work + 2 * len(tables.get("jobs", []))
    jobs_today = sum(float(before.quantity[line].sum()) for line in plan.segments.units)
    total = before.quantity.sum() - jobs_today - left + arrived + done
    assert after.quantity.sum() == pytest.approx(total, rel=1e-9)
    # Freedom to move is never dearer than none: today's places are tried too.
    plain = {name: rows for name, rows in tables.items() if name != "substitutes"}
    stays = make_plan(memory_case(horizon, toml, **plain))
    assert float(plan.objective) <= float(stays.objective) * (1 + 1e-6) + 0.01
    bound = float(plan.lower_bound)
    assert bound <= float(stays.objective) + 1e-6


def test_the_same_case_moves_the_same_way(tmp_path: Path) -> None:
    horizon, toml, tables = movable(5)
    case = case_of(tmp_path, horizon, toml, **tables)
    one, other = (to_json(plan_document(make_plan(case))) for _ in range(2))
    assert one == other


def test_the_tail_repeats_what_moved_and_no_job(tmp_path: Path) -> None:
    """A term of two horizons: moved work is worth it for both, and the job for one.

    A reservation costs $3 × 12 = $36; it serves 12 h of work that costs $5 an hour here.
    """
    tables = {
        "meters": [meter("a", 5), meter("b", 8)],
        "usage": usage("a", [1] * 6),
        "offers": [units("ri", 12, 3)],
        "covers": [cover("ri", "b")],
        "substitutes": [{"from_meter": "a", "to_meter": "b", "ratio": 1}],
    }
    found = document(tmp_path / "a", 6, **tables)
    assert found["purchases"][0]["quantity"] == 1
    assert figure(found, "objective") == 36
    assert figure(found, "total") == 18
    # A job of 6 unit-hours alone would save 6 × $5 = $30 of the $36: it does not recur.
    tables |= {"usage": usage("b", [0] * 6), "jobs": [job("j", "b", 6, 1, 0, 6)]}
    tables["meters"] = [meter("b", 5)]
    del tables["substitutes"]
    found = document(tmp_path / "b", 6, **tables)
    assert found["purchases"] == []
    assert figure(found, "objective") == 30


@pytest.mark.parametrize(("rate", "bought"), [(3.2, "short"), (2.8, "long")])
def test_what_moved_is_renewed_where_it_went(tmp_path: Path, rate: float, bought: str) -> None:
    """Work of $5 an hour moves under reservations of $3, bought again or for two horizons.

    Base 1 and a peak of 1 in 5 of 6 hours: at one price for both, 3 ÷ (11/12) = 3.27, three
    horizons at 3.2 would win.
    """
    tables = {
        "meters": [meter("a", 5), meter("b", 8)],
        "usage": usage("a", [2, 2, 1, 2, 2, 2]),
        "offers": [units("short", 6, 3), units("long", 18, rate)],
        "covers": [cover("short", "b"), cover("long", "b")],
        "substitutes": [{"from_meter": "a", "to_meter": "b", "ratio": 1}],
    }
    found = document(tmp_path / "case", 6, **tables)
    assert [(row["offer"], row["quantity"]) for row in found["purchases"]] == [(bought, 2)]
    renewed = [(row["offer"], row["quantity"], row["start"]) for row in found.get("renewals", [])]
    assert renewed == ([("short", 2, at(6))] if bought == "short" else [])
    assert figure(found, "objective") == pytest.approx(2 * min(rate, 3) * 18)
