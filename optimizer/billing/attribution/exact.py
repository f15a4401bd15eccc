# SPDX-License-Identifier: Apache-2.0
"""Exact money of many: hand a total out by weights so that the parts add up to it.

An amount is two integers, whole units of the currency and trillionths (10⁻¹², the places of
a bill), so that a million parts stay NumPy arrays and every sum is exact.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import numpy as np
from numpy.typing import NDArray

PICO = 10**12
PLACES = 12

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Amounts:
    """n amounts of money; each is ``whole + pico / 10¹²`` with ``0 ≤ pico < 10¹²``."""

    whole: Ints
    pico: Ints

    @classmethod
    def zeros(cls, count: int) -> Amounts:
        """That many times nothing."""
        return cls(np.zeros(count, np.int64), np.zeros(count, np.int64))

    @classmethod
    def of(cls, picos: Iterable[int]) -> Amounts:
        """From whole numbers of trillionths, of any size."""
        pairs = [divmod(value, PICO) for value in picos]
        return cls(
            np.array([whole for whole, _ in pairs], np.int64),
            np.array([rest for _, rest in pairs], np.int64),
        )

    def __len__(self) -> int:
        return len(self.whole)

    def __add__(self, other: Amounts) -> Amounts:
        return _carried(self.whole + other.whole, self.pico + other.pico)

    def __sub__(self, other: Amounts) -> Amounts:
        return _carried(self.whole - other.whole, self.pico - other.pico)

    def take(self, chosen: NDArray[Any]) -> Amounts:
        """The amounts of an index or a mask."""
        return Amounts(self.whole[chosen], self.pico[chosen])

    def summed(self, group: NDArray[Any], count: int) -> Amounts:
        """Sums by group; shape (count,)."""
        whole, pico = np.zeros(count, np.int64), np.zeros(count, np.int64)
        np.add.at(whole, group, self.whole)
        # 9 million amounts below 10¹² fit into an int64; more are carried on the way.
        for begin in range(0, len(self), _CHUNK):
            part = slice(begin, begin + _CHUNK)
            np.add.at(pico, group[part], self.pico[part])
            whole += pico // PICO
            pico %= PICO
        return Amounts(whole, pico)

    def picos(self) -> list[int]:
        """As whole numbers of trillionths."""
        return [
            whole * PICO + rest
            for whole, rest in zip(self.whole.tolist(), self.pico.tolist(), strict=True)
        ]

    def decimals(self) -> list[Decimal]:
        """As decimals of twelve places."""
        return [decimal_of(value) for value in self.picos()]

    def floats(self) -> Floats:
        """Rounded, as weights and for sorting."""
        return self.whole + self.pico / PICO

    def total(self) -> int:
        """The sum in trillionths."""
        return int(sum(self.whole.tolist())) * PICO + int(sum(self.pico.tolist()))


_CHUNK = 1 << 22


def pico_of(amount: Decimal) -> int:
    """A decimal of at most twelve places in trillionths."""
    return int(amount.scaleb(PLACES))


def decimal_of(picos: int) -> Decimal:
    """Trillionths as a decimal of twelve places; exact for any size."""
    sign, digits, _ = Decimal(picos).as_tuple()
    return Decimal((sign, digits, -PLACES))


def split(totals: Sequence[int], group: NDArray[Any], weight: Floats) -> Amounts:
    """Hand out the total of each group to its members in proportion to their weights.

    Shares are rounded down to a trillionth; what is left goes, a trillionth each, to those
    that lost most by it (largest remainder).  Where floats are coarser than that (amounts
    above some thousand), the rest goes to the largest member.

    Parameters
    ----------
    totals
        Of each group, in trillionths, at or above zero.
    group, weight
        Of each of n members; weights are at or above zero.  Members of a group without any
        weight share alike.

    Returns
    -------
    n amounts, none below zero, that add up to the totals.

    Raises
    ------
    ValueError
        If a group has a total and no member.
    """
    count = len(totals)
    index = group.astype(np.int64)
    sums = np.bincount(index, weights=weight, minlength=count)
    idle = sums <= 0
    if idle.any():
        weight = np.where(idle[index], 1.0, weight)
        sums = np.where(idle, np.bincount(index, minlength=count), sums)
    for place, total in enumerate(totals):
        if total and not sums[place]:
            raise ValueError(f"group {place} has {decimal_of(total)} to hand out and no member")
    # The larger factor first would overflow for weights that are nearly nothing.
    share = np.divide(weight, sums[index], out=np.zeros(len(index)), where=sums[index] > 0)
    amount = share * np.array([total / PICO for total in totals], np.float64)[index]
    whole = np.floor(amount)
    rest = (amount - whole) * PICO
    pico = np.floor(rest)
    rest -= pico
    given = _carried(whole.astype(np.int64), pico.astype(np.int64))
    handed = given.summed(index, count).picos()
    short = [total - part for total, part in zip(totals, handed, strict=True)]
    return _settled(given, index, amount, rest, short) if any(short) else given


def _settled(
    given: Amounts, index: Ints, amount: Floats, rest: Floats, short: list[int]
) -> Amounts:
    """Hand out what rounding left over, or took too much of."""
    count = len(short)
    pico = given.pico.copy()
    whole = given.whole.copy()
    takers = np.flatnonzero(amount > 0)
    takers = takers if len(takers) else np.arange(len(index))
    members = np.bincount(index[takers], minlength=count)
    few = [0 < left <= int(n) for left, n in zip(short, members, strict=True)]
    single = np.array([left if ok else 0 for left, ok in zip(short, few, strict=True)], np.int64)
    order = takers[np.lexsort((-rest[takers], index[takers]))]
    placed = index[order]
    place = np.arange(len(order)) - np.searchsorted(placed, placed)
    pico[order] += place < single[placed]
    coarse = [i for i, left in enumerate(short) if left and not few[i]]
    if coarse:
        # Members by amount within their group: the last one of each is the largest.
        order = np.lexsort((amount, index))
        last = np.searchsorted(index[order], np.arange(count), side="right") - 1
        for at in coarse:
            member = order[last[at]]
            more, left = divmod(int(pico[member]) + short[at], PICO)
            whole[member] += more
            pico[member] = left
    return _carried(whole, pico)


def _carried(whole: Ints, pico: Ints) -> Amounts:
    return Amounts(whole + pico // PICO, pico % PICO)
