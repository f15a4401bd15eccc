# SPDX-License-Identifier: Apache-2.0
"""Sessions: one account or several through assumed roles, clients by service and region."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import boto3
import botocore.session
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from connectors.aws.ask import Patience, attempt, judge
from connectors.pulled import Asked, Outcome, Report
from optimizer.errors import UsageError

# Services with one endpoint for all regions, or with few: they are asked here.
HOME = "us-east-1"
TERM_MATCH = "TERM_MATCH"


@dataclass(frozen=True)
class Options:
    """The settings of the source, in its own words; see ``docs/connectors.md``."""

    export: str = ""
    parallel: int = 8
    patience: Patience = field(default_factory=Patience)
    timeout: float = 60.0
    types: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    block_days: tuple[int, ...] = (1, 7, 14)
    block_counts: tuple[int, ...] = (1, 16)
    spot_days: int = 7
    external_id: str = ""

    @classmethod
    def of(cls, settings: Mapping[str, str]) -> Options:
        """Read the settings.

        Raises
        ------
        UsageError
            If one is unknown, or no value of its kind.
        """
        known = {"export", "parallel", "attempts", "wait", "timeout", "types", "tags",
                 "block_days", "block_counts", "spot_days", "external_id"}  # fmt: skip
        for name in settings:
            if name not in known:
                msg = f"the source aws has no setting '{name}'"
                raise UsageError(f"{msg}. To mend it: use one of {', '.join(sorted(known))}")
        try:
            return cls(
                export=settings.get("export", ""),
                parallel=max(1, int(settings.get("parallel", 8))),
                patience=Patience(
                    int(settings.get("attempts", 8)), float(settings.get("wait", 0.5))
                ),
                timeout=float(settings.get("timeout", 60)),
                types=_words(settings.get("types", "")),
                tags=_words(settings.get("tags", "")),
                block_days=tuple(map(int, _words(settings.get("block_days", "1;7;14")))),
                block_counts=tuple(map(int, _words(settings.get("block_counts", "1;16")))),
                spot_days=int(settings.get("spot_days", 7)),
                external_id=settings.get("external_id", ""),
            )
        except ValueError as error:
            msg = f"a setting of the source aws is no number: {error}"
            raise UsageError(f"{msg}. To mend it: correct it") from error


@dataclass(frozen=True)
class Account:
    """An account that is asked: its id, and the session that speaks for it."""

    id: str
    session: boto3.Session


@dataclass
class Cloud:
    """The accounts of a pull, and their clients.

    Clients are made by the thread that builds the questions: making them is not safe in
    several threads, using them is.
    """

    accounts: list[Account]
    options: Options
    _clients: dict[tuple[str, str, str], Any] = field(default_factory=dict)

    @property
    def home(self) -> Account:
        """The account of the credentials themselves: organization, exports, prices."""
        return self.accounts[0]

    def client(self, service: str, region: str = HOME, account: Account | None = None) -> Any:
        """A client of a service in a region, for one account (default: the first)."""
        owner = account or self.home
        key = (owner.id, service, region)
        if key not in self._clients:
            self._clients[key] = owner.session.client(
                service, region_name=region, config=config(self.options)
            )
        return self._clients[key]

    def public(self, service: str) -> Any:
        """A client that signs nothing, for public objects."""
        settings = config(self.options).merge(Config(signature_version=UNSIGNED))
        return self.home.session.client(service, region_name=HOME, config=settings)


def config(options: Options) -> Config:
    """Timeouts, as many connections as questions, and no retries of botocore's own."""
    return Config(
        connect_timeout=min(10.0, options.timeout),
        read_timeout=options.timeout,
        retries={"total_max_attempts": 1, "mode": "standard"},
        max_pool_connections=max(10, options.parallel),
        user_agent_extra="gpuopt",
    )


def open_cloud(roles: tuple[str, ...], options: Options, report: Report) -> Cloud:
    """Open a session of the default credentials, and one for each role.

    A role that cannot be assumed is reported, and the other accounts are asked.

    Raises
    ------
    UsageError
        If there are no credentials that AWS accepts.
    """
    base = boto3.Session(botocore_session=_session())
    sts = base.client("sts", region_name=HOME, config=config(options))
    try:
        identity = attempt(sts.get_caller_identity, options.patience)
    except (BotoCoreError, ClientError) as error:
        _, detail = judge(error, "sts:GetCallerIdentity")
        msg = f"AWS does not accept the credentials, or there are none ({detail})"
        raise UsageError(
            f"{msg}. To mend it: log in, or set AWS_PROFILE; see docs/connectors.md"
        ) from error
    accounts = [Account(identity["Account"], base)]
    for role in roles:
        given = {"RoleArn": role, "RoleSessionName": "gpuopt"}
        if options.external_id:
            given["ExternalId"] = options.external_id
        try:
            answer = attempt(lambda: sts.assume_role(**given), options.patience)  # noqa: B023
        except (BotoCoreError, ClientError) as error:
            outcome, detail = judge(error, "sts:AssumeRole")
            report.asked.append(Asked("sts", "assume_role", role, outcome, detail=detail))
            continue
        report.asked.append(Asked("sts", "assume_role", role, Outcome.ANSWERED, 1))
        keys = answer["Credentials"]
        session = boto3.Session(
            aws_access_key_id=keys["AccessKeyId"],
            aws_secret_access_key=keys["SecretAccessKey"],
            aws_session_token=keys["SessionToken"],
            botocore_session=_session(),
        )
        account = role.split(":")[4]
        if account not in {known.id for known in accounts}:
            accounts.append(Account(account, session))
    return Cloud(accounts, options)


_LOADERS: list[Any] = []


def _session() -> botocore.session.Session:
    """Return a session; all of a process read the large service models only once."""
    found = botocore.session.Session()
    if _LOADERS:
        found.register_component("data_loader", _LOADERS[0])
    else:
        _LOADERS.append(found.get_component("data_loader"))
    return found


def _words(text: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in text.replace(",", ";").split(";") if word.strip())
