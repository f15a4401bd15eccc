# SPDX-License-Identifier: Apache-2.0
"""Comparisons with the providers' advice as jobs."""

from __future__ import annotations

import json

from api.plans import case_of, purchases_of
from api.work import Answer, Task
from optimizer.planning import to_json
from optimizer.planning.compare import comparison_document


def compare_job(task: Task) -> Answer:
    """Compare the plan of a request with what the providers advise for the same snapshot."""
    case = case_of(task)
    plan = json.loads(task.store.jobs.document(task.request["plan"]).text)
    text = to_json(comparison_document(case, purchases_of(plan), task.progress)) + "\n"
    document = json.loads(text)
    best = document["candidates"][0]
    keys = ("name", "total", "savings")
    result = {"comparison": document["comparison"], "currency": document["currency"]}
    result |= {
        "plan": task.request["plan"],
        "best": {key: best[key] for key in keys},
        "candidates": len(document["candidates"]),
    }
    return Answer(text, result)
