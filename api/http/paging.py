# SPDX-License-Identifier: Apache-2.0
"""Pages of a list: tokens that only this service can make, and only for the same list."""

from __future__ import annotations

import base64
import binascii
import hmac
import json
from collections.abc import Callable, Sequence
from typing import Annotated, Any, TypeVar

from fastapi import Query, Request

from api.http.problems import ProblemError

Row = TypeVar("Row")

PageSize = Annotated[int, Query(ge=1, le=200, description="most rows of a page")]
PageToken = Annotated[
    str,
    Query(max_length=1024, description="`next_page_token` of the page before, with the same "
          "filters; opaque"),
]  # fmt: skip


class Page:
    """The rows of one page are asked for, and the token of the next is made.

    Parameters
    ----------
    filters
        What else the list was asked for; a token is valid with the same only.
    """

    def __init__(self, request: Request, size: int, token: str, **filters: str | None) -> None:
        self._secret: bytes = request.app.state.page_secret
        self._size = size
        given = {key: value for key, value in filters.items() if value is not None}
        self._list = json.dumps([request.state.caller.tenant, request.url.path, given])
        self.before: str | None = self._read(token) if token else None

    def of(
        self, fetch: Callable[[int], Sequence[Row]], name: Callable[[Row], Any]
    ) -> tuple[list[Row], str]:
        """Return the page's rows and the next token, ``""`` on the last page."""
        rows = list(fetch(self._size + 1))
        more = len(rows) > self._size
        rows = rows[: self._size]
        return rows, self._write(str(name(rows[-1]))) if more else ""

    def _mac(self, last: str) -> bytes:
        return hmac.digest(self._secret, f"{self._list}\n{last}".encode(), "sha256")[:16]

    def _write(self, last: str) -> str:
        return base64.urlsafe_b64encode(self._mac(last) + last.encode()).decode().rstrip("=")

    def _read(self, token: str) -> str:
        try:
            raw = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
            last = raw[16:].decode()
        except (binascii.Error, ValueError):
            raw, last = b"", ""
        if not last or not hmac.compare_digest(raw[:16], self._mac(last)):
            raise ProblemError(
                "page-token",
                "the page token was not made for this list and these filters. "
                "To mend it: begin again without it",
            )
        return last
