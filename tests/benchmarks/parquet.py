# SPDX-License-Identifier: Apache-2.0
"""Parquet files as frames, by DuckDB: pandas would need a further library."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pandas as pd


def read_parquet(file: Path) -> pd.DataFrame:
    """Return the whole file, its rows in their order; ``hour`` is UTC without a zone."""
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        rows = "SELECT * REPLACE (CAST(hour AS TIMESTAMP) AS hour) FROM read_parquet(?)"
        return connection.execute(rows, [str(file)]).df()
