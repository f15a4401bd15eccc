# SPDX-License-Identifier: Apache-2.0
"""A plan beside the providers' own recommendations, all of them scored by the same replay.

Every candidate is a set of purchases on top of what is held. The hours of the horizon are
replayed with it in the order of the law, with spot used as today and all work where it is
today: so that purchases are compared with purchases. What a plan saves by spot and by moving
work besides is in its own document.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from optimizer.billing import Bill, Catalogue, Holding, make_bill, read_holdings
from optimizer.billing.cost import amortised_cost
from optimizer.billing.fit import open_catalogue
from optimizer.demand import demand_of_horizon, movable_demand
from optimizer.errors import DataError
from optimizer.planning.document import head
from optimizer.planning.moving import today_usage
from optimizer.planning.sensitivity import FACTORS
from optimizer.program.purchases import planned
from optimizer.tables import Case, UsageLines, format_hour

MONTH = Decimal(730)
_PLACES = Decimal("1e-12")


@dataclass(frozen=True)
class Candidate:
    """Purchases that somebody advises: amounts by offer.

    ``claimed`` is the saving a month that the provider claims for them; ``None`` if it
    claims none.
    """

    name: str
    by: str
    amounts: Mapping[str, Decimal]
    claimed: Decimal | None = None


@dataclass(frozen=True)
class Scored:
    """A candidate and the bill of the horizon with it, at each of ``FACTORS`` of demand."""

    candidate: Candidate
    bill: Bill
    today: Bill
    upfront: Decimal
    remaining: Decimal
    demand: tuple[tuple[Decimal, Decimal, Decimal], ...]

    def as_dict(self) -> dict[str, Any]:
        """As an entry of the document."""
        saving = self.today.total - self.bill.total
        claimed = self.candidate.claimed
        return {
            "name": self.candidate.name,
            "by": self.candidate.by,
            "purchases": [
                {"offer": offer, "quantity": float(amount)}
                for offer, amount in sorted(self.candidate.amounts.items())
            ],
            "total": self.bill.total,
            "savings": saving,
            "savings_per_month": (saving * MONTH / self.bill.hours).quantize(_PLACES),
            **({} if claimed is None else {"claimed_per_month": claimed}),
            "on_demand": self.bill.on_demand,
            "commitment_cost": self.bill.commitment_cost,
            "unused_cost": self.bill.unused_cost.quantize(_PLACES),
            "coverage": self.bill.coverage,
            "utilization": self.bill.utilization,
            "upfront_cash": self.upfront,
            "remaining_at_horizon": self.remaining.quantize(_PLACES),
            "sensitivity": [
                {"demand": float(factor), "total": total, "savings": today - total}
                for factor, today, total in self.demand
            ],
        }


def advised(case: Case) -> list[Candidate]:
    """Return what the providers advise: each of their rows, and where there are several, all.

    A console looks at one offer at a time, so that the rows of one provider may be meant to be
    chosen from and not to be added up; both readings are scored.
    """
    if not case.has("provider_advice"):
        return []
    rows = case.table("provider_advice")
    found: list[Candidate] = []
    by_provider: dict[str, list[Candidate]] = {}
    for provider, offer, quantity, claimed in zip(
        rows["provider"], rows["offer"], rows["quantity"], rows["estimated_saving"], strict=True
    ):
        amount = Decimal(str(quantity))
        one = Candidate(f"{provider}: {offer}", provider, {offer: amount}, claimed)
        by_provider.setdefault(provider, []).append(one)
    for provider, alone in sorted(by_provider.items()):
        found += alone
        if len(alone) > 1:
            found.append(_together(f"{provider}: all of its advice", provider, alone))
    if len(by_provider) > 1:
        every = [one for alone in by_provider.values() for one in alone]
        found.append(_together("all providers: all of their advice", "providers", every))
    return found


def compare(
    case: Case,
    amounts: Mapping[str, Decimal],
    progress: Callable[[str], None] = lambda _: None,
) -> tuple[Bill, list[Scored]]:
    """Score a plan's purchases and the providers' advice.

    Parameters
    ----------
    amounts
        The plan's purchases by offer.

    Returns
    -------
    tuple
        The horizon's bill with what is held alone, and the candidates: the plan, the part
        of it that is with each provider that advises something, and the advice; cheapest
        bill first, the plan first among equals.

    Raises
    ------
    DataError
        If the case holds no advice, or a purchase is of an offer that it does not have.
    MissingPrice
        If the replay needs an on-demand price that the case does not have.
    """
    advice = advised(case)
    if not advice:
        raise DataError(
            "there is no provider_advice to compare with",
            mend="add the table, or pull a snapshot from a provider that advises",
            file=case.file("provider_advice"),
        )
    catalogue = open_catalogue(case)
    holdings = list(read_holdings(case, catalogue))
    for offer in amounts:
        if offer not in catalogue.offers:
            raise DataError(
                f"the plan buys '{offer}', which the case does not offer",
                mend="compare a plan with the case that it was made from",
                file=case.file("offers"),
            )
    candidates = [Candidate("plan", "gpuopt", dict(amounts)), *_parts(case, amounts, advice)]
    candidates += advice
    demand = demand_of_horizon(case)
    usage = today_usage(case.settings, movable_demand(case, demand))
    replays = [_scaled(usage, factor) for factor in FACTORS]
    progress("replaying today")
    today = make_bill(case, catalogue, usage, holdings)
    bases = [make_bill(case, catalogue, scaled, holdings).total for scaled in replays]
    scored = []
    for candidate in candidates:
        progress(f"replaying {candidate.name}")
        scored.append(_score(case, catalogue, holdings, usage, replays, candidate, today, bases))
    return today, sorted(scored, key=lambda each: each.bill.total)


def comparison_document(
    case: Case,
    amounts: Mapping[str, Decimal],
    progress: Callable[[str], None] = lambda _: None,
) -> dict[str, Any]:
    """The document of a comparison; see :func:`compare`."""
    today, scored = compare(case, amounts, progress)
    settings = case.settings
    digest = hashlib.sha256(f"{case.snapshot}\n{sorted(amounts.items())}".encode()).hexdigest()
    return {
        **head(case),
        "comparison": f"cmp_{digest[:20]}",
        "as_of": format_hour(settings.as_of),
        "horizon_hours": settings.horizon_hours,
        "today": {
            "total": today.total,
            "on_demand": today.on_demand,
            "commitment_cost": today.commitment_cost,
            "coverage": today.coverage,
            "utilization": today.utilization,
        },
        "candidates": [each.as_dict() for each in scored],
        "explanation": _explain(scored, settings.currency),
    }


def _parts(
    case: Case, amounts: Mapping[str, Decimal], advice: Sequence[Candidate]
) -> list[Candidate]:
    """The plan's purchases with each provider that advises: the like beside the like."""
    covers, meters = case.table("covers"), case.table("meters")
    provider_of = dict(zip(meters["meter"], meters["provider"], strict=True))
    providers: dict[str, set[str]] = {}
    for offer, meter in zip(covers["offer"], covers["meter"], strict=True):
        providers.setdefault(offer, set()).add(provider_of[meter])
    parts = []
    for provider in sorted({each.by for each in advice if each.by != "providers"}):
        mine = {o: a for o, a in amounts.items() if provider in providers.get(o, ())}
        if len(mine) != len(amounts):
            parts.append(Candidate(f"plan, {provider} alone", "gpuopt", mine))
    return parts


def _together(name: str, by: str, alone: Sequence[Candidate]) -> Candidate:
    amounts: dict[str, Decimal] = {}
    claimed: Decimal | None = Decimal(0)
    for one in alone:
        for offer, amount in one.amounts.items():
            amounts[offer] = amounts.get(offer, Decimal(0)) + amount
        claimed = None if claimed is None or one.claimed is None else claimed + one.claimed
    return Candidate(name, by, amounts, claimed)


def _score(
    case: Case,
    catalogue: Catalogue,
    holdings: Sequence[Holding],
    usage: UsageLines,
    replays: Sequence[UsageLines],
    candidate: Candidate,
    today: Bill,
    bases: Sequence[Decimal],
) -> Scored:
    settings = case.settings
    end = settings.as_of + settings.horizon_hours
    bought = [
        planned(catalogue.offers[offer], amount, settings.as_of)
        for offer, amount in sorted(candidate.amounts.items())
        if amount
    ]
    whole = [*holdings, *bought]
    upfront = sum(
        (amount * catalogue.offers[o].upfront for o, amount in candidate.amounts.items()),
        Decimal(0),
    )
    remaining = sum(
        (amortised_cost(each, max(end, each.start), each.end) for each in bought), Decimal(0)
    )
    bill = make_bill(case, catalogue, usage, whole)
    demand = tuple(
        (factor, base, make_bill(case, catalogue, scaled, whole).total)
        for factor, base, scaled in zip(FACTORS, bases, replays, strict=True)
    )
    return Scored(candidate, bill, today, upfront, remaining, demand)


def _scaled(usage: UsageLines, factor: Decimal) -> UsageLines:
    scale = float(factor)
    return replace(
        usage,
        quantity=usage.quantity * scale,
        spot=usage.spot * scale,
        spot_taken=usage.spot_taken * scale,
    )


def _explain(scored: Sequence[Scored], currency: str) -> list[str]:
    plan = next(each for each in scored if each.candidate.name == "plan")
    lines = []
    for each in scored:
        if each.candidate.by == "gpuopt":
            continue
        less = each.bill.total - plan.bill.total
        word = "less" if less >= 0 else "more"
        text = f"the plan's purchases cost {abs(less):,.2f} {currency} {word} over the horizon "
        text += f"than {each.candidate.name}"
        claimed, hours = each.candidate.claimed, each.bill.hours
        if claimed is not None:
            replayed = (each.today.total - each.bill.total) * MONTH / hours
            text += f", which claims {claimed:,.2f} a month and saves {replayed:,.2f} when replayed"
        lines.append(text)
    return lines
