# SPDX-License-Identifier: Apache-2.0
"""Who did what: one row in the transaction of the deed itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from api.store.database import Database, now
from api.store.models import Audit


@dataclass(frozen=True)
class Actor:
    """Who asks: a key, a person of the identity provider, or the service itself.

    ``request`` is the id of the request that did it.
    """

    name: str
    request: str = ""


SERVICE = Actor("service")


def note(
    session: Session, tenant: str, actor: Actor, action: str, subject: str, **detail: Any
) -> None:
    """Add a row to the audit."""
    session.add(
        Audit(
            tenant=tenant,
            at=now(),
            actor=actor.name,
            action=action,
            subject=subject,
            detail=detail,
            request=actor.request,
        )
    )


class AuditTrail:
    """The audit of a tenant, newest first."""

    def __init__(self, database: Database, tenant: str) -> None:
        self._database = database
        self._tenant = tenant

    def add(self, actor: Actor, action: str, subject: str, **detail: Any) -> None:
        """Add a row about a deed outside the database."""
        with self._database.write(self._tenant) as session:
            note(session, self._tenant, actor, action, subject, **detail)

    def page(
        self, limit: int, before: int | None = None, subject: str | None = None
    ) -> list[Audit]:
        """Return at most ``limit`` rows older than the row ``before``."""
        query = select(Audit).order_by(Audit.id.desc()).limit(limit)
        if before is not None:
            query = query.where(Audit.id < before)
        if subject is not None:
            query = query.where(Audit.subject == subject)
        with self._database.read(self._tenant) as session:
            return [*session.scalars(query)]
