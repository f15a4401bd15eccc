# SPDX-License-Identifier: Apache-2.0
"""What the charts share: numbers as labels, names cut short, few of many, the finished chart."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from optimizer.reporting.charts import theme
from optimizer.reporting.document import Chart, Table

SYMBOLS = {"USD": "$", "EUR": "€", "GBP": "£", "JPY": "¥", "INR": "₹"}
OTHER = "other"
LONGEST = 60  # characters of a name in a chart; its table has all of it
_UNITS = ((1e12, "T"), (1e9, "B"), (1e6, "M"), (1e3, "k"))


def number(value: Any) -> float:
    """A finite number of a document's value; 0 for what is absent or none."""
    try:
        found = float(value)
    except (TypeError, ValueError):
        return 0.0
    return found if math.isfinite(found) else 0.0


def decimal(value: Any) -> Decimal | None:
    """The exact value of a document's money; ``None`` for what is absent or none."""
    try:
        found = Decimal(str(value))
    except (ArithmeticError, ValueError):
        return None
    return found if found.is_finite() else None


def symbol(currency: str) -> str:
    """What stands before an amount: ``$``, or the code of the currency."""
    return SYMBOLS.get(currency, f"{currency} ")


def short_money(value: Any, currency: str) -> str:
    """An amount as a label: ``$1.23M``, ``−$45k``, ``$0.02``; three digits."""
    amount = number(value)
    sign = "−" if amount < 0 else ""
    return f"{sign}{symbol(currency)}{short(abs(amount))}"


def short(value: float) -> str:
    """A number that is not negative as a label of three digits: ``1.23M``, ``45k``, ``0.02``."""
    for size, unit in _UNITS:
        if value >= size * 0.9995:
            scaled = value / size
            digits = 0 if scaled >= 99.95 else 1 if scaled >= 9.995 else 2
            text = f"{scaled:,.{digits}f}"
            return (text.rstrip("0").rstrip(".") if "." in text else text) + unit
    if value >= 99.5 or abs(value - round(value)) < 0.005 <= value:
        return f"{value:,.0f}"
    return f"{value:.2f}" if value >= 0.1 else f"{value:.2g}"


def money_labels(currency: str, after: str = "") -> str:
    """The Vega expression of an axis of money: ``$1.2M``, with ``after`` behind it."""
    sign = symbol(currency).replace("\\", "").replace("'", "")
    return (
        "(datum.value < 0 ? '−' : '') + '" + sign + "' + "
        "(abs(datum.value) >= 1 || datum.value == 0 ? "
        "replace(format(abs(datum.value), '.3~s'), 'G', 'B') : format(abs(datum.value), '.2~r'))"
        f" + '{after}'"
    )


def percent(share: float | None) -> str:
    """A share as a label."""
    if share is None:
        return "–"
    whole = abs(share) >= 0.0995 or abs(share) < 0.0005
    return f"{share:.0%}" if whole else f"{share:.1%}"


def moment(text: Any) -> datetime | None:
    """A document's hour, ``2026-11-21T00:00:00Z``; ``None`` if it is none."""
    try:
        found = datetime.fromisoformat(str(text).replace("Z", "+00:00"))
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def hour_text(hour: int) -> str:
    """An hour since 1970 as Vega reads it, in UTC."""
    return datetime.fromtimestamp(hour * 3600, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def day_text(day: date) -> str:
    """The first moment of a day as Vega reads it, in UTC."""
    return f"{day:%Y-%m-%d}T00:00:00Z"


def day_words(day: date) -> str:
    """A day in words: ``21 Nov 2026``."""
    return f"{day.day} {day:%b %Y}"


def date_format(hours: int) -> str:
    """How the dates of an axis are written that spans so many hours."""
    return "%b %Y" if hours > 100 * 24 else "%-d %b" if hours > 48 else "%-d %b %H:%M"


def cut(name: str, longest: int = LONGEST) -> str:
    """A name on one line, cut in its middle if it is long: its end tells names apart too."""
    line = " ".join(str(name).split())
    if len(line) <= longest:
        return line or "(none)"
    half = (longest - 1) // 2
    return f"{line[:half]}…{line[-(longest - 1 - half) :]}"


def unlike(names: Sequence[str]) -> dict[str, str]:
    """Name → its short form; short forms that would be the same are numbered."""
    made: dict[str, str] = {}
    taken: set[str] = set()
    for name in names:
        text, at = cut(name), 2
        while text in taken:
            text = f"{cut(name, LONGEST - 5)} ({at})"
            at += 1
        taken.add(text)
        made[name] = text
    return made


def largest(sizes: Mapping[str, float], most: int) -> tuple[list[str], list[str]]:
    """The largest names, by size and then by name, and the others; a single other is kept."""
    order = sorted(sizes, key=lambda name: (-abs(sizes[name]), name))
    if len(order) <= most + 1:
        return order, []
    return order[:most], order[most:]


def colours_of(names: Sequence[str], rest: str | None = None) -> list[str]:
    """A colour for each name in their order; the rest is grey."""
    series = theme.SERIES
    return [
        theme.REST if name == rest or index >= len(series) else series[index]
        for index, name in enumerate(names)
    ]


def listed(names: Iterable[str], most: int = 3) -> str:
    """Names in a sentence: ``a, b, c and 4 more``."""
    found = [cut(name, 40) for name in names]
    if len(found) > most:
        return f"{', '.join(found[:most])} and {len(found) - most} more"
    return " and ".join(filter(None, [", ".join(found[:-1]), *found[-1:]]))


def rounded(value: Any) -> float:
    """A number for the picture: six digits are finer than a pixel."""
    return float(f"{number(value):.6g}")


def finished(made: Any, *, name: str, title: str, summary: str, table: Table, height: int) -> Chart:
    """The chart of an Altair chart, in the shared theme.

    Altair's own check against the schema takes longer than all else and is left to the tests.
    """
    spec: dict[str, Any] = made.properties(
        width=theme.WIDE, height=height, autosize={"type": "fit-x", "contains": "padding"}
    ).to_dict(validate=False)
    names: dict[str, str] = {}
    spec = _named_data(spec, names)
    spec["datasets"] = {name: json.loads(text) for text, name in names.items()}
    spec["config"] = theme.config()
    spec["padding"] = {"left": 8, "right": 8, "top": 4, "bottom": 4}
    return Chart(name=name, title=title, summary=summary, spec=spec, table=table)


def _named_data(spec: Any, names: dict[str, str]) -> Any:
    """The same specification with its data named in the order of its layers; each table once."""
    if isinstance(spec, list):
        return [_named_data(value, names) for value in spec]
    if not isinstance(spec, dict):
        return spec
    return {
        key: {"name": names.setdefault(value["name"], f"data-{len(names) + 1}")}
        if key == "data"
        else _named_data(value, names)
        for key, value in spec.items()
    }


def over(rows: Sequence[Mapping[str, Any]]) -> Any:
    """An Altair chart over rows, without a mark yet.

    The name of its data is their text: one string, where Altair would copy rows at every step.
    """
    import altair as alt

    data: Any = alt.NamedData
    return alt.Chart(data(name=json.dumps(rows, ensure_ascii=False, allow_nan=False)))


def words(rows: list[dict[str, Any]], text: str = "text", **how: Any) -> list[Any]:
    """Two layers of words that stay readable on any colour: a halo of the page, and the ink.

    The rows have ``x`` and ``y`` encodings added by the caller's ``encode`` of each layer.
    """
    import altair as alt

    whole = over(rows)
    shared = {"fontSize": 11, **how}
    paper = theme.LIGHT["paper"]
    colour = shared.pop("color", theme.LIGHT["ink"])
    return [
        whole.mark_text(**shared, color=paper, stroke=paper, strokeWidth=3.5,
                        strokeJoin="round").encode(text=alt.Text(f"{text}:N")),
        whole.mark_text(**shared, color=colour).encode(text=alt.Text(f"{text}:N")),
    ]  # fmt: skip


def empty(name: str, title: str, table: Table, why: str) -> Chart:
    """A chart of nothing: a sentence where the picture would be."""
    import altair as alt

    made = over([{"text": why}]).mark_text(color=theme.LIGHT["muted"], fontSize=12)
    return finished(
        made.encode(text=alt.Text("text:N")),
        name=name,
        title=title,
        summary=why,
        table=table,
        height=60,
    )
