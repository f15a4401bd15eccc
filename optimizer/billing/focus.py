# SPDX-License-Identifier: Apache-2.0
"""The bill as FOCUS 1.2 cost and usage rows, hour by hour (``gpuopt bill --focus``).

In a frame, texts and unit prices are categories of texts, times are UTC without a zone,
and amounts (costs and quantities) are whole billionths, null where there is no value, so
that every sum is exact; in a file prices and amounts are decimals.
"""

from __future__ import annotations

import uuid
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from optimizer.billing.bill import Bill
from optimizer.billing.catalogue import read_holdings
from optimizer.billing.focus_check import check_focus
from optimizer.billing.focus_facts import NONE, Facts, Kind
from optimizer.billing.focus_rows import focus_facts
from optimizer.billing.focus_words import FocusColumn, Speaker, Words, focus_columns
from optimizer.errors import GpuoptError, UsageError
from optimizer.tables import Case
from optimizer.tables.reader import Store

__all__ = [
    "PRICES",
    "check_focus",
    "focus_columns",
    "focus_format",
    "focus_frame",
    "write_focus",
    "write_rows",
]

PRICES = ("ContractedUnitPrice", "ListUnitPrice")
AMOUNTS = {
    "BilledCost": "billed",
    "CommitmentDiscountQuantity": "committed",
    "ConsumedQuantity": "consumed",
    "ContractedCost": "contracted",
    "EffectiveCost": "effective",
    "ListCost": "listed",
    "PricingQuantity": "quantity",
}
_TIMES = "TIMESTAMPFORMAT '%Y-%m-%dT%H:%M:%SZ'"
_FORMATS = {
    ".csv": f"FORMAT csv, HEADER, {_TIMES}",
    ".csv.gz": f"FORMAT csv, HEADER, COMPRESSION gzip, {_TIMES}",
    ".parquet": "FORMAT parquet",
}
_MONTH = "datetime64[M]"
_MICROSECOND = "datetime64[us]"


def focus_frame(case: Case, bill: Bill) -> pd.DataFrame:
    """The rows of a bill, ordered by hour; ``bill`` is that of the same case.

    Returns
    -------
    One row per charge and hour, the columns of :func:`focus_columns`.

    Raises
    ------
    DataError
        If an amount of one row is too large for nine decimal places.
    """
    facts = focus_facts(case, bill)
    speaker = Speaker(case, bill)
    subject, words = _subjects(facts, speaker)
    columns = {column.name: _column(column, facts, subject, words) for column in focus_columns()}
    return pd.DataFrame(columns, copy=False)


def focus_format(path: Path) -> str:
    """The ending of the file: ``.csv``, ``.csv.gz`` or ``.parquet``.

    Raises
    ------
    UsageError
        For any other.
    """
    for ending in sorted(_FORMATS, key=len, reverse=True):
        if path.name.endswith(ending) and path.name != ending:
            return ending
    msg = f"FOCUS rows are written as .csv, .csv.gz or .parquet, but '{path}' ends in none of them"
    raise UsageError(f"{msg}. To mend it: name a file such as {path.stem or 'focus'}.parquet")


def write_focus(case: Case, bill: Bill, path: str | Path) -> int:
    """Write the rows of a bill to a file, whole or not at all; return how many there are.

    Raises
    ------
    UsageError
        If the ending is not known, or the file cannot be written there.
    DataError
        If an amount of one row is too large for nine decimal places.
    GpuoptError
        If the rows contradict the bill or each other: a defect of gpuopt.
    """
    target = Path(path)
    focus_format(target)
    frame = focus_frame(case, bill)
    problems = check_focus(frame, bill, read_holdings(case, bill.catalogue))
    if problems:
        raise GpuoptError(
            f"the FOCUS rows do not agree with the bill: {'; '.join(problems)}. To mend it: "
            "this is a defect of gpuopt, nothing was written; report it"
        )
    write_rows(frame, target)
    return len(frame)


def write_rows(frame: pd.DataFrame, path: Path) -> None:
    """Write a frame of rows as it is; an existing file is replaced at the end, or not at all.

    Raises
    ------
    UsageError
        If the ending is not known, or the file cannot be written there.
    """
    options = _FORMATS[focus_format(path)]
    partial = path.with_name(f".{path.name}.{uuid.uuid4().hex}.part")
    try:
        partial.touch()
        cursor = Store().run("SELECT 1")
        cursor.fetchall()
        cursor.register("focus", frame)
        name = str(partial).replace("'", "''")
        cursor.execute(f"COPY ({_select(frame)}) TO '{name}' ({options}, USE_TMP_FILE false)")
        partial.replace(path)
    except OSError as error:
        msg = f"cannot write {path} ({error.strerror or error})"
        raise UsageError(f"{msg}. To mend it: name another file with --focus") from error
    finally:
        partial.unlink(missing_ok=True)


def _subjects(facts: Facts, speaker: Speaker) -> tuple[NDArray[np.int64], list[Words]]:
    """The distinct (kind, line, holding) of the rows: which one each row has, and its words."""
    lines, holdings = (int(column.max(initial=0)) + 2 for column in (facts.line, facts.holding))
    # One number instead of three: sorting numbers is ten times faster than sorting rows.
    keys = ((facts.kind * lines) + facts.line + 1) * holdings + facts.holding + 1
    distinct, inverse = np.unique(keys, return_inverse=True)
    words = []
    for key in distinct.tolist():
        rest, holding = divmod(key, holdings)
        kind, line = divmod(rest, lines)
        words.append(speaker.words(Kind(kind), line - 1, holding - 1))
    return inverse.astype(np.int64), words


def _column(
    column: FocusColumn, facts: Facts, subject: NDArray[np.int64], words: list[Words]
) -> Any:
    """One column of the frame."""
    if column.kind == "time":
        return _time(column.name, facts)
    if column.name in AMOUNTS:
        values = getattr(facts, AMOUNTS[column.name])
        return pd.arrays.IntegerArray(values.astype(np.int64), values == NONE)
    texts = [row.get(column.name) for row in words]
    categories = sorted({text for text in texts if text is not None})
    code = {text: index for index, text in enumerate(categories)}
    codes = np.array([code.get(text, NONE) if text else NONE for text in texts], dtype=np.int64)
    return pd.Categorical.from_codes(codes[subject], pd.Index(categories, dtype=object))


def _time(name: str, facts: Facts) -> NDArray[np.datetime64]:
    hours = facts.end if name == "ChargePeriodEnd" else facts.start
    moments: NDArray[Any] = hours.astype("datetime64[h]")
    if name.startswith("BillingPeriod"):
        moments = moments.astype(_MONTH) + int(name == "BillingPeriodEnd")
    return moments.astype(_MICROSECOND)


def _select(frame: pd.DataFrame) -> str:
    """The SQL that turns billionths into decimals; DuckDB multiplies decimals exactly."""
    chosen = []
    for column in focus_columns():
        quoted = f'"{column.name}"'
        value = quoted
        if column.name in AMOUNTS:
            value = f"CAST({quoted} AS BIGINT) * CAST(0.000000001 AS DECIMAL(9, 9))"
        elif column.kind != "time" and not len(frame[column.name].cat.categories):
            value = "CAST(NULL AS VARCHAR)"  # DuckDB knows no category without values
        elif column.kind != "time":
            value = f"CAST({quoted} AS VARCHAR)"
        if column.name in PRICES:
            value = f"CAST({value} AS DECIMAL(38, {_places(frame)}))"
        chosen.append(f"{value} AS {quoted}")
    return f"SELECT {', '.join(chosen)} FROM focus"


def _places(frame: pd.DataFrame) -> int:
    """Decimal places that all unit prices of the frame fit into."""
    prices = [Decimal(text) for name in PRICES for text in frame[name].cat.categories]
    places = [-int(price.normalize().as_tuple().exponent) for price in prices]
    return max([2, *places])
