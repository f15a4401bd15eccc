# SPDX-License-Identifier: Apache-2.0
"""Signing in with the identity provider: OpenID Connect's authorization code flow with PKCE.

What is begun is kept in a signed cookie of the browser that began it: the state, so that no
other site can finish it; the nonce, so that no other token can; and the verifier, without
which the code is worth nothing to whoever else sees it (RFC 7636, RFC 9700).
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

import requests

from api.access import Caller, Unauthenticated
from api.oidc import TIMEOUT, Oidc, read_json
from api.settings import ServiceSettings


class Provider:
    """The identity provider, as a client of it."""

    def __init__(self, settings: ServiceSettings, oidc: Oidc) -> None:
        self._settings = settings
        self._oidc = oidc
        self._client = str(settings.oidc_client_id)

    def begin(self, back: str) -> tuple[str, dict[str, str]]:
        """Return where the browser is sent to, and what it keeps meanwhile.

        Parameters
        ----------
        back
            The URL that the provider sends the browser back to; it has to know it.
        """
        kept = {
            "state": secrets.token_urlsafe(24),
            "nonce": secrets.token_urlsafe(24),
            "verifier": secrets.token_urlsafe(48),
        }
        digest = hashlib.sha256(kept["verifier"].encode()).digest()
        asked = {
            "response_type": "code",
            "client_id": self._client,
            "redirect_uri": back,
            "scope": self._settings.oidc_scope,
            "state": kept["state"],
            "nonce": kept["nonce"],
            "code_challenge": base64.urlsafe_b64encode(digest).decode().rstrip("="),
            "code_challenge_method": "S256",
        }
        place = self._endpoint("authorization_endpoint")
        return f"{place}{'&' if '?' in place else '?'}{urlencode(asked)}", kept

    def finish(self, given: Mapping[str, str], kept: Mapping[str, Any], back: str) -> Caller:
        """Return who came back.

        Raises
        ------
        Unauthenticated
            If it is not who was sent, the provider refused, or its token is not valid.
        """
        whole = all(kept.get(name) for name in ("state", "nonce", "verifier"))
        state = str(kept.get("state", ""))
        if not whole or not hmac.compare_digest(state.encode(), given.get("state", "").encode()):
            raise Unauthenticated(
                "this sign-in was not begun in this browser, or too long ago. "
                "To mend it: begin again"
            )
        issuer = given.get("iss")  # RFC 9207: which provider it is that answers
        if issuer is not None and issuer != self._settings.oidc_issuer:
            raise Unauthenticated("another provider answered. To mend it: begin again")
        if "code" not in given:
            told = given.get("error", "no code")[:80]
            raise Unauthenticated(
                f"the identity provider refused ({told}). "
                "To mend it: begin again, or use an API key"
            )
        claims = self._oidc.claims(self._token(given["code"], kept, back), self._client)
        nonce = str(claims.get("nonce", ""))
        others = isinstance(claims.get("aud"), list) and len(claims["aud"]) > 1
        if not hmac.compare_digest(nonce.encode(), str(kept["nonce"]).encode()) or (
            others and claims.get("azp") != self._client
        ):
            raise Unauthenticated(
                "the identity provider's token is not of this sign-in. To mend it: begin again"
            )
        return self._oidc.caller_of(claims)

    def _token(self, code: str, kept: Mapping[str, Any], back: str) -> str:
        """Return the ID token that a code is good for."""
        fields = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": back,
            "client_id": self._client,
            "code_verifier": str(kept["verifier"]),
        }
        secret = self._settings.oidc_client_secret
        auth = None
        if secret is not None:  # RFC 6749, 2.3.1: both are encoded before they are joined
            auth = (quote(self._client, safe=""), quote(secret.get_secret_value(), safe=""))
        try:
            with requests.post(
                self._endpoint("token_endpoint"), data=fields, auth=auth, timeout=TIMEOUT,
                stream=True, allow_redirects=False, headers={"Accept": "application/json"},
            ) as response:  # fmt: skip
                return str(read_json(response)["id_token"])
        except (requests.RequestException, ValueError, KeyError, TypeError) as error:
            raise Unauthenticated(
                f"the identity provider gave no token ({type(error).__name__}). "
                "To mend it: begin again, or use an API key"
            ) from error

    def _endpoint(self, name: str) -> str:
        """Return an endpoint of the provider; with TLS where the issuer has it."""
        place = str(self._oidc.metadata().get(name, ""))
        wanted = {"https", urlsplit(str(self._settings.oidc_issuer)).scheme}
        if urlsplit(place).scheme not in wanted:
            raise Unauthenticated(
                f"the identity provider has no usable {name}. To mend it: have the operator check "
                "GPUOPT_OIDC_ISSUER"
            )
        return place
