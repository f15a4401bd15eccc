# SPDX-License-Identifier: Apache-2.0
"""Renderers: names that are code stay text, values keep their digits, charts their ids."""

from __future__ import annotations

import csv
import io
import json
import re
from datetime import UTC, date, datetime
from decimal import Decimal
from html.parser import HTMLParser

import pytest

from optimizer.reporting import render
from optimizer.reporting.document import (
    Better,
    Chart,
    Column,
    Document,
    Figure,
    Figures,
    Kind,
    Prose,
    Row,
    Section,
    Table,
)
from optimizer.reporting.render.markdown import escaped
from optimizer.reporting.render.values import shown
from optimizer.reporting.render.views import Look, isolated

HOSTILE = [
    "<script>alert(1)</script>",
    "a|b\nc",
    '=HYPERLINK("http://x")',
    "+1+cmd|' /C calc'!A0",
    "@everyone",
    "[x](javascript:alert(1))",
    "`code` *bold* _it_ ~~no~~",
    "$x^2$ and &amp; \\",
    "# heading",
    "1. list",
    "🎉 :tada: ünïcode \u202e\u0000",
    "</td></table><img src=x onerror=alert(1)>",
    "{{ 7 * 7 }}",
]
COLUMNS = (
    Column("name", "Name <b>"),
    Column("cost", "Cost", Kind.money, formula="<i>a</i> | b"),
    Column("share", "Share", Kind.share, heat=True),
    Column("day", "Day", Kind.day),
)


def table(names: list[str] = HOSTILE, name: str = "names") -> Table:
    rows = tuple(
        Row((text, Decimal("1234.567890123456"), 0.4321, date(2026, 3, 9)), key=text, source=text)
        for text in names
    )
    return Table(name, "Names & <others>", COLUMNS, rows, note=HOSTILE[0], rest="more")


def document(*blocks: Figures | Table | Prose | Chart, currency: str = "USD") -> Document:
    section = Section("one", "One <h2>", blocks)
    return Document("weekly", "Report <x>", currency, "Head *line*", (section,), {"As of": "x|y"})


class Text(HTMLParser):
    """The text of a page, and the tags and links in it."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.text: list[str] = []
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def test_names_are_text_in_html() -> None:
    page = render.html_page(document(table(), Prose(HOSTILE[0], "warning")))
    found = Text(page)
    assert not {"script", "img", "b", "i"} & set(found.tags)
    assert not [name for name, _ in found.attributes if name.startswith("on")]
    whole = "".join(found.text)
    for text in HOSTILE:
        assert "".join(c if c.isprintable() else " " for c in text) in whole


def test_a_page_asks_for_nothing() -> None:
    """No address but anchors of the page itself; a policy that forbids the rest."""
    found = Text(render.html_page(document(table())))
    links = [v for name, v in found.attributes if name in ("href", "src", "action", "srcset")]
    assert links
    assert all(link is not None and link.startswith("#") for link in links)
    assert any("default-src 'none'" in (value or "") for _, value in found.attributes)
    ids = [value for name, value in found.attributes if name == "id"]
    assert len(ids) == len(set(ids))
    assert {link[1:] for link in links if link} <= set(ids)


def test_names_are_text_in_markdown() -> None:
    text = render.markdown(document(table()))
    assert text.startswith("[//]: <> (gpuopt-report, name=weekly)\n")
    rows = [line for line in text.splitlines() if line.startswith("|")]
    bars = {len(re.findall(r"(?<!\\)\|", row)) for row in rows}
    assert bars == {len(COLUMNS) + 1}
    assert not re.search(r"<(?!details>|/details>|summary>|/summary>|> \(gpuopt)", text)
    assert "@everyone" not in text
    assert ":tada:" not in text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("# not a heading", "\\# not a heading"),
        ("1. no list", "1\\. no list"),
        ("- no list", "\\- no list"),
        ("$5 of $9", "$5 of $9"),
        ("$x$", "\\$x\\$"),
        ("a_b", "a\\_b"),
        ("two\nlines", "two lines"),
    ],
)
def test_markdown_is_escaped(text: str, expected: str) -> None:
    assert escaped(text) == expected


def test_long_tables_are_cut_in_markdown_and_keep_their_totals() -> None:
    """A comment holds 65,536 characters: the first rows and the total stay."""
    rows = [*table([f"row {i}" for i in range(10_000)]).rows]
    rows.append(Row(("Total", Decimal(1), None, None), emphasis=True))
    long = Table("long", "Long", COLUMNS, tuple(rows))
    text = render.markdown(document(long))
    assert len(text) < 65_536
    assert "**Total**" in text
    assert "9,976 more rows are in long.csv" in text


def test_csv_is_inert_and_exact() -> None:
    files = render.csv_files(document(table(), table(name="names")))
    assert list(files) == ["names.csv", "names-2.csv"]
    rows = list(csv.reader(io.StringIO(files["names.csv"], newline="")))
    assert rows[0] == ["name", "cost", "share", "day", "source"]
    assert {row[1] for row in rows[1:]} == {"1234.567890123456"}
    for row in rows[1:]:
        assert not row[0].startswith(("=", "+", "-", "@", "\t", "\r"))
    assert [row[0].removeprefix("'") for row in rows[1:]] == HOSTILE


def test_json_keeps_every_digit() -> None:
    made = json.loads(render.json_text(document(table())))
    assert made["schema_version"] == "1.0"
    values = made["sections"][0]["blocks"][0]["rows"][0]["values"]
    assert values == {
        "name": HOSTILE[0], "cost": "1234.567890123456", "share": 0.4321, "day": "2026-03-09"
    }  # fmt: skip
    with pytest.raises(ValueError, match="no number"):
        render.json_text(document(Figures("f", (Figure("x", "X", float("nan"), Kind.share),))))


@pytest.mark.parametrize(
    ("value", "kind", "currency", "text"),
    [
        (Decimal("8363844.8036"), Kind.money, "USD", "$8,363,845"),
        (Decimal("999.994"), Kind.money, "USD", "$999.99"),
        (Decimal("-0.001"), Kind.money, "USD", "$0.00"),
        (Decimal(0), Kind.change, "USD", "$0"),
        (Decimal("12.5"), Kind.change, "EUR", "+€12.50"),
        (Decimal("-1234567"), Kind.change, "CHF", "−CHF\u00a01,234,567"),
        (Decimal("123.4"), Kind.money, "JPY", "JP¥123"),
        (Decimal("0.0000123456"), Kind.rate, "USD", "$0.00001235"),
        (Decimal("2.5"), Kind.rate, "USD", "$2.50"),
        (0.12345, Kind.share, "USD", "12.3%"),
        (-0.0004, Kind.points, "USD", "0.0 pp"),
        (0.0114, Kind.points, "USD", "+1.1 pp"),
        (1234.5678, Kind.quantity, "USD", "1,235"),
        (0.5, Kind.quantity, "USD", "0.5"),
        (10000, Kind.whole, "USD", "10,000"),
        (datetime(2026, 3, 9, 5, tzinfo=UTC), Kind.moment, "USD", "2026-03-09 05:00 UTC"),
        ("2026-03-09T05:00:00Z", Kind.moment, "USD", "2026-03-09 05:00 UTC"),
        ("2026-03-09T05:00:00Z", Kind.day, "USD", "2026-03-09"),
        (None, Kind.money, "USD", "–"),
        (True, Kind.text, "USD", "yes"),
    ],
)
def test_values_are_shown_by_their_kind(
    value: Decimal | float | str | None, kind: Kind, currency: str, text: str
) -> None:
    assert shown(value, kind, currency) == text


def test_figures_say_which_way_is_better_in_words() -> None:
    """Never by colour alone; what rounds to nothing is no news."""
    figures = Figures(
        "f",
        (
            Figure("a", "Rate", 0.2, Kind.share, 0.1, Better.up, "f(x)"),
            Figure("b", "Waste", Decimal(9), Kind.money, Decimal(5), Better.down),
            Figure("c", "Bill", Decimal(9), Kind.money, Decimal(5)),
            Figure("d", "Same", 0.20001, Kind.share, 0.2, Better.up),
            Figure("e", "First week", Decimal(9), Kind.money),
        ),
    )
    text = " ".join("".join(Text(str(render.html_figures(figures, "USD"))).text).split())
    assert "+10.0 pp from 10.0% better" in text
    assert "+$4.00 from $5.00 worse" in text
    assert text.count("better") == 1
    assert "f(x)" in text
    assert "First week $9.00" in text
    assert "| First week | $9.00 | – |  |" in render.markdown(document(figures))


def test_empty_tables_say_so() -> None:
    empty = Table("none", "None", COLUMNS, (), empty="Nothing was <used>.")
    assert "Nothing was &lt;used&gt;." in render.html_table(empty, "USD")
    assert "Nothing was &lt;used&gt;." in render.markdown(document(empty))


def test_cells_are_shaded_and_still_say_their_value() -> None:
    html = render.html_table(table(["a"]), "USD")
    assert 'class="r h2">43.2%<' in html


def test_drawings_of_a_page_share_no_ids() -> None:
    svg = '<svg><clipPath id="clip0"/><g clip-path="url(#clip0)"/><use href="#clip0"/></svg>'
    made = isolated(svg, "x")
    assert made.count("x-clip0") == 3


def test_a_chart_is_drawn_twice_and_has_its_table() -> None:
    """Wide and narrow; its specification only where a script may read it, and never as a tag."""
    chart = Chart("c", "C", "What there is <to see>.", {"a": "</script>"}, table(["a"], "twin"))
    look = Look("USD", draw=lambda _, slim: f'<svg data-s="{slim}"></svg>')
    html = render.html_chart(chart, look)
    assert html.count("<svg") == 2
    assert "<details" in html
    assert "What there is &lt;to see&gt;." in html
    assert "<script" not in html
    scripted = render.html_chart(chart, Look("USD", draw=None, specs=True))
    assert scripted.count("</script>") == 1
    assert json.loads(scripted.split('chart-spec">')[1].split("</script>")[0]) == chart.spec


def test_tables_of_pages_link_their_cells_and_their_csv() -> None:
    look = Look(
        "EUR",
        csv=lambda t: f"/x/{t.name}.csv",
        link=lambda _, column, key, __: f"/o?k={key}&a" if column.name == "name" else "",
    )
    html = render.html_table(table(["a"]), look)
    assert 'href="/x/names.csv"' in html
    assert 'href="/o?k=a&amp;a"' in html
    assert "€1,235" in html
    assert "How these numbers are made" in html
