# SPDX-License-Identifier: Apache-2.0
"""Pull LLM usage: ask, and put the answers into tables.

Accounts are sources: ``openai``, ``anthropic``, ``litellm:FILE``, ``litellm:https://PROXY``,
``otel:FILE`` (a file, or a folder of them), ``prices:openai/gpt-5,anthropic/claude-…/batch``
(models that are not used yet: their prices alone).  Keys are read from the environment alone:
``OPENAI_ADMIN_KEY``, ``ANTHROPIC_ADMIN_KEY``, ``LITELLM_API_KEY``.  Settings:

==========================================  ==================================================
``workload_from``                           what names a request class: ``project_id``
                                            (OpenAI), ``workspace_id`` (Anthropic), ``team_id``,
                                            ``end_user``, ``model_group``, ``tag:NAME``,
                                            ``metadata.KEY`` (LiteLLM), ``service.name`` (OTel);
                                            without it there are no ``workloads``
``openai_endpoint``, ``anthropic_endpoint`` other addresses
``at_most``                                 questions at once, default 8
==========================================  ==================================================

The same request in two sources is counted twice: ask the router or the providers, not both.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

import pandas as pd

from connectors.asking import Question, ask_all, at_most, remark
from connectors.llm import litellm, otel, prices, providers, tokens
from connectors.llm.tokens import Tokens
from connectors.pulled import Pulled, Report, Request
from optimizer.errors import UsageError

Reader = Callable[[Iterable[Any], Request, Report], list[Tokens]]


def pull_llm(request: Request, report: Report) -> Pulled:
    """Return the tables of the tokens that were used.

    Raises
    ------
    UsageError
        If no source is named, or one is not known.
    """
    if not request.accounts:
        raise UsageError(
            "llm needs --account: openai, anthropic, litellm:FILE, otel:FILE or prices:MODELS"
        )
    now = _naive(request.until)
    named = [a.partition(":")[2] for a in request.accounts if a.startswith("prices:")]
    new = [one for place in named for one in prices.candidates(place, now)]
    asked: list[tuple[Question[Any], Reader]] = []
    for account in request.accounts:
        if account.startswith("prices:"):
            continue
        asked += [(question, reader) for question, reader in _asked(account, request)]
    answers = ask_all([q for q, _ in asked], report, at_most=at_most(request.settings))
    by_reader: dict[Reader, list[Any]] = {}
    for (_, reader), rows in zip(asked, answers, strict=True):
        by_reader.setdefault(reader, []).extend(rows)
    used = [one for reader, rows in by_reader.items() for one in reader(rows, request, report)]
    direct = {"openai", "anthropic"} & set(request.accounts)
    routers = ("litellm:", "otel:")
    if direct and any(account.startswith(routers) for account in request.accounts):
        text = "a router and a provider were both asked: a request that is in both counts twice"
        remark(report, "llm", text)
    workload_from = request.settings.get("workload_from", "")
    made: Mapping[str, pd.DataFrame] = {
        "meters": pd.DataFrame(prices.meters([*used, *new], now, report)),
        "workloads": tokens.workload_table(used, workload_from, report),
    }
    frames = {name: frame for name, frame in made.items() if len(frame)}
    frames["usage"] = tokens.usage_table(used, workload_from)
    return Pulled(frames)


def _asked(account: str, request: Request) -> list[tuple[Question[Any], Reader]]:
    kind, _, place = account.partition(":")
    if account == "openai":
        return [(providers.openai_question(request), _as_they_are)]
    if account == "anthropic":
        return [(providers.anthropic_question(request), _as_they_are)]
    if kind == "litellm" and place:
        return [(question, litellm.read) for question in litellm.questions(place, request)]
    if kind == "otel" and place:
        return [(otel.question(place), otel.read)]
    raise UsageError(
        f"'{account}' is no source: openai, anthropic, litellm:PLACE, otel:FILE or prices:MODELS"
    )


def _as_they_are(rows: Iterable[Any], request: Request, report: Report) -> list[Tokens]:
    """Return tokens that the provider has counted by the hour already, within the window."""
    first, last = _naive(request.since), _naive(request.until)
    found = list(rows)
    kept = [one for one in found if first <= one.hour < last]
    if len(kept) < len(found):
        remark(report, "llm", "buckets outside the window: left out", len(found) - len(kept))
    return kept


def _naive(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(tzinfo=None) if moment.tzinfo else moment
