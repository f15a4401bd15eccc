# SPDX-License-Identifier: Apache-2.0
"""Cost exports in FOCUS from blob storage: fetched here, read by ``connectors.focus``."""

from __future__ import annotations

import importlib
import tempfile
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import pandas as pd

from connectors.asking import Page, Question, Unanswered, all_pages, ask_all, at_most, patiently
from connectors.azure.clients import answered, credential
from connectors.pulled import Pulled, Report, Request
from connectors.web import checked_endpoint
from optimizer.errors import UsageError

ENDINGS = (".csv", ".csv.gz", ".parquet")
PERMISSION = "Microsoft.Storage/storageAccounts/blobServices/containers/blobs/read"


class Blob(NamedTuple):
    """A file of an export."""

    name: str
    written: datetime


class Exported:
    """What the FOCUS reader gave: of it, the usage and the meters that no API prices.

    What is held is asked of the APIs, which know it to the hour; the reader infers it.
    """

    def __init__(self, pulled: Pulled) -> None:
        empty = pd.DataFrame({"hour": [], "meter": [], "quantity": []})
        self._usage = pulled.tables.get("usage", empty)
        self._meters = pulled.tables.get("meters", pd.DataFrame({"meter": []}))

    @property
    def meters(self) -> list[str]:
        """The names of the meters that were drawn."""
        return sorted(set(self._usage["meter"]))

    @property
    def accounts(self) -> list[str]:
        """The account paths of the usage."""
        if "account" not in self._usage:
            return []
        return sorted({str(name) for name in self._usage["account"].dropna()})

    def beside(self, priced: pd.DataFrame | None) -> dict[str, pd.DataFrame]:
        """Return ``usage``, and ``meters``: those the APIs price, and the others as billed."""
        if priced is None:
            return {"usage": self._usage, "meters": self._meters}
        others = self._meters[~self._meters["meter"].isin(priced["meter"])]
        return {
            "usage": self._usage,
            "meters": pd.concat([priced, others], ignore_index=True) if len(others) else priced,
        }


def pull_exports(request: Request, report: Report) -> Pulled:
    """Return what ``connectors.focus`` reads in the newest run of each period's export.

    Raises
    ------
    UsageError
        If the FOCUS reader is not installed, or the address is none of a container.
    """
    try:
        read = importlib.import_module("connectors.focus").pull
    except (ImportError, AttributeError) as error:
        raise UsageError(
            "exports in FOCUS need connectors.focus, which this installation lacks"
        ) from error
    container, prefix = address(request.settings["focus"])
    client = _client(container)
    found = ask_all([_listing(client, container, prefix)], report)[0]
    with tempfile.TemporaryDirectory(prefix="gpuopt-azure-") as folder:
        files = [
            Question("blob", "get_blob", blob.name, _fetching(client, blob, Path(folder), i))
            for i, blob in enumerate(newest_runs(found))
        ]
        ask_all(files, report, at_most=at_most(request.settings))
        settings = {k: v for k, v in request.settings.items() if k != "focus"}
        pulled: Pulled = read(replace(request, accounts=(folder,), settings=settings), report)
        return pulled


def newest_runs(blobs: Iterable[Blob]) -> list[Blob]:
    """Return the files of the newest run of each period.

    An export that does not overwrite writes the whole month again every day, each run into a
    folder of its own below the period's: reading two of them would count everything twice.
    """
    runs: dict[str, dict[str, list[Blob]]] = {}
    for blob in blobs:
        if blob.name.endswith(ENDINGS):
            period, _, run = blob.name.rpartition("/")[0].rpartition("/")
            runs.setdefault(period, {}).setdefault(run, []).append(blob)
    chosen = []
    for _, by_run in sorted(runs.items()):
        newest = max(by_run.values(), key=lambda blobs: max(blob.written for blob in blobs))
        chosen += sorted(newest)
    return chosen


def address(url: str) -> tuple[str, str]:
    """Return the container's URL and the prefix within it.

    Raises
    ------
    UsageError
        If it is none of a container, or holds a signature.
    """
    parts = urlsplit(checked_endpoint(url))
    if parts.query:
        # A signature in it would be kept with the settings of the snapshot.
        raise UsageError("focus is an address without a signature; the log-in is azure-identity's")
    # A storage account on this machine (Azurite) has its name before the container's.
    depth = 2 if parts.scheme == "http" else 1
    path = parts.path.strip("/").split("/")
    if len(path) < depth or not path[0]:
        raise UsageError("focus is the URL of a blob container, and a prefix within it")
    base = f"{parts.scheme}://{parts.netloc}/{'/'.join(path[:depth])}"
    return base, "/".join(path[depth:])


def _client(container: str) -> Any:
    from azure.storage.blob import ContainerClient

    # The SDK sends no token over plain http, which is for an emulator on this machine alone.
    signed = credential() if container.startswith("https:") else None
    # Retries are ours; none of the SDK's own.
    return ContainerClient.from_container_url(container, credential=signed, retry_total=0)


def _listing(client: Any, container: str, prefix: str) -> Question[Blob]:
    def fetch(token: str | None) -> Page[Blob]:
        def ask() -> Page[Blob]:
            listed = client.list_blobs(name_starts_with=prefix).by_page(token)
            items = [Blob(item.name, item.last_modified) for item in next(listed)]
            return Page(items, listed.continuation_token)

        return answered(ask)

    place = urlsplit(container).path
    return Question("blob", "list_blobs", place, lambda: all_pages(fetch), PERMISSION)


def _fetching(client: Any, blob: Blob, folder: Path, number: int) -> Any:
    def ask() -> list[str]:
        def whole() -> bytes:
            return bytes(client.download_blob(blob.name).readall())

        body = patiently(lambda: answered(whole))
        if not body:
            raise Unanswered(f"{blob.name} is empty")
        ending = next(end for end in ENDINGS if blob.name.endswith(end))
        (folder / f"{number:05}{ending}").write_bytes(body)
        return [blob.name]

    return ask
