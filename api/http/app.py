# SPDX-License-Identifier: Apache-2.0
"""The application: what it is made of, and its OpenAPI document."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

from fastapi import APIRouter, FastAPI, Request
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute
from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector
from pydantic import BaseModel
from starlette.concurrency import run_in_threadpool

from api.access import derived, service_secret
from api.deliveries import TRIES
from api.http import (
    alerts,
    backtests,
    comparisons,
    deliveries,
    health,
    keys,
    kpis,
    plans,
    problems,
    pulls,
    recommendations,
    reports,
    schedules,
    sessions,
    shapes,
    snapshots,
    what_ifs,
)
from api.http.gate import Gate
from api.http.guard import Figures, Guard
from api.http.problems import Problem, responses
from api.http.route import Route, scope_of
from api.http.solves import again
from api.settings import ServiceSettings
from api.store import Store
from api.web.pages import MODULES
from api.web.site import PAGES, Site, install
from api.web.warm import WarmUp
from api.work import JobRunner

VERSION = "1.0"
ROUTERS: tuple[APIRouter, ...] = (
    snapshots.router,
    pulls.router,
    plans.router,
    comparisons.router,
    what_ifs.router,
    what_ifs.sweeps,
    backtests.router,
    reports.router,
    alerts.router,
    deliveries.router,
    deliveries.destinations,
    schedules.router,
    recommendations.router,
    kpis.router,
    keys.router,
    sessions.router,
    health.router,
)
_ABOUT = (
    "Plans commitments for GPU and LLM work. Nothing here ever buys anything. Errors are RFC 9457 "
    "problems; money is a decimal string; within /v1 keys are added and never taken away."
)


def create_app(
    settings: ServiceSettings, store: Store, runner: JobRunner, secret: bytes | None = None
) -> FastAPI:
    """Make the application over a store that has been migrated.

    The runner is told to recover what was left when the application starts, and is closed
    when it ends; the store is the caller's.
    """
    secret = secret or service_secret(settings)

    @asynccontextmanager
    async def life(_: FastAPI) -> AsyncIterator[None]:
        await run_in_threadpool(runner.recover)  # both wait for databases and processes
        app.state.warm = WarmUp(app.state.web, store)
        if settings.warm_up:
            app.state.warm.begin()
        yield
        await run_in_threadpool(app.state.warm.end)
        await run_in_threadpool(runner.close)

    app = _with_routes(life)
    registry = CollectorRegistry()
    registry.register(_Jobs(store))
    registry.register(TRIES)
    app.state.settings, app.state.store, app.state.runner = settings, store, runner
    app.state.secret, app.state.page_secret = secret, derived(secret, "page token")
    app.state.gate = Gate(store, settings, secret)
    app.state.registry, app.state.again = registry, again
    install(app, Site(settings, secret, MODULES, app.state.gate.oidc), MODULES)
    app.add_middleware(Guard, settings=settings, figures=Figures(registry))
    return app


def bare_app() -> FastAPI:
    """Make the application without anything behind it: for its OpenAPI document."""
    return _with_routes(None)


def _with_routes(life: Callable[[FastAPI], AbstractAsyncContextManager[None]] | None) -> FastAPI:
    app = FastAPI(
        title="gpuopt",
        version=VERSION,
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        lifespan=life,
        redirect_slashes=False,
    )
    app.state.methods = _methods
    problems.install(app)
    for router in (*ROUTERS, _SELF):
        app.include_router(router)
    app.openapi = lambda: openapi(app)  # type: ignore[method-assign]
    return app


def _methods(path: str) -> list[str]:
    """Return what may be done at a path."""
    routers = (*ROUTERS, _SELF, *PAGES, *(module.router for module in MODULES))
    routes = (route for router in routers for route in router.routes)
    return sorted(
        {
            method
            for route in routes
            if isinstance(route, APIRoute) and route.path_regex.match(path)
            for method in route.methods or ()
        }
    )


_SELF = APIRouter(prefix="/v1", tags=["service"], route_class=Route)


@_SELF.get(
    "/openapi.json",
    responses=responses(),
    operation_id="openapi",
    summary="This document",
    openapi_extra=scope_of("service:read"),
)
def own_document(request: Request) -> dict[str, Any]:
    """Read the OpenAPI 3.1 document of this service."""
    return openapi(request.app)


def openapi(app: FastAPI) -> dict[str, Any]:
    """Return the OpenAPI 3.1 document."""
    if app.openapi_schema is None:
        document = get_openapi(
            title=app.title, version=app.version, description=_ABOUT, routes=app.routes
        )
        parts = document.setdefault("components", {})
        schema = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
        schemas = parts.setdefault("schemas", {})
        schemas.update(schema.pop("$defs", {}))
        schemas["Problem"] = schema
        for model in _SHOWN:  # FastAPI leaves out what is null, in examples too
            schemas[model.__name__]["examples"] = model.model_json_schema()["examples"]
        for unused in ("HTTPValidationError", "ValidationError"):
            schemas.pop(unused, None)
        parts["securitySchemes"] = {
            "key": {"type": "http", "scheme": "bearer", "description": "an API key, gpk_…"}
        }
        document["security"] = [{"key": []}]
        app.openapi_schema = document
    return app.openapi_schema


_SHOWN: tuple[type[BaseModel], ...] = (
    shapes.AuditView,
    shapes.JobView,
    shapes.KeyView,
    shapes.RecommendationView,
    shapes.SessionView,
    shapes.SnapshotView,
)


class _Jobs(Collector):
    """Jobs by status, counted when ``/metrics`` is read."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def describe(self) -> Iterable[GaugeMetricFamily]:
        """Say what there is, without counting."""
        return [GaugeMetricFamily("gpuopt_jobs", "Jobs", labels=("kind", "status"))]

    def collect(self) -> Iterable[GaugeMetricFamily]:
        """Count."""
        family = GaugeMetricFamily("gpuopt_jobs", "Jobs", labels=("kind", "status"))
        for kind, status, count in self._store.job_counts():
            family.add_metric((kind, status), count)
        return [family]
