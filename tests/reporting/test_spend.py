# SPDX-License-Identifier: Apache-2.0
"""Spend as tables, sections and on the command line: what is shown adds up to the bill."""

from __future__ import annotations

import csv
import io
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from api.cli import app
from optimizer.billing import bill_case
from optimizer.demand.horizon import has_routing
from optimizer.planning.spend import Shared, spend_of, unit_costs
from optimizer.reporting.document import Chart, Document, Figures, Prose, Table
from optimizer.reporting.render import html_page, markdown
from optimizer.reporting.sections.spend import spend_sections, spend_table
from optimizer.tables import Case, format_hour, parse_hour, read_case

ROOT = Path(__file__).parents[2]
TINY = ROOT / "fixtures" / "tiny"
AS_OF = parse_hour("2026-11-23T00:00:00Z")
NAMES = ("<script>alert(1)</script>", "=SUM(A1)", "🦄 team", "a|b\nc")


def column(table: Table, name: str) -> list[Any]:
    place = [each.name for each in table.columns].index(name)
    return [row.values[place] for row in table.rows]


def write(folder: Path, **tables: list[dict[str, Any]]) -> Path:
    folder.mkdir()
    head = f'currency = "EUR"\nas_of = "{format_hour(AS_OF)}"\nhorizon_hours = 24\n'
    (folder / "case.toml").write_text(head, encoding="utf-8")
    for name, rows in tables.items():
        with (folder / f"{name}.csv").open("w", encoding="utf-8", newline="") as stream:
            writer = csv.DictWriter(stream, list(dict.fromkeys(k for row in rows for k in row)))
            writer.writeheader()
            writer.writerows(rows)
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Thirty teams, four with strange names, for two weeks; one commitment, half of it unused."""
    teams = [*(f"team {number}" for number in range(25)), *NAMES, ""]
    return write(
        tmp_path_factory.mktemp("spend") / "case",
        meters=[
            {"meter": "gpu", "provider": "aws", "product": "instance", "unit": "Hours",
             "on_demand": "10", "list_price": "12"}
        ],
        usage=[
            {"hour": format_hour(AS_OF - 24 * day), "meter": "gpu", "quantity": 24 * (place + 1),
             "grain": "day", "tag_team": team, "tag_stage": "explore" if place % 2 else "exploit",
             "tag_run": f"run {day}"}
            for day in range(1, 15)
            for place, team in enumerate(teams)
        ],
        offers=[{"offer": "ri", "law": "aws.reserved.regional", "measure": "units",
                 "term_hours": 8760, "hourly": "4"}],
        covers=[{"offer": "ri", "meter": "gpu", "draw": 1}],
        commitments=[{"commitment": "c", "offer": "ri", "quantity": 930,
                      "start": format_hour(AS_OF - 336), "end": format_hour(AS_OF + 8424)}],
        initiatives=[{"initiative": NAMES[0], "stage": "explore", "meter": "gpu", "quantity": 1,
                      "start": format_hour(AS_OF - 48), "end": format_hour(AS_OF),
                      "tag_team": "team 1"}],
    )  # fmt: skip


@pytest.fixture(scope="module")
def case(folder: Path) -> Case:
    return read_case(folder)


def test_a_table_shows_the_largest_and_adds_the_others_up(case: Case) -> None:
    table = spend_table(case, by=["tag_team"], window="7d", top=5)
    assert len(table.rows) == 7
    assert table.rows[-1].emphasis
    total = column(table, "total")
    assert sum(total[:-1]) == total[-1] == 7 * 24 * 930 * 4
    assert column(table, "tag_team")[-2:] == ["(26 others)", "Total"]
    assert "26 smaller groups" in table.rest
    before = column(table, "before")
    assert sum(before[:-1]) == before[-1] == total[-1]
    assert column(table, "change")[-1] == 0
    every = spend_table(case, by=["tag_team"], window="7d", top=None)
    assert len(every.rows) == 32  # 30 teams, what nobody used, and the total
    assert {"(untagged)", "(unused commitments)"} <= set(column(every, "tag_team"))


def test_what_a_provider_left_unused_is_told_from_its_usage(case: Case) -> None:
    table = spend_table(case, by=["provider", "tag_team"], window="7d", top=1)
    assert table.rows[0].values[:2] == ("aws (unused commitments)", "(unused commitments)")
    names = column(spend_table(case, by=["provider"], window="7d"), "provider")
    assert names == ["aws (unused commitments)", "aws", "Total"]


def test_sections_are_the_bill_in_every_table(case: Case) -> None:
    sections = spend_sections(case, "7d", shared=[Shared("")])
    assert [section.name for section in sections] == ["spend", "unit_costs", "intent"]
    blocks = [block for section in sections for block in section.blocks]
    (figures,) = (block for block in blocks if isinstance(block, Figures))
    bill = figures.figures[0].value
    assert bill == 624_960
    tables = {block.name: block for block in blocks if isinstance(block, Table)}
    for name in ("spend_by_tag_team", "spend_by_meter"):
        assert column(tables[name], "total")[-1] == bill
    assert sum(column(tables["spend_by_stage"], "cost")) == bill
    steps = tables["waterfall_by_tag_team"]
    parts = [each.name for each in steps.columns][1:-1]
    for row in range(len(steps.rows)):
        assert sum(column(steps, part)[row] for part in parts) == column(steps, "total")[row]
    told = [block.text for block in sections[1].blocks if isinstance(block, Prose)]
    assert "per 1,000 requests and per 1M output tokens: the table workloads" in told[0]
    units = tables["unit_costs"]
    assert units.rows[0].values[:3] == ("All usage", "run", 44_640)  # 465 used × 24 × 4
    (chart,) = (block for block in blocks if isinstance(block, Chart))
    assert column(chart.table, "total") == [bill, bill]
    document = Document("x", "x", "EUR", "x", tuple(sections))
    page, text = html_page(document), markdown(document)
    assert "<script>alert(1)" not in page
    assert "&lt;script&gt;alert(1)" in page
    assert "🦄 team" in text
    assert "\n| a\\|b" in text or "a\\|b c" in text


def test_a_week_without_usage_and_a_price_that_is_absent_are_told(tmp_path: Path) -> None:
    meters = [{"meter": "gpu", "provider": "aws", "product": "instance", "unit": "Hours"}]
    usage = [{"hour": format_hour(AS_OF - 500), "meter": "gpu", "quantity": 0}]
    (late,) = spend_sections(read_case(write(tmp_path / "late", meters=meters, usage=usage)), "7d")
    (prose,) = late.blocks
    assert isinstance(prose, Prose)
    assert prose.text.startswith("No usage is known in 2026-11-16..2026-11-23")
    usage[0]["quantity"] = 1
    (priceless,) = spend_sections(read_case(write(tmp_path / "none", meters=meters, usage=usage)))
    (prose,) = priceless.blocks
    assert isinstance(prose, Prose)
    assert "has no on-demand price" in prose.text


def test_a_first_week_has_nothing_before(tmp_path: Path) -> None:
    meters = [{"meter": "gpu", "provider": "aws", "product": "instance", "unit": "Hours",
               "on_demand": 1}]  # fmt: skip
    usage = [{"hour": format_hour(AS_OF - 100), "meter": "gpu", "quantity": 1}]
    case = read_case(write(tmp_path / "case", meters=meters, usage=usage))
    spend, units = spend_sections(case, "7d")
    table = next(block for block in spend.blocks if isinstance(block, Table))
    assert column(table, "before") == [None, None]
    assert "not all usage is known" in table.note
    assert units.name == "unit_costs"


def run(*arguments: str) -> Any:
    return CliRunner().invoke(app, ["costs", *arguments])


def test_json_has_all_groups_exactly(folder: Path, case: Case) -> None:
    result = run(str(folder), "--by", "tag_team,tag_stage", "--window", "all", "--rule", "even",
                 "--shared", "untagged=even", "--intent", "--json", "--quiet")  # fmt: skip
    assert result.exit_code == 0, result.stderr
    document = json.loads(result.stdout)
    totals = [Decimal(row["total"]) for row in document["groups"]]
    assert sum(totals) == Decimal(document["total"]) == bill_case(case).total
    assert document["shared"] == [{"column": None, "value": None, "how": "even"}]
    assert {row["tag_stage"] for row in document["groups"]} == {"explore", "exploit", None}
    assert document["intent"]["initiatives"][0]["initiative"] == NAMES[0]
    assert document["snapshot"] == case.snapshot


def test_csv_has_every_row_and_no_formula(folder: Path) -> None:
    result = run(str(folder), "--by", "tag_team", "--window", "7d", "--format", "csv", "--quiet")
    rows = list(csv.DictReader(io.StringIO(result.stdout)))
    assert len(rows) == 31
    assert {"'=SUM(A1)", NAMES[0], NAMES[3]} <= {row["tag_team"] for row in rows}
    assert sum(Decimal(row["total"]) for row in rows) == 624_960


def test_steps_have_a_column_for_each_team(folder: Path) -> None:
    arguments = (str(folder), "--by", "tag_team", "--window", "14d", "--step", "1d", "--quiet")
    rows = list(csv.DictReader(io.StringIO(run(*arguments, "--format", "csv").stdout)))
    assert len(rows) == 14
    assert {*NAMES[:1], "(untagged)", "(unused commitments)", "total"} <= set(rows[0])
    own = [name for name in rows[0] if name not in ("start", "end", "total", "source")]
    assert sum(Decimal(rows[3][name]) for name in own) == Decimal(rows[3]["total"]) == 89_280
    page = run(*arguments)
    assert "25 others" in page.stdout
    document = json.loads(run(*arguments, "--json").stdout)
    assert sum(Decimal(step["total"]) for step in document["steps"]) == Decimal(document["total"])


def test_the_page_and_markdown(folder: Path) -> None:
    page = run(str(folder), "--by", "tag_team", "--top", "3", "--waterfall", "--quiet")
    assert page.exit_code == 0
    assert page.stdout.startswith("€624,960.00 in 2026-11-16..2026-11-23, €0.00 (0.0%) more")
    assert "(28 others)" in page.stdout
    text = run(str(folder), "--by", "meter", "--per", "tag_team", "--format", "md", "--quiet")
    assert "| meter gpu | team | " in text.stdout


@pytest.mark.parametrize(
    ("arguments", "message", "code"),
    [
        (["--by", "tag_tem"], "has no column 'tag_tem'", 2),
        (["--by", "meter,tag_x", "--per", "runs"], "unit costs are of one column", 2),
        (["--per", "wishes"], "nothing that costs can be divided by", 2),
        (["--window", "soon"], "is no window", 2),
        (["--rule", "fair"], "is no rule", 2),
        (["--shared", "a=half"], "is not understood", 2),
        (["--intent"], "needs the table initiatives", 2),
        (["--weigh", "wishes", "--rule", "requests"], "cannot be divided by 'wishes'", 2),
        (["--weigh", "tokens"], "but the rule is used", 2),
        (["--window", "7d"], "no usage is known", 13),
    ],
)
def test_refusals(arguments: list[str], message: str, code: int) -> None:
    window = [] if "--window" in arguments else ["--window", "all"]
    result = run(str(TINY), *window, *arguments, "--quiet")
    assert result.exit_code == code
    assert message in result.stderr
    assert "To mend it" in result.stderr


def test_the_frontier_lab_by_team_is_fast_once_replayed() -> None:
    """Pages ask again and again: the replay is kept (30 ms here; the limit leaves room)."""
    import time

    case = read_case(ROOT / "fixtures" / "frontier-lab")
    spend = spend_of(case)
    begun = time.process_time()
    table = spend_table(spend, by=["tag_team", "meter"], window="30d", rule="even")
    assert time.process_time() - begun < 1.5
    assert column(table, "total")[-1] > 0


def test_the_frontier_lab_knows_what_a_request_costs() -> None:
    """Five of its fleets say what was asked of them; nothing of it is routed."""
    case = read_case(ROOT / "fixtures" / "frontier-lab")
    assert not has_routing(case)
    spend = spend_of(case)
    served = set(case.usage_cells().labels["workload"].values)
    assert set(spend.asked.names) < served
    for measure in ("requests", "input_tokens", "output_tokens"):
        rows = unit_costs(spend, measure, "7d", column="workload")
        known = [row for row in rows if row.value is not None]
        assert [row.group for row in known] == [
            "multimodal", "assistants", "enterprise-search", "assistants-west", "moderation",
        ]  # fmt: skip
        assert all(row.value * Decimal(str(row.count)) > 0 for row in known)
        assert all(len(row.trend) == 8 for row in known)
    (whole,) = unit_costs(spend, "requests", "7d")
    assert whole.cost == sum(
        row.cost for row in unit_costs(spend, "requests", "7d", column="workload") if row.count
    )
    assert Decimal("0.1") < whole.value < Decimal("0.3")
