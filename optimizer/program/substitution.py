# SPDX-License-Identifier: Apache-2.0
"""The substitution family of the readable program (PuLP): work that may run elsewhere.

Each function writes rows of the table in ``docs/program.md``, "Work that may move".
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pulp

from optimizer.program.coverage import PairHour
from optimizer.program.moves import Moves
from optimizer.program.problem import Problem


@dataclass
class SubstitutionVariables:
    """part[b, o, e] of a work that an option takes in an epoch, and its increase moved.

    ``placed[b, m, n]`` is the work in place m of an hour; place 0 is where it is today.
    """

    part: dict[tuple[int, int, int], pulp.LpVariable] = field(default_factory=dict)
    moved: dict[tuple[int, int, int], pulp.LpVariable] = field(default_factory=dict)
    placed: dict[tuple[int, int, int], pulp.LpVariable] = field(default_factory=dict)


def define_substitution_variables(model: pulp.LpProblem, moves: Moves) -> SubstitutionVariables:
    """Create part ∈ [0, 1], moved ≥ 0 and the work placed, in units of the work."""
    variables = SubstitutionVariables()
    for b, work in enumerate(moves.works):
        for n in np.flatnonzero(work.units > 0):
            for m in range(len(work.options) + 1):
                variables.placed[b, m, int(n)] = model.add_variable(f"work_{b}_{m}_{n}", lowBound=0)
        for o in range(len(work.options)):
            for e in range(moves.epochs):
                name = f"{b}_{o}_{e}"
                variables.part[b, o, e] = model.add_variable(f"part_{name}", lowBound=0, upBound=1)
                variables.moved[b, o, e] = model.add_variable(f"moved_{name}", lowBound=0)
    return variables


def define_substitution_place(
    model: pulp.LpProblem, moves: Moves, variables: SubstitutionVariables
) -> None:
    """substitution.place[b, n]: Σₘ x = work, in units of the work."""
    for b, work in enumerate(moves.works):
        for n in np.flatnonzero(work.units > 0):
            places = [variables.placed[b, m, int(n)] for m in range(len(work.options) + 1)]
            model += pulp.lpSum(places) == float(work.units[n]), f"substitution.place[{b},{n}]"


def define_substitution_stay(
    model: pulp.LpProblem, moves: Moves, variables: SubstitutionVariables
) -> None:
    """substitution.stay[b, o, n]: x = part·work in the option's open hours, else 0."""
    for b, work in enumerate(moves.works):
        for o, option in enumerate(work.options):
            for n in np.flatnonzero(work.units > 0):
                share = variables.part[b, o, int(moves.epoch[n])]
                model += (
                    variables.placed[b, o + 1, int(n)]
                    == float(option.open[n] * work.units[n]) * share,
                    f"substitution.stay[{b},{o},{n}]",
                )


def define_substitution_move(model: pulp.LpProblem, variables: SubstitutionVariables) -> None:
    """substitution.move[b, o, e]: moved ≥ partₑ − partₑ₋₁; nothing is moved today."""
    for (b, o, e), part in variables.part.items():
        before = variables.part[b, o, e - 1] if e else 0
        model += variables.moved[b, o, e] >= part - before, f"substitution.move[{b},{o},{e}]"


def define_substitution_allow(
    model: pulp.LpProblem, moves: Moves, variables: SubstitutionVariables
) -> None:
    """substitution.allow[b, o, e]: part ≤ share; and the parts of a work are at most all."""
    for (b, o, e), part in variables.part.items():
        share = float(moves.works[b].options[o].share)
        model += part <= share, f"substitution.allow[{b},{o},{e}]"
    for b, work in enumerate(moves.works):
        for e in range(moves.epochs):
            parts = [variables.part[b, o, e] for o in range(len(work.options))]
            model += pulp.lpSum(parts) <= 1, f"substitution.allow.all[{b},{e}]"


def substitution_demand(
    moves: Moves, variables: SubstitutionVariables
) -> tuple[
    dict[PairHour, list[pulp.LpAffineExpression]], dict[PairHour, list[pulp.LpAffineExpression]]
]:
    """substitution.meter[p, n]: κ·x that arrives in each pool, and its tolerant part."""
    demand: dict[PairHour, list[pulp.LpAffineExpression]] = {}
    tolerant: dict[PairHour, list[pulp.LpAffineExpression]] = {}
    for (b, m, n), placed in variables.placed.items():
        work = moves.works[b]
        pool = work.options[m - 1].pool if m else work.pool
        ratio = float(work.options[m - 1].ratio) if m else 1.0
        demand.setdefault((pool, n), []).append(ratio * placed)
        if work.tolerant[n] > 0:
            part = ratio * float(work.tolerant[n] / work.units[n])
            tolerant.setdefault((pool, n), []).append(part * placed)
    return demand, tolerant


def substitution_cost(
    problem: Problem, moves: Moves, variables: SubstitutionVariables
) -> pulp.LpAffineExpression:
    """Σ wγ·egress·x + Σ switch·moved, in dollars."""
    terms = [
        (placed, float(moves.works[b].options[m - 1].egress * problem.weight[n]))
        for (b, m, n), placed in variables.placed.items()
        if m
    ] + [
        (moved, float(moves.works[b].options[o].switch[e]))
        for (b, o, e), moved in variables.moved.items()
    ]
    return pulp.LpAffineExpression(terms)
