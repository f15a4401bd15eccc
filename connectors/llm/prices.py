# SPDX-License-Identifier: Apache-2.0
"""Token prices, fixed into ``meters`` with their source and date: from genai-prices, offline."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from connectors.asking import remark
from connectors.llm.tokens import KINDS, Tokens
from connectors.pulled import Asked, Outcome, Report
from connectors.values import plain
from optimizer.errors import UsageError

PRICE_KEYS = {
    "input": "input_mtok",
    "cached_input": "cache_read_mtok",
    "cache_write": "cache_write_mtok",
    "cache_write_1h": "cache_write_1h_mtok",
    "output": "output_mtok",
}
# A provider that names no price for its cache bills those tokens as any other input.
AS_INPUT = ("cached_input", "cache_write")
# How genai-prices calls a tier.
CONTEXT = {
    "batch": {"processing": "batch"},
    "flex": {"service_tier": "flex"},
    "priority": {"service_tier": "priority"},
}
PROVIDERS = {"bedrock": "aws", "vertex_ai": "google", "gemini": "google", "gcp.gemini": "google"}
Row = dict[str, str]


def candidates(place: str, now: datetime) -> list[Tokens]:
    """Return models that are not used yet as if each had drawn what every model draws.

    Parameters
    ----------
    place
        ``PROVIDER/MODEL`` or ``PROVIDER/MODEL/TIER``, separated by commas.

    Raises
    ------
    UsageError
        If a name has no provider.
    """
    found = []
    for name in (part.strip() for part in place.split(",")):
        provider, _, rest = name.partition("/")
        model, _, tier = (
            rest.rpartition("/") if rest.rpartition("/")[2] in CONTEXT else (rest, "", "")
        )
        if not provider or not model:
            msg = f"'{name}' names no model: write prices:PROVIDER/MODEL, as prices:openai/gpt-5"
            raise UsageError(msg)
        counts = dict.fromkeys(("input", "cached_input", "output"), 1)
        found.append(Tokens(now, provider, model, "", counts, tier=tier))
    return found


def meters(used: Iterable[Tokens], now: datetime, report: Report) -> list[Row]:
    """Return one row for every meter that was drawn; a model without a price is reported."""
    drawn: dict[str, tuple[Tokens, str]] = {}
    for one in used:
        for kind in KINDS:
            if one.counts.get(kind, 0):
                drawn.setdefault(one.meter(kind), (one, kind))
    book = _Book(now, report)
    rows = []
    unpriced: dict[str, int] = {}
    for name, (one, kind) in sorted(drawn.items()):
        price, source = book.price(one, kind)
        if price is None:
            unpriced[one.deployment] = unpriced.get(one.deployment, 0) + 1
        rows.append(
            {
                "meter": name,
                "provider": one.provider,
                "family": one.model,
                "product": "tokens",
                "unit": "1M Tokens",
                "on_demand": plain(price),
                "currency": "USD",
                "source": source,
                "as_of": f"{now:%Y-%m-%d}",
            }
        )
    for deployment, count in sorted(unpriced.items()):
        text = f"{deployment}: meters without a known price, kept without one"
        remark(report, "llm prices", text, count)
    return rows


class _Book:
    """The prices of genai-prices as of one moment."""

    def __init__(self, now: datetime, report: Report) -> None:
        self._now = now.replace(tzinfo=UTC)
        self._snapshot: Any = None
        try:
            import genai_prices
            from genai_prices.data_snapshot import get_snapshot
        except ImportError:
            text = "genai-prices is not installed: pip install 'gpuopt[models]'"
            report.asked.append(Asked("genai-prices", "prices", "", Outcome.FAILED, 0, text))
            return
        self._snapshot = get_snapshot()
        self._version = str(genai_prices.__version__)

    def price(self, one: Tokens, kind: str) -> tuple[Decimal | None, str]:
        """Return the price of a million tokens and where it is from."""
        if self._snapshot is None:
            return None, "genai-prices is not installed"
        found = self._find(one)
        if found is None:
            return None, f"genai-prices {self._version} does not have the model"
        provider, model = found
        source = f"genai-prices {self._version}: {provider.id}/{model.id}"
        if one.tier and one.tier not in CONTEXT:
            return None, f"{source}: no price of the tier {one.tier}"
        prices = model.get_prices(self._now, CONTEXT.get(one.tier))
        standard = model.get_prices(self._now)
        if one.tier and repr(prices) == repr(standard):
            return None, f"{source}: no price of the tier {one.tier}"
        price = getattr(prices, PRICE_KEYS[kind], None)
        if price is None and kind in AS_INPUT:
            price, source = prices.input_mtok, f"{source}; no price of {kind}, so that of input"
        return _amount(price, long=one.long), source

    def _find(self, one: Tokens) -> tuple[Any, Any] | None:
        name = PROVIDERS.get(one.provider, one.provider)
        try:
            provider, model = self._snapshot.find_provider_model(one.model, None, name, None)
        except LookupError:
            return None
        return provider, model


def _amount(price: Any, *, long: bool) -> Decimal | None:
    """Return a price: of those with tiers the first, or the last for long prompts."""
    if price is None or isinstance(price, Decimal):
        return price
    found = price.tiers[-1].price if long and price.tiers else price.base
    return Decimal(found)


def bare_model(model: str, provider: str) -> tuple[str, str]:
    """Return (provider, model) of a name such as ``openai/gpt-5``, as routers write it."""
    head, slash, rest = model.partition("/")
    if slash and re.fullmatch(r"[a-z_]+", head) and (not provider or head == provider):
        return head, rest
    return provider or "unknown", model
