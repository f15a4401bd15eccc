# SPDX-License-Identifier: Apache-2.0
"""What the command line calls a destination: a name of the file, an address, or a folder."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path

from api.deliver.destinations import NAME, Chat, Destination, Folder, destinations_of
from api.deliver.parcel import DeliveryError, pack
from optimizer.errors import UsageError
from optimizer.reporting.document import Document

FILE, TENANT = "GPUOPT_DESTINATIONS", "default"


def destination_named(text: str) -> Destination:
    """Return the destination that a text stands for.

    A name is that of a table in ``[default]`` of GPUOPT_DESTINATIONS; what holds ``://`` is an
    address that Apprise reads; all else is a folder.

    Raises
    ------
    UsageError
        If it is a name that there is none of.
    """
    if "://" in text:
        return Chat.model_validate({"url": text})
    if re.fullmatch(NAME, text) is None:
        return Folder(folder=Path(text).absolute())
    stated = os.environ.get(FILE)
    known = destinations_of(Path(stated) if stated else None, TENANT)
    if text not in known:
        listed = ", ".join(sorted(known)) or f"{FILE} names none"
        msg = f"there is no destination '{text}'"
        mend = f"choose of: {listed}; or write ./{text} for a folder"
        raise UsageError(f"{msg}. To mend it: {mend}")
    return known[text]


def deliver_all(
    report: Document, places: Mapping[str, Destination], progress: Callable[[str], None]
) -> None:
    """Deliver a report to each place, once.

    Raises
    ------
    DeliveryError
        Once all were tried, if some did not take it.
    """
    parcel, failed = pack(report), []
    for text, place in places.items():
        shown = text.partition("://")[0]
        progress(f"delivering to {shown}")
        try:
            place.take(parcel)
        except DeliveryError as error:
            failed.append(f"{shown}: {error}")
    if failed:
        raise DeliveryError("\n".join(failed))
