# SPDX-License-Identifier: Apache-2.0
"""Requests that Schemathesis makes up from the OpenAPI document: no 5xx, no answer against it.

The run is short here; ``make bench`` sets GPUOPT_EXAMPLES higher.
"""

from __future__ import annotations

import os
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis.checks import (
    not_a_server_error,
)
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
)

from api.access import Role
from api.http.app import bare_app, openapi
from api.store import SERVICE

from .conftest import Lab
from .test_access import IDS, ROUTES, objects

EXAMPLES = int(os.environ.get("GPUOPT_EXAMPLES", "3"))
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
    response_headers_conformance,
    negative_data_rejection,
    unsupported_method,
]
HOW = settings(
    max_examples=EXAMPLES,
    deadline=None,
    database=None,
    derandomize=EXAMPLES < 100,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)


@pytest.fixture(scope="session")
def playground(service: Any) -> Lab:
    """A tenant with one object of each kind, for requests that know the ids of it."""
    lab = service.lab()
    lab.put_forward()
    lab.reported()
    lab.store.jobs.add("comparison", {}, SERVICE)
    lab.key_of(Role.viewer)  # the newest key is the one that is rotated and revoked
    return lab


@pytest.fixture(scope="session")
def documented(playground: Lab) -> Any:
    async def running(scope: Any, receive: Any, send: Any) -> None:
        """The application, which is started and ended by the fixture ``service`` alone."""
        if scope["type"] != "lifespan":
            await playground.service.app(scope, receive, send)
            return
        for word in ("startup", "shutdown"):
            await receive()
            await send({"type": f"lifespan.{word}.complete"})

    # That strangers are refused is tested in test_access: here every request has a key.
    document = {k: v for k, v in openapi(bare_app()).items() if k != "security"}
    schema = schemathesis.openapi.from_dict(document)
    schema.app = running
    return schema


@pytest.fixture(scope="session")
def known(playground: Lab) -> dict[str, str]:
    return objects(playground)


@pytest.mark.parametrize(("method", "path", "scope"), ROUTES, ids=IDS)
def test_whatever_is_sent_is_answered_as_documented(
    documented: Any, playground: Lab, known: dict[str, str], method: str, path: str, scope: str
) -> None:
    operation = documented[path][method]
    kind = path.split("/")[2] if path.count("/") > 1 else ""
    headers = {"Authorization": f"Bearer {playground.key}"}
    count = 0
    positive = True

    def send(case: Any) -> None:
        nonlocal count
        count += 1
        for name in case.path_parameters or {}:
            if positive and count % 2:  # every second request is about what there is
                case.path_parameters[name] = known[kind if name == "job" else name]
        case.call_and_validate(checks=CHECKS, headers=headers)

    for mode in schemathesis.GenerationMode:
        positive = mode == schemathesis.GenerationMode.POSITIVE
        try:
            HOW(given(case=operation.as_strategy(generation_mode=mode))(send))()
        except Unsatisfiable:  # nothing about a request without parameters can be wrong
            assert not positive
