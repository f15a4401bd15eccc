# SPDX-License-Identifier: Apache-2.0
"""The GPUs of machine types: what is known as data, and EC2's own word for the rest."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from connectors.asking import Question
from connectors.aws.ask import ask_all, chunks, pages
from connectors.aws.session import Cloud
from connectors.aws.words import Wanted
from connectors.gpus import Gpu, gpu_of, looks_like_gpu
from connectors.pulled import Remark, Report


def machine_gpus(cloud: Cloud, sold: Wanted, report: Report) -> dict[str, Gpu]:
    """Return the GPUs by machine type; a type that nobody knows is named in a remark."""
    found: dict[str, Gpu] = {}
    unknown: dict[str, str] = {}
    for region, machines in sold.items():
        for machine in machines:
            gpu = gpu_of("aws", machine)
            if gpu is not None:
                found[machine] = gpu
            elif looks_like_gpu("aws", machine):
                unknown.setdefault(machine, region)
    jobs = []
    for region in sorted(set(unknown.values())):
        client = cloud.client("ec2", region)
        for part in chunks([m for m, at in unknown.items() if at == region], 100):

            def call(client: Any = client, part: list[str] = part) -> list[Any]:
                return pages(
                    client.describe_instance_types,
                    "InstanceTypes",
                    cloud.options.patience,
                    Filters=[{"Name": "instance-type", "Values": part}],
                )

            permission = "ec2:DescribeInstanceTypes"
            jobs.append(Question("ec2", "describe_instance_types", region, call, permission))
    for rows in ask_all(jobs, report, cloud.options.parallel):
        for row in rows:
            gpu = _gpu(row)
            if gpu is not None:
                found[row["InstanceType"]] = gpu
    left = sorted(set(unknown) - set(found))
    if left:
        text = f"machines whose GPUs are not known are kept: {', '.join(left)}"
        report.remarks.append(Remark("gpu", text, len(left)))
    return found


def _gpu(row: dict[str, Any]) -> Gpu | None:
    gpus = row.get("GpuInfo", {}).get("Gpus", [])
    if not gpus:
        return None
    first = gpus[0]
    size = Decimal(first.get("MemoryInfo", {}).get("SizeInMiB", 0)) / 1024
    count = Decimal(sum(gpu.get("Count", 0) for gpu in gpus))
    if not count:
        return None
    return Gpu(first["Name"], count, size, "EC2 DescribeInstanceTypes", "")
