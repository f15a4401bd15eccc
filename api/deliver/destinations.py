# SPDX-License-Identifier: Apache-2.0
"""Where reports go: destinations that the operator has configured, and no others.

A request names a destination and never says what it is, for addresses hold secrets.
``GPUOPT_DESTINATIONS`` is a TOML file (docs/delivery.md)::

    [default.archive]  # tenant, destination
    folder = "/srv/reports"

    [default.finance]
    mail = ["finance@example.com"]
    from = "gpuopt <gpuopt@example.com>"
    server = "smtps://gpuopt@smtp.example.com"
    password_file = "/run/secrets/smtp"

    [default.chat]
    url_file = "/run/secrets/slack"  # or url = "slack://…": what Apprise reads
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from email.headerregistry import Address
from email.utils import parseaddr
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, model_validator

from api.deliver import chat, folder, mail
from api.deliver.parcel import Parcel
from optimizer.errors import UsageError

NAME = r"^[a-z][a-z0-9_-]{0,40}$"


class Folder(BaseModel):
    """A folder of the server."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    folder: Path

    @property
    def kind(self) -> str:
        """What kind of destination it is."""
        return "folder"

    @model_validator(mode="after")
    def _whole(self) -> Folder:
        if not self.folder.is_absolute():
            raise ValueError("folder is not an absolute path")
        return self

    def take(self, parcel: Parcel, taken: frozenset[str] = frozenset()) -> None:  # noqa: ARG002
        """Write a parcel into it."""
        folder.put(parcel, self.folder)


class Mail(BaseModel):
    """Recipients, and the mail server that takes it for them."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)
    mail: Annotated[tuple[str, ...], Field(min_length=1)]
    sender: str = Field(alias="from")
    server: SecretStr
    password_file: Path | None = None

    @property
    def kind(self) -> str:
        """What kind of destination it is."""
        return "mail"

    @model_validator(mode="after")
    def _addresses(self) -> Mail:
        for given in (self.sender, *self.mail):
            name, address = parseaddr(given)
            try:
                Address(name, addr_spec=address)
            except (ValueError, IndexError) as error:
                raise ValueError("mail and from are addresses such as a@example.com") from error
            if "@" not in address or not given.isprintable():
                raise ValueError("mail and from are addresses such as a@example.com")
        mail.server_of(self.server.get_secret_value(), "x" if self.password_file else None)
        return self

    def take(self, parcel: Parcel, taken: frozenset[str] = frozenset()) -> None:
        """Send a parcel to those who have not got it."""
        password = _secret(self.password_file) if self.password_file else None
        server = mail.server_of(self.server.get_secret_value(), password)
        mail.send(parcel, server, self.sender, self.mail, taken)


class Chat(BaseModel):
    """An address that Apprise reads: a chat, a webhook, and a hundred others."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    url: SecretStr | None = None
    url_file: Path | None = None
    attach: bool = False

    @property
    def kind(self) -> str:
        """What kind of destination it is."""
        return "chat"

    @model_validator(mode="after")
    def _one(self) -> Chat:
        if (self.url is None) == (self.url_file is None):
            raise ValueError("state url or url_file, one of them")
        return self

    def take(self, parcel: Parcel, taken: frozenset[str] = frozenset()) -> None:  # noqa: ARG002
        """Send a parcel's message."""
        url = self.url.get_secret_value() if self.url is not None else _secret(self.url_file)
        chat.send(parcel, url, attach=self.attach)


Destination = Folder | Mail | Chat
_KINDS: dict[str, type[Folder] | type[Mail] | type[Chat]] = {
    "folder": Folder, "mail": Mail, "url": Chat, "url_file": Chat,
}  # fmt: skip


def destinations_of(file: Path | None, tenant: str) -> dict[str, Destination]:
    """Return the destinations of a tenant, by the tenant's name; none without a file.

    Raises
    ------
    UsageError
        If the file cannot be read, or states what no destination is. Nothing of the file is
        repeated but the names of its keys.
    """
    if file is None:
        return {}
    try:
        document: Mapping[str, Any] = tomllib.loads(file.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise _unusable(type(error).__name__) from None
    mine = document.get(tenant, {})
    if not isinstance(mine, Mapping):
        raise _unusable(f"[{tenant}] is no table")
    return {name: _read(name, stated) for name, stated in mine.items()}


def _read(name: str, stated: Any) -> Destination:
    keys = [key for key in _KINDS if isinstance(stated, Mapping) and key in stated]
    if not keys:
        raise _unusable(f"{name} has neither folder, mail, url nor url_file")
    try:
        return _KINDS[keys[0]].model_validate(stated)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False, include_context=False)[0]
        place = ".".join(str(part) for part in (name, *first["loc"]))
        raise _unusable(f"{place}: {first['msg'].removeprefix('Value error, ')}") from None


def _unusable(why: str) -> UsageError:
    msg = f"GPUOPT_DESTINATIONS cannot be used ({why})"
    return UsageError(f"{msg}. To mend it: see docs/delivery.md for its form")


def _secret(file: Path | None) -> str:
    assert file is not None
    try:
        return file.read_text("utf-8").strip()
    except (OSError, ValueError) as error:
        msg = f"the file of a destination's secret cannot be read ({type(error).__name__})"
        raise UsageError(f"{msg}. To mend it: see docs/delivery.md") from None
