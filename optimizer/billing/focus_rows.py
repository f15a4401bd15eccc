# SPDX-License-Identifier: Apache-2.0
"""The rows of a FOCUS export as numbers: usage, commitments hour by hour, payments."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from optimizer.billing.bill import Bill
from optimizer.billing.catalogue import Holding, Offer, read_holdings
from optimizer.billing.cost import payment_months
from optimizer.billing.focus_facts import (
    LIMIT,
    NANO,
    Facts,
    Floats,
    Ints,
    Kind,
    integers,
    nano,
    nanos,
    share_out,
    targets,
    too_large,
)
from optimizer.billing.lines import BillingLines, SharingModes, billing_lines
from optimizer.billing.replay import DUST, capacity_of, orders_of, replay
from optimizer.billing.sustained import sustained_rates
from optimizer.tables import Case

# Kind, price per unit, units priced, eligible quantity of the commitment.
_Payment = tuple["Kind", Fraction, Fraction, Fraction]


@dataclass(frozen=True)
class _World:
    """What the rows are made from, and what each line and holding is to add up to."""

    bill: Bill
    lines: BillingLines
    holdings: Sequence[Holding]
    on_demand: list[int]
    spot: list[int]
    cost: list[int]


def focus_facts(case: Case, bill: Bill) -> Facts:
    """The rows of a bill; ``bill`` is that of the same case.

    Raises
    ------
    DataError
        If an amount of one row is too large for nine decimal places.
    """
    holdings = read_holdings(case, bill.catalogue)
    lines = billing_lines(case.usage_lines(), bill.catalogue)
    world = _World(bill, lines, holdings, *targets(bill))
    hours = bill.first_hour + np.arange(bill.hours)
    sharing = SharingModes.of(case.settings, hours)
    orders = orders_of(bill.catalogue, lines, holdings, sharing)
    draws = {(pair.holding, pair.line): pair.draw for pairs in orders for pair in pairs}
    met: list[tuple[int, int, Ints, Floats]] = []

    def trace(holding: int, line: int, units: Floats) -> None:
        index = np.flatnonzero(units)
        met.append((holding, line, index, units[index]))

    capacity = capacity_of(holdings, hours)
    outcome = replay(bill.catalogue, lines, holdings, capacity, sharing, orders=orders, trace=trace)
    parts = [_on_demand(world, outcome.uncovered), _spot(world)]
    parts += _commitments(world, capacity, met, draws)
    parts += [
        part for index, holding in enumerate(holdings) for part in _purchases(world, index, holding)
    ]
    return Facts.join(parts)


def _priced(lines: Ints, quantity: Ints, prices: Sequence[Decimal | None], other: Ints) -> Ints:
    """Price × quantity, half a billionth up; where there is no price, the other cost."""
    known = np.array([price is not None for price in prices], dtype=np.bool_)[lines]
    ratio = [(price or Decimal(0)).as_integer_ratio() for price in prices]
    above = np.array([pair[0] for pair in ratio], dtype=object)[lines[known]]
    below = np.array([pair[1] for pair in ratio], dtype=object)[lines[known]]
    cost = (2 * quantity[known].astype(object) * above + below) // (2 * below)
    if len(cost) and max(cost) > LIMIT:
        raise too_large(f"a cost of {max(cost) / NANO:g} in one hour")
    result = np.array(np.broadcast_to(other, lines.shape), dtype=np.int64)
    result[known] = cost.astype(np.int64)
    return result


def _prices(world: _World, name: str) -> list[Decimal | None]:
    meters = world.bill.catalogue.meters
    return [getattr(meters[meter], name) for meter in world.lines.meter]


def _on_demand(world: _World, uncovered: Floats) -> Facts:
    """Usage that nothing covers and that does not run on spot."""
    prices = _prices(world, "on_demand")
    paid = uncovered.copy()
    discounted = np.zeros(len(prices), dtype=np.bool_)
    for index, meter in enumerate(world.lines.meter):
        maximum = world.bill.catalogue.meters[meter].sustained_use
        if maximum:
            discounted[index] = True
            paid[index] *= sustained_rates(uncovered[index], world.bill.first_hour, maximum)
    # Without a price it is below a trillionth over all hours: more had been refused.
    known = np.array([price is not None for price in prices], dtype=np.bool_)
    line, hour = np.nonzero((uncovered > 0) & known[:, None])
    quantity = nanos(uncovered[line, hour])
    cost = share_out(world.on_demand, line, nanos(paid[line, hour]))
    contracted = np.where(discounted[line], _priced(line, quantity, prices, cost), cost)
    return Facts.of(
        len(line),
        kind=Kind.ON_DEMAND,
        line=line,
        start=world.bill.first_hour + hour,
        end=world.bill.first_hour + hour + 1,
        quantity=quantity,
        consumed=quantity,
        billed=cost,
        effective=cost,
        listed=_priced(line, quantity, _prices(world, "list_price"), cost),
        contracted=contracted,
    )


def _spot(world: _World) -> Facts:
    """Usage on spot; what the provider took back in its first hour is consumed, not priced."""
    line, hour = np.nonzero(world.lines.spot > 0)
    charged = np.maximum(world.lines.spot - world.lines.spot_free, 0.0)[line, hour]
    quantity = nanos(charged)
    cost = share_out(world.spot, line, quantity)
    return Facts.of(
        len(line),
        kind=Kind.SPOT,
        line=line,
        start=world.bill.first_hour + hour,
        end=world.bill.first_hour + hour + 1,
        quantity=quantity,
        consumed=nanos(world.lines.spot[line, hour]),
        billed=cost,
        effective=cost,
        listed=_priced(line, quantity, _prices(world, "list_price"), cost),
        contracted=cost,
    )


def _commitments(
    world: _World,
    capacity: Floats,
    met: Sequence[tuple[int, int, Ints, Floats]],
    draws: dict[tuple[int, int], float],
) -> Iterator[Facts]:
    """Yield what each holding covered, and what of it nobody used."""
    for index, holding in enumerate(world.holdings):
        hours = np.flatnonzero(capacity[index])
        if not len(hours):
            continue
        have = nanos(capacity[index, hours])
        cost = share_out(
            [world.cost[index]],
            np.zeros(len(hours), dtype=np.int64),
            _hour_weights(holding, world.bill.first_hour + hours),
        )
        mine = [(line, at, units) for who, line, at, units in met if who == index and len(at)]
        line = _joined([np.full(len(at), line) for line, at, _ in mine])
        at = _joined([at for _, at, _ in mine])
        units = np.concatenate([np.zeros(0), *(units for _, _, units in mine)])
        spent = units * np.concatenate(
            [np.zeros(0), *(np.full(len(a), draws[index, row]) for row, a, _ in mine)]
        )
        real = (units > DUST * world.lines.quantity[line, at]) | (
            spent > DUST * capacity[index, at]
        )
        line, at, units, spent = line[real], at[real], units[real], spent[real]
        slot = np.searchsorted(hours, at)
        drawn = nanos(spent)
        rest = have.copy()
        np.subtract.at(rest, slot, drawn)
        busy = rest < have
        rest[busy & (rest <= np.maximum(1, have // 10**10))] = 0  # rounding, not idleness
        idle = np.flatnonzero(rest > 0)
        group = np.concatenate([slot, idle])
        committed = share_out(have.tolist(), group, np.concatenate([drawn, rest[idle]]))
        effective = share_out(cost.tolist(), group, committed)
        count = len(slot)
        quantity = nanos(units)
        zero = np.zeros(count, dtype=np.int64)
        yield Facts.of(
            count,
            kind=Kind.USED,
            line=line,
            holding=index,
            start=world.bill.first_hour + at,
            end=world.bill.first_hour + at + 1,
            quantity=quantity,
            consumed=quantity,
            committed=committed[:count],
            effective=effective[:count],
            listed=_priced(line, quantity, _prices(world, "list_price"), zero),
            contracted=_priced(line, quantity, _prices(world, "on_demand"), zero),
        )
        yield Facts.of(
            len(idle),
            kind=Kind.UNUSED,
            holding=index,
            start=world.bill.first_hour + hours[idle],
            end=world.bill.first_hour + hours[idle] + 1,
            quantity=committed[count:],
            committed=committed[count:],
            effective=effective[count:],
        )


def _joined(parts: Sequence[NDArray[Any]]) -> Ints:
    return np.concatenate([np.zeros(0, dtype=np.int64), *parts]).astype(np.int64)


def _hour_weights(holding: Holding, hours: Ints) -> NDArray[Any]:
    """What the holding costs in each of these hours, as integers in proportion."""
    offer = holding.offer
    fixed = Fraction(offer.upfront) / offer.term_hours + _each_hour(offer)
    if not offer.monthly:
        return np.ones(len(hours), dtype=object)  # every hour alike
    months = [
        (start, end) for start, end in payment_months(holding.start, holding.end) if end > hours[0]
    ]
    starts = np.array([start for start, _ in months])
    rates = [fixed + Fraction(offer.monthly) / (end - start) for start, end in months]
    of_month = integers(rates)
    return of_month[np.searchsorted(starts, hours, side="right") - 1]


def _purchases(world: _World, index: int, holding: Holding) -> Iterator[Facts]:
    """Yield the payments that fall into the window: upfront, hourly, monthly.

    If the whole term lies in the window, the payments add up to its amortised cost to the
    billionth.
    """
    first, last = world.bill.first_hour, world.bill.first_hour + world.bill.hours
    offer, amount, zero = holding.offer, Fraction(holding.quantity), Fraction(0)
    upfront_share, hourly_share, monthly_share = _money_shares(offer, holding.start)
    payments: list[_Payment] = []
    rows: list[tuple[int, int, int]] = []  # payment, start, end
    if offer.upfront and first <= holding.start < last:
        eligible = amount * offer.term_hours * upfront_share
        rows.append((len(payments), holding.start, holding.end))
        payments.append((Kind.UPFRONT, Fraction(offer.upfront), amount, eligible))
    if _each_hour(offer):
        hours = range(max(first, holding.start), min(last, holding.end))
        rows += [(len(payments), hour, hour + 1) for hour in hours]
        payments.append((Kind.HOURLY, _each_hour(offer), amount, amount * hourly_share))
    for start, end in payment_months(holding.start, holding.end) if offer.monthly else ():
        if first <= start < last:
            eligible = amount * (end - start) * monthly_share
            rows.append((len(payments), start, end))
            payments.append((Kind.MONTHLY, Fraction(offer.monthly), amount, eligible))
    if not rows or not amount:
        return
    which, starts, ends = (np.array(column, dtype=np.int64) for column in zip(*rows, strict=True))
    times = np.bincount(which, minlength=len(payments)).tolist()
    paid = sum((n * amount * payment[1] for n, payment in zip(times, payments, strict=True)), zero)
    whole = (
        first <= holding.start
        and holding.end <= last
        and (not offer.upfront or holding.end - holding.start == offer.term_hours)
    )
    billed = share_out(
        [world.cost[index] if whole else nano(paid)],
        np.zeros(len(rows), dtype=np.int64),
        integers([payment[1] for payment in payments])[which],
    )
    yield Facts.of(
        len(rows),
        kind=np.array([payment[0] for payment in payments])[which],
        holding=index,
        start=starts,
        end=ends,
        quantity=np.array([nano(payment[2]) for payment in payments])[which],
        committed=np.array([nano(payment[3]) for payment in payments])[which],
        billed=billed,
        listed=billed,
        contracted=billed,
    )


def _each_hour(offer: Offer) -> Fraction:
    """What is paid in every hour: an insurance's premium is invoiced with the hourly price."""
    return Fraction(offer.hourly) + Fraction(offer.premium)


def _money_shares(offer: Offer, start: int) -> tuple[Fraction, Fraction, Fraction]:
    """Shares of a term's money that are paid upfront, hourly and monthly."""
    months = sum(1 for _ in payment_months(start, start + offer.term_hours))
    parts = (
        Fraction(offer.upfront),
        _each_hour(offer) * offer.term_hours,
        Fraction(offer.monthly) * months,
    )
    total = sum(parts, Fraction(0)) or Fraction(1)
    return parts[0] / total, parts[1] / total, parts[2] / total
