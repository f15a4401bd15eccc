# SPDX-License-Identifier: Apache-2.0
"""The Azure SDK clients of one pull, and how their answers become pages and errors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from connectors.asking import TIMEOUT, Page, Unanswered, asked_wait
from connectors.pulled import Request
from connectors.web import checked_endpoint
from optimizer.errors import DataError

T = TypeVar("T")

MANAGEMENT = "https://management.azure.com"
RETAIL = "https://prices.azure.com"
SCOPE = "https://management.azure.com/.default"
GROUP = "/providers/Microsoft.Management/managementGroups/"


def credential() -> Any:
    """Return what signs the requests: environment, workload identity, managed identity, CLI."""
    from azure.identity import DefaultAzureCredential

    return DefaultAzureCredential(exclude_interactive_browser_credential=True)


class Azure:
    """What one pull talks to.

    Settings of the request: ``endpoint`` and ``retail_endpoint`` replace the public ones
    (sovereign clouds); plain http is for this machine only.
    """

    def __init__(self, request: Request) -> None:
        settings = request.settings
        self.endpoint = checked_endpoint(settings.get("endpoint", MANAGEMENT))
        self.retail = checked_endpoint(settings.get("retail_endpoint", RETAIL))
        self._credential = credential()
        # Retries are ours: the SDK's own heed Retry-After but not the quota headers.
        self._options = {
            "base_url": self.endpoint,
            "credential_scopes": [SCOPE],
            "retry_total": 0,
            "connection_timeout": TIMEOUT,
            "read_timeout": TIMEOUT,
        }
        self.per_call = {"enforce_https": False} if self.endpoint.startswith("http:") else {}

    def consumption(self, subscription: str) -> Any:
        """Return the client of usage details, price sheet and reservation advice."""
        from azure.mgmt.consumption import ConsumptionManagementClient

        return ConsumptionManagementClient(self._credential, subscription, **self._options)

    def reservations(self) -> Any:
        """Return the client of the reservations held and of their catalogue."""
        from azure.mgmt.reservations import ReservationsMgmtClient

        return ReservationsMgmtClient(self._credential, **self._options)

    def benefits(self, subscription: str) -> Any:
        """Return the client of the savings plans held."""
        from azure.mgmt.billingbenefits import BillingBenefitsMgmtClient

        return BillingBenefitsMgmtClient(self._credential, subscription, **self._options)

    def costs(self) -> Any:
        """Return the client of the savings plan advice."""
        from azure.mgmt.costmanagement import CostManagementClient

        options = {name: value for name, value in self._options.items() if name != "subscription"}
        return CostManagementClient(self._credential, **options)

    def get(self, path: str, params: dict[str, str]) -> Any:
        """Return the JSON of a management question that has no SDK here; one attempt."""
        from azure.core.pipeline.policies import BearerTokenCredentialPolicy, UserAgentPolicy
        from azure.core.rest import HttpRequest
        from azure.mgmt.core import ARMPipelineClient

        policies = [UserAgentPolicy("gpuopt"), BearerTokenCredentialPolicy(self._credential, SCOPE)]
        with ARMPipelineClient(self.endpoint, policies=policies) as client:

            def ask() -> Any:
                answer = client.send_request(
                    HttpRequest("GET", f"{self.endpoint}{path}", params=params),
                    connection_timeout=TIMEOUT,
                    read_timeout=TIMEOUT,
                    **self.per_call,
                )
                answer.raise_for_status()
                return answer.json()

            return answered(ask)


def answered(call: Callable[[], T]) -> T:
    """Call the SDK once; its errors become ours, with status and wait.

    Raises
    ------
    Unanswered
        Status 0: the connection broke, the time ran out or the body was not whole.
    """
    from azure.core.exceptions import AzureError, ClientAuthenticationError, HttpResponseError

    try:
        return call()
    except HttpResponseError as error:
        status = int(error.status_code or 0)
        if status == 0 and isinstance(error, ClientAuthenticationError):
            status = 401  # no token: asking again gives none either
        if status == 200:
            status = 0  # the body could not be decoded
        headers = error.response.headers if error.response is not None else {}
        raise Unanswered(
            f"HTTP {status} {error.message}", status=status, wait=asked_wait(headers)
        ) from error
    except AzureError as error:
        raise Unanswered(f"{type(error).__name__}: {error.message}") from error
    except ValueError as error:  # JSON cut short, where the SDK parses outside its pipeline
        raise Unanswered(f"the answer cannot be read: {type(error).__name__}") from error


def word(value: Any) -> str:
    """Return a text of the SDK: ``str`` of one of its enumerations would name the class."""
    return str(getattr(value, "value", value) or "")


def sdk_pages(start: Callable[[], Any]) -> Callable[[str | None], Page[Any]]:
    """Return a reader of single pages of an SDK's paged answer."""

    def fetch(token: str | None) -> Page[Any]:
        def ask() -> Page[Any]:
            pages = start().by_page(token)
            items = list(next(pages))
            return Page(items, pages.continuation_token)

        return answered(ask)

    return fetch


def scope_of(account: str) -> str:
    """Return the scope of usage: a subscription's id, a management group or a billing account.

    Raises
    ------
    DataError
        If the account is empty.
    """
    name = account.strip().strip("/")
    if not name:
        raise DataError(
            "an account is empty", mend="name a subscription or a scope", file="accounts"
        )
    return f"/{name}" if "/" in name else f"/subscriptions/{name}"


def group_of(account: str) -> str:
    """Return the management group of a scope; empty if it is none."""
    scope = scope_of(account)
    return scope.removeprefix(GROUP) if scope.startswith(GROUP) else ""
