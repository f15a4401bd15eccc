# SPDX-License-Identifier: Apache-2.0
"""What headroom and confidence bounds cost on Frontier Lab, and what they keep.

``python -m pytest tests/benchmarks/test_robustness.py -s`` plans the demonstration company's
routing over some hours (``GPUOPT_HOURS``, 12) four ways, and plays each on the profile and on a
worse truth. Requests that may wait and provisioned throughput are left out: they link the hours.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import pandas as pd

from optimizer.planning import make_plan, plan_document
from optimizer.planning.attainment import Played, Stress, play_plan
from optimizer.tables import Case, read_case

from .parquet import read_parquet

COMPANY = Path(__file__).parents[2] / "fixtures" / "frontier-lab-llm"
HOURS = int(os.environ.get("GPUOPT_HOURS", "12"))
WORSE = Stress(slower=1.5, errors=1.5)
# (name, queueing, confidence, throughput planned with)
WAYS = (
    ("means, no headroom", "off", 0.0, 1.0),
    ("bounds, no headroom", "off", 0.95, 1.0),
    ("bounds and headroom", "mgc", 0.95, 1.0),
    ("the same, at throughput ÷ 1.5", "mgc", 0.95, 1.5),
)


def part(folder: Path, queueing: str, confidence: float, slower: float) -> Case:
    """The routing of some hours."""
    folder.mkdir()
    workloads = read_parquet(COMPANY / "workloads.parquet")
    first = sorted(workloads["hour"].unique())[:HOURS]
    kept = workloads["hour"].isin(first) & (workloads["deferrable_hours"] == 0)
    workloads[kept].to_parquet(folder / "workloads.parquet")
    names = set(workloads[kept]["workload"])
    made = pd.read_csv(COMPANY / "deployments.csv")
    made = made[made["workload"].isin(names) & (made["kind"] != "throughput")].copy()
    made["requests_per_second"] /= slower
    made.to_csv(folder / "deployments.csv", index=False)
    meters = pd.read_csv(COMPANY / "meters.csv", dtype=str)
    meters[meters["meter"].isin(made["meter"])].to_csv(folder / "meters.csv", index=False)
    lengths = pd.read_csv(COMPANY / "lengths.csv")
    lengths[lengths["workload"].isin(names)].to_csv(folder / "lengths.csv", index=False)
    shutil.copy(COMPANY / "quality.csv", folder)
    (folder / "case.toml").write_text(
        f'currency = "USD"\nas_of = "2026-11-21T00:00:00Z"\nhorizon_hours = {HOURS}\n'
        f'[risk]\nqueueing = "{queueing}"\nquality_confidence = {confidence}\n'
        "[solve]\ngap = 0.005\n"
    )
    return read_case(folder)


def told(played: Played) -> str:
    """The least attainment of any class, and how many of the targets are kept."""
    least = min(row["attained"] for row in played.latency)
    kept = [sum(row["kept"] for row in rows) for rows in (played.latency, played.quality)]
    return (
        f"{least:7.1%}  latency {kept[0]}/{len(played.latency)}"
        f"  quality {kept[1]}/{len(played.quality)}"
    )


def test_price_of_robustness(tmp_path: Path) -> None:
    found: dict[str, tuple[dict[str, Any], Played, Played]] = {}
    print(f"\n{HOURS} hours; least attainment of a class, classes kept: by profile | when worse")
    for number, (name, queueing, confidence, slower) in enumerate(WAYS):
        case = part(tmp_path / f"c{number}", queueing, confidence, slower)
        truth = case if number == 0 else part(tmp_path / f"t{number}", queueing, confidence, 1.0)
        document = plan_document(make_plan(case), detail=True)
        found[name] = (document, play_plan(truth, document), play_plan(truth, document, WORSE))
        first = float(found[WAYS[0][0]][0]["total"])
        total = float(document["total"])
        print(
            f"{name:32} {total:10,.2f} {total / first - 1:+7.1%}"
            f" | {told(found[name][1])} | {told(found[name][2])}"
        )
    naive, _, careful, robust = (found[name] for name, *_ in WAYS)
    assert careful[1].kept
    assert robust[2].kept
    assert not naive[2].kept
