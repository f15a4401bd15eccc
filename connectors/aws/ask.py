# SPDX-License-Identifier: Apache-2.0
"""Questions to AWS: to the last page, with retries, so many at once, each one on record.

One place retries (botocore's own retries are off): throttling, server errors, broken
connections and answers that are cut off, with exponential waits and jitter.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import stamina
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionError,  # noqa: A004 (botocore's own)
    HTTPClientError,
    IncompleteReadError,
    ResponseStreamingError,
)
from botocore.parsers import ResponseParserError

from connectors import asking
from connectors.asking import EndlessPages, Page, Question, all_pages
from connectors.pulled import Outcome, Report
from connectors.redact import redact

T = TypeVar("T")

THROTTLED = {
    "BandwidthLimitExceeded",
    "LimitExceededException",
    "PriorRequestNotComplete",
    "ProvisionedThroughputExceededException",
    "RequestLimitExceeded",
    "RequestThrottled",
    "RequestThrottledException",
    "SlowDown",
    "ThrottledException",
    "Throttling",
    "ThrottlingException",
    "TooManyRequestsException",
    "TransactionInProgressException",
}
DENIED = {
    "AccessDenied",
    "AccessDeniedException",
    "AllAccessDisabled",
    "AuthFailure",
    "Client.UnauthorizedOperation",
    "OptInRequired",
    "UnauthorizedOperation",
}
SKEWED = {
    "RequestExpired",
    "RequestInTheFuture",
    "RequestTimeTooSkewed",
    "InvalidSignatureException",
}
# The machine type has no such offer, or the region has no such service: an answer too.
NOT_OFFERED = {
    "InvalidParameterValue",
    "Unsupported",
    "UnsupportedOperation",
    "InvalidInstanceType",
}


class CutOff(Exception):
    """An answer without the part that it has to have: its body was cut off."""


@dataclass(frozen=True)
class Patience:
    """How often and how long to try: attempts, and the first and longest wait in seconds."""

    attempts: int = 8
    first: float = 0.5
    longest: float = 30.0


def worth_retrying(error: BaseException) -> bool:
    """Whether a later attempt may succeed."""
    if isinstance(error, ClientError):
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        code = error.response.get("Error", {}).get("Code", "")
        return code in THROTTLED or status == 429 or status >= 500
    return isinstance(
        error,
        CutOff
        | ConnectionError
        | HTTPClientError
        | IncompleteReadError
        | ResponseParserError
        | ResponseStreamingError,
    )


def attempt(call: Callable[[], T], patience: Patience) -> T:
    """Call until it answers, or raise its last error."""
    for trial in stamina.retry_context(
        on=worth_retrying,
        attempts=patience.attempts,
        timeout=None,
        wait_initial=patience.first,
        wait_max=patience.longest,
        wait_jitter=patience.first,
    ):
        with trial:
            return call()
    raise AssertionError  # retry_context either returns or raises


def pages(
    operation: Callable[..., dict[str, Any]],
    items: str,
    patience: Patience,
    token_in: str = "NextToken",  # noqa: S107 (the token of a page)
    token_out: str = "",
    **arguments: Any,
) -> list[Any]:
    """Return the items of all pages of an operation.

    The last page has no token, or an empty one. Equal items that come twice, on a page
    that was served twice, are returned once.

    Raises
    ------
    EndlessPages
        If a token repeats.
    CutOff
        If an answer lacks its items after every retry.
    """

    def fetch(token: str | None) -> Page[tuple[str, Any]]:
        given = {**arguments, token_in: token} if token else arguments
        answer = attempt(lambda: _whole(operation(**given), items), patience)
        return Page(_named(answer[items]), answer.get(token_out or token_in) or None)

    return [item for _, item in all_pages(fetch, identity=lambda named: named[0])]


def _named(items: Iterable[Any]) -> list[tuple[str, Any]]:
    """Name items by all they hold, and by which of equal ones on the page they are."""
    before: dict[str, int] = {}
    found = []
    for item in items:
        name = json.dumps(item, sort_keys=True, default=str)
        # Equal items on one page are two; on a page served twice they are one.
        before[name] = before.get(name, 0) + 1
        found.append((f"{name}#{before[name]}", item))
    return found


def _whole(answer: dict[str, Any], items: str) -> dict[str, Any]:
    # botocore reads a body of cut-off JSON as an answer without any part.
    if items not in answer:
        raise CutOff(f"an answer without {items}")
    return answer


def ask_all(questions: Sequence[Question[Any]], report: Report, parallel: int) -> list[list[Any]]:
    """Ask all questions, at most ``parallel`` at once; return the rows of each, in order.

    What is denied or fails gives no rows and a line of the report; the others are kept.
    """
    return asking.ask_all(questions, report, at_most=parallel, judge=_judged)


def _judged(error: Exception, question: Question[Any]) -> tuple[Outcome, str] | None:
    """Say how a question ended; a defect of our own is not taken for an answer of AWS's."""
    if isinstance(error, BotoCoreError | ClientError | CutOff | EndlessPages | ResponseParserError):
        return judge(error, question.permission, optional=question.optional)
    return None


def judge(error: Exception, permission: str, *, optional: bool = False) -> tuple[Outcome, str]:
    """Say how a question ended that did not answer, and why, in words without secrets."""
    code = error.response.get("Error", {}).get("Code", "") if isinstance(error, ClientError) else ""
    if code in DENIED:
        return Outcome.DENIED, f"the permission {permission} is missing"
    if optional and code in NOT_OFFERED:
        return Outcome.SKIPPED, "not offered here"
    if code in SKEWED:
        return Outcome.FAILED, (
            f"AWS refuses the time of this request ({code}): set the clock of this machine, or"
            " renew the credentials"
        )
    return Outcome.FAILED, redact(f"{type(error).__name__}: {error}")[:500]


def chunks(values: Iterable[T], size: int) -> list[list[T]]:
    """Cut a sequence into lists of at most ``size``."""
    given = list(values)
    return [given[i : i + size] for i in range(0, len(given), size)]
