# SPDX-License-Identifier: Apache-2.0
"""Values of a plan's document as those of a report, and amounts as text."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from optimizer.reporting.document import Kind
from optimizer.reporting.render.values import money, shown
from optimizer.tables import format_hour

Document = Mapping[str, Any]

# What happens on a date of a plan's ladder.
EVENTS = {
    "end": "ends",
    "start": "begins",
    "cancel": "last day to cancel",
    "buy_later": "buy later",
    "renew": "counted on again",
    "release": "give back",
    "may_release": "may be given back",
    "buy": "buy now",
}


def decimal_of(value: Any) -> Decimal | None:
    """An amount of a document, which JSON holds as a string; ``None`` stays."""
    return None if value is None else Decimal(str(value))


def day_of(hour: int | str) -> date:
    """The day (UTC) in which an hour lies."""
    text = hour if isinstance(hour, str) else format_hour(hour)
    return date.fromisoformat(text[:10])


def moment_of(hour: int) -> datetime:
    """An hour as a moment in UTC."""
    return datetime.fromisoformat(format_hour(hour))


def amount_text(quantity: Any, measure: str, currency: str) -> str:
    """An amount of an offer: units, or money per hour."""
    amount = Decimal(str(quantity)).normalize()
    if measure == "money":
        places = max(2, -int(amount.as_tuple().exponent))
        return f"{money(amount, currency, places=places)}/h"
    return f"{amount:,f} {'unit' if amount == 1 else 'units'}"


def futures_text(plan: Document) -> str:
    """What a plan saves in the futures that it was replayed in, in words; empty without any."""
    ranges = plan.get("ranges", {})
    found = ranges.get("savings", {})
    if "p10" not in found or "p90" not in found:
        return ""
    low, high = (money(Decimal(str(found[key])), plan["currency"]) for key in ("p10", "p90"))
    return f"{low} to {high} in four of five forecast futures"


def percent(share: float | Decimal | None) -> str:
    """A share as a percentage."""
    return shown(share, Kind.share, "")


def count_of(number: int, one: str, many: str = "") -> str:
    """A number of things, in the singular where it is one."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"
