# SPDX-License-Identifier: Apache-2.0
"""The hours to come: given demand as it is, the rest from whole weeks of history."""

from optimizer.demand.horizon import HorizonDemand, demand_of_horizon
from optimizer.demand.movable import MovableDemand, MovableJob, MovableWork, movable_demand
from optimizer.demand.scenarios import Scenarios

__all__ = [
    "HorizonDemand",
    "MovableDemand",
    "MovableJob",
    "MovableWork",
    "Scenarios",
    "demand_of_horizon",
    "movable_demand",
]
