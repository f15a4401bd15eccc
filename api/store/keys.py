# SPDX-License-Identifier: Apache-2.0
"""API keys as they are kept: never the key itself, only a keyed hash of it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select, update

from api.store.audit import Actor, note
from api.store.database import EVERYONE, Database, new_id, now
from api.store.errors import NotFound, Refused
from api.store.models import Key, PageSession
from api.store.sessions import end_in


@dataclass(frozen=True)
class NewKey:
    """What is kept of a key that was just made."""

    prefix: str
    digest: str
    label: str
    role: str
    scopes: Sequence[str]
    expires_at: datetime


class Keys:
    """The keys of a tenant."""

    def __init__(self, database: Database, tenant: str) -> None:
        self._database = database
        self._tenant = tenant

    def add(self, new: NewKey, actor: Actor) -> Key:
        """Keep a new key."""
        key = self._row(new, actor)
        with self._database.write(self._tenant) as session:
            session.add(key)
            note(session, self._tenant, actor, "key.made", key.id, role=key.role, label=key.label)
        return key

    def get(self, key: str) -> Key:
        """Return a key.

        Raises
        ------
        NotFound
            If there is none.
        """
        with self._database.read(self._tenant) as session:
            found = session.scalar(select(Key).where(Key.id == key))
        if found is None:
            raise NotFound("key", key)
        return found

    def page(self, limit: int, before: str | None = None) -> list[Key]:
        """Return at most ``limit`` keys, newest first, older than the key ``before``."""
        query = select(Key).order_by(Key.id.desc()).limit(limit)
        if before is not None:
            query = query.where(Key.id < before)
        with self._database.read(self._tenant) as session:
            return [*session.scalars(query)]

    def rotate(self, key: str, new: NewKey, until: datetime, actor: Actor) -> Key:
        """Put a new key in the place of one, which stays valid until then at most.

        Raises
        ------
        Refused
            If it was revoked, rotated, or has expired.
        """
        with self._database.write(self._tenant) as session:
            old = session.scalar(select(Key).where(Key.id == key).with_for_update())
            if old is None:
                raise NotFound("key", key)
            if old.revoked_at is not None or old.rotated_to is not None or old.expires_at <= now():
                raise Refused(
                    f"the key {key} was revoked or rotated, or has expired. "
                    "To mend it: make a new key"
                )
            row = self._row(new, actor)
            session.add(row)
            old.rotated_to = row.id
            old.expires_at = min(old.expires_at, until)
            session.execute(
                update(PageSession)
                .where(
                    PageSession.tenant == self._tenant,
                    PageSession.key == old.prefix,
                    PageSession.until > old.expires_at,
                )
                .values(until=old.expires_at)
            )
            note(session, self._tenant, actor, "key.rotated", key, to=row.id)
        self._database.known_keys.forget()
        self._database.known_sessions.forget()
        return row

    def revoke(self, key: str, actor: Actor) -> Key:
        """End a key and its sessions at once; a second time changes nothing."""
        with self._database.write(self._tenant) as session:
            found = session.scalar(select(Key).where(Key.id == key).with_for_update())
            if found is None:
                raise NotFound("key", key)
            if found.revoked_at is None:
                found.revoked_at = now()
                note(session, self._tenant, actor, "key.revoked", key)
                end_in(session, self._tenant, PageSession.key == found.prefix, actor)
        self._database.known_keys.forget()
        self._database.known_sessions.forget()
        return found

    def _row(self, new: NewKey, actor: Actor) -> Key:
        return Key(
            id=new_id("key"),
            tenant=self._tenant,
            prefix=new.prefix,
            digest=new.digest,
            label=new.label,
            role=new.role,
            scopes=list(new.scopes),
            created_by=actor.name,
            created_at=now(),
            expires_at=new.expires_at,
        )


def find_key(database: Database, prefix: str) -> Key | None:
    """Return the key of this prefix, whoever's it is: only then is its tenant known."""
    known = database.known_keys
    found = known.get(prefix)
    if found is None:
        change, since = known.change(), time.monotonic()
        with database.read(EVERYONE) as session:
            found = session.scalar(select(Key).where(Key.prefix == prefix))
        if found is not None:
            known.put(found, change, since)
    return found
