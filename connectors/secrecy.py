# SPDX-License-Identifier: Apache-2.0
"""Take credentials out of texts before anybody keeps them."""

from __future__ import annotations

import re

SECRETS = (
    # The header, a key in a body or a query, the keys of the LLM providers, a signed token.
    re.compile(r"(?i)(authorization['\"]?\s*[:=]\s*['\"]?)(bearer\s+|basic\s+)?[^\s'\",;]+"),
    re.compile(r"(?i)\b(bearer\s+)[\w.~+/=-]+"),
    re.compile(r"(?i)\b((?:x-)?(?:api[-_]?key|client_secret|access_token|refresh_token|password|sig"
               r"|subscription-key|key)['\"]?\s*[=:]\s*['\"]?)[^\s&'\",;]+"),
    re.compile(r"()\bsk-[\w-]{8,}"),
    re.compile(r"()\beyJ[\w-]+\.[\w-]+\.[\w-]*"),
    re.compile(r"()\bya29\.[\w.-]+"),
)  # fmt: skip


def redacted(text: str) -> str:
    """Return a text without anything that looks like a credential."""
    for pattern in SECRETS:
        text = pattern.sub(r"\1[removed]", text)
    return text
