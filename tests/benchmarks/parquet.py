# SPDX-License-Identifier: Apache-2.0
"""Parquet files as frames, by DuckDB: pandas would need a further library."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pandas as pd


def read_parquet(file: Path) -> pd.DataFrame:
    """Return the whole file, its rows in their order."""
    with duckdb.connect() as connection:
        return connection.execute("SELECT * FROM read_parquet(?)", [str(file)]).df()
