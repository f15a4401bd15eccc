# SPDX-License-Identifier: Apache-2.0
"""The order of pairs (holding, usage line) that the laws prescribe."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from optimizer.billing.catalogue import Catalogue, Holding, Offer
from optimizer.billing.laws import Pair, Rank, law_of
from optimizer.billing.lines import BillingLines

# What sharing lets a benefit reach: owner's own accounts, their group, everybody.
_REACH = {"organization": 2, "prioritized": 2, "restricted": 1, "off": 0}


@dataclass(frozen=True)
class OrderedPair:
    """Holding and line by index, and how much of the holding a unit of the line uses."""

    holding: int
    line: int
    draw: float


def ordered_pairs(
    catalogue: Catalogue,
    lines: BillingLines,
    holdings: Sequence[Holding],
    sharing: dict[str, str],
) -> list[OrderedPair]:
    """All pairs that may meet, in the order in which the law applies them.

    Parameters
    ----------
    sharing
        Sharing mode by provider; a provider that is not named shares organisation-wide.

    Raises
    ------
    MissingPrice
        If a law orders by saving and a line's meter has no on-demand price.
    """
    ranked: list[tuple[Rank, tuple[str, int, str, str, str], OrderedPair]] = []
    by_meter: dict[str, list[int]] = {}
    for index, meter in enumerate(lines.meter):
        by_meter.setdefault(meter, []).append(index)
    for position, holding in enumerate(holdings):
        law = law_of(holding.offer.law)
        known: dict[tuple[str, int], tuple[Rank, float]] = {}
        for meter in catalogue.draws[holding.offer.name]:
            for line in by_meter.get(meter, ()):
                reach = reach_of(holding, lines, line, sharing)
                if reach is None:
                    continue
                if (meter, reach) not in known:
                    pair = _pair(catalogue, holding, meter, reach)
                    known[meter, reach] = law.rank(pair), float(pair.draw)
                rank, draw = known[meter, reach]
                tie = (meter, holding.end, holding.name, lines.account[line], lines.zone[line])
                ranked.append((rank, tie, OrderedPair(position, line, draw)))
    ranks = _places({rank for rank, _, _ in ranked})
    ranked.sort(key=lambda item: (ranks[item[0]], item[1], item[2].line))
    return [pair for _, _, pair in ranked]


def _places(ranks: set[Rank]) -> dict[Rank, int]:
    """The place of each rank; fractions are compared slowly, and here once for equal ranks."""
    return {rank: place for place, rank in enumerate(sorted(ranks))}


def reach_of(
    holding: Holding, lines: BillingLines, line: int, sharing: dict[str, str]
) -> int | None:
    """How far from its owner the holding would reach: 0, 1, 2, or ``None`` if it may not."""
    if law_of(holding.offer.law).needs_zone and (
        lines.zone[line] != holding.offer.zone or lines.idle[line]
    ):
        return None
    account = lines.account[line]
    owned = _inside(account, holding.account)  # a holding without owner owns usage without one
    if holding.scope == "account":
        return 0 if owned else None
    if holding.scope != "shared" and not _inside(account, holding.scope):
        return None
    mode = sharing.get(lines.provider[line], "organization")
    reach = 0 if owned or not holding.account else 2
    grouped = mode in ("prioritized", "restricted")
    if reach == 2 and grouped and group_of(account) == group_of(holding.account) != "":
        reach = 1
    return reach if reach <= _REACH[mode] else None


def group_of(account: str) -> str:
    """The sharing group of an account path: its second part; empty if it has none."""
    parts = account.split("/")
    return parts[1] if len(parts) > 2 else ""


def saving_of(offer: Offer, draw: Fraction, on_demand: Fraction) -> Fraction:
    """Saving of a pair as a share of the on-demand price, exact.

    ``1 − draw / on_demand``; the legacy flexible discount of Google Cloud commits list
    dollars, so that its saving is that of its fee: ``1 − (hourly + upfront / term_hours)``.
    """
    if offer.law == "gcp.flexible.legacy":
        monthly = Fraction(offer.monthly) / 730
        return 1 - (Fraction(offer.hourly) + monthly + Fraction(offer.upfront) / offer.term_hours)
    return 1 - draw / on_demand if on_demand else Fraction(0)


def draw_of(catalogue: Catalogue, offer: Offer, meter: str) -> Fraction:
    """What the offer spends on one unit of the meter, exact.

    Azure: a negotiated rate below the savings plan's is charged instead, and burns that
    amount of the commitment.
    """
    draw = Fraction(catalogue.draws[offer.name][meter])
    if offer.law != "azure.savings":
        return draw
    price = catalogue.meters[meter].need_on_demand(
        f"a negotiated price may undercut the savings plan of offer {offer.name!r}"
    )
    return min(draw, Fraction(price))


def _pair(catalogue: Catalogue, holding: Holding, meter: str, reach: int) -> Pair:
    offer = holding.offer
    draw = draw_of(catalogue, offer, meter)
    saving = Fraction(0)
    if offer.law == "gcp.flexible.legacy":  # saves what its fee saves, whatever the price
        saving = saving_of(offer, draw, Fraction(0))
    elif law_of(offer.law).by_saving:
        price = Fraction(
            catalogue.meters[meter].need_on_demand(
                f"{offer.law} orders usage by its saving over that price (offer {offer.name!r})"
            )
        )
        saving = saving_of(offer, draw, price)
    depth = 0
    if holding.scope != "shared":
        path = holding.account if holding.scope == "account" else holding.scope
        depth = path.count("/") + 1
    return Pair(
        saving=saving,
        draw=draw,
        size=catalogue.meters[meter].size,
        reach=reach,
        scope_depth=depth,
        term_hours=offer.term_hours,
        idle=catalogue.meters[meter].idle_reservation,
    )


def _inside(account: str, path: str) -> bool:
    return account == path or account.startswith(path + "/")
