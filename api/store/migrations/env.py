# SPDX-License-Identifier: Apache-2.0
"""Run by alembic, within the transaction that ``api.store.migrate`` has opened."""

from alembic import context

from api.store.models import Base

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    transactional_ddl=False,  # the transaction is the caller's
)
context.run_migrations()
