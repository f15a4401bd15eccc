# SPDX-License-Identifier: Apache-2.0
"""``/v1/snapshots``: cases that are uploaded, kept and never changed."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import AsyncGenerator, Sequence
from pathlib import Path as File
from typing import IO, Annotated, Any, Literal

from fastapi import APIRouter, Path, Request, Response
from fastapi.responses import JSONResponse
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser

from api.advice import follow_up
from api.archive import (
    ArchiveRefused,
    ArchiveTooLarge,
    Room,
    checked_name,
    refuse_many_rows,
    unpack,
)
from api.http.once import once
from api.http.paging import Page, PageSize, PageToken
from api.http.problems import ProblemError, responses
from api.http.route import By, Mine, Route, Who, scope_of
from api.http.shapes import SnapshotPage, SnapshotView
from api.http.solves import again
from api.store import Snapshot

router = APIRouter(prefix="/v1/snapshots", tags=["snapshots"], route_class=Route)

SnapshotId = Annotated[str, Path(max_length=64, pattern=r"^[a-z]{3}_[0-9a-f]{1,60}$")]
_ARCHIVES = {
    "application/zip", "application/x-zip-compressed", "application/x-tar", "application/gzip",
    "application/x-gzip", "application/x-bzip2", "application/x-xz", "application/octet-stream",
}  # fmt: skip
_FORM = "multipart/form-data"
_BINARY: dict[str, Any] = {"schema": {"type": "string", "format": "binary"}}
_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "description": "the files of a case: as a zip or a tar, or each as a part of a form",
        "content": {
            "application/zip": _BINARY,
            "application/gzip": _BINARY,
            "application/x-tar": _BINARY,
            _FORM: {
                "schema": {
                    "type": "object",
                    "properties": {
                        "file": {
                            "type": "array",
                            "items": {"type": "string", "format": "binary"},
                            "description": "case.toml, meters.csv, usage.parquet, …",
                        }
                    },
                    "required": ["file"],
                }
            },
        },
    }
}


def view(row: Snapshot) -> SnapshotView:
    """Return a snapshot as the API shows it."""
    return SnapshotView.model_validate(row, from_attributes=True)


@router.post(
    "",
    status_code=201,
    response_model=SnapshotView,
    responses={
        **responses("archive", "media-type", "in-flight"),
        200: {"description": "the same case is there already", "model": SnapshotView},
    },
    operation_id="upload_snapshot",
    summary="Upload a case",
    openapi_extra={**scope_of("snapshots:write"), **_BODY},
)
async def upload(request: Request, mine: Mine, who: Who, by: By) -> Response:
    """Upload the tables of a case; they are checked first, and kept only if all is well.

    The same tables and settings are kept once: a second upload gives the same snapshot. If a
    snapshot shows commitments that recommendations asked for, these become `purchased`.
    """
    form = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if form != _FORM and form not in _ARCHIVES:
        raise ProblemError(
            "media-type",
            f"an upload is not '{form[:60]}'. To mend it: send application/zip, "
            "application/x-tar, application/gzip or multipart/form-data",
        )

    def keep(spool: File, parts: Sequence[tuple[str, IO[bytes]]] | None) -> Response:
        settings = request.app.state.settings
        most = settings.max_snapshot_bytes
        with mine.snapshots.place() as place:
            try:
                if parts is None:
                    unpack(spool, place, most)
                else:
                    room = Room(most)
                    for name, stream in parts:
                        room.write(stream, place / checked_name(name))
                refuse_many_rows(place, settings.max_rows)
            except ArchiveTooLarge as error:
                raise ProblemError("too-large", str(error)) from None
            except ArchiveRefused as error:
                raise ProblemError("archive", str(error)) from None
            except FileExistsError:
                raise ProblemError(
                    "archive", "a file is there twice. To mend it: send each once"
                ) from None
            row, new = mine.snapshots.add(place, by)
        if new:
            follow_up(mine, row.id, by, settings)
        headers = {"Location": f"/v1/snapshots/{row.id}"}
        return JSONResponse(view(row).model_dump(mode="json"), 201 if new else 200, headers)

    with tempfile.NamedTemporaryFile(prefix="gpuopt-upload-") as spool:
        digest = hashlib.sha256()
        async for chunk in request.stream():
            digest.update(chunk)
            await run_in_threadpool(spool.write, chunk)
        spool.flush()
        path = File(spool.name)

        async def answer() -> Response:
            if form != _FORM:
                return await run_in_threadpool(keep, path, None)
            parser = MultiPartParser(request.headers, _chunks(path), max_files=64, max_fields=0)
            try:
                parsed = await parser.parse()
            except (MultiPartException, KeyError, ValueError) as error:
                told = getattr(error, "message", str(error))[:200]
                msg = f"the form cannot be read ({told})"
                raise ProblemError(
                    "archive", f"{msg}. To mend it: send each file as a part with its name"
                ) from None
            try:
                files = [
                    (value.filename or "", value.file)
                    for _, value in parsed.multi_items()
                    if isinstance(value, UploadFile)
                ]
                return await run_in_threadpool(keep, path, files)
            finally:
                await parsed.close()

        return await once(
            request, mine, who, digest.hexdigest(), answer, lambda job: again(request, job)
        )


async def _chunks(path: File) -> AsyncGenerator[bytes, None]:
    with path.open("rb") as file:
        while chunk := await run_in_threadpool(file.read, 1 << 20):
            yield chunk
    yield b""


@router.get(
    "",
    response_model=SnapshotPage,
    responses=responses(),
    operation_id="list_snapshots",
    summary="The snapshots",
    openapi_extra=scope_of("snapshots:read"),
)
def page(
    request: Request,
    mine: Mine,
    origin: Literal["upload", "pull"] | None = None,
    page_size: PageSize = 50,
    page_token: PageToken = "",
) -> SnapshotPage:
    """List the snapshots, newest first."""
    asked = Page(request, page_size, page_token, origin=origin)
    rows, token = asked.of(
        lambda n: mine.snapshots.page(n, asked.before, origin), lambda row: row.id
    )
    return SnapshotPage(items=[view(row) for row in rows], next_page_token=token)


@router.get(
    "/{snapshot}",
    response_model=SnapshotView,
    responses=responses(),
    operation_id="get_snapshot",
    summary="A snapshot",
    openapi_extra=scope_of("snapshots:read"),
)
def get(mine: Mine, snapshot: SnapshotId) -> SnapshotView:
    """Look at a snapshot."""
    return view(mine.snapshots.get(snapshot))
