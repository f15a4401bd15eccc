# SPDX-License-Identifier: Apache-2.0
"""The tables of a case: schema, hours, money, settings, reading, checks, writing."""

from optimizer.tables.case import Case, read_case
from optimizer.tables.cells import Labels, UsageCells
from optimizer.tables.charges import Charge
from optimizer.tables.edited import (
    UsageRows,
    UsageScale,
    edited_case,
    usage_columns,
    usage_values,
)
from optimizer.tables.hours import format_hour, month_hours, month_of, parse_hour
from optimizer.tables.lines import UsageLines
from optimizer.tables.money import Money, decimal_string
from optimizer.tables.schema import TABLES, Column, Table, table
from optimizer.tables.settings import Limits, Risk, Settings, SharingRule, Solve, parse_settings
from optimizer.tables.writer import write_case

__all__ = [
    "TABLES",
    "Case",
    "Charge",
    "Column",
    "Labels",
    "Limits",
    "Money",
    "Risk",
    "Settings",
    "SharingRule",
    "Solve",
    "Table",
    "UsageCells",
    "UsageLines",
    "UsageRows",
    "UsageScale",
    "decimal_string",
    "edited_case",
    "format_hour",
    "month_hours",
    "month_of",
    "parse_hour",
    "parse_settings",
    "read_case",
    "table",
    "usage_columns",
    "usage_values",
    "write_case",
]
