# SPDX-License-Identifier: Apache-2.0
"""The jobs family of the readable program (PuLP): gangs that are placed in time.

Each function writes rows of the table in ``docs/program.md``, "Work that may move".
"""

from __future__ import annotations

from dataclasses import dataclass, field

import pulp

from optimizer.program.coverage import PairHour
from optimizer.program.moves import Moves

JobHour = tuple[int, int]


@dataclass
class JobVariables:
    """x units, on, first start, resumed, units lost at a resumption; hours late."""

    units: dict[JobHour, pulp.LpVariable] = field(default_factory=dict)
    on: dict[JobHour, pulp.LpVariable] = field(default_factory=dict)
    first: dict[JobHour, pulp.LpVariable] = field(default_factory=dict)
    resumed: dict[JobHour, pulp.LpVariable] = field(default_factory=dict)
    lost: dict[JobHour, pulp.LpVariable] = field(default_factory=dict)
    late: dict[int, pulp.LpVariable] = field(default_factory=dict)


def define_job_variables(model: pulp.LpProblem, moves: Moves) -> JobVariables:
    """Create the variables of every job; h counts the hours of its own window from 0."""
    variables = JobVariables()
    for j, job in enumerate(moves.jobs):
        variables.late[j] = model.add_variable(f"late_{j}", lowBound=0)
        for h in range(len(job.hours)):
            name = f"{j}_{h}"
            variables.units[j, h] = model.add_variable(f"units_{name}", lowBound=0)
            variables.on[j, h] = model.add_variable(f"on_{name}", cat="Binary")
            variables.first[j, h] = model.add_variable(f"first_{name}", cat="Binary")
            if job.preemptible:
                variables.resumed[j, h] = model.add_variable(f"resumed_{name}", cat="Binary")
                variables.lost[j, h] = model.add_variable(f"lost_{name}", lowBound=0)
    return variables


def define_jobs_place(model: pulp.LpProblem, moves: Moves, variables: JobVariables) -> None:
    """jobs.place[j]: Σ x ≥ work + restart·Σ lost, in unit-hours."""
    for j, job in enumerate(moves.jobs):
        hours = range(len(job.hours))
        lost = pulp.lpSum(variables.lost[j, h] for h in hours) if job.preemptible else 0
        model += (
            pulp.lpSum(variables.units[j, h] for h in hours) - float(job.restart) * lost
            >= float(job.work),
            f"jobs.place[{j}]",
        )


def define_jobs_gang(model: pulp.LpProblem, moves: Moves, variables: JobVariables) -> None:
    """jobs.gang[j, h]: least·on ≤ x ≤ most·on, in units."""
    for (j, h), units in variables.units.items():
        job = moves.jobs[j]
        model += units >= float(job.least) * variables.on[j, h], f"jobs.gang.least[{j},{h}]"
        model += units <= float(job.most) * variables.on[j, h], f"jobs.gang.most[{j},{h}]"


def define_jobs_window(model: pulp.LpProblem, moves: Moves, variables: JobVariables) -> None:
    """jobs.window[j, h]: on ≤ on before + first + resumed; one first start; resumed after it.

    Without preemption nothing resumes, so that there is one contiguous run.
    """
    for j, job in enumerate(moves.jobs):
        hours = range(len(job.hours))
        model += pulp.lpSum(variables.first[j, h] for h in hours) == 1, f"jobs.window.once[{j}]"
        for h in hours:
            before = variables.on[j, h - 1] if h else 0
            started = before + variables.first[j, h]
            if job.preemptible:
                started = started + variables.resumed[j, h]
                earlier = pulp.lpSum(variables.first[j, k] for k in range(h))
                model += variables.resumed[j, h] <= earlier, f"jobs.window.after[{j},{h}]"
            model += variables.on[j, h] <= started, f"jobs.window[{j},{h}]"


def define_jobs_restart(model: pulp.LpProblem, moves: Moves, variables: JobVariables) -> None:
    """jobs.restart[j, h]: lost ≥ x − most·(1 − resumed), in units."""
    for (j, h), lost in variables.lost.items():
        most = float(moves.jobs[j].most)
        model += (
            lost >= variables.units[j, h] - most * (1 - variables.resumed[j, h]),
            f"jobs.restart[{j},{h}]",
        )


def define_jobs_finish(model: pulp.LpProblem, moves: Moves, variables: JobVariables) -> None:
    """jobs.finish[j, h]: late ≥ (h + 1)·on − shortest, in hours after the earliest finish."""
    for (j, h), on in variables.on.items():
        if moves.jobs[j].delay:
            early = float(moves.jobs[j].shortest)
            model += variables.late[j] >= (h + 1) * on - early, f"jobs.finish[{j},{h}]"


def jobs_demand(
    moves: Moves, variables: JobVariables
) -> tuple[
    dict[PairHour, list[pulp.LpAffineExpression]], dict[PairHour, list[pulp.LpAffineExpression]]
]:
    """Units of jobs that arrive in each pool, and their tolerant part."""
    demand: dict[PairHour, list[pulp.LpAffineExpression]] = {}
    tolerant: dict[PairHour, list[pulp.LpAffineExpression]] = {}
    for (j, h), units in variables.units.items():
        job = moves.jobs[j]
        where = (job.pool, int(job.hours[h]))
        demand.setdefault(where, []).append(1.0 * units)
        if job.preemptible:
            tolerant.setdefault(where, []).append(1.0 * units)
    return demand, tolerant


def jobs_cost(moves: Moves, variables: JobVariables) -> pulp.LpAffineExpression:
    """Σ delay·late, in dollars."""
    return pulp.LpAffineExpression(
        [(variables.late[j], float(job.delay)) for j, job in enumerate(moves.jobs) if job.delay]
    )
