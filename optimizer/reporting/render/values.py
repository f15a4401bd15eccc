# SPDX-License-Identifier: Apache-2.0
"""A value as people read it, by the kind of its column."""

from __future__ import annotations

import math
from datetime import UTC, date, datetime
from decimal import ROUND_HALF_EVEN, Decimal

from optimizer.reporting.document import Column, Figure, Kind, Value

NOTHING = "–"
MINUS = "\u2212"

# Symbols that stand for one currency alone; others are written by their ISO 4217 code.
_SYMBOLS = {"USD": "$", "EUR": "€", "GBP": "£", "INR": "₹", "KRW": "₩", "JPY": "JP¥"}
_WHOLE = frozenset({"JPY", "KRW", "VND", "CLP"})  # no minor unit (ISO 4217)
_FROM_WHOLE = 1000  # from here on cents say nothing
_DIGITS = 4

RIGHT = frozenset(
    {Kind.money, Kind.change, Kind.quantity, Kind.whole, Kind.share, Kind.points, Kind.rate}
)
_DIFFERENCE = {Kind.money: Kind.change, Kind.rate: Kind.rate, Kind.share: Kind.points}


def shown(value: Value, kind: Kind, currency: str) -> str:
    """Return a value as text: money with its currency, shares in percent, days in ISO 8601."""
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return NOTHING
    match kind:
        case Kind.money:
            return money(value, currency)
        case Kind.change:
            return money(value, currency, signed=True)
        case Kind.rate:
            return money(value, currency, places=_places(value, least=2))
        case Kind.share:
            return _number(_decimal(value) * 100, 1) + "%"
        case Kind.points:
            return _number(_decimal(value) * 100, 1, signed=True) + " pp"
        case Kind.quantity:
            return _number(_decimal(value), _places(value, least=0))
        case Kind.whole:
            return _number(_decimal(value), 0)
        case Kind.day:
            return value.isoformat()[:10] if isinstance(value, date) else str(value)[:10]
        case Kind.moment:
            return _moment(value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    return _text(value)


def money(value: Value, currency: str, *, signed: bool = False, places: int | None = None) -> str:
    """Return money as text: to the cent below 1,000, in whole units from there on."""
    amount = _decimal(value)
    if places is None:
        places = 0 if not amount or abs(amount) >= _FROM_WHOLE or currency in _WHOLE else 2
    digits = _number(abs(amount), places)
    zero = not any(digit in "123456789" for digit in digits)
    sign = "" if zero else MINUS if amount < 0 else "+" if signed else ""
    symbol = _SYMBOLS.get(currency)
    return f"{sign}{symbol}{digits}" if symbol else f"{sign}{currency}\u00a0{digits}"


def unit_beside(column: Column) -> str:
    """Return the unit that stands beside a column's title; none where the title names it."""
    return "" if column.unit.lower() in column.title.lower() else column.unit


def headed(column: Column) -> str:
    """Return a column's title with its unit."""
    unit = unit_beside(column)
    return f"{column.title} ({unit})" if unit else column.title


def change_of(figure: Figure) -> Decimal | None:
    """Return what a figure is above the one before; ``None`` where either is unknown."""
    numbers = [figure.value, figure.before]
    if figure.kind not in RIGHT or any(value is None for value in numbers):
        return None
    now, was = (_decimal(value) for value in numbers)
    return now - was


def change_shown(figure: Figure, currency: str) -> str:
    """Return that change as text, in points where the figure is a share."""
    change = change_of(figure)
    if change is None:
        return ""
    kind = _DIFFERENCE.get(figure.kind, figure.kind)
    text = shown(change, kind, currency)
    if change > 0 and not text.startswith(("+", MINUS)):
        text = f"+{text}"
    return text


def judged(figure: Figure) -> str:
    """Return ``better``, ``worse``, ``changed`` or ``same``: what the change means."""
    change = change_of(figure)
    if not change or not any(digit in "123456789" for digit in change_shown(figure, "USD")):
        return "same"  # what rounds to nothing is no news
    if figure.better == "neither":
        return "changed"
    return "better" if (change > 0) == (figure.better == "up") else "worse"


def _decimal(value: Value) -> Decimal:
    return value if isinstance(value, Decimal) else Decimal(str(value))


def _number(amount: Decimal, places: int, *, signed: bool = False) -> str:
    rounded = amount.quantize(Decimal(1).scaleb(-places), ROUND_HALF_EVEN)
    text = f"{abs(rounded):,.{places}f}"
    if not rounded:
        return text
    return f"{MINUS if rounded < 0 else '+' if signed else ''}{text}"


def _places(value: Value, least: int) -> int:
    """Places that show four digits of a number, and no zeros behind the last that counts."""
    amount = abs(_decimal(value))
    if not amount:
        return least
    places = max(0, _DIGITS - 1 - amount.adjusted())
    exact = amount.quantize(Decimal(1).scaleb(-places)).normalize()
    return max(least, min(places, -int(exact.as_tuple().exponent)))


def _moment(value: Value) -> str:
    if isinstance(value, datetime):
        aware = value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
        return f"{aware:%Y-%m-%d %H:%M} UTC"
    text = str(value)
    return f"{text[:10]} {text[11:16]} UTC" if text[10:11] == "T" else text


def _text(value: Value) -> str:
    """Text in one line, without characters that a reader cannot see."""
    return "".join(c if c.isprintable() else " " for c in str(value))
