# SPDX-License-Identifier: Apache-2.0
"""Sessions of the pages: who is signed in, since when, and whether somebody ended it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, delete, select
from sqlalchemy.orm import Session

from api.store.audit import Actor, note
from api.store.database import EVERYONE, Database, new_id, now
from api.store.errors import NotFound
from api.store.models import PageSession

KEPT = timedelta(days=30)  # sessions that are over are forgotten then; the audit keeps them


@dataclass(frozen=True)
class SignIn:
    """Who signs in: ``key`` is the first part of an API key, empty with the identity provider."""

    name: str
    role: str
    until: datetime
    key: str = ""


class Sessions:
    """The sessions of a tenant."""

    def __init__(self, database: Database, tenant: str) -> None:
        self._database = database
        self._tenant = tenant

    def begin(self, who: SignIn, request: str = "") -> PageSession:
        """Begin a session; those that were over long ago are forgotten."""
        moment = now()
        row = PageSession(
            id=new_id("ses"),
            tenant=self._tenant,
            name=who.name,
            role=who.role,
            key=who.key,
            begun_at=moment,
            until=who.until,
        )
        with self._database.write(self._tenant) as session:
            session.execute(delete(PageSession).where(PageSession.until < moment - KEPT))
            session.add(row)
            note(session, self._tenant, Actor(who.name, request), "session.begun", row.id)
        return row

    def get(self, session: str) -> PageSession:
        """Return a session, in force or not.

        Raises
        ------
        NotFound
            If there is none.
        """
        with self._database.read(self._tenant) as reading:
            found = reading.scalar(select(PageSession).where(PageSession.id == session))
        if found is None:
            raise NotFound("session", session)
        return found

    def page(
        self, limit: int, before: str | None = None, name: str | None = None
    ) -> list[PageSession]:
        """Return at most ``limit`` sessions in force, newest first: of all, or of one name."""
        query = (
            select(PageSession)
            .where(PageSession.ended_at.is_(None), PageSession.until > now())
            .order_by(PageSession.id.desc())
            .limit(limit)
        )
        if before is not None:
            query = query.where(PageSession.id < before)
        if name is not None:
            query = query.where(PageSession.name == name)
        with self._database.read(self._tenant) as session:
            return [*session.scalars(query)]

    def end(self, session: str, actor: Actor) -> PageSession:
        """End a session at once; a second time changes nothing.

        Raises
        ------
        NotFound
            If there is none.
        """
        with self._database.write(self._tenant) as writing:
            end_in(writing, self._tenant, PageSession.id == session, actor)
        self._database.known_sessions.forget()
        return self.get(session)

    def end_of(self, name: str, actor: Actor) -> list[PageSession]:
        """End all sessions of a key or a person at once; return those that were in force."""
        with self._database.write(self._tenant) as session:
            ended = end_in(session, self._tenant, PageSession.name == name, actor)
        self._database.known_sessions.forget()
        return [*ended]


def end_in(
    session: Session, tenant: str, which: ColumnElement[bool], actor: Actor
) -> Sequence[PageSession]:
    """End the sessions in force that a condition names, in a transaction that is open."""
    moment = now()
    rows = session.scalars(
        select(PageSession)
        .where(which, PageSession.ended_at.is_(None), PageSession.until > moment)
        .order_by(PageSession.id)
        .with_for_update()
    ).all()
    for row in rows:
        row.ended_at, row.ended_by = moment, actor.name
        note(session, tenant, actor, "session.ended", row.id, of=row.name)
    return rows


def find_session(database: Database, session: str) -> PageSession | None:
    """Return the session of this id, whoever's it is: only then is its tenant known."""
    known = database.known_sessions
    found = known.get(session)
    if found is None:
        change, since = known.change(), time.monotonic()
        with database.read(EVERYONE) as reading:
            found = reading.scalar(select(PageSession).where(PageSession.id == session))
        if found is not None:
            known.put(found, change, since)
    return found
