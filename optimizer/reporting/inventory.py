# SPDX-License-Identifier: Apache-2.0
"""What is held: each commitment with its term, its use and what its term still costs."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from optimizer.billing import amortised_cost, read_catalogue, read_holdings
from optimizer.reporting.document import Column, Kind, Row, Table, Value
from optimizer.reporting.plan_tables import used_shares
from optimizer.tables import Case

EXPIRING_DAYS = 90
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Held:
    """A commitment as of the moment of the case; money in the case's currency.

    ``quantity`` counts what ``unit`` says; ``remaining`` is the amortised cost of the hours of
    its term that are still to come.
    """

    name: str
    offer: str
    law: str
    account: str
    scope: str
    quantity: Decimal
    unit: str
    start: date
    end: date
    days_left: int
    state: str
    remaining: Decimal
    renews: bool
    cancel_until: date | None


def held_of(case: Case) -> tuple[Held, ...]:
    """Return what a case holds that has not ended, those that end first before the others."""
    as_of = case.settings.as_of
    stated = {row["commitment"]: row for row in case.table("commitments").to_dict("records")}
    found = []
    for holding in read_holdings(case, read_catalogue(case)):
        if holding.end <= as_of:
            continue
        row = stated[holding.name]
        days = (holding.end - as_of) // 24
        found.append(
            Held(
                name=holding.name,
                offer=holding.offer.name,
                law=holding.offer.law,
                account=holding.account or "",
                scope=holding.scope or "",
                quantity=holding.quantity,
                unit="$/hour" if holding.offer.measure == "money" else holding.offer.measure,
                start=_day(holding.start),
                end=_day(holding.end),
                days_left=days,
                state=_state(holding.start > as_of or holding.state == "queued", days),
                remaining=amortised_cost(holding, max(as_of, holding.start), holding.end),
                renews=bool(row.get("auto_renew")),
                cancel_until=_known_day(row.get("cancel_until")),
            )
        )
    return tuple(sorted(found, key=lambda held: (held.end, held.name)))


def inventory(held: Iterable[Held], document: Mapping[str, Any] | None = None) -> Table:
    """What is held, with the use that a plan's document replays and what it says to do."""
    now = used_shares(document.get("baseline_bill", {})) if document else {}
    then = used_shares(document.get("bill", {})) if document else {}
    said = {row["commitment"]: row["action"] for row in (document or {}).get("commitments", ())}
    columns = (
        Column("commitment", "Commitment"),
        Column("state", "State", Kind.state,
               formula=f"expiring: ends within {EXPIRING_DAYS} days; queued: has not begun"),
        Column("says", "The plan says", Kind.state),
        Column("quantity", "Amount", Kind.quantity),
        Column("unit", "Unit"),
        Column("end", "Until", Kind.day),
        Column("days_left", "Left", Kind.whole, "days"),
        Column("used", "Used today", Kind.share,
               formula="used ÷ committed in the plan's horizon, with what is held alone"),
        Column("used_then", "Used with the plan", Kind.share,
               formula="used ÷ committed in the plan's horizon, with the plan's purchases"),
        Column("remaining", "Remaining", Kind.money,
               formula="amortised cost of the hours of its term that are to come"),
        Column("renews", "Renews"),
        Column("cancel_until", "Cancel by", Kind.day),
        Column("offer", "Offer"),
        Column("start", "From", Kind.day),
        Column("account", "Account"),
    )  # fmt: skip
    rows = []
    for one in held:
        action = said.get(one.name)
        values: tuple[Value, ...] = (
            one.name, one.state, None if action is None else action.replace("_", " "),
            one.quantity, one.unit, one.end, one.days_left, now.get(one.name),
            then.get(one.name), one.remaining, "yes" if one.renews else "no",
            one.cancel_until, one.offer, one.start, one.account,
        )  # fmt: skip
        rows.append(Row(values, key=one.name, source=f"commitments.csv, {one.name}"))
    return Table("commitments", "Commitments", columns, tuple(rows), empty="Nothing is held.")


def _state(queued: bool, days: int) -> str:
    if queued:
        return "queued"
    return "expiring" if days <= EXPIRING_DAYS else "held"


def _day(hour: int) -> date:
    return (_EPOCH + timedelta(hours=hour)).date()


def _known_day(hour: object) -> date | None:
    if not isinstance(hour, int | float) or math.isnan(hour):
        return None
    return _day(int(hour))
