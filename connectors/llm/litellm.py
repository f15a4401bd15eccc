# SPDX-License-Identifier: Apache-2.0
"""LiteLLM's spend logs: a row for each request, from its table (CSV, JSON, JSONL) or its API."""

from __future__ import annotations

import ast
import json
import os
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from connectors.asking import Question, patiently, remark
from connectors.llm.files import read_rows
from connectors.llm.prices import bare_model
from connectors.llm.providers import days
from connectors.llm.tokens import Tokens, hour_of
from connectors.pulled import Report, Request
from connectors.values import exact
from connectors.web import checked_endpoint, get_json
from optimizer.errors import DataError

LABELS = ("team_id", "end_user", "model_group", "organization_id")


def questions(place: str, request: Request) -> list[Question[Mapping[str, Any]]]:
    """Return the questions for spend logs: one for a file or folder, one a day for an API."""
    if not place.startswith(("http://", "https://")):
        return [Question("litellm", "spend logs", place, lambda: read_rows(place))]
    base = checked_endpoint(place)
    asked = []
    for start, end in days(request):

        def ask(start: datetime = start, end: datetime = end) -> list[Mapping[str, Any]]:
            params = {
                "start_date": f"{start:%Y-%m-%d}",
                "end_date": f"{end:%Y-%m-%d}",
                "summarize": "false",
            }
            # The key is read late, and from the environment alone.
            key = os.environ.get("LITELLM_API_KEY", "")
            headers = {"Authorization": f"Bearer {key}"} if key else {}
            return list(
                patiently(lambda: get_json(f"{base}/spend/logs", params=params, headers=headers))
            )

        asked.append(
            Question(
                "litellm", "spend/logs", f"{start:%Y-%m-%d}", ask, "a key that may read spend logs"
            )
        )
    return asked


def read(rows: Iterable[Mapping[str, Any]], request: Request, report: Report) -> list[Tokens]:
    """Return the tokens of each request, each request once.

    LiteLLM counts cache reads and writes among the prompt's tokens.  What its own cache
    answered used no tokens of a provider.
    """
    found: list[Tokens] = []
    known: set[str] = set()
    own_cache = odd = twice = outside = 0
    first, last = hour_of(request.since), hour_of(request.until)
    for row in rows:
        name = str(row.get("request_id") or row.get("id") or "")
        if name and name in known:
            twice += 1
            continue
        known.add(name)
        if str(row.get("cache_hit") or "").lower() == "true":
            own_cache += 1
            continue
        try:
            one = _tokens(row)
        except (ValueError, SyntaxError, DataError):
            one = None  # counted and reported: one bad row must not cost the others
        if one is None:
            odd += 1
        elif first <= one.hour < last:
            found.append(one)
        else:
            outside += 1
    for count, text in (
        (own_cache, "requests that LiteLLM's own cache answered: no tokens"),
        (twice, "rows of a request that was there already: left out"),
        (odd, "rows that cannot be read, or with more cached tokens than tokens: left out"),
        (outside, "rows outside the window: left out"),
    ):
        if count:
            remark(report, "litellm", text, count)
    return found


def _tokens(row: Mapping[str, Any]) -> Tokens | None:
    text = str(row.get("startTime") or row.get("start_time") or "")
    prompt, output = _count(row.get("prompt_tokens")), _count(row.get("completion_tokens"))
    metadata = _object(row.get("metadata"))
    read, written = _cached(metadata)
    if not text or read + written > prompt:
        return None
    provider, model = bare_model(
        str(row.get("model") or "unknown"), str(row.get("custom_llm_provider") or "")
    )
    labels = {name: str(row[name]) for name in LABELS if row.get(name)}
    for tag in _list(row.get("request_tags")):
        head, _, rest = tag.replace("=", ":").partition(":")
        labels[f"tag:{head}"] = rest
    for key, value in metadata.items():
        if isinstance(value, str):
            labels[f"metadata.{key}"] = value
    team = str(row.get("team_id") or "")
    return Tokens(
        hour=hour_of(datetime.fromisoformat(text.replace("Z", "+00:00"))),
        provider=provider,
        model=model,
        account="/".join(part for part in ("litellm", team) if part),
        counts={
            "input": prompt - read - written,
            "cached_input": read,
            "cache_write": written,
            "output": output,
        },
        requests=1,
        labels=labels,
        cost=exact(row["spend"]) if row.get("spend") not in (None, "") else None,
    )


def _count(value: Any) -> int:
    return int(exact(value)) if value not in (None, "") else 0


def _object(value: Any) -> dict[str, Any]:
    """Return a JSON column: an object in JSON files, its text in CSV."""
    if isinstance(value, str) and value:
        value = json.loads(value)
    return dict(value) if isinstance(value, Mapping) else {}


def _list(value: Any) -> list[str]:
    if isinstance(value, str) and value:
        # A table exported by Python has its lists in Python's own writing.
        value = ast.literal_eval(value) if value.startswith("['") else json.loads(value)
    return [str(item) for item in value] if isinstance(value, list) else []


def _cached(metadata: Mapping[str, Any]) -> tuple[int, int]:
    """Return the tokens read from and written to the provider's cache."""
    extra = _object(metadata.get("additional_usage_values"))
    usage = _object(metadata.get("usage_object"))
    details = _object(usage.get("prompt_tokens_details"))
    read = extra.get("cache_read_input_tokens") or usage.get("cache_read_input_tokens")
    written = extra.get("cache_creation_input_tokens") or usage.get("cache_creation_input_tokens")
    return _count(read or details.get("cached_tokens")), _count(written)
