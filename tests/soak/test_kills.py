# SPDX-License-Identifier: Apache-2.0
"""Servers are killed at random while they run jobs: each accepted job ends once, with its answer.

``GPUOPT_SOAK_KILLS`` says how often (``make soak``: 20). With ``GPUOPT_TEST_DATABASE_URL``, which
``tests/with_postgres.py`` sets, two servers share a PostgreSQL database and one of them is killed.
"""

from __future__ import annotations

import os
import random
import sys
import time
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.engine import make_url

sys.path.insert(0, str(Path(__file__).parent))

from fleet import Fleet

KILLS = int(os.environ.get("GPUOPT_SOAK_KILLS", "2"))
POSTGRES = os.environ.get("GPUOPT_TEST_DATABASE_URL")
SWEEP = "demand=-50%..+100%:20"
TINY = Path(__file__).parents[2] / "fixtures" / "tiny"


def test_nothing_is_lost_or_doubled(tmp_path):
    chance = random.Random(int(os.environ.get("GPUOPT_SOAK_SEED", "7")))
    fleet = Fleet(tmp_path)
    try:
        snapshot = fleet.snapshot(TINY)
        server = fleet.start()
        for _ in range(KILLS):
            before = fleet.attempts()
            fleet.ask("plan", snapshot)
            fleet.ask("what_if", snapshot, snapshot=snapshot, edits=["demand=+20%"])
            fleet.ask("sweep", snapshot, snapshot=snapshot, sweep=SWEEP)
            fleet.until_begun(before)
            time.sleep(chance.uniform(0.0, 2.0))
            fleet.kill(server)
            fleet.ask("plan", snapshot)  # accepted while no server is there
            server = fleet.start()
        fleet.wait(120)
        assert fleet.check()["succeeded"] == 4 * KILLS
        for kind in range(4):  # the same question has the same answer, whoever was killed
            asked = fleet.asked[kind::4]
            assert len({fleet.mine.jobs.document(job).digest for job in asked}) == 1
        attempts = fleet.attempts()
        assert attempts > len(fleet.asked)  # else nothing was killed within a job
    finally:
        fleet.close()
    print(f"{KILLS} kills, {len(fleet.asked)} jobs, {attempts} attempts, none lost or doubled")


@pytest.mark.skipif(POSTGRES is None, reason="GPUOPT_TEST_DATABASE_URL is not set")
def test_two_servers_one_killed(tmp_path):
    name = f"gpuopt_soak_{os.getpid()}"
    engine = create_engine(str(POSTGRES), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(f'CREATE DATABASE "{name}"'))
    url = make_url(str(POSTGRES)).set(database=name).render_as_string(hide_password=False)
    fleet = Fleet(tmp_path, url, workers=1)
    try:
        snapshot = fleet.snapshot(TINY)
        first, _ = fleet.start(), fleet.start()
        for _ in range(4):
            fleet.ask("plan", snapshot)
            fleet.ask("sweep", snapshot, snapshot=snapshot, sweep=SWEEP)
        fleet.until_begun(1)
        fleet.kill(first)
        fleet.wait(120)
        assert fleet.check()["succeeded"] == 8
        attempts = fleet.attempts()
        assert attempts > 8
    finally:
        fleet.close()
        with engine.connect() as connection:
            connection.execute(text(f'DROP DATABASE "{name}" WITH (FORCE)'))
        engine.dispose()
    print(f"two servers, one killed: 8 jobs, {attempts} attempts, none lost or doubled")
