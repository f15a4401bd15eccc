# SPDX-License-Identifier: Apache-2.0
"""The AWS side of the demonstration company, behind the real boto3.

The tables of ``fixtures/frontier-lab`` are served as the services would state them: price
lists, plan rates, reservation and block quotes, spot changes, what is held, and the
organization, each in pages. Every answer is validated against the service model. Object
storage is moto's; :func:`write_export` fills it.
"""

from __future__ import annotations

import csv
import json
import re
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from .server import Call, Loopback, Reply
from .wire import parse_query, to_json, to_xml, validate

LAB = Path(__file__).parents[2] / "fixtures" / "frontier-lab"
AS_OF = datetime(2026, 11, 21, tzinfo=UTC)
PAYER = "999900001111"
ACCOUNTS = {"research": "111122223333", "inference": "444455556666", "training": "777788889999"}
SECRETS = {
    "AWS_ACCESS_KEY_ID": "AKIAPAYER9999000011",
    "AWS_SECRET_ACCESS_KEY": "paYerSecret/DoNotTell0123456789abcdefghij",
    "AWS_SESSION_TOKEN": "FwoGZXIvYXdzEPayerSessionTokenDoNotTell",
}
ASSUMED = "AssumedSecretDoNotTell0123456789abcdefgh"
_SECONDS = {"1y": 31_536_000, "3y": 94_608_000}
_PAYMENTS = {"none": "No Upfront", "partial": "Partial Upfront", "all": "All Upfront"}
_PREFIX = {"us-east-1": "", "us-west-2": "USW2-"}
BANDS = ("0.025", "0.075", "0.125", "0.175", "0.25")


def table(name: str) -> list[dict[str, str]]:
    """The AWS rows of a table of the demonstration company."""
    with (LAB / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    key = "meter" if name == "meters" else "offer"
    return [row for row in rows if row[key].startswith("aws/")]


def role(account: str) -> str:
    return f"arn:aws:iam::{account}:role/gpuopt"


def error(code: str, status: int, message: str = "no") -> dict[str, Any]:
    return {"__error__": code, "status": status, "message": message}


@dataclass
class FakeAws:
    """The services; ``page`` is the most items of an answer, ``denied`` what is forbidden.

    ``loops`` names operations whose page token comes again and again, ``doubles`` those
    that serve their first page twice.
    """

    page: int = 5
    denied: set[str] = field(default_factory=set)
    loops: set[str] = field(default_factory=set)
    doubles: set[str] = field(default_factory=set)
    skewed: set[str] = field(default_factory=set)
    broken: dict[str, int] = field(default_factory=dict)
    asked: list[tuple[str, str, str, Mapping[str, Any]]] = field(default_factory=list)
    ignore_filters: bool = False

    def __post_init__(self) -> None:
        self.meters = table("meters")
        self.offers = {row["offer"]: row for row in table("offers")}
        self.covers = table("covers")
        self.held = table("commitments")

    def start(self) -> Loopback:
        return Loopback(self.answer, self.refuse)

    def answer(self, call: Call) -> tuple[str, Reply]:
        service, name, given = self._name(call)
        account, region = self._who(call)
        key = f"{service}:{name}"
        self.asked.append((key, account, region, given))
        if (
            key in self.denied
            or f"{key}@{account}" in self.denied
            or f"{key}@{region}" in self.denied
        ):
            code = "UnauthorizedOperation" if service == "ec2" else "AccessDeniedException"
            found = error(code, 403 if service != "savingsplans" else 400, f"{account} may not")
        elif key in self.skewed:
            found = error("RequestTimeTooSkewed", 403, "the difference is too large")
        elif f"{key}@{region}" in self.broken or key in self.broken:
            found = error("InternalError", self.broken.get(key) or self.broken[f"{key}@{region}"])
        else:
            found = getattr(self, re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower())(
                given, account, region
            )
        if "__error__" in found:
            return key, self._error(service, found)
        validate(service, name, found)
        if service in ("ec2", "sts"):
            return key, (200, {"Content-Type": "text/xml"}, to_xml(service, name, found))
        return key, (200, {"Content-Type": "application/json"}, to_json(found))

    def refuse(self, call: Call, status: int) -> Reply:
        service, _, _ = self._name(call)
        code = {429: "ThrottlingException", 503: "RequestLimitExceeded"}.get(
            status, "InternalError"
        )
        if service == "ec2" and status == 429:
            code = "RequestLimitExceeded"
        return self._error(service, error(code, status))

    def _error(self, service: str, found: Mapping[str, Any]) -> Reply:
        code, text = found["__error__"], found["message"]
        if service in ("ec2", "sts"):
            body = f"<Code>{code}</Code><Message>{text}</Message>"
            wrapped = (
                f"<Response><Errors><Error>{body}</Error></Errors></Response>"
                if service == "ec2"
                else f"<ErrorResponse><Error>{body}</Error></ErrorResponse>"
            )
            return found["status"], {"Content-Type": "text/xml"}, wrapped.encode()
        headers = {"Content-Type": "application/json", "x-amzn-ErrorType": code}
        return found["status"], headers, to_json({"__type": code, "message": text})

    def _name(self, call: Call) -> tuple[str, str, dict[str, Any]]:
        target = call.headers.get("X-Amz-Target", "")
        if target:
            head, name = target.split(".")
            service = {
                "AWSPriceListService": "pricing",
                "AWSOrganizationsV20161128": "organizations",
                "AWSInsightsIndexService": "ce",
            }[head]
            return service, name, json.loads(call.body)
        if call.path.startswith("/provisioned-model-throughputs"):
            return "bedrock", "ListProvisionedModelThroughputs", {}
        if call.path.startswith("/Describe"):
            return "savingsplans", call.path.strip("/"), json.loads(call.body)
        given = parse_query(call.body)
        service = "sts" if given["Version"] == "2011-06-15" else "ec2"
        return service, given["Action"], given

    def _who(self, call: Call) -> tuple[str, str]:
        match = re.search(r"Credential=([^/]+)/\d+/([^/]+)/", call.headers["Authorization"])
        assert match is not None
        known = {f"ASIA{account}": account for account in ACCOUNTS.values()}
        return known.get(match[1], PAYER), match[2]

    def paged(
        self, items: list[Any], key: str, given: Mapping[str, Any], name: str, token: str,
        *, empty: bool = False, out: str = "",
    ) -> dict[str, Any]:  # fmt: skip
        """One page of items; the last one has no token, or with ``empty`` an empty one."""
        at = str(given.get(token, "0"))
        start = int(at.rsplit("-", maxsplit=1)[-1])
        page = items[start : start + self.page]
        found: dict[str, Any] = {key: page}
        following = start + self.page
        if name in self.loops:
            found[out or token] = str(self.page)
        elif name in self.doubles and at == "0":
            found[out or token] = "again-0"
        elif following < len(items):
            found[out or token] = str(following)
        elif empty:
            found[out or token] = ""
        return found

    # STS and Organizations

    def get_caller_identity(self, given: Any, account: str, region: str) -> dict[str, Any]:
        return {"Account": account, "UserId": "u", "Arn": f"arn:aws:iam::{account}:user/u"}

    def assume_role(self, given: Any, account: str, region: str) -> dict[str, Any]:
        owner = given["RoleArn"].split(":")[4]
        if owner not in ACCOUNTS.values():
            return error("AccessDenied", 403, "not trusted")
        keys = {
            "AccessKeyId": f"ASIA{owner}",
            "SecretAccessKey": ASSUMED,
            "SessionToken": "AssumedTokenDoNotTell",
            "Expiration": AS_OF + timedelta(days=3650),
        }
        return {"Credentials": keys}

    def list_roots(self, given: Any, account: str, region: str) -> dict[str, Any]:
        return {"Roots": [{"Id": "r-1", "Name": "Root"}], "NextToken": ""}

    def list_organizational_units_for_parent(
        self, given: Any, account: str, region: str
    ) -> dict[str, Any]:
        units = {"r-1": [("ou-f", "frontier")], "ou-f": [(f"ou-{n}", n) for n in ACCOUNTS]}
        rows = [{"Id": i, "Name": n} for i, n in units.get(given["ParentId"], [])]
        name = "ListOrganizationalUnitsForParent"
        return self.paged(rows, "OrganizationalUnits", given, name, "NextToken", empty=True)

    def list_accounts_for_parent(self, given: Any, account: str, region: str) -> dict[str, Any]:
        owner = given["ParentId"].removeprefix("ou-")
        ids = {"r-1": [PAYER]}.get(
            given["ParentId"], [ACCOUNTS[owner]] if owner in ACCOUNTS else []
        )
        rows = [{"Id": i} for i in ids]
        return self.paged(rows, "Accounts", given, "ListAccountsForParent", "NextToken")

    # EC2

    def describe_regions(self, given: Any, account: str, region: str) -> dict[str, Any]:
        rows = [{"RegionName": r, "OptInStatus": "opt-in-not-required"} for r in _PREFIX]
        return {"Regions": [*rows, {"RegionName": "me-south-1", "OptInStatus": "not-opted-in"}]}

    def describe_spot_price_history(self, given: Any, account: str, region: str) -> dict[str, Any]:
        start, end = (datetime.fromisoformat(given[k]) for k in ("StartTime", "EndTime"))
        rows = []
        for meter in self._meters(region, given["InstanceType"]):
            if not meter["spot"]:
                continue
            price = Decimal(meter["spot"])
            low, high = price - Decimal("0.1"), price + Decimal("0.1")
            # Of the middle zone the mean is the price, if changes hold until the next.
            changes = {
                "a": [(start - timedelta(days=2), low)],
                "b": [(start - timedelta(days=2), low), (start + (end - start) / 2, high)],
                "c": [
                    (start - timedelta(days=1), high * 3),
                    (start + timedelta(hours=1), high * 3),
                ],
            }
            rows += [
                {
                    "AvailabilityZone": f"{region}{zone}",
                    "InstanceType": meter["meter"].split("/")[2],
                    "ProductDescription": "Linux/UNIX",
                    "SpotPrice": str(value),
                    "Timestamp": at,
                }
                for zone, events in changes.items()
                for at, value in reversed(events)
            ]
        name = "DescribeSpotPriceHistory"
        return self.paged(rows, "SpotPriceHistory", given, name, "NextToken", empty=True)

    def get_spot_placement_scores(self, given: Any, account: str, region: str) -> dict[str, Any]:
        return {"SpotPlacementScores": [{"Region": region, "Score": 3}]}

    def describe_reserved_instances_offerings(
        self, given: Any, account: str, region: str
    ) -> dict[str, Any]:
        wanted = given["Filter"][0]["Value"]
        rows = []
        for name, offer in self.offers.items():
            parts = name.split("/")
            if (
                offer["law"].startswith("aws.reserved")
                and parts[1] == region
                and parts[3] in wanted
            ):
                rows.append(self._reserved(offer, f"offer-{name}"))
        if rows:
            # Some endpoints take no notice of filters (moto's does not).
            first = rows[0]
            rows += [
                {**first, "ReservedInstancesOfferingId": "w", "ProductDescription": "Windows"},
                {
                    **first,
                    "ReservedInstancesOfferingId": "m",
                    "Marketplace": True,
                    "FixedPrice": 1.0,
                },
                {**first, "ReservedInstancesOfferingId": "c", "OfferingClass": "convertible"},
                {**first, "ReservedInstancesOfferingId": "t", "InstanceType": "t3.small"},
            ]
        key = "ReservedInstancesOfferings"
        return self.paged(rows, key, given, "DescribeReservedInstancesOfferings", "NextToken")

    def _reserved(self, offer: Mapping[str, str], name: str) -> dict[str, Any]:
        parts = offer["offer"].split("/")
        term, payment = parts[-1].split("-")
        hourly = (
            [{"Amount": float(offer["hourly"]), "Frequency": "Hourly"}] if offer["hourly"] else []
        )
        found = {
            "ReservedInstancesOfferingId": name,
            "InstanceType": parts[3],
            "ProductDescription": "Linux/UNIX",
            "InstanceTenancy": "default",
            "OfferingClass": "standard",
            "OfferingType": _PAYMENTS[payment],
            "Duration": _SECONDS[term],
            "Scope": "Availability Zone" if offer["zone"] else "Region",
            "FixedPrice": float(offer["upfront"] or 0),
            "UsagePrice": 0.0,
            "CurrencyCode": "USD",
            "RecurringCharges": hourly,
            "Marketplace": False,
        }
        if offer["zone"]:
            found["AvailabilityZone"] = offer["zone"]
        return found

    def describe_reserved_instances(self, given: Any, account: str, region: str) -> dict[str, Any]:
        rows = []
        for held in self._held("ri-", account):
            offer = self.offers[held["offer"]]
            if held["offer"].split("/")[1] != region:
                continue
            item = self._reserved(offer, "")
            for name in ("ReservedInstancesOfferingId", "Marketplace"):
                del item[name]
            start = datetime.fromisoformat(held["start"]) + timedelta(minutes=25, seconds=31)
            item |= {
                "ReservedInstancesId": held["commitment"],
                "InstanceCount": int(held["quantity"]),
                "State": held["state"],
                "Start": start,
                "End": start + timedelta(seconds=item["Duration"] - 1),
            }
            rows += [item, {**item, "ReservedInstancesId": "old", "State": "retired"}]
        return {"ReservedInstances": rows}

    def describe_capacity_reservations(
        self, given: Any, account: str, region: str
    ) -> dict[str, Any]:
        rows = []
        if account == ACCOUNTS["training"] and region == "us-west-2":
            rows = [
                {"CapacityReservationId": f"cr-{i}", "InstanceType": "p5.48xlarge",
                 "State": "active", "TotalInstanceCount": 2, "ReservationType": kind}
                for i, kind in enumerate(("default", "capacity-block"))
            ]  # fmt: skip
        return self.paged(
            rows, "CapacityReservations", given, "DescribeCapacityReservations", "NextToken"
        )

    def describe_capacity_block_offerings(
        self, given: Any, account: str, region: str
    ) -> dict[str, Any]:
        if not given["InstanceType"].startswith("p"):
            return error("InvalidParameterValue", 400, "not for capacity blocks")
        offer = self.offers["aws/us-east-1/capacity-block/p5.48xlarge/2026-12-07"]
        count, hours = int(given["InstanceCount"]), int(given["CapacityDurationHours"])
        rows = []
        if (given["InstanceType"], region, str(hours)) == (
            "p5.48xlarge", "us-east-1", offer["term_hours"],
        ):  # fmt: skip
            start = datetime.fromisoformat(offer["starts"])
            rows = [
                {
                    "CapacityBlockOfferingId": f"cb-{count}",
                    "InstanceType": "p5.48xlarge",
                    "AvailabilityZone": "us-east-1c",
                    "InstanceCount": count,
                    "StartDate": start,
                    "EndDate": start + timedelta(hours=hours),
                    "CapacityBlockDurationHours": hours,
                    "UpfrontFee": str(Decimal(offer["upfront"]) * count),
                    "CurrencyCode": "USD",
                }
            ]
        return self.paged(
            rows, "CapacityBlockOfferings", given, "DescribeCapacityBlockOfferings", "NextToken"
        )

    def describe_instance_types(self, given: Any, account: str, region: str) -> dict[str, Any]:
        rows = [
            {
                "InstanceType": name,
                "GpuInfo": {
                    "Gpus": [{"Name": "X100", "Count": 8, "MemoryInfo": {"SizeInMiB": 1024}}]
                },
            }
            for name in given["Filter"][0]["Value"]
            if name == "p9.48xlarge"
        ]
        return self.paged(rows, "InstanceTypes", given, "DescribeInstanceTypes", "NextToken")

    # Price list, plans, Bedrock

    def get_products(self, given: Any, account: str, region: str) -> dict[str, Any]:
        fields = {f["Field"]: f["Value"] for f in given["Filters"]}
        assert region == "us-east-1"  # there is no endpoint anywhere else
        rows = []
        for meter in self._meters(fields["regionCode"], fields["instanceType"].split(",")):
            rows += [self._product(meter, meter["list_price"], "OnDemand"),
                     self._product(meter, "1.00", "CapacityBlock")]  # fmt: skip
        return self.paged(rows, "PriceList", given, "GetProducts", "NextToken", empty=True)

    def _product(self, meter: Mapping[str, str], price: str, market: str) -> str:
        attributes = {
            "instanceType": meter["meter"].split("/")[2],
            "regionCode": meter["region"],
            "usagetype": f"{_PREFIX[meter['region']]}BoxUsage:{meter['meter'].split('/')[2]}",
            "operatingSystem": "Linux",
            "marketoption": market,
            "gpu": meter["gpus"],
        }
        dimension = {"unit": "Hrs", "pricePerUnit": {"USD": f"{Decimal(price):.10f}"}}
        terms = {"OnDemand": {"S.T": {"priceDimensions": {"S.T.R": dimension}}}}
        return json.dumps({"product": {"sku": "S", "attributes": attributes}, "terms": terms})

    def describe_savings_plans_offering_rates(
        self, given: Any, account: str, region: str
    ) -> dict[str, Any]:
        filters = {f["name"]: f["values"] for f in given["filters"]}
        rows = []
        for cover in self.covers:
            offer = self.offers[cover["offer"]]
            _, at, machine = cover["meter"].split("/")
            if not offer["law"].startswith("aws.savings"):
                continue
            if at not in filters["region"] or machine not in filters["instanceType"]:
                continue
            rows += self._rates(offer, cover, at, machine)
        name = "DescribeSavingsPlansOfferingRates"
        return self.paged(rows, "searchResults", given, name, "nextToken", empty=True)

    def _rates(
        self, offer: Mapping[str, str], cover: Mapping[str, str], region: str, machine: str
    ) -> list[dict[str, Any]]:
        term, payment = offer["offer"].split("/")[-1].split("-")
        kind = "Compute" if offer["law"].endswith("compute") else "EC2Instance"
        offering = {
            "offeringId": offer["provider_offer_id"],
            "paymentOption": _PAYMENTS[payment],
            "planType": kind,
            "durationSeconds": _SECONDS[term],
            "currency": "USD",
        }
        rate = self._rate(cover["draw"], region, machine, "BoxUsage", "Linux/UNIX", "shared")
        decoys = [
            self._rate("0.01", region, machine, "BoxUsage", "Windows", "shared"),
            self._rate("0.01", region, machine, "UnusedBox", "Linux/UNIX", "shared"),
            self._rate("0.01", region, machine, "DedicatedUsage", "Linux/UNIX", "dedicated"),
        ]
        return [{"savingsPlanOffering": offering, **row} for row in [rate, *decoys]]

    def _rate(
        self, rate: str, region: str, machine: str, usage: str, system: str, tenancy: str
    ) -> dict[str, Any]:
        properties = {
            "region": region,
            "instanceType": machine,
            "instanceFamily": machine.split(".", maxsplit=1)[0],
            "productDescription": system,
            "tenancy": tenancy,
        }
        return {
            "rate": rate,
            "unit": "Hrs",
            "productType": "EC2",
            "serviceCode": "AmazonEC2",
            "usageType": f"{_PREFIX[region]}{usage}:{machine}",
            "operation": "RunInstances",
            "properties": [{"name": k, "value": v} for k, v in properties.items()],
        }

    def describe_savings_plans(self, given: Any, account: str, region: str) -> dict[str, Any]:
        rows = []
        for held in self._held("-sp/", account):
            offer = self.offers[held["offer"]]
            term, payment = held["offer"].split("/")[-1].split("-")
            start = datetime.fromisoformat(held["start"]) + timedelta(minutes=25, seconds=31)
            arn = f"arn:aws:savingsplans::{account}:savingsplan/{held['commitment']}"
            row = {
                "savingsPlanId": held["commitment"],
                "savingsPlanArn": arn,
                "start": f"{start:%Y-%m-%dT%H:%M:%S}.000Z",
                "end": f"{start + timedelta(seconds=_SECONDS[term] - 1):%Y-%m-%dT%H:%M:%S}.000Z",
                "state": held["state"],
                "savingsPlanType": "Compute" if offer["law"].endswith("compute") else "EC2Instance",
                "paymentOption": _PAYMENTS[payment],
                "productTypes": ["EC2"],
                "currency": "USD",
                "commitment": f"{Decimal(held['quantity']):.3f}",
                "upfrontPaymentAmount": "0.0",
                "recurringPaymentAmount": f"{Decimal(held['quantity']):.3f}",
                "termDurationInSeconds": _SECONDS[term],
            }
            if "ec2-instance" in held["offer"]:
                row |= {"region": held["offer"].split("/")[1],
                        "ec2InstanceFamily": held["offer"].split("/")[3]}  # fmt: skip
            rows.append(row)
        return self.paged(
            rows, "savingsPlans", given, "DescribeSavingsPlans", "nextToken", empty=True
        )

    def describe_savings_plan_rates(self, given: Any, account: str, region: str) -> dict[str, Any]:
        (held,) = (row for row in self.held if row["commitment"] == given["savingsPlanId"])
        rows = []
        for cover in self.covers:
            if cover["offer"] == held["offer"]:
                _, at, machine = cover["meter"].split("/")
                row = self._rate(cover["draw"], at, machine, "BoxUsage", "Linux/UNIX", "shared")
                rows.append({**row, "currency": "USD"})
        name = "DescribeSavingsPlanRates"
        found = self.paged(rows, "searchResults", given, name, "nextToken")
        return {**found, "savingsPlanId": held["commitment"]}

    def list_provisioned_model_throughputs(
        self, given: Any, account: str, region: str
    ) -> dict[str, Any]:
        rows = []
        if account == ACCOUNTS["inference"] and region == "us-east-1":
            arn = "arn:aws:bedrock:us-east-1::foundation-model/m"
            own = f"arn:aws:bedrock:us-east-1:{account}:provisioned-model/abcdefghijkl"
            rows = [
                {"provisionedModelName": "chat", "provisionedModelArn": own, "modelArn": arn,
                 "desiredModelArn": arn, "foundationModelArn": arn, "modelUnits": 2,
                 "desiredModelUnits": 2, "status": "InService", "commitmentDuration": "OneMonth",
                 "commitmentExpirationTime": AS_OF, "creationTime": AS_OF,
                 "lastModifiedTime": AS_OF}
            ]  # fmt: skip
        # A time in a REST answer is text.
        text = json.loads(json.dumps(rows, default=lambda at: f"{at:%Y-%m-%dT%H:%M:%SZ}"))
        return {"provisionedModelSummaries": text}

    # Cost Explorer: filled by the test

    explorer: Callable[[Mapping[str, Any]], list[dict[str, Any]]] = lambda _: []

    def get_cost_and_usage(self, given: Any, account: str, region: str) -> dict[str, Any]:
        rows = self.explorer(given)
        return self.paged(rows, "ResultsByTime", given, "GetCostAndUsage", "NextPageToken")

    def _meters(self, region: str, machines: list[str]) -> list[dict[str, str]]:
        return [
            meter
            for meter in self.meters
            if meter["region"] == region and meter["meter"].split("/")[2] in machines
        ]

    def _held(self, word: str, account: str) -> list[dict[str, str]]:
        return [
            row for row in self.held if word in row["offer"] and row["account"].endswith(account)
        ]


def fault(*kinds: str) -> deque[str]:
    """Faults for the next calls of an operation, in their order."""
    return deque(kinds)
