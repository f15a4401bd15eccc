# SPDX-License-Identifier: Apache-2.0
"""The document of ``gpuopt ladder``: the purchase calendar of a case."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from optimizer.planning import make_plan
from optimizer.planning.document import head, plan_id
from optimizer.planning.futures_document import one_future_document
from optimizer.planning.ladder import ladder_rows
from optimizer.planning.outlook import lock_in, worth_of_waiting
from optimizer.planning.uncertain_plan import UncertainPlan
from optimizer.program.watch import Watch
from optimizer.tables import Case, format_hour


def ladder_document(case: Case, progress: Callable[[str], None], watch: Watch) -> dict[str, Any]:
    """Plan the case, and tell what to buy when and what would change that."""
    plan = make_plan(case, progress, watch=watch)
    document = {
        **head(case),
        "plan": plan_id(case),
        "status": str(plan.status),
        "as_of": format_hour(case.settings.as_of),
        "horizon_hours": case.settings.horizon_hours,
        "total": plan.total,
        "gap": plan.gap,
        "ladder": ladder_rows(plan),
        "lock_in": lock_in(plan),
    }
    if isinstance(plan, UncertainPlan):
        progress("what waiting is worth")
        document["scenarios"] = len(plan.scenarios)
        document["worth_of_waiting"] = worth_of_waiting(plan)
    else:
        progress("replaying the purchases in other futures")
        document |= one_future_document(plan, [])
    return document
