# SPDX-License-Identifier: Apache-2.0
"""Whether offers fit the meters that they are said to cover: never guessed, always refused."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from optimizer.billing.catalogue import Catalogue, Meter, Offer, read_catalogue, rows
from optimizer.billing.laws import law_of
from optimizer.billing.release import with_releases
from optimizer.errors import DataError
from optimizer.tables import Case

# The sizes of a family are normalised to a few digits; their ratios agree to this.
_RATIO = 1e-6
_KEPT = "catalogue"


def open_catalogue(case: Case) -> Catalogue:
    """Read the catalogue of a case, and refuse offers that do not fit their meters.

    What may be given back is an offer for each date, too
    (:func:`~optimizer.billing.release.with_releases`). It is read once.
    """
    if _KEPT not in case.kept:
        catalogue = read_catalogue(case)
        check_fit(case, catalogue)
        case.kept[_KEPT] = with_releases(case, catalogue)
    kept: Catalogue = case.kept[_KEPT]
    return kept


def check_fit(case: Case, catalogue: Catalogue) -> None:
    """Refuse offers and covers that contradict their law.

    Raises
    ------
    DataError
        A law of one provider on a meter of another; a law with the wrong measure; a
        size-flexible offer (units, with a ``group``) on several meters of which one has no
        size, or a draw that is not in the ratio of the sizes; a meter in two size-flexible
        groups of one law.
    """
    for offer in catalogue.offers.values():
        _check_offer(case, offer)
    groups: dict[tuple[str, str], Offer] = {}
    bases: dict[str, tuple[str, float]] = {}
    for row in rows(case, "covers"):
        offer, meter = catalogue.offers[row["offer"]], catalogue.meters[row["meter"]]
        _check_provider(case, offer, meter, row["row"])
        if not offer.group or offer.measure != "units":
            continue
        known = groups.setdefault((offer.law, meter.name), offer)
        if known.group != offer.group:
            raise DataError(
                f"meter {meter.name!r} is in two groups of {offer.law}: {known.group!r} "
                f"(offer {known.name!r}) and {offer.group!r} (offer {offer.name!r})",
                mend="put the meter into one size-flexible group",
                file=case.file("covers"),
                row=row["row"],
                column="meter",
            )
        if len(catalogue.draws[offer.name]) > 1:
            _check_size(case, offer, meter, row, bases)


def _check_provider(case: Case, offer: Offer, meter: Meter, row: int) -> None:
    provider = law_of(offer.law).provider
    if provider and provider != meter.provider:
        raise DataError(
            f"{offer.law} does not apply to meters of {meter.provider!r} "
            f"(offer {offer.name!r}, meter {meter.name!r})",
            mend="take the row out, or give the offer a law of the meter's provider",
            file=case.file("covers"),
            row=row,
            column="meter",
        )


def _check_size(
    case: Case,
    offer: Offer,
    meter: Meter,
    row: dict[str, Any],
    bases: dict[str, tuple[str, float]],
) -> None:
    """Draws of a size-flexible offer are in the ratio of the sizes of its meters."""
    if not meter.has_size:
        raise DataError(
            f"meter {meter.name!r} is covered by the size-flexible offer {offer.name!r} "
            f"(group {offer.group!r}) and has no size",
            mend="fill size with the provider's normalised size or ratio",
            file=case.file("meters"),
            row=meter.row,
            column="size",
        )
    per_size = float(row["draw"]) / meter.size
    first, base = bases.setdefault(offer.name, (meter.name, per_size))
    if abs(per_size - base) > _RATIO * base:
        raise DataError(
            f"draw {row['draw']} of {meter.name!r} is not in the ratio of its size {meter.size:g} "
            f"to that of {first!r} (offer {offer.name!r})",
            mend="make draws proportional to sizes, or clear the offer's group",
            file=case.file("covers"),
            row=row["row"],
            column="draw",
        )


def _check_offer(case: Case, offer: Offer) -> None:
    law = law_of(offer.law)
    if offer.measure != law.measure:
        raise DataError(
            f"{offer.law} is bought in {law.measure}, not in {offer.measure} "
            f"(offer {offer.name!r})",
            mend=f"set measure to {law.measure}, or give the offer another law",
            file=case.file("offers"),
            row=offer.row,
            column="measure",
        )
    if offer.law == "gcp.flexible.legacy" and _fee(offer) > 1:
        raise DataError(
            f"the fee of {offer.name!r} is above the list dollars that it covers",
            mend="give hourly + monthly / 730 + upfront / term_hours per list dollar, such as 0.72",
            file=case.file("offers"),
            row=offer.row,
            column="hourly",
        )


def _fee(offer: Offer) -> Decimal:
    return offer.hourly + offer.monthly / 730 + offer.upfront / Decimal(offer.term_hours)
