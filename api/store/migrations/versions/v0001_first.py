# SPDX-License-Identifier: Apache-2.0
"""The first tables, and the triggers that keep documents, events and the audit as they are."""

import sqlalchemy as sa
from alembic import op

from api.store.models import Moment

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

NAME = sa.String(length=255)
SERIAL = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
IMMUTABLE = ("documents", "events", "audit")


def upgrade() -> None:
    """Make the tables and the triggers."""
    op.create_table(
        "tenants",
        sa.Column("id", NAME, nullable=False),
        sa.Column("name", NAME, nullable=False),
        sa.Column("created_at", Moment(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tenants")),
        sa.UniqueConstraint("name", name=op.f("uq_tenants_name")),
    )
    op.create_table(
        "audit",
        sa.Column("id", SERIAL, autoincrement=True, nullable=False),
        sa.Column("at", Moment(), nullable=False),
        sa.Column("actor", NAME, nullable=False),
        sa.Column("action", NAME, nullable=False),
        sa.Column("subject", NAME, nullable=False),
        sa.Column("detail", sa.JSON(), nullable=False),
        sa.Column("request", NAME, nullable=False),
        sa.Column("tenant", NAME, nullable=False),
        sa.ForeignKeyConstraint(["tenant"], ["tenants.id"], name=op.f("fk_audit_tenant")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit")),
    )
    op.create_index(op.f("ix_audit_tenant"), "audit", ["tenant"], unique=False)
    op.create_table(
        "keys",
        sa.Column("id", NAME, nullable=False),
        sa.Column("prefix", NAME, nullable=False),
        sa.Column("digest", NAME, nullable=False),
        sa.Column("label", NAME, nullable=False),
        sa.Column("role", NAME, nullable=False),
        sa.Column("scopes", sa.JSON(), nullable=False),
        sa.Column("created_by", NAME, nullable=False),
        sa.Column("created_at", Moment(), nullable=False),
        sa.Column("expires_at", Moment(), nullable=False),
        sa.Column("revoked_at", Moment(), nullable=True),
        sa.Column("rotated_to", NAME, nullable=True),
        sa.Column("tenant", NAME, nullable=False),
        sa.ForeignKeyConstraint(["tenant"], ["tenants.id"], name=op.f("fk_keys_tenant")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_keys")),
        sa.UniqueConstraint("prefix", name=op.f("uq_keys_prefix")),
    )
    op.create_index(op.f("ix_keys_tenant"), "keys", ["tenant"], unique=False)
    op.create_table(
        "once",
        sa.Column("id", SERIAL, autoincrement=True, nullable=False),
        sa.Column("actor", NAME, nullable=False),
        sa.Column("key", NAME, nullable=False),
        sa.Column("fingerprint", NAME, nullable=False),
        sa.Column("subject", NAME, nullable=True),
        sa.Column("status", sa.Integer(), nullable=True),
        sa.Column("headers", sa.JSON(), nullable=True),
        sa.Column("body", sa.Text(), nullable=True),
        sa.Column("created_at", Moment(), nullable=False),
        sa.Column("tenant", NAME, nullable=False),
        sa.ForeignKeyConstraint(["tenant"], ["tenants.id"], name=op.f("fk_once_tenant")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_once")),
        sa.UniqueConstraint("tenant", "actor", "key", name=op.f("uq_once_tenant_actor_key")),
    )
    op.create_index(op.f("ix_once_tenant"), "once", ["tenant"], unique=False)
    op.create_table(
        "snapshots",
        sa.Column("id", NAME, nullable=False),
        sa.Column("name", NAME, nullable=False),
        sa.Column("digest", NAME, nullable=False),
        sa.Column("origin", NAME, nullable=False),
        sa.Column("partial", sa.Boolean(), nullable=False),
        sa.Column("currency", NAME, nullable=False),
        sa.Column("as_of", Moment(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("tables", sa.JSON(), nullable=False),
        sa.Column("created_by", NAME, nullable=False),
        sa.Column("created_at", Moment(), nullable=False),
        sa.Column("tenant", NAME, nullable=False),
        sa.ForeignKeyConstraint(["tenant"], ["tenants.id"], name=op.f("fk_snapshots_tenant")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_snapshots")),
        sa.UniqueConstraint("tenant", "digest", name=op.f("uq_snapshots_tenant_digest")),
    )
    op.create_index(op.f("ix_snapshots_tenant"), "snapshots", ["tenant"], unique=False)
    op.create_table(
        "jobs",
        sa.Column("id", NAME, nullable=False),
        sa.Column("kind", NAME, nullable=False),
        sa.Column("status", NAME, nullable=False),
        sa.Column("request", sa.JSON(), nullable=False),
        sa.Column("snapshot", NAME, nullable=True),
        sa.Column("created_by", NAME, nullable=False),
        sa.Column("created_at", Moment(), nullable=False),
        sa.Column("started_at", Moment(), nullable=True),
        sa.Column("finished_at", Moment(), nullable=True),
        sa.Column("cancel_asked", sa.Boolean(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("phase", sa.Text(), nullable=True),
        sa.Column("incumbent", sa.Double(), nullable=True),
        sa.Column("bound", sa.Double(), nullable=True),
        sa.Column("gap", sa.Double(), nullable=True),
        sa.Column("result", sa.JSON(), nullable=True),
        sa.Column("problem", sa.JSON(), nullable=True),
        sa.Column("tenant", NAME, nullable=False),
        sa.ForeignKeyConstraint(["snapshot"], ["snapshots.id"], name=op.f("fk_jobs_snapshot")),
        sa.ForeignKeyConstraint(["tenant"], ["tenants.id"], name=op.f("fk_jobs_tenant")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_jobs")),
    )
    op.create_index(op.f("ix_jobs_status"), "jobs", ["status"], unique=False)
    op.create_index(op.f("ix_jobs_tenant"), "jobs", ["tenant"], unique=False)
    op.create_index("ix_jobs_tenant_kind_id", "jobs", ["tenant", "kind", "id"], unique=False)
    op.create_table(
        "documents",
        sa.Column("job", NAME, nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("digest", NAME, nullable=False),
        sa.Column("created_at", Moment(), nullable=False),
        sa.Column("tenant", NAME, nullable=False),
        sa.ForeignKeyConstraint(["job"], ["jobs.id"], name=op.f("fk_documents_job")),
        sa.ForeignKeyConstraint(["tenant"], ["tenants.id"], name=op.f("fk_documents_tenant")),
        sa.PrimaryKeyConstraint("job", name=op.f("pk_documents")),
    )
    op.create_index(op.f("ix_documents_tenant"), "documents", ["tenant"], unique=False)
    op.create_table(
        "events",
        sa.Column("job", NAME, nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("event", NAME, nullable=False),
        sa.Column("data", sa.JSON(), nullable=False),
        sa.Column("at", Moment(), nullable=False),
        sa.Column("tenant", NAME, nullable=False),
        sa.ForeignKeyConstraint(["job"], ["jobs.id"], name=op.f("fk_events_job")),
        sa.ForeignKeyConstraint(["tenant"], ["tenants.id"], name=op.f("fk_events_tenant")),
        sa.PrimaryKeyConstraint("job", "seq", name=op.f("pk_events")),
    )
    op.create_index(op.f("ix_events_tenant"), "events", ["tenant"], unique=False)
    op.create_table(
        "recommendations",
        sa.Column("id", NAME, nullable=False),
        sa.Column("plan", NAME, nullable=False),
        sa.Column("snapshot", NAME, nullable=False),
        sa.Column("offer", sa.Text(), nullable=False),
        sa.Column("content", sa.JSON(), nullable=False),
        sa.Column("state", NAME, nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("decided_by", NAME, nullable=True),
        sa.Column("decided_at", Moment(), nullable=True),
        sa.Column("expires_at", Moment(), nullable=False),
        sa.Column("seen_in", NAME, nullable=True),
        sa.Column("commitments", sa.JSON(), nullable=False),
        sa.Column("purchased_quantity", NAME, nullable=True),
        sa.Column("realised", sa.JSON(), nullable=True),
        sa.Column("created_at", Moment(), nullable=False),
        sa.Column("changed_at", Moment(), nullable=False),
        sa.Column("tenant", NAME, nullable=False),
        sa.ForeignKeyConstraint(["plan"], ["jobs.id"], name=op.f("fk_recommendations_plan")),
        sa.ForeignKeyConstraint(
            ["seen_in"], ["snapshots.id"], name=op.f("fk_recommendations_seen_in")
        ),
        sa.ForeignKeyConstraint(
            ["snapshot"], ["snapshots.id"], name=op.f("fk_recommendations_snapshot")
        ),
        sa.ForeignKeyConstraint(["tenant"], ["tenants.id"], name=op.f("fk_recommendations_tenant")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_recommendations")),
        sa.UniqueConstraint(
            "tenant", "plan", "offer", name=op.f("uq_recommendations_tenant_plan_offer")
        ),
    )
    op.create_index(op.f("ix_recommendations_tenant"), "recommendations", ["tenant"], unique=False)
    op.create_index(
        "ix_recommendations_tenant_state_id",
        "recommendations",
        ["tenant", "state", "id"],
        unique=False,
    )

    for table in IMMUTABLE:
        protect(table)


def protect(table: str) -> None:
    """Let rows of a table be added, but neither changed nor removed."""
    message = f"rows of {table} are not changed"
    if op.get_bind().dialect.name == "sqlite":
        for deed in ("UPDATE", "DELETE"):
            op.execute(
                f"CREATE TRIGGER {table}_no_{deed.lower()} BEFORE {deed} ON {table} "
                f"BEGIN SELECT RAISE(ABORT, '{message}'); END"
            )
        return
    op.execute(
        f"CREATE FUNCTION {table}_unchanged() RETURNS trigger LANGUAGE plpgsql AS "
        f"$$ BEGIN RAISE EXCEPTION '{message}'; END $$"
    )
    op.execute(
        f"CREATE TRIGGER {table}_unchanged BEFORE UPDATE OR DELETE ON {table} "
        f"FOR EACH ROW EXECUTE FUNCTION {table}_unchanged()"
    )
