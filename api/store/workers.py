# SPDX-License-Identifier: Apache-2.0
"""Which servers live: each says so every few seconds."""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import delete, select, update

from api.store.database import EVERYONE, Database, now
from api.store.models import Worker

_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)


class Workers:
    """The servers that take jobs from this database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def beat(self, worker: str) -> None:
        """Say that a server lives."""
        with self._database.write(EVERYONE) as session:
            changed = session.execute(
                update(Worker).where(Worker.id == worker).values(seen_at=now())
            )
            if not changed.rowcount:  # type: ignore[attr-defined]
                session.add(Worker(id=worker, seen_at=now()))

    def stale(self, before: datetime) -> list[str]:
        """Return the servers that were not heard of since a moment."""
        with self._database.read(EVERYONE) as session:
            return [*session.scalars(select(Worker.id).where(Worker.seen_at < before))]

    def leave(self, worker: str) -> None:
        """Say that a server ends: others take over at once what it leaves."""
        with self._database.write(EVERYONE) as session:
            session.execute(update(Worker).where(Worker.id == worker).values(seen_at=_LONG_AGO))

    def gone(self, worker: str) -> bool:
        """Forget a server; return whether it was known."""
        with self._database.write(EVERYONE) as session:
            found = session.execute(delete(Worker).where(Worker.id == worker))
            return bool(found.rowcount)  # type: ignore[attr-defined]
