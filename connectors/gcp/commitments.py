# SPDX-License-Identifier: Apache-2.0
"""What is held: resource-based commitments by the Compute API, flexible ones by their fees.

Flexible commitments belong to the billing account and are in no API here: the export shows what
they cost an hour, and nothing shows when they end.  The end has to be stated.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from connectors.asking import Question, all_pages, remark
from connectors.gcp.clients import Google, sdk_pages
from connectors.gcp.names import kind_of
from connectors.gcp.offers import NINE, Row, offer_name
from connectors.gcp.usage import Fee
from connectors.pulled import Report, Request
from connectors.values import exact, listed, plain
from optimizer.errors import DataError

PERMISSION = "compute.commitments.list (role Compute Viewer)"
PLANS = {"TWELVE_MONTH": 1, "THIRTY_SIX_MONTH": 3}
PARTS = {"VCPU": "vcpu", "MEMORY": "memory", "LOCAL_SSD": "ssd", "ACCELERATOR": "gpu"}
RUNS = {"ACTIVE": "active", "NOT_YET_ACTIVE": "queued", "CREATING": "queued"}
# The families whose commitments' type is not their name.
TYPES = {
    "GENERAL_PURPOSE": "n1", "COMPUTE_OPTIMIZED": "c2", "MEMORY_OPTIMIZED": "m1",
    "ACCELERATOR_OPTIMIZED_A3": "a3-high", "ACCELERATOR_OPTIMIZED_A3_MEGA": "a3-mega",
    "ACCELERATOR_OPTIMIZED_A3_ULTRA": "a3-ultra", "GRAPHICS_OPTIMIZED": "g2",
}  # fmt: skip
GIB = Decimal(1024)  # MEMORY is told in MB


@dataclass(frozen=True)
class Held:
    """One part of a commitment, as the Compute API has it."""

    name: str
    project: str
    region: str
    family: str
    part: str
    amount: Decimal
    years: int
    start: datetime
    end: datetime
    state: str
    renews: bool


def questions(google: Google, projects: Sequence[str]) -> list[Question[Any]]:
    """Return the questions for each project's commitments in all regions."""
    client = google.commitments()

    def asking(project: str) -> Any:
        def items(page: Any) -> list[Any]:
            return [one for scoped in page.items.values() for one in scoped.commitments]

        fetch = sdk_pages(client.aggregated_list, {"project": project}, items)
        return lambda: [
            (project, row) for row in all_pages(fetch, identity=lambda one: (one.region, one.name))
        ]

    return [
        Question("compute", "commitments.aggregated_list", project, asking(project), PERMISSION)
        for project in projects
    ]


def held(rows: Iterable[tuple[str, Any]], report: Report) -> list[Held]:
    """Return the parts of the commitments that run or are about to."""
    found = []
    for project, row in rows:
        state = RUNS.get(str(row.status))
        years = PLANS.get(str(row.plan))
        if state is None:
            continue
        if years is None or str(row.category) == "LICENSE":
            text = f"left out: commitment {row.name} of plan {row.plan}, category {row.category}"
            remark(report, "gcp commitments", text, 1)
            continue
        family = _family(row)
        for resource in row.resources:
            part = PARTS.get(str(resource.type_))
            amount = exact(resource.amount)
            if part is None or amount == 0:
                continue
            found.append(
                Held(
                    str(row.name), project, str(row.region).rsplit("/", 1)[-1], family, part,
                    amount / GIB if part == "memory" else amount, years,
                    _hour(row.start_timestamp), _hour(row.end_timestamp), state,
                    bool(row.auto_renew),
                )
            )  # fmt: skip
    return found


def _family(row: Any) -> str:
    """Return the family that a commitment is for; A2's two kinds are told by their GPUs."""
    kind = str(row.type_)
    if kind == "ACCELERATOR_OPTIMIZED":
        gpus = {str(resource.accelerator_type) for resource in row.resources}
        return "a2-ultra" if any("80gb" in gpu for gpu in gpus) else "a2-high"
    return TYPES.get(kind, kind.rsplit("_", 1)[-1].lower())


def rows(
    found: Iterable[Held],
    fees: Iterable[Fee],
    offers: Mapping[str, Row],
    covers: Iterable[Row],
    accounts: Mapping[str, str],
    as_of: datetime,
    report: Report,
) -> tuple[list[Row], list[Row], list[Row]]:
    """Return rows of ``commitments``, and ``offers`` and ``covers`` of prices no longer sold."""
    made: list[Row] = []
    old_offers: dict[str, Row] = {}
    old_covers: list[Row] = []
    charged = _charged(fees)
    covered = list(covers)
    for one in found:
        offer = offer_name(one.region, one.family, one.part, one.years)
        name = f"gcp/{one.project}/{one.region}/{one.name}/{one.part}"
        if offer not in offers:
            text = f"left out: {name}, for whose terms the catalogue has no price"
            remark(report, "gcp commitments", text, 1)
            continue
        price = charged.get((one.project, offers[offer]["provider_offer_id"]))
        if price is not None and plain(price, NINE) != offers[offer]["hourly"]:
            old = f"{offer}@{one.name}"
            old_offers[old] = {
                **offers[offer],
                "offer": old,
                "hourly": plain(price, NINE),
                "bundle": "",  # it is held, and cannot be bought again
                "bundle_ratio": "",
                "available_until": _text(as_of - timedelta(hours=1)),
                "source": "Cloud Billing export: what is charged",
            }
            old_covers += [{**row, "offer": old} for row in covered if row["offer"] == offer]
            offer = old
        made.append(
            {
                "commitment": name,
                "offer": offer,
                "quantity": plain(one.amount),
                "start": _text(one.start),
                "end": _text(one.end),
                "account": accounts.get(one.project, one.project),
                "scope": "shared",
                "state": one.state,
                "auto_renew": "true" if one.renews else "false",
                "exchangeable": "false",
            }
        )
    return made, list(old_offers.values()), old_covers


def flexible_rows(
    fees: Iterable[Fee],
    offers: Mapping[str, Row],
    covers: Iterable[Row],
    request: Request,
    accounts: Mapping[str, str],
    report: Report,
) -> list[Row]:
    """Return rows of ``commitments`` for flexible commitments, as their fees show them.

    The setting ``flexible_ends`` states ``subscription=2027-03-01;…``; a commitment whose
    end is not stated is left out and reported, because nothing tells how long it lasts.

    Raises
    ------
    DataError
        If a stated end cannot be read.
    """
    ends = _ends(request)
    newest: dict[tuple[str, int], tuple[datetime, Decimal, str]] = {}
    for fee in fees:
        kind = kind_of(fee.sku)
        if kind is None or kind.part:
            continue
        key = (fee.subscription, kind.years)
        hour, amount, _ = newest.get(key, (fee.hour, Decimal(0), ""))
        if fee.hour > hour:
            hour, amount = fee.hour, Decimal(0)
        if fee.hour == hour:  # one commitment's fee may come in several rows of an hour
            newest[key] = (hour, amount + fee.quantity, fee.project)
    drawn = Counter(row["offer"] for row in covers)
    made = []
    for (subscription, years), (_, amount, project) in sorted(newest.items()):
        # In the old model there is an offer for each discount: that of most meters stands for it.
        names = [name for name in offers if name.endswith(f"/{years}y-none")]
        name = max(names, key=lambda offer: (drawn[offer], offer), default="")
        if subscription not in ends or not name:
            text = f"left out: flexible commitment {subscription} of {plain(amount)} an hour"
            why = "nothing it covers is used" if subscription in ends else "its end is not known"
            remark(report, "gcp commitments", f"{text}: {why}; set flexible_ends", 1)
            continue
        end = ends[subscription]
        hours = int(offers[name]["term_hours"])
        made.append(
            {
                "commitment": f"gcp/flexible/{subscription}",
                "offer": name,
                "quantity": plain(amount),
                "start": _text(end - timedelta(hours=hours)),
                "end": _text(end),
                "account": accounts.get(project, project),
                "scope": "shared",
                "state": "active",
                "auto_renew": "false",
                "exchangeable": "false",
            }
        )
    return made


def _ends(request: Request) -> dict[str, datetime]:
    found = {}
    for text in listed(request.settings, "flexible_ends"):
        name, _, day = text.partition("=")
        try:
            found[name] = datetime.fromisoformat(day).replace(tzinfo=None)
        except ValueError as error:
            raise DataError(
                f"'{text}' is no end", mend="write as ID=2027-03-01", file="flexible_ends"
            ) from error
    return found


def _charged(fees: Iterable[Fee]) -> dict[tuple[str, str], Decimal]:
    """Return the newest charged price by project and SKU."""
    newest: dict[tuple[str, str], Fee] = {}
    for fee in fees:
        key = (fee.project, fee.sku_id)
        if fee.price is not None and (key not in newest or fee.hour > newest[key].hour):
            newest[key] = fee
    return {key: fee.price for key, fee in newest.items() if fee.price is not None}


def _hour(text: str) -> datetime:
    moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
    utc = moment.astimezone(UTC).replace(tzinfo=None) if moment.tzinfo else moment
    return utc.replace(minute=0, second=0, microsecond=0)


def _text(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H}:00:00Z"
