# SPDX-License-Identifier: Apache-2.0
"""What became of recommendations: seen as commitments of a later snapshot, and what they saved."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

from api.settings import ServiceSettings
from api.store import Actor, AdviceState, TenantStore
from api.store.database import now
from api.store.models import Recommendation
from optimizer.planning.realised import Held, matched, realised_saving
from optimizer.tables import read_case
from optimizer.tables.case import SUFFIXES
from optimizer.tables.reader import Store as Tables


def follow_up(mine: TenantStore, snapshot: str, actor: Actor, settings: ServiceSettings) -> None:
    """Look for what was accepted, and measure what was purchased, in a new snapshot."""
    mine.recommendations.expire()
    accepted = mine.recommendations.every(AdviceState.accepted)
    if accepted:
        held = commitments_of(mine.snapshots.folder(snapshot))
        taken = _taken(mine)
        for row in accepted:
            before = {c.name for c in commitments_of(mine.snapshots.folder(row.snapshot))}
            found = match(row, (c for c in held if c.name not in before | taken))
            if found:
                names = [commitment.name for commitment in found]
                taken |= set(names)
                quantity = sum((c.quantity for c in found), Decimal(0))
                mine.recommendations.seen(row.id, snapshot, names, f"{quantity:f}", actor)
    purchased = mine.recommendations.every(AdviceState.purchased)
    if purchased:
        _measure(mine, snapshot, purchased, actor, settings)


def match(row: Recommendation, held: Iterable[Held]) -> list[Held]:
    """Return the commitments that are the purchase of a recommendation.

    None of them was held when the plan was made; see `matched`.
    """
    return matched(row.offer, Decimal(str(row.content["quantity"])), held)


def commitments_of(folder: Path) -> list[Held]:
    """Read the commitments of a case, and nothing else of it."""
    for suffix in SUFFIXES:
        file = folder / f"commitments{suffix}"
        if file.is_file():
            tables = Tables()
            tables.load("commitments", file)
            rows = tables.rows(
                'SELECT commitment, offer, quantity, start, "end" FROM commitments ORDER BY _row'
            )
            return [Held(n, o, Decimal(str(q)), int(s), int(e)) for n, o, q, s, e in rows]
    return []


def _taken(mine: TenantStore) -> set[str]:
    done = mine.recommendations.every(AdviceState.purchased, AdviceState.realised)
    return {name for row in done for name in row.commitments}


def _measure(
    mine: TenantStore,
    snapshot: str,
    purchased: list[Recommendation],
    actor: Actor,
    settings: ServiceSettings,
) -> None:
    case = read_case(mine.snapshots.folder(snapshot))
    for row in purchased:
        saving = realised_saving(case, row.commitments)
        if saving is not None and saving.hours >= settings.realised_hours:
            told = {**saving.as_dict(), "snapshot": snapshot, "currency": case.settings.currency}
            mine.recommendations.measured(row.id, told, actor)
        elif saving is None and _over(row, settings):
            mine.recommendations.measured(row.id, None, actor)


def _over(row: Recommendation, settings: ServiceSettings) -> bool:
    """Whether a purchase has not been seen for so long that nothing more will be known of it."""
    patience = timedelta(hours=settings.realised_hours, days=settings.advice_days)
    return row.changed_at + patience < now()
