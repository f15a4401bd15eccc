# SPDX-License-Identifier: Apache-2.0
"""Money: an exact amount with its currency."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal

from optimizer.errors import DataError

_CURRENCY = re.compile("[A-Z]{3}")


def is_currency(text: str) -> bool:
    """Whether a text looks like an ISO 4217 currency: three capital letters."""
    return _CURRENCY.fullmatch(text) is not None


def decimal_string(amount: Decimal) -> str:
    """Return a decimal in plain notation: no exponent, nothing rounded, nothing padded.

    Raises
    ------
    ValueError
        If the amount is not finite.
    """
    if not amount.is_finite():
        raise ValueError(f"{amount} is not an amount")
    text = format(amount, "f")
    return text[1:] if text.startswith("-") and not amount else text


@dataclass(frozen=True)
class Money:
    """An exact amount of one currency.

    Parameters
    ----------
    amount
        The amount, in units of the currency (not in cents).
    currency
        ISO 4217, such as ``USD``.

    Raises
    ------
    DataError
        If the currency is not three capital letters, the amount is not a finite
        ``Decimal``, or two currencies are added or compared.
    """

    amount: Decimal
    currency: str

    def __post_init__(self) -> None:
        if not is_currency(self.currency):
            raise DataError(
                f"'{self.currency}' is not a currency",
                mend="write three capital letters, as in USD",
            )
        amount: object = self.amount  # a caller without type checks may give a float
        if not isinstance(amount, Decimal) or not amount.is_finite():
            raise DataError(f"{amount!r} is not an amount", mend="give a finite Decimal")

    def _other(self, other: Money) -> Decimal:
        if self.currency != other.currency:
            raise DataError(
                f"{self.currency} and {other.currency} cannot be added or compared",
                mend="convert all prices to one currency",
            )
        return other.amount

    def __add__(self, other: Money) -> Money:
        return Money(self.amount + self._other(other), self.currency)

    def __sub__(self, other: Money) -> Money:
        return Money(self.amount - self._other(other), self.currency)

    def __neg__(self) -> Money:
        return Money(-self.amount, self.currency)

    def __mul__(self, factor: Decimal | int) -> Money:
        # A float would make an exact amount inexact without anybody having asked for it.
        if isinstance(factor, bool) or not isinstance(factor, Decimal | int):
            return NotImplemented
        return Money(self.amount * factor, self.currency)

    __rmul__ = __mul__

    def __lt__(self, other: Money) -> bool:
        return self.amount < self._other(other)

    def __le__(self, other: Money) -> bool:
        return self.amount <= self._other(other)

    def __gt__(self, other: Money) -> bool:
        return self.amount > self._other(other)

    def __ge__(self, other: Money) -> bool:
        return self.amount >= self._other(other)

    def __str__(self) -> str:
        return f"{decimal_string(self.amount)} {self.currency}"
