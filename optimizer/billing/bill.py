# SPDX-License-Identifier: Apache-2.0
"""The bill: a replay priced in exact decimals, with its key figures.

Quantities are summed in float64 and turned into decimals once, at twelve places, before
they meet a price; from there on every number is exact, and the parts add up to the total.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import numpy as np
from numpy.typing import NDArray

from optimizer.billing.catalogue import Catalogue, Holding, read_holdings
from optimizer.billing.cost import amortised_cost, hourly_costs
from optimizer.billing.fit import open_catalogue
from optimizer.billing.lines import BillingLines, SharingModes, billing_lines, row_sums
from optimizer.billing.replay import Replay, capacity_of, replay
from optimizer.billing.sustained import sustained_rates
from optimizer.tables import Case, UsageLines, format_hour

PLACES = Decimal("1e-12")
_NOTHING = Decimal(0).quantize(PLACES)

Pair = tuple[int, int]  # holding, line


def exact(value: float) -> Decimal:
    """A float quantity as a decimal of twelve places."""
    if value == 0:
        return _NOTHING
    return Decimal(repr(float(value))).quantize(PLACES)


@dataclass(frozen=True)
class LineBill:
    """What one line cost: units of the meter and dollars over all hours.

    ``covered_by`` are the units that the commitments of each law cover.
    """

    meter: str
    account: str
    zone: str
    quantity: Decimal
    covered: Decimal
    spot_quantity: Decimal
    on_demand_quantity: Decimal
    on_demand: Decimal
    spot: Decimal
    daily: bool
    covered_by: tuple[tuple[str, Decimal], ...]

    @property
    def laws(self) -> tuple[str, ...]:
        """Laws of the commitments that covered some of the line, in alphabetical order."""
        return tuple(law for law, _ in self.covered_by)


@dataclass(frozen=True)
class HoldingBill:
    """What one holding gave and cost; used and unused in its measure × hours.

    ``unused_cost`` is the part of its cost that nothing used, hour by hour: an hour of a month
    that is paid by the month costs more in a short one. ``remaining`` is its amortised cost
    after the bill's last hour, to the end of its term.
    """

    commitment: str
    law: str
    provider: str
    used: Decimal
    unused: Decimal
    cost: Decimal
    unused_cost: Decimal
    remaining: Decimal


@dataclass(frozen=True)
class Bill:
    """The bill of the hours ``[first_hour, first_hour + N)``; money is amortised."""

    first_hour: int
    hours: int
    lines: tuple[LineBill, ...]
    holdings: tuple[HoldingBill, ...]
    coverable: frozenset[str]
    catalogue: Catalogue
    on_demand_by_hour: NDArray[np.float64]
    spot_by_hour: NDArray[np.float64]
    commitment_by_hour: NDArray[np.float64]

    @property
    def on_demand(self) -> Decimal:
        """Dollars of usage that nothing covers."""
        return sum((line.on_demand for line in self.lines), Decimal(0))

    @property
    def spot(self) -> Decimal:
        """Dollars of usage on spot."""
        return sum((line.spot for line in self.lines), Decimal(0))

    @property
    def commitment_cost(self) -> Decimal:
        """Amortised dollars of the holdings, used or not."""
        return sum((holding.cost for holding in self.holdings), Decimal(0))

    @property
    def total(self) -> Decimal:
        """on_demand + spot + commitment_cost."""
        return self.on_demand + self.spot + self.commitment_cost

    @property
    def covered_at_on_demand(self) -> Decimal:
        """What the covered usage would have cost on demand (contract price).

        Meters that cannot be had on demand have no such cost: they are left out of it, and
        so of both parts of the coverage.
        """
        total = Decimal(0)
        for line in self.lines:
            if line.covered:
                price = self.catalogue.meters[line.meter].on_demand
                if price is not None:
                    total += line.covered * price
        return total

    @property
    def coverage(self) -> float | None:
        """covered_at_on_demand / (covered_at_on_demand + on_demand), over coverable meters."""
        on_demand = sum(
            (line.on_demand for line in self.lines if line.meter in self.coverable), Decimal(0)
        )
        eligible = self.covered_at_on_demand + on_demand
        return float(self.covered_at_on_demand / eligible) if eligible else None

    @property
    def utilization(self) -> float | None:
        """Used share of what was committed, weighted by cost (by quantity if all is free)."""
        weighted = [
            (holding.cost if self.commitment_cost else Decimal(1), holding)
            for holding in self.holdings
            if holding.used + holding.unused
        ]
        total = sum((weight for weight, _ in weighted), Decimal(0))
        if not total:
            return None
        used = sum(
            (
                weight * holding.used / (holding.used + holding.unused)
                for weight, holding in weighted
            ),
            Decimal(0),
        )
        return float(used / total)

    @property
    def unused_cost(self) -> Decimal:
        """Cost of what was committed and not used."""
        return sum((holding.unused_cost for holding in self.holdings), Decimal(0))

    def savings_rate(self, price: str) -> float | None:
        """Effective savings rate, 1 − total / (all usage at that price).

        ``price`` is ``on_demand`` or ``list_price``; ``None`` if a meter that was used has
        no such price, or nothing was used.
        """
        at_price = Decimal(0)
        for line in self.lines:
            unit = getattr(self.catalogue.meters[line.meter], price)
            if line.quantity and unit is None:
                return None
            if line.quantity:
                at_price += line.quantity * unit
        return float(1 - self.total / at_price) if at_price else None

    def as_dict(self, *, detail: bool = False) -> dict[str, Any]:
        """The bill in the shape of the contract (``gpuopt bill``)."""
        document: dict[str, Any] = {
            "total": self.total,
            "on_demand": self.on_demand,
            "spot": self.spot,
            "commitment_cost": self.commitment_cost,
            "covered_at_on_demand": self.covered_at_on_demand,
            "coverage": self.coverage,
            "utilization": self.utilization,
            "effective_savings_rate": {
                name: self.savings_rate(name) for name in ("on_demand", "list_price")
            },
            "commitments": [
                {
                    "commitment": holding.commitment,
                    "used": float(holding.used),
                    "unused": float(holding.unused),
                    "cost": holding.cost,
                }
                for holding in self.holdings
            ],
        }
        if detail:
            document["hours"] = self._hour_rows()
            document["lines"] = [_line_row(line) for line in self.lines]
        return document

    def _hour_rows(self) -> list[dict[str, Any]]:
        return [
            {
                "hour": format_hour(self.first_hour + index),
                "on_demand": exact(self.on_demand_by_hour[index]),
                "spot": exact(self.spot_by_hour[index]),
                "commitment_cost": exact(self.commitment_by_hour[index]),
            }
            for index in range(self.hours)
        ]


def _line_row(line: LineBill) -> dict[str, Any]:
    row: dict[str, Any] = {
        "meter": line.meter,
        "account": line.account or None,
        "zone": line.zone or None,
        "quantity": float(line.quantity),
        "covered": float(line.covered),
        "spot_quantity": float(line.spot_quantity),
        "on_demand_quantity": float(line.on_demand_quantity),
        "on_demand": line.on_demand,
        "spot": line.spot,
    }
    if line.daily:
        row["grain"] = "day"
    return row


def bill_case(case: Case) -> Bill:
    """Replay the usage of a case against its commitments (``gpuopt bill``).

    Every hour from the first to the last usage hour counts, present or not, and each
    commitment is clipped to its start and end.

    Raises
    ------
    DataError
        If a table is missing or refused, or a price that the bill needs is absent.
    """
    case.require("meters", "usage")
    catalogue = open_catalogue(case)
    usage = case.usage_lines()
    return make_bill(case, catalogue, usage, read_holdings(case, catalogue))


def make_bill(
    case: Case,
    catalogue: Catalogue,
    usage: UsageLines,
    holdings: Sequence[Holding],
    price_factor: NDArray[np.float64] | None = None,
) -> Bill:
    """Replay usage against holdings in the order of the law, and price the outcome.

    ``price_factor`` (L, N) are on-demand prices over those of the case: a future's.
    """
    lines = billing_lines(usage, catalogue)
    hours = usage.first_hour + np.arange(usage.quantity.shape[1])
    outcome = replay(
        catalogue,
        lines,
        holdings,
        capacity_of(holdings, hours),
        SharingModes.of(case.settings, hours),
    )
    return price_replay(catalogue, usage, lines, holdings, outcome, price_factor)


def price_replay(
    catalogue: Catalogue,
    usage: UsageLines,
    lines: BillingLines,
    holdings: Sequence[Holding],
    outcome: Replay,
    price_factor: NDArray[np.float64] | None = None,
) -> Bill:
    """Price a replay; ``uncovered`` units cost the on-demand price, spot its own."""
    count = usage.quantity.shape[1]
    first, last = usage.first_hour, usage.first_hour + count
    on_demand_by_hour, spot_by_hour, commitment_by_hour = (np.zeros(count) for _ in range(3))
    line_bills = []
    by_law = _units_by_law(holdings, outcome.covered, len(lines.meter))
    sustained = sustained_by_account(catalogue, lines, outcome, first)
    units, on_spot, left = (
        row_sums(array) for array in (lines.quantity, lines.spot, outcome.uncovered)
    )
    for index, name in enumerate(lines.meter):
        meter = catalogue.meters[name]
        quantity = exact(units[index])
        ran_on_spot = exact(on_spot[index])
        uncovered = charged_units = exact(left[index])
        price = spot_price = Decimal(0)
        if uncovered:
            price = meter.need_on_demand("some of its usage is covered by nothing")
            paid = outcome.uncovered[index]
            if meter.sustained_use:
                paid = paid * sustained[name, lines.account[index]]
                charged_units = exact(paid.sum())
            if price_factor is not None:
                paid = paid * price_factor[index]
                charged_units = exact(paid.sum())
            on_demand_by_hour += paid * float(price)
        charged_spot = Decimal(0)
        if on_spot[index]:
            charged = lines.spot[index] - lines.spot_free[index]
            charged_spot = exact(charged.sum())
        if charged_spot:
            spot_price = meter.need_spot()
            spot_by_hour += charged * float(spot_price)
        line_bills.append(
            LineBill(
                meter=name,
                account=lines.account[index],
                zone=lines.zone[index],
                quantity=quantity,
                covered=max(Decimal(0), quantity - ran_on_spot - uncovered),
                spot_quantity=ran_on_spot,
                on_demand_quantity=uncovered,
                on_demand=(charged_units * price).quantize(PLACES),
                spot=(charged_spot * spot_price).quantize(PLACES),
                daily=bool(usage.daily[index]),
                covered_by=by_law[index],
            )
        )
    holding_bills = []
    for index, holding in enumerate(holdings):
        used = exact(outcome.used[index].sum())
        cost = amortised_cost(holding, first, last).quantize(PLACES)
        rates = hourly_costs(holding.offer, holding.start, holding.end, first, last)
        dollars = float(holding.quantity) * rates
        idle = np.maximum(outcome.capacity[index] - outcome.used[index], 0.0) * rates
        holding_bills.append(
            HoldingBill(
                commitment=holding.name,
                law=holding.offer.law,
                provider=provider_of(catalogue, holding),
                used=used,
                unused=max(Decimal(0), exact(outcome.capacity[index].sum()) - used),
                cost=cost,
                unused_cost=unused_part(cost, dollars, idle),
                remaining=amortised_cost(holding, max(last, holding.start), holding.end).quantize(
                    PLACES
                ),
            )
        )
        commitment_by_hour += dollars
    return Bill(
        first_hour=first,
        hours=count,
        lines=tuple(line_bills),
        holdings=tuple(holding_bills),
        coverable=catalogue.coverable,
        catalogue=catalogue,
        on_demand_by_hour=on_demand_by_hour,
        spot_by_hour=spot_by_hour,
        commitment_by_hour=commitment_by_hour,
    )


def unused_part(cost: Decimal, dollars: NDArray[np.float64], idle: NDArray[np.float64]) -> Decimal:
    """Return the part of a holding's cost that nothing used.

    Parameters
    ----------
    cost
        Its amortised cost over N hours, exact.
    dollars, idle
        (N,) what each hour costs, and what of that nothing used.
    """
    used = max(0.0, float((dollars - idle).sum()))
    unused = float(idle.sum())
    if not used:
        return cost
    share = Decimal(repr(unused)) / (Decimal(repr(unused)) + Decimal(repr(used)))
    return (cost * share).quantize(PLACES)


def sustained_by_account(
    catalogue: Catalogue, lines: BillingLines, outcome: Replay, first: int
) -> dict[tuple[str, str], NDArray[np.float64]]:
    """Rates of sustained use by meter and account: a project's zones count together."""
    units: dict[tuple[str, str], NDArray[np.float64]] = {}
    for index, name in enumerate(lines.meter):
        if catalogue.meters[name].sustained_use:
            key = name, lines.account[index]
            units[key] = units.get(key, 0.0) + outcome.uncovered[index]
    return {
        key: sustained_rates(paid, first, catalogue.meters[key[0]].sustained_use)
        for key, paid in units.items()
    }


def _units_by_law(
    holdings: Sequence[Holding], covered: Mapping[Pair, float], count: int
) -> list[tuple[tuple[str, Decimal], ...]]:
    """For each line the units that each law covers, without those that it does not."""
    sums: list[dict[str, float]] = [{} for _ in range(count)]
    for (holding, line), units in sorted(covered.items()):
        if units:
            law = holdings[holding].offer.law
            sums[line][law] = sums[line].get(law, 0.0) + units
    return [tuple((law, exact(units)) for law, units in sorted(row.items())) for row in sums]


def provider_of(catalogue: Catalogue, holding: Holding) -> str:
    """The provider of what a holding covers."""
    meters = catalogue.draws[holding.offer.name]
    return catalogue.meters[min(meters)].provider if meters else ""
