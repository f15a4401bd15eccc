# SPDX-License-Identifier: Apache-2.0
"""Cases of the peer "Mélange", through ``plan``: never dearer, and the continuous optimum."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

import pytest

from optimizer.planning import make_plan
from optimizer.tables import read_case

from .melange import write_melange

FOLDER = Path(os.environ.get("GPUOPT_MELANGE", Path(__file__).parent / "melange_cases"))
RESULTS = [
    json.loads(line)
    for line in (FOLDER / "results.jsonl").read_text(encoding="utf-8").splitlines()
    if line
]


@pytest.mark.parametrize("result", RESULTS, ids=[row["cfg"] for row in RESULTS])
def test_never_dearer_than_the_peer(result: dict[str, Any], tmp_path: Path) -> None:
    peer = write_melange(FOLDER / f"{result['cfg']}.json", tmp_path)
    case = read_case(tmp_path)
    before = time.process_time()
    plan = make_plan(case)
    assert time.process_time() - before < 5.0  # under a second of solve on a quiet machine
    total = float(plan.total)
    assert total <= result["melange"] + 1e-6
    assert total == pytest.approx(result["cont"], abs=5e-4)  # told to three or four places
    assert float(plan.lower_bound) == pytest.approx(total, rel=1e-6)
    _carries(plan.parts[0].routed, peer)


def _carries(routed: Any, peer: dict[str, Any]) -> None:
    """The replicas carry the peer's own requests, reckoned from its own matrix."""
    rate, shares = peer["total_request_rate"], peer["workload_distribution"]
    load = dict.fromkeys(peer["gpu_info"], 0.0)
    answered: dict[tuple[int, int], float] = {}
    for number, route in enumerate(routed.routing.routes):
        i, j = (side - 1 for side in routed.routing.streams[route.stream].bucket)
        gpu = routed.routing.deployments[route.deployment].name.removeprefix("on ")
        per_second = routed.horizon.requests[number, 0] / 3600
        load[gpu] += per_second / peer["gpu_info"][gpu]["tputs"][i][j]
        answered[i, j] = answered.get((i, j), 0.0) + per_second
    for i, row in enumerate(shares):
        for j, share in enumerate(row):
            assert answered.get((i, j), 0.0) == pytest.approx(rate * share, rel=1e-9, abs=1e-12)
    for number, deployment in enumerate(routed.routing.deployments):
        replicas = routed.horizon.replicas[number, 0]
        assert load[deployment.name.removeprefix("on ")] <= replicas + 1e-6
