# SPDX-License-Identifier: Apache-2.0
"""Where a request is from: its peer, or behind proxies that are trusted what they say.

Anyone can send ``X-Forwarded-For``. Its last address was added by the peer itself, the one before
by whoever that is: so it is read from its end for as long as those who wrote it are trusted.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence

from fastapi import Request

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def networks_of(texts: Sequence[str]) -> tuple[Network, ...]:
    """Return addresses and networks (``10.0.0.0/8``) as networks.

    Raises
    ------
    ValueError
        If one is neither.
    """
    return tuple(ipaddress.ip_network(text, strict=False) for text in texts)


def address_of(request: Request, trusted: Sequence[Network]) -> str:
    """Return the nearest address that no trusted proxy has; the peer's without any."""
    peer = request.client.host if request.client else ""
    found = _address(peer)
    if found is None or not _among(found, trusted):
        return peer
    said = ",".join(request.headers.getlist("x-forwarded-for")).split(",")
    for text in reversed(said):
        before = _address(text)
        if before is None:  # nothing, or no address: what is left of it was not seen by a proxy
            break
        found = before
        if not _among(found, trusted):
            break
    return str(found)


def _among(address: Address, networks: Sequence[Network]) -> bool:
    return any(address in network for network in networks)


def _address(text: str) -> Address | None:
    """An address, as proxies write it: with a port, IPv6 in brackets, IPv4 within IPv6."""
    text = text.strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        found = ipaddress.ip_address(text)
    except ValueError:
        return None
    mapped = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None
    return mapped or found
