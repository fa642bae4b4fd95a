"""Renders the whole configuration as YAML."""

from __future__ import annotations

import re

import yaml

from frontdoor import clusters, listeners
from frontdoor.config import Config
from frontdoor.filters import tracing
from frontdoor.policies import limits
from frontdoor.values import EnvoyValues
from runtime.telemetry.log_fields import ECS_VERSION

__all__ = ["EnvoyValues", "bootstrap", "render"]

HEAD = "# Written by `python -m frontdoor`; change the source in envoy/, not this file.\n"

# The patterns of routes come from the contracts, not from clients, so they may be larger than Envoy's default limit.
PRIVATE = 0o700
RUNTIME = {"re2.max_program_size.error_level": 2000}


def render(values: EnvoyValues) -> str:
    """Return Envoy's bootstrap configuration as YAML."""
    return HEAD + yaml.dump(bootstrap(values), Dumper=PlainDumper, sort_keys=False, width=10_000)


class PlainDumper(yaml.SafeDumper):
    """Writes repeated values in full instead of YAML anchors."""

    def ignore_aliases(self, data: object) -> bool:
        """Disable anchors."""
        return True


# Envoy reads these as booleans, and Python's YAML does not quote them.
PlainDumper.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile("[yYnN]$"), list("yYnN"))


def bootstrap(values: EnvoyValues) -> Config:
    """Return Envoy's bootstrap configuration."""
    return {
        "node": {"id": "front", "cluster": "ordermesh"},
        "admin": admin(values),
        "application_log_config": application_log(),
        "layered_runtime": {
            "layers": [{"name": "ours", "static_layer": RUNTIME | limits.runtime_values() | tracing.runtime_values()}]
        },
        "memory_allocator_manager": limits.memory_release(),
        "overload_manager": limits.overload_manager(values.descriptors),
        "static_resources": {
            "listeners": [listeners.front(values), listeners.stats(values)],
            "clusters": clusters.clusters(values),
        },
    }


def runtime_values() -> Config:
    """Return Envoy's runtime values."""
    return RUNTIME | limits.runtime_values() | tracing.runtime_values()


def application_log() -> Config:
    """Return the form of Envoy's own log lines, with the fields of the schema; its process runs in UTC."""
    fields = {
        "@timestamp": "%Y-%m-%dT%H:%M:%S.%eZ",
        "log.level": "%l",
        "message": "%j",
        "service.name": "envoy",
        "log.logger": "%n",
        "ecs.version": ECS_VERSION,
    }
    return {"log_format": {"json_format": fields}}


def admin(values: EnvoyValues) -> Config:
    """Return the admin interface, which accepts commands from whoever reaches it.

    It is a Unix socket of Envoy's account, or on loopback in a network of its own.
    """
    if not values.admin.is_socket:
        return {"address": clusters.socket_address(values.admin)}
    return {"address": {"pipe": {"path": values.admin.host, "mode": PRIVATE}}}
