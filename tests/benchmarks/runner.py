# SPDX-License-Identifier: Apache-2.0
"""Runs one model on one instance in a process of its own, with a time limit and its peak.

The peak is that of the process's own address space (``VmHWM`` on Linux): the peak that
``getrusage`` reports survives ``exec``, so that a child would inherit that of the process
that starts it.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import time
from dataclasses import asdict
from pathlib import Path
from statistics import median
from typing import Any

from .engine import ENGINE
from .instances import YEAR, Instance, make_instance
from .law import replay_bill
from .naive import MODELS

ROOT = Path(__file__).parents[2]
GAP = 1e-3  # relative; what every model is asked for
LIMIT = float(os.environ.get("BENCH_SECONDS", "120"))  # of one run, with drawing the instance
REPEAT_BELOW = 30.0  # seconds: faster runs are repeated, and the median is told
ENGINE_NAME = "engine"


def run(
    model: str,
    pools: int,
    hours: int = YEAR,
    scenarios: int = 1,
    *,
    gap: float = GAP,
    limit: float = LIMIT,
) -> dict[str, Any]:
    """Figures of one run: status, seconds, dollars and MB; ``status`` tells why some lack."""
    words = [model, str(pools), str(hours), str(scenarios), str(gap)]
    command = [sys.executable, "-m", "tests.benchmarks.runner", *words]
    start = time.perf_counter()
    child = subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    peak = 0.0
    while True:
        try:
            out, error = child.communicate(timeout=0.2)
            break
        except subprocess.TimeoutExpired:
            peak = max(peak, peak_megabytes(child.pid))
            if time.perf_counter() - start > limit:
                child.kill()
                child.communicate()
                return {"status": f"over {limit:.0f} s", "peak": peak}
    if child.returncode:
        last = error.strip().splitlines()[-1:] or [f"exit {child.returncode}"]
        return {"status": last[0], "peak": peak}
    return json.loads(out.splitlines()[-1])


def run_thrice(
    model: str, pools: int, hours: int = YEAR, scenarios: int = 1, *, gap: float = GAP
) -> dict[str, Any]:
    """The run, and the median of three for fast ones; the largest peak."""
    runs = [run(model, pools, hours, scenarios, gap=gap)]
    if runs[0].get("solve", REPEAT_BELOW) < REPEAT_BELOW and "bound" in runs[0]:
        runs += [run(model, pools, hours, scenarios, gap=gap) for _ in range(2)]
    middle = median(each.get("solve", float("inf")) for each in runs)
    chosen = next(each for each in runs if each.get("solve", float("inf")) == middle)
    return {**chosen, "runs": len(runs), "peak": max(each["peak"] for each in runs)}


def peak_megabytes(process: int | str = "self") -> float:
    """The largest resident memory of a process's address space so far."""
    try:
        text = Path(f"/proc/{process}/status").read_text()
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024 if process == "self" else 0
    found = [line.split()[1] for line in text.splitlines() if line.startswith("VmHWM")]
    return float(found[0]) / 1024 if found else 0.0


def measure(model: str, instance: Instance, gap: float) -> dict[str, Any]:
    """Solve in this process; the engine's amounts are also billed, and memory read once."""
    problem = instance.problem
    if model != ENGINE_NAME:
        return asdict(MODELS[model](problem, gap))
    start = time.perf_counter()
    once = float((problem.demand @ problem.weight).sum())
    first = time.perf_counter()
    once += float((problem.demand @ problem.weight).sum())
    read = time.perf_counter()
    busy = time.process_time()
    planned = ENGINE(instance, gap)
    busy = time.process_time() - busy
    solved = time.perf_counter()
    bill = replay_bill(instance, planned.quantity)
    end = time.perf_counter()
    return {
        "status": "planned" if once >= 0 else "",
        "pass": min(first - start, read - first),
        "solve": solved - read,
        "cpu": busy,
        "replay": end - solved,
        "bound": planned.bound,
        # The law's coverage is a free choice too, and may be better than the oracle's.
        "free": min(planned.free, bill),
        "bill": bill,
        "note": planned.note,
    }


def main(model: str, pools: str, hours: str, scenarios: str, gap: str) -> None:
    start = time.perf_counter()
    instance = make_instance(int(pools), int(hours), int(scenarios))
    drawn = time.perf_counter() - start
    base = peak_megabytes()
    figures = {"drawn": drawn, "base": base, **measure(model, instance, float(gap))}
    print(json.dumps({**figures, "peak": peak_megabytes()}))


if __name__ == "__main__":
    main(*sys.argv[1:])
