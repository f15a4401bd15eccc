# SPDX-License-Identifier: Apache-2.0
"""The engine, and sessions that see one tenant only.

A session of a tenant adds ``tenant = …`` to every statement on a :class:`Tenanted` table, and
refuses to write a row of another; a session of everyone has to be asked for by name. So a
query that forgets its tenant finds nothing of others instead of everything.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.orm import ORMExecuteState, Session, sessionmaker, with_loader_criteria

from api.store.kept import Documents, known_keys, known_sessions
from api.store.models import Tenanted

EVERYONE = "*"
_WAIT_SECONDS = 30


class WrongTenant(RuntimeError):
    """A defect: a row of one tenant in a session of another."""


def now() -> datetime:
    """The moment."""
    return datetime.now(tz=UTC)


def new_id(prefix: str) -> str:
    """Return an id such as ``pln_…``; later ones sort behind earlier ones.

    Twelve hex digits of milliseconds, and 64 random bits.
    """
    return f"{prefix}_{time.time_ns() // 1_000_000:012x}{secrets.token_hex(8)}"


class Database:
    """The engine and its sessions.

    Parameters
    ----------
    url
        ``sqlite:///file`` or ``postgresql+psycopg://…``.
    """

    def __init__(self, url: str) -> None:
        self.url = make_url(url)
        self.sqlite = self.url.get_backend_name() == "sqlite"
        options: dict[str, Any] = {"pool_pre_ping": True, "pool_size": 16, "max_overflow": 32}
        if self.sqlite:
            options = {"connect_args": {"timeout": _WAIT_SECONDS}, "pool_size": 16,
                       "max_overflow": 32}  # fmt: skip
        self.engine: Engine = create_engine(self.url, **options)
        if self.sqlite:
            event.listen(self.engine, "connect", _prepare_sqlite)
            event.listen(self.engine, "begin", _begin_sqlite)
        self._sessions = sessionmaker(self.engine, expire_on_commit=False)
        event.listen(self._sessions, "do_orm_execute", _only_of_tenant)
        event.listen(self._sessions, "before_flush", _written_by_tenant)
        self.documents = Documents()
        self.known_keys, self.known_sessions = known_keys(), known_sessions()

    @contextmanager
    def read(self, tenant: str) -> Iterator[Session]:
        """Open a session that reads."""
        with self._sessions(info={"tenant": tenant}) as session:
            yield session

    @contextmanager
    def write(self, tenant: str) -> Iterator[Session]:
        """Open a session that writes: all of it, or nothing if an exception leaves it.

        SQLite has one writer at a time; it is waited for at the beginning, because a
        transaction that has read cannot wait for it later.
        """
        with self._sessions(info={"tenant": tenant, "writes": True}) as session, session.begin():
            session.connection(execution_options={"gpuopt_write": True})
            yield session

    def close(self) -> None:
        """Close the connections."""
        self.engine.dispose()


def writes(session: Session) -> bool:
    """Whether a session was opened to write."""
    return bool(session.info.get("writes", False))


def _prepare_sqlite(connection: Any, _: object) -> None:
    connection.isolation_level = None  # the driver would begin transactions when it likes
    cursor = connection.cursor()
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    writes = connection.get_execution_options().get("gpuopt_write", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _only_of_tenant(state: ORMExecuteState) -> None:
    tenant = state.session.info["tenant"]
    if tenant == EVERYONE or state.is_column_load or state.is_relationship_load:
        return
    state.statement = state.statement.options(_of_tenant(tenant))


@lru_cache(maxsize=1_000)
def _of_tenant(tenant: str) -> Any:
    """What every statement on a table of tenants is narrowed by."""
    return with_loader_criteria(
        Tenanted, lambda model: model.tenant == tenant, include_aliases=True
    )


def _written_by_tenant(session: Session, *_: object) -> None:
    tenant = session.info["tenant"]
    for row in (*session.new, *session.dirty, *session.deleted):
        if tenant != EVERYONE and isinstance(row, Tenanted) and row.tenant != tenant:
            raise WrongTenant(f"a {type(row).__name__} of another tenant")
