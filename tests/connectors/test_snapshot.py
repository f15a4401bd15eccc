# SPDX-License-Identifier: Apache-2.0
"""A snapshot appears whole or not at all, is named by its content, and keeps closed months."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from connectors import sources
from connectors.manifest import read_manifest
from connectors.pulled import Asked, Outcome, Pulled, Remark, Report, Request
from connectors.snapshot import read_settings, settings_toml, snapshot_name
from connectors.sources import Written, pull_snapshot
from optimizer.errors import DataError, UsageError
from optimizer.tables import parse_settings, read_case

from .conftest import hours, write_rows
from .nursery import Nursery, nursery

SINCE = datetime(2026, 9, 1, tzinfo=UTC)
UNTIL = datetime(2026, 11, 21, tzinfo=UTC)

Sources = dict[str, Callable[[Request, Report], Pulled]]


def meters(*names: str, provider: str = "aws", price: str = "5") -> pd.DataFrame:
    return pd.DataFrame(
        {
            "meter": names,
            "provider": provider,
            "product": "instance",
            "unit": "Instance-Hours",
            "on_demand": price,
        }
    )


def hourly(meter: str, request: Request, quantity: float = 1.0) -> pd.DataFrame:
    """A row for every hour that is asked for."""
    start, end = (moment.replace(tzinfo=None) for moment in (request.since, request.until))
    moments = pd.date_range(start, end, freq="h", inclusive="left")
    return pd.DataFrame({"hour": moments, "meter": meter, "quantity": quantity})


@pytest.fixture
def given(monkeypatch: pytest.MonkeyPatch) -> Sources:
    """Sources by name, in place of the real ones."""
    found: Sources = {}
    monkeypatch.setattr(sources, "find_source", found.__getitem__)
    return found


def pull(
    folder: Path, *names: str, until: datetime = UNTIL, full: bool = False, **more: Any
) -> Written:
    requests = dict.fromkeys(names, Request(SINCE, until, **more))
    settings = read_settings(None, "USD", until)
    return pull_snapshot(requests, folder, settings, lambda _: None, full=full)


def simple(name: str = "m", quantity: float = 1.0) -> Callable[[Request, Report], Pulled]:
    def source(request: Request, report: Report) -> Pulled:
        report.asked.append(Asked("fake", "list", "here", Outcome.ANSWERED, 1))
        return Pulled({"meters": meters(name), "usage": hourly(name, request, quantity)})

    return source


def test_a_snapshot_is_a_case_named_by_its_hash(tmp_path: Path, given: Sources):
    given["aws"] = simple()
    folder = pull(tmp_path, "aws").folder
    case = read_case(folder)
    assert folder.name == snapshot_name(case.snapshot)
    assert case.usage_lines().quantity.sum() == 81 * 24
    manifest = read_manifest(folder)
    assert manifest is not None
    assert manifest["snapshot"] == case.snapshot
    assert manifest["sources"]["aws"]["tables"] == {"meters": 1, "usage": 81 * 24}
    assert manifest["sources"]["aws"]["asked"][0]["operation"] == "list"


def test_the_same_twice_is_one_snapshot(tmp_path: Path, given: Sources):
    given["aws"] = simple()
    first = pull(tmp_path, "aws").folder
    before = (first / "manifest.json").read_text()
    assert pull(tmp_path, "aws").folder == first
    assert (first / "manifest.json").read_text() != before
    assert pull(tmp_path / "elsewhere", "aws").folder.name == first.name
    given["aws"] = simple(quantity=2.0)
    assert pull(tmp_path / "third", "aws").folder.name != first.name


def test_a_snapshot_that_somebody_changed_is_not_taken_for_the_pulled_one(
    tmp_path: Path, given: Sources
):
    given["aws"] = simple()
    folder = pull(tmp_path, "aws").folder
    file = folder / "meters.csv"
    file.write_text(file.read_text().replace(",5", ",6"))
    with pytest.raises(DataError, match="has been changed"):
        pull(tmp_path, "aws", full=True)


def test_the_order_in_which_rows_arrive_does_not_show(tmp_path: Path, given: Sources):
    def shuffled(seed: int) -> Callable[[Request, Report], Pulled]:
        def source(request: Request, report: Report) -> Pulled:
            frame = pd.concat([hourly(name, request) for name in ("a", "b")])
            return Pulled(
                {
                    "meters": meters("a", "b").sample(frac=1, random_state=seed),
                    "usage": frame.sample(frac=1, random_state=seed),
                }
            )

        return source

    given["aws"] = shuffled(1)
    first = pull(tmp_path / "1", "aws").folder.name
    given["aws"] = shuffled(2)
    assert pull(tmp_path / "2", "aws").folder.name == first


def test_sources_are_merged_by_columns_and_ordered(tmp_path: Path, given: Sources):
    given["gcp"] = simple("g")

    def other(request: Request, report: Report) -> Pulled:
        usage = hourly("a", request).assign(zone="z", restart_cost="1.50", spot_tolerant=0.5)
        return Pulled({"meters": meters("a").assign(gpu="H100", odd="x"), "usage": usage})

    given["aws"] = other
    case = read_case(pull(tmp_path, "gcp", "aws").folder)
    table = case.table("meters")
    assert list(table["meter"]) == ["a", "g"]
    assert list(table["gpu"]) == ["H100", ""]
    assert list(table["odd"]) == ["x", ""]
    lines = case.usage_lines()
    assert lines.meter == ("a", "g")
    assert [str(cost) for cost in lines.restart_cost] == ["1.5", "0"]


def test_a_row_that_two_sources_state_is_refused_by_name(tmp_path: Path, given: Sources):
    given["aws"], given["focus"] = simple(), simple()
    with pytest.raises(DataError, match="aws and focus both state meter m"):
        pull(tmp_path, "aws", "focus")
    assert [p.name for p in tmp_path.iterdir() if not p.name.startswith(".")] == []

    def usage_only(request: Request, report: Report) -> Pulled:
        return Pulled({"usage": hourly("m", request)})

    given["focus"] = usage_only
    with pytest.raises(DataError, match="aws and focus both state hour 2026-09-01"):
        pull(tmp_path, "aws", "focus")


def test_tables_that_are_no_case_leave_nothing(tmp_path: Path, given: Sources):
    given["aws"] = lambda request, report: Pulled({"usage": hourly("m", request)})
    with pytest.raises(DataError, match="no source gave any meter"):
        pull(tmp_path, "aws")
    given["aws"] = lambda request, report: Pulled(
        {"meters": meters("other"), "usage": hourly("m", request)}
    )
    with pytest.raises(DataError, match="meters has no meter 'm'"):
        pull(tmp_path, "aws")
    given["aws"] = lambda request, report: Pulled({"meters": meters("m"), "prices": meters("m")})
    with pytest.raises(DataError, match="prices"):
        pull(tmp_path, "aws")
    assert [p.name for p in tmp_path.iterdir()] == [".lock"]


def test_one_source_that_fails_leaves_the_others(tmp_path: Path, given: Sources):
    def broken(request: Request, report: Report) -> Pulled:
        raise UsageError("no credentials: secret_key=hunter2hunter2")

    given["aws"], given["gcp"] = simple(), broken
    written = pull(tmp_path, "aws", "gcp")
    assert written.partial
    manifest = (written.folder / "manifest.json").read_text()
    assert "no credentials" in manifest
    assert "hunter2" not in manifest
    with pytest.raises(UsageError, match="no credentials"):
        pull(tmp_path, "gcp")


def test_closed_months_are_kept_and_open_ones_asked_again(tmp_path: Path, given: Sources):
    asked: list[Request] = []

    def counting(request: Request, report: Report) -> Pulled:
        asked.append(request)
        return simple()(request, report)

    given["aws"] = counting
    first = pull(tmp_path, "aws").folder
    months = read_manifest(first)["sources"]["aws"]["months"]
    assert [(m["month"], m["closed"], m["rows"]) for m in months] == [
        ("2026-09", True, 720), ("2026-10", True, 744), ("2026-11", False, 480),
    ]  # fmt: skip
    again = pull(tmp_path, "aws").folder
    assert again == first
    assert [request.since.month for request in asked] == [9, 11]
    assert asked[1].kept_meters == ("m",)
    kept = read_manifest(again)["sources"]["aws"]["months"]
    assert [m["kept"] for m in kept] == [True, True, False]

    # November closes ten days after its end; a month that was open is then asked for again.
    later = pull(tmp_path, "aws", until=datetime(2026, 12, 11, tzinfo=UTC)).folder
    assert asked[2].since == datetime(2026, 11, 1, tzinfo=UTC)
    assert read_case(later).usage_lines().quantity.sum() == 101 * 24
    pull(tmp_path, "aws", until=datetime(2026, 12, 12, tzinfo=UTC))
    assert asked[3].since == datetime(2026, 12, 1, tzinfo=UTC)


def test_months_are_asked_again_if_anything_was_missing_or_is_different(
    tmp_path: Path, given: Sources
):
    asked: list[Request] = []
    outcome = [Outcome.DENIED]

    def source(request: Request, report: Report) -> Pulled:
        asked.append(request)
        report.asked.append(Asked("s3", "get_object", "b", outcome[0], detail="denied"))
        return simple()(request, report)

    given["aws"] = source
    assert pull(tmp_path, "aws").partial
    outcome[0] = Outcome.ANSWERED
    pull(tmp_path, "aws")
    assert asked[1].since == SINCE  # nothing of a partial pull is final
    pull(tmp_path, "aws", regions=("us-east-1",))
    assert asked[2].since == SINCE
    request = Request(SINCE, UNTIL, regions=("us-east-1",))
    settings = read_settings(None, "USD", UNTIL)
    pull_snapshot({"aws": request}, tmp_path, settings, lambda _: None, full=True)
    assert asked[3].since == SINCE


def test_a_month_that_is_kept_keeps_its_meters(tmp_path: Path, given: Sources):
    def source(request: Request, report: Report) -> Pulled:
        # The machine "old" ran in September only.
        new = hourly("new", request)
        new = new[new["hour"] >= pd.Timestamp("2026-10-01")]
        old = hourly("old", request)
        old = old[old["hour"] < pd.Timestamp("2026-10-01")]
        parts = [part for part in (new, old) if len(part)]
        usage = pd.concat(parts)
        return Pulled({"meters": meters(*sorted(set(usage["meter"]))), "usage": usage})

    given["aws"] = source
    first = pull(tmp_path, "aws").folder
    assert pull(tmp_path, "aws").folder == first
    assert list(read_case(first).table("meters")["meter"]) == ["new", "old"]


def test_what_was_not_asked_for_is_not_kept(tmp_path: Path, given: Sources):
    def generous(request: Request, report: Report) -> Pulled:
        day = timedelta(days=1)
        wider = replace(request, since=request.since - day, until=request.until + day)
        return Pulled({"meters": meters("m"), "usage": hourly("m", wider)})

    given["aws"] = generous
    first = pull(tmp_path, "aws").folder
    assert read_case(first).usage_lines().quantity.sum() == 81 * 24
    assert pull(tmp_path, "aws").folder == first


def test_settings_of_a_file_are_kept(tmp_path: Path):
    file = tmp_path / "case.toml"
    file.write_text(
        'currency = "EUR"\nas_of = "2020-01-01T00:00:00Z"\nhorizon_hours = 100\n'
        '[finance]\ndiscount_rate = "0.08"\n[limits]\nsurvive_zone_loss = false\n'
        '[[sharing.aws]]\nfrom = "2026-01-01"\nmode = "off"\n'
    )
    text = settings_toml(read_settings(file, None, UNTIL))
    settings = parse_settings(text)
    expected = parse_settings(file.read_text().replace("2020-01-01", "2026-11-21"))
    assert settings == expected
    with pytest.raises(UsageError, match=r"case\.toml"):
        read_settings(tmp_path / "absent.toml", None, UNTIL)


def test_remarks_and_settings_lose_their_secrets(tmp_path: Path, given: Sources):
    def source(request: Request, report: Report) -> Pulled:
        report.remarks.append(
            Remark("key", "used sk-ant-abcdef0123456789 and AKIAIOSFODNN7EXAMPLE")
        )
        return simple()(request, report)

    given["aws"] = source
    written = pull(tmp_path, "aws", settings={"api_key": "verysecret", "bucket": "b"})
    text = (written.folder / "manifest.json").read_text()
    for secret in ("verysecret", "sk-ant", "AKIAIOSF"):
        assert secret not in text
    assert '"bucket": "b"' in text


def visible(folder: Path) -> list[Path]:
    return [p for p in folder.iterdir() if not p.name.startswith(".")] if folder.is_dir() else []


@pytest.fixture(scope="module")
def forks() -> Iterator[Nursery]:
    with nursery() as found:
        yield found


def from_focus(folder: Path, export: Path) -> list[str]:
    """The command that pulls a file."""
    return ["pull", "focus", "--account", str(export), "--since", "90d", "--until", "2026-11-21",
            "--to", str(folder), "--quiet"]  # fmt: skip


@pytest.mark.parametrize("seed", [11])
def test_killed_at_twenty_random_points_nothing_half_is_seen(
    tmp_path: Path, forks: Nursery, seed: int
):
    export = write_rows(tmp_path / "export.csv", hours(SINCE + timedelta(days=1), 1500))
    folder = tmp_path / "to"
    command = from_focus(folder, export)
    forks.run([*command[:-2], str(tmp_path / "warm"), "--quiet"])  # the first reads from the disk
    whole = forks.run(command)
    assert whole.code == 0
    (expected,) = (path.name for path in visible(folder))
    assert whole.stdout.strip() == str(folder / expected)
    shutil.rmtree(folder)
    chance = random.Random(seed)
    killed, seconds = 0, whole.seconds
    for _ in range(20):
        one = forks.run(command, after=seconds * chance.uniform(0.0, 1.0))
        killed += one.killed
        if not one.killed:  # other work on the machine has ended: it takes less than it took
            seconds = min(seconds, one.seconds)
        for path in visible(folder):
            assert snapshot_name(read_case(path).snapshot) == path.name == expected
            assert json.loads((path / "manifest.json").read_text())["snapshot"]
            shutil.rmtree(path)  # so that the next one has to write again
    assert killed >= 10
    last = forks.run(command)
    assert last.code == 0
    assert Path(last.stdout.strip()).name == expected
    assert {p.name for p in folder.iterdir()} == {expected, ".lock"}


@pytest.mark.parametrize("stage", ["write_case", "write_usage", "read_case", "_publish", "rename"])
def test_killed_at_every_stage_of_writing_nothing_half_is_seen(
    tmp_path: Path, forks: Nursery, stage: str
):
    """The same without chance: the process ends without any clean-up at a stage."""
    export = write_rows(tmp_path / "export.csv", hours(SINCE + timedelta(days=1), 10))
    folder = tmp_path / "to"
    assert forks.run(from_focus(folder, export), stage=stage).killed
    assert visible(folder) == []
    assert any(p.name.startswith(".pull-") for p in folder.iterdir())
    done = forks.run(from_focus(folder, export))
    assert done.code == 0
    (written,) = visible(folder)
    assert Path(done.stdout.strip()) == written
    assert not any(p.name.startswith(".pull-") for p in folder.iterdir())
