# SPDX-License-Identifier: Apache-2.0
"""Tokens as every source tells them, and the rows of ``usage`` and ``workloads`` from them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal

import pandas as pd

from connectors.asking import remark
from connectors.pulled import Report
from connectors.values import plain

MILLION = Decimal(1_000_000)
KINDS = ("input", "cached_input", "cache_write", "cache_write_1h", "output")


@dataclass(frozen=True)
class Tokens:
    """What was used in one hour, or by one request.

    Attributes
    ----------
    provider, model : as the source names them, the provider in our names.
    tier : ``batch``, ``flex``, ``priority``; empty for the standard one.
    long : whether the prompts were over the length from which some models cost more.
    counts : tokens by kind; ``input`` is what was neither read from nor written to a cache.
    requests : ``None`` where the source does not count them.
    labels : what may name the workload: project, team, tags.
    cost : what the source says it cost, if it does.
    """

    hour: datetime
    provider: str
    model: str
    account: str
    counts: Mapping[str, int]
    requests: int | None = None
    tier: str = ""
    long: bool = False
    labels: Mapping[str, str] = field(default_factory=dict)
    cost: Decimal | None = None

    @property
    def deployment(self) -> str:
        """What answered."""
        return f"{self.provider}/{self.model}" + (f"/{self.tier}" if self.tier else "")

    def meter(self, kind: str) -> str:
        """Return the name of the meter that tokens of a kind draw."""
        return self.deployment + ("/long" if self.long else "") + f"/{kind}"


def hour_of(moment: datetime) -> datetime:
    """Return the naive UTC hour of a moment; one without a zone is in UTC."""
    utc = moment.astimezone(UTC).replace(tzinfo=None) if moment.tzinfo else moment
    return utc.replace(minute=0, second=0, microsecond=0)


def usage_table(used: Iterable[Tokens], workload_from: str) -> pd.DataFrame:
    """Return the rows of ``usage``: a hour, a meter, an account, in millions of tokens.

    A row whose workload is known names what answered it: it counts in the bill, and a plan
    replaces it by its routing.
    """
    sums: dict[tuple[str, str, str, str, datetime], int] = {}
    for one in used:
        workload = one.labels.get(workload_from, "")
        answered = one.deployment if workload else ""
        for kind in KINDS:
            count = one.counts.get(kind, 0)
            if count:
                key = (one.meter(kind), one.account, workload, answered, one.hour)
                sums[key] = sums.get(key, 0) + count
    rows = [
        {
            "hour": hour,
            "meter": meter,
            "quantity": plain(Decimal(count) / MILLION),
            "account": account,
            "workload": workload,
            "deployment": answered,
        }
        for (meter, account, workload, answered, hour), count in sorted(sums.items())
    ]
    return pd.DataFrame(rows, columns=None if rows else ["hour", "meter", "quantity"])


def workload_table(used: Iterable[Tokens], workload_from: str, report: Report) -> pd.DataFrame:
    """Return the rows of ``workloads``: of the classes that are known and counted."""
    sums: dict[tuple[str, datetime], tuple[int, int, int, int]] = {}
    uncounted = 0
    for one in used:
        workload = one.labels.get(workload_from, "")
        if not workload:
            continue
        if one.requests is None:
            uncounted += 1
            continue
        asked = sum(one.counts.get(kind, 0) for kind in KINDS if kind != "output")
        cached = one.counts.get("cached_input", 0)
        key = (workload, one.hour)
        before = sums.get(key, (0, 0, 0, 0))
        now = (one.requests, asked, one.counts.get("output", 0), cached)
        sums[key] = (
            before[0] + now[0], before[1] + now[1], before[2] + now[2], before[3] + now[3],
        )  # fmt: skip
    if uncounted:
        text = "usage of a known workload without a count of requests: in usage alone"
        remark(report, "llm workloads", text, uncounted)
    rows = [
        {
            "workload": workload,
            "hour": hour,
            "requests": plain(Decimal(requests)),
            "input_tokens": plain(Decimal(asked)),
            "output_tokens": plain(Decimal(output)),
            "cached_share": plain(Decimal(cached) / asked if asked else Decimal(0)),
        }
        for (workload, hour), (requests, asked, output, cached) in sorted(sums.items())
    ]
    return pd.DataFrame(rows)
