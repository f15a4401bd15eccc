# SPDX-License-Identifier: Apache-2.0
"""The renderings of reports, written once as documents are."""

import sqlalchemy as sa
from alembic import op

from api.store.migrations.versions.v0001_first import NAME, protect
from api.store.models import Moment

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table and its triggers."""
    op.create_table(
        "renderings",
        sa.Column("job", NAME, nullable=False),
        sa.Column("name", NAME, nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("digest", NAME, nullable=False),
        sa.Column("created_at", Moment(), nullable=False),
        sa.Column("tenant", NAME, nullable=False),
        sa.ForeignKeyConstraint(["job"], ["jobs.id"], name=op.f("fk_renderings_job")),
        sa.ForeignKeyConstraint(["tenant"], ["tenants.id"], name=op.f("fk_renderings_tenant")),
        sa.PrimaryKeyConstraint("job", "name", name=op.f("pk_renderings")),
    )
    op.create_index(op.f("ix_renderings_tenant"), "renderings", ["tenant"], unique=False)
    protect("renderings")


def downgrade() -> None:
    """Remove it."""
    op.drop_table("renderings")
    if op.get_bind().dialect.name != "sqlite":
        op.execute("DROP FUNCTION renderings_unchanged()")
