# SPDX-License-Identifier: Apache-2.0
"""The servers that take jobs, and when each was last heard of."""

import sqlalchemy as sa
from alembic import op

from api.store.models import Moment

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "workers",
        sa.Column("id", sa.String(length=255), nullable=False),
        sa.Column("seen_at", Moment(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_workers")),
    )


def downgrade() -> None:
    """Remove it."""
    op.drop_table("workers")
