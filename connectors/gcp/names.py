# SPDX-License-Identifier: Apache-2.0
"""What Google tells only by the descriptions of its SKUs, and the shapes of machines.

A SKU's description is the only thing that says what it prices: ``A3 Instance Core running in
Americas``, ``Nvidia H100 80GB GPU attached to Spot Preemptible VMs running in Iowa``,
``Commitment v1: A3 Ram in Americas for 3 Years``.
"""

from __future__ import annotations

import csv
import functools
import re
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from importlib import resources

PARTS = ("gpu", "vcpu", "memory", "ssd")
UNITS = {"gpu": "GPU-Hours", "vcpu": "vCPU-Hours", "memory": "GiB-Hours", "ssd": "GiB-Hours"}


class Way(StrEnum):
    """How what a SKU prices is paid."""

    ON_DEMAND = "on_demand"
    SPOT = "spot"
    COMMITTED = "committed"
    FLEXIBLE = "flexible"  # the fee of a spend-based commitment
    SCHEDULED = "scheduled"  # Dynamic Workload Scheduler: a price of its own, with delays


@dataclass(frozen=True)
class Kind:
    """What a SKU prices.

    Attributes
    ----------
    part : gpu, vcpu, memory or ssd; empty for a flexible commitment's fee.
    series : of the SKU's words, as ``A3`` or ``A3Plus``; empty for a GPU, which names none.
    gpu : the GPU's words, as ``H100 80GB Plus``.
    years : of a commitment.
    """

    part: str
    way: Way
    series: str = ""
    gpu: str = ""
    years: int = 0


@dataclass(frozen=True)
class Machine:
    """A machine type's shape.

    Attributes
    ----------
    family : what meters are named after, as ``a3-high``.
    parts : units of each part; those it lacks are absent.
    gpu_sku : how SKUs call its GPU.
    """

    name: str
    family: str
    series: str
    parts: dict[str, Decimal]
    gpu_sku: str
    gpu: str


# Licences, sole tenancy, custom shapes at a premium and their kin price something else.
OTHER = re.compile(
    r"(?i)\b(sole tenancy|custom|premium|licens\w*|extended|upgrade|overcommit|network|storage"
    r" pd|snapshot|image|tpu|reserved|optimized type|suspended)\b"
)
FEE = re.compile(r"(?i)^Commitment - dollar based v\d+: (.*?) for (\d) years?")
COMMITMENT = re.compile(
    r"(?i)^Commitment v\d+: (?:(?P<series>\w+) (?P<part>Cpu|Ram)|(?:Nvidia )?(?P<gpu>.+?) GPUs?"
    r"|(?P<ssd>Local SSD))(?: running)? in .+ for (?P<years>\d) years?"
)
CORE = re.compile(
    r"(?i)^(?P<spot>Spot Preemptible )?(?P<series>\w+)(?: Predefined| AMD| Arm)?"
    r" Instance (?P<part>Core|Ram)\b"
)
# "H200 141GB GPU" without its maker, and A4 by slices of a whole machine: exceptions seen.
SLICE = re.compile(r"(?i)^(?P<spot>Spot Preemptible )?A4 Nvidia (?P<gpu>B200) \(1 gpu slice\)")
GPU = re.compile(
    r"(?i)^(?P<spot>Spot Preemptible )?(?:Nvidia )?(?P<gpu>\S.*?) GPU"
    r"(?P<attached> attached to Spot Preemptible VMs)? running in"
)
SSD = re.compile(r"(?i)^SSD backed Local Storage(?P<spot> attached to Spot Preemptible VMs)?")
GPU_NAME = re.compile(r"^(Tesla )?[A-Z]+[ A-Z0-9]*\d+( \d+GB)?( Plus| Mega)?$")


@functools.cache
def kind_of(description: str) -> Kind | None:
    """Return what a SKU prices; ``None`` if it is no part of a machine, or not understood."""
    text = " ".join(description.split())
    fee = FEE.match(text)
    if fee:
        return Kind("", Way.FLEXIBLE, years=int(fee.group(2)))
    bought = COMMITMENT.match(text)
    if bought:
        return _committed(bought)
    if text.startswith("Commitment") or OTHER.search(text):
        return None
    scheduled = re.match(r"(?i)^(DWS \w+ \w+|Flex[- ]start|Calendar Mode) ", text)
    if scheduled:
        text = text[scheduled.end() :]
    core = CORE.match(text)
    if core:
        part = {"core": "vcpu", "ram": "memory"}[core["part"].lower()]
        return Kind(part, _way(scheduled, core["spot"]), series=core["series"])
    sliced = SLICE.match(text)
    if sliced:
        return Kind("gpu", _way(scheduled, sliced["spot"]), gpu=sliced["gpu"])
    gpu = GPU.match(text)
    if gpu and GPU_NAME.match(gpu["gpu"]):
        return Kind("gpu", _way(scheduled, gpu["spot"] or gpu["attached"]), gpu=gpu["gpu"])
    ssd = SSD.match(text)
    return Kind("ssd", _way(scheduled, ssd["spot"])) if ssd else None


def _way(scheduled: re.Match[str] | None, spot: str | None) -> Way:
    if scheduled:
        return Way.SCHEDULED
    return Way.SPOT if spot else Way.ON_DEMAND


def _committed(match: re.Match[str]) -> Kind | None:
    years = int(match["years"])
    if match["series"]:
        part = {"cpu": "vcpu", "ram": "memory"}[match["part"].lower()]
        return Kind(part, Way.COMMITTED, series=match["series"], years=years)
    if match["ssd"]:
        return Kind("ssd", Way.COMMITTED, years=years)
    return Kind("gpu", Way.COMMITTED, gpu=match["gpu"], years=years)


def family_of(machine: str) -> str:
    """Return the family of a machine type: ``a3-high`` of ``a3-highgpu-8g``, ``c4``."""
    match = re.match(r"([a-z]+\d+[a-z]?)-(high|mega|ultra|edge)gpu-", machine)
    return f"{match[1]}-{match[2]}" if match else machine.split("-", maxsplit=1)[0]


@functools.cache
def machines() -> dict[str, Machine]:
    """Return the machine types whose shape is known, those with GPUs."""
    text = resources.files("connectors.gcp").joinpath("machines.csv").read_text("utf-8")
    made = {}
    for row in csv.DictReader(text.splitlines()):
        parts = {
            "gpu": Decimal(row["gpus"]),
            "vcpu": Decimal(row["vcpu"]),
            "memory": Decimal(row["memory_gib"]),
            "ssd": Decimal(row["ssd_gib"]),
        }
        name = row["machine"]
        made[name] = Machine(
            name,
            family_of(name),
            row["series"],
            {part: count for part, count in parts.items() if count},
            row["gpu_sku"],
            row["gpu"],
        )
    return made


def smallest(family: str) -> Machine | None:
    """Return the smallest machine of a family, which commitments are multiples of."""
    found = [machine for machine in machines().values() if machine.family == family]
    return min(found, key=lambda machine: machine.parts["vcpu"]) if found else None


def series_of(family: str) -> str:
    """Return how SKUs call a family: ``A3Plus`` of ``a3-mega``, ``C4`` of ``c4``."""
    machine = smallest(family)
    return machine.series if machine else family.upper()


def families_of(series: str, gpu: str) -> list[str]:
    """Return the families that a SKU's words may mean; several share a series (A2)."""
    known = {
        machine.family
        for machine in machines().values()
        if (gpu and machine.gpu_sku == gpu) or (series and machine.series == series)
    }
    return sorted(known) or ([series.lower()] if series else [])


def gpu_family(gpu: str, machine: str) -> str:
    """Return the family of a GPU: its machine's, or its own where it is attached to others.

    An N1 machine takes GPUs of several models, each with a price of its own.
    """
    family = family_of(machine) if machine else (families_of("", gpu) or [""])[0]
    return family if smallest(family) else own_family(gpu)


def own_family(gpu: str) -> str:
    """Return the family of a GPU that is attached to machines of any family."""
    return gpu.lower().replace(" ", "-")


def meter_name(region: str, family: str, part: str) -> str:
    """Return our name of a part's meter."""
    return f"gcp/{region}/{family}/{part}"
