# SPDX-License-Identifier: Apache-2.0
"""Takes secrets out of texts before they reach a log, a manifest or a message."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

HIDDEN = "***"

_NAMES = "(?:secret|token|password|passwd|api[-_]?key|access[-_]?key|signature|sig|credential)"
_PATTERNS = (
    # the header with whatever scheme it has
    re.compile(r"(?i)(authorization[\"']?\s*[=:]\s*[\"']?(?:bearer\s+|basic\s+)?)([^\s\"',;]+)"),
    # name=value and "name": "value", in URLs, headers and settings
    re.compile(rf"(?i)([\w.-]*{_NAMES}[\w.-]*[\"']?\s*[=:]\s*[\"']?)([^\s\"'&,;}}]+)"),
    re.compile(r"(?i)(\bkey[\"']?\s*[=:]\s*[\"']?)([^\s\"'&,;}]+)"),
    re.compile(r"(?i)(\bbearer\s+)([A-Za-z0-9._~+/=-]+)"),
    re.compile(r"(?i)(\bbasic\s+)([A-Za-z0-9._~+/=-]{8,})"),
    re.compile(r"(\b)((?:AKIA|ASIA|AROA)[A-Z0-9]{8,})"),
    re.compile(r"(\b)(sk-[A-Za-z0-9_-]{8,})"),
    re.compile(r"(\b)(eyJ[A-Za-z0-9_-]+\.[A-Za-z0-9_.-]+)"),  # a JSON web token
    re.compile(r"(\b)(ya29\.[A-Za-z0-9_.-]+)"),  # a token of Google's
    re.compile(r"(://)([^/\s:@]+:[^/\s@]+)(?=@)"),  # user and password in an address
)
_SECRET_SETTING = re.compile(rf"(?i){_NAMES}")


def redact(text: str) -> str:
    """Return the text with everything that looks like a secret replaced by ``***``."""
    for pattern in _PATTERNS:
        text = pattern.sub(rf"\g<1>{HIDDEN}", text)
    return text


def redact_settings(settings: Mapping[str, str]) -> dict[str, str]:
    """Return settings by name; the value of one that is named like a secret is hidden."""
    return {
        name: HIDDEN if _SECRET_SETTING.search(name) else redact(value)
        for name, value in sorted(settings.items())
    }


def redact_all(value: Any) -> Any:
    """Return a JSON value with every text in it redacted."""
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, Mapping):
        return {key: redact_all(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [redact_all(item) for item in value]
    return value
