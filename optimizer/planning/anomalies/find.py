# SPDX-License-Identifier: Apache-2.0
"""The anomalies of a window: judged series by series, told event by event."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal

import numpy as np

from optimizer.billing import read_holdings
from optimizer.billing.bill import PLACES, exact
from optimizer.billing.catalogue import Catalogue
from optimizer.billing.fit import open_catalogue
from optimizer.demand.anomalies import (
    DEFAULT,
    Episode,
    HourlySeries,
    Kind,
    Verdict,
    judge,
    judge_together,
)
from optimizer.demand.horizon import DAY, WEEK
from optimizer.errors import MissingPrice
from optimizer.planning.anomalies.anomaly import Anomaly, Carrier, Findings, Measure, series_name
from optimizer.planning.anomalies.billed import Billing
from optimizer.planning.anomalies.cells import Cells, Judged, cells_of, judged_series
from optimizer.planning.anomalies.explain import NEAR, Event, carriers, events, seen
from optimizer.planning.anomalies.requests import UNITS, request_series
from optimizer.tables import Case, UsageCells

MATERIAL = Decimal("0.001")  # of the window's cost: events below are counted, not told
LATE = DAY  # hours by which data may be late, as billing exports are
REPLAYED = 20  # events whose hours are replayed to tell what they did to the bill


def find_anomalies(case: Case, start: int, end: int) -> list[Anomaly]:
    """Find what was not as expected in the hours ``[start, end)``; see :func:`findings_of`."""
    return list(findings_of(case, start, end).anomalies)


def findings_of(
    case: Case,
    start: int,
    end: int,
    *,
    material: Decimal = MATERIAL,
    usage: UsageCells | None = None,
) -> Findings:
    """Find the anomalies of usage, cost, bill and requests.

    Parameters
    ----------
    start, end
        The window; hours at or after ``as_of`` are no history and are left out.
    material
        Share of the window's usage at on-demand prices; events of fewer dollars are only
        counted.
    usage
        ``case.usage_cells()``, for callers that have read them.

    Raises
    ------
    DataError
        If the case has neither usage nor workloads.
    """
    end = min(end, case.settings.as_of)
    first = start - DEFAULT.memory - WEEK
    found: list[Anomaly] = []
    verdicts: list[tuple[Judged, Verdict]] = []
    notes: list[str] = []
    least = Decimal(0)
    if case.has("usage") or not case.has("workloads"):
        catalogue = open_catalogue(case)
        cells = cells_of(case, catalogue, first, end, usage)
        mine, verdicts = _usage(case, catalogue, cells, start, notes)
        found += mine
        ran = cells.sums(start - cells.first_hour, end - cells.first_hour)
        least = (exact(float((ran * cells.dollars).sum())) * material).quantize(PLACES)
        unpriced = int(np.isnan(cells.price).sum())
        if unpriced:
            notes.append(
                f"{unpriced} usage series have no on-demand or list price: they are judged in "
                "units, and have no dollars"
            )
    asked, more = _requests(case, start - DEFAULT.memory_together - WEEK, start, end)
    found += asked
    verdicts += more
    # What was told before the window is no news, unless it is still on.
    found = [a for a in found if a.told >= start or a.ongoing or a.kind is Kind.gap]
    told = [a for a in found if a.dollars is None or abs(a.dollars) >= least]
    told.sort(key=_rank)
    return Findings(
        start=start,
        end=end,
        anomalies=tuple(told),
        series=int(sum((verdict.judged > 0).sum() for _, verdict in verdicts)),
        too_short=tuple(
            series_name(judged.measure, judged.column, judged.values[i])
            for judged, verdict in verdicts
            for i in np.flatnonzero(verdict.too_short)
        ),
        small=len(found) - len(told),
        least=least,
        notes=tuple(notes),
        currency=case.settings.currency,
    )


def _rank(anomaly: Anomaly) -> tuple[int, Decimal, float, int, str]:
    gap = anomaly.kind is not Kind.gap
    dollars = abs(anomaly.dollars) if anomaly.dollars is not None else Decimal(-1)
    distance = abs(anomaly.actual - anomaly.expected) / max(anomaly.expected, 1e-9)
    return int(gap), -dollars, -distance, anomaly.start, anomaly.name


def _usage(
    case: Case, catalogue: Catalogue, cells: Cells, start: int, notes: list[str]
) -> tuple[list[Anomaly], list[tuple[Judged, Verdict]]]:
    """Events of usage and cost, gaps, and what they and commitments did to the bill."""
    verdicts = [(judged, judge(judged.series, start)) for judged in judged_series(cells)]
    episodes = [
        seen(cells, judged, episode)
        for judged, verdict in verdicts
        for episode in verdict.episodes
        if episode.line is not None
    ]
    holdings = list(read_holdings(case, catalogue)) if case.has("commitments") else []
    billing = Billing(case, catalogue, holdings, case.usage_lines())
    grouped = events(episodes)
    found = _with_bills(
        [_anomaly(case, cells, event) for event in grouped], cells, billing, grouped
    )
    if holdings:
        found = _with_bill_series(found, billing, cells, start, notes, verdicts)
    return found + _gaps(cells, start), verdicts


def _anomaly(case: Case, cells: Cells, event: Event) -> Anomaly:
    one, episode = event.lead, event.lead.episode
    in_money = one.measure is Measure.cost
    unit = case.settings.currency if in_money else _unit(case, one.value)
    price = 1.0 if in_money else cells.price_of_meter(one.value)
    return Anomaly(
        kind=episode.kind,
        measure=one.measure,
        column=one.column,
        value=one.value,
        start=episode.start,
        end=episode.end,
        told=episode.told,
        ongoing=episode.ongoing,
        actual=episode.actual,
        expected=episode.expected,
        unit=unit,
        dollars=None if price is None else exact((episode.actual - episode.expected) * price),
        carriers=carriers(cells, one),
        seen_in=tuple(sorted({other.name for other in event.others} - {one.name})),
    )


def _unit(case: Case, meter: str) -> str:
    table = case.table("meters")
    return str(table.loc[table["meter"] == meter, "unit"].iloc[0])


def _with_bills(
    found: Sequence[Anomaly], cells: Cells, billing: Billing, grouped: Sequence[Event]
) -> list[Anomaly]:
    """The events with what those of the most dollars did to the bill."""
    excess = [event.lead.units for event in grouped]
    order = sorted(range(len(found)), key=lambda i: _rank(found[i]))
    told = list(found)
    for i in order[:REPLAYED]:
        by_line = np.bincount(cells.line, excess[i], minlength=len(billing.usage.meter))
        told[i] = replace(
            found[i], bill=billing.effect(found[i].start, found[i].end, by_line.astype(np.float64))
        )
    return told


def _with_bill_series(
    found: list[Anomaly],
    billing: Billing,
    cells: Cells,
    start: int,
    notes: list[str],
    verdicts: list[tuple[Judged, Verdict]],
) -> list[Anomaly]:
    """The bill itself, hour by hour: what no usage explains is an event of its own."""
    try:
        bill = billing.bill(cells.first_hour, cells.first_hour + cells.hours)
    except MissingPrice as error:
        notes.append(f"the bill is not judged: {error.problem}")
        return found
    hourly = bill.on_demand_by_hour + bill.spot_by_hour + bill.commitment_by_hour
    if not len(hourly):
        return found
    known = cells.all_known[: len(hourly)]
    judged = Judged(
        Measure.bill, "", ("",), HourlySeries(bill.first_hour, np.maximum(hourly, 0.0)[None], known)
    )
    verdict = judge(judged.series, start)
    verdicts.append((judged, verdict))
    for episode in verdict.episodes:
        if episode.line is None:
            continue
        place = _same_event(found, episode)
        if place is None:
            found.append(_bill_anomaly(billing, episode))
        else:
            also = (*found[place].seen_in, series_name(Measure.bill, "", ""))
            found[place] = replace(found[place], seen_in=also)
    return found


def _same_event(found: Sequence[Anomaly], episode: Episode) -> int | None:
    """The dearest event of usage that began with it and went the same way."""
    upward = episode.kind in (Kind.spike, Kind.rise)
    near = [
        i
        for i, anomaly in enumerate(found)
        if abs(anomaly.start - episode.start) <= NEAR
        and (anomaly.kind in (Kind.spike, Kind.rise)) == upward
        and anomaly.dollars is not None
    ]
    return min(near, key=lambda i: _rank(found[i]), default=None)


def _bill_anomaly(billing: Billing, episode: Episode) -> Anomaly:
    """A bill that moved without usage: by commitment that began or ended, and by meter."""
    whole = episode.actual - episode.expected
    turned = [
        holding
        for holding in billing.holdings
        if episode.start - NEAR <= holding.start <= episode.start + NEAR
        or episode.start - NEAR <= holding.end <= episode.start + NEAR
    ]
    names = tuple(
        Carrier("commitment", holding.name, None, 0.0)
        for holding in sorted(turned, key=lambda holding: holding.name)
    )
    now = billing.bill(episode.start, episode.end)
    before = billing.bill(episode.start - WEEK, episode.end - WEEK)
    parts: dict[str, Decimal] = {}
    for sign, bill in ((1, now), (-1, before)):
        for line in bill.lines:
            cost = line.on_demand + line.spot
            parts[line.meter] = parts.get(line.meter, Decimal(0)) + sign * cost
    top = sorted(parts.items(), key=lambda item: -item[1] if whole > 0 else item[1])[:5]
    by_meter = tuple(
        Carrier("meter", name, dollars, float(dollars) / whole)
        for name, dollars in top
        if whole and float(dollars) / whole >= 0.05
    )
    return Anomaly(
        kind=episode.kind,
        measure=Measure.bill,
        column="",
        value="",
        start=episode.start,
        end=episode.end,
        told=episode.told,
        ongoing=episode.ongoing,
        actual=episode.actual,
        expected=episode.expected,
        unit=billing.case.settings.currency,
        dollars=exact(whole),
        bill=exact(whole),
        carriers=(*names, *by_meter),
    )


def _gaps(cells: Cells, start: int) -> list[Anomaly]:
    """Hours without any row of a provider."""
    found = []
    for provider, known in cells.known.items():
        none = HourlySeries(cells.first_hour, np.zeros((0, cells.hours)), known)
        found += [
            _gap(episode, "provider", provider)
            for episode in judge(none, start).episodes
            if not episode.ongoing or episode.hours >= LATE
        ]
    return found


def _gap(episode: Episode, column: str, value: str) -> Anomaly:
    return Anomaly(
        kind=Kind.gap,
        measure=Measure.data,
        column=column,
        value=value,
        start=episode.start,
        end=episode.end,
        told=episode.told,
        ongoing=episode.ongoing,
        actual=0.0,
        expected=float(episode.hours),
        unit="hours",
    )


def _requests(
    case: Case, first: int, start: int, end: int
) -> tuple[list[Anomaly], list[tuple[Judged, Verdict]]]:
    """Events of the classes of ``workloads``, requests and tokens of one class together."""
    asked = request_series(case, first, end)
    if not asked:
        return [], []
    together = judge_together([judged.series for judged in asked], start)
    verdicts = list(zip(asked, together, strict=True))
    found: list[Anomaly] = []
    for judged, verdict in verdicts:
        for episode in verdict.episodes:
            if episode.line is None:
                if judged.measure is Measure.requests:
                    found.append(_gap(episode, "", ""))
                continue
            value = judged.values[episode.line]
            name = series_name(judged.measure, "workload", value)
            place = _same_class(found, value, episode)
            if place is not None:
                found[place] = replace(found[place], seen_in=(*found[place].seen_in, name))
                continue
            found.append(
                Anomaly(
                    kind=episode.kind,
                    measure=judged.measure,
                    column="workload",
                    value=value,
                    start=episode.start,
                    end=episode.end,
                    told=episode.told,
                    ongoing=episode.ongoing,
                    actual=episode.actual,
                    expected=episode.expected,
                    unit=UNITS[judged.measure],
                    carriers=(Carrier("workload", value, None, 1.0),),
                )
            )
    return found, verdicts


def _same_class(found: Sequence[Anomaly], value: str, episode: Episode) -> int | None:
    for i, anomaly in enumerate(found):
        if (
            anomaly.value == value
            and anomaly.kind is episode.kind
            and abs(anomaly.start - episode.start) <= NEAR
        ):
            return i
    return None
