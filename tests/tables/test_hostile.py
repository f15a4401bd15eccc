# SPDX-License-Identifier: Apache-2.0
"""What a hostile case may say, and what it is told."""

from __future__ import annotations

import pytest

from optimizer.errors import DataError
from optimizer.tables import parse_settings, read_case

OFFERS = "offer,law,measure,term_hours,hourly\no1,aws.savings.compute,money,{},1\n"
TOML = 'currency = "USD"\nas_of = "2026-11-21T00:00:00Z"\n'


@pytest.mark.parametrize(
    ("term", "words"), [("1000000000", "longer than 30 years"), ("4.5", "a whole number such as")]
)
def test_terms(make, term, words):
    with pytest.raises(DataError, match=words) as caught:
        read_case(make(offers__csv=OFFERS.format(term), covers__csv="offer,meter,draw\no1,m1,1\n"))
    assert (caught.value.row, caught.value.column) == (1, "term_hours")


def test_settings_with_a_bom():
    assert parse_settings("\ufeff" + TOML).currency == "USD"


@pytest.mark.parametrize(
    ("line", "words"),
    [('largest_purchase = "1e308"', "without sign or exponent"), ("upfront_cash = -1", "least 0")],
)
def test_mends_of_money(line, words):
    with pytest.raises(DataError, match=words):
        parse_settings(f"{TOML}[limits]\n{line}\n")


@pytest.mark.parametrize(("mark", "word"), [(";", "semicolons"), ("\t", "tabs")])
def test_another_separator_is_named(make, mark, word):
    text = "offer,meter,draw\no1,m1,1.75\n".replace(",", mark)
    with pytest.raises(DataError, match=f"separated by {word}") as caught:
        read_case(make(covers__csv=text))
    assert caught.value.file == "covers.csv"
