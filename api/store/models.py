# SPDX-License-Identifier: Apache-2.0
"""The tables of the service's database.

What belongs to a tenant is a :class:`Tenanted`; sessions see the rows of one tenant only
(``api.store.database``). Documents, events and the audit cannot be changed or removed: the
database itself refuses it (``migrations``).
"""

from __future__ import annotations

from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    DateTime,
    Dialect,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Text,
    TypeDecorator,
    UniqueConstraint,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class JobStatus(StrEnum):
    """Where a job is; the last three are final."""

    queued = "queued"
    running = "running"
    succeeded = "succeeded"
    failed = "failed"
    cancelled = "cancelled"

    @property
    def final(self) -> bool:
        """Whether nothing will change any more."""
        return self in (JobStatus.succeeded, JobStatus.failed, JobStatus.cancelled)


class AdviceState(StrEnum):
    """Where a recommendation is."""

    active = "active"
    accepted = "accepted"
    purchased = "purchased"
    realised = "realised"
    expired = "expired"
    dismissed = "dismissed"
    superseded = "superseded"


class Moment(TypeDecorator[datetime]):
    """A moment in UTC; stored without a zone, which SQLite does not have."""

    impl = DateTime(timezone=False)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        """Store UTC."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a moment without a zone")
        return value.astimezone(UTC).replace(tzinfo=None)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        """Return UTC."""
        return None if value is None else value.replace(tzinfo=UTC)


class Base(DeclarativeBase):
    """Base of all tables; constraints have names, so that migrations can find them."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = {  # noqa: RUF012 (SQLAlchemy's own word for it)
        datetime: Moment(),
        str: String(255),
        dict[str, Any]: JSON(),
        list[str]: JSON(),
    }


class Tenanted:
    """What belongs to one tenant."""

    tenant: Mapped[str] = mapped_column(ForeignKey("tenants.id"), index=True)


class Tenant(Base):
    """An organization; nothing of it is seen by another."""

    __tablename__ = "tenants"
    id: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)
    created_at: Mapped[datetime]


class Key(Tenanted, Base):
    """An API key: its first part to find it by, and a keyed hash of the rest."""

    __tablename__ = "keys"
    id: Mapped[str] = mapped_column(primary_key=True)
    prefix: Mapped[str] = mapped_column(unique=True)
    digest: Mapped[str]
    label: Mapped[str]
    role: Mapped[str]
    scopes: Mapped[list[str]]
    created_by: Mapped[str]
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]
    rotated_to: Mapped[str | None]


class PageSession(Tenanted, Base):
    """Somebody who is signed in to the pages; ``key`` is empty with the identity provider.

    The browser holds its id, signed: who reads this table cannot make such a cookie.
    """

    __tablename__ = "sessions"
    id: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]
    role: Mapped[str]
    key: Mapped[str]
    begun_at: Mapped[datetime]
    until: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    ended_by: Mapped[str | None]


class Snapshot(Tenanted, Base):
    """A case in a folder that is never changed; ``name`` is the folder's."""

    __tablename__ = "snapshots"
    __table_args__ = (UniqueConstraint("tenant", "digest"),)
    id: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]
    digest: Mapped[str]
    origin: Mapped[str]
    partial: Mapped[bool]
    currency: Mapped[str]
    as_of: Mapped[datetime]
    size: Mapped[int] = mapped_column(BigInteger)
    tables: Mapped[list[str]]
    created_by: Mapped[str]
    created_at: Mapped[datetime]


class Job(Tenanted, Base):
    """A request that takes a while, and how far it is."""

    __tablename__ = "jobs"
    __table_args__ = (Index("ix_jobs_tenant_kind_id", "tenant", "kind", "id"),)
    id: Mapped[str] = mapped_column(primary_key=True)
    kind: Mapped[str]
    status: Mapped[str] = mapped_column(index=True)
    request: Mapped[dict[str, Any]]
    snapshot: Mapped[str | None] = mapped_column(ForeignKey("snapshots.id"))
    created_by: Mapped[str]
    created_at: Mapped[datetime]
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
    cancel_asked: Mapped[bool]
    attempts: Mapped[int]
    phase: Mapped[str | None] = mapped_column(Text)
    incumbent: Mapped[float | None]
    bound: Mapped[float | None]
    gap: Mapped[float | None]
    result: Mapped[dict[str, Any] | None]
    problem: Mapped[dict[str, Any] | None]


class Document(Tenanted, Base):
    """What a job answered, to the byte; written once."""

    __tablename__ = "documents"
    job: Mapped[str] = mapped_column(ForeignKey("jobs.id"), primary_key=True)
    text: Mapped[str] = mapped_column(Text)
    digest: Mapped[str]
    created_at: Mapped[datetime]


class Rendering(Tenanted, Base):
    """One form of a report, such as ``report.html``; written once, with its document."""

    __tablename__ = "renderings"
    job: Mapped[str] = mapped_column(ForeignKey("jobs.id"), primary_key=True)
    name: Mapped[str] = mapped_column(primary_key=True)
    text: Mapped[str] = mapped_column(Text)
    digest: Mapped[str]
    created_at: Mapped[datetime]


class Event(Tenanted, Base):
    """What happened to a job, in the order of ``seq``; written once."""

    __tablename__ = "events"
    job: Mapped[str] = mapped_column(ForeignKey("jobs.id"), primary_key=True)
    seq: Mapped[int] = mapped_column(primary_key=True)
    event: Mapped[str]
    data: Mapped[dict[str, Any]]
    at: Mapped[datetime]


class Recommendation(Tenanted, Base):
    """One purchase of a plan, and what became of it.

    ``content`` is what the plan says; it never changes. ``version`` counts the changes of
    the rest, and is the ETag.
    """

    __tablename__ = "recommendations"
    __table_args__ = (
        UniqueConstraint("tenant", "plan", "offer"),
        Index("ix_recommendations_tenant_state_id", "tenant", "state", "id"),
    )
    id: Mapped[str] = mapped_column(primary_key=True)
    plan: Mapped[str] = mapped_column(ForeignKey("jobs.id"))
    snapshot: Mapped[str] = mapped_column(ForeignKey("snapshots.id"))
    offer: Mapped[str] = mapped_column(Text)
    content: Mapped[dict[str, Any]]
    state: Mapped[str]
    version: Mapped[int]
    reason: Mapped[str | None] = mapped_column(Text)
    decided_by: Mapped[str | None]
    decided_at: Mapped[datetime | None]
    expires_at: Mapped[datetime]
    seen_in: Mapped[str | None] = mapped_column(ForeignKey("snapshots.id"))
    commitments: Mapped[list[str]]
    purchased_quantity: Mapped[str | None]
    realised: Mapped[dict[str, Any] | None]
    created_at: Mapped[datetime]
    changed_at: Mapped[datetime]


class Audit(Tenanted, Base):
    """Who did what; only ever added to."""

    __tablename__ = "audit"
    id: Mapped[int] = mapped_column(
        BigInteger().with_variant(Integer(), "sqlite"), primary_key=True, autoincrement=True
    )
    at: Mapped[datetime]
    actor: Mapped[str]
    action: Mapped[str]
    subject: Mapped[str]
    detail: Mapped[dict[str, Any]]
    request: Mapped[str]


class Once(Tenanted, Base):
    """A request that was sent with an ``Idempotency-Key``, and its answer.

    ``subject`` is the job that it made, written in the transaction that made it.
    """

    __tablename__ = "once"
    __table_args__ = (UniqueConstraint("tenant", "actor", "key"),)
    id: Mapped[int] = mapped_column(
        BigInteger().with_variant(Integer(), "sqlite"), primary_key=True, autoincrement=True
    )
    actor: Mapped[str]
    key: Mapped[str]
    fingerprint: Mapped[str]
    subject: Mapped[str | None]
    status: Mapped[int | None]
    headers: Mapped[dict[str, Any] | None]
    body: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[datetime]


IMMUTABLE = ("documents", "renderings", "events", "audit")


class Worker(Base):
    """A server that takes jobs, and when it was last heard of."""

    __tablename__ = "workers"
    id: Mapped[str] = mapped_column(primary_key=True)
    seen_at: Mapped[datetime]
