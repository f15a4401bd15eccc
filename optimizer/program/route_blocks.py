# SPDX-License-Identifier: Apache-2.0
"""Programs that fall apart into blocks but for some rows: bound by prices, then restored.

The rows that link blocks get the prices y of a relaxation.  For any y of the right sign

    LB = Σ_rows (y⁺·low − y⁻·high) + Σ_blocks min (cost − yA)·z + Σ_rest min (cost − yA)·z

is a bound (Lagrange): every block is a small integer program, whose *dual* bound counts.
Restored, each block in turn keeps what the relaxation made it give to every linking row.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from optimizer.program.linear import (
    LinearAnswer,
    LinearProgram,
    solve_linear,
    solve_mathopt_linear,
    solve_pulp,
)
from optimizer.program.linear_branch import branch
from optimizer.program.problem import Floats, Ints
from optimizer.program.route_hour import EVERYWHERE, BlockProgram
from optimizer.program.status import Status

ROUNDING = 1e-9
FEW_COLUMNS = 800  # of linked blocks in one piece: a MIP solver takes seconds, and has cuts
FAR_OFF = 0.01  # of an answer over its bound, relative: worth a MIP solver's seconds
ROOT_NODES = 1  # its cuts and heuristics find nearly all, in a fraction of the time
Solve = Callable[[LinearProgram], LinearAnswer]


@dataclass(frozen=True)
class Guide:
    """Values and prices of a relaxation, by name: of this program, or of one much like it."""

    values: dict[str, float]
    duals: dict[str, float]

    @classmethod
    def of(cls, program: BlockProgram, answer: LinearAnswer) -> Guide:
        """What an answer says of variables of no block, and of the rows that link blocks."""
        duals = np.zeros(len(program.terms)) if answer.duals is None else answer.duals
        return cls(
            dict(zip(program.names, answer.values.tolist(), strict=True)),
            dict(zip(program.row_names, duals.tolist(), strict=True)),
        )

    def read(self, program: BlockProgram) -> tuple[Floats, Floats]:
        """The values and duals of a program, as far as they are known."""
        values = [
            min(max(self.values.get(name, low), low), high)
            for name, low, high in zip(program.names, program.lower, program.upper, strict=True)
        ]
        duals = [self.duals.get(name, 0.0) for name in program.row_names]
        return np.array(values), np.array(duals)


@dataclass(frozen=True)
class Decomposed:
    """The columns and rows of each block, the rows that link them, and what no block owns."""

    program: BlockProgram
    columns: tuple[Ints, ...]
    rows: tuple[Ints, ...]
    links: Ints
    rest: Ints

    @classmethod
    def of(cls, program: BlockProgram) -> Decomposed:
        """Sort a program's columns and rows by block, in the order of the blocks."""
        labels = sorted({block for block in program.blocks if block != EVERYWHERE})
        place = {label: number for number, label in enumerate(labels)}
        columns: list[list[int]] = [[] for _ in labels]
        rest: list[int] = []
        for column, label in enumerate(program.blocks):
            (columns[place[label]] if label != EVERYWHERE else rest).append(column)
        rows: list[list[int]] = [[] for _ in labels]
        links = []
        for row, terms in enumerate(program.terms):
            of = {program.blocks[column] for column in terms}
            if len(of) == 1 and EVERYWHERE not in of:
                rows[place[of.pop()]].append(row)
            else:
                links.append(row)
        return cls(
            program,
            tuple(np.array(each, dtype=np.int64) for each in columns),
            tuple(np.array(each, dtype=np.int64) for each in rows),
            np.array(links, dtype=np.int64),
            np.array(rest, dtype=np.int64),
        )

    def block(
        self,
        number: int,
        cost: Sequence[float] | Floats | Mapping[int, float],
        extra: Sequence[tuple[str, dict[int, float], float, float]] = (),
    ) -> LinearProgram:
        """One block as a program of its own, with this cost and further rows."""
        whole, own = self.program, LinearProgram()
        place: dict[int, int] = {}
        for column in self.columns[number]:
            place[int(column)] = own.column(
                whole.names[column],
                cost=float(cost[int(column)]),
                lower=whole.lower[column],
                upper=whole.upper[column],
                whole=whole.whole[column],
            )
        for row in self.rows[number]:
            own.row(
                whole.row_names[row],
                {place[k]: a for k, a in whole.terms[row].items()},
                low=whole.low[row],
                high=whole.high[row],
            )
        for name, terms, low, high in extra:
            own.row(name, {place[k]: a for k, a in terms.items()}, low=low, high=high)
        return own


def bound_of_blocks(parts: Decomposed, duals: Floats, solve: Solve) -> float:
    """LB for these prices of the linking rows; prices of the wrong sign are taken as none."""
    program = parts.program
    cost = np.array(program.cost, dtype=np.float64)
    bound = size = 0.0
    for row in parts.links:
        price = float(duals[row])
        side = program.low[row] if price > 0 else program.high[row]
        if not price or not np.isfinite(side):
            continue
        bound += price * side
        size += abs(price * side)
        for column, value in program.terms[row].items():
            cost[column] -= price * value
    for column in parts.rest:
        side = program.lower[column] if cost[column] >= 0 else program.upper[column]
        bound += float(cost[column]) * side if cost[column] else 0.0
        size += abs(float(cost[column]) * side) if cost[column] else 0.0
    for number in range(len(parts.columns)):
        answer = solve(parts.block(number, cost))
        if answer.status is Status.INFEASIBLE:
            return np.inf
        if not np.isfinite(answer.bound):
            return -np.inf
        bound += answer.bound
        size += abs(answer.bound)
    return bound - 1e-12 * size


def restore(
    parts: Decomposed, values: Floats, duals: Floats, solve: Solve, *, free: tuple[str, ...] = ()
) -> Floats | None:
    """Whole values near those of a relaxation; ``None`` if a block has none.

    What no block owns is taken from ``values``, and has to be whole already.  Rows whose
    name begins with one of ``free`` do not bind a block for the sake of later ones: there
    their price tells it what those gain.
    """
    program = parts.program
    found = values.copy()
    last = {}
    for number, columns in enumerate(parts.columns):
        for column in columns:
            last[int(column)] = number
    of_row = {
        int(row): max((last.get(column, -1) for column in program.terms[row]), default=-1)
        for row in parts.links
    }
    touching: list[list[int]] = [[] for _ in parts.columns]
    for row in parts.links:
        for number in {last[column] for column in program.terms[row] if column in last}:
            touching[number].append(int(row))
    for number, columns in enumerate(parts.columns):
        own = {int(column) for column in columns}
        extra = []
        cost = {column: program.cost[column] for column in own}
        for row in touching[number]:
            name = program.row_names[row]
            if of_row[row] > number and name.startswith(free):
                for column in own & program.terms[row].keys():
                    cost[column] -= float(duals[row]) * program.terms[row][column]
                continue
            mine, there = {}, 0.0
            for column, value in program.terms[row].items():
                if column in own:
                    mine[column] = value
                else:
                    there += value * float(found[column])
            given = sum(value * float(values[column]) for column, value in mine.items())
            low, high = program.low[row] - there, program.high[row] - there
            slack = ROUNDING * (1.0 + abs(there) + abs(given))
            if of_row[row] > number:
                # Later blocks can still make up for rounding, not for more.
                low, high = min(low, given), max(high, given)
            extra.append((name, mine, low - slack, high + slack))
        answer = solve(parts.block(number, cost, extra))
        if not answer.status.has_plan:
            return None
        found[columns] = answer.values
    return found


def solve_blocks(
    program: BlockProgram,
    *,
    gap: float,
    nodes: int | None,
    whole_columns: int,
    wanted: str = "both",
    guide: Guide | None = None,
    method: str = "auto",
) -> LinearAnswer:
    """Solve a program by its blocks; small ones and those that fall apart, exactly.

    Parameters
    ----------
    gap, nodes
        Of each integer program.
    whole_columns
        Programs with links and no more columns than this are solved in one piece.
    wanted
        ``values``, ``bound`` or ``both``, of what has to be done one after the other.
    guide
        A relaxation to go by; else it is solved.
    method
        ``reference`` writes integer programs in PuLP, ``mathopt`` solves them with SCIP.
    """
    parts = Decomposed.of(program)
    solve = _solver(method, gap, nodes, many=len(parts.columns) > 1)
    if not len(parts.links):
        return _apart(parts, solve)
    if len(program.names) > whole_columns:
        restored = _by_blocks(parts, solve, wanted, guide)
        return _whole(program, gap) if restored is None else restored
    few = len(program.names) <= FEW_COLUMNS
    whole = _solver(method, gap, nodes, many=len(parts.columns) > 1 and not few)(program)
    if few or whole.status is not Status.STOPPED or wanted == "bound" or method != "auto":
        return whole
    # Branching without cuts may end far off where hours are linked: whichever way is best.
    best = _better(whole, _by_blocks(parts, solve, "values", guide))
    if best.objective - best.bound > FAR_OFF * abs(best.objective):
        best = _better(best, _whole(program, gap))
    return best


def _whole(program: BlockProgram, gap: float) -> LinearAnswer:
    """The program in one piece, with the cuts and heuristics of a MIP solver."""
    relaxed = solve_linear(program, relaxed=True, interior=True)
    if relaxed.status is Status.INFEASIBLE:
        return relaxed
    return solve_linear(program, gap=gap, nodes=ROOT_NODES)


def _better(one: LinearAnswer, other: LinearAnswer | None) -> LinearAnswer:
    """The cheaper of two answers of a program, with the higher bound."""
    if other is None or not other.status.has_plan:
        return one
    best = other if other.objective < one.objective else one
    return replace(best, bound=min(max(one.bound, other.bound), best.objective))


def _by_blocks(
    parts: Decomposed, solve: Solve, wanted: str, guide: Guide | None
) -> LinearAnswer | None:
    """Bound a program by its blocks, and restore whole values; ``None`` if that finds none."""
    program = parts.program
    if guide is None:
        relaxed = solve_linear(program, relaxed=True, interior=True)
        if relaxed.status is Status.INFEASIBLE:
            return relaxed
        if relaxed.duals is None:
            return None
        values, duals = relaxed.values.copy(), relaxed.duals
    else:
        values, duals = guide.read(program)
    bound = -np.inf
    if wanted != "values":
        bound = bound_of_blocks(parts, duals, solve)
    if wanted == "bound":
        return LinearAnswer(Status.STOPPED, values, np.inf, bound)
    found = None
    # Too little capacity of the whole horizon is known only once an hour has no answer.
    for ends in dict.fromkeys(_ends(parts, values, upwards=up) for up in (False, True)):
        if ends is None:
            continue
        values[parts.rest] = ends
        found = restore(parts, values, duals, solve, free=("route.start", "route.deadline"))
        if found is None:
            # Too much was left waiting for what may run later: as much as in the relaxation.
            found = restore(parts, values, duals, solve, free=("route.start",))
        if found is not None:
            break
    if found is None:
        return None
    objective = float(np.dot(program.cost, found))
    return LinearAnswer(Status.STOPPED, found, objective, min(bound, objective))


def _ends(parts: Decomposed, values: Floats, *, upwards: bool) -> tuple[float, ...] | None:
    """Whole values of what no block owns, near those of a relaxation.

    They keep the rows that have nothing else in them: units of a deployment that is opened are
    its minimum at least.  What is in no such row is rounded up, and all of it if ``upwards``.
    """
    if not len(parts.rest):
        return ()  # to a solver no columns are no answer
    program, own = parts.program, LinearProgram()
    rows = [row for row in parts.links if program.terms[row].keys() <= set(parts.rest.tolist())]
    tied = {column for row in rows for column in program.terms[row]}
    place = {}
    for column in parts.rest.tolist():
        value, upper = float(values[column]), program.upper[column]
        lower = program.lower[column]
        if program.whole[column] and (upwards or column not in tied):
            lower = min(float(np.ceil(value - 1e-4)), upper)
        name = program.names[column]
        place[column] = own.column(name, lower=lower, upper=upper, whole=program.whole[column])
        off = own.column(f"off[{name}]", cost=1.0)
        own.row(f"off[{name},most]", {place[column]: 1.0, off: -1.0}, high=value)
        own.row(f"off[{name},least]", {place[column]: 1.0, off: 1.0}, low=value)
    for row in rows:
        terms = {place[column]: value for column, value in program.terms[row].items()}
        own.row(program.row_names[row], terms, low=program.low[row], high=program.high[row])
    answer = solve_linear(own)
    if not answer.status.has_plan:
        return None
    found = (float(answer.values[place[column]]) for column in parts.rest.tolist())
    kinds = (program.whole[column] for column in parts.rest.tolist())
    return tuple(round(v) if whole else v for v, whole in zip(found, kinds, strict=True))


def _solver(method: str, gap: float, nodes: int | None, *, many: bool) -> Solve:
    """How one block is solved; many of them one after the other without a MIP solver's start."""

    def solve(one: LinearProgram) -> LinearAnswer:
        if method == "reference":
            return solve_pulp(one, gap=gap, nodes=nodes)
        if method == "mathopt":
            return solve_mathopt_linear(one, gap=gap)
        if nodes is not None and many:
            quick = branch(one, gap=gap, nodes=nodes)
            if quick.status.has_plan:
                return quick
        return solve_linear(one, gap=gap, nodes=nodes)

    return solve


def _apart(parts: Decomposed, solve: Solve) -> LinearAnswer:
    """Blocks that nothing links: each on its own."""
    program = parts.program
    values = np.array(program.lower, dtype=np.float64)
    objective = bound = 0.0
    status = Status.OPTIMAL
    for number, columns in enumerate(parts.columns):
        answer = solve(parts.block(number, program.cost))
        if not answer.status.has_plan:
            return LinearAnswer(answer.status, values, answer.objective, answer.bound)
        if answer.status is not Status.OPTIMAL:
            status = Status.STOPPED
        values[columns] = answer.values
        objective += answer.objective
        bound += answer.bound
    for column in parts.rest:
        side = program.lower[column] if program.cost[column] >= 0 else program.upper[column]
        values[column] = side
        objective += program.cost[column] * side if program.cost[column] else 0.0
        bound += program.cost[column] * side if program.cost[column] else 0.0
    return LinearAnswer(status, values, objective, min(bound, objective))
