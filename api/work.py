# SPDX-License-Identifier: Apache-2.0
"""The life of a job, wherever it runs: begin, solve, tell, answer.

``run_job`` is all that a worker has to call: in a thread, in a process of its own, or as the
step of a durable workflow. It may be called again for the same job after a crash; what has
ended stays as it is.
"""

from __future__ import annotations

import decimal
import logging
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from sqlalchemy.orm import Session

from api.settings import ServiceSettings
from api.store import Job, JobStatus, Store, TenantStore
from api.store.database import now
from optimizer.errors import DataError, GpuoptError
from optimizer.program.watch import Progress, Watch

DIGITS = 64  # as the command line reckons: the same plan, byte for byte
_EVERY_SECONDS = 0.2
_PART = re.compile(r"part ([0-9]+) of ([0-9]+)")
_log = logging.getLogger("gpuopt.work")

URN = "urn:gpuopt:problem:"


class JobRunner(Protocol):
    """Sees to it that queued jobs are run, each by one worker at a time."""

    @property
    def keeps_schedules(self) -> bool:
        """Whether ``api.schedules`` can be used."""

    def submit(self, tenant: str, job: str) -> None:
        """Run a job that is in the store, as soon as there is room."""

    def recover(self) -> None:
        """Run what the store says is unfinished and nobody runs; called at the start."""

    def ready(self) -> bool:
        """Whether jobs are being taken."""

    def close(self) -> None:
        """Take no more jobs; what runs may finish, or be recovered later."""


class Later(Exception):
    """Work that shall be begun again after so many seconds; it has told why."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        super().__init__(f"in {seconds:g} seconds")


class Closing(BaseException):
    """The server is closing: what ran is not over, and goes on at the next start.

    No ``Exception``, for those are an outcome that DBOS writes down.
    """


class Stopped(GpuoptError):
    """Work that has no answer before its end was cancelled, or its time is over."""


@dataclass(frozen=True)
class Answer:
    """What a kind of work answers with.

    ``document`` is the answer to the byte, ``result`` what a list shows of it, and
    ``after`` writes what follows from it, in the transaction that keeps the document of a
    job that has succeeded. What is ``complete`` is the whole answer, also where the job was
    to be cancelled meanwhile: a mail that is sent is not unsent.
    """

    document: str
    result: Mapping[str, Any]
    after: Callable[[Session], object] | None = None
    complete: bool = False


class Task:
    """A job while it runs: what was asked, whom to tell, and when to stop."""

    def __init__(
        self,
        store: TenantStore,
        job: Job,
        settings: ServiceSettings,
        tenant_name: str,
        seconds: float | None = None,
    ) -> None:
        self.store = store
        self.job = job
        self.settings = settings
        self.tenant_name = tenant_name
        self.request: Mapping[str, Any] = job.request
        self._part: dict[str, int] = {}
        self._told = 0.0
        self._asked = 0.0
        self._stop = False
        self._deadline = None if seconds is None else time.monotonic() + seconds
        self.watch = Watch(tell=self._tell, cancelled=self.stopped)

    def progress(self, text: str) -> None:
        """Say what is being done."""
        match = _PART.match(text)
        self._part = {"part": int(match[1]), "parts": int(match[2])} if match else {}
        self._say(Progress(text), at_once=True)

    def stopped(self) -> bool:
        """Whether the job shall end with its best answer so far."""
        moment = time.monotonic()
        if not self._stop and moment - self._asked > _EVERY_SECONDS:
            self._asked = moment
            late = self._deadline is not None and moment > self._deadline
            self._stop = late or self.store.jobs.cancel_asked(self.job.id)
        return self._stop

    def _tell(self, told: Progress) -> None:
        self._say(told, at_once=False)

    def _say(self, told: Progress, *, at_once: bool) -> None:
        moment = time.monotonic()
        if not at_once and moment - self._told < _EVERY_SECONDS:
            return
        self._told = moment
        part = self._part
        phase = f"part {part['part']} of {part['parts']}: {told.phase}" if part else told.phase
        if at_once:
            phase = told.phase
        self._stop |= self.store.jobs.tell(self.job.id, phase, told.incumbent, told.bound, told.gap)


Work = Callable[[Task], Answer]


def run_job(
    store: Store,
    tenant: str,
    job: str,
    *,
    seconds: float | None = None,
    settings: ServiceSettings | None = None,
) -> float | None:
    """Run a job from its beginning to its end, once.

    Return ``None`` once it has ended, else after how many seconds it is to be run again: a
    delivery that failed waits for its next try (``next_at`` of the job's result).

    Parameters
    ----------
    seconds
        After so long a solve is stopped and answers with its best plan so far.
    settings
        Those of the service; default: of the environment.
    """
    mine = store.of(tenant)
    early = seconds_left(mine.jobs.get(job))
    if early:
        return early
    begun = mine.jobs.start(job)
    if begun is None:
        return None
    settings = settings or ServiceSettings()
    task = Task(mine, begun, settings, store.tenant(tenant).name, seconds)
    context = decimal.getcontext()
    decimal.setcontext(decimal.Context(prec=DIGITS))
    try:
        answer = works()[begun.kind](task)
    except Later as later:
        return later.seconds if mine.jobs.put_off(job) else None
    except Stopped as error:
        if mine.jobs.cancel_asked(job):
            mine.jobs.finish(job, JobStatus.cancelled)
        else:
            mine.jobs.finish(job, JobStatus.failed, problem=out_of_time(error))
    except GpuoptError as error:
        mine.jobs.finish(job, JobStatus.failed, problem=problem_of(error))
    except Exception as error:  # noqa: BLE001 (a job must end, whatever happens within it)
        _log.exception("job %s failed", job)
        mine.jobs.finish(job, JobStatus.failed, problem=unexpected(error))
    else:
        cut_short = not answer.complete and mine.jobs.cancel_asked(job)
        ended = JobStatus.cancelled if cut_short else JobStatus.succeeded
        mine.jobs.finish(
            job,
            ended,
            document=answer.document,
            result=answer.result,
            also=answer.after if ended == JobStatus.succeeded else None,
        )
    finally:
        decimal.setcontext(context)
    return None


def seconds_left(job: Job) -> float:
    """Seconds until a job that was put off is to be begun again; 0 if it was not."""
    until = (job.result or {}).get("next_at")
    if until is None or JobStatus(job.status).final or job.cancel_asked:
        return 0.0
    return max(0.0, (datetime.fromisoformat(until) - now()).total_seconds())


def works() -> dict[str, Work]:
    """What performs each kind of job."""
    from api.alerts import alert_job
    from api.backtests import backtest_job
    from api.compare import compare_job
    from api.deliveries import delivery_job
    from api.plans import plan_job
    from api.pulls import pull_job
    from api.reports import report_job
    from api.whatifs import sweep_job, what_if_job

    return {
        "plan": plan_job,
        "comparison": compare_job,
        "pull": pull_job,
        "what_if": what_if_job,
        "sweep": sweep_job,
        "backtest": backtest_job,
        "report": report_job,
        "alert": alert_job,
        "delivery": delivery_job,
    }


def problem_of(error: GpuoptError, status: int = 422) -> dict[str, Any]:
    """An error of this house as RFC 9457 has it."""
    kind = re.sub(r"(?<!^)(?=[A-Z])", "-", type(error).__name__).lower()
    problem: dict[str, Any] = {
        "type": f"{URN}{kind}",
        "title": getattr(error, "problem", None) or str(error).partition(". To mend it:")[0],
        "status": status,
        "detail": str(error),
    }
    if isinstance(error, DataError):
        place = {"file": error.file, "row": error.row, "column": error.column}
        pointer = "/".join(str(part) for part in place.values() if part is not None)
        problem["errors"] = [
            {"pointer": f"/{pointer}", "detail": error.problem, "mend": error.mend, **place}
        ]
    return problem


def out_of_time(error: Stopped) -> dict[str, Any]:
    """The problem of work that has no answer before its end, and did not get to it."""
    return {
        "type": f"{URN}out-of-time",
        "title": "the job took longer than a job may",
        "status": 500,
        "detail": f"{error}. To mend it: ask for less, or have the operator raise "
        "GPUOPT_SOLVE_SECONDS",
    }


def unexpected(error: Exception) -> dict[str, Any]:
    """An error that nobody foresaw; its words stay in the log, where secrets are taken out."""
    return {
        "type": f"{URN}internal",
        "title": "the job failed unexpectedly",
        "status": 500,
        "detail": f"{type(error).__name__}. To mend it: look into the server's log, report it",
    }
