# SPDX-License-Identifier: Apache-2.0
"""Routes as the configuration of a LiteLLM proxy or router.

A request class is a ``model_name``: who asks for ``chat`` is sent to one of its deployments at
random, by ``weight`` (the routing strategy ``simple-shuffle``). Addresses and keys are read
from the environment, as LiteLLM does with ``os.environ/NAME``.
"""

from __future__ import annotations

from typing import Any

from optimizer.reporting.exports.routed import (
    Backend,
    Document,
    backends,
    environment,
    heading,
    yaml,
)

# LiteLLM's names of providers; any other is called as it is here.
PROVIDERS = {"aws": "bedrock", "gcp": "vertex_ai", "google": "gemini"}


def litellm(document: Document, hour: str | None = None) -> str:
    """Return ``config.yaml``.

    Raises
    ------
    DataError
        As of :func:`~optimizer.reporting.exports.routed.backends`.
    """
    models: list[dict[str, Any]] = [
        {
            "model_name": workload,
            "litellm_params": _params(backend),
            "model_info": {"id": f"{workload}/{backend.deployment}"},
        }
        for workload, found in backends(document, hour).items()
        for backend in found
    ]
    config = {"model_list": models, "router_settings": {"routing_strategy": "simple-shuffle"}}
    return heading(document, hour) + yaml(config)


def _params(backend: Backend) -> dict[str, Any]:
    own = {
        "api_base": f"os.environ/{environment(backend.deployment, 'API_BASE')}",
        "api_key": f"os.environ/{environment(backend.deployment, 'API_KEY')}",
    }
    if backend.kind == "replica":
        params: dict[str, Any] = {"model": f"hosted_vllm/{backend.model}", **own}
    else:
        provider = PROVIDERS.get(backend.provider, backend.provider)
        model = backend.model.removeprefix(f"{provider}/")
        params = {"model": f"{provider}/{model}"}
        if backend.kind == "throughput":
            params |= own  # provisioned units have an endpoint of their own
    return {**params, "weight": backend.weight}
