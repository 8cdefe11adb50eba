"""One Envoy worker with four doors: no callout, ext_authz, rate limit, both.

The configuration is the one that `gatewright up` renders; a door only leaves filters out. The
upstream is a listener of the same Envoy that answers at once, so all doors pay the same for it.
"""

import copy
from collections.abc import Mapping
from typing import Any

from gatewright.envoy import render
from gatewright.envoy.gateway import FailureModes, Gateway, Upstream

AUTHZ = "envoy.filters.http.ext_authz"
LIMIT = "envoy.filters.http.ratelimit"
DOORS: dict[str, frozenset[str]] = {
    "no callout": frozenset({AUTHZ, LIMIT}),
    "ext_authz": frozenset({LIMIT}),
    "rate limit": frozenset({AUTHZ}),
    "both": frozenset(),
}
"""The name of each door, and the filters that are left out behind it."""
BODY = "ok"


def bootstrap(ports: Mapping[str, int], upstream: int, callout: int) -> dict[str, Any]:
    """A whole static configuration: `ports` has one for each of DOORS."""
    rendered = render.static(
        Gateway(
            host="127.0.0.1",
            port=0,
            callout=f"127.0.0.1:{callout}",
            upstream=Upstream("127.0.0.1", upstream, tls=False),
            failure=FailureModes(auth_allows=False, limits_allow=False),
        )
    )
    resources = rendered["staticResources"]
    [gateway] = resources["listeners"]
    resources["listeners"] = [
        _door(gateway, name, ports[name], without) for name, without in DOORS.items()
    ]
    resources["listeners"].append(_upstream(upstream))
    return rendered


def _door(
    gateway: Mapping[str, Any], name: str, port: int, without: frozenset[str]
) -> dict[str, Any]:
    listener = copy.deepcopy(dict(gateway))
    listener["name"] = name
    listener["address"] = _address(port)
    manager = _manager(listener)
    filters = manager["httpFilters"]
    filters[:] = [each for each in filters if each["name"] not in without]
    return listener


def _manager(listener: Mapping[str, Any]) -> dict[str, Any]:
    [chain] = listener["filterChains"]
    config: dict[str, Any] = chain["filters"][0]["typedConfig"]
    return config


def _upstream(port: int) -> dict[str, Any]:
    answer = {"status": 200, "body": {"inlineString": BODY}}
    manager = {
        "@type": "type.googleapis.com/envoy.extensions.filters.network."
        "http_connection_manager.v3.HttpConnectionManager",
        "statPrefix": "upstream",
        "routeConfig": {
            "virtualHosts": [
                {
                    "name": "all",
                    "domains": ["*"],
                    "routes": [{"match": {"prefix": "/"}, "directResponse": answer}],
                }
            ]
        },
        "httpFilters": [
            {
                "name": "envoy.filters.http.router",
                "typedConfig": {
                    "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"
                },
            }
        ],
    }
    return {
        "name": "upstream",
        "address": _address(port),
        "filterChains": [
            {
                "filters": [
                    {
                        "name": "envoy.filters.network.http_connection_manager",
                        "typedConfig": manager,
                    }
                ]
            }
        ],
    }


def _address(port: int) -> dict[str, Any]:
    return {"socketAddress": {"address": "127.0.0.1", "portValue": port}}
