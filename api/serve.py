# SPDX-License-Identifier: Apache-2.0
"""``gpuopt serve`` and ``gpuopt tenant``: the service's own commands."""

from __future__ import annotations

import ipaddress
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from optimizer.errors import GpuoptError, UsageError

if TYPE_CHECKING:
    from api.settings import ServiceSettings
    from api.store import Store
    from api.work import JobRunner

HostOption = Annotated[
    str | None, typer.Option("--host", help="address to listen on; default 127.0.0.1")
]
PortOption = Annotated[
    int | None, typer.Option("--port", min=0, max=65535, help="port; 0: any free one")
]
DataOption = Annotated[
    Path | None, typer.Option("--data-dir", metavar="DIR", help="where everything is kept")
]


def serve(host: HostOption = None, port: PortOption = None, data_dir: DataOption = None) -> None:
    """Serve the HTTP API; the first start prints an admin key, once.

    Everything else is set by environment variables GPUOPT_…: docs/service.md.
    """
    _told(lambda: _serve(read_settings(host=host, port=port, data_dir=data_dir)))


def tenant(
    name: Annotated[str, typer.Argument(metavar="NAME", help="the organization's name")],
    data_dir: DataOption = None,
) -> None:
    """Add a tenant to the service and print its first admin key, once."""
    _told(lambda: _tenant(read_settings(data_dir=data_dir), name))


def openapi() -> None:
    """Print the OpenAPI 3.1 document of the HTTP API."""
    _told(_openapi)


def read_settings(**given: Any) -> ServiceSettings:
    """Return the settings of the environment, with what the command line states.

    Raises
    ------
    UsageError
        If a variable is refused; its value is not repeated, for it may be a secret.
    """
    from pydantic import ValidationError

    from api.settings import ServiceSettings

    try:
        return ServiceSettings(**{k: v for k, v in given.items() if v is not None})
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        name = "_".join(str(part) for part in first["loc"]).upper()
        msg = f"GPUOPT_{name}: {first['msg']}"
        raise UsageError(f"{msg}. To mend it: see docs/service.md") from None


def open_store(settings: ServiceSettings) -> Store:
    """Open the store and bring its tables to this version.

    Raises
    ------
    UsageError
        If the database cannot be reached.
    """
    from sqlalchemy.exc import ArgumentError, SQLAlchemyError

    from api.store import Store

    try:
        store = Store(settings.url, settings.data_dir)
        store.migrate()
    except (SQLAlchemyError, ArgumentError, ImportError, OSError) as error:
        msg = f"the database cannot be used ({type(error).__name__})"
        mend = "check GPUOPT_DATABASE_URL and GPUOPT_DATA_DIR; for PostgreSQL install "
        raise UsageError(f"{msg}. To mend it: {mend}'gpuopt[postgres]'") from error
    return store


def make_runner(store: Store, settings: ServiceSettings) -> JobRunner:
    """Return what runs the jobs of this server."""
    from api.jobs import Jobs

    return Jobs(store, settings)


def _serve(settings: ServiceSettings) -> None:
    import gc

    import uvicorn

    from api.access import first_key, service_secret
    from api.http.app import create_app
    from api.logs import configure

    configure(settings.log_level)
    secret = service_secret(settings)
    store = open_store(settings)
    try:
        listening = _listen(settings)
        key = first_key(store, settings, secret)
        if key is not None:
            sys.stdout.write(f"The first admin key, shown only now: {key}\n")
            sys.stdout.flush()
        if not _loopback(settings.host):
            sys.stderr.write(
                "gpuopt: this address is not of this machine alone; keys are sent in the clear "
                "unless a proxy in front of it speaks TLS\n"
            )
        port = listening.getsockname()[1]
        sys.stderr.write(f"gpuopt: serving http://{settings.host}:{port}\n")
        app = create_app(settings, store, make_runner(store, settings), secret)
        config = uvicorn.Config(
            app,
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_graceful_shutdown=10,
        )
        gc.collect()
        gc.freeze()  # modules stay: to look through them again holds every answer up
        uvicorn.Server(config).run(sockets=[listening])
    finally:
        store.close()


def _listen(settings: ServiceSettings) -> socket.socket:
    try:
        family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
        return socket.create_server((settings.host, settings.port), family=family, backlog=512)
    except OSError as error:
        msg = f"cannot listen on {settings.host}:{settings.port} ({error.strerror})"
        raise UsageError(f"{msg}. To mend it: choose another with --host or --port") from error


def _loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _tenant(settings: ServiceSettings, name: str) -> None:
    from api.access import add_tenant, service_secret

    if not name.strip() or len(name) > 200:
        raise UsageError("a tenant's name has 1 to 200 characters. To mend it: choose another")
    secret = service_secret(settings)
    store = open_store(settings)
    try:
        sys.stdout.write(f"{add_tenant(store, settings, secret, name.strip())}\n")
    finally:
        store.close()


def _openapi() -> None:
    import json

    from api.http.app import bare_app, openapi

    sys.stdout.write(json.dumps(openapi(bare_app()), indent=1, ensure_ascii=False) + "\n")


def _told(work: Callable[[], None]) -> None:
    try:
        work()
    except GpuoptError as error:
        sys.stderr.write(f"gpuopt: {error}\n")
        raise typer.Exit(error.exit_code) from None
