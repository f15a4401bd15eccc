# SPDX-License-Identifier: Apache-2.0
"""Tokens from every source become usage, workloads and prices; faults end well."""

from __future__ import annotations

import csv
import gzip
import io
import json
import logging
from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import stamina

from connectors import llm
from connectors.llm.files import read_rows
from connectors.pulled import Outcome, Pulled, Report, Request
from optimizer.errors import DataError, UsageError
from optimizer.tables import read_case, write_case

from ..loopback import Answer, Loopback, serving
from .cloud import ANTHROPIC_KEY, HOURS, LITELLM_KEY, OPENAI_KEY, START, Providers, spend

UNTIL = datetime(2026, 11, 21, tzinfo=UTC)
CASE = 'currency = "USD"\nas_of = "2026-11-21T00:00:00Z"\n'


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Loopback]:
    monkeypatch.setenv("OPENAI_ADMIN_KEY", OPENAI_KEY)
    monkeypatch.setenv("ANTHROPIC_ADMIN_KEY", ANTHROPIC_KEY)
    monkeypatch.setenv("LITELLM_API_KEY", LITELLM_KEY)
    stamina.set_testing(True, attempts=3, cap=True)
    with serving(Providers().answer) as served:
        yield served
    stamina.set_testing(False)


def at(day: int, hour: int = 0) -> datetime:
    """Return an hour of November as the tables have it."""
    return datetime(2026, 11, day, hour, tzinfo=UTC).replace(tzinfo=None)


def pull(server: Loopback | None, *accounts: str, **settings: str) -> tuple[Pulled, Report]:
    report = Report()
    if server is not None:
        settings = {"openai_endpoint": server.url, "anthropic_endpoint": server.url, **settings}
    request = Request(START, UNTIL, accounts=accounts, settings=settings)
    return llm.pull(request, report), report


def total(pulled: Pulled, meter: str) -> Decimal:
    used = pulled.tables["usage"]
    return sum((Decimal(q) for q in used[used["meter"] == meter]["quantity"]), Decimal(0))


def price(pulled: Pulled, meter: str) -> str:
    return str(pulled.tables["meters"].set_index("meter").loc[meter, "on_demand"])


def test_openai_cached_tokens_are_among_the_input_tokens(server: Loopback):
    pulled, report = pull(server, "openai")
    assert not report.partial
    assert total(pulled, "openai/gpt-5/input") == Decimal("0.6") * HOURS + Decimal("0.001128")
    assert total(pulled, "openai/gpt-5/cached_input") == Decimal("0.4") * HOURS
    assert total(pulled, "openai/gpt-5/batch/input") == Decimal("0.5") * HOURS
    assert len(server.asked("completions")) == 3  # 48 hours in pages of 20
    used = pulled.tables["usage"]
    assert used["hour"].min() == at(19)
    assert set(used["account"]) == {"openai/proj_chat", "openai/proj_lab"}
    assert "workloads" not in pulled.tables


def test_prices_are_the_provider_s_with_source_and_date(server: Loopback):
    pulled, report = pull(server, "openai", "anthropic")
    # Of the providers' pages, as in the worked examples: GPT-5, and its batch at half.
    assert price(pulled, "openai/gpt-5/input") == "1.25"
    assert price(pulled, "openai/gpt-5/cached_input") == "0.125"
    assert price(pulled, "openai/gpt-5/output") == "10"
    assert price(pulled, "openai/gpt-5/batch/input") == "0.625"
    sonnet = "anthropic/claude-sonnet-4-5-20250929"
    assert price(pulled, f"{sonnet}/input") == "3"
    assert price(pulled, f"{sonnet}/cached_input") == "0.3"
    assert price(pulled, f"{sonnet}/cache_write") == "3.75"
    assert price(pulled, f"{sonnet}/cache_write_1h") == "6"
    assert price(pulled, f"{sonnet}/long/input") == "6"
    meters = pulled.tables["meters"].set_index("meter")
    known = meters.drop(["openai/gpt-nobody-knows/input", "openai/gpt-nobody-knows/output"])
    assert known["source"].str.startswith("genai-prices 0.").all()
    assert set(meters["as_of"]) == {"2026-11-21"}
    assert set(meters["unit"]) == {"1M Tokens"}
    # A model that nobody knows is kept, without a price, and said.
    assert price(pulled, "openai/gpt-nobody-knows/input") == ""
    assert any("gpt-nobody-knows" in remark.text for remark in report.remarks)


def test_anthropic_tokens_by_kind_and_no_count_of_requests(server: Loopback):
    pulled, report = pull(server, "anthropic", workload_from="workspace_id")
    sonnet = "anthropic/claude-sonnet-4-5-20250929"
    assert total(pulled, f"{sonnet}/input") == Decimal("0.001") * HOURS + Decimal("0.001128")
    assert total(pulled, f"{sonnet}/cache_write_1h") == Decimal("0.0003") * HOURS
    assert set(pulled.tables["usage"]["workload"]) == {"wrkspc_1"}
    assert "workloads" not in pulled.tables
    assert any("without a count of requests" in remark.text for remark in report.remarks)


def test_workloads_where_the_class_is_known(server: Loopback):
    pulled, _ = pull(server, "openai", workload_from="project_id")
    asked = pulled.tables["workloads"]
    (first,) = asked[(asked["workload"] == "proj_chat") & (asked["hour"] == at(19))].to_dict(
        "records"
    )
    assert (first["requests"], first["input_tokens"]) == ("110", "1500000")
    assert first["output_tokens"] == "250000"
    assert Decimal(first["cached_share"]) == round(Decimal(400_000) / 1_500_000, 12)
    used = pulled.tables["usage"]
    # It counts in the bill and is replaced by routing in a plan.
    assert set(used[used["workload"] == "proj_chat"]["deployment"]) == {
        "openai/gpt-5",
        "openai/gpt-5/batch",
    }


def test_the_tables_are_a_case(server: Loopback, tmp_path: Path):
    pulled, _ = pull(server, "openai", "anthropic", workload_from="project_id")
    write_case(pulled.tables, CASE, tmp_path / "case")
    assert len(read_case(tmp_path / "case").table("workloads")) == 2 * HOURS


def logs() -> list[dict[str, Any]]:
    one = spend("r1", "2026-11-20T05:59:59.5Z")
    return [
        one,
        one,  # the same request twice
        spend("r2", "2026-11-20T05:10:00+02:00", model="claude-sonnet-4-5-20250929",
              custom_llm_provider="anthropic", metadata={"additional_usage_values": {
                  "cache_read_input_tokens": 100, "cache_creation_input_tokens": 50}}),
        spend("r3", "2026-11-20 07:00:00", cache_hit="True"),
        spend("r4", "2026-11-20T07:00:00", prompt_tokens=10),  # fewer than were cached
        spend("r5", "2026-10-01T07:00:00"),
        spend("r6", "2026-11-20T08:00:00", model="azure/my-own", custom_llm_provider="azure"),
    ]  # fmt: skip


def write_logs(folder: Path, kind: str) -> Path:
    rows = logs()
    if kind == "csv":
        text = io.StringIO()
        writer = csv.DictWriter(text, list(rows[0]))
        writer.writeheader()
        writer.writerows({**r, "metadata": json.dumps(r["metadata"])} for r in rows)
        body = text.getvalue()
    elif kind == "json":
        body = json.dumps(rows)
    else:
        body = "\n".join(json.dumps(row) for row in rows) + "\n"
    path = folder / f"logs.{kind}"
    if kind.endswith(".gz"):
        path.write_bytes(gzip.compress(body.encode()))
    else:
        path.write_text(body, "utf-8")
    return path


@pytest.mark.parametrize("kind", ["csv", "json", "jsonl", "jsonl.gz"])
def test_litellm_s_table_in_every_form(tmp_path: Path, kind: str):
    path = write_logs(tmp_path, kind)
    pulled, report = pull(None, f"litellm:{path}", workload_from="tag:class")
    assert not report.partial
    used = pulled.tables["usage"].set_index(["meter", "hour"])["quantity"]
    five = at(20, 5)
    assert used.loc[("openai/gpt-5/input", five)] == "0.0004"
    assert used.loc[("openai/gpt-5/cached_input", five)] == "0.0006"
    three = at(20, 3)  # 05:10 two hours east of UTC
    sonnet = "anthropic/claude-sonnet-4-5-20250929"
    assert used.loc[(f"{sonnet}/input", three)] == "0.00085"
    assert used.loc[(f"{sonnet}/cache_write", three)] == "0.00005"
    assert price(pulled, "azure/my-own/input") == ""
    texts = {remark.text.split(":")[0]: remark.rows for remark in report.remarks}
    assert texts["requests that LiteLLM's own cache answered"] == 1
    assert texts["rows of a request that was there already"] == 1
    assert texts["rows that cannot be read, or with more cached tokens than tokens"] == 1
    assert texts["rows outside the window"] == 1
    assert set(pulled.tables["workloads"]["workload"]) == {"summaries"}
    whole = pulled.tables["usage"].to_csv() + str(report)
    assert "88dc28d0f0a4a1d8hashed" not in whole  # not even the hash of a key is kept


def test_litellm_s_proxy_is_asked_day_by_day(server: Loopback):
    pulled, report = pull(server, f"litellm:{server.url}")
    assert not report.partial
    assert sorted(call.query["start_date"] for call in server.asked("/spend/logs")) == [
        "2026-11-19",
        "2026-11-20",
    ]
    assert total(pulled, "openai/gpt-5/output") == Decimal("0.0005") * 6


def point(kind: str, start: int, time: int, count: int, sum_: int, **other: str) -> dict[str, Any]:
    names = {
        "gen_ai.token.type": kind, "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai", "gen_ai.request.model": "gpt-5", **other,
    }  # fmt: skip
    return {
        "attributes": [{"key": k, "value": {"stringValue": v}} for k, v in names.items()],
        "startTimeUnixNano": str(int(START.timestamp() + start) * 10**9),
        "timeUnixNano": str(int(START.timestamp() + time) * 10**9),
        "count": str(count), "sum": sum_, "bucketCounts": ["0"], "explicitBounds": [],
    }  # fmt: skip


def exported(points: list[dict[str, Any]], temporality: int) -> dict[str, Any]:
    service = {"key": "service.name", "value": {"stringValue": "support-bot"}}
    metric = {
        "name": "gen_ai.client.token.usage", "unit": "{token}",
        "histogram": {"aggregationTemporality": temporality, "dataPoints": points},
    }  # fmt: skip
    other = {"name": "gen_ai.client.operation.duration", "histogram": {"dataPoints": points}}
    scope = {"scope": {"name": "x"}, "metrics": [metric, other]}
    return {"resourceMetrics": [{"resource": {"attributes": [service]}, "scopeMetrics": [scope]}]}


def test_otel_deltas_are_summed_and_the_hour_s_end_belongs_to_it(tmp_path: Path):
    rows = [
        exported([point("input", 0, 1800, 3, 3000), point("output", 0, 1800, 3, 900)], 1),
        exported([point("input", 1800, 3600, 2, 2000)], 1),
        exported([point("input", 1800, 3600, 2, 2000)], 1),  # sent twice
        exported([point("input", 3600, 5400, 1, 500), point("odd", 0, 60, 1, 1)], 1),
    ]
    path = tmp_path / "metrics.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)), "utf-8")
    pulled, report = pull(None, f"otel:{path}", workload_from="service.name")
    used = pulled.tables["usage"].set_index(["meter", "hour"])["quantity"]
    zero, one = at(19, 0), at(19, 1)
    assert used.loc[("openai/gpt-5/input", zero)] == "0.005"
    assert used.loc[("openai/gpt-5/input", one)] == "0.0005"
    assert used.loc[("openai/gpt-5/output", zero)] == "0.0009"
    asked = pulled.tables["workloads"].set_index(["workload", "hour"])
    assert asked.loc[("support-bot", zero), "requests"] == "5"
    assert asked.loc[("support-bot", zero), "output_tokens"] == "900"
    assert any("token type" in remark.text for remark in report.remarks)


def test_otel_cumulative_series_are_differences_and_restarts_start_again(tmp_path: Path):
    rows = [
        # Began before the window: its first point is only a start to count from.
        exported([point("input", -7200, 600, 50, 50_000)], 2),
        exported([point("input", -7200, 1200, 53, 53_000)], 2),
        exported([point("input", 2000, 2400, 2, 700)], 2),  # restarted: counts from zero
        exported([point("input", 2000, 4200, 5, 1900)], 2),
    ]
    path = tmp_path / "metrics.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)), "utf-8")
    pulled, report = pull(None, f"otel:{path}")
    used = pulled.tables["usage"].set_index("hour")["quantity"]
    assert used.loc[at(19, 0)] == "0.0037"
    assert used.loc[at(19, 1)] == "0.0012"
    assert any("began before the window" in remark.text for remark in report.remarks)


@pytest.mark.parametrize(
    "fault",
    [
        {"status": 429, "times": 2, "headers": {"Retry-After": "0"}},
        {"status": 500, "times": 2},
        {"kind": "truncated", "times": 2},
        {"kind": "short", "times": 2},
    ],
    ids=["429", "500", "truncated", "short"],
)
@pytest.mark.parametrize("where", ["completions", "messages", "/spend/logs"])
def test_what_passes_is_recovered(server: Loopback, where: str, fault: dict[str, Any]):
    accounts = ("openai", "anthropic", f"litellm:{server.url}")
    whole, _ = pull(server, *accounts)
    server.fail(where, **fault)
    pulled, report = pull(server, *accounts)
    assert not report.partial
    for name, frame in whole.tables.items():
        assert pulled.tables[name].equals(frame)


def test_one_provider_that_fails_does_not_take_the_other(server: Loopback):
    server.fail("messages", status=500, times=99)
    pulled, report = pull(server, "openai", "anthropic")
    assert report.partial
    assert [a.service for a in report.asked if a.outcome is Outcome.FAILED] == ["anthropic"]
    assert set(pulled.tables["meters"]["provider"]) == {"openai"}


def test_a_token_that_repeats_forever_ends_in_an_error_that_says_so(
    server: Loopback, monkeypatch: pytest.MonkeyPatch
):
    def forever(call: Any) -> Answer | None:
        answer = Providers().answer(call)
        if answer is not None:
            answer.body |= {"has_more": True, "next_page": "page_20"}
        return answer

    monkeypatch.setattr(server, "answer", forever)
    _, report = pull(server, "openai")
    (failed,) = report.asked
    assert failed.outcome is Outcome.FAILED
    assert "came a second time" in failed.detail


def test_a_missing_key_is_named(server: Loopback, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("OPENAI_ADMIN_KEY")
    _, report = pull(server, "openai")
    (denied,) = report.asked
    assert denied.outcome is Outcome.DENIED
    assert "OPENAI_ADMIN_KEY is not set" in denied.detail


def test_no_secret_appears_in_logs_or_reports(server: Loopback, caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.DEBUG)
    for where, key in (("completions", OPENAI_KEY), ("messages", ANTHROPIC_KEY)):
        server.fail(where, status=401, message=f"Incorrect API key provided: {key}")
    # An error that is retried is logged with its text.
    server.fail("/spend/logs", status=503, message=f"Invalid proxy server token {LITELLM_KEY}")
    told: list[str] = []
    report = Report(progress=told.append)
    settings = {"openai_endpoint": server.url, "anthropic_endpoint": server.url}
    accounts = ("openai", "anthropic", f"litellm:{server.url}")
    pulled = llm.pull(Request(START, UNTIL, accounts=accounts, settings=settings), report)
    # The records with all they carry: handlers may write what the text leaves out.
    logged = "".join(str(vars(record)) for record in caplog.records)
    whole = logged + "".join(told) + str([asdict(a) for a in report.asked])
    whole += str(report.remarks) + "".join(f.to_csv() for f in pulled.tables.values())
    assert "***" in whole
    assert "***" in logged
    for key in (OPENAI_KEY, ANTHROPIC_KEY, LITELLM_KEY):
        assert key not in whole
        assert key[:16] not in whole


def test_what_cannot_be_asked_is_refused(tmp_path: Path):
    with pytest.raises(UsageError, match="needs --account"):
        pull(None)
    with pytest.raises(UsageError, match="is no source"):
        pull(None, "gemini")
    _, report = pull(None, f"litellm:{tmp_path / 'none.csv'}")
    assert report.asked[0].outcome is Outcome.FAILED
    (tmp_path / "cut.jsonl.gz").write_bytes(gzip.compress(b'{"a": 1}\n' * 99)[:-20])
    with pytest.raises(DataError, match="cannot be read"):
        read_rows(str(tmp_path))


def test_router_and_provider_together_are_remarked_on(server: Loopback):
    _, report = pull(server, "openai", f"litellm:{server.url}")
    assert any("counts twice" in remark.text for remark in report.remarks)


def test_prices_of_models_that_are_not_used_yet() -> None:
    pulled, report = pull(None, "prices:openai/gpt-5,openai/gpt-5/batch, openai/no-such")
    meters = pulled.tables["meters"].set_index("meter")
    assert meters.loc["openai/gpt-5/output", "on_demand"] == "10"
    assert meters.loc["openai/gpt-5/batch/output", "on_demand"] == "5"
    assert meters.loc["openai/no-such/input", "on_demand"] == ""
    assert meters.loc["openai/gpt-5/input", "source"].startswith("genai-prices ")
    assert set(meters["as_of"]) == {"2026-11-21"}
    assert pulled.tables["usage"].empty
    assert [remark.subject for remark in report.remarks] == ["llm prices"]


@pytest.mark.parametrize("place", ["gpt-5", "openai/", "", "openai/gpt-5,,"])
def test_a_price_without_its_provider_is_refused(place: str) -> None:
    with pytest.raises(UsageError, match="names no model"):
        pull(None, f"prices:{place}")
