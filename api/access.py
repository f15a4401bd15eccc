# SPDX-License-Identifier: Apache-2.0
"""Who may do what: keys, roles and scopes.

A key is ``gpk_<12 hex digits>_<64 hex digits>``: the first part finds its row, the second is
256 random bits, of which only an HMAC under the service's secret is kept. What leaks from the
database alone is worth nothing; there is nothing to guess, so that no slow hash is needed.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path

from api.settings import ServiceSettings
from api.store import NewKey, Refused, Store
from api.store.database import now
from optimizer.errors import GpuoptError, UsageError

KEY = re.compile(r"gpk_([0-9a-f]{12})_([0-9a-f]{64})")


class Role(StrEnum):
    """What a key is for; each may do all that those before it may."""

    viewer = "viewer"
    analyst = "analyst"
    approver = "approver"
    admin = "admin"

    @property
    def rank(self) -> int:
        """Its place in the order."""
        return list(Role).index(self)


# The least role for each scope; a key may be narrowed to some of the scopes of its role.
SCOPES = {
    "snapshots:read": Role.viewer,
    "snapshots:write": Role.analyst,
    "plans:read": Role.viewer,
    "plans:write": Role.analyst,
    "recommendations:read": Role.viewer,
    "recommendations:write": Role.analyst,
    "recommendations:decide": Role.approver,
    "reports:read": Role.viewer,
    "reports:write": Role.analyst,
    "reports:deliver": Role.analyst,
    "kpis:read": Role.viewer,
    "service:read": Role.viewer,
    "keys:write": Role.admin,
    "audit:read": Role.admin,
    "metrics:read": Role.admin,
}


class Unauthenticated(GpuoptError):
    """Nobody that is known asks."""


@dataclass(frozen=True)
class Caller:
    """Who asks: of which tenant, under which name, and what they may do.

    ``scopes`` narrows what the role may do; empty means all of it.
    """

    tenant: str
    name: str
    role: Role
    scopes: frozenset[str] = frozenset()

    def may(self, scope: str) -> bool:
        """Whether the caller may do what a scope stands for."""
        return self.role.rank >= SCOPES[scope].rank and (not self.scopes or scope in self.scopes)

    @property
    def allowed(self) -> list[str]:
        """All scopes that the caller has."""
        return [scope for scope in SCOPES if self.may(scope)]


def service_secret(settings: ServiceSettings) -> bytes:
    """Return the secret of the service: that of the settings, or of a file made once.

    Raises
    ------
    UsageError
        If the file cannot be read or written.
    """
    if settings.secret is not None:
        return settings.secret.get_secret_value().encode()
    file = settings.data_dir / "secret"
    try:
        settings.data_dir.mkdir(parents=True, exist_ok=True)
        _make_secret(file)
        return file.read_bytes()
    except OSError as error:
        msg = f"{file} cannot be read or written ({error.strerror})"
        raise UsageError(f"{msg}. To mend it: set GPUOPT_DATA_DIR or GPUOPT_SECRET") from error


def _make_secret(file: Path) -> None:
    """Make the file whole or not at all; of two servers that start at once, one makes it."""
    if file.exists():
        return
    partial = file.with_name(f".secret-{secrets.token_hex(8)}")
    handle = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        os.write(handle, secrets.token_hex(32).encode())
        os.fsync(handle)
    finally:
        os.close(handle)
    try:
        os.link(partial, file)
    except FileExistsError:
        pass
    finally:
        partial.unlink()


def derived(secret: bytes, purpose: str) -> bytes:
    """Return a key for one purpose, from which the secret cannot be reckoned."""
    return hmac.digest(secret, purpose.encode(), "sha256")


def make_key(
    secret: bytes, role: Role, label: str, expires_at: datetime, scopes: Sequence[str] = ()
) -> tuple[NewKey, str]:
    """Make a key: what is kept of it, and the key itself, which is shown once."""
    prefix, rest = secrets.token_hex(6), secrets.token_hex(32)
    kept = NewKey(prefix, _digest(secret, prefix, rest), label, role, tuple(scopes), expires_at)
    return kept, f"gpk_{prefix}_{rest}"


def check_key(store: Store, secret: bytes, text: str) -> Caller:
    """Return whose key this is.

    Raises
    ------
    Unauthenticated
        If it is nobody's, was revoked, or has expired; which of them is not told.
    """
    match = KEY.fullmatch(text)
    found = store.find_key(match[1]) if match else None
    digest = _digest(secret, match[1], match[2]) if match else ""
    right = found is not None and hmac.compare_digest(found.digest, digest)
    if found is None or not right or found.revoked_at is not None or found.expires_at <= now():
        raise Unauthenticated(
            "the key is not valid: it is unknown, revoked or expired. "
            "To mend it: ask an admin of your organization for a new one"
        )
    return Caller(found.tenant, found.id, Role(found.role), frozenset(found.scopes))


def first_key(store: Store, settings: ServiceSettings, secret: bytes) -> str | None:
    """Make the first tenant and its admin key; ``None`` if there is a tenant already."""
    if store.tenants():
        return None
    try:
        return add_tenant(store, settings, secret, "default")
    except Refused:  # another server was first, and has shown it
        return None


def add_tenant(store: Store, settings: ServiceSettings, secret: bytes, name: str) -> str:
    """Add a tenant and return its first admin key.

    Raises
    ------
    Refused
        If there is one of this name.
    """
    from api.store import SERVICE

    tenant = store.add_tenant(name)
    until = now() + timedelta(days=settings.key_days)
    kept, key = make_key(secret, Role.admin, "first key", until)
    store.of(tenant.id).keys.add(kept, SERVICE)
    return key


def _digest(secret: bytes, prefix: str, rest: str) -> str:
    keyed = hmac.new(derived(secret, "api key"), f"{prefix}:{rest}".encode(), hashlib.sha256)
    return keyed.hexdigest()
