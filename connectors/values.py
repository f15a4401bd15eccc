# SPDX-License-Identifier: Apache-2.0
"""Providers' numbers as exact decimals, and settings that are lists."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from optimizer.errors import DataError


def exact(value: Any) -> Decimal:
    """Return a provider's number as a decimal, through its text and never through a float sum.

    Raises
    ------
    DataError
        If it is no finite number.
    """
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        number = Decimal("nan")
    if not number.is_finite():
        raise DataError(
            f"the provider sent {value!r} where a number belongs", mend="pull again", file="pull"
        )
    return number


def plain(value: Decimal | None, places: int = 12) -> str:
    """Return a decimal without exponent or trailing zeros; empty if there is none."""
    if value is None:
        return ""
    text = format(round(value, places), "f")
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if text in ("-0", "") else text


def plain_or_none(value: Decimal | None) -> str | None:
    """Return a decimal as :func:`plain` does; none where a table's cell is to stay empty."""
    return None if value is None else plain(value)


def listed(settings: Mapping[str, str], name: str) -> tuple[str, ...]:
    """Return a setting that is a list: values between semicolons."""
    return tuple(part.strip() for part in settings.get(name, "").split(";") if part.strip())
