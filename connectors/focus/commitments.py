# SPDX-License-Identifier: Apache-2.0
"""What is held, as billing rows show it: amount, rate and draws, but not the whole term.

Rows of usage tell how much of a commitment was used and unused in each hour, and at which
amortised cost; a one-time purchase in the window tells its term too. What rows cannot
tell is assumed and said.
"""

from __future__ import annotations

import calendar
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pandas as pd

from connectors.charges import Charges
from connectors.pulled import Remark, Report
from connectors.values import plain_or_none

YEAR = 8760
_NINE = Decimal("0.000000001")
_LATE = timedelta(days=1)
_NEARLY = Decimal("0.0001")


@dataclass(frozen=True)
class Held:
    """One commitment of the rows; amounts per hour."""

    name: str
    provider: str
    kind: str
    money: bool
    law: str
    offer: str
    zone: str
    account: str
    first: datetime
    ended: datetime | None
    quantity: Decimal
    rate: Decimal
    term: tuple[datetime, int] | None
    draws: Mapping[str, Decimal]


def commitment_tables(
    charges: Charges, report: Report, settings: Mapping[str, str], as_of: str
) -> dict[str, pd.DataFrame]:
    """Return ``offers``, ``covers`` and ``commitments`` of what is held.

    The offers cannot be bought again (their window has ended): they only carry the terms.
    """
    term = int(settings.get("term_hours", YEAR))
    offers: dict[str, dict[str, Any]] = {}
    covers: dict[tuple[str, str], dict[str, Any]] = {}
    rows = []
    assumed = 0
    ended = []
    for held in _held(charges, report):
        start, hours = held.term or (held.first, term)
        end = start + timedelta(hours=hours)
        if held.ended is not None and held.ended < end:
            end = held.ended
            ended += [held.name] if held.term is not None else []
        elif held.term is None:
            assumed += 1
        offer = f"held/{held.name}"
        offers[offer] = {
            "offer": offer,
            "provider_offer_id": held.offer or None,
            "law": held.law,
            "measure": "money" if held.money else "units",
            "term_hours": hours,
            "payment": "none",
            "hourly": plain_or_none(held.rate),
            # Held, not on sale: its window is over before the plan begins.
            "available_until": start,
            "scope": "shared",
            "zone": held.zone or None,
            "source": "billing rows: amortised cost per hour",
            "as_of": as_of,
        }
        for meter, draw in held.draws.items():
            covers[offer, meter] = {"offer": offer, "meter": meter, "draw": plain_or_none(draw)}
        rows.append(
            {
                "commitment": held.name,
                "offer": offer,
                "quantity": plain_or_none(held.quantity),
                "start": start,
                "end": end,
                "account": held.account or None,
                "scope": "shared",
            }
        )
    if assumed:
        report.remarks.append(
            Remark("commitments", f"billing rows do not tell when these end: a term of {term} hours"
                   " from the first row is assumed (setting term_hours)", assumed)
        )  # fmt: skip
    if ended:
        report.remarks.append(
            Remark("commitments", "their rows stop before the term of their purchase, so that they"
                   f" are taken to have ended there: {', '.join(ended)}", len(ended))
        )  # fmt: skip
    if not rows:
        return {}
    return {
        "offers": pd.DataFrame(list(offers.values()), dtype=object),
        "covers": pd.DataFrame(list(covers.values()), dtype=object),
        "commitments": pd.DataFrame(rows, dtype=object),
    }


def _held(charges: Charges, report: Report) -> list[Held]:
    # FOCUS 1.0 has no CommitmentDiscountQuantity: money is drawn as it is spent, and units
    # as hours of usage.
    spent = "CASE WHEN held_category = 'Spend' THEN effective ELSE quantity END"
    drawn = f"coalesce(held_quantity, {spent}, 0)"
    found = []
    unsaid = []
    newest = dict(
        charges.rows("SELECT provider, max(hour) FROM charges WHERE is_usage GROUP BY provider")
    )
    for row in charges.rows(
        "SELECT held, min(provider), max(held_type), max(held_category), max(law), max(offer),"
        " min(hour), max(hour + to_hours(hours)), max(amount), sum(effective), sum(amount * hours),"
        " max(zone) FROM ("
        "  SELECT held, provider, hour, max(held_type) AS held_type,"
        "   max(held_category) AS held_category, max(law) AS law, max(offer) AS offer,"
        "   CASE WHEN grain = 'day' THEN 24 ELSE 1 END AS hours,"
        f"  CAST(sum({drawn}) / CASE WHEN grain = 'day' THEN 24 ELSE 1 END AS DECIMAL(38, 12))"
        "    AS amount, sum(effective) AS effective,"
        "   max(CASE WHEN law LIKE '%zonal' THEN zone END) AS zone"
        "  FROM charges WHERE held <> '' AND category = 'Usage'"
        "  GROUP BY held, provider, hour, grain"
        ") GROUP BY held ORDER BY held"
    ):
        name, provider, kind, category, law, offer, first, until, amount, paid, total = row[:11]
        if not amount or not total:
            continue
        draws = _draws(charges, name, drawn)
        law = law or law_of(provider, kind, {meter.split("/")[-1] for meter in draws})
        if not draws or not law:
            unsaid.append(name)
            continue
        found.append(
            Held(
                name=name,
                provider=provider,
                kind=kind,
                money=category == "Spend",
                law=law,
                offer=offer,
                zone=row[11] or "",
                account=_owner(charges, name),
                first=first,
                # In force it has rows, used or unused; the newest hours may be still to come.
                ended=until if provider in newest and newest[provider] - until >= _LATE else None,
                quantity=amount.quantize(_NINE),
                rate=Decimal(paid / total if paid else 0).quantize(_NINE),
                term=_term(charges, name, amount),
                draws=draws,
            )
        )
    if unsaid:
        report.remarks.append(
            Remark("commitments", f"left out, because no row of the window says what they cover:"
                   f" {', '.join(unsaid)}", len(unsaid))
        )  # fmt: skip
    return found


def _draws(charges: Charges, name: str, drawn: str) -> dict[str, Decimal]:
    """How much of a commitment one unit of each meter used."""
    return {
        meter: Decimal(amount).__truediv__(quantity).quantize(_NINE)
        for meter, amount, quantity in charges.rows(
            f"SELECT meter, sum({drawn}), sum(quantity) FROM charges"
            " WHERE held = ? AND held_status <> 'Unused' AND category = 'Usage'"
            " GROUP BY meter HAVING sum(quantity) > 0 ORDER BY meter",
            [name],
        )
        if amount
    }


def _owner(charges: Charges, name: str) -> str:
    """The account that pays for a commitment, or in which it was left unused."""
    found = charges.rows(
        "SELECT max(account) FROM charges WHERE held = ?"
        " AND (category = 'Purchase' OR held_status = 'Unused')",
        [name],
    )
    return found[0][0] or ""


def _term(charges: Charges, name: str, hourly: Decimal) -> tuple[datetime, int] | None:
    """Start and hours of the term, if a one-time purchase in the window states its amount."""
    start, upfront = charges.rows(
        "SELECT min(hour), sum(held_quantity) FROM charges WHERE held = ?"
        " AND category = 'Purchase' AND frequency = 'One-Time'",
        [name],
    )[0]
    if not start or not upfront:
        return None
    first = charges.rows(
        "SELECT held_quantity FROM charges WHERE held = ? AND category = 'Purchase'"
        " AND frequency = 'Recurring' AND held_quantity > 0 AND hour = ("
        "  SELECT min(hour) FROM charges WHERE held = ? AND category = 'Purchase'"
        "   AND frequency = 'Recurring' AND hour >= ?)",
        [name, name, start],
    )
    return start, term_of(hourly, upfront, [amount for (amount,) in first], start)


def term_of(hourly: Decimal, upfront: Decimal, first: Sequence[Decimal], start: datetime) -> int:
    """Hours of a term, by the quantities of its purchases.

    FOCUS gives a one-time purchase what is eligible over the whole term, a recurring one
    what is eligible in its period.  Where both exist, some exports (ours too) divide the
    eligible amount between them as the money is divided, others repeat it.

    Parameters
    ----------
    hourly
        The amount in force.
    upfront
        Quantity of the one-time purchases.
    first
        Quantities of the first recurring payments: of an hour if no more than ``hourly``,
        else of a month.
    start
        When the term starts.
    """
    repeated = upfront / hourly
    # What of the amount the payment of an hour stands for leaves the rest to the upfront one.
    rest = hourly - sum((amount for amount in first if amount <= hourly), Decimal(0))
    monthly = sum((amount for amount in first if amount > hourly), Decimal(0))
    month = _hours_of_month(start)
    if rest > 0 and monthly and upfront + monthly <= rest * month:
        return int(((upfront + monthly) / rest).to_integral_value())  # ends with this month
    rest -= monthly / month
    if rest <= _NEARLY * hourly:
        return int(repeated.to_integral_value())
    divided = upfront / rest
    # Years are the likelier reading: a month's payment may be for less than a month.
    hours = repeated if _years(repeated) and not _years(divided) else divided
    return int(hours.to_integral_value())


def _hours_of_month(start: datetime) -> int:
    """Hours from a moment to the same day of the next month, or to that month's last day."""
    year, month = start.year + start.month // 12, start.month % 12 + 1
    days = calendar.monthrange(year, month)[1]
    then = start.replace(year=year, month=month, day=min(start.day, days))
    return int((then - start) / timedelta(hours=1))


def _years(hours: Decimal) -> bool:
    """Whether it is one to five years, with or without leap days."""
    years = round(hours / YEAR)
    return 1 <= years <= 5 and abs(hours - years * YEAR) <= 24 * (1 + years // 4) + 1


def law_of(provider: str, kind: str, covered: set[str]) -> str:
    """Return the billing rule of a commitment by its provider's word; ``""`` if unknown."""
    word = kind.lower()
    if provider == "aws":
        if "sagemaker" in word or any(name.startswith("ml.") for name in covered):
            return "aws.savings.sagemaker"
        if "database" in word:
            return "aws.savings.database"
        if "saving" in word:
            return "aws.savings.instance" if "instance" in word else "aws.savings.compute"
        return "aws.reserved.regional" if "reserv" in word else ""
    if provider == "azure":
        return "azure.savings" if "saving" in word else "azure.reservation"
    if provider == "gcp":
        return "gcp.flexible" if "flex" in word or "spend" in word else "gcp.resource"
    return ""
