# SPDX-License-Identifier: Apache-2.0
"""People of an identity provider: its signed tokens are accepted beside API keys.

A token has to be signed by a key of the issuer's key set, made out for our audience, and in
force; its claims name the tenant and the role. What a token does not say is not assumed.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Mapping
from typing import Any

import requests
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from api.access import Caller, Role, Unauthenticated
from api.settings import ServiceSettings
from api.store import Store
from optimizer.errors import UsageError

_KEPT_SECONDS = 3600.0
_PAUSE_SECONDS = 10.0  # between two questions for the keys, whatever tokens are sent
TIMEOUT = (3.05, 10)
_LEEWAY = 30
_MOST = 1 << 20


class Oidc:
    """Checks tokens against the keys that the issuer publishes.

    Raises
    ------
    UsageError
        If the settings lack the audience.
    """

    def __init__(self, store: Store, settings: ServiceSettings) -> None:
        if not settings.oidc_audience:
            raise UsageError(
                "GPUOPT_OIDC_ISSUER is set, but not GPUOPT_OIDC_AUDIENCE. "
                "To mend it: set the audience that the tokens are made out for"
            )
        self._store = store
        self._settings = settings
        self._lock = threading.Lock()
        self._keys: KeySet | None = None
        self._asked = -_KEPT_SECONDS
        self._known: dict[str, Any] | None = None

    def caller(self, text: str) -> Caller:
        """Return who a token is made out to.

        Raises
        ------
        Unauthenticated
            If it is not valid, or names no tenant or role that there is.
        """
        return self.caller_of(self.claims(text, str(self._settings.oidc_audience)))

    def caller_of(self, claims: Mapping[str, Any]) -> Caller:
        """Return who claims that were checked are of; as :meth:`caller`."""
        tenant = claims.get(self._settings.oidc_tenant_claim)
        found = self._store.tenant_named(tenant) if isinstance(tenant, str) else None
        role = claims.get(self._settings.oidc_role_claim)
        if found is None or not isinstance(role, str) or role not in list(Role):
            raise Unauthenticated(
                f"the token names no tenant in '{self._settings.oidc_tenant_claim}', or no role "
                f"in '{self._settings.oidc_role_claim}'. To mend it: have the identity provider "
                "add both claims"
            )
        return Caller(found.id, f"oidc:{str(claims['sub'])[:200]}", Role(role))

    def claims(self, text: str, audience: str) -> dict[str, Any]:
        """Return the claims of a token of the issuer that is made out for an audience.

        Raises
        ------
        Unauthenticated
            If it is not valid.
        """
        registry = jwt.JWTClaimsRegistry(
            leeway=_LEEWAY,
            iss={"essential": True, "value": self._settings.oidc_issuer or ""},
            aud={"essential": True, "value": audience},
            exp={"essential": True},
            sub={"essential": True},
        )
        for fresh in (False, True):
            keys = self._key_set(fresh=fresh)
            try:
                token = jwt.decode(text, keys, algorithms=list(self._settings.oidc_algorithms))
                registry.validate(token.claims)
            except (JoseError, ValueError) as error:
                # The issuer may have rotated its keys: they are asked for once more.
                if fresh or "key" not in f"{type(error).__name__} {error}".lower():
                    raise self._refused() from None
            else:
                return dict(token.claims)
        raise self._refused()

    @staticmethod
    def _refused() -> Unauthenticated:
        return Unauthenticated(
            "the token is not valid: its signature, issuer, audience or time is refused. "
            "To mend it: sign in again"
        )

    def metadata(self) -> dict[str, Any]:
        """Return what the issuer says of itself (OpenID Connect Discovery), asked for once.

        Raises
        ------
        Unauthenticated
            If it does not answer, or is another issuer.
        """
        with self._lock:
            if self._known is None:
                issuer = str(self._settings.oidc_issuer)
                try:
                    found = self._get(f"{issuer.rstrip('/')}/.well-known/openid-configuration")
                    if found["issuer"] != issuer:
                        raise ValueError("another issuer")
                except (requests.RequestException, ValueError, KeyError, TypeError) as error:
                    raise Unauthenticated(
                        f"the identity provider cannot be asked ({type(error).__name__}). "
                        "To mend it: try again, or use an API key"
                    ) from error
                self._known = dict(found)
            return self._known

    def _key_set(self, *, fresh: bool) -> KeySet:
        with self._lock:
            age = time.monotonic() - self._asked
            old = age > _KEPT_SECONDS or (fresh and age > _PAUSE_SECONDS)
            if self._keys is None or old:
                try:
                    self._keys = KeySet.import_key_set(self._get(self._jwks_url()))
                    self._asked = time.monotonic()
                except (requests.RequestException, ValueError, KeyError, JoseError) as error:
                    if self._keys is None:
                        raise Unauthenticated(
                            "the identity provider's keys cannot be read "
                            f"({type(error).__name__}). To mend it: try again, or use an API key"
                        ) from error
            return self._keys

    def _jwks_url(self) -> str:
        if self._settings.oidc_jwks_url:
            return self._settings.oidc_jwks_url
        issuer = str(self._settings.oidc_issuer).rstrip("/")
        return str(self._get(f"{issuer}/.well-known/openid-configuration")["jwks_uri"])

    @staticmethod
    def _get(url: str) -> Any:
        with requests.get(url, timeout=TIMEOUT, stream=True) as response:
            return read_json(response)


def read_json(response: requests.Response) -> Any:
    """Return the JSON of an answer of at most 1 MiB.

    Raises
    ------
    RequestException
        If the answer is an error.
    ValueError
        If it is larger, or no JSON.
    """
    response.raise_for_status()
    body = response.raw.read(_MOST + 1, decode_content=True)
    if len(body) > _MOST:
        raise ValueError("an answer of more than 1 MiB")
    return json.loads(body)
