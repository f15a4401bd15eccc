# SPDX-License-Identifier: Apache-2.0
"""What a what-if may name: the words of a snapshot, for the lists of the form."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from api.store import TenantStore
from api.store.kept import Recent
from optimizer.tables.case import SUFFIXES
from optimizer.tables.reader import Store as Tables

MOST = 300  # of a list: a browser shows them all at once
_KEPT: Recent[Choices] = Recent(200)


@dataclass(frozen=True)
class Choices:
    """Names of a snapshot, each list sorted and at most ``MOST`` long.

    Parameters
    ----------
    demand, prices
        What usage and prices can be narrowed to, as ``COLUMN=PATTERN``.
    offers
        What can be bought.
    models, workloads
        What answers, and what asks; empty where nothing is routed.
    """

    demand: tuple[str, ...]
    prices: tuple[str, ...]
    offers: tuple[str, ...]
    models: tuple[str, ...]
    workloads: tuple[str, ...]


def choices_of(mine: TenantStore, snapshot: str) -> Choices:
    """Return the choices of a snapshot; they are read once, for a snapshot never changes.

    Raises
    ------
    NotFound
        If there is no such snapshot of this tenant.
    """
    name = (mine.tenant, snapshot)
    found = _KEPT.get(name)
    if found is None:
        found = read_choices(mine.snapshots.folder(snapshot))
        _KEPT.put(name, found)
    return found


def read_choices(folder: Path) -> Choices:
    """Read the choices of a case, of few columns of its tables."""
    tables = Tables()

    def of(name: str, *columns: str) -> dict[str, list[str]]:
        return _values(tables, folder, name, columns)

    meters = of("meters", "provider", "region", "family", "meter")
    usage = of("usage", "account", "tag_")
    workloads = of("workloads", "workload")["workload"]
    prices = [f"{c}={v}" for c, values in meters.items() for v in values]
    demand = [
        *(f"{c}={v}" for c in ("provider", "region") for v in meters[c]),
        *(f"{c}={v}" for c, values in usage.items() for v in values[:50]),
        *(f"workload={v}" for v in workloads),
        *(f"meter={v}" for v in meters["meter"]),
    ]
    return Choices(
        demand=tuple(_writable(demand)[:MOST]),
        prices=tuple(_writable(prices)[:MOST]),
        offers=tuple(of("offers", "offer")["offer"][:MOST]),
        models=tuple(of("deployments", "model")["model"][:MOST]),
        workloads=tuple(workloads[:MOST]),
    )


def _writable(pairs: Iterable[str]) -> list[str]:
    """Those that an edit can name: brackets and commas end a pattern."""
    return [pair for pair in pairs if not set(pair) & set("[],")]


def _values(
    tables: Tables, folder: Path, name: str, columns: Iterable[str]
) -> dict[str, list[str]]:
    """Return the distinct values of columns, also of all whose name begins with ``tag_``."""
    found: dict[str, list[str]] = {column: [] for column in columns if column != "tag_"}
    file = next((f for s in SUFFIXES if (f := folder / f"{name}{s}").is_file()), None)
    if file is None:
        return found
    loaded = tables.load(name, file)
    inner = {column: f'"{column}"' for column in found}
    if "tag_" in columns:
        inner |= {column: at for column, at in loaded.extras if column.startswith("tag_")}
    for column, at in inner.items():
        rows = tables.rows(
            f"SELECT {at}, count(*) AS n FROM {name} WHERE {at} IS NOT NULL AND {at} <> ''"
            f" GROUP BY 1 ORDER BY n DESC, 1 LIMIT {MOST}"
        )
        found[column] = sorted(str(row[0]) for row in rows)
    return found
