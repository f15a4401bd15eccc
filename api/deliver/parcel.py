# SPDX-License-Identifier: Apache-2.0
"""What is delivered: the renderings of a report, and a short form of it for a message."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from api.deliver.message import chat_text, mail_text, shortened
from optimizer.errors import GpuoptError
from optimizer.reporting import render
from optimizer.reporting.document import Document

PAGE, MARKDOWN, JSON = "report.html", "report.md", "report.json"
MESSAGE, TEXT, LETTER = "message.md", "message.txt", "message.html"
MESSAGES = (MESSAGE, TEXT, LETTER)
TABLES = "tables"
MEDIA = {
    "html": "text/html; charset=utf-8",
    "md": "text/markdown; charset=utf-8",
    "json": "application/json",
    "csv": "text/csv; charset=utf-8",
}
_FILE = re.compile(r"(?:tables/)?[A-Za-z0-9_][A-Za-z0-9_.-]{0,120}\.(?:html|md|json|csv)")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")


class DeliveryError(GpuoptError):
    """A parcel was not taken.

    Parameters
    ----------
    message
        What happened and how to mend it, without secrets and without addresses.
    final
        Whether another try cannot help.
    taken
        Digests of the recipients that have it: they are not sent to again.
    """

    def __init__(
        self, message: str, *, final: bool = False, taken: frozenset[str] = frozenset()
    ) -> None:
        self.final = final
        self.taken = taken
        super().__init__(message)


@dataclass(frozen=True)
class Parcel:
    """A report as files, and what a message of it says.

    ``id`` tells two deliveries apart and is the same however often one is tried. ``files``
    are texts by name: ``report.html``, ``report.md``, ``report.json``, ``tables/….csv``.
    The three messages say the same in short: Markdown for chats, plain text, HTML for mail.
    """

    id: str
    name: str
    title: str
    made_at: datetime
    message: str
    text: str
    letter: str
    files: Mapping[str, str]

    def __post_init__(self) -> None:
        for file in self.files:
            if _FILE.fullmatch(file) is None:
                raise ValueError(f"{file!r} is no name of a report's file")

    @property
    def digest(self) -> str:
        """A digest of the report, whichever delivery it is of."""
        return hashlib.sha256(self.files[JSON].encode()).hexdigest()


def pack(report: Document, *, name: str = "", made_at: datetime | None = None) -> Parcel:
    """Render a report for delivery.

    Parameters
    ----------
    name
        What tells this delivery from others; default: a digest of the report.
    made_at
        When the report was made; default: now.
    """
    files = renderings(report)
    message, text, letter = (files.pop(file) for file in MESSAGES)
    return Parcel(
        id=name or hashlib.sha256(files[JSON].encode()).hexdigest()[:32],
        name=slug(report.name),
        title=one_line(report.title),
        made_at=made_at or datetime.now(tz=UTC),
        message=message,
        text=text,
        letter=letter,
        files=files,
    )


def renderings(report: Document) -> dict[str, str]:
    """All that is kept of a report, by file: the same report gives the same bytes."""
    found = {
        JSON: render.json_text(report),
        PAGE: render.html_page(report),
        MARKDOWN: render.markdown(report),
        MESSAGE: chat_text(report),
        TEXT: mail_text(report),
        LETTER: render.html_page(shortened(report)),
    }
    for table, text in render.csv_files(report).items():
        stem, number = slug(table.removesuffix(".csv")), 1
        while (name := f"{TABLES}/{stem}{f'-{number}' if number > 1 else ''}.csv") in found:
            number += 1
        found[name] = text
    return found


def slug(text: str) -> str:
    """A text as a part of a file's name: small letters, digits and ``-_``; never empty."""
    found = re.sub(r"[^a-z0-9_]+", "-", text.lower()).strip("-")[:60]
    return found or f"x-{hashlib.sha256(text.encode()).hexdigest()[:8]}"


def one_line(text: str, most: int = 200) -> str:
    """A text on one line, without what could begin a header or hide something."""
    plain = " ".join(_CONTROL.sub(" ", text).split())
    return plain if len(plain) <= most else f"{plain[: most - 1]}…"
