# SPDX-License-Identifier: Apache-2.0
"""What the providers' terms allow once a commitment is bought: whether it can be undone.

From the providers' documentation, as of August 2026; it is told, and no plan counts on it.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

RETURNABLE = Decimal(100)  # dollars per hour, of an AWS savings plan


@dataclass(frozen=True)
class WayOut:
    """Whether a purchase can be undone, and what there is to do.

    ``answer`` is ``7 days``, ``partly``, ``no`` or ``unknown``.
    """

    answer: str
    how: str
    law: str = ""  # whose purchases, in words


_BY_PREFIX = (
    ("aws.reserved.", WayOut("partly", "resell (Standard) or exchange (Convertible)", "AWS RI")),
    (
        "azure.reservation",
        WayOut("partly", "exchange; refunds up to $50,000 in 12 months", "Azure reservation"),
    ),
    ("azure.savings", WayOut("no", "neither cancelled nor refunded", "Azure savings plan")),
    ("gcp.", WayOut("no", "runs to its end", "GCP commitment")),
    ("capacity.block", WayOut("no", "neither cancelled nor moved", "capacity block")),
)
_RETURN = WayOut("7 days", "return within 7 days, in the month of purchase", "AWS SP up to $100/h")
_TOO_LARGE = WayOut("no", "cannot be returned", "AWS SP above $100/h")
_UNKNOWN = WayOut("unknown", "see the contract", "other")


def way_out(law: str, quantity: Decimal) -> WayOut:
    """Return whether a purchase under a law can be undone, and how.

    ``quantity`` is in the offer's measure: dollars per hour for a savings plan, of which AWS
    takes back up to $100/h, at most ten times a year.
    """
    if law.startswith("aws.savings."):
        return _RETURN if quantity <= RETURNABLE else _TOO_LARGE
    return next((way for prefix, way in _BY_PREFIX if law.startswith(prefix)), _UNKNOWN)
