# SPDX-License-Identifier: Apache-2.0
"""The database: its migrations, what it refuses to change, and whose rows a session sees."""

from __future__ import annotations

import threading

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import select, text, update
from sqlalchemy.exc import DBAPIError

from api.store import SERVICE, NotFound, Refused, Store
from api.store.database import EVERYONE, WrongTenant, now
from api.store.models import IMMUTABLE, Audit, Base, Job, Tenanted

from .conftest import Lab, Service


def test_the_migrations_make_the_tables_of_the_models(service: Service) -> None:
    with service.store.database.engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), Base.metadata) == []
    assert service.store.ready()


def test_servers_that_start_at_once_migrate_once(service: Service, tmp_path) -> None:
    url = service.settings.url
    if service.store.database.sqlite:
        url = f"sqlite:///{tmp_path / 'new.sqlite'}"
    stores = [Store(url, tmp_path) for _ in range(4)]
    errors: list[BaseException] = []

    def migrate(store: Store) -> None:
        try:
            store.migrate()
        except BaseException as error:  # noqa: BLE001 (told by the assertion below)
            errors.append(error)

    threads = [threading.Thread(target=migrate, args=(store,)) for store in stores]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert all(store.ready() for store in stores)
    for store in stores:
        store.close()


@pytest.mark.parametrize("table", IMMUTABLE)
@pytest.mark.parametrize("deed", ["UPDATE {} SET tenant = tenant", "DELETE FROM {}"])
def test_the_database_refuses_to_change_what_is_final(
    service: Service, solved: Lab, table: str, deed: str
) -> None:
    with (
        pytest.raises(DBAPIError, match="are not changed"),
        service.store.database.engine.begin() as c,
    ):
        c.execute(text(deed.format(table)))


def test_a_session_sees_one_tenant_whatever_it_asks(
    service: Service, solved: Lab, lab: Lab
) -> None:
    database = service.store.database
    mine = lab.store.jobs.add("plan", {}, SERVICE).id
    with database.read(lab.tenant) as session:
        assert [job.id for job in session.scalars(select(Job))] == [mine]
        assert session.get(Job, solved.plan) is None
        assert {row.tenant for row in session.scalars(select(Audit))} == {lab.tenant}
    with database.write(lab.tenant) as session:
        assert session.execute(update(Job).values(phase="x")).rowcount == 1
    with database.read(EVERYONE) as session:
        assert {job.tenant for job in session.scalars(select(Job))} >= {lab.tenant, solved.tenant}
    assert solved.store.jobs.get(solved.plan).phase != "x"


def test_a_session_writes_for_its_tenant_alone(service: Service, solved: Lab, lab: Lab) -> None:
    row = Audit(
        tenant=solved.tenant, at=now(), actor="", action="", subject="", detail={}, request=""
    )

    def add() -> None:
        with service.store.database.write(lab.tenant) as session:
            session.add(row)

    with pytest.raises(WrongTenant):
        add()


def test_every_table_belongs_to_a_tenant_but_those_of_the_service() -> None:
    # Tenants themselves, and the servers that take jobs: nothing of a customer is in those.
    mappers = Base.registry.mappers
    shared = {m.class_.__tablename__ for m in mappers if not issubclass(m.class_, Tenanted)}
    assert shared == {"tenants", "workers"}


def test_names_of_tenants_are_taken_once(service: Service, lab: Lab) -> None:
    with pytest.raises(Refused):
        service.store.add_tenant(lab.name)
    with pytest.raises(NotFound):
        service.store.tenant("tnt_0")


def test_a_lost_request_gives_its_key_back(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    from datetime import timedelta

    from api.store import once

    answers = lab.store.answers
    assert answers.claim("me", "k", "f") is None
    taken = answers.claim("me", "k", "f")
    assert taken is not None
    assert taken.status is None
    monkeypatch.setattr(once, "ABANDONED", timedelta(0))
    assert answers.claim("me", "k", "f") is None
    answers.keep("me", "k", 200, {}, "{}")
    kept = answers.claim("me", "k", "f")
    assert kept is not None
    assert kept.body == "{}"
    monkeypatch.setattr(once, "KEPT", timedelta(0))
    assert answers.claim("me", "k", "other") is None


def test_one_key_is_taken_by_one_of_many(lab: Lab) -> None:
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(8) as pool:
        taken = list(pool.map(lambda n: lab.store.answers.claim("me", "k", str(n)), range(8)))
    assert taken.count(None) == 1
