# SPDX-License-Identifier: Apache-2.0
"""Delivery to chats, webhooks and whatever else Apprise speaks to (extra ``notify``)."""

from __future__ import annotations

import logging
import re
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from api.deliver.parcel import PAGE, DeliveryError, Parcel, one_line
from connectors.redact import HIDDEN, redact
from optimizer.errors import UsageError

_one_at_a_time = threading.Lock()  # what Apprise logs does not say of which message it is
_logger = logging.getLogger("apprise")
_PIECE = re.compile(r"[/?&=:@]+")


def load() -> Any:
    """Import Apprise.

    Its log lines, and those of the HTTP client below it, hold addresses: what matters of them
    is in the errors here.

    Raises
    ------
    UsageError
        If the extra is not installed.
    """
    try:
        import apprise
    except ImportError:
        msg = "chats and webhooks need Apprise, which is not installed"
        raise UsageError(f"{msg}. To mend it: pip install 'gpuopt[notify]'") from None
    _logger.propagate = False
    _logger.setLevel(logging.WARNING)
    logging.getLogger("urllib3.connectionpool").setLevel(logging.INFO)
    return apprise


def check(url: str) -> None:
    """Refuse what is no address of Apprise's.

    Raises
    ------
    UsageError
        If Apprise is not there, or does not know the address; it is not repeated.
    """
    if load().Apprise.instantiate(url) is None:
        msg = f"Apprise cannot read the {_scheme(url)} address"
        raise UsageError(f"{msg}. To mend it: see appriseit.com for the form of this service")


def send(parcel: Parcel, url: str, *, attach: bool = False) -> None:
    """Send a parcel's message, with the page attached if that is asked for.

    Raises
    ------
    DeliveryError
        If it was not taken, with what Apprise said of it, without the address.
    UsageError
        If Apprise is not installed, or does not know the address.
    """
    apprise = load()
    check(url)
    target = apprise.Apprise(asset=apprise.AppriseAsset(async_mode=False, secure_logging=True))
    target.add(url)
    with _heard() as told, _attached(parcel, attach) as files:
        taken = target.notify(
            body=parcel.message,
            title=one_line(parcel.title),
            body_format=apprise.NotifyFormat.MARKDOWN,
            attach=files or None,
        )
    if not taken:
        why = one_line(hide("; ".join(told), url), 300) or "it did not say why"
        msg = f"the {_scheme(url)} service did not take it ({why.rstrip('.')})"
        raise DeliveryError(f"{msg}. To mend it: check its address and that it can be reached")


def hide(text: str, url: str) -> str:
    """Take an address, and every part of it that may be a secret, out of a text."""
    text = text.replace(url, HIDDEN)
    for piece in sorted(set(_PIECE.split(url)), key=len, reverse=True):
        if len(piece) >= 6:
            text = text.replace(piece, HIDDEN)
    return redact(text)


def _scheme(url: str) -> str:
    return one_line(url.partition("://")[0], 20)


@contextmanager
def _heard() -> Iterator[list[str]]:
    """Collect the warnings that Apprise logs meanwhile, in whatever thread; one at a time."""
    told: list[str] = []

    class Listener(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            told.append(record.getMessage())

    with _one_at_a_time:
        listener = Listener(logging.WARNING)
        _logger.addHandler(listener)
        try:
            yield told
        finally:
            _logger.removeHandler(listener)


@contextmanager
def _attached(parcel: Parcel, attach: bool) -> Iterator[list[str]]:
    if not attach:
        yield []
        return
    with tempfile.TemporaryDirectory(prefix="gpuopt-") as folder:
        file = Path(folder) / f"{parcel.made_at:%Y-%m-%d}-{parcel.name}.html"
        file.write_text(parcel.files[PAGE], "utf-8")
        yield [str(file)]
