# SPDX-License-Identifier: Apache-2.0
"""What a case limits: quotas of meters, shared quotas, agreements and the keys of [limits]."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from optimizer.billing import Catalogue, Holding, Offer
from optimizer.billing.catalogue import rows
from optimizer.billing.laws import law_of
from optimizer.errors import DataError
from optimizer.program.purchases import Column
from optimizer.tables import Case, Limits, UsageLines

Span = tuple[int, int]


@dataclass(frozen=True)
class QuotaRow:
    """One row of ``limits``: in its hours, ``weight`` of each unit of the meter counts."""

    name: str
    meter: str
    weight: float
    maximum: float
    span: Span
    row: int


@dataclass(frozen=True)
class Agreement:
    """One row of ``agreements``.

    ``span`` is what of it lies in the horizon, and ``target`` the spend that was promised
    for it: the committed spend in proportion to its hours.
    """

    name: str
    provider: str
    span: Span
    target: Decimal
    counted_share: Decimal
    shortfall_share: Decimal


@dataclass(frozen=True)
class CaseLimits:
    """Everything that limits a plan, with what is held: that counts, too.

    Attributes
    ----------
    settings
        ``[limits]`` of the case.
    quotas, agreements
        The rows that reach into the horizon.
    holdings
        All that is held or queued, whether or not usage meets it.
    file
        Of the quotas, for errors.
    """

    settings: Limits
    quotas: tuple[QuotaRow, ...]
    agreements: tuple[Agreement, ...]
    holdings: tuple[Holding, ...]
    file: str = "limits.csv"

    def of_meters(self, catalogue: Catalogue, meters: Sequence[str]) -> CaseLimits:
        """The limits that concern usage of these meters."""
        providers = {catalogue.meters[meter].provider for meter in meters}
        return replace(
            self,
            quotas=tuple(row for row in self.quotas if row.meter in meters),
            agreements=tuple(row for row in self.agreements if row.provider in providers),
        )

    @property
    def spans(self) -> tuple[Span, ...]:
        """Windows whose hours differ from the others."""
        spans = {row.span for row in self.quotas} | {row.span for row in self.agreements}
        return tuple(sorted(spans))

    @property
    def adds_up_hours(self) -> bool:
        """Whether some row adds up undiscounted hours, so that discounts keep hours apart."""
        shares = (self.settings.spot_share, self.settings.max_unused_share)
        return bool(self.agreements) or any(share is not None for share in shares)

    def together(
        self, catalogue: Catalogue, usage: UsageLines, columns: Sequence[Column]
    ) -> list[list[int]]:
        """Groups of lines that one row links: they must be planned together."""
        by_meter: dict[str, list[int]] = {}
        for line, meter in enumerate(usage.meter):
            by_meter.setdefault(meter, []).append(line)
        groups = [
            lines
            for name, lines in by_meter.items()
            if math.isfinite(
                min(catalogue.meters[name].on_demand_limit, catalogue.meters[name].spot_limit)
            )
        ]
        for name in sorted({row.name for row in self.quotas}):
            meters = {row.meter for row in self.quotas if row.name == name}
            groups.append([line for line, meter in enumerate(usage.meter) if meter in meters])
        groups += [
            [
                line
                for line, meter in enumerate(usage.meter)
                if catalogue.meters[meter].provider == agreement.provider
            ]
            for agreement in self.agreements
        ]
        limits = self.settings
        cash = limits.upfront_cash is not None and any(
            offer.upfront for column in columns for offer, _ in column.members
        )
        if cash or limits.spot_share is not None or limits.max_unused_share is not None:
            groups.append(list(range(len(usage.meter))))
        return [group for group in groups if len(group) > 1]


def read_case_limits(case: Case, holdings: Sequence[Holding]) -> CaseLimits:
    """Read the limits of a case, clipped to its horizon."""
    settings = case.settings
    start, end = settings.as_of, settings.as_of + settings.horizon_hours
    quotas, agreements = [], []
    for row in rows(case, "limits") if case.has("limits") else ():
        first = start if row["hour_from"] is None else max(start, row["hour_from"])
        last = end if row["hour_until"] is None else min(end, row["hour_until"])
        if first < last:
            weight = 1.0 if math.isnan(row["weight"]) else float(row["weight"])
            quotas.append(
                QuotaRow(
                    name=row["limit"],
                    meter=row["meter"],
                    weight=weight,
                    maximum=float(row["maximum"]),
                    span=(first, last),
                    row=row["row"],
                )
            )
    for row in rows(case, "agreements") if case.has("agreements") else ():
        first, last = max(start, row["start"]), min(end, row["end"])
        if first < last:
            part = Decimal(last - first) / Decimal(row["end"] - row["start"])
            agreements.append(
                Agreement(
                    name=row["agreement"],
                    provider=row["provider"],
                    span=(first, last),
                    target=row["committed"] * part,
                    counted_share=_share(row["counted_share"]),
                    shortfall_share=_share(row["shortfall_share"]),
                )
            )
    return CaseLimits(
        settings=settings.limits,
        quotas=tuple(quotas),
        agreements=tuple(agreements),
        holdings=tuple(holdings),
        file=case.file("limits"),
    )


def _share(value: float) -> Decimal:
    return Decimal(1) if math.isnan(value) else Decimal(repr(float(value)))


def provider_of(catalogue: Catalogue, offer: Offer) -> str:
    """The provider that bills an offer: that of its law, or of the meters that it covers.

    Raises
    ------
    DataError
        If the offer covers meters of several providers.
    """
    law = law_of(offer.law)
    if law.provider:
        return law.provider
    providers = {catalogue.meters[meter].provider for meter in catalogue.draws[offer.name]}
    if len(providers) > 1:
        raise DataError(
            f"offer {offer.name!r} covers meters of several providers "
            f"({', '.join(sorted(providers))}), so that no agreement can count it",
            mend="make one offer for each provider",
            file="offers.csv",
            row=offer.row,
            column="offer",
        )
    return min(providers, default="")
