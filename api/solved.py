# SPDX-License-Identifier: Apache-2.0
"""Plans that this process has solved: a what-if starts where the solve of its plan ended.

They are kept in memory, the last few; what is not there any more is solved again from its
document's amounts.
"""

from __future__ import annotations

import threading
from collections import OrderedDict

from optimizer.planning import Plan

MOST = 3  # a year of a company of thirty meters takes about 70 MB
_lock = threading.Lock()
_plans: OrderedDict[str, Plan] = OrderedDict()


def keep(job: str, plan: Plan) -> None:
    """Keep a plan that a job has solved."""
    with _lock:
        _plans[job] = plan
        _plans.move_to_end(job)
        while len(_plans) > MOST:
            _plans.popitem(last=False)


def find(job: str) -> Plan | None:
    """Return the plan of a job, if it is still here."""
    with _lock:
        plan = _plans.get(job)
        if plan is not None:
            _plans.move_to_end(job)
        return plan


def held() -> list[str]:
    """The jobs whose plans are here."""
    with _lock:
        return [*_plans]
