# SPDX-License-Identifier: Apache-2.0
"""The shapes of the answers. Keys may be added to them within /v1; none is taken away."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from api.store.models import AdviceState, JobStatus

NEXT = Field("", description="token of the next page; empty on the last one")
MONEY = "decimal string in the currency of the snapshot"


def example(**values: Any) -> ConfigDict:
    """State the example of a shape."""
    return ConfigDict(json_schema_extra={"examples": [values]})


class Links(BaseModel):
    """Where the rest is."""

    self: str
    events: str
    document: str | None = Field(description="the answer, once there is one")


class JobView(BaseModel):
    """A request that takes a while, and how far it is."""

    model_config = example(
        id="pln_019a9f3c5d217c1f0a6b2e9d4c58",
        kind="plan",
        status="running",
        snapshot="snp_019a9f3c5a017c1f0a6b2e9d4c58",
        request={"settings": {"horizon_hours": 8760}, "detail": False},
        created_at="2026-11-21T09:00:00Z",
        started_at="2026-11-21T09:00:01Z",
        finished_at=None,
        created_by="key_019a9f3c58017c1f0a6b2e9d4c58",
        cancel_asked=False,
        phase="part 1 of 2: searching",
        incumbent="8368110.22",
        lower_bound="8360301.75",
        gap=0.000933,
        result=None,
        problem=None,
        links={
            "self": "/v1/plans/pln_019a9f3c5d217c1f0a6b2e9d4c58",
            "events": "/v1/plans/pln_019a9f3c5d217c1f0a6b2e9d4c58/events",
            "document": None,
        },
    )
    id: str
    kind: str
    status: JobStatus
    snapshot: str | None
    request: dict[str, Any]
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    created_by: str = Field(description="the key, or the person, that asked")
    cancel_asked: bool
    phase: str | None = Field(description="what is being done, for people")
    incumbent: str | None = Field(
        description=f"the best plan so far of the part being solved: {MONEY}"
    )
    lower_bound: str | None = Field(
        description=f"no plan of that part, and once succeeded of the whole, costs less: {MONEY}"
    )
    gap: float | None = Field(description="(incumbent − lower_bound) / incumbent")
    result: dict[str, Any] | None = Field(description="what of the answer a list shows")
    problem: dict[str, Any] | None = Field(description="why there is no answer, as RFC 9457")
    links: Links


class DeliveryState(BaseModel):
    """How a delivery of a report is doing."""

    id: str
    to: str = Field(description="the name of its destination")
    status: JobStatus
    tries: int
    problem: str | None = Field(description="why the last try was not taken")
    next_at: datetime | None = Field(description="when it is tried again")
    finished_at: datetime | None


class ReportView(JobView):
    """A report, how far it is, and where it was delivered to."""

    model_config = ConfigDict(json_schema_extra={})
    deliveries: list[DeliveryState] = Field(description="newest first, at most 100")


class DestinationView(BaseModel):
    """Where reports may be delivered to; its address is the operator's alone."""

    model_config = example(name="finance", kind="mail")
    name: str
    kind: Literal["folder", "mail", "chat"]


class DestinationPage(BaseModel):
    """All destinations, by name."""

    items: list[DestinationView]
    next_page_token: str = NEXT


class JobPage(BaseModel):
    """Jobs of one kind, newest first."""

    items: list[JobView]
    next_page_token: str = NEXT


class SnapshotView(BaseModel):
    """A case that is kept, and never changed."""

    model_config = example(
        id="snp_019a9f3c5a017c1f0a6b2e9d4c58",
        digest="sha256:466e0572fb2dd0854ca47093ea842459be27d400f2a4678f6539616b5527bb47",
        origin="upload",
        partial=False,
        currency="USD",
        as_of="2026-11-21T00:00:00Z",
        size=2318455,
        tables=["meters", "usage", "offers", "covers", "commitments"],
        created_at="2026-11-21T09:00:00Z",
        created_by="key_019a9f3c58017c1f0a6b2e9d4c58",
    )
    id: str
    digest: str = Field(description="hash of its tables and settings, as every plan carries it")
    origin: Literal["upload", "pull"]
    partial: bool = Field(description="a pull that not everything answered")
    currency: str
    as_of: datetime
    size: int = Field(description="bytes")
    tables: list[str]
    created_at: datetime
    created_by: str


class SnapshotPage(BaseModel):
    """Snapshots, newest first."""

    items: list[SnapshotView]
    next_page_token: str = NEXT


class RecommendationView(BaseModel):
    """One purchase of a plan that was put forward, and what became of it."""

    model_config = example(
        id="rec_019a9f3c5d217c1f0a6b2e9d4c58",
        plan="pln_019a9f3c5d217c1f0a6b2e9d4c58",
        snapshot="snp_019a9f3c5a017c1f0a6b2e9d4c58",
        offer="aws/compute-sp/3y-none",
        content={"offer": "aws/compute-sp/3y-none", "quantity": 72.793},
        state="active",
        version=1,
        reason=None,
        decided_by=None,
        decided_at=None,
        expires_at="2026-12-21T09:00:00Z",
        seen_in=None,
        commitments=[],
        purchased_quantity=None,
        realised=None,
        created_at="2026-11-21T09:00:00Z",
        changed_at="2026-11-21T09:00:00Z",
    )
    id: str
    plan: str
    snapshot: str
    offer: str
    content: dict[str, Any] = Field(description="the plan's row of `purchases`; never changes")
    state: AdviceState
    version: int = Field(description="counts its changes; the ETag is this in quotes")
    reason: str | None = Field(description="why it was dismissed, or a word on its acceptance")
    decided_by: str | None
    decided_at: datetime | None
    expires_at: datetime = Field(
        description="until then it has to be decided, and an accepted one seen in a snapshot"
    )
    seen_in: str | None = Field(description="the snapshot that first shows the purchase")
    commitments: list[str] = Field(description="the commitments that are the purchase")
    purchased_quantity: str | None = Field(description="their sum, in the offer's measure")
    realised: dict[str, Any] | None = Field(
        description="what the purchase saved: the bill with and without it, replayed"
    )
    created_at: datetime
    changed_at: datetime


class RecommendationPage(BaseModel):
    """Recommendations, newest first."""

    items: list[RecommendationView]
    next_page_token: str = NEXT


class KeyView(BaseModel):
    """An API key, without what makes it one."""

    model_config = example(
        id="key_019a9f3c58017c1f0a6b2e9d4c58",
        prefix="gpk_3fa9c01b77de",
        label="weekly job",
        role="analyst",
        scopes=["plans:read", "plans:write"],
        created_at="2026-11-21T09:00:00Z",
        created_by="key_019a9f3c58017c1f0a6b2e9d4c57",
        expires_at="2027-11-21T09:00:00Z",
        revoked_at=None,
        rotated_to=None,
    )
    id: str
    prefix: str
    label: str
    role: str
    scopes: list[str] = Field(description="empty: all that the role may")
    created_at: datetime
    created_by: str
    expires_at: datetime
    revoked_at: datetime | None
    rotated_to: str | None


class NewKeyView(KeyView):
    """A key that was just made: the only time that it is shown."""

    model_config = ConfigDict(json_schema_extra={})
    key: str


class KeyPage(BaseModel):
    """Keys, newest first."""

    items: list[KeyView]
    next_page_token: str = NEXT


class SessionView(BaseModel):
    """Somebody who is signed in to the pages."""

    model_config = example(
        id="ses_019a9f3c58017c1f0a6b2e9d4c58",
        name="oidc:ada",
        role="approver",
        key="",
        begun_at="2026-11-21T09:00:00Z",
        until="2026-11-21T21:00:00Z",
        ended_at=None,
        ended_by=None,
    )
    id: str
    name: str = Field(description="the key, or `oidc:` and the person of the identity provider")
    role: str
    key: str = Field(description="first part of the API key that was used; empty: none was")
    begun_at: datetime
    until: datetime
    ended_at: datetime | None
    ended_by: str | None


class SessionPage(BaseModel):
    """Sessions, newest first."""

    items: list[SessionView]
    next_page_token: str = NEXT


class AuditView(BaseModel):
    """One deed."""

    model_config = example(
        id=17,
        at="2026-11-21T09:00:00Z",
        actor="key_019a9f3c58017c1f0a6b2e9d4c58",
        action="recommendation.accepted",
        subject="rec_019a9f3c5d217c1f0a6b2e9d4c58",
        detail={},
        request="7f3c0d2a9b1e4c55",
    )
    id: int
    at: datetime
    actor: str
    action: str
    subject: str
    detail: dict[str, Any]
    request: str = Field(description="the X-Request-Id of the request that did it")


class AuditPage(BaseModel):
    """Deeds, newest first."""

    items: list[AuditView]
    next_page_token: str = NEXT


class CallerView(BaseModel):
    """Who asks."""

    model_config = example(
        name="key_019a9f3c58017c1f0a6b2e9d4c58",
        tenant="tnt_019a9f3c57017c1f0a6b2e9d4c58",
        role="viewer",
        scopes=["snapshots:read", "plans:read"],
    )
    name: str
    tenant: str
    role: str
    scopes: list[str]


class Health(BaseModel):
    """How the service is."""

    model_config = example(status="ok", checks={"database": True, "jobs": True})
    status: Literal["ok"]
    checks: dict[str, bool] = Field(default_factory=dict)
