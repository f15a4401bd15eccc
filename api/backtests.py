# SPDX-License-Identifier: Apache-2.0
"""Backtests as jobs: what ``gpuopt backtest --json`` prints for the same question."""

from __future__ import annotations

import json

from api.executors import cluster_executor
from api.work import Answer, Stopped, Task
from optimizer.planning import to_json
from optimizer.planning.backtest import backtest, backtest_document
from optimizer.tables import read_case


def backtest_job(task: Task) -> Answer:
    """Walk the rules through a snapshot's history: one by one here, or on the cluster."""
    asked = task.request

    def progress(text: str) -> None:
        task.progress(text)
        if task.stopped():  # half of a comparison is none
            raise Stopped("the backtest was stopped; it has no answer before its end")

    progress("reading tables")
    case = read_case(task.store.snapshots.folder(str(task.job.snapshot)))
    with cluster_executor() as (executor, _):
        result = backtest(
            case,
            executor=executor,
            step=int(asked["every_hours"]),
            starts=int(asked["starts"]),
            backwards=bool(asked["backwards"]),
            term_hours=asked["term_hours"],
            progress=progress,
        )
    text = to_json(backtest_document(result, detail=bool(asked["detail"]))) + "\n"
    document = json.loads(text)
    first = document["rules"][0]
    rules = [
        {key: row[key] for key in ("rule", "cost", "cost_over_optimum")}
        for row in document["rules"]
        if (row["scenario"], row["start"]) == (first["scenario"], first["start"])
    ]
    return Answer(text, {"currency": document["currency"], "rules": rules})
