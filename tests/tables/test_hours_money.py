# SPDX-License-Identifier: Apache-2.0
"""Hours and money are exact, and refuse what is not."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optimizer.errors import DataError
from optimizer.tables import Money, decimal_string, format_hour, month_hours, month_of, parse_hour
from optimizer.tables.hours import hour_of


def test_an_hour() -> None:
    assert parse_hour("1970-01-01T00:00:00Z") == 0
    assert parse_hour("2026-11-21T05:00:00Z") == 498677
    assert format_hour(498677) == "2026-11-21T05:00:00Z"


@given(st.integers(min_value=-10_000_000, max_value=20_000_000))
def test_hours_return(hour: int) -> None:
    assert parse_hour(format_hour(hour)) == hour


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("2026-11-21T05:30:00Z", "not on the hour"),
        ("2026-11-21T05:00:01Z", "not on the hour"),
        ("2026-11-21T05:00:00+01:00", "has an offset"),
        ("2026-11-21T05:00:00-0500", "has an offset"),
        ("2026-11-21T05:00:00", "is not an hour"),
        ("2026-11-21 05:00:00", "is not an hour"),
        ("2026-11-21", "is not an hour"),
        ("2026-02-30T05:00:00Z", "is not an hour"),
        ("2026-11-21T24:00:00Z", "is not an hour"),
        ("", "is not an hour"),
    ],
)
def test_what_is_no_hour(text: str, problem: str) -> None:
    with pytest.raises(DataError, match=problem) as caught:
        parse_hour(text)
    assert "UTC" in caught.value.mend


def test_months() -> None:
    start, end = month_hours(2024, 2)
    assert end - start == 29 * 24
    assert month_of(start) == month_of(end - 1) == (2024, 2)
    assert month_of(end) == (2024, 3)
    assert month_hours(2025, 12)[1] == month_hours(2026, 1)[0]


def test_moments() -> None:
    assert hour_of(datetime(1970, 1, 2)) == hour_of(datetime(1970, 1, 2, tzinfo=UTC)) == 24  # noqa: DTZ001
    with pytest.raises(DataError):
        hour_of(datetime(1970, 1, 2, 0, 30, tzinfo=UTC))


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        ("1E+3", "1000"),
        ("1E-10", "0.0000000001"),
        ("1.50", "1.50"),
        ("-0.00", "0.00"),
        ("0.1234567890123456789", "0.1234567890123456789"),
    ],
)
def test_decimal_strings_are_plain_and_unrounded(amount: str, text: str) -> None:
    assert decimal_string(Decimal(amount)) == text


def test_money() -> None:
    a, b = Money(Decimal("0.10"), "USD"), Money(Decimal("0.2"), "USD")
    assert a + b == Money(Decimal("0.3"), "USD")
    assert b - a == a
    assert a < b
    assert b > a
    assert a <= Money(Decimal("0.1"), "USD") <= b
    assert b >= Money(Decimal("0.20"), "USD") >= a
    assert 3 * a == a * Decimal(3) == Money(Decimal("0.3"), "USD")
    assert str(-a) == "-0.10 USD"


def test_currencies_do_not_mix() -> None:
    a, b = Money(Decimal(1), "USD"), Money(Decimal(1), "EUR")
    assert a != b
    for operation in ("__add__", "__sub__", "__lt__", "__le__", "__gt__", "__ge__"):
        with pytest.raises(DataError, match="USD and EUR"):
            getattr(a, operation)(b)


def test_money_refuses_floats_and_what_is_no_amount() -> None:
    with pytest.raises(TypeError):
        Money(Decimal(1), "USD") * 0.5  # type: ignore[operator]
    for amount, currency in ((0.5, "USD"), (Decimal("NaN"), "USD"), (Decimal(1), "usd")):
        with pytest.raises(DataError):
            Money(amount, currency)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="not an amount"):
        decimal_string(Decimal("Infinity"))
