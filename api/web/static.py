# SPDX-License-Identifier: Apache-2.0
"""Files of the pages: served under a name that holds their hash, so that they can be kept.

``/static/<16 hex digits>/<name>``. What a page names is always what is served; an old page in
a browser's memory names a file that is not there any more, and is answered with 404.
"""

from __future__ import annotations

import hashlib
import logging
import mimetypes
import threading
from collections.abc import Callable
from concurrent.futures import Future
from functools import cached_property
from importlib import resources
from importlib.metadata import version

from fastapi import APIRouter, Request, Response

from api.http.problems import ProblemError
from api.web.bundle import bundle_apart
from optimizer.reporting import charts

_log = logging.getLogger("gpuopt.web")
_AHEAD: Future[bytes] | None = None  # the script of charts, made or being made
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
        self._lock = threading.Lock()
        self._content: bytes | None = None
        guessed = mimetypes.guess_type(name)[0] or "application/octet-stream"
        text = guessed.startswith("text/") or guessed.endswith(("javascript", "svg+xml"))
        self.media = f"{guessed}; charset=utf-8" if text else guessed

    @property
    def content(self) -> bytes:
        """The bytes; who asks for one file waits for no other."""
        with self._lock:
            if self._content is None:
                self._content = self._make()
            return self._content

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
    """The script that is made ahead, waited for; else made here, which holds the server up."""
    if _AHEAD is not None:
        try:
            return _AHEAD.result()
        except Exception:  # noqa: BLE001 (told, and made here)
            _log.exception("the script of charts was not made ahead; it is made now")
    return charts.javascript().encode()


def make_ahead() -> None:
    """Make the script of charts in a process of its own; who asks meanwhile waits for it.

    Raises
    ------
    EOFError, OSError, TimeoutError
        If it could not be made there: then it is made where it is asked for.
    """
    global _AHEAD  # noqa: PLW0603 (one script of a process, as the files are)
    if _AHEAD is not None and not (_AHEAD.done() and _AHEAD.exception()):
        return
    mine: Future[bytes] = Future()
    _AHEAD = mine
    try:
        mine.set_result(bundle_apart())
    except BaseException as error:
        mine.set_exception(error)
        raise


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
