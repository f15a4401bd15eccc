# SPDX-License-Identifier: Apache-2.0
"""Lets callers in: a key or a token of the identity provider, at a bearable rate."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

from fastapi import Request

from api.access import KEY, Caller, Unauthenticated, check_key
from api.http.address import address_of, networks_of
from api.http.limits import Rates
from api.http.problems import ProblemError
from api.settings import ServiceSettings
from api.store import Store

if TYPE_CHECKING:
    from api.oidc import Oidc


class Gate:
    """Authenticates requests and counts them."""

    def __init__(self, store: Store, settings: ServiceSettings, secret: bytes) -> None:
        self._store = store
        self._secret = secret
        self._callers = Rates(settings.requests_per_minute)
        self._strangers = Rates(settings.requests_per_minute)
        self._proxies = networks_of(settings.trusted_proxies)
        self.oidc: Oidc | None = None
        if settings.oidc_issuer:
            from api.oidc import Oidc

            self.oidc = Oidc(store, settings)

    def at_once(self, request: Request) -> bool:
        """Whether ``admit`` waits for nothing: the key was read a moment ago."""
        match = KEY.search(request.headers.get("authorization", ""))
        return match is not None and self._store.knows_key(match[1])

    def admit(self, request: Request) -> Caller:
        """Return who asks.

        Raises
        ------
        Unauthenticated
            If nobody known does.
        ProblemError
            If they ask too often.
        """
        return self.let_in(
            request, lambda: self.authenticate(request.headers.get("authorization", ""))
        )

    def let_in(self, request: Request, find: Callable[[], Caller]) -> Caller:
        """Return who ``find`` says asks, at a bearable rate, as :meth:`admit` does."""
        address = address_of(request, self._proxies)
        self._refuse_often(self._strangers.empty(address))
        try:
            caller = find()
        except Unauthenticated:
            self._strangers.take(address)
            raise
        self._refuse_often(self._callers.take(f"{caller.tenant} {caller.name}"))
        return caller

    def authenticate(self, header: str) -> Caller:
        """Return whose key or token a header ``Authorization`` holds, without counting.

        Raises
        ------
        Unauthenticated
            If nobody's that is known.
        """
        scheme, _, text = header.partition(" ")
        if scheme.lower() != "bearer" or not text.strip():
            raise Unauthenticated(
                "the request has no key. To mend it: send the header Authorization: Bearer gpk_…"
            )
        text = text.strip()
        if self.oidc is not None and not text.startswith("gpk_"):
            return self.oidc.caller(text)
        return check_key(self._store, self._secret, text)

    @staticmethod
    def _refuse_often(seconds: float) -> None:
        if seconds:
            raise ProblemError(
                "too-many",
                "more requests than one caller may send in a minute. To mend it: wait as long as "
                "Retry-After says",
                headers={"Retry-After": str(math.ceil(seconds))},
            )
