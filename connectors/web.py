# SPDX-License-Identifier: Apache-2.0
"""Ask for JSON over HTTP, where a provider has no SDK for the question."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any
from urllib.parse import urlsplit

from connectors.asking import TIMEOUT, Unanswered, asked_wait
from connectors.redact import redact
from optimizer.errors import UsageError

LOOPBACK = ("127.0.0.1", "localhost", "::1")


def checked_endpoint(url: str) -> str:
    """Return an endpoint without its last slash; credentials leave this machine over TLS only.

    Raises
    ------
    UsageError
        If it is neither https nor on this machine.
    """
    parts = urlsplit(url)
    if parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in LOOPBACK):
        return url.rstrip("/")
    raise UsageError(f"'{redact(url)}' is neither https:// nor on this machine")


def get_json(
    url: str,
    *,
    params: Mapping[str, str] | list[tuple[str, str]] | None = None,
    headers: Mapping[str, str] | None = None,
    timeout: float = TIMEOUT,
) -> Any:
    """Return the JSON of an answer, its numbers as ``Decimal``; one attempt, no retry.

    Raises
    ------
    Unanswered
        With the status and the wait the provider asks for; status 0 if the connection
        broke, the time ran out or the body is not whole.
    """
    import requests

    place = url.split("?", maxsplit=1)[0]
    try:
        answer = requests.get(url, params=params, headers=headers, timeout=timeout)
    except requests.RequestException as error:
        # The error's text repeats the URL, and some keys travel in URLs.
        raise Unanswered(f"{place}: {type(error).__name__}") from error
    if answer.status_code != 200:
        raise Unanswered(
            f"{place}: HTTP {answer.status_code} {answer.reason}: {answer.text[:300]}",
            status=answer.status_code,
            wait=asked_wait(answer.headers),
        )
    try:
        return answer.json(parse_float=Decimal)
    except ValueError as error:
        raise Unanswered(f"{place}: the answer is not whole JSON") from error
