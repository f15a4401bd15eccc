# SPDX-License-Identifier: Apache-2.0
"""FOCUS rows as numbers, and their exact arithmetic in whole billionths.

Money and quantities are integers of 10⁻⁹, so that every sum is exact.  What a line or a
commitment costs is handed out to its rows by largest remainders: the rows add up to the
bill, and no row is a billionth away from its share.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields
from decimal import Decimal
from enum import IntEnum
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from optimizer.billing.bill import Bill
from optimizer.errors import DataError

NANO = 10**9
NONE = -1  # no line, no holding, no quantity
_PICO_IN_NANO = 1000  # a bill is exact to twelve places
LIMIT = 9.2e18

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


class Kind(IntEnum):
    """What a row is about, in the order in which rows stand within an hour."""

    ON_DEMAND = 0
    SPOT = 1
    USED = 2
    UNUSED = 3
    UPFRONT = 4
    HOURLY = 5
    MONTHLY = 6


@dataclass(frozen=True)
class Facts:
    """One entry per row; amounts in billionths, ``NONE`` where there is no value.

    Attributes
    ----------
    kind, line, holding
        What the row is about, by index.
    start, end
        The charge period, in hours.
    quantity, consumed, committed
        PricingQuantity, ConsumedQuantity, CommitmentDiscountQuantity.
    billed, effective, listed, contracted
        The four costs.
    """

    kind: Ints
    line: Ints
    holding: Ints
    start: Ints
    end: Ints
    quantity: Ints
    consumed: Ints
    committed: Ints
    billed: Ints
    effective: Ints
    listed: Ints
    contracted: Ints

    @classmethod
    def of(cls, rows: int, **columns: Any) -> Facts:
        """Make facts of that many rows; scalars are repeated, costs left out are 0."""
        given = {"line": NONE, "holding": NONE, "consumed": NONE, "committed": NONE}
        given |= dict.fromkeys(("billed", "effective", "listed", "contracted"), 0) | columns
        return cls(
            **{
                field.name: np.broadcast_to(np.asarray(given[field.name], np.int64), (rows,))
                for field in fields(cls)
            }
        )

    @classmethod
    def join(cls, parts: Sequence[Facts]) -> Facts:
        """Put facts together, ordered by hour, kind, holding and line."""
        columns = {
            field.name: np.concatenate([getattr(part, field.name) for part in parts])
            for field in fields(cls)
        }
        keys = ("end", "line", "holding", "kind", "start")  # the last one counts most
        order = np.lexsort([columns[name] for name in keys])
        return cls(**{name: column[order] for name, column in columns.items()})


def share_out(totals: Sequence[int], group: Ints, weight: NDArray[Any]) -> Ints:
    """Hand out the total of each group to its members, by weight and largest remainder.

    Parameters
    ----------
    totals
        Of each group.
    group, weight
        Of each member; weights are integers of any size.  Members of a group without
        any weight share alike.

    Returns
    -------
    Integers that add up to the totals; each is its exact share, rounded down or up.
    """
    count = len(totals)
    weight = weight.astype(object)
    sums = np.zeros(count, dtype=object)
    np.add.at(sums, group, weight)
    idle = np.array([value == 0 for value in sums], dtype=np.bool_)
    if idle.any():
        weight = np.where(idle[group], 1, weight)
        sums[idle] = np.bincount(group, minlength=count)[idle].tolist()
        sums[np.array([value == 0 for value in sums], dtype=np.bool_)] = 1
    exact = np.array(totals, dtype=object)[group] * weight
    whole, rest = exact // sums[group], exact % sums[group]
    short = np.array(totals, dtype=object)
    np.subtract.at(short, group, whole)
    order = np.lexsort((-(rest / sums[group]).astype(np.float64), group))
    placed = group[order]
    place = np.arange(len(group)) - np.searchsorted(placed, placed)
    given: Ints = whole.astype(np.int64)
    given[order] += place < short[placed]
    return given


def integers(values: Sequence[Fraction]) -> NDArray[Any]:
    """Integers in the ratio of the fractions."""
    common = math.lcm(*(value.denominator for value in values)) if values else 1
    weights = np.empty(len(values), dtype=object)
    weights[:] = [int(value * common) for value in values]
    return weights


def targets(bill: Bill) -> tuple[list[int], list[int], list[int]]:
    """On-demand and spot of each line and cost of each holding, in billionths.

    They add up to the rounded total; usage as a whole, and each holding, is rounded once.
    """
    usage = [_pico(line.on_demand) for line in bill.lines]
    usage += [_pico(line.spot) for line in bill.lines]
    costs = [_pico(holding.cost) for holding in bill.holdings]
    total = round(Fraction(sum(usage) + sum(costs), _PICO_IN_NANO))
    first = _round([sum(usage), *costs], total)
    rounded = _round(usage, first[0])
    count = len(bill.lines)
    return rounded[:count], rounded[count:], first[1:]


def _pico(amount: Decimal) -> int:
    return int(amount.scaleb(12))


def _round(parts: Sequence[int], total: int) -> list[int]:
    """Round trillionths to billionths that add up to the total, by largest remainder."""
    whole = [part // _PICO_IN_NANO for part in parts]
    order = sorted(range(len(parts)), key=lambda i: (-(parts[i] % _PICO_IN_NANO), i))
    for index in order[: total - sum(whole)]:
        whole[index] += 1
    return whole


def nanos(values: Floats) -> Ints:
    """Quantities in billionths; what is above zero stays above zero."""
    scaled = np.rint(values * NANO)
    if len(scaled) and scaled.max() > LIMIT:
        raise too_large(f"a quantity of {values.max():g} in one hour")
    return np.maximum(scaled, values > 0).astype(np.int64)


def nano(value: Fraction) -> int:
    """An amount in billionths."""
    rounded = round(value * NANO)
    if rounded > LIMIT:
        raise too_large(f"an amount of {float(value):g}")
    return rounded


def too_large(what: str) -> DataError:
    """The refusal of an amount that no row can hold."""
    return DataError(
        f"{what} does not fit into a FOCUS row of nine decimal places",
        mend="use a larger unit for this meter, such as 1M Tokens, or a larger currency unit",
        file="usage.csv",
    )
