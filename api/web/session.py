# SPDX-License-Identifier: Apache-2.0
"""Sessions of the pages: a signed cookie that names a row, which says who signed in.

A session ends with its time, with its key, and when somebody ends its row: whoever holds a
copy of the cookie is signed out too. What a person of the identity provider may do is what its
token said when they signed in.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from fastapi import Request, Response
from itsdangerous import BadData, URLSafeSerializer

from api.access import Caller, Role, Unauthenticated, derived
from api.settings import ServiceSettings
from api.store import SignIn, Store
from api.store.database import now

# What cookies of this version hold; one of another version is read as if it were not there.
VERSION = 2
_LATE = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True)
class Session:
    """A session that a browser names; ``id`` is what CSRF tokens are made from too."""

    id: str

    def caller(self, store: Store) -> Caller:
        """Return who this is at this moment.

        Raises
        ------
        Unauthenticated
            If the session is over or was ended, or its key was revoked or has expired.
        """
        found = store.find_session(self.id)
        if found is None or found.ended_at is not None or found.until <= now():
            raise over()
        if not found.key:
            return Caller(found.tenant, found.name, Role(found.role))
        row = store.find_key(found.key)
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
        """Return what was kept, if it is there, of this version, and nobody changed it."""
        text = request.cookies.get(self._name(request, what))
        if not text:
            return None
        try:
            value = self._signers[what].loads(text)
        except BadData:  # changed, cut off, of another secret or no JSON
            return None
        if not isinstance(value, dict) or value.get("v") != VERSION:
            return None
        return value

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
            str(self._signers[what].dumps({**value, "v": VERSION})),
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
        name = self.name(request, "session")
        return None if name is None else Session(name)

    def name(self, request: Request, what: str) -> str | None:
        """Return the id that is kept, if one is."""
        found = (self.read(request, what) or {}).get("id")
        return found if isinstance(found, str) else None

    def begin(
        self,
        request: Request,
        response: Response,
        caller: Caller,
        most: datetime = _LATE,
        key: str = "",
    ) -> None:
        """Begin a session that ends at ``most`` at the latest; this writes to the database.

        Parameters
        ----------
        key
            The first part of the API key that was used, if one was.
        """
        moment = now()
        until = min(moment + timedelta(hours=self._settings.session_hours), most)
        store: Store = request.app.state.store
        who = SignIn(caller.name, str(caller.role), until, key)
        row = store.of(caller.tenant).sessions.begin(who, str(request.scope["gpuopt.request_id"]))
        seconds = int((until - moment).total_seconds())
        self.write(request, response, "session", {"id": row.id}, seconds)
        self.forget(request, response, "before")

    def token(self, session: str) -> str:
        """Return the CSRF token of a session's forms."""
        mac = hmac.digest(self._csrf, session.encode(), "sha256")
        return base64.urlsafe_b64encode(mac).decode().rstrip("=")

    def _name(self, request: Request, what: str) -> str:
        # Browsers let no other host and no page without TLS set a cookie of this prefix.
        return f"{'__Host-' if self.secure(request) else ''}gpuopt_{what}"
