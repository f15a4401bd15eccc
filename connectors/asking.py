# SPDX-License-Identifier: Apache-2.0
"""Ask a provider: retries, pages to the end, several questions at once, what went wrong.

A question either gives all of its rows or fails as a whole, and a failure becomes a line of
the report: half an answer is never taken for an answer.
"""

from __future__ import annotations

import functools
import logging
import re
import threading
import time
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Generic, TypeVar

import stamina
import stamina.instrumentation

from connectors.pulled import Asked, Outcome, Remark, Report
from connectors.redact import redact
from optimizer.errors import DataError, GpuoptError

T = TypeVar("T")

AT_MOST = 8  # questions under way at once, where the request does not say
ATTEMPTS = 6
PATIENCE = 300.0  # seconds for one question with all its retries
LONGEST_WAIT = 60.0  # seconds between two attempts, where the provider names no time
TIMEOUT = 60.0  # seconds without a byte
MOST_PAGES = 100_000

RETRIED = frozenset({408, 429, 500, 502, 503, 504})
REFUSED = frozenset({401, 403})


class Unanswered(GpuoptError):
    """A question that a provider did not answer, after every retry.

    Attributes
    ----------
    status : the HTTP status, 0 where there was none.
    wait : seconds that the provider asked for before the next attempt.
    """

    def __init__(self, problem: str, *, status: int = 0, wait: float = 0.0) -> None:
        super().__init__(redact(problem))
        self.status = status
        self.wait = wait

    @property
    def denied(self) -> bool:
        """Whether a permission is missing."""
        return self.status in REFUSED


class EndlessPages(GpuoptError):
    """A provider that hands out the same page token again and again."""


@dataclass(frozen=True)
class Page(Generic[T]):
    """Items, and the token of the next page; ``None`` and empty both mean the end."""

    items: Sequence[T]
    token: str | None = None


@dataclass(frozen=True)
class Question(Generic[T]):
    """What is asked, for the report, and the call that asks it.

    ``permission`` is named in the report if the provider refuses.
    ``optional`` questions are skipped, not failed, where a thing is not offered.
    """

    service: str
    operation: str
    place: str
    ask: Callable[[], Sequence[T]]
    permission: str = ""
    optional: bool = False


Judge = Callable[[Exception, Question[Any]], tuple[Outcome, str] | None]


def _tell(details: stamina.instrumentation.RetryDetails) -> None:
    """Log a retry without secrets: stamina's own hook logs arguments and errors as they are."""
    _log.info(
        "asked again in %.1f s after attempt %d: %s",
        details.wait_for,
        details.retry_num,
        redact(repr(details.caused_by)),
    )


_log = logging.getLogger(__name__)
stamina.instrumentation.set_on_retry_hooks([_tell])


def asked_wait(headers: Mapping[str, str]) -> float:
    """Return the seconds that a throttled answer asks for: the largest of all its headers.

    Azure's cost APIs throttle by several quotas at once and name a time for each in
    ``x-ms-ratelimit-…-retry-after``; the plain ``Retry-After`` may be missing or smaller.
    """
    lower = {name.lower(): str(value).strip() for name, value in headers.items()}
    waits = [0.0]
    for name, value in lower.items():
        ours = name == "retry-after" or (
            name.startswith("x-ms-ratelimit-") and name.endswith("retry-after")
        )
        if ours and re.fullmatch(r"\d+(\.\d+)?", value):
            waits.append(float(value))
        elif name == "retry-after":
            waits.append(_until(value, lower.get("date", "")))
        elif name in ("retry-after-ms", "x-ms-retry-after-ms") and value.isdigit():
            waits.append(float(value) / 1000)
    return max(waits)


def _until(moment: str, sent: str) -> float:
    """Return the seconds to a date, by the clock that wrote it: this machine's may differ."""
    try:
        now = parsedate_to_datetime(sent) if sent else datetime.now(UTC)
        return max(0.0, (parsedate_to_datetime(moment) - now).total_seconds())
    except (ValueError, TypeError):
        return 0.0  # no date and no number: the backoff decides


def patiently(call: Callable[[], T], *, attempts: int = ATTEMPTS) -> T:
    """Call until it answers: backoff with jitter, or as long as the provider asks for.

    Raises
    ------
    Unanswered
        At once if no retry can help, or the provider asks for more time than there is; else
        after the last attempt.
    """
    start = time.monotonic()

    def hook(error: Exception) -> bool | float:
        if not isinstance(error, Unanswered) or error.status not in RETRIED | {0}:
            return False
        if error.wait > PATIENCE - (time.monotonic() - start):
            return False  # to sleep past the end of one's patience helps nobody
        return error.wait if error.wait > 0 else True

    for attempt in stamina.retry_context(
        on=hook, attempts=attempts, timeout=PATIENCE, wait_initial=0.5, wait_max=LONGEST_WAIT
    ):
        with attempt:
            return call()
    raise AssertionError  # stamina re-raises the last error


def all_pages(
    fetch: Callable[[str | None], Page[T]], identity: Callable[[T], Hashable] | None = None
) -> list[T]:
    """Return the items of every page, each item once.

    Parameters
    ----------
    fetch
        Answers one page; called with ``None`` first and then with each page's token.
        Every page has its retries.
    identity
        What names an item; a second item of the same name (pages shift while rows
        arrive) is dropped.

    Raises
    ------
    EndlessPages
        If a token comes a second time: going on would never end.
    Unanswered
        If a page did not come.
    """
    items: list[T] = []
    known: set[Hashable] = set()
    tokens: set[str] = set()
    token: str | None = None
    while True:
        page = patiently(functools.partial(fetch, token))
        for item in page.items:
            name = identity(item) if identity else None
            if name is None or name not in known:
                items.append(item)
                known.add(name)
        if not page.token:
            return items
        if page.token in tokens:
            raise EndlessPages(
                f"the page token came a second time after {len(tokens) + 1} pages: the provider"
                " would go on forever"
            )
        if len(tokens) == MOST_PAGES:
            raise EndlessPages(f"more than {MOST_PAGES} pages")
        tokens.add(page.token)
        token = page.token


def judged(error: Exception, question: Question[Any]) -> tuple[Outcome, str] | None:
    """Say how a question ended that did not answer, and why; none if it is no such error."""
    if isinstance(error, Unanswered | EndlessPages | DataError):
        denied = isinstance(error, Unanswered) and error.denied
        detail = redact(str(error))
        if denied and question.permission:
            detail = f"permission {question.permission} is missing: {detail}"
        if isinstance(error, Unanswered) and error.wait:
            detail += f" (asks to wait {error.wait:g} seconds)"
        return (Outcome.DENIED if denied else Outcome.FAILED), detail
    if isinstance(error, LookupError | TypeError | ValueError | AttributeError):
        text = f"the answer is not of the documented shape: {type(error).__name__}: {error}"
        return Outcome.FAILED, redact(text)
    return None


def ask_all(
    questions: Iterable[Question[T]],
    report: Report,
    *,
    at_most: int = AT_MOST,
    judge: Judge = judged,
) -> list[list[T]]:
    """Ask several questions, at most so many at once; keep every answer that comes.

    ``judge`` says which errors are a provider's; any other is a defect and raised.

    Returns
    -------
    The answers in the order of the questions; of one that failed, nothing.  How each
    ended is in the report, in the same order, so that two pulls write the same manifest.
    """
    waiting = list(questions)
    said = threading.Lock()

    def one(question: Question[T]) -> tuple[list[T], Asked]:
        rows: list[T] = []
        outcome, detail = Outcome.ANSWERED, ""
        try:
            rows = list(question.ask())
        except Exception as error:
            verdict = judge(error, question)
            if verdict is None:
                raise
            outcome, detail = verdict
        asked = Asked(
            question.service, question.operation, question.place, outcome, len(rows), detail
        )
        with said:  # the progress line is not made for threads
            report.progress(
                f"{asked.service} {asked.operation} {asked.place}: {asked.outcome},"
                f" {asked.rows} rows"
            )
        return rows, asked

    with ThreadPoolExecutor(max_workers=max(1, at_most)) as pool:
        answers = list(pool.map(one, waiting))
    report.asked.extend(asked for _, asked in answers)
    return [rows for rows, _ in answers]


def at_most(settings: Mapping[str, str]) -> int:
    """Return how many questions may be under way at once.

    Raises
    ------
    DataError
        If the setting is not a positive whole number.
    """
    text = settings.get("at_most", str(AT_MOST))
    if not text.isdigit() or int(text) < 1:
        raise DataError(
            f"'{text}' is not a number of requests", mend="write at_most as 1 or more", file="pull"
        )
    return int(text)


def remark(report: Report, subject: str, text: str, rows: int = 0) -> None:
    """Add a remark to a report, unless there is nothing to remark on."""
    report.remarks.append(Remark(subject, redact(text), rows))
