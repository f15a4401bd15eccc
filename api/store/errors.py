# SPDX-License-Identifier: Apache-2.0
"""What the store refuses; the faces say it in their own way (HTTP: a problem)."""

from __future__ import annotations

from optimizer.errors import GpuoptError


class NotFound(GpuoptError):
    """There is no such thing, or it is another tenant's: the two look the same."""

    def __init__(self, what: str, name: str) -> None:
        super().__init__(f"there is no {what} '{name}'. To mend it: take an id from its list")


class Changed(GpuoptError):
    """It was changed since it was read."""


class Refused(GpuoptError):
    """Its state does not allow this."""


class TooMany(GpuoptError):
    """So many of a tenant's jobs wait that no more are taken."""
