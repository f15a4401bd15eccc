# SPDX-License-Identifier: Apache-2.0
"""Questions to BigQuery: the billing export and the pricing export."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from importlib import resources
from typing import Any

from connectors.asking import PATIENCE, TIMEOUT, EndlessPages, Question, patiently
from connectors.gcp.clients import COMPUTE_ENGINE, Google, answered
from connectors.pulled import Request
from connectors.values import exact
from optimizer.errors import DataError

PERMISSION = "bigquery.jobs.create and bigquery.tables.getData on the export"
TABLE = re.compile(r"[\w:.-]+\.\w+\.[\w-]+")


def usage_question(google: Google, request: Request) -> Question[Mapping[str, Any]]:
    """Return the question for the hourly usage of the projects.

    Raises
    ------
    DataError
        If no table is named, or its name is none.
    """
    from google.cloud.bigquery import ArrayQueryParameter, ScalarQueryParameter

    table = _table(request, "billing_table")
    parameters = [
        ScalarQueryParameter("since", "TIMESTAMP", _utc(request.since)),
        ScalarQueryParameter("until", "TIMESTAMP", _utc(request.until)),
        ScalarQueryParameter("service", "STRING", COMPUTE_ENGINE),
        ArrayQueryParameter("projects", "STRING", list(request.accounts)),
    ]
    return Question(
        "bigquery", "billing export", table, _asking(google, "export.sql", table, parameters),
        PERMISSION,
    )  # fmt: skip


def price_question(google: Google, request: Request) -> Question[Mapping[str, Any]]:
    """Return the question for the customer's own prices.

    Raises
    ------
    DataError
        If the table's name is none.
    """
    from google.cloud.bigquery import ScalarQueryParameter

    table = _table(request, "pricing_table")
    parameters = [ScalarQueryParameter("service", "STRING", COMPUTE_ENGINE)]
    return Question(
        "bigquery", "pricing export", table, _asking(google, "pricing.sql", table, parameters),
        PERMISSION,
    )  # fmt: skip


def own_prices(rows: list[Mapping[str, Any]]) -> dict[str, Decimal]:
    """Return the customer's prices by SKU id; a SKU without a price of their own is left out."""
    return {row["sku_id"]: exact(row["price"]) for row in rows if row["price"] is not None}


def _table(request: Request, name: str) -> str:
    text = request.settings.get(name, "")
    if TABLE.fullmatch(text) is None:
        raise DataError(
            f"'{text}' is no table of BigQuery",
            mend=f"set {name} to project.dataset.table",
            file="pull",
        )
    return text


def _asking(google: Google, name: str, table: str, parameters: list[Any]) -> Any:
    project = table.split(".", maxsplit=1)[0]
    text = resources.files("connectors.gcp").joinpath(name).read_text("utf-8")

    def whole() -> list[Mapping[str, Any]]:
        from google.cloud.bigquery import QueryJobConfig

        rows = google.bigquery(project).query_and_wait(
            text.replace("{table}", table),
            job_config=QueryJobConfig(query_parameters=parameters),
            page_size=20000,
            api_timeout=TIMEOUT,
            wait_timeout=PATIENCE,
            retry=None,
            job_retry=None,
        )
        found: list[Mapping[str, Any]] = []
        tokens: set[str] = set()
        for page in rows.pages:
            found += [dict(row.items()) for row in page]
            token = rows.next_page_token
            if token and token in tokens:
                raise EndlessPages(
                    f"the page token came a second time after {len(tokens)} pages: the provider"
                    " would go on forever"
                )
            tokens.add(token)
        return found

    # A page of a result cannot be asked for alone here: the whole question is asked again.
    return lambda: patiently(lambda: answered(whole))


def _utc(moment: datetime) -> datetime:
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
