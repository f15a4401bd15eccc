# SPDX-License-Identifier: Apache-2.0
"""A cloud, its server, and pulls from it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest
import stamina

from connectors import gcp
from connectors.gcp import clients
from connectors.pulled import Pulled, Report, Request

from ..loopback import Loopback, serving
from .cloud import BILLING, PRICING, PROJECTS, SECRET, GoogleCloud

WEEK = datetime(2026, 11, 15, tzinfo=UTC)


def token() -> Any:
    """Return credentials with a token that must never be seen again."""
    from google.oauth2.credentials import Credentials

    return Credentials(SECRET)


@dataclass
class Served:
    """A cloud and its server."""

    cloud: GoogleCloud
    server: Loopback

    def request(self, **changes: Any) -> Request:
        settings = {
            "endpoint": self.server.url,
            "billing_table": BILLING,
            "pricing_table": PRICING,
            "tags": "team;purpose",
            "spot_interruption": "0.000182903",
            **changes.pop("settings", {}),
        }
        given = {
            "since": datetime(2026, 8, 23, tzinfo=UTC),
            "until": datetime(2026, 11, 21, tzinfo=UTC),
            "accounts": PROJECTS,
            **changes,
        }
        settings = {name: value for name, value in settings.items() if value}
        return Request(settings=settings, **given)

    def pull(self, **changes: Any) -> tuple[Pulled, Report]:
        report = Report()
        return gcp.pull(self.request(**changes), report), report


@pytest.fixture(scope="session")
def google_company() -> GoogleCloud:
    return GoogleCloud()


@pytest.fixture
def served(google_company: GoogleCloud, monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    """What a test adds to the export or the commitments is gone after it."""
    monkeypatch.setattr(clients, "credential", token)
    before = google_company.database.execute("SELECT count(*) FROM export").fetchall()[0][0]
    with serving(google_company.answer) as server:
        yield Served(google_company, server)
    google_company.extra_commitments = []
    google_company.database.execute("DELETE FROM export WHERE rowid >= ?", [before])
    google_company.results.clear()


@pytest.fixture(scope="session")
def whole(google_company: GoogleCloud) -> tuple[Pulled, Report]:
    """The whole company, pulled while nothing goes wrong."""
    with pytest.MonkeyPatch.context() as patch, serving(google_company.answer) as server:
        patch.setattr(clients, "credential", token)
        return Served(google_company, server).pull()


@pytest.fixture(scope="session")
def week(google_company: GoogleCloud) -> Pulled:
    """A week, pulled while nothing goes wrong."""
    with pytest.MonkeyPatch.context() as patch, serving(google_company.answer) as server:
        patch.setattr(clients, "credential", token)
        return Served(google_company, server).pull(since=WEEK)[0]


@pytest.fixture
def hasty() -> Iterator[None]:
    """No waiting between attempts, and three of them."""
    stamina.set_testing(True, attempts=3, cap=True)
    yield
    stamina.set_testing(False)
