# SPDX-License-Identifier: Apache-2.0
"""FOCUS 1.0 to 1.2 rows, read as charges: the SQL, by the columns a file has.

FOCUS names are in ``docs/focus.md``. A column that a version does not have yet, or that
a provider leaves out, is absent; only those in ``NEEDED`` have to be there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from connectors.charges import COLUMNS, TagKeys
from optimizer.errors import DataError

NEEDED = ("BilledCost", "BillingCurrency", "ChargeCategory", "ChargePeriodStart")
PROVIDERS = {
    "aws": ("aws", "amazon web services", "amazon"),
    "azure": ("microsoft", "azure", "microsoft azure", "microsoft corporation"),
    "gcp": ("google", "google cloud", "google cloud platform", "gcp"),
}
# The services whose usage this program plans; a machine is planned in any service.
CATEGORIES = ("Compute", "AI and Machine Learning")
_DECIMAL = "DECIMAL(38, 12)"
_HOURS = "('hour', 'hours', 'hrs', 'hr', 'h', 'instance-hours')"


@dataclass(frozen=True)
class Reader:
    """The columns of one file: DuckDB's type by name."""

    types: Mapping[str, str]
    file: str

    def text(self, name: str) -> str:
        """SQL of a column as text; ``''`` where there is no value."""
        if name not in self.types:
            return "''"
        return f"coalesce(CAST({_quoted(name)} AS VARCHAR), '')"

    def number(self, name: str) -> str:
        """SQL of a column as an exact decimal; NULL where there is no value."""
        if name not in self.types:
            return f"CAST(NULL AS {_DECIMAL})"
        quoted = _quoted(name)
        value = f"nullif({quoted}, '')" if self.types[name] == "VARCHAR" else quoted
        return f"CAST({value} AS {_DECIMAL})"

    def time(self, name: str) -> str:
        """SQL of a column as a timestamp in UTC."""
        if name not in self.types:
            return "CAST(NULL AS TIMESTAMP)"
        quoted = _quoted(name)
        if self.types[name] == "VARCHAR":
            return f"CAST(nullif({quoted}, '') AS TIMESTAMP)"
        if self.types[name].startswith("TIMESTAMP WITH"):
            return f"make_timestamp(epoch_us({quoted}))"  # a cast would need time zone tables
        return f"CAST({quoted} AS TIMESTAMP)"

    def json(self, name: str, *keys: str) -> str:
        """SQL of the first of some keys of a JSON object that has a value; else ``''``."""
        if self.types.get(name) != "VARCHAR":
            return "''"
        quoted = f"nullif({_quoted(name)}, '')"
        return (
            f"coalesce({', '.join(f'json_extract_string({quoted}, {_path(k)})' for k in keys)}, '')"
        )

    def tags(self, name: str, tags: TagKeys) -> str:
        """SQL of a subquery's column ``_tags``: a list of the values of all spellings."""
        keys = [key for spellings in tags.spellings for key in spellings]
        kind = self.types.get(name, "")
        if kind.startswith("MAP"):
            return (
                f"[{', '.join(f'map_extract_value({_quoted(name)}, {_literal(k)})' for k in keys)}]"
            )
        if kind == "VARCHAR":
            paths = ", ".join(_path(key) for key in keys)
            return f"json_extract_string(nullif({_quoted(name)}, ''), [{paths}])"
        return "CAST(NULL AS VARCHAR[])"


def tag_columns(tags: TagKeys) -> list[str]:
    """SQL of the columns that tags become, from the list ``_tags``; ``''`` if there is none."""
    found = []
    at = 1
    for name, keys in zip(tags.columns, tags.spellings, strict=True):
        values = ", ".join(f"_tags[{at + i}]" for i in range(len(keys)))
        found.append(f"coalesce({values}, '') AS \"{name}\"")
        at += len(keys)
    return found


def charges_sql(reader: Reader, source: str, tags: TagKeys) -> str:
    """Return the SQL that reads a file's rows as charges.

    Parameters
    ----------
    source
        The SQL of the file's rows, such as ``read_parquet(?)``.

    Raises
    ------
    DataError
        If a column is missing without which a row means nothing.
    """
    for name in NEEDED:
        if name not in reader.types:
            raise DataError(
                f"there is no column {name}, so these are no FOCUS rows",
                mend="export FOCUS 1.0, 1.1 or 1.2 with all mandatory columns",
                file=reader.file,
            )
    values = _values(reader)
    chosen = [f"{values[name]} AS {name}" for name, _, _ in COLUMNS]
    tagged = ", ".join([*chosen, *tag_columns(tags)])
    # What JSON holds is taken out once, and what it says of the machine is said once.
    inner = (
        f"SELECT *, {reader.tags('Tags', tags)} AS _tags, {_details(reader)} AS _d FROM {source}"
    )
    return f"SELECT {tagged} FROM (SELECT *, {_machine(reader)} AS _machine FROM ({inner}))"


def _details(reader: Reader) -> str:
    """SQL of what SkuPriceDetails says: the machine, and its operating system."""
    keys = ("InstanceType", "x_InstanceType", "OperatingSystem")
    if reader.types.get("SkuPriceDetails") != "VARCHAR":
        return "CAST(NULL AS VARCHAR[])"
    paths = ", ".join(_path(key) for key in keys)
    return f"json_extract_string(nullif(SkuPriceDetails, ''), [{paths}])"


def _machine(reader: Reader) -> str:
    """SQL of the machine type; ``''`` where the row is about none."""
    text = reader.text
    tries = ["_d[1]", "_d[2]"]
    if "x_SkuDetails" in reader.types:
        tries.append(f"nullif({reader.json('x_SkuDetails', 'InstanceType', 'ServiceType')}, '')")
    # AWS says BoxUsage:p5.48xlarge; others name the machine in SkuPriceDetails.
    pattern = "(Box|Spot|Dedicated)(?:Usage)?:([a-z0-9-]+\\.[a-z0-9-]+)"
    tries += [
        f"nullif(regexp_extract({text(name)}, '{pattern}', 2), '')"
        for name in ("x_UsageType", "SkuMeter")
        if name in reader.types
    ]
    # Our own export names the meter, such as aws/us-east-1/p5.48xlarge.
    tries.append(
        f"nullif(CASE WHEN {text('SkuMeter')} = 'instance' THEN"
        f" regexp_extract({text('SkuId')}, '^[a-z]+/[^/]+/([^/]+)$', 1) END, '')"
    )
    return f"coalesce({', '.join(tries)}, '')"


def _values(reader: Reader) -> dict[str, str]:
    text, number, time = reader.text, reader.number, reader.time
    start, end = time("ChargePeriodStart"), time("ChargePeriodEnd")
    provider = _provider(text("ProviderName" if "ProviderName" in reader.types else
                              "ServiceProviderName"))  # fmt: skip
    machine, system = "_machine", "lower(coalesce(_d[3], ''))"
    consumed, priced = text("ConsumedUnit"), text("PricingUnit")
    same = (
        f"(lower({consumed}) = lower({priced}) OR"
        f" (lower({consumed}) IN {_HOURS} AND lower({priced}) IN {_HOURS}))"
    )
    category = text("ChargeCategory")
    scoped = (
        f"({text('ServiceCategory')} IN {CATEGORIES} OR {category} NOT IN ('Usage', 'Purchase')"
        f" OR {text('CommitmentDiscountId')} <> '' OR {machine} <> '')"
    )
    billing = time("BillingPeriodStart")
    return {
        "start": f"date_trunc('hour', {start})",
        "span": f"greatest(1, coalesce(CAST(ceil(date_diff('minute', {start}, {end}) / 60.0)"
        " AS INTEGER), 1))",
        "billed_month": f"coalesce(strftime({billing}, '%Y-%m'), '')",
        "currency": text("BillingCurrency"),
        "category": category,
        "frequency": text("ChargeFrequency"),
        "pricing": text("PricingCategory"),
        "provider": provider,
        "region": text("RegionId" if "RegionId" in reader.types else "Region"),
        "zone": text("AvailabilityZone"),
        "account": f"coalesce(nullif({text('x_Account')}, ''), nullif({text('SubAccountId')}, ''),"
        f" {text('BillingAccountId')})",
        "service": text("ServiceName"),
        "scoped": scoped,
        "machine": machine,
        "platform": f"CASE WHEN {system} IN ('', 'linux', 'linux/unix', 'na') THEN ''"
        f" ELSE replace({system}, ' ', '-') END",
        # A machine names its meter; its many SKUs would only make more cells.
        "sku": f"CASE WHEN _machine <> '' THEN '' ELSE coalesce(nullif({text('SkuId')}, ''),"
        f" nullif({text('SkuPriceId')}, ''), nullif({text('ResourceType')}, ''),"
        f" {text('ServiceName')}) END",
        "unit": f"CASE WHEN {same} OR {priced} = '' THEN {consumed} ELSE {priced} END",
        "contracted": f"coalesce({number('ContractedUnitPrice')},"
        f" CAST({number('ContractedCost')} / nullif({number('PricingQuantity')}, 0)"
        f" AS {_DECIMAL}))",
        "listed": number("ListUnitPrice"),
        "held": text("CommitmentDiscountId"),
        "held_type": text("CommitmentDiscountType"),
        "held_category": text("CommitmentDiscountCategory"),
        "held_status": text("CommitmentDiscountStatus"),
        "held_unit": text("CommitmentDiscountUnit"),
        "law": text("x_Law"),
        "offer": text("x_Offer"),
        # FOCUS 1.0 has no such status; AWS's usage type tells an idle reservation.
        "reserved": f"CASE WHEN concat({text('x_UsageType')}, {text('SkuMeter')})"
        f" LIKE '%UnusedBox:%' THEN 'Unused' ELSE {text('CapacityReservationStatus')} END",
        "quantity": f"CASE WHEN {same} THEN coalesce({number('ConsumedQuantity')},"
        f" {number('PricingQuantity')}) ELSE coalesce({number('PricingQuantity')},"
        f" {number('ConsumedQuantity')}) END",
        "billed": number("BilledCost"),
        "effective": number("EffectiveCost"),
        "held_quantity": number("CommitmentDiscountQuantity"),
    }


def _provider(text: str) -> str:
    cases = " ".join(
        f"WHEN lower({text}) IN ({', '.join(_literal(word) for word in words)})"
        f" THEN {_literal(name)}"
        for name, words in PROVIDERS.items()
    )
    return f"CASE {cases} ELSE replace(lower({text}), ' ', '-') END"


def _path(key: str) -> str:
    quoted = key.replace('"', "")
    return _literal(f'$."{quoted}"')


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
