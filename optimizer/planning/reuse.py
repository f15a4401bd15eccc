# SPDX-License-Identifier: Apache-2.0
"""Which parts of an earlier plan are those of another case, to the last number.

A part is named by the hash of all that its answer depends on.  Two parts of one name have one
answer, so that an edit of one cloud does not solve the other two again.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import fields, is_dataclass, replace
from decimal import Decimal
from typing import Any

import numpy as np

from optimizer.billing import Catalogue
from optimizer.demand import MovableDemand
from optimizer.planning.part import Part
from optimizer.planning.plan import Plan
from optimizer.program.caselimits import CaseLimits
from optimizer.program.components import Component
from optimizer.tables import Settings

# What tells where a row stands and not what it says; an open window's hours do not matter.
_PLACE = frozenset({"row", "file", "available_from", "available_until"})


class Earlier:
    """The parts of an earlier plan, by name."""

    def __init__(self, base: Plan | None) -> None:
        self.parts = () if base is None else base.parts
        self.by_name = {part.name: part for part in self.parts if part.name}

    def same(self, name: str, component: Component) -> Part | None:
        """The part of this name, as a part of another case; ``None`` if there is none."""
        part = self.by_name.get(name)
        return None if part is None else replace(part, component=component)

    def alike(self, component: Component) -> Part | None:
        """The part with the most of the same lines; ``None`` if none has any."""
        mine = set(_lines(component))
        shared = [(len(mine & set(_lines(part.component))), part) for part in self.parts]
        best = max(shared, key=lambda pair: pair[0], default=(0, None))
        return best[1] if best[0] else None


def part_name(
    settings: Settings,
    catalogue: Catalogue,
    component: Component,
    limits: CaseLimits,
    movable: MovableDemand,
    advice: Mapping[str, Decimal],
) -> str:
    """SHA-256 of everything that a part's answer depends on."""
    digest = hashlib.sha256()

    def add(value: Any) -> None:
        digest.update(repr(_content(value)).encode())
        digest.update(b"\0")

    usage = component.demand.usage
    offers = {offer.name for column in component.columns for offer, _ in column.members}
    offers |= {holding.offer.name for holding in component.holdings}
    own = limits.of_meters(catalogue, usage.meter)
    if not (own.agreements or own.settings.max_unused_share is not None):
        own = replace(own, holdings=())
    add(json.dumps(settings.as_dict(), sort_keys=True))
    add([catalogue.meters[name] for name in sorted(set(usage.meter))])
    add([(name, sorted(catalogue.draws[name].items())) for name in sorted(offers)])
    add([component.holdings, component.columns, own])
    add(sorted((name, amount) for name, amount in advice.items() if name in offers))
    _arrays(digest, usage)
    for work in (*movable.works, *movable.jobs):
        add(work)
        _arrays(digest, work)
    return digest.hexdigest()


def _arrays(digest: Any, value: Any) -> None:
    """Add all arrays of a record, and what is beside them."""
    for field in fields(value):
        part = getattr(value, field.name)
        if isinstance(part, np.ndarray):
            digest.update(repr((field.name, part.shape, part.dtype.str)).encode())
            digest.update(np.ascontiguousarray(part).tobytes())
        elif not is_dataclass(part):
            digest.update(repr((field.name, _content(part))).encode())


def _content(value: Any) -> Any:
    """A record as its content, without where it stands."""
    if is_dataclass(value) and not isinstance(value, type):
        return {
            field.name: _content(getattr(value, field.name))
            for field in fields(value)
            if field.name not in _PLACE
        }
    if isinstance(value, list | tuple):
        return [_content(item) for item in value]
    if isinstance(value, Decimal):
        return str(value.normalize())
    return None if isinstance(value, np.ndarray) else value


def _lines(component: Component) -> list[tuple[str, str, str]]:
    usage = component.demand.usage
    return list(zip(usage.meter, usage.account, usage.zone, strict=True))
