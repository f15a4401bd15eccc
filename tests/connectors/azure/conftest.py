# SPDX-License-Identifier: Apache-2.0
"""A cloud of one's own for every test, and a pull from it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest
import stamina

from connectors import azure
from connectors.azure import clients
from connectors.pulled import Pulled, Report, Request

from ..loopback import Loopback, serving
from .cloud import ENROLLMENT, GROUP, SECRET, AzureCloud


class Token:
    """A credential with a token that must never be seen again."""

    def get_token(self, *scopes: str, **_: Any) -> Any:
        from azure.core.credentials import AccessToken

        return AccessToken(SECRET, int(time.time()) + 3600)


WEEK = datetime(2026, 11, 15, tzinfo=UTC)


@dataclass
class Served:
    """A cloud and its server."""

    cloud: AzureCloud
    server: Loopback

    def request(self, **changes: Any) -> Request:
        settings = {
            "endpoint": self.server.url,
            "retail_endpoint": self.server.url,
            "billing_account": ENROLLMENT,
            "tags": "team;purpose",
            "spot_interruption": "0.000182903",
            **changes.pop("settings", {}),
        }
        given = {
            "since": datetime(2026, 8, 23, tzinfo=UTC),
            "until": datetime(2026, 11, 21, tzinfo=UTC),
            "accounts": (GROUP,),
            **changes,
        }
        return Request(settings=settings, **given)

    def pull(self, **changes: Any) -> tuple[Pulled, Report]:
        report = Report()
        return azure.pull(self.request(**changes), report), report


@pytest.fixture(scope="session")
def azure_company() -> AzureCloud:
    """The company's Azure side; built once, because its machines are thousands of rows."""
    return AzureCloud()


@pytest.fixture
def served(azure_company: AzureCloud, monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    monkeypatch.setattr(clients, "credential", Token)
    with serving(azure_company.answer) as server:
        azure_company.url = server.url
        azure_company.plans = []
        yield Served(azure_company, server)


@pytest.fixture(scope="session")
def daily(azure_company: AzureCloud) -> tuple[Pulled, Report]:
    """The whole company, pulled by the day."""
    with pytest.MonkeyPatch.context() as patch, serving(azure_company.answer) as server:
        patch.setattr(clients, "credential", Token)
        azure_company.url = server.url
        return Served(azure_company, server).pull()


@pytest.fixture(scope="session")
def week(azure_company: AzureCloud) -> Pulled:
    """A week, pulled while nothing goes wrong."""
    with pytest.MonkeyPatch.context() as patch, serving(azure_company.answer) as server:
        patch.setattr(clients, "credential", Token)
        azure_company.url = server.url
        return Served(azure_company, server).pull(since=WEEK)[0]


@pytest.fixture
def hasty() -> Iterator[None]:
    """No waiting between attempts, and three of them."""
    stamina.set_testing(True, attempts=3, cap=True)
    yield
    stamina.set_testing(False)
