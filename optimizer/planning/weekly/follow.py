# SPDX-License-Identifier: Apache-2.0
"""What became of earlier advice: what it was predicted to save in the week, and what it saved.

Predicted: the units that the plan expected the purchase to cover at their on-demand prices, less
its amortised cost, both over the hours of the plan's horizon in which it is in force, in
proportion to the hours of the week in which it is. Realised: the replay of the week's usage
without the purchase less that with it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from optimizer.billing import Catalogue, Holding
from optimizer.billing.bill import exact
from optimizer.errors import MissingPrice
from optimizer.planning.realised import Held, Realised, matched, realised_saving
from optimizer.planning.weekly.window import Weeks
from optimizer.tables import Case, parse_hour

Document = Mapping[str, Any]
MOST = 60  # purchases of earlier advice that are replayed one by one


@dataclass(frozen=True)
class Followed:
    """A purchase that was advised, and what became of it.

    ``state`` is that of a recommendation, or ``purchased`` or ``not purchased`` where a plan is
    all that is known; money is that of the week, ``None`` where nothing is known of it.
    """

    plan: str
    offer: str
    wanted: Decimal
    state: str
    commitments: tuple[str, ...]
    predicted: Decimal | None
    realised: Decimal | None
    reason: str = ""


@dataclass(frozen=True)
class FollowUp:
    """All earlier advice, and what its purchases saved together in the week.

    ``together`` is the replay without all of them less that with all: they may stand in for each
    other, so that it is not the sum of the rows. ``left`` counts what was not replayed alone.
    """

    rows: tuple[Followed, ...]
    together: Realised | None
    left: int = 0

    @property
    def predicted(self) -> Decimal | None:
        """What those that were purchased were predicted to save in the week."""
        known = [r.predicted for r in self.rows if r.commitments and r.predicted is not None]
        return sum(known, Decimal(0)) if known else None


def follow_up(
    case: Case,
    catalogue: Catalogue,
    holdings: Sequence[Holding],
    weeks: Weeks,
    before: Document | None,
    advice: Sequence[Document],
) -> FollowUp:
    """Return what became of the purchases of an earlier plan, and of recommendations.

    A purchase that is both is told once, as the recommendation.
    """
    rows = [_of_recommendation(catalogue, row, weeks) for row in advice]
    known = {(row.plan, row.offer) for row in rows}
    taken = {name for row in rows for name in row.commitments}
    if before is not None and before["status"] != "infeasible":
        held = [
            Held(h.name, h.offer.name, h.quantity, h.start, h.end)
            for h in holdings
            if h.name not in _held_then(before)
        ]
        for purchase in before["purchases"]:
            if (str(before.get("plan")), str(purchase["offer"])) in known:
                continue
            free = [each for each in held if each.name not in taken]
            row = _of_purchase(catalogue, before, purchase, free, weeks)
            taken |= set(row.commitments)
            rows.append(row)
    done = [_measured(case, weeks, row) for row in rows[:MOST]]
    left = sum(bool(row.commitments) for row in rows[MOST:])
    together = _realised(case, taken, weeks) if taken else None
    return FollowUp((*done, *rows[MOST:]), together, left)


def _of_recommendation(catalogue: Catalogue, row: Document, weeks: Weeks) -> Followed:
    content: Document = row["content"]
    names = tuple(str(name) for name in row.get("commitments") or ())
    until = row.get("until")
    return Followed(
        plan=str(row["plan"]),
        offer=str(row["offer"]),
        wanted=Decimal(str(content["quantity"])),
        state=str(row["state"]),
        commitments=names,
        predicted=predicted_in_week(
            catalogue, content, None if until is None else parse_hour(str(until)), weeks
        ),
        realised=None,
        reason=str(row.get("reason") or ""),
    )


def _of_purchase(
    catalogue: Catalogue, before: Document, purchase: Document, held: Iterable[Held], weeks: Weeks
) -> Followed:
    wanted = Decimal(str(purchase["quantity"]))
    found = matched(str(purchase["offer"]), wanted, held)
    return Followed(
        plan=str(before.get("plan", "")),
        offer=str(purchase["offer"]),
        wanted=wanted,
        state="purchased" if found else "not purchased",
        commitments=tuple(each.name for each in found),
        predicted=predicted_in_week(catalogue, purchase, _horizon_end(before), weeks),
        realised=None,
    )


def predicted_in_week(
    catalogue: Catalogue, purchase: Document, until: int | None, weeks: Weeks
) -> Decimal | None:
    """Return what a plan's purchase was predicted to save in a week; ``None`` if not known.

    ``until`` is the end of the plan's horizon; without it, the purchase's own end or a year
    after its start, whichever is first.
    """
    try:
        start, end = parse_hour(purchase["start"]), parse_hour(purchase["end"])
        covers, cost = purchase["covers"], Decimal(str(purchase["cost"]))
    except KeyError:
        return None
    last = min(end, start + 8760 if until is None else until)
    hours = min(last, weeks.end) - max(start, weeks.start)
    if last <= start or hours <= 0:
        return None
    worth = Decimal(0)
    for row in covers:
        meter = catalogue.meters.get(row["meter"])
        if meter is None or meter.on_demand is None:
            return None
        worth += exact(row["quantity"]) * meter.on_demand
    return (worth - cost) * hours / (last - start)


def _measured(case: Case, weeks: Weeks, row: Followed) -> Followed:
    if not row.commitments:
        return row
    found = _realised(case, set(row.commitments), weeks)
    saving = None if found is None else found.saving
    return Followed(
        row.plan, row.offer, row.wanted, row.state, row.commitments, row.predicted, saving,
        row.reason,
    )  # fmt: skip


def _realised(case: Case, names: set[str], weeks: Weeks) -> Realised | None:
    """The saving in the week; ``None`` if usage would need a price that the case lacks."""
    try:
        return realised_saving(case, names, (weeks.start, weeks.end))
    except MissingPrice:
        return None


def _held_then(before: Document) -> set[str]:
    return {str(row["commitment"]) for row in before.get("commitments", [])}


def _horizon_end(document: Document) -> int | None:
    as_of, hours = document.get("as_of"), document.get("horizon_hours")
    return None if as_of is None or hours is None else parse_hour(str(as_of)) + int(hours)
