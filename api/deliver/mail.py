# SPDX-License-Identifier: Apache-2.0
"""Delivery by e-mail: a short message, with the whole report attached, over SMTP.

``Message-ID`` is made of the delivery: what is sent twice, because a server ended between the
mail server's yes and the note of it, is one message to mail programs that look at it. Recipients
that a mail server has taken are not sent to again when others were not.
"""

from __future__ import annotations

import hashlib
import smtplib
import ssl
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, parseaddr
from urllib.parse import urlsplit

from api.deliver.parcel import MARKDOWN, PAGE, DeliveryError, Parcel, one_line
from connectors.redact import redact

TIMEOUT_SECONDS = 30.0
PORTS = {"smtp": 25, "smtp+starttls": 587, "smtps": 465}
Replies = Mapping[str, tuple[int, bytes]]


@dataclass(frozen=True)
class Server:
    """A mail server; ``scheme`` is one of ``PORTS`` and says how the way to it is kept secret."""

    scheme: str
    host: str
    port: int
    user: str = ""
    password: str = ""


def send(
    parcel: Parcel,
    server: Server,
    sender: str,
    recipients: Iterable[str],
    taken: frozenset[str] = frozenset(),
) -> None:
    """Send a parcel to all recipients whose digest is not in ``taken``.

    Raises
    ------
    DeliveryError
        If the server is not there, or refuses; ``final`` if it says that it always will.
    """
    everyone = list(recipients)
    left = [address for address in everyone if mark(address) not in taken]
    if not left:
        return
    message = write(parcel, sender, everyone)
    try:
        connection = _connected(server)
        try:
            refused = connection.send_message(message, to_addrs=left)
            with suppress(OSError, smtplib.SMTPException):
                connection.quit()  # the server has it, whatever it says to this
        finally:
            connection.close()
    except smtplib.SMTPRecipientsRefused as error:
        refused = error.recipients
    except smtplib.SMTPResponseException as error:
        text = _words(error.smtp_error)
        msg = f"the mail server refused it ({error.smtp_code} {text})"
        mend = "see its reply; check the address it is sent from, user and password"
        final = 500 <= error.smtp_code < 600
        raise DeliveryError(f"{msg}. To mend it: {mend}", final=final) from None
    except (OSError, smtplib.SMTPException) as error:  # ssl's errors are OSErrors
        why = getattr(error, "strerror", None) or redact(str(error)) or type(error).__name__
        msg = f"the mail server could not be spoken to ({one_line(str(why))})"
        raise DeliveryError(f"{msg}. To mend it: check its address and that it runs") from None
    if refused:
        raise _refusal(refused, left, taken)


def write(parcel: Parcel, sender: str, recipients: Iterable[str]) -> EmailMessage:
    """Compose the message: text and HTML in short, the report as HTML and Markdown attached."""
    message = EmailMessage(policy=SMTP)
    message["Subject"] = one_line(parcel.title)
    message["From"] = sender
    message["To"] = ", ".join(recipients)
    message["Date"] = format_datetime(parcel.made_at)
    message["Message-ID"] = f"<{parcel.id}@{_domain(sender)}>"
    message["Auto-Submitted"] = "auto-generated"  # RFC 3834: no absence notes in return
    message.set_content(parcel.text)
    message.add_alternative(parcel.letter, subtype="html")
    stem = f"{parcel.made_at:%Y-%m-%d}-{parcel.name}"
    for file, subtype in ((PAGE, "html"), (MARKDOWN, "markdown")):
        name = f"{stem}.{file.rpartition('.')[2]}"
        message.add_attachment(  # as bytes: they arrive as they were kept
            parcel.files[file].encode(), maintype="text", subtype=subtype, filename=name,
            params={"charset": "utf-8"},
        )  # fmt: skip
    return message


def mark(address: str) -> str:
    """A digest that an address is remembered by, in its stead."""
    return hashlib.sha256(address.strip().lower().encode()).hexdigest()[:16]


def server_of(url: str, password: str | None = None) -> Server:
    """Read ``smtps://user@host:465``; the password may be in it or be given.

    Raises
    ------
    ValueError
        If it is none, or would send a password in the clear.
    """
    from urllib.parse import unquote

    parts = urlsplit(url)
    if parts.scheme not in PORTS or not parts.hostname or parts.path.strip("/"):
        raise ValueError("server is no smtps://, smtp+starttls:// or smtp:// address")
    user, secret = unquote(parts.username or ""), password or unquote(parts.password or "")
    if secret and not user:
        raise ValueError("server has a password and no user")
    near = parts.hostname in {"localhost", "127.0.0.1", "::1"}
    if user and parts.scheme == "smtp" and not near:
        raise ValueError("server would be sent a password in the clear: use smtps://")
    return Server(parts.scheme, parts.hostname, parts.port or PORTS[parts.scheme], user, secret)


def _connected(server: Server) -> smtplib.SMTP:
    if server.scheme == "smtps":
        connection: smtplib.SMTP = smtplib.SMTP_SSL(
            server.host, server.port, timeout=TIMEOUT_SECONDS, context=ssl.create_default_context()
        )
    else:
        connection = smtplib.SMTP(server.host, server.port, timeout=TIMEOUT_SECONDS)
    try:
        if server.scheme == "smtp+starttls":
            connection.starttls(context=ssl.create_default_context())
        if server.user:
            connection.login(server.user, server.password)
    except BaseException:
        connection.close()
        raise
    return connection


def _refusal(refused: Replies, asked: list[str], taken: frozenset[str]) -> DeliveryError:
    code, reply = next(iter(refused.values()))
    who = f"{len(refused)} of {len(asked)} recipients" if len(asked) > 1 else "the recipient"
    msg = f"the mail server refused {who} ({code} {_words(reply)})"
    return DeliveryError(
        f"{msg}. To mend it: check the addresses of the destination",
        final=all(500 <= code < 600 for code, _ in refused.values()),
        taken=taken | {mark(address) for address in asked if address not in refused},
    )


def _words(reply: bytes | str) -> str:
    text = reply.decode("utf-8", "replace") if isinstance(reply, bytes) else reply
    return one_line(redact(text), 120)


def _domain(sender: str) -> str:
    return parseaddr(sender)[1].rpartition("@")[2] or "gpuopt.invalid"
