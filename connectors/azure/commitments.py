# SPDX-License-Identifier: Apache-2.0
"""What is held: reservations and savings plans, with the terms they were bought at."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from connectors.asking import Question, all_pages, remark
from connectors.azure.clients import Azure, sdk_pages, word
from connectors.azure.offers import PAYMENTS, YEAR, Row, Size
from connectors.azure.prices import TERMS, Place
from connectors.azure.usage import meter_name
from connectors.pulled import Report
from connectors.values import exact, plain

RESERVATIONS_READ = "Microsoft.Capacity/reservations/read (role Reservations Reader)"
PLANS_READ = "Microsoft.BillingBenefits/savingsPlans/read (role Savings plan Reader)"
PAID_READ = "Microsoft.Billing/billingAccounts/read (Enrollment reader)"
GONE = frozenset({"cancelled", "expired", "failed", "merged", "split", "billingfailed"})
# Reservations bought from here on cannot be exchanged where savings plans exist.
LAST_EXCHANGE = datetime(2027, 2, 1)  # noqa: DTZ001 (hours are naive UTC here)


def questions(azure: Azure, subscription: str, billing_account: str) -> list[Question[Any]]:
    """Return the questions for reservations, savings plans and, if known, what was paid."""
    reservations, benefits = azure.reservations(), azure.benefits(subscription)
    asked = [
        Question(
            "reservations",
            "reservation.list_all",
            "tenant",
            lambda: all_pages(
                sdk_pages(lambda: reservations.reservation.list_all(**azure.per_call)),
                identity=lambda row: row.id,
            ),
            RESERVATIONS_READ,
        ),
        Question(
            "billingbenefits",
            "savings_plan.list_all",
            "tenant",
            lambda: all_pages(
                sdk_pages(lambda: benefits.savings_plan.list_all(**azure.per_call)),
                identity=lambda row: row.id,
            ),
            PLANS_READ,
        ),
    ]
    if billing_account:
        consumption = azure.consumption(subscription)
        asked.append(
            Question(
                "consumption",
                "reservation_transactions.list",
                billing_account,
                lambda: all_pages(
                    sdk_pages(
                        lambda: consumption.reservation_transactions.list(
                            billing_account, **azure.per_call
                        )
                    )
                ),
                PAID_READ,
            )
        )
    return asked


@dataclass(frozen=True)
class Known:
    """What a commitment is matched with: today's offers, sizes, paths of subscriptions."""

    offers: Mapping[str, Row]
    covers: tuple[Row, ...]
    sizes: Mapping[Place, Size]
    paths: Mapping[str, str]
    as_of: datetime

    def path(self, subscription: str, resource_group: str = "") -> str:
        """Return the account path of a subscription; with its management group, if known."""
        name = self.paths.get(subscription.lower(), subscription)
        return "/".join(part for part in (name, resource_group) if part)


@dataclass
class Held:
    """The rows of ``commitments``, and offers and covers of terms that are no longer sold."""

    commitments: list[Row]
    offers: list[Row]
    covers: list[Row]


def place_of(row: Any) -> Place:
    """Return the place of a reservation."""
    return Place(word(row.location).lower(), str(row.sku.name if row.sku else ""))


def held(
    reservations: Iterable[Any],
    plans: Iterable[Any],
    transactions: Iterable[Any],
    known: Known,
    report: Report,
) -> Held:
    """Return what is held and not over at ``known.as_of``."""
    paid = _paid(transactions)
    made = Held([], [], [])
    for row in reservations:
        if _runs(row.properties, known.as_of):
            _reservation(row, known, paid, made, report)
    for row in plans:
        if _runs(row.properties, known.as_of):
            _plan(row, known, made, report)
    return made


def _runs(properties: Any, as_of: datetime) -> bool:
    state = word(properties.provisioning_state).lower()
    end = properties.expiry_date_time
    return state not in GONE and end is not None and _naive(end) > as_of


def _reservation(
    row: Any, known: Known, paid: Mapping[str, tuple[str, Decimal]], made: Held, report: Report
) -> None:
    properties, place = row.properties, place_of(row)
    if word(properties.reserved_resource_type) != "VirtualMachines":
        kind = word(properties.reserved_resource_type)
        remark(report, "azure commitments", f"left out: a reservation of {kind}", 1)
        return
    years = TERMS.get(word(properties.term))
    payment = PAYMENTS.get(word(properties.billing_plan))
    order = str(row.id).strip("/").split("/")[-3].lower()
    size = known.sizes.get(place)
    flexible = size is not None and size.group and word(properties.instance_flexibility) != "Off"
    match = _offer(place, years, payment, known, flexible=bool(flexible))
    if years is None or payment is None or match is None:
        text = f"left out: reservation {row.name}, whose terms no offer of today has"
        remark(report, "azure commitments", text, 1)
        return
    offer, ratio = match
    price = paid.get(order)
    column = "upfront" if payment == "all" else "monthly"
    if price is None or price[0] != column:
        remark(report, "azure commitments", f"{offer}: what was paid is not known; at today's", 1)
    elif plain(price[1] / ratio) != known.offers[offer][column]:
        offer = _old_terms(offer, str(row.name), column, price[1] / ratio, known, made)
    start = _naive(properties.benefit_start_time or properties.effective_date_time)
    made.commitments.append(
        {
            "commitment": f"azure/reservation/{str(row.name).rsplit('/', 1)[-1]}",
            "offer": offer,
            "quantity": plain(exact(properties.quantity) * ratio),
            "start": _hour(start),
            "end": _hour(_naive(properties.expiry_date_time)),
            "account": known.path(word(properties.billing_scope_id).rsplit("/", 1)[-1]),
            "scope": _scope(properties, known),
            "state": "queued" if start > known.as_of else "active",
            "auto_renew": "true" if properties.renew else "false",
            "exchangeable": "true" if start < LAST_EXCHANGE else "false",
        }
    )


def _offer(
    place: Place, years: int | None, payment: str | None, known: Known, *, flexible: bool
) -> tuple[str, Decimal] | None:
    """Return today's offer of the same terms and the offer's units in one reserved machine."""
    meter = meter_name(*place)
    for cover in known.covers:
        row = known.offers[cover["offer"]]
        same = row["law"] == "azure.reservation" and cover["meter"] == meter
        if same and (row["term_hours"], row["payment"]) == (str((years or 0) * YEAR), payment):
            alone = cover["offer"].split("/")[3] == place.machine
            if flexible or alone:
                return cover["offer"], Decimal(cover["draw"])
    return None


def _old_terms(offer: str, name: str, column: str, price: Decimal, known: Known, made: Held) -> str:
    """Add the offer of a commitment that was bought at another price than today's."""
    old = f"{offer}@{name.rsplit('/', 1)[-1]}"
    day = known.as_of - timedelta(hours=1)
    made.offers.append(
        {
            **known.offers[offer],
            "offer": old,
            column: plain(price),
            "available_until": _hour(day),  # its price cannot be had again
            "source": "Azure reservation transactions: what was paid",
        }
    )
    made.covers += [{**row, "offer": old} for row in known.covers if row["offer"] == offer]
    return old


def _paid(transactions: Iterable[Any]) -> dict[str, tuple[str, Decimal]]:
    """Return by reservation order how it is paid and how much for one machine."""
    found: dict[str, tuple[str, Decimal]] = {}
    for row in transactions:
        values = row.properties
        bought = word(values.event_type) == "Purchase" and values.quantity
        if bought and values.amount is not None and values.reservation_order_id:
            column = "monthly" if word(values.billing_frequency) == "Recurring" else "upfront"
            amount = exact(values.amount) / exact(values.quantity)
            found[values.reservation_order_id.lower()] = (column, amount)
    return found


def _plan(row: Any, known: Known, made: Held, report: Report) -> None:
    properties = row.properties
    years = TERMS.get(word(properties.term))
    offer = f"azure/savings-plan/{years}y-none"
    commitment = properties.commitment
    if offer not in known.offers or commitment is None or commitment.amount is None:
        text = f"left out: savings plan {row.name}, of whose term nothing is sold here"
        remark(report, "azure commitments", text, 1)
        return
    amount = exact(commitment.amount)
    if word(commitment.grain) == "FullTerm":
        amount /= int(known.offers[offer]["term_hours"])
    start = _naive(properties.benefit_start_time or properties.effective_date_time)
    made.commitments.append(
        {
            "commitment": f"azure/savings-plan/{str(row.name).rsplit('/', 1)[-1]}",
            "offer": offer,
            "quantity": plain(amount),
            "start": _hour(start),
            "end": _hour(_naive(properties.expiry_date_time)),
            "account": known.path(word(properties.billing_scope_id).rsplit("/", 1)[-1]),
            "scope": _scope(properties, known),
            "state": "queued" if start > known.as_of else "active",
            "auto_renew": "true" if properties.renew else "false",
            "exchangeable": "false",
        }
    )


def _scope(properties: Any, known: Known) -> str:
    """Return ``shared`` or the path prefix that a commitment is limited to."""
    applied = properties.applied_scope_properties
    kind = word(properties.applied_scope_type) or "Shared"
    if kind == "Shared" or applied is None:
        return "shared"
    if kind == "ManagementGroup":
        return word(applied.management_group_id).rsplit("/", 1)[-1]
    whole = word(applied.resource_group_id or applied.subscription_id).strip("/").split("/")
    group = whole[3] if len(whole) > 3 else ""
    return known.path(whole[1] if len(whole) > 1 else whole[0], group)


def _naive(moment: datetime) -> datetime:
    """Return a moment as naive UTC, cut to its hour."""
    utc = moment.astimezone(UTC).replace(tzinfo=None) if moment.tzinfo else moment
    return utc.replace(minute=0, second=0, microsecond=0)


def _hour(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H}:00:00Z"
