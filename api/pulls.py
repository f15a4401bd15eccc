# SPDX-License-Identifier: Apache-2.0
"""Pulls as jobs: from sources that the operator has configured, and from no others.

What a source is asked for holds names of files and accounts of the server; so a tenant names
a source, and never says what it is. ``GPUOPT_SOURCES`` is a TOML file::

    [default.weekly]  # tenant, source
    providers = ["aws", "focus"]
    since = "90d"  # the window, if a request states none
    regions = ["us-east-1"]  # the rest is optional, and as gpuopt pull has it
    accounts = ["aws=arn:aws:iam::1:role/read", "focus=/data/bill.parquet"]
    set = ["aws.export=s3://bucket/focus"]
    currency = "USD"
    settings = "/etc/gpuopt/case.toml"
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from api.advice import follow_up
from api.pull import PullOptions, pull
from api.settings import ServiceSettings
from api.store import Actor
from api.work import Answer, Task
from optimizer.errors import UsageError
from optimizer.planning import to_json


class PullSource(BaseModel):
    """What a source asks for, as the operator wrote it."""

    model_config = ConfigDict(extra="forbid")
    providers: Annotated[list[str], Field(min_length=1)]
    since: str = "90d"
    regions: list[str] = []
    accounts: list[str] = []
    set: list[str] = []
    currency: str | None = None
    settings: Path | None = None


def sources_of(settings: ServiceSettings, tenant: str) -> dict[str, PullSource]:
    """Return the sources of a tenant, by the tenant's name; none without a file.

    Raises
    ------
    UsageError
        If the file cannot be read, or states what no source is.
    """
    if settings.sources is None:
        return {}
    try:
        document: Mapping[str, Any] = tomllib.loads(settings.sources.read_text("utf-8"))
        mine = document.get(tenant, {})
        return {name: PullSource.model_validate(stated) for name, stated in mine.items()}
    except (OSError, ValueError, ValidationError, AttributeError) as error:
        msg = f"GPUOPT_SOURCES cannot be used ({type(error).__name__})"
        raise UsageError(f"{msg}. To mend it: see docs/service.md for its form") from error


def pull_job(task: Task) -> Answer:
    """Pull a source into a snapshot of the tenant; its answer is the pull's document."""
    from connectors.manifest import FILE

    name = str(task.request["source"])
    source = sources_of(task.settings, task.tenant_name).get(name)
    if source is None:
        raise UsageError(f"there is no source '{name}' any more. To mend it: ask the operator")
    root = task.store.snapshots.root
    root.mkdir(parents=True, exist_ok=True)
    options = PullOptions(
        to=root,
        since=str(task.request.get("since") or source.since),
        regions=source.regions,
        accounts=source.accounts,
        values=source.set,
        settings=source.settings,
        currency=source.currency,
        full=bool(task.request.get("full")),
    )
    written = pull(source.providers, options, task.progress)
    actor = Actor(task.job.created_by)
    row, new = task.store.snapshots.adopt(written.folder, actor, partial=written.partial)
    if new:
        follow_up(task.store, row.id, actor, task.settings)
    report = written.folder / FILE
    asked = {provider: answer.report for provider, answer in written.answers.items()}
    document = {
        "snapshot": row.id,
        "digest": row.digest,
        "partial": written.partial,
        "manifest": report.name,
        "sources": {
            provider: {
                "partial": told.partial,
                "remarks": [f"{r.subject}: {r.text}" for r in told.remarks],
            }
            for provider, told in asked.items()
        },
    }
    result = {"snapshot": row.id, "partial": written.partial, "new": new}
    return Answer(to_json(document) + "\n", result)
