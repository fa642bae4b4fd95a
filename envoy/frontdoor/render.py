"""The whole configuration as text."""

from __future__ import annotations

import yaml

from frontdoor import clusters, limits, listeners
from frontdoor.config import Config
from frontdoor.values import EnvoyValues

__all__ = ["EnvoyValues", "bootstrap", "render"]

HEAD = "# Written by `python -m frontdoor`; change the source in envoy/, not this file.\n"

# The patterns of routes come from the contracts and from no client.
RUNTIME = {"re2.max_program_size.error_level": 2000}


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
        "layered_runtime": {"layers": [{"name": "ours", "static_layer": RUNTIME}]},
        "stats_config": {"stats_tags": grpc_tags()},
        "overload_manager": limits.overload_manager(values.descriptors),
        "static_resources": {
            "listeners": [listeners.front(values), listeners.stats(values)],
            "clusters": clusters.clusters(values),
        },
    }


def grpc_tags() -> list[Config]:
    """Return how a statistic's name gives service and method as labels; Envoy's own rules stop at the first dot."""
    service = r"ordermesh(?:\.\w+)+Service"
    return [
        {"tag_name": "grpc_service", "regex": rf"^cluster\.[^.]+\.grpc\.(({service})\.)"},
        {"tag_name": "grpc_method", "regex": rf"^cluster\.[^.]+\.grpc\.{service}\.((\w+)\.)"},
    ]
