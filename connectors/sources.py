# SPDX-License-Identifier: Apache-2.0
"""Asks several sources and writes what they give as one snapshot."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Any, cast

from connectors.manifest import Answer, fingerprint
from connectors.months import Kept, kept_months, latest_snapshot
from connectors.pulled import Asked, Outcome, Pulled, Report, Request, Source
from connectors.redact import redact
from connectors.snapshot import write_snapshot
from connectors.usage_file import read_kept
from optimizer.errors import GpuoptError, UsageError

NAMES = ("aws", "azure", "gcp", "focus", "llm")
# Files are read as a whole anyway, and what is held is found in all their rows.
WHOLE = ("focus",)


@dataclass(frozen=True)
class Written:
    """A snapshot that was written, and how its sources answered."""

    folder: Path
    answers: Mapping[str, Answer]

    @property
    def partial(self) -> bool:
        """Whether anything that was asked for is missing."""
        return any(answer.report.partial for answer in self.answers.values())


def find_source(name: str) -> Source:
    """Return a source by its name; its SDK is imported only now.

    Raises
    ------
    UsageError
        If there is no such source, or a library that it needs is not installed.
    """
    if name not in NAMES:
        raise UsageError(f"'{name}' is no source. To mend it: use one of {', '.join(NAMES)}")
    try:
        module = importlib.import_module(f"connectors.{name}")
        found: Any = getattr(module, "pull", None)
        if found is None or isinstance(found, ModuleType):
            found = importlib.import_module(f"connectors.{name}.pull").pull
    except ModuleNotFoundError as error:
        if error.name and error.name.startswith("connectors"):
            msg = f"the source '{name}' is not part of this version of gpuopt"
            raise UsageError(f"{msg}. To mend it: use another") from error
        msg = f"the source '{name}' needs the library {error.name}"
        raise UsageError(f"{msg}. To mend it: pip install 'gpuopt[clouds]'") from error
    return cast("Source", found)


def pull_snapshot(
    requests: Mapping[str, Request],
    folder: Path,
    settings: Mapping[str, Any],
    progress: Callable[[str], None],
    *,
    full: bool = False,
) -> Written:
    """Ask every source, and write one snapshot of all answers.

    A source that fails as a whole is reported and the others are kept; ``full`` asks for
    closed months again.

    Raises
    ------
    GpuoptError
        What the only source raised, or the first of them if all failed.
    """
    sources = {name: find_source(name) for name in requests}
    before = None if full else latest_snapshot(folder)
    answers: dict[str, Answer] = {}
    kept: dict[str, Kept] = {}
    errors: list[GpuoptError] = []
    for name, request in requests.items():
        kept[name] = kept_months(name, request, None if name in WHOLE else before)
        report = Report(progress=_telling(name, progress))
        asked = replace(kept[name].request, kept_meters=_meters(kept[name], request))
        if kept[name].files:
            report.progress(f"{len(kept[name].files)} closed months are kept from before")
        try:
            pulled = sources[name](asked, report)
        except GpuoptError as error:
            errors.append(error)
            report.progress(redact(str(error)))
            report.asked.append(Asked(name, "pull", "", Outcome.FAILED, detail=redact(str(error))))
            kept[name] = Kept({}, request)
            pulled = Pulled({})
        answers[name] = Answer(request, report, pulled)
    if len(errors) == len(requests):
        raise errors[0]
    progress("writing the snapshot")
    return Written(write_snapshot(folder, answers, kept, settings), answers)


def _meters(kept: Kept, request: Request) -> tuple[str, ...]:
    if not kept.files:
        return ()
    return tuple(sorted(set(read_kept(kept, request.since)["meter"])))


def _telling(name: str, progress: Callable[[str], None]) -> Callable[[str], None]:
    return lambda text: progress(f"{name}: {redact(text)}")


__all__ = ["NAMES", "Written", "find_source", "fingerprint", "pull_snapshot"]
