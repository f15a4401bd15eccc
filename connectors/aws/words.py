# SPDX-License-Identifier: Apache-2.0
"""AWS's words for terms, payments, machines and times, in those of the tables."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from connectors.gpus import gpu_types, looks_like_gpu
from connectors.pulled import Request

PAYMENTS = {"No Upfront": "none", "Partial Upfront": "partial", "All Upfront": "all"}
LINUX = "Linux/UNIX"
_YEAR = 31_536_000

# Families whose regional Linux reservations cover one size only (EC2 user guide, "How
# Reserved Instance discounts are applied", November 2026); in all others sizes flex.
ONE_SIZE = frozenset(
    {"g4ad", "g4dn", "g5", "g5g", "g6", "g6e", "g6f", "gr6", "gr6f", "hpc7a", "p5"}
    | {"inf1", "inf2", "u7i-6tb", "u7i-8tb"}
)
_SIZES = {"nano": "0.25", "micro": "0.5", "small": "1", "medium": "2", "large": "4", "xlarge": "8"}
_NINE = Decimal("0.000000001")

Wanted = Mapping[str, tuple[str, ...]]  # machine types by region
Row = dict[str, Any]


def meter_of(region: str, machine: str) -> str:
    """Return the meter of a machine type on Linux."""
    return f"aws/{region}/{machine}"


IDLE = "/unused-reservation"  # behind the meter of a machine: reserved, and nothing ran


def machines_of(meters: Iterable[str]) -> dict[str, set[str]]:
    """Return the machine types by region that some meters of AWS name."""
    found: dict[str, set[str]] = {}
    for meter in meters:
        parts = meter.split("/")
        if len(parts) >= 3 and parts[0] == "aws" and "." in parts[2]:
            found.setdefault(parts[1], set()).add(parts[2])
    return found


def size_of(machine: str) -> Decimal | None:
    """Return the normalised size of a machine type whose family flexes; else ``None``."""
    family, _, size = machine.partition(".")
    if family in ONE_SIZE:
        return None
    if size in _SIZES:
        return Decimal(_SIZES[size])
    count = size.removesuffix("xlarge")
    return Decimal(8) * int(count) if size.endswith("xlarge") and count.isdigit() else None


def reserved_draws(
    region: str, machine: str, machines: Iterable[str], *, flexible: bool
) -> dict[str, Decimal]:
    """Return the meters that a reservation of a machine type covers, with their draws.

    A flexible one covers all sizes of its family, by the ratio of the sizes.
    """
    own = size_of(machine)
    draws = {meter_of(region, machine): Decimal(1)}
    if flexible and own is not None:
        for other in machines:
            size = size_of(other)
            if size is not None and other.partition(".")[0] == machine.partition(".")[0]:
                draws[meter_of(region, other)] = (size / own).quantize(_NINE)
    return draws


def gpu_machines(wanted: Iterable[str]) -> list[str]:
    """Return those machine types that have accelerators, known or by their family."""
    known = set(gpu_types("aws"))
    return sorted(name for name in wanted if name in known or looks_like_gpu("aws", name))


def term_of(seconds: int) -> tuple[str, int]:
    """Return the name and the hours of a term: ``1y``, 8760."""
    hours = seconds // 3600
    years, rest = divmod(seconds, _YEAR)
    return (f"{years}y" if years and not rest else f"{hours}h"), hours


def moment(value: Any) -> datetime:
    """Return a time of an answer in UTC; savings plans state it as text."""
    found = datetime.fromisoformat(value) if isinstance(value, str) else value
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)


def hour(value: Any) -> datetime:
    """Return the hour in which a time lies, naive in UTC."""
    return moment(value).replace(minute=0, second=0, microsecond=0, tzinfo=None)


def read_on(request: Request) -> str:
    """Return the date of a snapshot's prices."""
    return f"{request.until:%Y-%m-%d}"


def span_end(start: datetime, hours: int) -> datetime:
    """Return the hour after the last of a term."""
    return start + timedelta(hours=hours)
