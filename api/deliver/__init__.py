# SPDX-License-Identifier: Apache-2.0
"""Delivery of reports: to a folder, by e-mail, to a chat or webhook.

``deliver(report, destination)`` is one try of one delivery; who keeps trying is
``api.deliveries``. Destinations are named in a file of the operator's (``destinations``).
"""

from __future__ import annotations

from datetime import datetime

from api.deliver.destinations import Chat, Destination, Folder, Mail, destinations_of
from api.deliver.parcel import DeliveryError, Parcel, pack
from optimizer.reporting.document import Document

__all__ = [
    "Chat",
    "DeliveryError",
    "Destination",
    "Folder",
    "Mail",
    "Parcel",
    "deliver",
    "destinations_of",
    "pack",
]


def deliver(report: Document, destination: Destination, *, made_at: datetime | None = None) -> None:
    """Deliver a report, once.

    Raises
    ------
    DeliveryError
        If it was not taken; the message says why, and holds no address and no secret.
    UsageError
        If the destination cannot be used, such as a chat without the extra ``notify``.
    """
    destination.take(pack(report, made_at=made_at))
