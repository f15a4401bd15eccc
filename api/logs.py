# SPDX-License-Identifier: Apache-2.0
"""Logs as JSON lines on stderr, each with the id of its request, without secrets."""

from __future__ import annotations

import logging
import re
import sys
from typing import Any, TextIO

import structlog
from structlog.typing import EventDict, Processor

_SECRET = re.compile(
    r"gpk_[0-9a-f]{12}_[0-9a-f]+"  # a key
    r"|eyJ[A-Za-z0-9_-]{4,}\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*"  # a token
    r"|(?<=://)[^/@\s:]+:[^/@\s]+(?=@)"  # the user and the password of a URL
    r"|(?i:bearer)\s+[A-Za-z0-9._~+/=-]+"
)
_HIDDEN = re.compile(r"(?i)authorization|password|secret|token|api_?key|cookie")


def scrub(value: Any) -> Any:
    """Return a value without what could be a secret."""
    if isinstance(value, str):
        return _SECRET.sub("[secret]", value)
    if isinstance(value, dict):
        return {
            key: "[secret]" if _HIDDEN.search(str(key)) else scrub(item)
            for key, item in value.items()
        }
    if isinstance(value, list | tuple):
        return [scrub(item) for item in value]
    return value


def _without_secrets(_: Any, __: str, event: EventDict) -> EventDict:
    return {key: scrub({key: value})[key] for key, value in event.items()}


def configure(level: str = "info", stream: TextIO | None = None) -> None:
    """Log from here on: structlog's own lines, and those of all libraries, in one form."""
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                _without_secrets,
                structlog.processors.JSONRenderer(),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level.upper())
