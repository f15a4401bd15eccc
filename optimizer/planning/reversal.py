# SPDX-License-Identifier: Apache-2.0
"""Whether a purchase can be taken back, by the provider's rules for its kind.

Rules as the providers' documentation had them in August 2026; a contract may say otherwise.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

_MOST_RETURNED = Decimal(100)  # dollars an hour of an AWS savings plan


@dataclass(frozen=True)
class Reversal:
    """``state`` is ``no``, ``within days`` or ``in part``; ``rule`` says how."""

    state: str
    rule: str


_NO = Reversal("no", "it cannot be cancelled: it is owed to the end of its term")
_RULES = {
    "aws.reserved": Reversal(
        "no", "it cannot be cancelled; a standard one can be resold on the AWS Marketplace"
    ),
    "azure.reservation": Reversal(
        "in part", "refunds of reservations are limited to $50,000 in twelve months"
    ),
    "throughput": Reversal("no", "it runs to the end of its term unless the contract says more"),
}


def reversal_of(law: str, hourly: Decimal = Decimal(0)) -> Reversal:
    """Return whether a purchase under a law can be taken back.

    Parameters
    ----------
    law
        As in the table ``offers``.
    hourly
        What is committed to, in dollars an hour; AWS takes small savings plans back.
    """
    if law.startswith("aws.savings"):
        if hourly <= _MOST_RETURNED:
            return Reversal(
                "within days",
                "AWS takes it back within 7 days and the same calendar month (UTC)",
            )
        return Reversal("no", "AWS takes back no savings plan of more than $100 an hour")
    return next((rule for start, rule in _RULES.items() if law.startswith(start)), _NO)
