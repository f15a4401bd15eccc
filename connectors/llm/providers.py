# SPDX-License-Identifier: Apache-2.0
"""The usage APIs of OpenAI and Anthropic, by the hour."""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from connectors.asking import Page, Question, Unanswered, all_pages
from connectors.llm.tokens import Tokens, hour_of
from connectors.pulled import Request
from connectors.web import checked_endpoint, get_json

OPENAI = "https://api.openai.com"
ANTHROPIC = "https://api.anthropic.com"
BUCKETS = "168"  # the most that one page may have of hours
VERSION = "2023-06-01"


def openai_question(request: Request) -> Question[Tokens]:
    """Return the question for an OpenAI organization's completions, by project and model."""
    base = checked_endpoint(request.settings.get("openai_endpoint", OPENAI))

    def fetch(token: str | None) -> Page[Any]:
        params = [
            ("start_time", str(int(_utc(request.since).timestamp()))),
            ("end_time", str(int(_utc(request.until).timestamp()))),
            ("bucket_width", "1h"),
            ("limit", BUCKETS),
            *[("group_by", name) for name in ("model", "project_id", "batch", "service_tier")],
            *([("page", token)] if token else []),
        ]
        headers = {"Authorization": f"Bearer {_key('OPENAI_ADMIN_KEY')}"}
        answer = get_json(
            f"{base}/v1/organization/usage/completions", params=params, headers=headers
        )
        items = [(b["start_time"], row) for b in answer["data"] for row in b["results"]]
        return Page(items, _next(answer))

    return Question(
        "openai",
        "usage.completions",
        "organization",
        lambda: [_openai(start, row) for start, row in all_pages(fetch, identity=_identity)],
        "api.usage.read of an admin key",
    )


def _openai(start: int, row: Mapping[str, Any]) -> Tokens:
    cached = int(row.get("input_cached_tokens") or 0)
    tier = str(row.get("service_tier") or "")
    return Tokens(
        hour=hour_of(datetime.fromtimestamp(start, UTC)),
        provider="openai",
        model=str(row.get("model") or "unknown"),
        account="/".join(part for part in ("openai", row.get("project_id") or "") if part),
        # The cached tokens are among the input tokens.
        counts={
            "input": int(row.get("input_tokens") or 0) - cached,
            "cached_input": cached,
            "output": int(row.get("output_tokens") or 0),
        },
        requests=int(row.get("num_model_requests") or 0),
        tier="batch" if row.get("batch") else tier if tier in ("flex", "priority") else "",
        labels={"project_id": str(row.get("project_id") or "")},
    )


def anthropic_question(request: Request) -> Question[Tokens]:
    """Return the question for an Anthropic organization's messages, by workspace and model."""
    base = checked_endpoint(request.settings.get("anthropic_endpoint", ANTHROPIC))
    groups = ("model", "workspace_id", "service_tier", "context_window")

    def fetch(token: str | None) -> Page[Any]:
        params = [
            ("starting_at", f"{_utc(request.since):%Y-%m-%dT%H:%M:%SZ}"),
            ("ending_at", f"{_utc(request.until):%Y-%m-%dT%H:%M:%SZ}"),
            ("bucket_width", "1h"),
            ("limit", BUCKETS),
            *[("group_by[]", name) for name in groups],
            *([("page", token)] if token else []),
        ]
        headers = {"x-api-key": _key("ANTHROPIC_ADMIN_KEY"), "anthropic-version": VERSION}
        answer = get_json(
            f"{base}/v1/organizations/usage_report/messages", params=params, headers=headers
        )
        items = [(b["starting_at"], row) for b in answer["data"] for row in b["results"]]
        return Page(items, _next(answer))

    return Question(
        "anthropic",
        "usage_report.messages",
        "organization",
        lambda: [_anthropic(start, row) for start, row in all_pages(fetch, identity=_identity)],
        "an Admin API key",
    )


def _anthropic(start: str, row: Mapping[str, Any]) -> Tokens:
    written = row.get("cache_creation") or {}
    tier = str(row.get("service_tier") or "")
    return Tokens(
        hour=hour_of(datetime.fromisoformat(start.replace("Z", "+00:00"))),
        provider="anthropic",
        model=str(row.get("model") or "unknown"),
        account="/".join(part for part in ("anthropic", row.get("workspace_id") or "") if part),
        counts={
            "input": int(row.get("uncached_input_tokens") or 0),
            "cached_input": int(row.get("cache_read_input_tokens") or 0),
            "cache_write": int(written.get("ephemeral_5m_input_tokens") or 0),
            "cache_write_1h": int(written.get("ephemeral_1h_input_tokens") or 0),
            "output": int(row.get("output_tokens") or 0),
        },
        requests=None,  # the report does not count them
        tier=tier if tier in ("batch", "priority", "flex") else "",
        long=row.get("context_window") == "200k-1M",
        labels={"workspace_id": str(row.get("workspace_id") or "")},
    )


def _identity(item: tuple[Any, Mapping[str, Any]]) -> tuple[Any, ...]:
    start, row = item
    names = "model project_id batch service_tier workspace_id context_window api_key_id user_id"
    return (start, *(str(row.get(name)) for name in names.split()))


def _next(answer: Mapping[str, Any]) -> str | None:
    return answer.get("next_page") if answer.get("has_more") else None


def _key(name: str) -> str:
    """Return a key from the environment; keys are in no setting, because settings are kept.

    Raises
    ------
    Unanswered
        If it is not set.
    """
    found = os.environ.get(name, "")
    if not found:
        raise Unanswered(f"the environment variable {name} is not set", status=401)
    return found


def _utc(moment: datetime) -> datetime:
    whole = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return whole.astimezone(UTC)


def days(request: Request) -> list[tuple[datetime, datetime]]:
    """Return the days of a request, half-open."""
    start, end = _utc(request.since), _utc(request.until)
    found = []
    while start < end:
        midnight = (start + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0)
        found.append((start, min(end, midnight)))
        start = midnight
    return found
