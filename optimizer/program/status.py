# SPDX-License-Identifier: Apache-2.0
"""How a solve ended: an enumeration in four groups."""

from __future__ import annotations

from enum import StrEnum

# A gap that is only arithmetic: relative, as in HiGHS' and SCIP's default tolerances.
OPTIMAL_GAP = 1e-6


class Status(StrEnum):
    """Status of a plan.

    ``optimal`` and ``within_gap``: proven, to 1e-6 or to the gap that was asked for.
    ``stopped``: a plan, and a bound that leaves more than that gap.
    ``infeasible``: proven that there is no plan.  ``error``: no answer passed the checks.
    """

    OPTIMAL = "optimal"
    WITHIN_GAP = "within_gap"
    STOPPED = "stopped"
    INFEASIBLE = "infeasible"
    ERROR = "error"

    @property
    def has_plan(self) -> bool:
        """Whether a plan comes with the status."""
        return self in (Status.OPTIMAL, Status.WITHIN_GAP, Status.STOPPED)

    @classmethod
    def of_gap(cls, gap: float, wanted: float) -> Status:
        """The status of a plan whose remaining solver gap is ``gap`` (relative)."""
        if gap <= OPTIMAL_GAP:
            return cls.OPTIMAL
        return cls.WITHIN_GAP if gap <= wanted else cls.STOPPED
