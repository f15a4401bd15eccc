# SPDX-License-Identifier: Apache-2.0
"""Brings a database to this version; the steps are in ``migrations/versions``."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

from api.store.database import Database

_FOLDER = Path(__file__).with_name("migrations")
_LOCK = 0x67707570  # any number that all servers of one database agree on


def migrate(database: Database) -> None:
    """Run the migrations that are missing, one server at a time."""
    engine = database.engine.execution_options(gpuopt_write=True)
    with engine.begin() as connection:
        if not database.sqlite:
            connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
        if _revision(connection) != _head():
            command.upgrade(_config(connection), "head")


def is_current(database: Database) -> bool:
    """Whether the tables are those of this version."""
    with database.engine.connect() as connection:
        return _revision(connection) == _head()


def _config(connection: Connection | None = None) -> Config:
    config = Config()
    config.set_main_option("script_location", str(_FOLDER).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config


def _head() -> str | None:
    return ScriptDirectory.from_config(_config()).get_current_head()


def _revision(connection: Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()
