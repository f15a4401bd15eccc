# SPDX-License-Identifier: Apache-2.0
"""Durable jobs on DBOS: queues by tenant, recovery after a crash, schedules.

What was asked for and what was answered is in the store; DBOS knows what is yet to be run and
by whom.  A job is a workflow of its own id, so that it is queued once however often it is
submitted, and the store takes the first answer alone.  Servers that share a database share
the queue; one that is gone is missed after ``STALE_SECONDS`` and its jobs are taken over.
"""

from __future__ import annotations

import logging
import os
import re
import secrets
import socket
import threading
from datetime import timedelta
from typing import Any

from dbos import DBOS, DBOSConfig, SetEnqueueOptions, SetWorkflowID
from sqlalchemy.engine import make_url

from api import schedules as _schedules  # noqa: F401 (its workflows are known by name)
from api.pool import Pool, WorkerDied
from api.settings import ServiceSettings
from api.store import Job, JobStatus, Store
from api.store.database import now
from api.store.jobs import PREFIXES
from api.work import URN, Closing, run_job, seconds_left

NAME = "gpuopt-service"
QUEUE = "gpuopt"
DELIVERIES = "gpuopt-deliveries"
BEAT_SECONDS = 2.0
STALE_SECONDS = 15.0
ORPHAN_SECONDS = 5.0
RECOVERIES = 100  # of one job: what brings the server down each time is not tried for ever
_POLL_SECONDS = 0.2
_DELIVERIES_AT_ONCE = 8  # of a server; they wait for other people's servers, and take no worker
_DELIVERIES_POLL_SECONDS = 1.0
_LOCAL = "local"
_log = logging.getLogger("gpuopt.jobs")

# DBOS calls workflows by name, in whatever server takes them: they find the server's own runner.
_here: dict[str, Jobs] = {}


def here() -> Jobs:
    """What runs the jobs of this server.

    Raises
    ------
    Closing
        If nothing does any more.
    """
    found = _here.get("jobs")
    if found is None:
        raise Closing
    return found


@DBOS.workflow(name="gpuopt.job", max_recovery_attempts=RECOVERIES)
def job_workflow(tenant: str, job: str) -> str:
    """One job: a step that is repeated if the server ends within it."""
    return job_step(tenant, job)


@DBOS.step(name="gpuopt.run")
def job_step(tenant: str, job: str) -> str:
    """Run a job in a worker process until it has ended."""
    return here().run(tenant, job)


@DBOS.workflow(name="gpuopt.delivery", max_recovery_attempts=RECOVERIES)
def delivery_workflow(tenant: str, job: str) -> None:
    """One try of a delivery; the next is a workflow of its own, that waits in the queue."""
    after = delivery_step(tenant, job)
    if after is not None:
        here().queue_delivery(tenant, job, int(after["tries"]), float(after["seconds"]))


@DBOS.step(name="gpuopt.deliver")
def delivery_step(tenant: str, job: str) -> dict[str, float] | None:
    """Try a delivery in this process; what is to come after it."""
    runner = here()
    seconds = run_job(runner.store, tenant, job, settings=runner.settings)
    if seconds is None:
        return None
    return {"tries": tries_of(runner.store.of(tenant).jobs.get(job)), "seconds": seconds}


class Jobs:
    """Runs the jobs of a store, with other servers of the same database.

    Parameters
    ----------
    store
        Migrated; the jobs are added to it before they are submitted here.
    settings
        ``workers`` processes of this server, ``tenant_workers`` of one tenant over all servers,
        and the limits of one solve.
    """

    def __init__(self, store: Store, settings: ServiceSettings) -> None:
        self.store = store
        self.settings = settings
        self._open = False
        self._stop = threading.Event()
        self.worker = executor_id(settings)
        self.pool = Pool(settings)
        self._keeper = threading.Thread(target=self._keep, name="gpuopt-jobs", daemon=True)

    def recover(self) -> None:
        """Begin to take jobs, those first that were left when a server ended."""
        if self._open:
            return
        _here["jobs"] = self
        DBOS(config=_config(self.settings, self.worker))
        DBOS.listen_queues([QUEUE, DELIVERIES])
        DBOS.launch()
        DBOS.register_queue(
            QUEUE,
            worker_concurrency=self.settings.workers,
            partition_concurrency=self.settings.tenant_workers,
            polling_interval_sec=_POLL_SECONDS,
            on_conflict="always_update",
        )
        DBOS.register_queue(
            DELIVERIES,
            worker_concurrency=_DELIVERIES_AT_ONCE,
            polling_interval_sec=_DELIVERIES_POLL_SECONDS,
            on_conflict="always_update",
        )
        self._open = True
        self.store.workers.beat(self.worker)
        self._adopt()
        self._keeper.start()

    def submit(self, tenant: str, job: str) -> None:
        """Queue a job that is in the store; one that is queued already stays as it is."""
        if not self._open:
            return  # it is in the store, and is queued at the next start
        if is_delivery(job):
            known = self.store.of(tenant).jobs.get(job)
            self.queue_delivery(tenant, job, tries_of(known), seconds_left(known))
            return
        with SetWorkflowID(job), SetEnqueueOptions(queue_partition_key=tenant):
            DBOS.enqueue_workflow(QUEUE, job_workflow, tenant, job)

    def queue_delivery(self, tenant: str, job: str, tries: int, seconds: float) -> None:
        """Queue the try of a delivery after so many others, in so many seconds."""
        options = SetEnqueueOptions(delay_seconds=seconds or None)
        with SetWorkflowID(workflow_id(job, tries)), options:
            DBOS.enqueue_workflow(DELIVERIES, delivery_workflow, tenant, job)

    @property
    def keeps_schedules(self) -> bool:
        """Whether schedules can be put and fire here."""
        return self._open

    def ready(self) -> bool:
        """Whether jobs are being taken."""
        return self._open and self._keeper.is_alive()

    def close(self) -> None:
        """Take no more jobs; what runs is run again by whoever is left, or at the next start."""
        if not self._open:
            return
        self._open = False
        self._stop.set()
        self._keeper.join(BEAT_SECONDS * 5)
        self.pool.close()
        DBOS.destroy()
        self.store.workers.leave(self.worker)
        _here.pop("jobs", None)

    def run(self, tenant: str, job: str, again: int = 2) -> str:
        """Run a job in a worker process; a worker that dies of it is the job's failure."""
        mine = self.store.of(tenant).jobs
        known = mine.get(job)
        if JobStatus(known.status).final:
            return str(known.status)
        if known.attempts >= RECOVERIES:
            mine.finish(job, JobStatus.failed, problem=died("every worker ended that tried it"))
            return str(JobStatus.failed)
        try:
            self.pool.run(tenant, job, near=known.request.get("plan"))
        except WorkerDied as error:
            if self._stop.is_set():
                raise Closing from error
            _log.warning("job %s: its worker died: %s", job, error)
            if mine.get(job).status == JobStatus.queued and again:
                return self.run(tenant, job, again - 1)  # it died before it had begun
            mine.finish(job, JobStatus.failed, problem=died(str(error)))
        return str(mine.get(job).status)

    def _keep(self) -> None:
        """Say that this server lives, and take over from those that do not."""
        while not self._stop.wait(BEAT_SECONDS):
            try:
                self.store.workers.beat(self.worker)
                self._take_over()
                self._adopt(timedelta(seconds=ORPHAN_SECONDS))
            except Exception:  # noqa: BLE001 (a database away for a moment must not end it)
                _log.exception("the keeper of jobs failed; it tries again")

    def _take_over(self) -> None:
        limit = now() - timedelta(seconds=STALE_SECONDS)
        for worker in self.store.workers.stale(limit):
            pending = DBOS.list_workflows(status="PENDING", executor_id=worker)
            for workflow in pending:
                DBOS.resume_workflow(workflow.workflow_id)
            if self.store.workers.gone(worker):
                _log.warning("server %s is gone: %d jobs are taken over", worker, len(pending))

    def _adopt(self, older: timedelta = timedelta(0)) -> None:
        """Queue what is in the store and not in the queue: its server ended in between."""
        limit = now() - older
        for tenant, job in self.store.unfinished():
            jobs = self.store.of(tenant).jobs
            known = jobs.get(job)
            if known.created_at > limit:
                continue
            tries = tries_of(known) if is_delivery(job) else 0
            workflow = DBOS.get_workflow_status(workflow_id(job, tries))
            if workflow is None:
                self.submit(tenant, job)
            elif workflow.status in ("ERROR", "MAX_RECOVERY_ATTEMPTS_EXCEEDED", "CANCELLED"):
                jobs.finish(job, JobStatus.failed, problem=died("its server ended with it"))
            elif workflow.status == "SUCCESS" and _left_over(jobs.get(job), tries):
                run_job(
                    self.store, tenant, job, settings=self.settings
                )  # restored from a backup older than the queue


def _left_over(job: Job, tries: int) -> bool:
    """Whether a job goes on after its workflow has ended, and no later one has it."""
    return not JobStatus(job.status).final and (not is_delivery(job.id) or tries_of(job) == tries)


def is_delivery(job: str) -> bool:
    """Whether a job is a delivery, by its id."""
    return job.startswith(f"{PREFIXES['delivery']}_")


def tries_of(job: Job) -> int:
    """How often a delivery was tried."""
    return len((job.result or {}).get("tries", ()))


def workflow_id(job: str, tries: int) -> str:
    """The id of a job's workflow: a delivery has one for each try, any other its own."""
    return f"{job}.{tries}" if tries else job


def died(how: str) -> dict[str, Any]:
    """The problem of a job whose worker ended without an answer."""
    return {
        "type": f"{URN}worker-died",
        "title": "the process that ran the job ended without an answer",
        "status": 500,
        "detail": f"{how}. To mend it: plan a shorter horizon or a part of the case, or allow "
        "workers more memory (GPUOPT_WORKER_MEMORY_BYTES) or time (GPUOPT_SOLVE_SECONDS)",
    }


def executor_id(settings: ServiceSettings) -> str:
    """What this server is called among those of its database.

    With SQLite there is one server, whose jobs are its own again after a restart.
    """
    if settings.worker_name:
        return settings.worker_name
    if make_url(settings.url).get_backend_name() == "sqlite":
        return _LOCAL
    host = re.sub(r"[^A-Za-z0-9.-]", "-", socket.gethostname())[:60]
    return f"{host}-{os.getpid()}-{secrets.token_hex(4)}"


def _config(settings: ServiceSettings, worker: str) -> DBOSConfig:
    url = make_url(settings.url)
    config: DBOSConfig = {
        "name": NAME,
        "executor_id": worker,
        # Jobs outlive versions: what they ask for is checked when they run.
        "application_version": "1",
        "log_level": "ERROR",
        "run_migrations": True,
    }
    if url.get_backend_name() == "sqlite":
        # A file of its own: the queue's writes do not wait for those of the service.
        file = settings.data_dir.absolute() / "jobs.sqlite"
        config["system_database_url"] = f"sqlite:///{file}"
    else:
        config["system_database_url"] = url.render_as_string(hide_password=False)
        config["dbos_system_schema"] = "gpuopt_jobs"
    return config
