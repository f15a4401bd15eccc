# SPDX-License-Identifier: Apache-2.0
"""Snapshots of a tenant: folders that are never changed, named by the hash of their content.

DATA_DIR/snapshots/<tenant>/<16 hex digits of the hash>/
"""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from api.store.audit import Actor, note
from api.store.database import Database, new_id, now
from api.store.errors import NotFound
from api.store.models import Snapshot
from connectors.snapshot import snapshot_name
from optimizer.tables import Case, read_case, schema

_PARTIAL = ".upload-"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Snapshots:
    """The snapshots of a tenant."""

    def __init__(self, database: Database, tenant: str, folder: Path) -> None:
        self._database = database
        self._tenant = tenant
        self._folder = folder / "snapshots" / tenant

    @contextmanager
    def place(self) -> Iterator[Path]:
        """Give an empty folder, on the same disk, to write a case into; it is taken away."""
        self._folder.mkdir(parents=True, exist_ok=True)
        place = self._folder / f"{_PARTIAL}{uuid.uuid4().hex}"
        place.mkdir(mode=0o700)
        try:
            yield place
        finally:
            shutil.rmtree(place, ignore_errors=True)

    def add(self, place: Path, actor: Actor) -> tuple[Snapshot, bool]:
        """Check the case in a folder of :meth:`place` and keep it; say whether it is new.

        Raises
        ------
        DataError
            If it is no case; nothing is kept.
        """
        case = read_case(place)
        known = self._known(case)
        if known is not None:
            return known, False
        target = self._folder / snapshot_name(case.snapshot)
        if not target.is_dir():
            for path in sorted(place.rglob("*")):
                _to_disk(path)
            try:
                place.rename(target)
            except OSError:  # the same case, uploaded at the same moment
                if not target.is_dir():
                    raise
            _to_disk(self._folder)
        return self._keep(case, target, "upload", actor, partial=False)

    def adopt(self, folder: Path, actor: Actor, *, partial: bool = False) -> tuple[Snapshot, bool]:
        """Keep a snapshot that a pull has written into :attr:`root`; say whether it is new."""
        case = read_case(folder)
        known = self._known(case)
        if known is not None:
            return known, False
        return self._keep(case, folder, "pull", actor, partial=partial)

    def _keep(
        self, case: Case, folder: Path, origin: str, actor: Actor, *, partial: bool
    ) -> tuple[Snapshot, bool]:
        row = Snapshot(
            id=new_id("snp"),
            tenant=self._tenant,
            name=folder.name,
            digest=case.snapshot,
            origin=origin,
            partial=partial,
            currency=case.settings.currency,
            as_of=_EPOCH + timedelta(hours=case.settings.as_of),
            size=sum(file.stat().st_size for file in folder.iterdir() if file.is_file()),
            tables=[name for name in schema.TABLES if case.has(name)],
            created_by=actor.name,
            created_at=now(),
        )
        try:
            with self._database.write(self._tenant) as session:
                session.add(row)
                note(session, self._tenant, actor, "snapshot.kept", row.id, digest=row.digest)
        except IntegrityError:  # kept by another at the same moment
            known = self._known(case)
            if known is None:
                raise
            return known, False
        return row, True

    def get(self, snapshot: str) -> Snapshot:
        """Return a snapshot.

        Raises
        ------
        NotFound
            If there is none.
        """
        with self._database.read(self._tenant) as session:
            found = session.scalar(select(Snapshot).where(Snapshot.id == snapshot))
        if found is None:
            raise NotFound("snapshot", snapshot)
        return found

    def folder(self, snapshot: str) -> Path:
        """Return the folder of a snapshot, which is a case."""
        return self._folder / self.get(snapshot).name

    @property
    def root(self) -> Path:
        """The folder that the tenant's snapshots lie in."""
        return self._folder

    def page(
        self, limit: int, before: str | None = None, origin: str | None = None
    ) -> list[Snapshot]:
        """Return at most ``limit`` snapshots, newest first, older than ``before``."""
        query = select(Snapshot).order_by(Snapshot.id.desc()).limit(limit)
        if before is not None:
            query = query.where(Snapshot.id < before)
        if origin is not None:
            query = query.where(Snapshot.origin == origin)
        with self._database.read(self._tenant) as session:
            return [*session.scalars(query)]

    def _known(self, case: Case) -> Snapshot | None:
        with self._database.read(self._tenant) as session:
            return session.scalar(select(Snapshot).where(Snapshot.digest == case.snapshot))


def _to_disk(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
