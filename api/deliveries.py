# SPDX-License-Identifier: Apache-2.0
"""Deliveries as jobs: a report is handed to a destination, and tried again until it is taken.

A delivery is a job of its own, so that a destination that is down fails no report. Each try that
failed is written down before the job waits for the next one; the try that was taken ends it. A
server that ends between a destination's yes and that end tries again: at least once, under the
same ``Message-ID`` and into the same folder.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from prometheus_client import Counter

from api.deliver import DeliveryError, Destination, Parcel, destinations_of
from api.deliver.parcel import JSON, MESSAGES
from api.settings import ServiceSettings
from api.store import TenantStore
from api.store.database import now
from api.work import Answer, Later, Task
from optimizer.errors import UsageError
from optimizer.planning import to_json

LONGEST_PAUSE_SECONDS = 4 * 3600.0
_FACTOR = 4.0

# Counted in the process that delivers, which is the server: registered by its application.
TRIES = Counter(
    "gpuopt_delivery_tries",
    "Tries of deliveries, by kind of destination and by whether they were taken",
    ("kind", "outcome"),
    registry=None,
)


def delivery_job(task: Task) -> Answer:
    """Try a delivery once; its answer is the receipt.

    Raises
    ------
    Later
        If it was not taken and is to be tried again.
    DeliveryError
        If it was not taken and another try cannot help, or was the last.
    UsageError
        If there is no such destination any more, or it cannot be used.
    """
    name = str(task.request["to"])
    destination = _find(task.settings, task.tenant_name, name)
    parcel = parcel_of(task.store, str(task.request["report"]), task.job.id)
    told: dict[str, Any] = {**(task.job.result or {}), "kind": destination.kind, "next_at": None}
    tries: list[dict[str, Any]] = [*told.get("tries", ())]
    number, most = len(tries) + 1, task.settings.delivery_tries
    task.progress(f"try {number} of {most}")
    at = now().isoformat()
    try:
        destination.take(parcel, frozenset(told.pop("taken", ())))
    except DeliveryError as error:
        TRIES.labels(destination.kind, "failed").inc()
        told["tries"] = [*tries, {"at": at, "problem": str(error)}]
        if error.taken:
            told["taken"] = sorted(error.taken)
        over = error.final or number >= most
        seconds = pause(number, task.settings.delivery_pause_seconds)
        if not over:
            told["next_at"] = (now() + timedelta(seconds=seconds)).isoformat()
        task.store.jobs.tell(task.job.id, f"try {number} of {most} failed: {error}", result=told)
        if over:
            raise
        raise Later(seconds) from None
    TRIES.labels(destination.kind, "taken").inc()
    told["tries"] = [*tries, {"at": at, "problem": None}]
    receipt = {"report": task.request["report"], "to": name, "delivery": task.job.id, **told}
    return Answer(to_json(receipt) + "\n", told, complete=True)


def pause(tries: int, first: float) -> float:
    """Seconds to wait after so many tries that failed."""
    return float(min(first * _FACTOR ** (tries - 1), LONGEST_PAUSE_SECONDS))


def parcel_of(mine: TenantStore, report: str, delivery: str) -> Parcel:
    """Return a report, or an alert, as it was rendered when it was made.

    Raises
    ------
    NotFound
        If there is no such report, or it was not finished.
    """
    job = mine.jobs.get(report)
    files = {**mine.renderings.texts(report), JSON: mine.jobs.document(report).text}
    result = job.result or {}
    messages = [files.pop(file, None) for file in MESSAGES]
    if None in messages:
        msg = f"{report} is {job.status}: there is nothing to deliver"
        raise UsageError(f"{msg}. To mend it: ask for the report again")
    return Parcel(
        id=delivery,
        name=result["name"],
        title=result["title"],
        made_at=job.created_at,
        message=str(messages[0]),
        text=str(messages[1]),
        letter=str(messages[2]),
        files=files,
    )


def _find(settings: ServiceSettings, tenant: str, name: str) -> Destination:
    found = destinations_of(settings.destinations, tenant).get(name)
    if found is None:
        msg = f"there is no destination '{name}' any more"
        raise UsageError(f"{msg}. To mend it: ask the operator, or deliver to another")
    return found
