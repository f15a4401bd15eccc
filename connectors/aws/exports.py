# SPDX-License-Identifier: Apache-2.0
"""Usage from data exports in S3: FOCUS or CUR 2.0, Parquet or CSV, by billing period.

A billing period is always read as a whole, from its newest delivery: rows change until
the bill is closed, so nothing is ever appended.
"""

from __future__ import annotations

import json
import re
import tempfile
from datetime import datetime
from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from connectors.aws.ask import CutOff, attempt, judge, pages
from connectors.aws.cur import cur_sql, is_cur
from connectors.aws.session import Cloud
from connectors.charges import Charges
from connectors.focus.files import column_types, is_export, literal, source_sql
from connectors.focus.rows import Reader, charges_sql
from connectors.months import month_name, months_of
from connectors.pulled import Asked, Outcome, Report, Request
from optimizer.errors import DataError, UsageError

_PERIOD = re.compile(r"(?i)billing_period=(\d{4}-\d{2})/(?:(.+)/)?[^/]+$")


def parse_export(text: str) -> tuple[str, str]:
    """Return bucket and prefix of ``s3://bucket/prefix``.

    Raises
    ------
    UsageError
        If it is no such address.
    """
    match = re.fullmatch(r"s3://([^/]+)/?(.*?)/?", text)
    if match is None:
        raise UsageError(f"'{text}' is no address in S3. To mend it: write s3://bucket/prefix")
    return match[1], match[2]


def add_exports(cloud: Cloud, request: Request, report: Report, charges: Charges) -> bool:
    """Add all billing periods of the window; return whether any row could be read."""
    bucket, prefix = parse_export(cloud.options.export)
    client = cloud.client("s3")
    patience = cloud.options.patience
    place = f"s3://{bucket}/{prefix}"
    try:
        objects = pages(
            client.list_objects_v2,
            "Contents",
            patience,
            "ContinuationToken",
            "NextContinuationToken",
            Bucket=bucket,
            Prefix=f"{prefix}/" if prefix else "",
        )
    except CutOff:
        objects = []  # S3 leaves the list out where nothing is
    except (BotoCoreError, ClientError) as error:
        outcome, detail = judge(error, f"s3:ListBucket on {bucket}")
        report.asked.append(Asked("s3", "list_objects_v2", place, outcome, detail=detail))
        return False
    report.asked.append(Asked("s3", "list_objects_v2", place, Outcome.ANSWERED, len(objects)))
    read = 0
    for start, _ in months_of(request.since, request.until):
        month = month_name(start)
        read += _add_period(cloud, client, bucket, objects, month, report, charges)
    return read > 0


def _add_period(
    cloud: Cloud,
    client: Any,
    bucket: str,
    objects: list[dict[str, Any]],
    month: str,
    report: Report,
    charges: Charges,
) -> int:
    """Add a billing period; a file that cannot be read leaves the whole period out."""
    try:
        keys = newest_delivery(client, bucket, objects, month, cloud)
    except (BotoCoreError, ClientError, ValueError) as error:
        outcome, detail = judge(error, f"s3:GetObject on {bucket}")
        report.asked.append(Asked("s3", "get_object", month, outcome, detail=detail))
        return 0
    if not keys:
        report.asked.append(
            Asked("s3", "get_object", month, Outcome.FAILED, detail="the export has no such period")
        )
        return 0
    report.progress(f"reading billing period {month}: {len(keys)} files")
    before = charges.rows("SELECT coalesce(sum(rows), 0) FROM cells")[0][0]
    charges.connection.execute("BEGIN")
    try:
        for key in keys:
            _add_object(cloud, client, bucket, key, charges)
    except (BotoCoreError, ClientError, CutOff) as error:
        charges.connection.execute("ROLLBACK")
        outcome, detail = judge(error, f"s3:GetObject on {bucket}")
        report.asked.append(Asked("s3", "get_object", month, outcome, detail=detail))
        return 0
    except DataError as error:
        charges.connection.execute("ROLLBACK")
        detail = str(error)[:500]
        report.asked.append(Asked("s3", "get_object", month, Outcome.FAILED, detail=detail))
        return 0
    charges.connection.execute("COMMIT")
    rows = int(charges.rows("SELECT coalesce(sum(rows), 0) FROM cells")[0][0] - before)
    report.asked.append(Asked("s3", "get_object", month, Outcome.ANSWERED, rows))
    return 1


def newest_delivery(
    client: Any, bucket: str, objects: list[dict[str, Any]], month: str, cloud: Cloud
) -> list[str]:
    """Return the keys of the files of a period's newest delivery.

    An export that overwrites has its files in the period's folder. One that does not has
    a folder for each delivery; the manifest in ``metadata`` names the files of the newest.
    """
    found: dict[str, list[dict[str, Any]]] = {}
    manifests = []
    for item in objects:
        match = _PERIOD.search(item["Key"])
        if match is None or match[1] != month:
            continue
        if item["Key"].endswith("anifest.json"):
            manifests.append(item)
        elif is_export(Path(item["Key"])):
            found.setdefault(match[2] or "", []).append(item)
    if len(found) > 1 and manifests:
        newest = max(manifests, key=_age)
        body = attempt(lambda: _read(client, bucket, newest["Key"]), cloud.options.patience)
        files = json.loads(body).get("dataFiles", [])
        return sorted(parse_export(file)[1] for file in files)
    if not found:
        return []
    latest = max(found.values(), key=lambda items: max(_age(item) for item in items))
    return sorted(item["Key"] for item in latest)


def _age(item: dict[str, Any]) -> tuple[datetime, str]:
    return item["LastModified"], item["Key"]


def _read(client: Any, bucket: str, key: str) -> bytes:
    answer = client.get_object(Bucket=bucket, Key=key)
    body: bytes = answer["Body"].read()
    if len(body) != answer["ContentLength"]:
        raise CutOff(f"{key} ended after {len(body)} of {answer['ContentLength']} bytes")
    return body


def _add_object(cloud: Cloud, client: Any, bucket: str, key: str, charges: Charges) -> None:
    """Bring an object to a temporary file, add its rows, and delete it."""
    with tempfile.TemporaryDirectory(prefix="gpuopt-") as folder:
        file = Path(folder) / Path(key).name

        def bring() -> None:
            answer = client.get_object(Bucket=bucket, Key=key)
            with file.open("wb") as target:
                for chunk in answer["Body"].iter_chunks(1 << 20):
                    target.write(chunk)
            if file.stat().st_size != answer["ContentLength"]:
                raise CutOff(f"{key} was cut off")

        attempt(bring, cloud.options.patience)
        reader = Reader(column_types(charges.connection, file), file.name)
        rows = source_sql(file)
        build = cur_sql if is_cur(reader) else charges_sql
        charges.add(build(reader, rows, charges.tags), [literal(file)], file.name)
