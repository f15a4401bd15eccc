# SPDX-License-Identifier: Apache-2.0
"""Jobs: what was asked for, how far it is, and its answer.

    queued ──► running ──► succeeded
      │ ▲        │ ├─────► failed
      │ └────────┘ │                      a delivery that waits for its next try
      └────────────┴─────► cancelled      with the best plan so far, if there was one

Every change is a comparison and a change in one transaction, and the final states are left
by nothing: whoever finishes a job first has finished it, and a second worker's answer is
dropped. A document is written in the transaction that finishes its job.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy import ColumnElement, func, select, update
from sqlalchemy.orm import Session

from api.store.audit import Actor, note
from api.store.database import EVERYONE, Database, new_id, now, writes
from api.store.errors import NotFound, TooMany
from api.store.models import Document, Event, Job, JobStatus, Once

_UNFINISHED = (JobStatus.queued, JobStatus.running)
PREFIXES = {
    "plan": "pln",
    "what_if": "wif",
    "sweep": "swp",
    "comparison": "cmp",
    "backtest": "bkt",
    "pull": "pul",
    "report": "rpt",
    "alert": "alr",
    "delivery": "dlv",
}


class Jobs:
    """The jobs of a tenant."""

    def __init__(self, database: Database, tenant: str) -> None:
        self._database = database
        self._tenant = tenant

    def add(
        self,
        kind: str,
        request: Mapping[str, Any],
        actor: Actor,
        *,
        snapshot: str | None = None,
        most: int | None = None,
        once: tuple[str, str] | None = None,
        name: str | None = None,
    ) -> Job:
        """Keep a request as a queued job; from here on it is not lost.

        Parameters
        ----------
        kind
            One of ``PREFIXES``.
        request
            What ``api.work`` performs, as JSON.
        most
            Unfinished jobs that the tenant may have.
        once
            Who asked, and the ``Idempotency-Key`` of the request: the job is noted with it.
        name
            The job's id, where it must be one that is known before.

        Raises
        ------
        TooMany
            If the tenant has as many unfinished jobs already.
        """
        job = Job(
            id=name or new_id(PREFIXES[kind]),
            tenant=self._tenant,
            kind=kind,
            status=JobStatus.queued,
            request=dict(request),
            snapshot=snapshot,
            created_by=actor.name,
            created_at=now(),
            cancel_asked=False,
            attempts=0,
        )
        with self._database.write(self._tenant) as session:
            if most is not None:
                # Deliveries to what is down must not keep plans waiting, nor plans deliveries.
                alike = (Job.kind == "delivery") == (kind == "delivery")
                waiting = session.scalar(
                    select(func.count()).select_from(Job).where(Job.status.in_(_UNFINISHED), alike)
                )
                if (waiting or 0) >= most:
                    raise TooMany(
                        f"{waiting} jobs are queued or running, and no more than {most} may be. "
                        "To mend it: wait for one to finish, or cancel one"
                    )
            session.add(job)
            session.flush()
            _tell(session, job, "queued", {"status": JobStatus.queued})
            note(session, self._tenant, actor, f"{kind}.asked", job.id)
            if once is not None:
                mine = (Once.actor == once[0], Once.key == once[1])
                session.execute(update(Once).where(*mine).values(subject=job.id))
        return job

    def get(self, job: str, kind: str | None = None) -> Job:
        """Return a job.

        Raises
        ------
        NotFound
            If there is none of this id, tenant and kind.
        """
        with self._database.read(self._tenant) as session:
            return _find(session, job, kind)

    def exists(self, job: str) -> bool:
        """Whether there is a job of this id."""
        with self._database.read(self._tenant) as session:
            return session.scalar(select(Job.id).where(Job.id == job)) is not None

    def page(
        self,
        kind: str,
        limit: int,
        before: str | None = None,
        status: str | None = None,
        snapshot: str | None = None,
    ) -> list[Job]:
        """Return at most ``limit`` jobs, newest first, older than the job ``before``."""
        query = select(Job).where(Job.kind == kind).order_by(Job.id.desc()).limit(limit)
        wanted: list[ColumnElement[bool]] = []
        if before is not None:
            wanted.append(Job.id < before)
        if status is not None:
            wanted.append(Job.status == status)
        if snapshot is not None:
            wanted.append(Job.snapshot == snapshot)
        with self._database.read(self._tenant) as session:
            return [*session.scalars(query.where(*wanted))]

    def newest(self, kind: str, status: JobStatus = JobStatus.succeeded) -> Job | None:
        """Return the last job of a kind that ended so."""
        found = self.page(kind, 1, status=status)
        return found[0] if found else None

    def document(self, job: str) -> Document:
        """Return what a job answered.

        Raises
        ------
        NotFound
            If it has not answered, or not yet.
        """
        found = self._database.documents.get(self._tenant, job)
        if found is not None:
            return found
        with self._database.read(self._tenant) as session:
            found = session.scalar(select(Document).where(Document.job == job))
        if found is None:
            raise NotFound("document of", job)
        self._database.documents.put(found)
        return found

    def has_document(self, job: str) -> bool:
        """Whether a job has answered with a document."""
        with self._database.read(self._tenant) as session:
            return session.scalar(select(Document.job).where(Document.job == job)) is not None

    def events(self, job: str, after: int = 0) -> list[Event]:
        """Return what happened to a job after its event ``after``."""
        with self._database.read(self._tenant) as session:
            wanted = select(Event).where(Event.job == job, Event.seq > after)
            return [*session.scalars(wanted.order_by(Event.seq))]

    def start(self, job: str) -> Job | None:
        """Say that a worker has begun; ``None`` if there is nothing to do any more.

        A job that was begun before, by a worker that is gone, is begun again.
        """
        with self._database.write(self._tenant) as session:
            changed = session.execute(
                update(Job)
                .where(Job.id == job, Job.status.in_(_UNFINISHED), Job.cancel_asked.is_(False))
                .values(status=JobStatus.running, started_at=now(), attempts=Job.attempts + 1)
            )
            found = _find(session, job)
            if not _changed(changed):
                if not JobStatus(found.status).final:  # it was cancelled before it began
                    self._end(session, found, JobStatus.cancelled, None, None, None)
                return None
            _tell(session, found, "running", {"status": JobStatus.running})
            return found

    def tell(
        self,
        job: str,
        phase: str,
        incumbent: float | None = None,
        bound: float | None = None,
        gap: float | None = None,
        result: Mapping[str, Any] | None = None,
    ) -> bool:
        """Say how far a job is; return whether it shall stop.

        Money is in the case's currency; ``result`` is what it has come to so far. A job that
        has ended is not changed.
        """
        data: dict[str, Any] = {
            "phase": phase, "incumbent": incumbent, "bound": bound, "gap": gap,
        }  # fmt: skip
        values = {key: value for key, value in data.items() if value is not None}
        if result is not None:
            values["result"] = dict(result)
        with self._database.write(self._tenant) as session:
            changed = session.execute(
                update(Job).where(Job.id == job, Job.status == JobStatus.running).values(**values)
            )
            found = _find(session, job)
            if _changed(changed):
                _tell(session, found, "progress", data)
            return found.cancel_asked or JobStatus(found.status).final

    def put_off(self, job: str) -> bool:
        """Put a running job back into the queue, to be begun again; return whether it waits.

        One that shall be cancelled ends instead.
        """
        with self._database.write(self._tenant) as session:
            found = _find(session, job)
            if found.status != JobStatus.running:
                return False
            if found.cancel_asked:
                self._end(session, found, JobStatus.cancelled, None, None, None)
                return False
            found.status = JobStatus.queued
            _tell(session, found, "waiting", {"status": JobStatus.queued, "phase": found.phase})
            return True

    def asked_of(self, kind: str, name: str, value: str, limit: int) -> list[Job]:
        """Return the newest jobs of a kind whose request has a text under a name."""
        query = select(Job).where(Job.kind == kind, Job.request[name].as_string() == value)
        with self._database.read(self._tenant) as session:
            return [*session.scalars(query.order_by(Job.created_at.desc(), Job.id).limit(limit))]

    def cancel_asked(self, job: str) -> bool:
        """Whether a job shall stop."""
        with self._database.read(self._tenant) as session:
            found = _find(session, job)
            return found.cancel_asked or JobStatus(found.status).final

    def cancel(self, job: str, actor: Actor, kind: str | None = None) -> Job:
        """Ask a job to stop: a queued one ends at once, a running one with its best plan.

        A job that has ended stays as it is.
        """
        with self._database.write(self._tenant) as session:
            found = _find(session, job, kind)
            if not JobStatus(found.status).final and not found.cancel_asked:
                found.cancel_asked = True
                note(session, self._tenant, actor, f"{found.kind}.cancelled", job)
                if found.status == JobStatus.queued:
                    self._end(session, found, JobStatus.cancelled, None, None, None)
            return found

    def finish(
        self,
        job: str,
        status: JobStatus,
        *,
        document: str | None = None,
        result: Mapping[str, Any] | None = None,
        problem: Mapping[str, Any] | None = None,
        also: Callable[[Session], object] | None = None,
    ) -> bool:
        """End a job with its answer; return whether this was what ended it.

        Parameters
        ----------
        document
            The answer, to the byte; a cancelled job may have one too.
        result
            What of it a list shows.
        problem
            Why there is no answer, as RFC 9457 has it.
        also
            What else is written in the transaction that ends the job.
        """
        with self._database.write(self._tenant) as session:
            found = _find(session, job)
            if JobStatus(found.status).final:
                return False
            self._end(session, found, status, document, result, problem)
            if also is not None:
                also(session)
            return True

    def _end(
        self,
        session: Session,
        job: Job,
        status: JobStatus,
        document: str | None,
        result: Mapping[str, Any] | None,
        problem: Mapping[str, Any] | None,
    ) -> None:
        job.status = status
        job.finished_at = now()
        if result is not None:
            job.result = dict(result)
        job.problem = None if problem is None else dict(problem)
        if document is not None:
            digest = hashlib.sha256(document.encode()).hexdigest()
            session.add(
                Document(
                    job=job.id,
                    tenant=self._tenant,
                    text=document,
                    digest=f"sha256:{digest}",
                    created_at=now(),
                )
            )
        data = {"status": status, "result": job.result, "problem": job.problem}
        _tell(session, job, str(status), data)


def _find(session: Session, job: str, kind: str | None = None) -> Job:
    query = select(Job).where(Job.id == job).execution_options(populate_existing=True)
    if writes(session):  # on PostgreSQL two changes of one job must not pass each other
        query = query.with_for_update()
    found = session.scalar(query)
    if found is None or (kind is not None and found.kind != kind):
        raise NotFound((kind or "job").replace("_", "-"), job)
    return found


def _changed(result: Any) -> bool:
    return bool(result.rowcount)


def _tell(session: Session, job: Job, event: str, data: Mapping[str, Any]) -> None:
    last = session.scalar(select(func.max(Event.seq)).where(Event.job == job.id))
    session.add(
        Event(
            job=job.id,
            tenant=job.tenant,
            seq=(last or 0) + 1,
            event=event,
            data=dict(data),
            at=now(),
        )
    )
    session.flush()


def unfinished(database: Database) -> list[tuple[str, str]]:
    """Return (tenant, job) of all that is queued or running, oldest first."""
    with database.read(EVERYONE) as session:
        query = select(Job.tenant, Job.id).where(Job.status.in_(_UNFINISHED)).order_by(Job.id)
        return [(tenant, job) for tenant, job in session.execute(query)]
