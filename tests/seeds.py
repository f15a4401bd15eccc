# SPDX-License-Identifier: Apache-2.0
"""How many random cases a test draws: some on every change, all of them for ``make bench``."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from dataclasses import dataclass

ALL = os.environ.get("GPUOPT_SEEDS") == "all"


@dataclass(frozen=True)
class Seeds(Collection[int]):
    """Seeds from 0: the first ``few``, or ``full`` with ``GPUOPT_SEEDS=all``."""

    full: int
    few: int

    def __iter__(self) -> Iterator[int]:
        return iter(range(len(self)))

    def __contains__(self, seed: object) -> bool:
        return seed in range(len(self))

    def __len__(self) -> int:
        return self.full if ALL else self.few

    def share(self, count: int) -> int:
        """As many of the seeds that are drawn as ``count`` of all."""
        return count * len(self) // self.full
