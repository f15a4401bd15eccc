# SPDX-License-Identifier: Apache-2.0
"""Money, shares, sections and tables as pages show them."""

from __future__ import annotations

from decimal import Decimal

from rich.console import RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

HALF_CENT = Decimal("0.005")


def dollars(amount: Decimal | None) -> str:
    """Money as people read it: whole dollars, a minus sign in front."""
    if amount is None:
        return "n/a"
    value = Decimal(amount)
    places = 2 if abs(value) < 1000 else 0
    value = value if abs(value) >= HALF_CENT else Decimal(0)
    return f"{'-' if value < 0 else ''}${abs(value):,.{places}f}"


def percent(share: float | None) -> str:
    """A share as a percentage of one decimal; ``n/a`` if it does not exist."""
    return "n/a" if share is None else f"{share:.1%}"


def cents(amount: Decimal) -> str:
    """Money to the cent."""
    value = Decimal(amount).quantize(Decimal("0.01"))
    return f"{'-' if value < 0 else ''}${abs(value):,.2f}"


def section(title: str) -> RenderableType:
    """A heading with a line above it."""
    return Padding(Text(title, style="bold"), (1, 0, 0, 0))


def table(*headings: str) -> Table:
    """A plain table; a heading that begins with > is aligned to the right."""
    made = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for heading in headings:
        right = heading.startswith(">")
        made.add_column(
            heading.removeprefix(">"),
            justify="right" if right else "left",
            no_wrap=right,
            overflow="fold",
        )
    return made
