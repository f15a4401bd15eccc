# SPDX-License-Identifier: Apache-2.0
"""The hours to come: given demand as it is, the rest from whole weeks of history."""

from optimizer.demand.horizon import HorizonDemand, demand_of_horizon

__all__ = ["HorizonDemand", "demand_of_horizon"]
