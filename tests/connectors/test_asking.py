# SPDX-License-Identifier: Apache-2.0
"""Pages, retries and numbers, whatever the provider."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from decimal import Decimal

import pytest
import stamina
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from connectors.asking import (
    EndlessPages,
    Page,
    Question,
    Unanswered,
    all_pages,
    ask_all,
    at_most,
    patiently,
)
from connectors.azure.activity import _minutes, days, hours
from connectors.azure.usage import Ran
from connectors.facts import chosen, misread, stated
from connectors.pulled import Outcome, Report
from connectors.values import exact, plain
from optimizer.errors import DataError

# A machine that is busy draws slowly; that says nothing about what is tested.
CALM = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])


@pytest.fixture
def hasty() -> Iterator[None]:
    stamina.set_testing(True, attempts=3, cap=True)
    yield
    stamina.set_testing(False)


@pytest.mark.parametrize("end", [None, ""])
@CALM
@given(pages=st.lists(st.lists(st.integers(0, 9), max_size=4), min_size=1, max_size=6))
def test_every_item_of_every_page_comes_once_and_in_order(pages: list[list[int]], end: str | None):
    def fetch(token: str | None) -> Page[tuple[int, int, int]]:
        at = int(token or 0)
        items = [(at, i, value) for i, value in enumerate(pages[at])]
        return Page(items, str(at + 1) if at + 1 < len(pages) else end)

    expected = [(at, i, v) for at, page in enumerate(pages) for i, v in enumerate(page)]
    assert all_pages(fetch, identity=lambda item: item) == expected


@CALM
@given(st.integers(1, 8), st.integers(0, 7))
def test_a_circle_of_tokens_of_any_length_ends(length: int, entry: int):
    calls = 0

    def fetch(token: str | None) -> Page[int]:
        nonlocal calls
        calls += 1
        at = int(token or 0)
        return Page([at], str(at + 1 if at + 1 < entry + length else entry or 1))

    with pytest.raises(EndlessPages, match="second time"):
        all_pages(fetch)
    assert calls <= entry + length + 2


def test_a_page_that_fails_is_asked_again_and_not_the_pages_before(hasty: None):
    calls: list[str | None] = []

    def fetch(token: str | None) -> Page[int]:
        calls.append(token)
        if token == "b" and calls.count("b") < 3:
            raise Unanswered("busy", status=503)
        return {None: Page([1], "a"), "a": Page([2], "b"), "b": Page([3], None)}[token]

    assert all_pages(fetch) == [1, 2, 3]
    assert calls == [None, "a", "b", "b", "b"]


@pytest.mark.parametrize(("status", "tries"), [(429, 3), (503, 3), (0, 3), (400, 1), (404, 1)])
def test_only_what_may_pass_is_tried_again(hasty: None, status: int, tries: int):
    calls = []

    def fail() -> None:
        calls.append(1)
        raise Unanswered("no", status=status)

    with pytest.raises(Unanswered):
        patiently(fail)
    assert len(calls) == tries


def test_who_asks_for_an_hour_is_not_waited_for():
    calls = []

    def throttled() -> list[int]:
        calls.append(1)
        raise Unanswered("slow down", status=429, wait=3600)

    report = Report()
    ask_all([Question("s", "o", "p", lambda: patiently(throttled))], report)
    assert len(calls) == 1
    assert report.asked[0].detail == "slow down (asks to wait 3600 seconds)"


def test_answers_keep_the_order_of_their_questions_and_failures_cost_only_themselves():
    def fail() -> list[int]:
        raise Unanswered("Authorization: Bearer abcdefgh", status=403)

    def strange() -> list[int]:
        return [{"a": 1}["b"]]

    asked = [
        Question("s", "one", "p", lambda: [1]),
        Question("s", "two", "p", fail, "some.permission"),
        Question("s", "three", "p", strange),
        Question("s", "four", "p", lambda: [4, 5]),
    ]
    said: list[str] = []
    report = Report(progress=said.append)
    assert ask_all(asked, report) == [[1], [], [], [4, 5]]
    assert [a.operation for a in report.asked] == ["one", "two", "three", "four"]
    outcomes = [Outcome.ANSWERED, Outcome.DENIED, Outcome.FAILED, Outcome.ANSWERED]
    assert [a.outcome for a in report.asked] == outcomes
    assert report.asked[1].detail.startswith("permission some.permission is missing")
    assert "abcdefgh" not in str(report.asked)
    assert "not of the documented shape: KeyError" in report.asked[2].detail
    assert len(said) == 4


@CALM
@given(st.decimals(-(10**9), 10**9, places=9))
def test_a_decimal_goes_through_text_unharmed(value: Decimal):
    text = plain(value)
    assert Decimal(text) == value
    assert "E" not in text
    assert exact(text) == value


def test_numbers():
    assert plain(None) == ""
    assert plain(Decimal("-0.0")) == "0"
    assert plain(Decimal("1E+3")) == "1000"
    assert exact(0.1) == Decimal("0.1")
    for wrong in ("", None, "nan", float("inf"), "1,5"):
        with pytest.raises(DataError):
            exact(wrong)
    assert at_most({}) == 8
    for wrong in ("0", "-1", "many"):
        with pytest.raises(DataError):
            at_most({"at_most": wrong})


def ran(quantity: Decimal, resource: str = "/vm") -> Ran:
    return Ran(
        date(2026, 11, 1), "eastus", "Standard_X", False, resource, "a", "s", quantity, Decimal(1),
        "USD", "m",
    )  # fmt: skip


@CALM
@given(
    st.lists(st.decimals("0.01", "11", places=4), min_size=1, max_size=3),
    st.dictionaries(st.integers(0, 23), st.integers(1, 60), min_size=1),
)
def test_a_day_s_hours_add_up_to_what_was_billed(parts: list[Decimal], minutes: dict[int, int]):
    rows = [ran(part) for part in parts]
    start = datetime(2026, 11, 1)  # noqa: DTZ001 (hours are naive UTC here)
    known = {("/vm", start + timedelta(hours=h)): Decimal(m) for h, m in minutes.items()}
    for row in rows:
        found = hours(row, known, days(rows))
        assert abs(sum(found.values()) - row.quantity) < Decimal("0.00000002")
        if sum(parts) != 24:
            assert set(found) == {hour for _, hour in known}


def test_a_whole_day_in_two_rows_needs_no_minutes():
    rows = [ran(Decimal(10)), ran(Decimal(14))]
    found = [hours(row, {}, days(rows)) for row in rows]
    assert [len(one) for one in found] == [24, 24]
    assert abs(sum(found[0].values()) - 10) < Decimal("0.0000001")
    assert hours(ran(Decimal(10), "/other"), {}, days([ran(Decimal(10), "/other")])) == {}


def test_the_availability_metric_in_both_its_forms():
    assert _minutes({"timeStamp": "t", "total": 30.0, "average": 1.0}) == 30
    assert _minutes({"timeStamp": "t", "average": 0.25}) == 15
    assert _minutes({"timeStamp": "t", "total": 0.0, "average": 0.0}) == 0
    assert _minutes({"timeStamp": "t"}) == 0


def test_facts_are_read_from_tags_and_labels():
    tags = {
        "gpuopt-spot-tolerant": "0.3", "gpuopt-lost-hours": "0_25", "GPUOPT-workload": "chat",
        "gpuopt-restart-cost": "forty", "gpuopt-nothing": "1", "team": "x",
    }  # fmt: skip
    assert stated(tags) == {"spot_tolerant": "0.3", "lost_hours": "0.25", "workload": "chat"}
    assert misread(tags) == ["gpuopt-nothing", "gpuopt-restart-cost"]
    assert chosen(tags, ["team", "purpose"]) == {"tag_team": "x", "tag_purpose": ""}
