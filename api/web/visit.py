# SPDX-License-Identifier: Apache-2.0
"""A visit: one request for a page by somebody who is signed in."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import Depends, Request
from fastapi.responses import RedirectResponse

from api.access import SCOPES, Caller
from api.http.problems import ProblemError
from api.settings import ServiceSettings
from api.store import Actor, JobStatus, NotFound, TenantStore
from api.store.database import now
from api.store.kept import Recent
from api.store.models import Job, Snapshot
from api.web.drawn import ChartView, drawn
from api.web.session import Cookies, Session
from api.web.tables import Links, Tables, TableView
from api.work import JobRunner
from optimizer.reporting.document import Chart, Table

SNAPSHOTS = 50  # that a form offers
_PARSED: Recent[dict[str, Any]] = Recent(64 << 20)  # characters of the texts


@dataclass
class Visit:
    """Who visits, what of the store is theirs, and what the URL and the form say.

    ``framed`` lets the page show another page of this service in a frame.
    """

    request: Request
    caller: Caller
    mine: TenantStore
    session: Session
    form: Mapping[str, str] = field(default_factory=dict)
    tables: Tables = field(init=False)
    framed: bool = False

    def __post_init__(self) -> None:
        self.tables = Tables(self.request.url.path, dict(self.request.query_params))

    @property
    def settings(self) -> ServiceSettings:
        """The settings of the service."""
        settings: ServiceSettings = self.request.app.state.settings
        return settings

    @property
    def runner(self) -> JobRunner:
        """What runs jobs: ``submit`` one after it was added to the store."""
        runner: JobRunner = self.request.app.state.runner
        return runner

    @property
    def actor(self) -> Actor:
        """Who the audit says did it."""
        return Actor(self.caller.name, str(self.request.scope["gpuopt.request_id"]))

    @property
    def query(self) -> Mapping[str, str]:
        """The parameters of the URL; of one that is given twice, the last."""
        return dict(self.request.query_params)

    def may(self, scope: str) -> bool:
        """Whether the visitor may do what a scope stands for."""
        return self.caller.may(scope)

    def need(self, scope: str) -> None:
        """Refuse a visitor who may not do what a scope stands for.

        Raises
        ------
        ProblemError
            If they may not.
        """
        if not self.may(scope):
            raise ProblemError(
                "forbidden",
                f"this needs {scope}, which {self.caller.name} ({self.caller.role}) does not "
                f"have. To mend it: sign in with a key of the role {SCOPES[scope]} with that scope",
            )

    def document(self, job: str) -> dict[str, Any]:
        """Return the answer of a job, parsed; it is shared: do not change it.

        Raises
        ------
        NotFound
            If there is no such job of this tenant, or it has no answer.
        """
        return parsed(self.mine, job)

    def newest_plan(self) -> Job | None:
        """The newest plan that succeeded, feasible or not."""
        return self.mine.jobs.newest("plan", JobStatus.succeeded)

    def newest_snapshot(self) -> Snapshot | None:
        """The snapshot that came last."""
        found = self.mine.snapshots.page(1)
        return found[0] if found else None

    def snapshot(self, name: str | None) -> Snapshot | None:
        """The snapshot of a name; ``None`` if there is none, or it may not be seen."""
        if name is None or not self.may("snapshots:read"):
            return None
        try:
            return self.mine.snapshots.get(name)
        except NotFound:
            return None

    def chosen_snapshot(self) -> tuple[Snapshot | None, list[Snapshot]]:
        """The snapshot that the URL names, else the newest, and those a form offers beside it.

        Raises
        ------
        NotFound
            If there is no such snapshot of this tenant.
        """
        offered = self.mine.snapshots.page(SNAPSHOTS)
        name = self.query.get("snapshot")
        if not name:
            return (offered[0] if offered else None), offered
        chosen = self.mine.snapshots.get(name)
        if all(each.id != chosen.id for each in offered):
            offered.append(chosen)  # it is older than all of them
        return chosen, offered

    def stale(self, snapshot: Snapshot | None) -> bool:
        """Whether the data are older than what may be recommended of them."""
        if snapshot is None:
            return False
        return now() - snapshot.as_of > timedelta(hours=self.settings.stale_hours)

    def table(
        self, table: Table, currency: str = "USD", *, links: Links | None = None
    ) -> TableView:
        """Prepare a table to be shown: sorted and filtered as the URL says, with its CSV."""
        return self.tables.add(table, currency, links or {})

    def chart(self, job: str, name: str, make: Callable[[], Chart]) -> ChartView:
        """Return a chart of a job's answer, which is drawn once and kept.

        Its page has ``charts.css`` and ``charts.js`` in its head (``chart_head`` of
        ``parts.html``), and shows its table beside it: ``visit.table(view.chart.table, …)``.
        """
        return drawn(self.mine.tenant, job, name, make)

    def go(
        self, path: str, notice: str = "", query: Mapping[str, str] | None = None
    ) -> RedirectResponse:
        """Send the browser to a page of this service after a form, with a notice to show."""
        target = f"{path}?{urlencode(query)}" if query else path
        response = RedirectResponse(target, 303)
        if notice:
            cookies: Cookies = self.request.app.state.web.cookies
            cookies.write(self.request, response, "notice", {"text": notice[:500]}, 60)
        return response


def parsed(mine: TenantStore, job: str) -> dict[str, Any]:
    """Return the answer of a job, parsed and kept; as :meth:`Visit.document`."""
    found = mine.jobs.document(job)
    name = (found.tenant, found.job)
    known = _PARSED.get(name)
    if known is None:
        known = json.loads(found.text)
        _PARSED.put(name, known, len(found.text) + 1_000)
    return known


# Asynchronous, for FastAPI gives each that is not a thread of its own.
async def _visit(request: Request) -> Visit:
    visit: Visit = request.state.visit
    return visit


Visiting = Annotated[Visit, Depends(_visit)]
