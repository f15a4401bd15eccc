# SPDX-License-Identifier: Apache-2.0
"""Where a browser is sent on to: never out of this service, whatever a URL says."""

from __future__ import annotations

import re

# A path that begins with one slash, and holds nothing that a browser reads as another host:
# "//host" and "/\host" are, and it drops tabs and line ends before it looks.
_INSIDE = re.compile(r"/(?![/\\])[^\\\x00-\x20\x7f]*")


def inside(path: str) -> str:
    """Return the path if it is one of this service, else that of the overview."""
    return path if len(path) <= 2000 and _INSIDE.fullmatch(path) else "/"
