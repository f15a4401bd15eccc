# SPDX-License-Identifier: Apache-2.0
"""What the first visitor would wait for, made in the background while a server starts.

Templates are compiled, the script of live charts is made, the libraries that draw are loaded,
and the charts of the newest plan of each tenant are drawn. A step that fails is logged with its
traceback, and what it was to make is made when it is asked for.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING

from api.store import JobStatus, Store, Tenant
from api.web import static
from api.web.drawn import plan_charts_of
from api.web.visit import parsed
from optimizer.reporting import charts

if TYPE_CHECKING:
    from api.web.site import Site

_log = logging.getLogger("gpuopt.web")
_TENANTS = 20  # whose plans are drawn; of more, those that are named first
_JOIN_SECONDS = 1.0


class WarmUp:
    """The work that is done ahead, in a thread that a server begins and ends."""

    def __init__(self, site: Site, store: Store) -> None:
        self._site = site
        self._store = store
        self._ended = threading.Event()
        self._threads = [
            threading.Thread(target=self._run, args=(steps,), name="warm-up", daemon=True)
            for steps in (self._apart, self._here)
        ]

    def begin(self) -> None:
        """Begin, and return at once."""
        for thread in self._threads:
            thread.start()

    def wait(self, seconds: float) -> bool:
        """Wait until all is done; say whether it is."""
        until = time.monotonic() + seconds
        for thread in self._threads:
            if thread.ident is not None:  # it was begun
                thread.join(max(0.0, until - time.monotonic()))
        return not any(thread.is_alive() for thread in self._threads)

    def end(self) -> None:
        """Begin no further step, and wait a moment for the one that runs."""
        self._ended.set()
        self.wait(_JOIN_SECONDS)

    def _run(self, steps: Callable[[], Iterator[Callable[[], object]]]) -> None:
        since = time.monotonic()
        for step in steps():
            if self._ended.is_set():
                return
            try:
                step()
            except Exception:  # noqa: BLE001 (told; a server that cannot draw can answer)
                if self._ended.is_set():  # the process of the script ends with the server
                    return
                name = getattr(step, "__name__", repr(step))
                _log.exception("warm-up: %s failed; it is made when it is asked for", name)
        _log.info("warm-up: %s ended after %.1f s", steps.__name__, time.monotonic() - since)

    def _apart(self) -> Iterator[Callable[[], object]]:
        """What another process makes."""
        yield static.make_ahead

    def _here(self) -> Iterator[Callable[[], object]]:
        """What this process makes, the quickest first."""
        tenants: list[Tenant] = []
        yield self._compile
        yield _draw
        yield lambda: tenants.extend(self._store.tenants()[:_TENANTS])
        for tenant in tenants:
            yield partial(self._plan, tenant.id)

    def _compile(self) -> None:
        for name in self._site.environment.list_templates():
            self._site.environment.get_template(name)

    def _plan(self, tenant: str) -> None:
        mine = self._store.of(tenant)
        job = mine.jobs.newest("plan", JobStatus.succeeded)
        document = parsed(mine, job.id) if job is not None else None
        if job is not None and document is not None and document["status"] != "infeasible":
            plan_charts_of(tenant, job.id, document)


def _draw() -> None:
    """Draw a chart of nothing: the libraries are loaded, and the converter has begun."""
    charts.chart_html(charts.commitment_chart({}))
