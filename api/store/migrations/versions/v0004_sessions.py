# SPDX-License-Identifier: Apache-2.0
"""Sessions of the pages, so that they can be ended."""

import sqlalchemy as sa
from alembic import op

from api.store.migrations.versions.v0001_first import NAME
from api.store.models import Moment

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "sessions",
        sa.Column("id", NAME, nullable=False),
        sa.Column("name", NAME, nullable=False),
        sa.Column("role", NAME, nullable=False),
        sa.Column("key", NAME, nullable=False),
        sa.Column("begun_at", Moment(), nullable=False),
        sa.Column("until", Moment(), nullable=False),
        sa.Column("ended_at", Moment(), nullable=True),
        sa.Column("ended_by", NAME, nullable=True),
        sa.Column("tenant", NAME, nullable=False),
        sa.ForeignKeyConstraint(["tenant"], ["tenants.id"], name=op.f("fk_sessions_tenant")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sessions")),
    )
    op.create_index(op.f("ix_sessions_tenant"), "sessions", ["tenant"], unique=False)


def downgrade() -> None:
    """Remove it."""
    op.drop_table("sessions")
