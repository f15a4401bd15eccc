# SPDX-License-Identifier: Apache-2.0
"""The forms that a report was rendered in, each under its name, kept with its document."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from sqlalchemy import select
from sqlalchemy.orm import Session

from api.store.database import Database, now
from api.store.errors import NotFound
from api.store.models import Rendering


class Renderings:
    """The renderings of a tenant's reports."""

    def __init__(self, database: Database, tenant: str) -> None:
        self._database = database
        self._tenant = tenant

    def add_in(self, session: Session, job: str, texts: Mapping[str, str]) -> None:
        """Keep the renderings of a report, in the transaction that ends its job."""
        moment = now()
        session.add_all(
            Rendering(
                job=job,
                tenant=self._tenant,
                name=name,
                text=text,
                digest=f"sha256:{hashlib.sha256(text.encode()).hexdigest()}",
                created_at=moment,
            )
            for name, text in texts.items()
        )

    def get(self, job: str, name: str) -> Rendering:
        """Return a rendering.

        Raises
        ------
        NotFound
            If there is none of this name.
        """
        query = select(Rendering).where(Rendering.job == job, Rendering.name == name)
        with self._database.read(self._tenant) as session:
            found = session.scalar(query)
        if found is None:
            raise NotFound("rendering", f"{job}/{name}")
        return found

    def texts(self, job: str) -> dict[str, str]:
        """Return all renderings of a report by name; none of another tenant's."""
        query = select(Rendering).where(Rendering.job == job).order_by(Rendering.name)
        with self._database.read(self._tenant) as session:
            return {row.name: row.text for row in session.scalars(query)}
