# SPDX-License-Identifier: Apache-2.0
"""Sessions of the pages: a signed cookie that says who signed in, and until when.

The cookie never holds an API key, only the part that finds its row: a session ends with the
key. What a person of the identity provider may do is what its token said when they signed in.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any
from urllib.parse import urlsplit

from fastapi import Request, Response
from itsdangerous import BadSignature, URLSafeSerializer

from api.access import Caller, Role, Unauthenticated, derived
from api.settings import ServiceSettings
from api.store import Store
from api.store.database import now


@dataclass(frozen=True)
class Session:
    """Who signed in.

    ``key`` is the first part of an API key, or empty; then the rest is what the identity
    provider said. ``until`` is in seconds since 1970; ``id`` is what CSRF tokens are made from.
    """

    id: str
    until: int
    key: str = ""
    tenant: str = ""
    name: str = ""
    role: str = ""

    def caller(self, store: Store) -> Caller:
        """Return who this is at this moment.

        Raises
        ------
        Unauthenticated
            If the session is over, or its key was revoked or has expired.
        """
        if self.until <= time.time():
            raise over()
        if not self.key:
            return Caller(self.tenant, self.name, Role(self.role))
        row = store.find_key(self.key)
        if row is None or row.revoked_at is not None or row.expires_at <= now():
            raise over()
        return Caller(row.tenant, row.id, Role(row.role), frozenset(row.scopes))


def over() -> Unauthenticated:
    """The error of a request without a session that is in force."""
    return Unauthenticated("nobody is signed in, or no longer. To mend it: sign in")


class Cookies:
    """Signs and reads what the pages keep in a browser.

    Parameters
    ----------
    secret
        The service's; each purpose has a key of its own, derived from it.
    """

    def __init__(self, settings: ServiceSettings, secret: bytes) -> None:
        self._settings = settings
        self._csrf = derived(secret, "csrf")
        key = derived(secret, "page cookie")
        self._signers = {
            what: URLSafeSerializer(
                key,
                salt=what,
                signer_kwargs={"digest_method": hashlib.sha256, "key_derivation": "hmac"},
            )
            for what in ("session", "before", "sign-in", "notice")
        }

    def origin(self, request: Request) -> str:
        """Where a browser reaches the service: scheme, host and port."""
        public = self._settings.public_url
        return public or f"{request.url.scheme}://{request.headers.get('host', '')}"

    def secure(self, request: Request) -> bool:
        """Whether browsers reach the service by TLS."""
        return urlsplit(self.origin(request)).scheme == "https"

    def read(self, request: Request, what: str) -> dict[str, Any] | None:
        """Return what was kept, if it is there and nobody changed it."""
        text = request.cookies.get(self._name(request, what))
        if not text:
            return None
        try:
            value = self._signers[what].loads(text)
        except BadSignature:
            return None
        return value if isinstance(value, dict) else None

    def write(
        self,
        request: Request,
        response: Response,
        what: str,
        value: Mapping[str, Any],
        seconds: int | None = None,
    ) -> None:
        """Keep something in the browser for so long; by default until it is closed."""
        response.set_cookie(
            self._name(request, what),
            str(self._signers[what].dumps(dict(value))),
            max_age=seconds,
            path="/",
            secure=self.secure(request),
            httponly=True,
            samesite="lax",
        )

    def forget(self, request: Request, response: Response, what: str) -> None:
        """Take something out of the browser."""
        response.delete_cookie(
            self._name(request, what),
            path="/",
            secure=self.secure(request),
            httponly=True,
            samesite="lax",
        )

    def session(self, request: Request) -> Session | None:
        """Return the session of a request, whether it is in force or not."""
        kept = self.read(request, "session")
        return None if kept is None else Session(**kept)

    def begin(self, request: Request, response: Response, most: int, **who: str) -> Session:
        """Begin a session that ends at ``most`` (seconds since 1970) at the latest."""
        until = min(int(time.time()) + self._settings.session_hours * 3600, most)
        session = Session(secrets.token_urlsafe(18), until, **who)
        self.write(request, response, "session", asdict(session), until - int(time.time()))
        self.forget(request, response, "before")
        return session

    def token(self, session: str) -> str:
        """Return the CSRF token of a session's forms."""
        mac = hmac.digest(self._csrf, session.encode(), "sha256")
        return base64.urlsafe_b64encode(mac).decode().rstrip("=")

    def _name(self, request: Request, what: str) -> str:
        # Browsers let no other host and no page without TLS set a cookie of this prefix.
        return f"{'__Host-' if self.secure(request) else ''}gpuopt_{what}"
