# SPDX-License-Identifier: Apache-2.0
"""The Google side of the demonstration company, in the shapes of the REST APIs.

BigQuery is a DuckDB that runs the connector's own SQL, put into its dialect by a few
substitutions; the export has the columns and nesting of the detailed billing export.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import duckdb
import pandas as pd

from .. import company
from ..loopback import Answer, Call

SECRET = "ya29.sooper-secret-token-of-google"
SERVICE = "6F81-5844-456A"
REGION = "us-central1"
BILLING = "frontier-data.billing.gcp_billing_export_resource_v1_01"
PRICING = "frontier-data.billing.cloud_pricing_export"
PROJECTS = ("frontier-serving", "frontier-research", "frontier-data")
MACHINES = {
    "a3-high": ("a3-highgpu-8g", "A3", "Nvidia H100 80GB", 8),
    "a2-high": ("a2-highgpu-1g", "A2", "Nvidia Tesla A100", 1),
    "g2": ("g2-standard-4", "G2", "Nvidia L4", 1),
    "c4": ("c4-standard-2", "C4", "", 0),
}
TYPES = {"a3-high": "ACCELERATOR_OPTIMIZED_A3"}
WORDS = {"vcpu": "Core", "memory": "Ram"}
BOUGHT = {"vcpu": "Cpu", "memory": "Ram"}
PAGES = {"skus": 13, "rows": 9000}
DIALECT = (
    (r"UNNEST\((\w+(?:\.\w+)*)\) AS (\w+)", r"UNNEST(\1) AS _\2(\2)"),
    (r"IN UNNEST\(@(\w+)\)", r"IN (SELECT UNNEST($\1))"),
    (r"TIMESTAMP_TRUNC\((\w+), HOUR\)", r"date_trunc('hour', \1)"),
    (r"FORMAT_TIMESTAMP\('([^']+)', (.+?)\) AS hour", r"strftime(\2, '\1') AS hour"),
    (r"TO_JSON_STRING\((\w+)\)", r"CAST(to_json(\1) AS VARCHAR)"),
    (r"AS NUMERIC", "AS DECIMAL(38, 9)"),
    (r"AS STRING", "AS VARCHAR"),
    (r"`[^`]*pricing_export`", "pricing"),
    (r"`[^`]*billing_export\w*`", "export"),
    (r"(\w+)\.id IN", r"\1.id IN"),
    (r"@(\w+)", r"$\1"),
)
Row = dict[str, Any]


def sku_id(meter: str, way: str) -> str:
    """Return a made-up SKU id of a meter's on-demand or spot price."""
    return f"{way}-{meter.removeprefix('gcp/').replace('/', '-')}"


def sku_words(meter: str, way: str) -> str:
    """Return how the catalogue describes the SKU of a meter."""
    _, _, family, part = meter.split("/")
    _, series, gpu, _ = MACHINES[family]
    if part == "gpu":
        attached = " attached to Spot Preemptible VMs" if way == "spot" else ""
        return f"{gpu} GPU{attached} running in Americas"
    spot = "Spot Preemptible " if way == "spot" else ""
    return f"{spot}{series} Instance {WORDS[part]} running in Americas"


def committed_words(offer: str) -> str:
    """Return how the catalogue describes the SKU of an offer."""
    if "flexible" in offer:
        years = int(offer.split("/")[2][0])
        return f"Commitment - dollar based v1: GCE for {years} year{'s' * (years > 1)}"
    _, _, cud, part, term = offer.split("/")
    _, series, gpu, _ = MACHINES[cud.removeprefix("cud-")]
    years = int(term[0])
    end = f"for {years} Year{'s' * (years > 1)}"
    if part == "gpu":
        return f"Commitment v1: {gpu} GPU running in Americas {end}"
    return f"Commitment v1: {series} {BOUGHT[part]} in Americas {end}"


def money(price: Decimal) -> Row:
    """Return a price as Google writes it: whole units as text, and billionths."""
    units = int(price)
    return {"currencyCode": "USD", "units": str(units), "nanos": int((price - units) * 10**9)}


def sku(
    name: str, words: str, price: Decimal, unit: str = "h", region: str = REGION, **other: Any
) -> Row:
    """Return one SKU of the catalogue."""
    return {
        "name": f"services/{SERVICE}/skus/{name}", "skuId": name, "description": words,
        "category": {
            "serviceDisplayName": "Compute Engine", "resourceFamily": "Compute",
            "resourceGroup": "GPU", "usageType": "OnDemand",
        },
        "serviceRegions": [region],
        "pricingInfo": [
            {
                "summary": "", "currencyConversionRate": 1,
                "effectiveTime": "2026-11-20T08:00:00Z",
                "pricingExpression": {
                    "usageUnit": unit, "displayQuantity": 1, "baseUnit": "s",
                    "baseUnitConversionFactor": 3600,
                    "tieredRates": [{"startUsageAmount": 0, "unitPrice": money(price)}],
                },
            }
        ],
        "serviceProviderName": "Google", **other,
    }  # fmt: skip


class GoogleCloud:
    """Answers of cloudbilling, compute, recommender and bigquery .googleapis.com."""

    def __init__(self, since: str = "2000-01-01") -> None:
        self.since = since
        self.meters = company.rows("meters", "gcp")
        self.offers = {row["offer"]: row for row in company.rows("offers", "gcp")}
        self.skus = self._catalogue()
        self.database = duckdb.connect()
        self.database.execute("SET TimeZone = 'UTC'")
        self._fill()
        self.results: dict[str, tuple[list[Row], list[Row]]] = {}
        self.extra_commitments: list[Row] = []
        self.routes: tuple[tuple[str, Callable[[Call], Answer]], ...] = (
            (rf"^/v1/services/{SERVICE}/skus$", self._skus),
            (r"/aggregated/commitments$", self._commitments),
            (r"/recommendations$", self._recommendations),
            (r"^/bigquery/v2/projects/[\w-]+/queries$", self._query),
            (r"^/bigquery/v2/projects/[\w-]+/queries/\w+$", self._more),
            (r"^/bigquery/v2/projects/[\w-]+/jobs/\w+$", self._job),
        )

    def answer(self, call: Call) -> Answer | None:
        """Answer one call; every question needs the token."""
        assert call.headers.get("Authorization", call.headers.get("authorization")) == (
            f"Bearer {SECRET}"
        )
        for pattern, route in self.routes:
            if re.search(pattern, call.path):
                return route(call)
        return None

    def _catalogue(self) -> list[Row]:
        made = []
        for meter in self.meters:
            name = meter["meter"]
            unit = "GiBy.h" if name.endswith("/memory") else "h"
            price = Decimal(meter["list_price"])
            made.append(sku(sku_id(name, "od"), sku_words(name, "od"), price, unit))
            away = sku(sku_id(name, "eu"), sku_words(name, "od"), price * 2, unit, "europe-west4")
            made.append(away)
            if meter["spot"]:
                spot = Decimal(meter["spot"])
                made.append(sku(sku_id(name, "spot"), sku_words(name, "spot"), spot, unit))
        for offer, row in self.offers.items():
            # What the company pays is 6 % off; the catalogue has the price without it.
            public = (Decimal(row["hourly"]) / Decimal("0.94")).quantize(Decimal("1e-9"))
            made.append(sku(row["provider_offer_id"], committed_words(offer), public))
        one = Decimal(1)
        made += [
            sku("dws", "DWS Defined Duration A3 Instance Core running in Americas", one),
            sku("h3", "H3 Instance Core running in Americas", Decimal("0.04")),
            sku("plus", "Nvidia H100 80GB Plus GPU running in Americas", one),
            sku("custom", "A2 Custom Instance Core running in Americas", one),
            sku("sole", "Sole Tenancy Premium for A2 Instance Core running in Americas", one),
            sku("net", "Network Internet Egress from Americas to Americas", one, "GiBy"),
            sku("ssd", "SSD backed Local Storage", Decimal("0.08"), "GiBy.mo"),
        ]
        return sorted(made, key=lambda row: (len(row["skuId"]) % 3, row["skuId"]))

    def _page(self, call: Call, rows: list[Row], size: int) -> tuple[list[Row], str]:
        first = int(call.query.get("pageToken") or 0)
        more = str(first + size) if first + size < len(rows) else ""
        return rows[first : first + size], more

    def _skus(self, call: Call) -> Answer:
        assert call.query["currencyCode"] == "USD"
        rows, token = self._page(call, self.skus, PAGES["skus"])
        return Answer({"skus": rows, "nextPageToken": token})

    def _commitments(self, call: Call) -> Answer:
        project = call.path.split("/")[4]
        made: dict[str, Row] = {}
        for held in company.rows("commitments", "gcp"):
            if held["account"].split("/")[1] != project:
                continue
            _, region, cud, part, term = held["offer"].split("/")
            family = cud.removeprefix("cud-")
            one = made.setdefault(
                family,
                {
                    "kind": "compute#commitment", "id": "1", "name": f"cud-{family}",
                    "region": f"https://www.googleapis.com/compute/v1/projects/p/regions/{region}",
                    "status": "ACTIVE", "category": "MACHINE", "type": TYPES[family],
                    "plan": {"1y": "TWELVE_MONTH", "3y": "THIRTY_SIX_MONTH"}[term],
                    "startTimestamp": held["start"].replace("Z", ".000-00:00"),
                    "endTimestamp": held["end"].replace("Z", ".000-00:00"),
                    "autoRenew": False, "resources": [],
                },
            )  # fmt: skip
            kind = {"gpu": "ACCELERATOR", "vcpu": "VCPU", "memory": "MEMORY"}[part]
            amount = int(Decimal(held["quantity"]) * (1024 if part == "memory" else 1))
            resource = {"type": kind, "amount": str(amount)}
            if part == "gpu":
                resource["acceleratorType"] = "nvidia-h100-80gb"
            one["resources"].append(resource)
        if project == PROJECTS[0]:
            gone = [{**one, "name": "over", "status": "EXPIRED"} for one in made.values()]
            rows = [*made.values(), *gone, *self.extra_commitments]
        else:
            rows = list(made.values())
        # An aggregated list names every region, most of them without anything.
        page, token = self._page(call, rows, 1)
        items = {
            "regions/asia-east1": {"warning": {"code": "NO_RESULTS_ON_PAGE"}},
            f"regions/{REGION}": {"commitments": page},
        }
        return Answer({"kind": "l", "id": "x", "items": items, "nextPageToken": token})

    def _recommendations(self, call: Call) -> Answer:
        project, region = call.path.split("/")[3], call.path.split("/")[5]
        rows = []
        if (project, region) == (PROJECTS[0], REGION):
            advised = company.rows("provider_advice", "gcp")
            saved = sum(Decimal(row["estimated_saving"]) for row in advised)
            cost = saved * 720 / 730
            units = int(cost)
            resources = []
            for row in advised:
                part = row["offer"].split("/")[3]
                kind = {"gpu": "ACCELERATOR", "vcpu": "VCPU", "memory": "MEMORY"}[part]
                amount = int(Decimal(row["quantity"]) * (1024 if part == "memory" else 1))
                resources.append({"type": kind, "amount": str(amount)})
            value = {
                "plan": "TWELVE_MONTH", "type": "ACCELERATOR_OPTIMIZED_A3", "region": region,
                "resources": resources,
            }  # fmt: skip
            rows.append(
                {
                    "name": f"{call.path[4:]}/1", "description": "buy",
                    "primaryImpact": {
                        "category": "COST",
                        "costProjection": {
                            "cost": {
                                "currencyCode": "USD", "units": str(-units),
                                "nanos": int((units - cost) * 10**9),
                            },
                            "duration": "2592000s",
                        },
                    },
                    "content": {
                        "operationGroups": [
                            {
                                "operations": [
                                    {
                                        "action": "add", "path": "/", "value": value,
                                        "resourceType": "compute.googleapis.com/Commitment",
                                    }
                                ]
                            }
                        ]
                    },
                    "stateInfo": {"state": "ACTIVE"},
                }
            )  # fmt: skip
        return Answer({"recommendations": rows})

    def _query(self, call: Call) -> Answer:
        body = call.json
        assert body["useLegacySql"] is False
        text = body["query"]
        assert text.count("`") >= 2
        for pattern, replacement in DIALECT:
            text = re.sub(pattern, replacement, text)
        values: dict[str, Any] = {}
        for parameter in body.get("queryParameters", ()):
            given = parameter["parameterValue"]
            if "arrayValues" in given:
                values[parameter["name"]] = [item["value"] for item in given["arrayValues"]]
            else:
                values[parameter["name"]] = given["value"]
        cursor = self.database.cursor().execute(text, values)
        names = [(d[0], "INTEGER" if d[0] == "source_rows" else "STRING") for d in cursor.description]  # fmt: skip  # noqa: E501
        schema = [{"name": name, "type": kind, "mode": "NULLABLE"} for name, kind in names]
        rows = [
            {"f": [{"v": None if v is None else str(v)} for v in row]} for row in cursor.fetchall()
        ]
        job = f"job{len(self.results)}"
        self.results[job] = (schema, rows)
        return self._result(call, job, 0)

    def _job(self, call: Call) -> Answer:
        name = call.path.rsplit("/", 1)[-1]
        place = {"projectId": "p", "datasetId": "anonymous", "tableId": name}
        return Answer(
            {
                "id": f"p:US.{name}", "kind": "bigquery#job", "status": {"state": "DONE"},
                "jobReference": {"projectId": "p", "jobId": name, "location": "US"},
                "configuration": {
                    "jobType": "QUERY", "query": {"query": "", "destinationTable": place}
                },
                "statistics": {"query": {"statementType": "SELECT"}},
            }
        )  # fmt: skip

    def _more(self, call: Call) -> Answer:
        return self._result(call, call.path.rsplit("/", 1)[-1], int(call.query.get("pageToken", 0)))

    def _result(self, call: Call, job: str, first: int) -> Answer:
        schema, rows = self.results[job]
        size = PAGES["rows"]
        body = {
            "kind": "bigquery#queryResponse", "jobComplete": True,
            "jobReference": {"projectId": "p", "jobId": job, "location": "US"},
            "schema": {"fields": schema}, "totalRows": str(len(rows)),
            "rows": rows[first : first + size], "totalBytesProcessed": "1",
        }  # fmt: skip
        if first + size < len(rows):
            body["pageToken"] = str(first + size)
        return Answer(body)

    def _fill(self) -> None:
        """Make the exports: the company's hours, in parts that come late, with credits."""
        used = company.usage("gcp", self.since)
        parts = used["meter"].str.split("/", expand=True)
        used["family"], used["part"] = parts[2], parts[3]
        prices = {row["meter"]: row["on_demand"] for row in self.meters}
        # A late row has a part of the hour's use, and comes in another day and invoice.
        early = (used["quantity"] / 3).round(4).where(used["hour"].dt.hour % 7 == 0)
        late = used[early.notna()].assign(
            quantity=(used["quantity"] - early).round(4), late=True, credited=False
        )
        used = used.assign(
            quantity=early.fillna(used["quantity"]),
            late=False,
            credited=used["hour"].dt.hour % 5 == 0,
        )
        rows = pd.concat([used, late], ignore_index=True)
        rows["price"] = rows["meter"].map(prices).astype(float)
        rows["sku_id"] = rows["meter"].map(lambda m: sku_id(m, "od"))
        rows["sku"] = rows["meter"].map(lambda m: sku_words(m, "od"))
        rows["machine"] = rows["family"].map(lambda f: MACHINES[f][0])
        gpus = rows["family"].map(lambda f: MACHINES[f][3])
        # The company's table has a restart per GPU; a label has it per machine.
        restart = rows["restart_cost"] * gpus
        machine = restart.groupby(rows["workload"]).transform("max")
        for name, values in (
            ("spot_tolerant", rows["spot_tolerant"]),
            ("lost_hours", rows["lost_hours"]),
            ("restart_cost", machine),
        ):
            rows[name] = [_label(value) for value in values]
        self.database.register("rows_", rows)
        self.database.execute(EXPORT)
        fees = [
            (row["provider_offer_id"], committed_words(name), float(row["hourly"]))
            for name, row in self.offers.items()
            if any(held["offer"] == name for held in company.rows("commitments", "gcp"))
        ]
        for fee in fees:
            self.add_row(*fee, quantity=8.0, price=fee[2], zone=None, machine=None)
        self.add_row("net", "Network Internet Egress", 5.0, quantity=3.0)
        self.add_row(
            "dws", "DWS Defined Duration A3 Instance Core running in Americas", 7.0, quantity=208.0
        )
        self.database.execute(PRICES)
        for one in self.skus:
            rate = one["pricingInfo"][0]["pricingExpression"]["tieredRates"][0]["unitPrice"]
            public = Decimal(rate["units"]) + Decimal(rate["nanos"]) / 10**9
            self._price(one["skuId"], self._own(one["skuId"], public))

    def _own(self, name: str, public: Decimal) -> Decimal | None:
        """Return what the company pays for a SKU; nothing of its own for spot."""
        for row in self.offers.values():
            if row["provider_offer_id"] == name:
                return Decimal(row["hourly"])
        for meter in self.meters:
            if name == sku_id(meter["meter"], "od"):
                return Decimal(meter["on_demand"])
        return None if name.startswith("spot-") else public

    def _price(self, name: str, price: Decimal | None) -> None:
        for day, amount in (("2026-11-20", price), ("2026-11-19", Decimal(99))):
            rates = [] if amount is None else [{"start": 0.0, "amount": amount}]
            self.database.execute(
                "INSERT INTO pricing SELECT struct_pack(id := ?), struct_pack(id := ?),"
                " struct_pack(tiered_rates := list_transform(?::STRUCT(start DOUBLE, amount"
                " DECIMAL(38,9))[], lambda r: struct_pack(start_usage_amount := r.start,"
                " account_currency_amount := r.amount))), CAST(? AS TIMESTAMP)",
                [name, SERVICE, rates, day],
            )

    def add_row(
        self,
        name: str,
        words: str,
        cost: float,
        *,
        quantity: float,
        price: float | None = None,
        hour: str = "2026-11-20 05:00:00",
        project: str = PROJECTS[0],
        zone: str | None = f"{REGION}-a",
        machine: str | None = "a3-highgpu-8g",
        credited: tuple[tuple[str, float], ...] = (),
        subscription: str | None = None,
        unused: bool = False,
        kind: str = "regular",
        labels: dict[str, str] | None = None,
    ) -> None:
        """Add one row to the billing export."""
        system = {}
        if machine:
            system["compute.googleapis.com/machine_spec"] = machine
        if unused:
            system["compute.googleapis.com/is_unused_reservation"] = "true"
        self.database.execute(
            INSERT,
            [
                name, words, hour, project, REGION, zone,
                [{"key": k, "value": v} for k, v in (labels or {}).items()],
                [{"key": k, "value": v} for k, v in system.items()],
                cost, quantity, [{"type": t, "amount": a} for t, a in credited], kind, price,
                subscription,
            ],
        )  # fmt: skip


def _label(value: float) -> str | None:
    """Return a number as a label can hold it: without a point."""
    return None if pd.isna(value) else str(float(value)).replace(".", "_")


EXPORT = f"""
CREATE TABLE export AS SELECT
  'billing-01' AS billing_account_id,
  struct_pack(id := '{SERVICE}', description := 'Compute Engine') AS service,
  struct_pack(id := sku_id, description := sku) AS sku,
  hour::TIMESTAMPTZ AS usage_start_time,
  (hour + INTERVAL 1 HOUR)::TIMESTAMPTZ AS usage_end_time,
  struct_pack(id := split_part(account, '/', 2)) AS project,
  struct_pack(region := '{REGION}', zone := zone) AS location,
  list_filter([
    struct_pack(key := 'team', value := tag_team),
    struct_pack(key := 'purpose', value := tag_purpose),
    struct_pack(key := 'gpuopt-workload', value := workload),
    struct_pack(key := 'gpuopt-spot-tolerant', value := spot_tolerant),
    struct_pack(key := 'gpuopt-lost-hours', value := lost_hours),
    struct_pack(key := 'gpuopt-restart-cost', value := restart_cost)
  ], lambda l: l.value IS NOT NULL) AS labels,
  [struct_pack(key := 'compute.googleapis.com/machine_spec', value := machine)] AS system_labels,
  quantity * price AS cost,
  'USD' AS currency,
  struct_pack(amount_in_pricing_units := quantity, pricing_unit := 'hour') AS usage,
  CASE WHEN credited THEN [
    struct_pack(type := 'DISCOUNT', amount := -quantity * price / 10),
    struct_pack(type := 'PROMOTION', amount := -quantity * price / 5)
  ] ELSE [] END AS credits,
  struct_pack(month := CASE WHEN late THEN '202612' ELSE '202611' END) AS invoice,
  'regular' AS cost_type,
  struct_pack(effective_price_default := CAST(price AS DECIMAL(38, 9))) AS price,
  struct_pack(instance_id := CAST(NULL AS VARCHAR)) AS subscription,
  (hour + CASE WHEN late THEN INTERVAL 5 DAY ELSE INTERVAL 1 DAY END)::TIMESTAMPTZ AS export_time
FROM rows_
"""
INSERT = f"""
INSERT INTO export SELECT 'billing-01',
  struct_pack(id := '{SERVICE}', description := 'Compute Engine'),
  struct_pack(id := $1, description := $2),
  CAST($3 AS TIMESTAMPTZ), CAST($3 AS TIMESTAMPTZ) + INTERVAL 1 HOUR,
  struct_pack(id := $4), struct_pack(region := $5, zone := $6::VARCHAR),
  $7::STRUCT(key VARCHAR, value VARCHAR)[], $8::STRUCT(key VARCHAR, value VARCHAR)[],
  $9, 'USD', struct_pack(amount_in_pricing_units := $10::DOUBLE, pricing_unit := 'hour'),
  $11::STRUCT(type VARCHAR, amount DOUBLE)[], struct_pack(month := '202611'), $12,
  struct_pack(effective_price_default := CAST($13 AS DECIMAL(38, 9))),
  struct_pack(instance_id := $14::VARCHAR), CAST($3 AS TIMESTAMPTZ)
"""
PRICES = """
CREATE TABLE pricing (
  sku STRUCT(id VARCHAR), service STRUCT(id VARCHAR),
  billing_account_price STRUCT(tiered_rates STRUCT(start_usage_amount DOUBLE,
    account_currency_amount DECIMAL(38, 9))[]),
  export_time TIMESTAMP)
"""
