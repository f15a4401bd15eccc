# SPDX-License-Identifier: Apache-2.0
"""Answers to requests that were sent with an ``Idempotency-Key``."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from sqlalchemy import delete, select, update
from sqlalchemy.exc import IntegrityError

from api.store.database import Database, now
from api.store.models import Once

KEPT = timedelta(hours=24)
ABANDONED = timedelta(minutes=15)


class Answers:
    """The answers kept for a tenant, by who asked and with which key."""

    def __init__(self, database: Database, tenant: str) -> None:
        self._database = database
        self._tenant = tenant

    def claim(self, actor: str, key: str, fingerprint: str) -> Once | None:
        """Take a key for a request; return what it was taken for before, if it was.

        A request that never ended (its server was killed) gives its key back after
        ``ABANDONED``, and an answer is kept for ``KEPT``.
        """
        row = Once(
            tenant=self._tenant,
            actor=actor,
            key=key,
            fingerprint=fingerprint,
            created_at=now(),
        )
        mine = (Once.actor == actor, Once.key == key)
        try:
            with self._database.write(self._tenant) as session:
                session.execute(delete(Once).where(*mine, Once.created_at < now() - KEPT))
                left = now() - ABANDONED
                gone = (Once.status.is_(None), Once.subject.is_(None), Once.created_at < left)
                session.execute(delete(Once).where(*mine, *gone))
                found = session.scalar(select(Once).where(*mine))
                if found is None:
                    session.add(row)
                return found
        except IntegrityError:  # another server took it at the same moment
            with self._database.read(self._tenant) as session:
                return session.scalar(select(Once).where(*mine))

    def keep(
        self, actor: str, key: str, status: int, headers: Mapping[str, str], body: str
    ) -> None:
        """Keep the answer of the request that took a key."""
        with self._database.write(self._tenant) as session:
            session.execute(
                update(Once)
                .where(Once.actor == actor, Once.key == key)
                .values(status=status, headers=dict(headers), body=body)
            )

    def release(self, actor: str, key: str) -> None:
        """Give a key back: its request changed nothing, and may be sent again."""
        with self._database.write(self._tenant) as session:
            session.execute(
                delete(Once).where(
                    Once.actor == actor,
                    Once.key == key,
                    Once.status.is_(None),
                    Once.subject.is_(None),
                )
            )
