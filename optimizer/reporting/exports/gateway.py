# SPDX-License-Identifier: Apache-2.0
"""Routes as weighted routes of a Kubernetes gateway (Gateway API v1, ``HTTPRoute``).

One route per request class, taken by the header ``x-gpuopt-class``. The backend of a deployment
is the Service of its name in small letters, digits and hyphens: of an API or of provisioned
throughput, a Service that leads out of the cluster.
"""

from __future__ import annotations

from typing import Any

from optimizer.errors import DataError
from optimizer.reporting.exports.routed import Document, backends, heading, labels, yaml

HEADER = "x-gpuopt-class"
MOST_BACKENDS = 16  # of a rule: HTTPRouteRule.backendRefs, maxItems


def gateway(
    document: Document, hour: str | None = None, parent: str = "inference", port: int = 8000
) -> str:
    """Return one ``HTTPRoute`` per class, as YAML documents.

    Parameters
    ----------
    parent
        The name of the Gateway.
    port
        The port of the Services.

    Raises
    ------
    DataError
        As of :func:`~optimizer.reporting.exports.routed.backends`; or if a class has more
        backends than a rule may have, or two deployments would be one Service.
    """
    routes = backends(document, hour)
    deployments = sorted({each.deployment for found in routes.values() for each in found})
    services, names = labels(deployments), labels(list(routes))
    documents = []
    for workload, found in routes.items():
        if len(found) > MOST_BACKENDS:
            raise DataError(
                f"class '{workload}' is answered by {len(found)} deployments; an HTTPRoute "
                f"takes {MOST_BACKENDS}",
                mend="export a single hour, which uses fewer, or leave deployments out of the case",
            )
        route: dict[str, Any] = {
            "apiVersion": "gateway.networking.k8s.io/v1",
            "kind": "HTTPRoute",
            "metadata": {"name": names[workload]},
            "spec": {
                "parentRefs": [{"name": parent}],
                "rules": [
                    {
                        "matches": [
                            {"headers": [{"type": "Exact", "name": HEADER, "value": workload}]}
                        ],
                        "backendRefs": [
                            {
                                "name": services[each.deployment],
                                "port": port,
                                "weight": each.weight,
                            }
                            for each in found
                        ],
                    }
                ],
            },
        }
        documents.append(yaml(route))
    return heading(document, hour) + "---\n".join(documents)
