# SPDX-License-Identifier: Apache-2.0
"""What the service remembers: a database, and a folder of snapshots.

Everything of a tenant is reached through ``store.of(tenant)``, which sees nothing else.
"""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError

from api.store.audit import SERVICE, Actor, AuditTrail, note
from api.store.database import EVERYONE, Database, new_id, now
from api.store.errors import Changed, NotFound, Refused, TooMany
from api.store.jobs import Jobs, unfinished
from api.store.keys import Keys, NewKey, find_key
from api.store.migrate import is_current, migrate
from api.store.models import AdviceState, Job, JobStatus, Key, PageSession, Snapshot, Tenant
from api.store.once import Answers
from api.store.recommendations import Recommendations
from api.store.renderings import Renderings
from api.store.sessions import Sessions, SignIn, find_session
from api.store.snapshots import Snapshots
from api.store.workers import Workers

__all__ = [
    "SERVICE",
    "Actor",
    "AdviceState",
    "Changed",
    "Job",
    "JobStatus",
    "Key",
    "NewKey",
    "NotFound",
    "PageSession",
    "Refused",
    "SignIn",
    "Snapshot",
    "Store",
    "Tenant",
    "TenantStore",
    "TooMany",
]


class TenantStore:
    """Everything of one tenant, and nothing else."""

    def __init__(self, database: Database, tenant: str, folder: Path) -> None:
        self.tenant = tenant
        self.snapshots = Snapshots(database, tenant, folder)
        self.jobs = Jobs(database, tenant)
        self.renderings = Renderings(database, tenant)
        self.recommendations = Recommendations(database, tenant)
        self.keys = Keys(database, tenant)
        self.sessions = Sessions(database, tenant)
        self.answers = Answers(database, tenant)
        self.audit = AuditTrail(database, tenant)


class Store:
    """The database and the folder of snapshots; safe to use from many threads.

    Parameters
    ----------
    url
        ``sqlite:///file`` or ``postgresql+psycopg://…``. A worker process opens its own.
    folder
        Where snapshots lie; workers on other machines need the same one.
    """

    def __init__(self, url: str, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.url = url
        self.folder = folder
        self.database = Database(url)
        self.workers = Workers(self.database)

    def migrate(self) -> None:
        """Bring the database's tables to this version; several servers may do it at once."""
        migrate(self.database)

    def ready(self) -> bool:
        """Whether the database answers and its tables are those of this version."""
        return is_current(self.database)

    def of(self, tenant: str) -> TenantStore:
        """Return what belongs to a tenant, by its id."""
        return TenantStore(self.database, tenant, self.folder)

    def add_tenant(self, name: str, actor: Actor = SERVICE) -> Tenant:
        """Add a tenant.

        Raises
        ------
        Refused
            If there is one of this name.
        """
        tenant = Tenant(id=new_id("tnt"), name=name, created_at=now())
        try:
            with self.database.write(EVERYONE) as session:
                session.add(tenant)
                session.flush()
                note(session, tenant.id, actor, "tenant.added", tenant.id, name=name)
        except IntegrityError:
            msg = f"there is a tenant '{name}'. To mend it: choose another name"
            raise Refused(msg) from None
        return tenant

    def tenants(self) -> list[Tenant]:
        """Return all tenants, by name."""
        with self.database.read(EVERYONE) as session:
            return [*session.scalars(select(Tenant).order_by(Tenant.name))]

    def tenant(self, tenant: str) -> Tenant:
        """Return a tenant by its id.

        Raises
        ------
        NotFound
            If there is none.
        """
        with self.database.read(EVERYONE) as session:
            found = session.get(Tenant, tenant)
        if found is None:
            raise NotFound("tenant", tenant)
        return found

    def tenant_named(self, name: str) -> Tenant | None:
        """Return the tenant of a name."""
        with self.database.read(EVERYONE) as session:
            return session.scalar(select(Tenant).where(Tenant.name == name))

    def find_key(self, prefix: str) -> Key | None:
        """Return the key of a prefix, whoever's it is."""
        return find_key(self.database, prefix)

    def find_session(self, session: str) -> PageSession | None:
        """Return the session of an id, whoever's it is."""
        return find_session(self.database, session)

    def knows_key(self, prefix: str) -> bool:
        """Whether the key of a prefix is found without asking the database."""
        return self.database.known_keys.get(prefix) is not None

    def unfinished(self) -> list[tuple[str, str]]:
        """Return (tenant, job) of all jobs that are queued or running, oldest first."""
        return unfinished(self.database)

    def job_counts(self) -> list[tuple[str, str, int]]:
        """Return (kind, status, count) over all tenants."""
        query = select(Job.kind, Job.status, func.count()).group_by(Job.kind, Job.status)
        with self.database.read(EVERYONE) as session:
            return [(kind, status, count) for kind, status, count in session.execute(query)]

    def close(self) -> None:
        """Close the connections."""
        self.database.close()
