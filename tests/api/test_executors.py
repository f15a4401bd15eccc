# SPDX-License-Identifier: Apache-2.0
"""Where sweeps run: processes here, or a Dask cluster that is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from api.executors import cluster_executor, open_executor, worker_count
from optimizer.errors import UsageError
from optimizer.planning.whatif.sweep import parse_sweep, sweep_document

TINY = Path(__file__).parents[2] / "fixtures" / "tiny"


def test_without_a_cluster_there_are_processes(monkeypatch):
    monkeypatch.delenv("GPUOPT_CLUSTER", raising=False)
    with cluster_executor() as (executor, _):
        assert executor is None
    monkeypatch.setenv("GPUOPT_WORKERS", "3")
    assert worker_count() == 3
    for wrong in ("0", "many", "100000"):
        monkeypatch.setenv("GPUOPT_WORKERS", wrong)
        with pytest.raises(UsageError, match="To mend it"):
            worker_count()


@pytest.mark.filterwarnings("ignore")  # of a cluster's own threads and sockets
def test_points_are_shared_out_to_a_cluster(monkeypatch):
    distributed = pytest.importorskip("distributed")
    cluster = distributed.LocalCluster(
        n_workers=1, threads_per_worker=1, processes=False, dashboard_address=None,
        protocol="tcp", host="127.0.0.1",
    )  # fmt: skip
    with cluster:
        monkeypatch.setenv("GPUOPT_CLUSTER", cluster.scheduler_address)
        with open_executor() as (executor, workers):
            assert workers == 1
            steps = parse_sweep("demand=+0%..+20%:2")
            document = sweep_document(TINY, steps, [], executor, workers=workers)
    assert [f"{row['total']:.2f}" for row in document["points"]] == ["77.25", "93.15"]


def test_a_cluster_that_is_not_there_is_told(monkeypatch):
    pytest.importorskip("distributed")
    monkeypatch.setenv("GPUOPT_CLUSTER", "nonsense:")
    with pytest.raises(UsageError, match="GPUOPT_CLUSTER"), cluster_executor():
        pass
