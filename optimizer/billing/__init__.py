# SPDX-License-Identifier: Apache-2.0
"""What the providers' own laws make of commitments and an hour of usage: the truth."""

# Importing a law's module registers it.
from optimizer.billing import aws, azure, capacity, gcp
from optimizer.billing.bill import Bill, bill_case, make_bill
from optimizer.billing.catalogue import (
    Catalogue,
    Holding,
    Meter,
    Offer,
    read_catalogue,
    read_holdings,
)
from optimizer.billing.cost import amortised_cost, hourly_costs
from optimizer.billing.laws import LAWS
from optimizer.billing.lines import BillingLines, SharingModes, billing_lines
from optimizer.billing.replay import Replay, replay

__all__ = [
    "LAWS",
    "Bill",
    "BillingLines",
    "Catalogue",
    "Holding",
    "Meter",
    "Offer",
    "Replay",
    "SharingModes",
    "amortised_cost",
    "aws",
    "azure",
    "bill_case",
    "billing_lines",
    "capacity",
    "gcp",
    "hourly_costs",
    "make_bill",
    "read_catalogue",
    "read_holdings",
    "replay",
]
