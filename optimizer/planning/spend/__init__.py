# SPDX-License-Identifier: Apache-2.0
"""Spend: who caused the bill of a window, what a unit of work costs, and what was intended."""

from optimizer.planning.spend.compare import Compared, compare_costs
from optimizer.planning.spend.groups import Group, Spending, Unused, group_costs
from optimizer.planning.spend.intent import Intent, intent_of
from optimizer.planning.spend.shared import How, Shared, parse_shared
from optimizer.planning.spend.spend import Basis, Rule, Spend, kept_spend, spend_of
from optimizer.planning.spend.trend import OverTime, costs_over_time
from optimizer.planning.spend.units import UnitCost, unit_costs
from optimizer.planning.spend.windows import Window, parse_window, weeks_until

__all__ = [
    "Basis",
    "Compared",
    "Group",
    "How",
    "Intent",
    "OverTime",
    "Rule",
    "Shared",
    "Spend",
    "Spending",
    "UnitCost",
    "Unused",
    "Window",
    "compare_costs",
    "costs_over_time",
    "group_costs",
    "intent_of",
    "kept_spend",
    "parse_shared",
    "parse_window",
    "spend_of",
    "unit_costs",
    "weeks_until",
]
