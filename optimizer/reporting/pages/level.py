# SPDX-License-Identifier: Apache-2.0
"""The commitment curve point by point, for a slider: each point was replayed, none is guessed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from optimizer.reporting.charts import parts
from optimizer.reporting.document import Kind
from optimizer.reporting.render.values import shown

TODAY, PLAN, ADVICE = "today", "plan", "advice"
MARKS = {TODAY: "Today", PLAN: "The plan", ADVICE: "Providers’ advice"}
_ZERO = Decimal(0)


@dataclass(frozen=True)
class Level:
    """A point of the curve as it is shown.

    Attributes
    ----------
    key
        What the URL calls it: ``today``, ``plan``, ``advice``, or the share of the purchases.
    name
        In words.
    x
        New commitments in money an hour, where the chart has it.
    figures
        (title, value, formula), in the order to be read.
    """

    key: str
    name: str
    x: float
    figures: tuple[tuple[str, str, str], ...]

    @property
    def words(self) -> str:
        """All of it in a sentence, for those who do not see the chart."""
        told = "; ".join(f"{title} {value}" for title, value, _ in self.figures)
        return f"{self.name}: {told}"

    def as_dict(self) -> dict[str, Any]:
        """For a script: texts, and where the chart has the point."""
        return {
            "key": self.key,
            "x": self.x,
            "name": self.name,
            "words": self.words,
            "values": [value for _, value, _ in self.figures],
        }


def levels_of(document: Mapping[str, Any]) -> list[Level]:
    """Return the points of a plan's ``commitment_curve``, the smallest commitment first.

    None where there is no curve, or its demand as planned is not among the factors.
    """
    curve = document.get("commitment_curve") or {}
    demand = [parts.number(factor) for factor in curve.get("demand") or ()]
    if 1.0 not in demand:
        return []
    rows = [(_key(row), row) for row in curve.get("levels") or ()]
    if curve.get("advice"):
        rows.append((ADVICE, curve["advice"]))
    nothing = [_ZERO] * len(demand)
    today = {"commitment": "0", "savings": nothing, **_shares_of_today(document, demand)}
    made = [(_ZERO, 0, _level(TODAY, MARKS[TODAY], today, demand, document))]
    for key, row in rows:
        commitment, savings = parts.decimal(row.get("commitment")), _amounts(row, len(demand))
        if commitment is None or savings is None:
            continue
        if not commitment and key != ADVICE and savings == nothing:
            continue  # the same as today
        level = _level(key, _name(key, row), row | {"savings": savings}, demand, document)
        made.append((commitment, len(made), level))
    return [level for _, _, level in sorted(made, key=lambda item: item[:2])]


def _key(row: Mapping[str, Any]) -> str:
    share = parts.number(row.get("level"))
    return PLAN if share == 1.0 else f"{share:g}"


def _name(key: str, row: Mapping[str, Any]) -> str:
    if key in MARKS:
        return MARKS[key]
    share = parts.number(row.get("level"))
    return f"{share:.0%} of the plan’s purchases" if share else "No purchases, spot as planned"


def _amounts(row: Mapping[str, Any], count: int) -> list[Decimal] | None:
    found = [parts.decimal(value) for value in row.get("savings") or ()]
    known = [value for value in found if value is not None]
    return known if len(known) == len(found) == count else None


def _shares_of_today(document: Mapping[str, Any], demand: Sequence[float]) -> dict[str, Any]:
    """What is used and covered today, where the document tells it: at demand as planned."""
    today = (document.get("kpis") or {}).get("today") or {}
    return {
        name: [today.get(name) if factor == 1.0 else None for factor in demand]
        for name in ("utilization", "coverage")
    }


def _level(
    key: str,
    name: str,
    row: Mapping[str, Any],
    demand: Sequence[float],
    document: Mapping[str, Any],
) -> Level:
    currency = str(document.get("currency", "USD"))
    savings, at = row["savings"], demand.index(1.0)
    commitment = parts.decimal(row["commitment"]) or _ZERO
    baseline = parts.decimal(document.get("baseline"))

    def share(name: str, place: int) -> str:
        values = row.get(name)
        return shown(values[place] if values else None, Kind.share, currency)

    def change(value: Decimal) -> str:
        return shown(value, Kind.change, currency)

    figures = [
        ("New commitments / hour", shown(commitment, Kind.rate, currency),
         "amortised cost of the purchases over the horizon ÷ its hours"),
        ("Bill", shown(None if baseline is None else baseline - savings[at], Kind.money, currency),
         "all usage of the horizon, replayed with the purchases at this level"),
        ("Saves", change(savings[at]), "the bill with what is held − the bill at this level"),
    ]  # fmt: skip
    for place, factor in enumerate(demand):
        if factor != 1.0:
            way = "less" if factor < 1 else "more"
            figures.append(
                (f"Saves at {abs(1 - factor):.0%} {way} demand", change(savings[place]),
                 f"the same purchases, all usage × {factor:g}")
            )  # fmt: skip
    figures.append(("Utilization", share("utilization", at), "used ÷ committed, held and new"))
    low = demand.index(min(demand))
    if low != at:
        figures.append(
            (f"Utilization at {1 - demand[low]:.0%} less", share("utilization", low),
             f"used ÷ committed, all usage × {demand[low]:g}")
        )  # fmt: skip
    figures.append(("Coverage", share("coverage", at), "what commitments cover ÷ what they could"))
    return Level(key, name, parts.rounded(commitment), tuple(figures))
