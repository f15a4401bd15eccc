# SPDX-License-Identifier: Apache-2.0
"""Recommendations: the purchases of a plan that was put forward, and what became of them.

    active ──► accepted ──► purchased ──► realised
       │           └────────────┴───────► expired
       ├──► dismissed    with a reason
       ├──► superseded   another plan was put forward
       └──► expired      nobody decided in time

What the plan says of a purchase never changes. Every change of the rest names the version
that it was decided on: of two decisions at once, the second is told that it came too late.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from api.store.audit import SERVICE, Actor, note
from api.store.database import Database, new_id, now
from api.store.errors import Changed, NotFound, Refused
from api.store.models import AdviceState, Recommendation

NEXT = {
    AdviceState.active: (
        AdviceState.accepted,
        AdviceState.dismissed,
        AdviceState.superseded,
        AdviceState.expired,
    ),
    AdviceState.accepted: (AdviceState.purchased, AdviceState.expired),
    AdviceState.purchased: (AdviceState.realised, AdviceState.expired),
}
WAITING = (AdviceState.active, AdviceState.accepted)


class Recommendations:
    """The recommendations of a tenant."""

    def __init__(self, database: Database, tenant: str) -> None:
        self._database = database
        self._tenant = tenant

    def put_forward(
        self,
        plan: str,
        snapshot: str,
        purchases: Sequence[Mapping[str, Any]],
        until: datetime,
        actor: Actor,
    ) -> list[Recommendation]:
        """Make a plan's purchases the tenant's advice; what was active of other plans is not.

        A plan that was put forward before gives the same recommendations again.
        """
        with self._database.write(self._tenant) as session:
            return self.put_forward_in(session, plan, snapshot, purchases, until, actor)

    def put_forward_in(
        self,
        session: Session,
        plan: str,
        snapshot: str,
        purchases: Sequence[Mapping[str, Any]],
        until: datetime,
        actor: Actor,
    ) -> list[Recommendation]:
        """Do as :meth:`put_forward` does, in a transaction that does more."""
        found = [*session.scalars(select(Recommendation).where(Recommendation.plan == plan))]
        if found:
            return sorted(found, key=lambda row: row.offer)
        query = select(Recommendation).where(Recommendation.state == AdviceState.active)
        for row in session.scalars(query.with_for_update()):
            self._step(session, row, AdviceState.superseded, actor)
        rows = [
            Recommendation(
                id=new_id("rec"),
                tenant=self._tenant,
                plan=plan,
                snapshot=snapshot,
                offer=str(purchase["offer"]),
                content=dict(purchase),
                state=AdviceState.active,
                version=1,
                expires_at=until,
                commitments=[],
                created_at=now(),
                changed_at=now(),
            )
            for purchase in purchases
        ]
        session.add_all(rows)
        note(session, self._tenant, actor, "plan.put_forward", plan, purchases=len(rows))
        return sorted(rows, key=lambda row: row.offer)

    def get(self, name: str) -> Recommendation:
        """Return a recommendation.

        Raises
        ------
        NotFound
            If there is none.
        """
        with self._database.read(self._tenant) as session:
            return _find(session, name)

    def page(
        self,
        limit: int,
        before: str | None = None,
        state: str | None = None,
        plan: str | None = None,
    ) -> list[Recommendation]:
        """Return at most ``limit`` recommendations, newest first, older than ``before``."""
        query = select(Recommendation).order_by(Recommendation.id.desc()).limit(limit)
        if before is not None:
            query = query.where(Recommendation.id < before)
        if state is not None:
            query = query.where(Recommendation.state == state)
        if plan is not None:
            query = query.where(Recommendation.plan == plan)
        with self._database.read(self._tenant) as session:
            return [*session.scalars(query)]

    def every(self, *states: AdviceState) -> list[Recommendation]:
        """Return all recommendations in some states, oldest first."""
        query = select(Recommendation).where(Recommendation.state.in_(states))
        with self._database.read(self._tenant) as session:
            return [*session.scalars(query.order_by(Recommendation.id))]

    def decide(
        self,
        name: str,
        version: int | None,
        state: AdviceState,
        actor: Actor,
        *,
        reason: str | None = None,
        until: datetime | None = None,
    ) -> Recommendation:
        """Accept or dismiss a recommendation.

        Parameters
        ----------
        version
            The version that the decision was taken on; ``None``: whatever it is.
        until
            Until when an accepted purchase has to be seen in a snapshot.

        Raises
        ------
        NotFound, Changed, Refused
            If there is none, it was changed since, or its state does not allow it.
        """
        with self._database.write(self._tenant) as session:
            row = _find(session, name, lock=True)
            if version is not None and row.version != version:
                raise Changed(
                    f"{name} was changed since: it is {row.state} at version {row.version}, not "
                    f"{version}. To mend it: read it again, and decide on what it says now"
                )
            if row.state == AdviceState.active and row.expires_at <= now():
                raise Refused(f"{name} has expired. To mend it: put a new plan forward")
            if reason is not None:
                row.reason = reason
            if until is not None:
                row.expires_at = until
            row.decided_by, row.decided_at = actor.name, now()
            self._step(session, row, state, actor, reason=reason)
            return row

    def expire(self) -> int:
        """End what was not decided, or not bought, in time; return how many."""
        with self._database.write(self._tenant) as session:
            query = select(Recommendation).where(
                Recommendation.state.in_(WAITING), Recommendation.expires_at <= now()
            )
            rows = [*session.scalars(query.with_for_update())]
            for row in rows:
                self._step(session, row, AdviceState.expired, SERVICE)
            return len(rows)

    def seen(
        self, name: str, snapshot: str, commitments: Sequence[str], quantity: str, actor: Actor
    ) -> None:
        """Say which commitments of a snapshot are the purchase of an accepted one."""
        with self._database.write(self._tenant) as session:
            row = _find(session, name, lock=True)
            if row.state != AdviceState.accepted:
                return
            row.seen_in, row.commitments = snapshot, list(commitments)
            row.purchased_quantity = quantity
            self._step(session, row, AdviceState.purchased, actor, commitments=list(commitments))

    def measured(self, name: str, realised: Mapping[str, Any] | None, actor: Actor) -> None:
        """End a purchased one: with what it saved, or as expired where it cannot be known."""
        with self._database.write(self._tenant) as session:
            row = _find(session, name, lock=True)
            if row.state != AdviceState.purchased:
                return
            if realised is None:
                self._step(session, row, AdviceState.expired, actor)
            else:
                row.realised = dict(realised)
                self._step(session, row, AdviceState.realised, actor, **realised)

    def _step(
        self,
        session: Session,
        row: Recommendation,
        state: AdviceState,
        actor: Actor,
        **detail: Any,
    ) -> None:
        before = AdviceState(row.state)
        if state not in NEXT.get(before, ()):
            raise Refused(
                f"{row.id} is {before} and cannot become {state}. "
                "To mend it: decide on recommendations that are active"
            )
        version = row.version
        with session.no_autoflush:
            changed: Any = session.execute(
                update(Recommendation)
                .where(Recommendation.id == row.id, Recommendation.version == version)
                .values(state=state, version=version + 1, changed_at=now())
                .execution_options(synchronize_session="fetch")
            )
        if not changed.rowcount:
            raise Changed(f"{row.id} was changed since. To mend it: read it again")
        told = {key: value for key, value in detail.items() if value is not None}
        note(session, self._tenant, actor, f"recommendation.{state}", row.id, **told)
        session.flush()


def _find(session: Session, name: str, *, lock: bool = False) -> Recommendation:
    query = select(Recommendation).where(Recommendation.id == name)
    found = session.scalar(query.with_for_update() if lock else query)
    if found is None:
        raise NotFound("recommendation", name)
    return found
