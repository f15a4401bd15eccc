# SPDX-License-Identifier: Apache-2.0
"""One service for all tests, in this process; each test has a tenant of its own.

With GPUOPT_TEST_DATABASE_URL the same tests run on that PostgreSQL server (make test-postgres),
in a database of their own.
"""

from __future__ import annotations

import io
import itertools
import os
import re
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from sqlalchemy import create_engine, text
from sqlalchemy.engine import make_url

from api.access import Role, add_tenant, make_key
from api.http.app import create_app
from api.logs import configure
from api.runner import ThreadRunner
from api.settings import ServiceSettings
from api.store import SERVICE, Store, TenantStore
from api.store.database import now

ROOT = Path(__file__).parents[3]
TINY = ROOT / "fixtures" / "tiny"
SECRET = b"a secret of tests alone, 32 bytes"
ADVICE = (
    "provider,offer,quantity,as_of,estimated_saving\n"
    "aws,plan,3.2,2026-01-01,900\naws,ri,2,2026-01-01,1800\n"
)


def tiny_files(**changes: str | None) -> dict[str, bytes]:
    """The files of the tiny case; ``table=text`` puts one in its place, ``None`` leaves it out."""
    files = {f.name: f.read_bytes() for f in TINY.iterdir() if f.suffix in {".csv", ".toml"}}
    for name, content in changes.items():
        file = "case.toml" if name == "case" else f"{name}.csv"
        if content is None:
            files.pop(file)
        else:
            files[file] = content.encode()
    return files


def zipped(files: dict[str, bytes]) -> bytes:
    """Files as a zip."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return stream.getvalue()


@dataclass
class Lab:
    """A tenant, and a client with a key of it."""

    service: Service
    name: str
    tenant: str
    key: str
    snapshot: str = ""
    plan: str = ""
    client: TestClient = field(init=False)

    def __post_init__(self) -> None:
        self.client = self.service.client(self.key)

    @property
    def store(self) -> TenantStore:
        return self.service.store.of(self.tenant)

    def key_of(self, role: Role, scopes: tuple[str, ...] = (), days: float = 1) -> str:
        until = now() + timedelta(days=days)
        kept, key = make_key(SECRET, role, "of a test", until, scopes)
        self.store.keys.add(kept, SERVICE)
        return key

    def as_role(self, role: Role, *scopes: str) -> TestClient:
        return self.service.client(self.key_of(role, scopes))

    def upload(self, **changes: str | None) -> str:
        answer = self.client.post(
            "/v1/snapshots",
            content=zipped(tiny_files(**changes)),
            headers={"Content-Type": "application/zip"},
        )
        assert answer.status_code in {200, 201}, answer.text
        return str(answer.json()["id"])

    def planned(self, **request: Any) -> dict[str, Any]:
        """Ask for a plan of the tiny case, and wait for it."""
        self.snapshot = self.snapshot or self.upload()
        answer = self.client.post(
            "/v1/plans",
            json={"snapshot": self.snapshot, **request},
            headers={"Prefer": "wait=60"},
        )
        assert answer.status_code == 200, answer.text
        self.plan = answer.json()["id"]
        return dict(answer.json())

    def reported(self, **request: Any) -> dict[str, Any]:
        """Ask for a report on the plan, and wait for it."""
        if not self.plan:
            self.planned()
        answer = self.client.post(
            "/v1/reports", json={"plan": self.plan, **request}, headers={"Prefer": "wait=60"}
        )
        assert answer.status_code == 200, answer.text
        assert answer.json()["status"] == "succeeded", answer.text
        return dict(answer.json())

    def destinations(self, text: str) -> None:
        """Configure destinations of this tenant: TOML with ``[name]`` tables."""
        file = self.service.settings.destinations
        assert file is not None
        mine = re.sub(r"(?m)^\[", f"[{self.name}.", text)
        file.write_text(file.read_text("utf-8") + f"\n{mine}\n", "utf-8")

    def put_forward(self) -> list[dict[str, Any]]:
        if not self.plan:
            self.planned()
        answer = self.client.post("/v1/recommendations", json={"plan": self.plan})
        assert answer.status_code == 201, answer.text
        return list(answer.json()["items"])


@dataclass
class Service:
    """The application with its store."""

    app: FastAPI
    store: Store
    settings: ServiceSettings
    names: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def client(self, key: str | None = None) -> TestClient:
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        return TestClient(self.app, headers=headers, raise_server_exceptions=False)

    def lab(self) -> Lab:
        name = f"lab-{next(self.names)}"
        key = add_tenant(self.store, self.settings, SECRET, name)
        found = self.store.tenant_named(name)
        assert found is not None
        return Lab(self, name, found.id, key)


@pytest.fixture(scope="session")
def database_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str | None]:
    """The URL of an empty database; ``None`` for SQLite in the data folder."""
    server = os.environ.get("GPUOPT_TEST_DATABASE_URL")
    if not server:
        yield None
        return
    name = f"gpuopt_{os.getpid()}_{tmp_path_factory.getbasetemp().name}".replace("-", "_")
    engine = create_engine(server, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(f'CREATE DATABASE "{name}"'))
    yield make_url(server).set(database=name).render_as_string(hide_password=False)
    with engine.connect() as connection:
        connection.execute(text(f'DROP DATABASE "{name}" WITH (FORCE)'))
    engine.dispose()


MakeSettings = Callable[..., ServiceSettings]


@pytest.fixture(scope="session")
def make_settings(
    tmp_path_factory: pytest.TempPathFactory, database_url: str | None
) -> MakeSettings:
    """Settings of a service in a folder of its own, whatever the environment says."""

    def make(**given: Any) -> ServiceSettings:
        folder = tmp_path_factory.mktemp("data")
        given.setdefault("data_dir", folder)
        given.setdefault("requests_per_minute", 1_000_000)
        given.setdefault("warm_up", False)
        if database_url is not None:
            given.setdefault("database_url", database_url)
        return ServiceSettings(**given)

    return make


@pytest.fixture(scope="session")
def service(
    make_settings: MakeSettings, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Service]:
    destinations = tmp_path_factory.mktemp("destinations") / "destinations.toml"
    destinations.write_text("", "utf-8")
    settings = make_settings(
        max_upload_bytes=1 << 20,
        max_snapshot_bytes=1 << 21,
        max_rows=100_000,
        destinations=destinations,
        delivery_tries=4,
        delivery_pause_seconds=0.01,
    )
    store = Store(settings.url, settings.data_dir)
    store.migrate()
    configure("error")
    app = create_app(settings, store, ThreadRunner(store, 2, settings), SECRET)
    with TestClient(app):
        yield Service(app, store, settings)
    store.close()


@pytest.fixture
def lab(service: Service) -> Lab:
    """A tenant of its own, with an admin's key."""
    return service.lab()


@pytest.fixture(scope="session")
def solved(service: Service) -> Lab:
    """A tenant with one of each, recommendations and a report among them: to be read only."""
    lab = service.lab()
    lab.snapshot = lab.upload(provider_advice=ADVICE)
    lab.put_forward()
    answer = lab.client.post(
        "/v1/comparisons", json={"plan": lab.plan}, headers={"Prefer": "wait=60"}
    )
    assert answer.json()["status"] == "succeeded", answer.text
    folder = service.settings.data_dir / "delivered"
    lab.destinations(f'[finance]\nfolder = "{folder}"')
    report = lab.reported()["id"]
    asked = {"to": "finance"}
    answer = lab.client.post(
        f"/v1/reports/{report}/deliveries", json=asked, headers={"Prefer": "wait=60"}
    )
    assert answer.json()["status"] == "succeeded", answer.text
    return lab
