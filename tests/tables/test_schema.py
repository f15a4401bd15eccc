# SPDX-License-Identifier: Apache-2.0
"""The attribute CSVs state the columns that the design of the tables states."""

from __future__ import annotations

import pytest

from optimizer.tables import schema

# Transcribed from the design; * marks the required ones.
COLUMNS = {
    "meters": (
        "meter* provider* region zone family product* unit* on_demand list_price availability"
        " on_demand_limit spot_limit spot spot_interruption size gpu gpus currency source as_of"
        " capacity_reservation_status sustained_use"
    ),
    "usage": (
        "hour* meter* quantity* account zone workload deployment job spot_tolerant spot_share"
        " interrupted lost_hours restart_cost unmet_penalty grain billed_cost effective_cost"
        " charge_id charge_category invoice_month"
    ),
    "offers": (
        "offer* provider_offer_id law* measure* term_hours* payment upfront hourly monthly minimum"
        " maximum step available_from available_until starts account scope zone group bundle"
        " bundle_ratio guarantees_capacity premium buyback_share buyback_after source as_of"
    ),
    "covers": "offer* meter* draw*",
    "commitments": (
        "commitment* offer* quantity* start* end* account scope state auto_renew cancel_until"
        " exchangeable"
    ),
    "workloads": (
        "workload* hour* requests* input_tokens output_tokens cached_share weight quality_task"
        " quality_floor quality_target ttft_ms tpot_ms percentile peak_to_mean deferrable_hours"
        " allow_regions allow_providers deny_models"
    ),
    "deployments": (
        "deployment* model* kind* workload input_upto output_upto meter* meter_units* per"
        " requests_per_second ttft_ms tpot_ms tier minimum_replicas step_replicas"
        " maximum_replicas start_minutes capacity source"
    ),
    "substitutes": (
        "from_meter* to_meter* ratio* workload maximum_share switching_cost egress_per_unit"
        " available_from source"
    ),
    "jobs": (
        "job* meter* unit_hours* earliest* deadline* minimum_units maximum_units preemptible"
        " checkpoint_hours restart_hours delay_cost_per_hour"
    ),
    "limits": "limit* meter* weight maximum* hour_from hour_until",
    "agreements": (
        "agreement* provider* start* end* committed* counted_share discount shortfall_share"
    ),
    "routes_today": "workload* deployment* share* replicas",
    "quality": "model* quality_task* quality* quality_n source as_of",
    "lengths": "workload* input_upto* output_upto* share*",
    "initiatives": "initiative* stage* meter workload quantity* start* end* odds",
    "price_scenarios": "scenario* odds* meter family provider hour* factor*",
    "budgets": "budget* tag value month* amount*",
    "provider_advice": "provider* offer* quantity* as_of estimated_saving",
}


def test_every_table_is_designed() -> None:
    assert tuple(COLUMNS) == schema.TABLES


@pytest.mark.parametrize("name", schema.TABLES)
def test_columns_are_those_of_the_design(name: str) -> None:
    found = [c.name + ("*" if c.required else "") for c in schema.table(name).columns]
    assert found == COLUMNS[name].split()


@pytest.mark.parametrize("name", schema.TABLES)
def test_every_column_has_a_type_and_a_description(name: str) -> None:
    for column in schema.table(name).columns:
        assert column.kind in schema.KINDS
        assert column.description
        assert bool(column.choices) == (column.kind == "enum")
        assert not column.bound or column.kind in schema.NUMERIC


def test_one_column() -> None:
    column = schema.table("offers").column("term_hours")
    assert (column.kind, column.bound, column.limit, column.required) == ("integer", ">", 0, True)
    with pytest.raises(KeyError):
        schema.table("offers").column("colour")
    with pytest.raises(KeyError):
        schema.table("colours")
