# SPDX-License-Identifier: Apache-2.0
"""``gpuopt pull aws`` through the real boto3: the company's plan, and every fault."""

from __future__ import annotations

import json
import re
import socket
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import boto3
import duckdb
import pandas as pd
import pytest
from botocore.client import ClientCreator
from botocore.exceptions import ClientError

from connectors.asking import EndlessPages, Question
from connectors.aws import pull
from connectors.aws.ask import CutOff, Patience, ask_all, pages
from connectors.aws.exports import newest_delivery
from connectors.aws.prices import mean_price
from connectors.aws.session import Options, open_cloud
from connectors.aws.words import reserved_draws
from connectors.manifest import read_manifest
from connectors.pulled import Outcome, Pulled, Report, Request
from optimizer.errors import UsageError
from optimizer.planning import make_plan, plan_document
from optimizer.tables import Case, read_case, write_case

from ..fake_cloud.aws import ACCOUNTS, ASSUMED, LAB, SECRETS, fault, role
from .clouds import EXPORT, Aws, clouds, storage

SINCE = datetime(2026, 8, 23, tzinfo=UTC)
UNTIL = datetime(2026, 11, 21, tzinfo=UTC)
ROLES = tuple(role(account) for account in ACCOUNTS.values())
QUICK = {"wait": "0.01", "attempts": "4", "tags": "team;purpose", "block_days": "14",
         "block_counts": "16"}  # fmt: skip


@pytest.fixture(scope="module")
def s3() -> Iterator[tuple[Any, str]]:
    with storage() as found:
        yield found


@pytest.fixture(scope="module", autouse=True)
def classes_made_once() -> Iterator[None]:
    """botocore reads the model and writes the class of a service anew for every client."""
    made: dict[str, Any] = {}
    read: dict[tuple[str, str | None], Any] = {}
    write, load = ClientCreator._create_client_class, ClientCreator._load_service_model

    def once(self: ClientCreator, name: str, model: Any) -> Any:
        if name not in made:
            made[name] = write(self, name, model)
        return made[name]

    def read_once(self: ClientCreator, name: str, version: str | None = None) -> Any:
        if (name, version) not in read:
            read[name, version] = load(self, name, version)
        return read[name, version]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ClientCreator, "_create_client_class", once)
        patch.setattr(ClientCreator, "_load_service_model", read_once)
        yield


@pytest.fixture(autouse=True)
def nowhere_else(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever this process talks to has to be on this machine."""
    connect = socket.socket.connect

    def guarded(self: socket.socket, address: Any) -> None:
        assert isinstance(address, str) or address[0] in ("127.0.0.1", "localhost"), address
        connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", guarded)


@pytest.fixture
def aws(s3: tuple[Any, str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Aws]:
    with clouds(s3[1], monkeypatch) as found:
        yield found


def ask(since: datetime = SINCE, roles: tuple[str, ...] = ROLES, **settings: str) -> Any:
    report = Report()
    given = {"export": EXPORT, **QUICK, **settings}
    request = Request(since, UNTIL, accounts=roles, settings=given)
    pulled = pull(request, report)
    return pulled, report


def outcome(report: Report, operation: str, place: str = "") -> Outcome:
    (found,) = {a.outcome for a in report.asked if a.operation == operation and place in a.place}
    return found


def november(**settings: str) -> Any:
    """A pull of the open month alone, which is enough to see what became of a fault."""
    return ask(datetime(2026, 11, 15, tzinfo=UTC), **settings)


def offers(pulled: Pulled) -> set[str]:
    return set(pulled.tables["offers"]["offer"])


# The company


@pytest.fixture(scope="module")
def company(s3: tuple[Any, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """The snapshot of the whole company, pulled once by the command itself."""
    folder = tmp_path_factory.mktemp("company")
    with clouds(s3[1]) as found:
        settings = ("--settings", str(LAB / "case.toml"), "--set", f"export={EXPORT}")
        done = found.run(*found.command(folder, *settings))
        assert done.returncode == 0, done.stderr
        again = found.run(*found.command(folder, *settings))
        assert (again.returncode, again.stdout) == (0, done.stdout), again.stderr
        yield Path(done.stdout.strip()), done, again


def restricted(folder: Path) -> Case:
    """The demonstration company without its other two clouds."""
    case = read_case(LAB)
    tables = {}
    for name, key in (("meters", "meter"), ("offers", "offer"), ("covers", "offer"),
                      ("commitments", "offer")):  # fmt: skip
        frame = case.table(name)
        tables[name] = frame[frame[key].str.startswith("aws/")].reset_index(drop=True)
    write_case(tables, (LAB / "case.toml").read_text(), folder)
    duckdb.execute(
        f"COPY (FROM '{LAB}/usage.parquet' WHERE meter LIKE 'aws/%') TO '{folder}/usage.parquet'"
    )
    return read_case(folder)


def test_the_snapshot_holds_the_company_as_it_is(company: Any, tmp_path: Path):
    """Everything that a plan depends on: prices, draws, terms, what is held, each hour."""
    found, expected = read_case(company[0]), restricted(tmp_path / "lab")
    prices = ["on_demand", "list_price", "spot", "spot_interruption", "gpu", "gpus", "family"]
    ours = found.table("meters").set_index("meter")[prices].drop("aws/charges")
    pd.testing.assert_frame_equal(ours, expected.table("meters").set_index("meter")[prices])

    def covered(case: Case) -> dict[Any, Any]:
        """The draws by the terms of an offer, not by its name."""
        table = case.table("offers").set_index("offer")
        terms = ["law", "measure", "term_hours", "payment", "upfront", "hourly", "starts", "zone"]
        return {
            (row["meter"], *(plain(table.loc[row["offer"], term]) for term in terms)): row["draw"]
            for row in case.table("covers").to_dict("records")
            if "2026-12-01" not in row["offer"]  # a quote that ran out is not quoted any more
        }

    def plain(value: Any) -> Any:
        return f"{value.normalize():f}" if isinstance(value, Decimal) else value

    assert covered(found) == covered(expected)
    held = ["offer", "quantity", "start", "end", "account", "scope", "state"]
    ours, theirs = (c.table("commitments").set_index("commitment")[held] for c in (found, expected))
    pd.testing.assert_frame_equal(ours, theirs.loc[ours.index])
    assert len(ours) == len(theirs) == 4
    lines, others = found.usage_lines(), expected.usage_lines()
    for name in ("meter", "account", "zone", "restart_cost"):
        assert getattr(lines, name) == getattr(others, name)
    for name in ("quantity", "tolerant", "lost_hours", "spot"):
        assert (getattr(lines, name) == getattr(others, name)).all(), name


def test_the_snapshot_gives_the_companys_plan_to_the_cent(company: Any, tmp_path: Path):
    """A horizon of two days, so that it takes seconds; a year agrees as well."""
    documents = []
    for name, folder in (("pulled", company[0]), ("lab", restricted(tmp_path / "lab").path)):
        copy = tmp_path / f"{name}-short"
        copy.mkdir()
        for file in Path(folder).iterdir():
            if file.suffix in (".csv", ".parquet"):
                (copy / file.name).write_bytes(file.read_bytes())
        toml = (Path(folder) / "case.toml").read_text()
        toml = re.sub(r"horizon_hours = \d+", "horizon_hours = 48", toml)
        (copy / "case.toml").write_text(re.sub(r"gap = [\d.]+", "gap = 0.05", toml))
        documents.append(plan_document(make_plan(read_case(copy)), detail=False))
    found, expected = documents
    assert found["status"] == expected["status"] in ("optimal", "within_gap")
    for key in ("total", "baseline", "objective"):
        assert abs(found[key] - expected[key]) < Decimal("0.005"), key
    assert expected["purchases"]

    def bought(document: dict[str, Any]) -> list[Any]:
        return sorted((p["term_hours"], p["quantity"], p["upfront"]) for p in document["purchases"])

    assert bought(found) == bought(expected)


def test_pulled_twice_is_one_snapshot_and_closed_months_are_not_read_again(company: Any):
    folder, first, again = company
    assert "billing period 2026-09" in first.stderr
    assert "closed months are kept" in again.stderr
    assert "billing period 2026-09" not in again.stderr
    assert "billing period 2026-11" in again.stderr
    months = read_manifest(folder)["sources"]["aws"]["months"]
    assert [month["kept"] for month in months] == [True, True, True, False]


def test_no_secret_is_told(company: Any):
    folder, first, again = company
    told = first.stdout + first.stderr + again.stderr
    told += "".join(p.read_text() for p in folder.iterdir() if p.suffix in (".json", ".csv"))
    for secret in [*SECRETS.values(), ASSUMED, "AssumedTokenDoNotTell", "ASIA1111"]:
        assert secret not in told


def test_what_is_known_but_not_planned_is_told(company: Any):
    told = json.dumps(read_manifest(company[0])["sources"]["aws"]["remarks"])
    for word in ("model units", "reserved on demand", "capacity block, prepaid", "Amazon S3",
                 "spot placement score", "hold for minutes"):  # fmt: skip
        assert word in told


# Faults: each ends in a whole pull, or in a report of what is missing


@pytest.fixture(scope="module")
def calm(s3: tuple[Any, str]) -> Iterator[Pulled]:
    """What a pull without faults gives."""
    with pytest.MonkeyPatch.context() as patch, clouds(s3[1], patch):
        yield november()[0]


def same(found: Pulled, expected: Pulled) -> None:
    assert found.tables.keys() == expected.tables.keys()
    for name, frame in expected.tables.items():
        pd.testing.assert_frame_equal(found.tables[name], frame)


OPERATIONS = (
    "ec2:DescribeReservedInstancesOfferings",
    "ec2:DescribeSpotPriceHistory",
    "savingsplans:DescribeSavingsPlansOfferingRates",
    "pricing:GetProducts",
    "organizations:ListRoots",
    "sts:AssumeRole",
)


@pytest.mark.parametrize("kind", ["429", "500", "503", "cut", "cut-json"])
def test_storms_and_cut_answers_are_survived(aws: Aws, calm: Pulled, kind: str):
    aws.loopback.faults = {name: fault(kind, kind) for name in OPERATIONS}
    found, report = november()
    assert not report.partial, [a for a in report.asked if a.outcome == Outcome.FAILED]
    same(found, calm)
    assert not any(aws.loopback.faults.values())


def test_slow_answers_are_asked_again(aws: Aws, calm: Pulled):
    aws.loopback.faults = {
        "pricing:GetProducts": fault("slow"),
        "ec2:DescribeRegions": fault("slow"),
    }
    aws.loopback.slow = 3.0
    found, report = november(timeout="1")
    assert not report.partial
    same(found, calm)


def test_pages_that_come_twice_count_once(aws: Aws, calm: Pulled):
    aws.fake.doubles = {"DescribeReservedInstancesOfferings", "DescribeSpotPriceHistory",
                        "DescribeSavingsPlansOfferingRates", "DescribeSavingsPlans"}  # fmt: skip
    found, report = november()
    assert not report.partial
    same(found, calm)


@pytest.mark.parametrize("page", [1, 1000])
def test_the_size_of_pages_does_not_show(aws: Aws, calm: Pulled, page: int):
    aws.fake.page = page
    found, report = november()
    assert not report.partial
    same(found, calm)


def test_a_token_that_repeats_forever_is_an_error_that_says_so(aws: Aws, calm: Pulled):
    aws.fake.loops = {"DescribeReservedInstancesOfferings"}
    found, report = november()
    failed = [a for a in report.asked if a.outcome is Outcome.FAILED]
    assert {a.operation for a in failed} == {"describe_reserved_instances_offerings"}
    assert all("token came a second time" in a.detail for a in failed)
    assert not any(
        "/ri-" in offer for offer in offers(found) - {o for o in offers(found) if "held" in o}
    )
    pd.testing.assert_frame_equal(found.tables["usage"], calm.tables["usage"])


def test_a_clock_that_is_wrong_is_named(aws: Aws):
    aws.fake.skewed = {"savingsplans:DescribeSavingsPlansOfferingRates"}
    _, report = november()
    (failed,) = {a.detail for a in report.asked if a.outcome is Outcome.FAILED}
    assert "clock of this machine" in failed


def test_a_region_that_fails_leaves_the_others(aws: Aws, calm: Pulled):
    aws.fake.broken = {"ec2:DescribeReservedInstancesOfferings@us-east-1": 500}
    found, report = november()
    operation = "describe_reserved_instances_offerings"
    assert outcome(report, operation, "us-east-1") is Outcome.FAILED
    assert outcome(report, operation, "us-west-2") is Outcome.ANSWERED
    missing = offers(calm) - offers(found)
    assert missing
    assert all(offer.startswith("aws/us-east-1/ri-") for offer in missing)
    # What is held does not hang on what is on sale.
    assert offers(found) - offers(calm) == {"aws/held/aws-ri-p4d-2026"}
    assert len(found.tables["commitments"]) == 4


def test_regions_that_cannot_be_listed_are_those_of_the_usage(aws: Aws, calm: Pulled):
    aws.fake.denied = {"ec2:DescribeRegions"}
    found, report = november()
    assert report.partial
    same(found, calm)


def test_a_missing_permission_is_named_and_the_rest_is_kept(aws: Aws, calm: Pulled):
    training = ACCOUNTS["research"]
    aws.fake.denied = {
        f"ec2:DescribeReservedInstances@{training}",
        "savingsplans:DescribeSavingsPlans",
    }
    found, report = november()
    denied = {(a.operation, a.place) for a in report.asked if a.outcome is Outcome.DENIED}
    assert ("describe_reserved_instances", f"{training}/us-east-1") in denied
    assert ("describe_savings_plans", ACCOUNTS["inference"]) in denied
    details = {a.detail for a in report.asked if a.outcome is Outcome.DENIED}
    assert "the permission savingsplans:DescribeSavingsPlans is missing" in details
    assert "commitments" not in found.tables
    assert offers(found) == offers(calm)


def test_a_role_that_cannot_be_assumed_leaves_the_other_accounts(aws: Aws):
    stranger = role("123412341234")
    found, report = ask(datetime(2026, 11, 20, tzinfo=UTC), roles=(stranger, ROLES[0]))
    assert outcome(report, "assume_role", stranger) is Outcome.DENIED
    assert outcome(report, "assume_role", ROLES[0]) is Outcome.ANSWERED
    assert list(found.tables["commitments"]["commitment"]) == ["aws-ri-p4d-2026"]


def test_no_organization_names_accounts_by_their_ids(aws: Aws):
    aws.fake.denied = {"organizations:ListRoots"}
    found, report = november()
    assert not report.partial
    assert set(found.tables["usage"]["account"]) <= set(ACCOUNTS.values())
    assert any("named by their ids" in remark.text for remark in report.remarks)


def test_at_most_so_many_questions_at_once(aws: Aws):
    aws.loopback.linger = 0.02
    november(parallel="3")
    assert 2 <= aws.loopback.most_at_once <= 3


def test_the_exit_code_tells_of_a_partial_pull(aws: Aws, tmp_path: Path):
    aws.fake.denied = {"savingsplans:DescribeSavingsPlans"}
    done = aws.run(*aws.command(tmp_path, "--set", f"export={EXPORT}", "--since", "3d", "--json"))
    assert done.returncode == 14
    document = json.loads(done.stdout)
    assert document["manifest"]["partial"] is True
    assert document["manifest"]["sources"]["aws"]["missing_permissions"] == [
        "savingsplans:describe_savings_plans"
    ]
    assert "the snapshot is partial" in done.stderr
    assert read_case(document["folder"]).snapshot == document["manifest"]["snapshot"]


def test_without_credentials_nothing_is_written(aws: Aws, tmp_path: Path):
    for name in SECRETS:
        aws.env[name] = ""
    done = aws.run(*aws.command(tmp_path / "to"))
    assert done.returncode == 2
    assert "credentials" in done.stderr
    assert not (tmp_path / "to").exists()


# Exports


def test_a_period_is_read_from_its_newest_delivery(s3: tuple[Any, str], aws: Aws):
    client = s3[0]
    key = "bucket-a/data/billing_period=2026-11/"
    old, new = datetime(2026, 11, 1, tzinfo=UTC), datetime(2026, 11, 2, tzinfo=UTC)
    objects = [
        {"Key": f"{key}one/a.parquet", "LastModified": old},
        {"Key": f"{key}two/a.parquet", "LastModified": new},
        {"Key": f"{key}two/b.parquet", "LastModified": new},
        {"Key": key.replace("11", "10") + "three/a.parquet", "LastModified": new},
    ]
    cloud = open_cloud((), Options(), Report())
    found = newest_delivery(client, "b", objects, "2026-11", cloud)
    assert found == [f"{key}two/a.parquet", f"{key}two/b.parquet"]


def test_an_export_that_lacks_a_period_or_is_cut_is_told(
    s3: tuple[Any, str], aws: Aws, tmp_path: Path
):
    client = s3[0]
    whole = client.list_objects_v2(Bucket="frontier-exports")["Contents"]
    (key,) = [o["Key"] for o in whole if "2026-11/new/part" in o["Key"]]
    body = client.get_object(Bucket="frontier-exports", Key=key)["Body"].read()
    client.create_bucket(Bucket="broken-exports")
    name = "x/data/billing_period=2026-11/part.snappy.parquet"
    client.put_object(Bucket="broken-exports", Key=name, Body=body[: len(body) // 2])
    _, report = ask(datetime(2026, 10, 20, tzinfo=UTC), export="s3://broken-exports/x")
    told = {a.place: a.detail for a in report.asked if a.operation == "get_object" and a.detail}
    assert "no such period" in told["2026-10"]
    assert "cannot be read" in told["2026-11"]
    assert report.partial


def test_an_export_that_may_not_be_read_falls_back_to_cost_explorer(aws: Aws):
    def explorer(given: Any) -> list[dict[str, Any]]:
        region = given["Filter"]["And"][1]["Dimensions"]["Values"][0]
        if region != "us-west-2":
            return []
        day = {"Start": "2026-11-20T00:00:00Z", "End": "2026-11-21T00:00:00Z"}

        def group(kind: str, amount: str) -> dict[str, Any]:
            metric = {"Amount": amount, "Unit": "Hrs"}
            return {"Keys": [ACCOUNTS["training"], f"USW2-{kind}"],
                    "Metrics": {"UsageQuantity": metric, "UnblendedCost": metric}}  # fmt: skip

        groups = [group("BoxUsage:p5.48xlarge", "36"), group("SpotUsage:p5.48xlarge", "12"),
                  group("UnusedBox:p5.48xlarge", "6"),
                  group("EBS:VolumeUsage.gp3", "99")]  # fmt: skip
        return [{"TimePeriod": day, "Groups": groups, "Total": {}, "Estimated": True}]

    aws.fake.explorer = explorer
    found, report = november(export="s3://nobodys-bucket/x")
    assert outcome(report, "list_objects_v2") is Outcome.FAILED
    row, idle = found.tables["usage"].to_dict("records")
    assert (idle["meter"], idle["quantity"]) == (f"{row['meter']}/unused-reservation", "6")
    meters = found.tables["meters"].set_index("meter").to_dict("index")
    assert meters[idle["meter"]]["capacity_reservation_status"] == "unused"
    assert meters[idle["meter"]]["on_demand"] == "55.04"
    covers = found.tables["covers"]
    laws = found.tables["offers"].set_index("offer")["law"]
    covering = {laws[offer] for offer in covers[covers["meter"] == idle["meter"]]["offer"]}
    assert covering == {"aws.savings.compute", "aws.savings.instance"}
    assert (row["meter"], row["quantity"], row["grain"]) == (
        "aws/us-west-2/p5.48xlarge",
        "48",
        "day",
    )
    assert (row["spot_share"], row["account"]) == (0.25, "frontier/training/777788889999")
    (meter,) = (
        found.tables["meters"].query("meter == 'aws/us-west-2/p5.48xlarge'").to_dict("records")
    )
    assert meter["on_demand"] == meter["list_price"] == "55.04"
    assert any("list price is taken" in remark.text for remark in report.remarks)


# Parts


def test_mean_price_holds_each_change_until_the_next():
    start = datetime(2026, 11, 1, tzinfo=UTC)
    hour = timedelta(hours=1)
    changes = [(start - 5 * hour, Decimal(2)), (start + 3 * hour, Decimal(6))]
    assert mean_price(changes, start, start + 4 * hour) == Decimal(3)
    assert mean_price(changes[1:], start, start + 4 * hour) == Decimal(6)
    assert mean_price([], start, start + hour) is None
    late = [(start + 9 * hour, Decimal(1))]
    assert mean_price(late, start, start + 4 * hour) is None


def test_regional_reservations_flex_over_sizes_where_aws_lets_them():
    sizes = ("m5.large", "m5.xlarge", "m5.4xlarge", "m5.metal", "m6i.large")
    draws = reserved_draws("r", "m5.xlarge", sizes, flexible=True)
    assert draws == {
        "aws/r/m5.xlarge": Decimal(1), "aws/r/m5.large": Decimal("0.5"),
        "aws/r/m5.4xlarge": Decimal(4),
    }  # fmt: skip
    assert reserved_draws("r", "m5.xlarge", sizes, flexible=False) == {"aws/r/m5.xlarge": 1}
    one = reserved_draws("r", "g6.xlarge", ("g6.12xlarge", "g6.xlarge"), flexible=True)
    assert one == {"aws/r/g6.xlarge": 1}
    two = reserved_draws("r", "p5.4xlarge", ("p5.4xlarge", "p5.48xlarge"), flexible=True)
    assert two == {"aws/r/p5.4xlarge": 1}


def test_pages_end_at_a_missing_and_at_an_empty_token():
    for last in ({}, {"Next": ""}, {"Next": None}):
        answers = iter([{"rows": [1, 1], "Next": "a"}, {"rows": [2], **last}])
        found = pages(lambda **_: next(answers), "rows", Patience(), "Next")  # noqa: B023
        assert found == [1, 1, 2]


def test_an_answer_without_its_rows_is_no_empty_answer():
    with pytest.raises(CutOff, match="without rows"):
        pages(lambda **_: {}, "rows", Patience(2, 0.0, 0.0), "Next")


def test_tokens_that_go_round_in_a_ring_are_seen():
    ring = {"": "a", "a": "b", "b": "a"}
    with pytest.raises(EndlessPages, match="second time after 3 pages"):
        pages(lambda Next="": {"rows": [], "Next": ring[Next]}, "rows", Patience(), "Next")  # noqa: N803


def test_a_defect_of_our_own_is_not_taken_for_a_failed_question():
    def broken() -> list[Any]:
        raise KeyError("a defect")

    with pytest.raises(KeyError):
        ask_all([Question("s", "o", "p", broken, "x")], Report(), 2)


def test_waits_grow_and_end():
    calls = []

    def throttled(**_: Any) -> Any:
        calls.append(time.monotonic())
        error = {
            "Error": {"Code": "RequestLimitExceeded"},
            "ResponseMetadata": {"HTTPStatusCode": 503},
        }
        raise ClientError(error, "X")

    with pytest.raises(ClientError):
        pages(throttled, "rows", Patience(3, 0.05, 1.0))
    assert len(calls) == 3
    assert calls[2] - calls[1] >= 0.05


@pytest.mark.parametrize(
    "settings", [{"exports": "x"}, {"parallel": "many"}, {"export": "http://x"}]
)
def test_settings_that_cannot_be_understood_are_refused(aws: Aws, settings: dict[str, str]):
    with pytest.raises(UsageError):
        november(**settings)


def test_only_the_loopback_is_asked(aws: Aws):
    for service in (
        "ec2",
        "pricing",
        "savingsplans",
        "sts",
        "organizations",
        "bedrock",
        "ce",
        "s3",
    ):
        client = boto3.client(service, region_name="us-east-1")
        assert client.meta.endpoint_url.startswith("http://127.0.0.1:")
