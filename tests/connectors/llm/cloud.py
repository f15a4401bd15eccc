# SPDX-License-Identifier: Apache-2.0
"""The usage APIs of OpenAI and Anthropic and a LiteLLM proxy, in their documented shapes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from ..loopback import Answer, Call

OPENAI_KEY = "sk-admin-REDACTED"
ANTHROPIC_KEY = "sk-ant-REDACTED"
LITELLM_KEY = "sk-1234-REDACTED"
START = datetime(2026, 11, 19, tzinfo=UTC)
HOURS = 48
Row = dict[str, Any]


def openai_rows(hour: int) -> list[Row]:
    """Return the results of one bucket: two models, and a batch."""
    base = {
        "object": "organization.usage.completions.result", "user_id": None, "api_key_id": None,
        "input_audio_tokens": 0, "output_audio_tokens": 0, "project_id": "proj_chat",
        "batch": False, "service_tier": "default",
    }  # fmt: skip
    return [
        {
            **base, "model": "gpt-5", "input_tokens": 1_000_000 + hour,
            "input_cached_tokens": 400_000, "output_tokens": 200_000, "num_model_requests": 100,
        },
        {
            **base, "model": "gpt-5", "input_tokens": 500_000, "input_cached_tokens": 0,
            "output_tokens": 50_000, "num_model_requests": 10, "batch": True,
        },
        {
            **base, "model": "gpt-nobody-knows", "input_tokens": 7, "input_cached_tokens": 0,
            "output_tokens": 3, "num_model_requests": 1, "project_id": "proj_lab",
        },
    ]  # fmt: skip


def anthropic_rows(hour: int) -> list[Row]:
    """Return the results of one bucket."""
    return [
        {
            "uncached_input_tokens": 1_000 + hour, "cache_read_input_tokens": 2_000,
            "cache_creation": {
                "ephemeral_1h_input_tokens": 300, "ephemeral_5m_input_tokens": 500
            },
            "output_tokens": 700, "server_tool_use": {"web_search_requests": 1},
            "api_key_id": None, "workspace_id": "wrkspc_1", "model": "claude-sonnet-4-5-20250929",
            "service_tier": "standard", "context_window": context,
        }
        for context in ("0-200k", "200k-1M")
    ]  # fmt: skip


class Providers:
    """The three servers at one address."""

    def answer(self, call: Call) -> Answer | None:
        """Answer one call; each needs its own key."""
        headers = {name.lower(): value for name, value in call.headers.items()}
        if call.path == "/v1/organization/usage/completions":
            assert headers["authorization"] == f"Bearer {OPENAI_KEY}"
            assert call.lists["group_by"] == ["model", "project_id", "batch", "service_tier"]
            return self._buckets(call, openai_rows, int(call.query["start_time"]))
        if call.path == "/v1/organizations/usage_report/messages":
            assert headers["x-api-key"] == ANTHROPIC_KEY
            assert headers["anthropic-version"] == "2023-06-01"
            assert "context_window" in call.lists["group_by[]"]
            start = datetime.fromisoformat(call.query["starting_at"].replace("Z", "+00:00"))
            return self._buckets(call, anthropic_rows, int(start.timestamp()))
        if call.path == "/spend/logs":
            assert headers["authorization"] == f"Bearer {LITELLM_KEY}"
            day = call.query["start_date"]
            return Answer([spend(f"{day}-{i}", f"{day}T0{i}:30:00Z") for i in range(3)])
        return None

    def _buckets(self, call: Call, rows: Any, start: int) -> Answer:
        assert (call.query["bucket_width"], call.query["limit"]) == ("1h", "168")
        first = int(call.query.get("page", "page_0").removeprefix("page_"))
        size, data = 20, []
        offset = int((start - START.timestamp()) // 3600)
        for hour in range(max(0, offset) + first, min(HOURS, max(0, offset) + first + size)):
            begin = START + timedelta(hours=hour)
            end = begin + timedelta(hours=1)
            bucket: Row = {"results": rows(hour)}
            if "organization/usage" in call.path:
                bucket |= {
                    "object": "bucket",
                    "start_time": int(begin.timestamp()),
                    "end_time": int(end.timestamp()),
                }
            else:
                bucket |= {
                    "starting_at": f"{begin:%Y-%m-%dT%H:%M:%SZ}",
                    "ending_at": f"{end:%Y-%m-%dT%H:%M:%SZ}",
                }
            data.append(bucket)
        more = max(0, offset) + first + size < HOURS
        token = f"page_{first + size}" if more else None
        return Answer({"object": "page", "data": data, "has_more": more, "next_page": token})


def spend(name: str, start: str, **other: Any) -> Row:
    """Return one row of LiteLLM's spend logs."""
    return {
        "request_id": name, "call_type": "acompletion", "api_key": "88dc28d0f0a4a1d8hashed",
        "spend": 0.00325, "total_tokens": 1500, "prompt_tokens": 1000, "completion_tokens": 500,
        "startTime": start, "endTime": start, "model": "openai/gpt-5", "model_group": "chat",
        "custom_llm_provider": "openai", "api_base": "https://api.openai.com", "user": "u",
        "team_id": "team-a", "end_user": "", "cache_hit": "False",
        "request_tags": '["class:summaries", "env=prod"]',
        "metadata": {
            "user_api_key_alias": "alias", "status": "success",
            "usage_object": {"prompt_tokens_details": {"cached_tokens": 600}},
        },
        **other,
    }  # fmt: skip
