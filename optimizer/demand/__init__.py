# SPDX-License-Identifier: Apache-2.0
"""The hours to come: given demand as it is, the rest from history, as one future or many."""

from optimizer.demand.forecaster import Forecaster, RepeatedWeeks, SeasonalNaive, forecaster_of
from optimizer.demand.futures import quality_of_forecast, scenarios_of_horizon
from optimizer.demand.history import History, history_of
from optimizer.demand.horizon import HorizonDemand, demand_of_horizon
from optimizer.demand.movable import MovableDemand, MovableJob, MovableWork, movable_demand
from optimizer.demand.quality import ForecastQuality, Quality, forecast_quality
from optimizer.demand.scenarios import Scenarios
from optimizer.demand.seasonal import Seasonal

__all__ = [
    "ForecastQuality",
    "Forecaster",
    "History",
    "HorizonDemand",
    "MovableDemand",
    "MovableJob",
    "MovableWork",
    "Quality",
    "RepeatedWeeks",
    "Scenarios",
    "Seasonal",
    "SeasonalNaive",
    "demand_of_horizon",
    "forecast_quality",
    "forecaster_of",
    "history_of",
    "movable_demand",
    "quality_of_forecast",
    "scenarios_of_horizon",
]
