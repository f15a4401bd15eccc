# SPDX-License-Identifier: Apache-2.0
"""Usage lines to which more are added: for work that moves, jobs, and planned work."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import numpy as np
from numpy.typing import NDArray

from optimizer.demand.horizon import HorizonDemand
from optimizer.tables import UsageLines

Key = tuple[str, str, str, float, Decimal, Decimal | None]


class LineSet:
    """Usage lines to which lines without usage are added."""

    def __init__(self, usage: UsageLines) -> None:
        self.base = usage
        self.added: list[Key] = []
        self.known = {
            (usage.meter[i], usage.account[i], usage.zone[i], *self._economics(i)): i
            for i in range(len(usage.meter))
        }

    def _economics(self, line: int) -> tuple[float, Decimal, Decimal | None]:
        usage = self.base
        return float(usage.lost_hours[line]), usage.restart_cost[line], usage.unmet_penalty[line]

    def target(self, line: int, meter: str, ratio: float) -> int:
        """The line of work of ``line`` on another meter, where that meter is."""
        lost, restart, penalty = self._economics(line)
        # A unit there replaces 1 / ratio units here, and so does its penalty.
        penalty = None if penalty is None else penalty / Decimal(repr(ratio))
        return self.find((meter, self.base.account[line], "", lost, restart, penalty))

    def find(self, key: Key) -> int:
        """The line of a meter, account, zone and economics, added where there is none."""
        if key not in self.known:
            self.known[key] = self.add(key)
        return self.known[key]

    def add(self, key: Key) -> int:
        """A new line without usage."""
        self.added.append(key)
        return len(self.base.meter) + len(self.added) - 1

    def usage(self) -> UsageLines:
        """All lines."""
        base, more = self.base, len(self.added)
        if not more:
            return base

        def extend(values: NDArray[Any]) -> NDArray[Any]:
            return np.concatenate([values, np.zeros((more, *values.shape[1:]), values.dtype)])

        return replace(
            base,
            meter=(*base.meter, *(key[0] for key in self.added)),
            account=(*base.account, *(key[1] for key in self.added)),
            zone=(*base.zone, *(key[2] for key in self.added)),
            lost_hours=np.concatenate([base.lost_hours, [key[3] for key in self.added]]),
            restart_cost=(*base.restart_cost, *(key[4] for key in self.added)),
            unmet_penalty=(*base.unmet_penalty, *(key[5] for key in self.added)),
            quantity=extend(base.quantity),
            spot=extend(base.spot),
            spot_taken=extend(base.spot_taken),
            tolerant=extend(base.tolerant),
            present=extend(base.present),
            daily=extend(base.daily),
        )

    def demand(self, demand: HorizonDemand) -> HorizonDemand:
        """The demand on all lines; nothing is given on those that were added."""
        more = np.zeros((len(self.added), demand.given.shape[1]), dtype=bool)
        return replace(demand, usage=self.usage(), given=np.vstack([demand.given, more]))
