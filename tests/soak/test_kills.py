# SPDX-License-Identifier: Apache-2.0
"""Servers are killed at random while they run jobs: each accepted job ends once, with its answer.

``GPUOPT_SOAK_KILLS`` says how often (``make soak``: 20). ``GPUOPT_SOAK_POSTGRES`` is the URL of an
empty PostgreSQL database for two servers, of which one is killed.
"""

from __future__ import annotations

import hashlib
import os
import random
import sys
import time
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from fleet import Fleet

KILLS = int(os.environ.get("GPUOPT_SOAK_KILLS", "2"))
POSTGRES = os.environ.get("GPUOPT_SOAK_POSTGRES")
TINY = Path(__file__).parents[2] / "fixtures" / "tiny"


def test_nothing_is_lost_or_doubled(tmp_path):
    chance = random.Random(int(os.environ.get("GPUOPT_SOAK_SEED", "7")))
    fleet = Fleet(tmp_path)
    try:
        snapshot = fleet.snapshot(TINY)
        server = fleet.start()
        for _ in range(KILLS):
            fleet.ask("plan", snapshot)
            fleet.ask("plan", snapshot, settings={"horizon_hours": 3})
            fleet.ask("what_if", snapshot, snapshot=snapshot, edits=["demand=+20%"])
            time.sleep(chance.uniform(0.2, 8.0))
            fleet.kill(server)
            fleet.ask("plan", snapshot)  # accepted while no server is there
            server = fleet.start()
        fleet.wait(60 + 20 * KILLS)
        told = fleet.check()
        assert told["succeeded"] == 4 * KILLS
        same = {fleet.mine.jobs.document(job).digest for job in fleet.asked[0::4]}
        text = fleet.mine.jobs.document(fleet.asked[0]).text
        assert same == {f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"}
    finally:
        fleet.close()
    attempts = sum(fleet.mine.jobs.get(job).attempts for job in fleet.asked)
    print(f"{KILLS} kills, {len(fleet.asked)} jobs, {attempts} attempts, none lost or doubled")


@pytest.mark.skipif(POSTGRES is None, reason="GPUOPT_SOAK_POSTGRES is not set")
def test_two_servers_one_killed(tmp_path):
    fleet = Fleet(tmp_path, POSTGRES, workers=1)
    try:
        snapshot = fleet.snapshot(TINY)
        first, _ = fleet.start(), fleet.start()
        for number in range(12):
            fleet.ask("plan", snapshot, settings={"horizon_hours": 2 + number % 3})
        time.sleep(6)
        fleet.kill(first)
        fleet.wait(180)
        assert fleet.check()["succeeded"] == 12
    finally:
        fleet.close()
