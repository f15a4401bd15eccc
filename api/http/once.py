# SPDX-License-Identifier: Apache-2.0
"""``Idempotency-Key``: a request that is sent again is answered again, and done once.

The key is taken before the work. What a job's request did is noted in the transaction that
made the job (``Jobs.add``), so that not even a server that is killed between the two makes
a second one.
"""

from __future__ import annotations

import contextvars
import hashlib
import re
from collections.abc import Awaitable, Callable

from fastapi import Request, Response
from starlette.concurrency import run_in_threadpool

from api.access import Caller
from api.http.problems import ProblemError
from api.logs import scrub
from api.store import TenantStore

HEADER = "Idempotency-Key"
_FORM = re.compile(r"[\x21-\x7e]{1,255}")
_KEPT_HEADERS = ("location", "etag", "retry-after", "content-type", "preference-applied")

current: contextvars.ContextVar[tuple[str, str] | None] = contextvars.ContextVar(
    "current", default=None
)


def fingerprint(request: Request, body: bytes | str) -> str:
    """Return what a request was: its method, path and body, in a hash."""
    digest = hashlib.sha256(body.encode() if isinstance(body, str) else body)
    head = f"{request.method} {request.url.path}?{request.url.query}"
    return hashlib.sha256(f"{head} {digest.hexdigest()}".encode()).hexdigest()


async def once(
    request: Request,
    mine: TenantStore,
    caller: Caller,
    body: bytes | str,
    answer: Callable[[], Awaitable[Response]],
    again: Callable[[str], Awaitable[Response]],
) -> Response:
    """Answer a request, or return what was answered to it before.

    Parameters
    ----------
    answer
        Does the work.
    again
        Makes the answer from the id of the job that the request made before its server
        went away.
    """
    key = request.headers.get(HEADER)
    if key is None:
        return await answer()
    if not _FORM.fullmatch(key):
        raise ProblemError(
            "bad-request",
            f"{HEADER} is not 1 to 255 visible ASCII characters. To mend it: send a UUID",
        )
    taken = await run_in_threadpool(
        mine.answers.claim, caller.name, key, fingerprint(request, body)
    )
    if taken is None:
        return await _first(mine, caller, key, answer)
    if taken.fingerprint != fingerprint(request, body):
        raise ProblemError(
            "key-reused",
            f"{HEADER} {key[:40]} was sent with another request. To mend it: use a new key",
        )
    if taken.status is None and taken.subject is None:
        raise ProblemError(
            "in-flight",
            f"the first request with {HEADER} {key[:40]} is still being answered. "
            "To mend it: send it again in a moment",
            headers={"Retry-After": "1"},
        )
    if taken.status is None:
        response = await again(str(taken.subject))
    else:
        response = Response(taken.body, taken.status, dict(taken.headers or {}))
    response.headers["Idempotency-Replayed"] = "true"
    return response


async def _first(
    mine: TenantStore,
    caller: Caller,
    key: str,
    answer: Callable[[], Awaitable[Response]],
) -> Response:
    token = current.set((caller.name, key))
    try:
        response = await answer()
    except BaseException:
        await run_in_threadpool(mine.answers.release, caller.name, key)
        raise
    finally:
        current.reset(token)
    headers = {n: v for n, v in response.headers.items() if n.lower() in _KEPT_HEADERS}
    kept = scrub(bytes(response.body).decode())  # a new key is shown once, and never again
    await run_in_threadpool(
        mine.answers.keep, caller.name, key, response.status_code, headers, kept
    )
    return response
