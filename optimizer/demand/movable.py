# SPDX-License-Identifier: Apache-2.0
"""What of the horizon's demand may move: to other meters (`substitutes`), in time (`jobs`).

Only the pairs that ``substitutes`` names may move, which is what keeps data where it must
stay: a place that no row names does not exist for the work.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

import numpy as np
from numpy.typing import NDArray

from optimizer.demand.horizon import HorizonDemand, has_jobs, part_of_horizon
from optimizer.demand.lineset import LineSet
from optimizer.errors import DataError
from optimizer.tables import Case, UsageLines, format_hour
from optimizer.tables.lines import DEFAULT_LOST_HOURS

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Target:
    """A line that work may move to, by a row of ``substitutes``.

    ``opens`` is the first hour of the horizon in which it may; money is per unit of work.
    """

    line: int
    ratio: float
    share: float
    switching: Decimal
    egress: Decimal
    opens: int


@dataclass(frozen=True)
class MovableWork:
    """Usage of a line (and of a workload) that may move; (T,) units, and tolerant ones."""

    line: int
    workload: str
    units: Floats
    tolerant: Floats
    targets: tuple[Target, ...]


@dataclass(frozen=True)
class MovableJob:
    """A job, on a line of its own; hours ``[begin, end)`` of the horizon are open to it.

    ``deadline`` is an absolute hour; ``clipped``: the horizon ends before it.
    """

    name: str
    line: int
    begin: int
    end: int
    work: float
    least: float
    most: float
    preemptible: bool
    restart: float
    delay: Decimal
    deadline: int
    clipped: bool


@dataclass(frozen=True)
class MovableDemand:
    """The demand with all work where it is today and no job in it, and what may move.

    Lines that only moved work or a job would use are there, without usage.
    """

    demand: HorizonDemand
    works: tuple[MovableWork, ...]
    jobs: tuple[MovableJob, ...]

    @property
    def joined(self) -> tuple[tuple[int, ...], ...]:
        """Lines that belong together, and count as used."""
        groups = [(work.line, *(target.line for target in work.targets)) for work in self.works]
        return (*groups, *((job.line,) for job in self.jobs))

    def part(self, lines: NDArray[np.int64], demand: HorizonDemand) -> MovableDemand:
        """What may move of some lines, which are numbered anew."""
        number = {int(line): index for index, line in enumerate(lines)}
        works = tuple(
            replace(
                work,
                line=number[work.line],
                targets=tuple(replace(t, line=number[t.line]) for t in work.targets),
            )
            for work in self.works
            if work.line in number
        )
        jobs = tuple(replace(job, line=number[job.line]) for job in self.jobs if job.line in number)
        return MovableDemand(demand, works, jobs)

    def at_most(self) -> UsageLines:
        """The usage with all that may arrive in every place: what prices are asked for."""
        usage = self.demand.usage
        quantity = usage.quantity.copy()
        for work in self.works:
            for target in work.targets:
                quantity[target.line] += target.ratio * target.share * work.units
        return replace(usage, quantity=quantity)


def movable_demand(case: Case, demand: HorizonDemand) -> MovableDemand:
    """Read ``substitutes`` and ``jobs``; without them nothing may move."""
    lines = LineSet(demand.usage)
    works = _works(case, demand, lines)
    jobs, notes = _jobs(case, lines)
    whole = lines.demand(replace(demand, notes=(*demand.notes, *notes)))
    return MovableDemand(whole, tuple(works), tuple(jobs))


def _works(case: Case, demand: HorizonDemand, lines: LineSet) -> list[MovableWork]:
    """One work for each line and workload that a row of ``substitutes`` moves."""
    if not case.has("substitutes"):
        return []
    usage, works = demand.usage, []
    rows: dict[str, list[dict[str, Any]]] = {}
    frame = case.table("substitutes")
    records: list[dict[str, Any]] = [
        {str(key): value for key, value in row.items()} for row in frame.to_dict("records")
    ]
    for number, row in zip(frame.index, records, strict=True):
        if row["from_meter"] == row["to_meter"]:
            raise DataError(
                f"meter {row['to_meter']!r} replaces itself",
                mend="name another meter in to_meter",
                file=case.file("substitutes"),
                row=int(number),
                column="to_meter",
            )
        rows.setdefault(row["from_meter"], []).append(row)
    for meter, group in sorted(rows.items()):
        named = sorted({row["workload"] for row in group if row["workload"]})
        parts = {name: _part(case, demand, name) for name in named}
        for line in [i for i, name in enumerate(usage.meter) if name == meter]:
            left = usage.quantity[line].copy(), usage.tolerant[line].copy()
            for name in named:
                units, tolerant = (part[line] for part in parts[name])
                left = np.maximum(left[0] - units, 0.0), np.maximum(left[1] - tolerant, 0.0)
                works.append((line, name, units, tolerant, group))
            works.append((line, "", *left, group))
    return [
        MovableWork(line, name, units, np.minimum(tolerant, units), targets)
        for line, name, units, tolerant, group in works
        if units.any()
        and (
            targets := _targets(
                case, lines, line, [r for r in group if r["workload"] in ("", name)]
            )
        )
    ]


def _part(case: Case, demand: HorizonDemand, workload: str) -> tuple[Floats, Floats]:
    """Quantity and tolerant part (L, T) of a workload's rows within this demand.

    Where the demand is not the one that repeats history (a scenario), the workload has the
    share of it that it has of the history that is repeated.
    """
    found = []
    parts, wholes = part_of_horizon(case, workload=workload), part_of_horizon(case)
    usage = demand.usage
    for part, whole, now in zip(parts, wholes, (usage.quantity, usage.tolerant), strict=True):
        known = now[: len(whole)]
        share = np.divide(part, whole, out=np.zeros_like(part), where=whole > 0)
        values = np.zeros_like(now)
        values[: len(whole)] = np.where(known == whole, part, known * np.minimum(share, 1.0))
        found.append(values)
    return found[0], found[1]


def _targets(
    case: Case, lines: LineSet, line: int, rows: list[dict[str, Any]]
) -> tuple[Target, ...]:
    """Where a work may go; a row of its workload goes before a row of all workloads."""
    chosen = {row["to_meter"]: row for row in sorted(rows, key=lambda row: row["workload"] != "")}
    found = []
    for meter, row in sorted(chosen.items()):
        opens = 0
        if _given(row["available_from"]):
            opens = max(0, int(row["available_from"]) - case.settings.as_of)
        share = float(row["maximum_share"]) if _given(row["maximum_share"]) else 1.0
        if share <= 0 or opens >= case.settings.horizon_hours:
            continue
        found.append(
            Target(
                line=lines.target(line, meter, float(row["ratio"])),
                ratio=float(row["ratio"]),
                share=share,
                switching=row["switching_cost"] or Decimal(0),
                egress=row["egress_per_unit"] or Decimal(0),
                opens=opens,
            )
        )
    return tuple(found)


def _jobs(case: Case, lines: LineSet) -> tuple[list[MovableJob], list[str]]:
    """The jobs that have something left to run within the horizon, and notes on the others."""
    jobs: list[MovableJob] = []
    notes: list[str] = []
    if not has_jobs(case):
        return jobs, notes
    as_of = case.settings.as_of
    last = as_of + case.settings.horizon_hours
    frame = case.table("jobs")
    for number, row in zip(frame.index, frame.to_dict("records"), strict=True):
        name = row["job"]
        if row["deadline"] <= as_of or row["earliest"] >= last:
            when = "ended before now" if row["deadline"] <= as_of else "begins after the horizon"
            notes.append(f"job {name} {when} and is not planned")
            continue
        account, zone, done = _ran(case, name)
        if done:
            notes.append(f"job {name} has run {done:g} unit-hours before now, which are done")
        work = float(row["unit_hours"]) - done
        if work <= 1e-9 * float(row["unit_hours"]):
            continue
        if row["deadline"] > last:
            notes.append(
                f"job {name} is planned within the horizon, although its deadline is "
                f"{format_hour(row['deadline'])}"
            )
        preemptible = bool(row["preemptible"])
        most = float(row["maximum_units"]) if _given(row["maximum_units"]) else work
        # Without a least size a job that may not pause is a gang of one size, if one is given.
        least = most if not preemptible and _given(row["maximum_units"]) else 0.0
        least = float(row["minimum_units"]) if _given(row["minimum_units"]) else least
        if least > most and _given(row["maximum_units"]):
            raise DataError(
                f"job {name!r} runs on at least {least:g} and at most {most:g} units",
                mend="give a maximum_units that is not below minimum_units",
                file=case.file("jobs"),
                row=int(number),
                column="maximum_units",
            )
        most = max(most, least)  # only maximum_units was left out: a gang of its least size
        restart = float(row["restart_hours"]) if _given(row["restart_hours"]) else 0.0
        interval = row["checkpoint_hours"]
        # An interruption loses half the time between two checkpoints, and the restart.
        lost = float(interval) / 2 if _given(interval) else DEFAULT_LOST_HOURS
        line = lines.add((row["meter"], account, zone, lost + restart, Decimal(0), None))
        jobs.append(
            MovableJob(
                name=name,
                line=line,
                begin=max(0, row["earliest"] - as_of),
                end=min(last, row["deadline"]) - as_of,
                work=work,
                least=least,
                most=most,
                preemptible=preemptible,
                # Units that come and go one by one do not restart together.
                restart=restart if preemptible and least > 0 else 0.0,
                delay=row["delay_cost_per_hour"] or Decimal(0),
                deadline=row["deadline"],
                clipped=row["deadline"] > last,
            )
        )
    return jobs, notes


def _ran(case: Case, job: str) -> tuple[str, str, float]:
    """Account and zone of most of a job's usage rows, and unit-hours run before now."""
    usage = case.usage_part(job=job)
    if not usage.quantity.any():
        return "", "", 0.0
    line = int(np.argmax(usage.quantity.sum(axis=1)))
    before = max(0, case.settings.as_of - usage.first_hour)
    return usage.account[line], usage.zone[line], float(usage.quantity[:, :before].sum())


def _given(value: Any) -> bool:
    """Whether a cell has a value."""
    return value is not None and not (isinstance(value, float) and math.isnan(value))
