# SPDX-License-Identifier: Apache-2.0
"""From a case of the peer "Mélange" (arXiv 2404.14527) to a case of ours.

Its input: dollars per hour and requests per second of one replica by token bucket, for each
kind of GPU; the share of requests in each bucket; and their rate.  One hour, one class.
"""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

TOML = """currency = "USD"
as_of = "2026-11-21T00:00:00Z"
horizon_hours = 1
"""


def write_melange(source: Path, folder: Path) -> dict[str, Any]:
    """Write a case of the peer as tables; its content is returned."""
    peer: dict[str, Any] = json.loads(source.read_text(encoding="utf-8"))
    shares = peer["workload_distribution"]
    (folder / "case.toml").write_text(TOML, encoding="utf-8")
    meters = [
        {
            "meter": gpu,
            "provider": "any",
            "product": "gpu",
            "unit": "GPU-Hours",
            "on_demand": f"{facts['cost']:.10f}".rstrip("0"),
        }
        for gpu, facts in peer["gpu_info"].items()
    ]
    # A bucket stands for itself: its sides are numbered, in the order of the matrix.
    lengths = [
        {"workload": "all", "input_upto": i + 1, "output_upto": j + 1, "share": repr(share)}
        for i, row in enumerate(shares)
        for j, share in enumerate(row)
        if share > 0
    ]
    deployments = [
        {
            "deployment": f"on {gpu}",
            "model": "model",
            "kind": "replica",
            "input_upto": i + 1,
            "output_upto": j + 1,
            "meter": gpu,
            "meter_units": 1,
            "requests_per_second": repr(rate),
        }
        for gpu, facts in peer["gpu_info"].items()
        for i, row in enumerate(facts["tputs"])
        for j, rate in enumerate(row)
        if shares[i][j] > 0 and rate > 0
    ]
    requests = peer["total_request_rate"] * 3600
    workloads = [{"workload": "all", "hour": "2026-11-21T00:00:00Z", "requests": repr(requests)}]
    for name, rows in (
        ("meters", meters),
        ("workloads", workloads),
        ("lengths", lengths),
        ("deployments", deployments),
    ):
        with (folder / f"{name}.csv").open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)
    return peer
