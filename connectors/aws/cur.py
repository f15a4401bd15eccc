# SPDX-License-Identifier: Apache-2.0
"""Rows of a Cost and Usage Report 2.0, read as charges.

Line item types: ``Usage`` on demand or spot, ``DiscountedUsage`` under a reservation,
``SavingsPlanCoveredUsage`` under a plan (its cost shows the on-demand price; the negation
rows take it back), ``RIFee`` and ``SavingsPlanRecurringFee`` state what was unused.
"""

from __future__ import annotations

from connectors.charges import COLUMNS, TagKeys
from connectors.focus.rows import Reader, tag_columns
from optimizer.errors import DataError

NEEDED = (
    "line_item_line_item_type",
    "line_item_usage_start_date",
    "line_item_usage_amount",
    "line_item_unblended_cost",
    "line_item_usage_type",
)
_PLAN = "savings_plan_savings_plan_a_r_n"
_RESERVATION = "reservation_reservation_a_r_n"
_DECIMAL = "DECIMAL(38, 12)"


def is_cur(reader: Reader) -> bool:
    """Whether a file's columns are those of a report, not of FOCUS."""
    return "line_item_line_item_type" in reader.types


def cur_sql(reader: Reader, source: str, tags: TagKeys) -> str:
    """Return the SQL that reads the rows of a report as charges.

    Raises
    ------
    DataError
        If a column is missing without which a row means nothing.
    """
    for name in NEEDED:
        if name not in reader.types:
            raise DataError(
                f"the report has no column {name}",
                mend="export all standard columns of CUR 2.0, hourly",
                file=reader.file,
            )
    values = _values(reader)
    chosen = ", ".join([*(f"{values[name]} AS {name}" for name, _, _ in COLUMNS),
                        *tag_columns(tags)])  # fmt: skip
    return (
        f"SELECT {chosen} FROM (SELECT *, {reader.tags('resource_tags', tags)} AS _tags"
        f" FROM {source}) WHERE line_item_line_item_type <> 'SavingsPlanNegation'"
    )


def _values(reader: Reader) -> dict[str, str]:
    text, number, time = reader.text, reader.number, reader.time
    kind = text("line_item_line_item_type")
    start, end = time("line_item_usage_start_date"), time("line_item_usage_end_date")
    amount, cost = number("line_item_usage_amount"), number("line_item_unblended_cost")
    usage_type = text("line_item_usage_type")
    machine = f"regexp_extract({usage_type}, '(?:Box|Spot|Dedicated)(?:Usage)?:(.+)$', 1)"
    plan, reserved = text(_PLAN), text(_RESERVATION)
    unused_money = (
        f"({number('savings_plan_total_commitment_to_date')}"
        f" - {number('savings_plan_used_commitment')})"
    )
    unused_hours = number("reservation_unused_quantity")
    operation = text("line_item_operation")
    usage = "('Usage', 'DiscountedUsage', 'SavingsPlanCoveredUsage')"
    region = (
        f"coalesce(nullif({text('product_region_code')}, ''),"
        f" nullif({text('product_region')}, ''), '')"
    )
    return {
        "start": f"date_trunc('hour', {start})",
        "span": f"greatest(1, coalesce(CAST(ceil(date_diff('minute', {start}, {end}) / 60.0)"
        " AS INTEGER), 1))",
        "billed_month": f"coalesce(strftime({time('bill_billing_period_start_date')}, '%Y-%m'),"
        " '')",
        "currency": f"coalesce(nullif({text('line_item_currency_code')}, ''), 'USD')",
        "category": f"CASE WHEN {kind} IN {usage} THEN 'Usage' WHEN {kind} = 'Tax' THEN 'Tax'"
        f" WHEN {kind} IN ('Credit', 'Refund') THEN 'Credit'"
        f" WHEN {kind} IN ('RIFee', 'SavingsPlanRecurringFee') THEN 'Usage' ELSE 'Purchase' END",
        "frequency": f"CASE WHEN {kind} IN ('Fee', 'SavingsPlanUpfrontFee') THEN 'One-Time'"
        " ELSE 'Usage-Based' END",
        "pricing": f"CASE WHEN {kind} IN ('DiscountedUsage', 'SavingsPlanCoveredUsage')"
        f" THEN 'Committed' WHEN {usage_type} LIKE '%SpotUsage%' THEN 'Dynamic'"
        " ELSE 'Standard' END",
        "provider": "'aws'",
        "region": region,
        "zone": text("line_item_availability_zone"),
        "account": text("line_item_usage_account_id"),
        "service": text("line_item_product_code"),
        "scoped": f"({machine} <> '' OR {kind} IN ('Tax', 'Credit', 'Refund', 'RIFee',"
        " 'SavingsPlanRecurringFee'))",
        "machine": f"CASE WHEN {kind} IN {usage} THEN {machine} ELSE '' END",
        "platform": platform_sql(operation),
        "sku": f"CASE WHEN {machine} <> '' THEN '' ELSE {usage_type} END",
        "unit": f"coalesce(nullif({text('pricing_unit')}, ''), 'Hrs')",
        # What this account pays without a commitment: on rows of plans the unblended rate.
        "contracted": f"CASE WHEN {kind} = 'Usage' OR {kind} = 'SavingsPlanCoveredUsage'"
        f" THEN coalesce({number('line_item_unblended_rate')},"
        f" CAST({cost} / nullif({amount}, 0) AS {_DECIMAL})) END",
        "listed": f"CAST({number('pricing_public_on_demand_cost')} / nullif({amount}, 0)"
        f" AS {_DECIMAL})",
        "held": f"CASE WHEN {plan} <> '' THEN {plan} ELSE {reserved} END",
        "held_type": f"CASE WHEN {plan} <> '' THEN 'Savings Plan' WHEN {reserved} <> ''"
        " THEN 'Reserved Instance' ELSE '' END",
        "held_category": f"CASE WHEN {plan} <> '' THEN 'Spend' WHEN {reserved} <> ''"
        " THEN 'Usage' ELSE '' END",
        "held_status": f"CASE WHEN {kind} IN ('RIFee', 'SavingsPlanRecurringFee') THEN 'Unused'"
        f" WHEN {plan} <> '' OR {reserved} <> '' THEN 'Used' ELSE '' END",
        "held_unit": "''",
        "law": "''",
        "offer": "''",
        "reserved": f"CASE WHEN {usage_type} LIKE '%UnusedBox%' THEN 'Unused' ELSE '' END",
        "quantity": amount,
        "billed": f"CASE WHEN {kind} = 'SavingsPlanCoveredUsage' THEN 0 ELSE {cost} END",
        "effective": f"CASE {kind} WHEN 'SavingsPlanCoveredUsage'"
        f" THEN {number('savings_plan_savings_plan_effective_cost')}"
        f" WHEN 'DiscountedUsage' THEN {number('reservation_effective_cost')} ELSE {cost} END",
        "held_quantity": f"CASE {kind} WHEN 'SavingsPlanRecurringFee' THEN {unused_money}"
        f" WHEN 'RIFee' THEN {unused_hours} WHEN 'SavingsPlanCoveredUsage'"
        f" THEN {number('savings_plan_savings_plan_effective_cost')} ELSE {amount} END",
    }


def platform_sql(operation: str) -> str:
    """SQL of the operating system that an operation such as RunInstances:0002 stands for."""
    names = {
        "0002": "windows",
        "0006": "windows-sql-standard",
        "0010": "rhel",
        "0102": "windows-sql-enterprise",
        "0202": "windows-sql-web",
        "000g": "suse",
    }
    cases = " ".join(f"WHEN {operation} LIKE '%:{c}' THEN '{n}'" for c, n in names.items())
    return f"CASE {cases} ELSE '' END"
