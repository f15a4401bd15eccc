# SPDX-License-Identifier: Apache-2.0
"""Files of the pages: served under a name that holds their hash, so that they can be kept.

``/static/<16 hex digits>/<name>``. What a page names is always what is served; an old page in
a browser's memory names a file that is not there any more, and is answered with 404.
"""

from __future__ import annotations

import hashlib
import mimetypes
from collections.abc import Callable
from functools import cached_property
from importlib import resources
from importlib.metadata import version

from fastapi import APIRouter, Request, Response

from api.http.problems import ProblemError
from optimizer.reporting import charts

_FOREVER = "public, max-age=31536000, immutable"


class StaticFile:
    """A file: its bytes are made when they are asked for first, and kept.

    Parameters
    ----------
    version
        What the bytes are made of, where making them takes long: its hash is in the URL.
    """

    def __init__(
        self, name: str, make: Callable[[], bytes], version: Callable[[], bytes] | None = None
    ) -> None:
        self.name = name
        self._make = make
        self._version = version
        guessed = mimetypes.guess_type(name)[0] or "application/octet-stream"
        text = guessed.startswith("text/") or guessed.endswith(("javascript", "svg+xml"))
        self.media = f"{guessed}; charset=utf-8" if text else guessed

    @cached_property
    def content(self) -> bytes:
        """The bytes."""
        return self._make()

    @cached_property
    def digest(self) -> str:
        """The hash that its URL holds."""
        return hashlib.sha256(self._version() if self._version else self.content).hexdigest()[:16]

    @property
    def url(self) -> str:
        """Where it is."""
        return f"/static/{self.digest}/{self.name}"


def _packaged() -> dict[str, StaticFile]:
    folder = resources.files("api.web").joinpath("static")
    return {
        entry.name: StaticFile(entry.name, entry.read_bytes)
        for entry in folder.iterdir()
        if entry.is_file()
    }


def _chart_script() -> bytes:
    return charts.javascript().encode()


def _chart_version() -> bytes:
    """What the script is made of: the converter, which brings Vega, and our own lines."""
    own = resources.files("optimizer.reporting.charts")
    lines = b"".join(own.joinpath(name).read_bytes() for name in ("chart.js", "theme.py"))
    return version("vl-convert-python").encode() + lines


FILES: dict[str, StaticFile] = {
    **_packaged(),
    "charts.js": StaticFile("charts.js", _chart_script, _chart_version),
    "charts.css": StaticFile("charts.css", lambda: charts.stylesheet().encode()),
}
router = APIRouter(include_in_schema=False)


def url(name: str) -> str:
    """Return where a file is; a name that there is none of is a defect."""
    return FILES[name].url


@router.get("/static/{digest}/{name}")
def serve(request: Request, digest: str, name: str) -> Response:
    """Serve a file; everyone may read it."""
    file = FILES.get(name)
    if file is None or file.digest != digest:
        raise ProblemError("not-found", "there is no such file. To mend it: load the page again")
    tag = f'"{file.digest}"'
    headers = {"ETag": tag, "Cache-Control": _FOREVER}
    if request.headers.get("if-none-match") == tag:
        return Response(status_code=304, headers=headers)
    return Response(file.content, media_type=file.media, headers=headers)
