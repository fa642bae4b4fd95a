"""The whole configuration as text."""

from __future__ import annotations

import yaml

from frontdoor import clusters, limits, listeners
from frontdoor.config import Config
from frontdoor.values import EnvoyValues

__all__ = ["EnvoyValues", "bootstrap", "render"]

HEAD = "# Written by `python -m frontdoor`; change the source in envoy/, not this file.\n"


def render(values: EnvoyValues) -> str:
    """Return the configuration that Envoy starts with, as YAML."""
    return HEAD + yaml.dump(bootstrap(values), Dumper=PlainDumper, sort_keys=False, width=10_000)


class PlainDumper(yaml.SafeDumper):
    """Writes what occurs twice twice: anchors help nobody who reads."""

    def ignore_aliases(self, data: object) -> bool:
        """Make no anchors."""
        return True


def bootstrap(values: EnvoyValues) -> Config:
    """Return the configuration."""
    return {
        "node": {"id": "front", "cluster": "ordermesh"},
        "admin": {"address": clusters.socket_address(values.admin)},
        "layered_runtime": {"layers": [{"name": "static", "static_layer": runtime_flags()}]},
        "overload_manager": limits.overload_manager(),
        "static_resources": {
            "listeners": [listeners.front(values), listeners.stats(values)],
            "clusters": clusters.clusters(values),
        },
    }


def runtime_flags() -> Config:
    """Return what is switched on: a route's timeout is DEADLINE_EXCEEDED to gRPC; UNAVAILABLE would invite retries."""
    return {"envoy.reloadable_features.grpc_timeout_returns_deadline_exceeded": True}
