# SPDX-License-Identifier: Apache-2.0
"""The Google Cloud clients of one pull, and how their answers become pages and errors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from connectors.asking import TIMEOUT, Page, Unanswered, asked_wait
from connectors.pulled import Request
from connectors.web import checked_endpoint

T = TypeVar("T")

COMPUTE_ENGINE = "6F81-5844-456A"  # the service's id in catalogue and export
SCOPES = (
    "https://www.googleapis.com/auth/cloud-billing.readonly",
    "https://www.googleapis.com/auth/compute.readonly",
    "https://www.googleapis.com/auth/bigquery",
    "https://www.googleapis.com/auth/cloud-platform",
)


def credential() -> Any:
    """Return what signs the requests: Application Default Credentials.

    Raises
    ------
    Unanswered
        If there are none.
    """
    import google.auth
    from google.auth.exceptions import DefaultCredentialsError

    try:
        found, _ = google.auth.default(scopes=SCOPES)
    except DefaultCredentialsError as error:
        raise Unanswered("no Application Default Credentials were found", status=401) from error
    return found


class Google:
    """What one pull talks to; the setting ``endpoint`` replaces the public services."""

    def __init__(self, request: Request) -> None:
        endpoint = request.settings.get("endpoint", "")
        self.endpoint = checked_endpoint(endpoint) if endpoint else ""
        self._credential = credential()

    def _options(self) -> dict[str, Any]:
        from google.api_core.client_options import ClientOptions

        # REST everywhere: gRPC would need TLS on a loopback endpoint, and proxies break it.
        options: dict[str, Any] = {"credentials": self._credential}
        if self.endpoint:
            options["client_options"] = ClientOptions(api_endpoint=self.endpoint)
        return options

    def catalogue(self) -> Any:
        """Return the client of the price catalogue."""
        from google.cloud.billing_v1 import CloudCatalogClient

        return CloudCatalogClient(transport="rest", **self._options())

    def commitments(self) -> Any:
        """Return the client of resource-based commitments."""
        from google.cloud.compute_v1 import RegionCommitmentsClient

        return RegionCommitmentsClient(**self._options())

    def recommender(self) -> Any:
        """Return the client of Google's own advice."""
        from google.cloud.recommender_v1 import RecommenderClient

        return RecommenderClient(transport="rest", **self._options())

    def bigquery(self, project: str) -> Any:
        """Return the client of the billing export, billed to a project."""
        from google.cloud.bigquery import Client

        return Client(project=project, **self._options())


def answered(call: Callable[[], T]) -> T:
    """Call the SDK once; its errors become ours, with status and wait.

    Raises
    ------
    Unanswered
        Status 0: the connection broke, the time ran out or the body was not whole.
    """
    import requests
    from google.api_core.exceptions import GoogleAPICallError, RetryError
    from google.auth.exceptions import GoogleAuthError, RefreshError, TransportError
    from google.protobuf.json_format import ParseError

    try:
        return call()
    except GoogleAPICallError as error:
        answer = getattr(error, "response", None)
        wait = asked_wait(answer.headers) if answer is not None else 0.0
        status = int(error.code or 0)
        raise Unanswered(f"HTTP {status} {error.message}", status=status, wait=wait) from error
    except RefreshError as error:
        raise Unanswered("the log-in has expired or was refused", status=401) from error
    except (
        RetryError, TransportError, requests.RequestException, ConnectionError, TimeoutError,
    ) as error:  # fmt: skip
        raise Unanswered(f"{type(error).__name__}") from error
    except GoogleAuthError as error:
        raise Unanswered(f"no log-in: {type(error).__name__}", status=401) from error
    except (ValueError, ParseError) as error:  # a body cut short is no JSON and no message
        raise Unanswered(f"the answer cannot be read: {type(error).__name__}") from error


def sdk_pages(
    method: Callable[..., Any],
    request: dict[str, Any],
    items: Callable[[Any], list[Any]],
) -> Callable[[str | None], Page[Any]]:
    """Return a reader of single pages of a listing method.

    Parameters
    ----------
    items
        Takes the items out of the raw page.
    """

    def fetch(token: str | None) -> Page[Any]:
        def ask() -> Page[Any]:
            whole = {**request, **({"page_token": token} if token else {})}
            # Retries are ours: the SDK's own do not cover 429.
            pager = method(request=whole, retry=None, timeout=TIMEOUT)
            page = next(iter(pager.pages))
            return Page(items(page), page.next_page_token)

        return answered(ask)

    return fetch
