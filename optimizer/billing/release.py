# SPDX-License-Identifier: Apache-2.0
"""Commitments that are given back before their term ends: each date is an offer of its own.

Where one future is planned for, it is known from the start when a commitment will be given
back.  So "this offer, given back after six months" is an offer with a shorter time in force:
in every hour it costs what the offer costs, premium included, and in its last one also what
does not come back, (1 − ``buyback_share``) of the remaining cost
(:func:`optimizer.billing.cost.release_loss`).  The remaining cost has no premium: an
insurance ends with what it insures.
"""

from __future__ import annotations

from dataclasses import replace

from optimizer.billing.catalogue import Catalogue, Offer
from optimizer.errors import DataError
from optimizer.tables import Case

_MONTH = 730  # hours of a step of the ladder
_MARK = "@release-"


def base_name(name: str) -> str:
    """The offer that is bought: ``flex`` of ``flex@release-6m``."""
    return name.partition(_MARK)[0]


def with_releases(case: Case, catalogue: Catalogue) -> Catalogue:
    """Add an offer for each step of the ladder at which an offer may be given back.

    Steps lie within the horizon and the term, and not before ``buyback_after``.  Giving back
    for nothing is never better than keeping, and what is bought in a bundle or has a fixed
    start is not planned so (a plan refuses it by name).

    Raises
    ------
    DataError
        If an offer of the case has the name of such an offer.
    """
    offers, draws = dict(catalogue.offers), dict(catalogue.draws)
    for offer in catalogue.offers.values():
        if not offer.buyback_share or offer.bundle or offer.starts is not None:
            continue
        for month in case.settings.ladder.steps:
            age = _MONTH * month
            if not offer.buyback_after <= age < min(offer.term_hours, case.settings.horizon_hours):
                continue
            made = replace(offer, name=f"{offer.name}{_MARK}{month}m", released=age)
            if made.name in offers:
                raise DataError(
                    f"the offer {made.name!r} has the name of {offer.name!r} given back after "
                    f"{month} months",
                    mend="give the offer another name",
                    file=case.file("offers"),
                    row=offers[made.name].row,
                    column="offer",
                )
            offers[made.name] = made
            draws[made.name] = catalogue.draws[offer.name]
    return Catalogue(catalogue.meters, offers, draws)


def hours_in_force(offer: Offer) -> int:
    """Hours from the purchase until it is given back, or until the term ends."""
    return offer.term_hours if offer.released is None else offer.released
