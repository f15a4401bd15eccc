# SPDX-License-Identifier: Apache-2.0
"""The settings of the service: environment variables that begin with ``GPUOPT_``.

Each field is documented in docs/service.md; a test holds the two together. A case has
settings of its own, in its ``case.toml``.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

MIB = 1 << 20


class ServiceSettings(BaseSettings):
    """What ``gpuopt serve`` is told by its environment."""

    model_config = SettingsConfigDict(env_prefix="GPUOPT_", extra="ignore", frozen=True)

    data_dir: Path = Field(
        default=Path("gpuopt-data"),
        description="folder of the snapshots, the secret and SQLite's file",
    )
    database_url: SecretStr | None = Field(
        default=None,
        description="SQLAlchemy URL such as postgresql+psycopg://…; default: SQLite in data_dir",
    )
    secret: SecretStr | None = Field(
        default=None,
        min_length=32,
        description="keys the hashes of API keys and signs page tokens; default: a file in "
        "data_dir that is made once; servers that share a database need the same one",
    )
    host: str = Field(default="127.0.0.1", description="address to listen on")
    port: int = Field(
        default=8642, ge=0, le=65535, description="port to listen on; 0: any free one"
    )
    public_url: str | None = Field(
        default=None,
        pattern=r"^https?://[^/\s]+$",
        description="where browsers reach the service, as https://gpuopt.example.com; needed "
        "behind a proxy",
    )
    session_hours: int = Field(
        default=12, ge=1, le=720, description="hours after which the pages ask to sign in again"
    )
    stale_hours: int = Field(
        default=192,
        ge=1,
        description="age of a snapshot from which the pages grey what was planned of it",
    )
    warm_up: bool = Field(
        default=True,
        description="whether a start makes ahead, in the background, what the first visitor of "
        "the pages would wait for",
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="the least that is logged"
    )
    workers: int = Field(default=2, ge=1, le=256, description="solves that run at once")
    tenant_workers: int = Field(
        default=2,
        ge=1,
        le=256,
        description="solves of one tenant that run at once, over all servers",
    )
    solve_seconds: int = Field(
        default=1800,
        ge=1,
        description="longest time of one job; then its best plan so far is its answer",
    )
    worker_memory_bytes: int = Field(
        default=0, ge=0, description="address space of a worker process; 0: not limited"
    )
    worker_nice: int = Field(
        default=19,
        ge=0,
        le=19,
        description="how far worker processes give way to all others: 0 not at all, 19 to all",
    )
    worker_name: str = Field(
        default="",
        max_length=100,
        pattern=r"^[A-Za-z0-9._-]*$",
        description="name of this server among those that share a database; default: made up, "
        "with SQLite local",
    )
    max_body_bytes: int = Field(default=MIB, ge=1024, description="largest JSON body")
    max_upload_bytes: int = Field(
        default=256 * MIB, ge=1024, description="largest upload, compressed"
    )
    max_snapshot_bytes: int = Field(
        default=2048 * MIB, ge=1024, description="largest snapshot once it is unpacked"
    )
    max_rows: int = Field(
        default=100_000_000, ge=1, description="most rows of a Parquet table that is uploaded"
    )
    max_queued: int = Field(
        default=64,
        ge=1,
        description="jobs of a tenant that may wait or run; more are refused with 429",
    )
    requests_per_minute: int = Field(
        default=1200,
        ge=1,
        description="requests of one key, or of one stranger's address, in a minute",
    )
    max_wait_seconds: int = Field(
        default=60, ge=0, le=600, description="longest wait that Prefer: wait is granted"
    )
    key_days: int = Field(
        default=365,
        ge=1,
        le=3650,
        description="days that a new key is valid if its maker states none",
    )
    rotation_hours: int = Field(
        default=24, ge=0, le=720, description="hours that the old key stays valid after a rotation"
    )
    advice_days: int = Field(
        default=30,
        ge=1,
        le=365,
        description="days that a recommendation waits to be decided, and then to be seen",
    )
    realised_hours: int = Field(
        default=720,
        ge=1,
        description="hours of usage after a purchase before its saving is measured",
    )
    sources: Path | None = Field(
        default=None,
        description="TOML file of the sources that tenants may pull from; default: none",
    )
    destinations: Path | None = Field(
        default=None,
        description="TOML file of the destinations that tenants may have reports delivered to; "
        "default: none",
    )
    delivery_tries: int = Field(
        default=8, ge=1, le=50, description="tries of a delivery before it has failed"
    )
    delivery_pause_seconds: float = Field(
        default=30,
        ge=0,
        le=3600,
        description="wait after the first try that failed; four times as long after each other "
        "one, four hours at most",
    )
    oidc_issuer: str | None = Field(
        default=None,
        description="issuer of the tokens that are accepted beside API keys (extra oidc)",
    )
    oidc_audience: str | None = Field(
        default=None,
        description="audience that those tokens are made out for; needed with the issuer",
    )
    oidc_jwks_url: str | None = Field(
        default=None, description="where the issuer's keys are; default: asked of the issuer"
    )
    oidc_tenant_claim: str = Field(
        default="gpuopt_tenant", description="claim that names the tenant"
    )
    oidc_role_claim: str = Field(default="gpuopt_role", description="claim that names the role")
    oidc_client_id: str | None = Field(
        default=None,
        description="client that the pages sign people in as, with the issuer; default: the "
        "pages take API keys only",
    )
    oidc_client_secret: SecretStr | None = Field(
        default=None, description="secret of that client, if it has one"
    )
    oidc_scope: str = Field(
        default="openid profile", description="what the pages ask the issuer for"
    )
    oidc_algorithms: Annotated[tuple[str, ...], NoDecode] = Field(
        default=("RS256", "ES256"), description="signatures that are accepted; commas between them"
    )

    @field_validator("oidc_algorithms", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return tuple(part.strip() for part in value.split(",")) if isinstance(value, str) else value

    @property
    def url(self) -> str:
        """The database's URL."""
        if self.database_url is not None:
            return self.database_url.get_secret_value()
        return f"sqlite:///{(self.data_dir / 'gpuopt.sqlite').absolute()}"
