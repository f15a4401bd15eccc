# SPDX-License-Identifier: Apache-2.0
"""Google's own advice on commitments, kept to be compared with the plan."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from connectors.asking import Question, all_pages, remark
from connectors.gcp.clients import Google, sdk_pages
from connectors.gcp.commitments import GIB, PARTS, PLANS, TYPES
from connectors.gcp.offers import Row, offer_name
from connectors.gcp.prices import NANO
from connectors.pulled import Report
from connectors.values import exact, plain

RECOMMENDER = "google.compute.commitment.UsageCommitmentRecommender"
PERMISSION = "recommender.usageCommitmentRecommendations.list"
MONTH = Decimal(730 * 3600)


def questions(
    google: Google, projects: Sequence[str], regions: Iterable[str]
) -> list[Question[Any]]:
    """Return a question for each project and region."""
    client = google.recommender()

    def asking(project: str, region: str) -> Any:
        parent = f"projects/{project}/locations/{region}/recommenders/{RECOMMENDER}"
        fetch = sdk_pages(
            client.list_recommendations,
            {"parent": parent},
            lambda page: list(page.recommendations),
        )
        return lambda: all_pages(fetch, identity=lambda row: row.name)

    return [
        Question(
            "recommender", RECOMMENDER, f"{project}/{region}", asking(project, region), PERMISSION
        )
        for project in projects
        for region in sorted(set(regions))
    ]


def rows(found: Iterable[Any], offers: Mapping[str, Row], as_of: str, report: Report) -> list[Row]:
    """Return the rows of ``provider_advice``.

    The saving of a bundle stands at its first part; Google states it for the whole.
    """
    made: list[Row] = []
    unknown = 0
    for row in found:
        if str(row.state_info.state.name) != "ACTIVE":
            continue
        saving = _saving(row)
        for value in _values(row):
            years = PLANS.get(str(value.get("plan") or ""), 0)
            region = str(value.get("region") or "").rsplit("/", 1)[-1]
            kind = str(value.get("type") or "GENERAL_PURPOSE")
            family = TYPES.get(kind, kind.rsplit("_", 1)[-1].lower())
            for resource in value.get("resources") or ():
                part = PARTS.get(str(resource.get("type") or ""), "")
                offer = offer_name(region, family, part, years)
                if offer not in offers:
                    unknown += 1
                    continue
                amount = exact(resource.get("amount"))
                made.append(
                    {
                        "provider": "gcp",
                        "offer": offer,
                        "quantity": plain(amount / GIB if part == "memory" else amount),
                        "as_of": as_of,
                        "estimated_saving": plain(saving, 2),
                    }
                )
                saving = None
    if unknown:
        remark(report, "gcp advice", "left out: advice on what is not among the offers", unknown)
    return made


def _saving(row: Any) -> Decimal | None:
    """Return what is saved in a month of 730 hours: costs are negative where money is saved."""
    projection = row.primary_impact.cost_projection
    seconds = exact(projection.duration.total_seconds()) if projection.duration else Decimal(0)
    if not seconds:
        return None
    cost = exact(projection.cost.units) + exact(projection.cost.nanos) * NANO
    return -cost * MONTH / seconds


def _values(row: Any) -> list[Mapping[str, Any]]:
    """Return the commitments that a recommendation would add."""
    found = []
    for group in row.content.operation_groups:
        for operation in group.operations:
            if operation.action == "add" and operation.resource_type.endswith("/Commitment"):
                value = type(operation).to_dict(operation).get("value")
                if isinstance(value, Mapping):
                    found.append(value)
    return found
