# SPDX-License-Identifier: Apache-2.0
"""What a plan's document says is to be done now, one entry for what is bought together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from optimizer.billing import Catalogue
from optimizer.billing.bill import exact
from optimizer.billing.terms import WayOut, way_out
from optimizer.planning.weekly.ways import Owners

Document = Mapping[str, Any]

HIGH, MEDIUM = 0.9, 0.7  # shares of the futures in which a purchase pays back


@dataclass(frozen=True)
class Action:
    """A purchase, or a bundle of them.

    Attributes
    ----------
    offers
        Its offers, with their rows in the document: (offer, quantity, measure, index).
    owner, owner_share
        Who uses most of what it covers; ``""`` where no row names one.
    latest
        The last moment to buy it that the plan knows of, as in its document.
    saving
        Within the horizon: worth at on-demand prices of what it covers, less its cost.
    low, high
        P10 and P90 of what it saves over the futures; ``None`` where they are not known.
    break_even
        The share of the term after which it costs less than on-demand.
    pays_back
        The share of futures in which it does within the horizon.
    """

    name: str
    offers: tuple[tuple[str, Decimal, str, int], ...]
    owner: str
    owner_share: float | None
    latest: str | None
    upfront: Decimal
    cost: Decimal
    saving: Decimal | None
    low: Decimal | None
    high: Decimal | None
    break_even: float | None
    pays_back: float | None
    out: WayOut

    @property
    def confidence(self) -> str:
        """How sure it is to pay back: high, medium, low, or unknown."""
        if self.pays_back is None:
            return "unknown"
        return "high" if self.pays_back >= HIGH else "medium" if self.pays_back >= MEDIUM else "low"


def actions_of(catalogue: Catalogue, plan: Document, owners: Owners | None) -> list[Action]:
    """Return the purchases of a plan, the largest saving first."""
    if plan["status"] == "infeasible":
        return []
    beside = {row["offer"]: row for row in plan.get("ladder", []) if row["action"] == "buy"}
    found = [
        _action(catalogue, owners, name, rows, beside.get(rows[0][1]["offer"], {}))
        for name, rows in _together(plan["purchases"], beside)
    ]
    return sorted(found, key=lambda action: (-(action.saving or Decimal(0)), action.name))


def _together(
    purchases: Sequence[Document], beside: Mapping[str, Document]
) -> Iterator[tuple[str, list[tuple[int, Document]]]]:
    """Purchases by bundle, or alone."""
    groups: dict[str, list[tuple[int, Document]]] = {}
    for index, row in enumerate(purchases):
        bundle = beside.get(row["offer"], {}).get("bundle")
        groups.setdefault(f"bundle {bundle}" if bundle else row["offer"], []).append((index, row))
    yield from groups.items()


def _action(
    catalogue: Catalogue,
    owners: Owners | None,
    name: str,
    rows: Sequence[tuple[int, Document]],
    beside: Document,
) -> Action:
    first = rows[0][1]
    meters = sorted({cover["meter"] for _, row in rows for cover in row.get("covers", [])})
    offer = catalogue.offers.get(first["offer"])
    owner, share = (offer.account, None) if offer is not None and offer.account else ("", None)
    if not owner and owners is not None:
        owner, share = owners.of(meters) or ("", None)
    saves: Document = first.get("saves", {})
    cost = sum((Decimal(str(row["cost"])) for _, row in rows), Decimal(0))
    # Members of a bundle are told the worth of the bundle.
    planned = saves.get("as_planned")
    spread = [saves.get(key) for key in ("p10", "p90")]
    ends = [row["break_even_hours"] / row["term_hours"] for _, row in rows if _pays(row)]
    return Action(
        name=name,
        offers=tuple(
            (row["offer"], Decimal(str(row["quantity"])), row["measure"], index)
            for index, row in rows
        ),
        owner=owner,
        owner_share=share,
        latest=beside.get("latest"),
        upfront=sum((Decimal(str(row["upfront"])) for _, row in rows), Decimal(0)),
        cost=cost,
        saving=_worth(catalogue, rows, cost) if planned is None else Decimal(str(planned)),
        low=None if spread[0] is None else Decimal(str(spread[0])),
        high=None if spread[1] is None else Decimal(str(spread[1])),
        break_even=max(ends) if ends else None,
        pays_back=first.get("pays_back"),
        out=way_out(first["law"], Decimal(str(first["quantity"]))),
    )


def _pays(row: Document) -> bool:
    return row.get("break_even_hours") is not None


def _worth(
    catalogue: Catalogue, rows: Sequence[tuple[int, Document]], cost: Decimal
) -> Decimal | None:
    """What is covered at on-demand prices, less the cost; ``None`` if some has no such price."""
    worth = Decimal(0)
    for _, row in rows:
        for cover in row.get("covers", []):
            meter = catalogue.meters.get(cover["meter"])
            if meter is None or meter.on_demand is None:
                return None
            worth += exact(cover["quantity"]) * meter.on_demand
    return worth - cost
