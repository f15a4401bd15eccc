# SPDX-License-Identifier: Apache-2.0
"""Pull Azure: ask, and put the answers into tables.

Accounts are subscriptions, or scopes such as
``/providers/Microsoft.Management/managementGroups/NAME``; regions limit the usage.  Settings:

=========================  ====================================================================
``hourly``                 ``monitor``: hours from Azure Monitor; else days, spread evenly
``metric``                 ``actualcost`` (default) or ``amortizedcost``
``currency``               of prices, default ``USD``
``tags``                   tags kept as ``tag_*`` columns, between semicolons
``machines``               further ``region/size`` to price, between semicolons
``subscription``           whose price sheet and catalogue; default: the first that is known
``billing_account``        whose reservation transactions tell what was paid
``spot_interruption``      chance per hour that a spot machine is taken: Azure tells none here
``focus``                  URL of a blob container and prefix with FOCUS exports: the usage
``at_most``                questions at once, default 8
=========================  ====================================================================
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, time
from typing import Any

import pandas as pd

from connectors.asking import Question, ask_all, at_most, remark
from connectors.azure import activity, advice, commitments, offers, prices, tables, usage
from connectors.azure.clients import Azure, word
from connectors.azure.exports import Exported, pull_exports
from connectors.azure.names import is_size
from connectors.azure.prices import Place
from connectors.azure.usage import Ran
from connectors.pulled import Asked, Outcome, Pulled, Report, Request
from connectors.values import listed
from optimizer.errors import DataError, UsageError


def pull_azure(request: Request, report: Report) -> Pulled:
    """Return the tables of what the accounts hold and used.

    Raises
    ------
    UsageError
        If no account is named, or an endpoint is not safe.
    DataError
        If a setting cannot be read.
    """
    if not request.accounts:
        raise UsageError("azure needs --account: subscriptions or management group scopes")
    return _Pull(request, report).tables()


class _Pull:
    """One pull, step by step; every step needs the answers of those before it."""

    def __init__(self, request: Request, report: Report) -> None:
        self.request, self.report = request, report
        self.azure = Azure(request)
        self.most = at_most(request.settings)
        self.now = _naive(request.until)
        self.as_of = f"{self.now:%Y-%m-%d}"
        self.currency = request.settings.get("currency", "USD")

    def tables(self) -> Pulled:
        """Return all tables."""
        exported = self._exports()
        ran = self._usage() if exported is None else []
        accounts = [one.account for one in ran] if exported is None else exported.accounts
        subscription = self._subscription(ran)
        found = self._ask(
            commitments.questions(
                self.azure, subscription, self.request.settings.get("billing_account", "")
            )
        )
        reserved, planned, paid = (*found, [])[:3]
        wanted = {(Place(one.region, one.machine), one.windows) for one in ran}
        wanted |= {(commitments.place_of(row), False) for row in reserved if _is_machine(row)}
        wanted |= {(place, False) for place in _machines(self.request)}
        wanted |= _machine_meters(self.request.kept_meters)
        wanted |= _machine_meters(exported.meters if exported else ())
        places = {place for place, _ in wanted}
        retail = prices.retail(
            _flat(self._ask(prices.questions(self.azure, places, self.currency))),
            self.now,
            self.report,
        )
        sheets = prices.sheet(_flat(self._ask(self._sheets(subscription))))
        regions = {place.region for place in places}
        sizes = offers.catalogue(
            _flat(self._ask(offers.questions(self.azure, subscription, regions)))
        )
        meters = tables.meters(
            wanted,
            retail,
            sheets,
            sizes,
            as_of=self.as_of,
            currency=self.currency,
            interruption=self.request.settings.get("spot_interruption", ""),
            report=self.report,
        )
        metered = frozenset(row["meter"] for row in meters)
        offered, covered = offers.reservations(sizes, retail, metered, self.as_of, self.report)
        more, drawn = offers.plans(retail, sheets, metered, self.as_of)
        offered, covered = offered + more, covered + drawn
        by_name = {row["offer"]: row for row in offered}
        known = commitments.Known(by_name, tuple(covered), sizes, _paths(accounts), self.now)
        held = commitments.held(reserved, planned, paid, known, self.report)
        advised = self._advice(subscription, by_name, covered)
        made = {
            "meters": meters,
            "offers": sorted(offered + held.offers, key=lambda row: row["offer"]),
            "covers": sorted(covered + held.covers, key=lambda row: (row["offer"], row["meter"])),
            "commitments": sorted(held.commitments, key=lambda row: row["commitment"]),
            "provider_advice": advised,
        }
        frames = {name: pd.DataFrame(rows) for name, rows in made.items() if rows}
        if exported is None:
            return Pulled({**frames, "usage": self._hours(ran)})
        return Pulled({**frames, **exported.beside(frames.get("meters"))})

    def _ask(self, questions: Sequence[Question[Any]]) -> list[list[Any]]:
        return ask_all(questions, self.report, at_most=self.most)

    def _exports(self) -> Exported | None:
        """Return the usage of cost exports, if the request names any."""
        if "focus" not in self.request.settings:
            return None
        text = "usage of cost exports in FOCUS; prices, offers and commitments of the APIs"
        remark(self.report, "azure usage", text)
        return Exported(pull_exports(self.request, self.report))

    def _usage(self) -> list[Ran]:
        rows = _flat(self._ask(usage.questions(self.azure, self.request)))
        ran = usage.ran(rows, self.request, self.report)
        if _naive(self.request.since).time() != time(0) or self.now.time() != time(0):
            text = "the window cuts its first or last day: days that are not whole are left out"
            remark(self.report, "azure usage", text)
        strange = {one.currency for one in ran if one.currency} - {self.currency}
        if strange:
            text = f"billed in {', '.join(sorted(strange))}, priced in {self.currency}"
            remark(self.report, "azure usage", f"{text}: costs are not comparable", len(ran))
        return ran

    def _hours(self, ran: list[Ran]) -> pd.DataFrame:
        """Return the usage table, by the hour if that was asked for."""
        minutes = None
        if self.request.settings.get("hourly") == "monitor":
            told = _flat(self._ask(activity.questions(self.azure, activity.days(ran))))
            minutes = {(point.resource, point.hour): point.minutes for point in told}
        frame = tables.usage(ran, minutes, listed(self.request.settings, "tags"), self.report)
        cost = "billed_cost"
        if self.request.settings.get("metric", "actualcost") == "amortizedcost":
            cost = "effective_cost"
        return frame.rename(columns={"cost": cost})

    def _subscription(self, ran: Sequence[Ran]) -> str:
        """Return the subscription to ask for prices; empty if none is known."""
        named = [account for account in self.request.accounts if "/" not in account.strip("/")]
        seen = sorted({one.subscription for one in ran if one.subscription})
        return self.request.settings.get("subscription", "") or next(iter([*named, *seen]), "")

    def _sheets(self, subscription: str) -> list[Question[Any]]:
        if subscription:
            return [prices.sheet_question(self.azure, subscription)]
        text = "no subscription is known to ask for its price sheet"
        self.report.asked.append(
            Asked("consumption", "price_sheet.get", "", Outcome.SKIPPED, 0, text)
        )
        return []

    def _advice(
        self, subscription: str, by_name: dict[str, offers.Row], covered: list[offers.Row]
    ) -> list[offers.Row]:
        asked = [
            question
            for account in self.request.accounts
            for question in advice.questions(self.azure, account, subscription)
        ]
        told = self._ask(asked)
        return advice.rows(
            _flat(told[::2]), _flat(told[1::2]), by_name, covered, self.as_of, self.report
        )


def _flat(answers: Sequence[Sequence[Any]]) -> list[Any]:
    return [row for rows in answers for row in rows]


def _is_machine(row: Any) -> bool:
    return word(row.properties.reserved_resource_type) == "VirtualMachines"


def _machines(request: Request) -> list[Place]:
    found = []
    for text in listed(request.settings, "machines"):
        region, _, machine = text.partition("/")
        if not region or not machine:
            raise DataError(
                f"'{text}' is no region/size", mend="write as eastus/Standard_D4s_v5", file="pull"
            )
        found.append(Place(region, machine))
    return found


def _machine_meters(names: Iterable[str]) -> set[tuple[Place, bool]]:
    """Return (place, Windows) of meters that are machines, by their names."""
    found = set()
    for name in names:
        parts = name.split("/")
        machine = len(parts) >= 3 and parts[0] == "azure" and is_size(parts[2])
        if machine and parts[3:] in ([], ["windows"]):
            found.add((Place(parts[1], parts[2]), parts[3:] == ["windows"]))
    return found


def _paths(accounts: Iterable[str]) -> dict[str, str]:
    """Return the account path of every subscription (and of what is above and below it)."""
    found: dict[str, str] = {}
    for account in sorted(set(accounts)):
        parts = account.split("/")
        for i, part in enumerate(parts):
            found.setdefault(part.lower(), "/".join(parts[: i + 1]))
    return found


def _naive(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(tzinfo=None) if moment.tzinfo else moment
