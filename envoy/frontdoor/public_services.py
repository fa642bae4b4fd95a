"""The services, methods and REST bindings that the front proxy exposes, read from the descriptor set."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib import resources

from google.api import annotations_pb2, http_pb2
from google.api import field_behavior_pb2 as field_behavior_pb2  # so that the bytes do not depend on other imports
from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    FieldDescriptorProto,
    FileDescriptorSet,
    ServiceDescriptorProto,
)
from ordermesh.options.v1 import options_pb2
from ordermesh.options.v1.options_pb2 import Access

ORDERS = "ordermesh.orders.v1.OrderService"
INVENTORY = "ordermesh.orders.v1.InventoryService"
ANALYTICS = "ordermesh.analytics.v1.AnalyticsService"
PIPELINE = "ordermesh.gateway.v1.PipelineService"
WATCH = "ordermesh.gateway.v1.WatchService"
DEAD_LETTERS = "ordermesh.gateway.v1.DeadLetterService"
TIMELINE = "ordermesh.gateway.v1.OrderTimelineService"
# The methods that the orders processes also serve on the fast lane, if it is enabled.
LANE_METHODS = ("CreateOrder", "BatchCreateOrders", "GetOrder", "ListOrders")
# The method that a flood of orders calls.
CREATE_ORDER = f"/{ORDERS}/CreateOrder"
VARIABLE = re.compile(r"\{(\w+)\}")
PUBLIC_SERVICES = (ORDERS, INVENTORY, ANALYTICS, PIPELINE, WATCH, DEAD_LETTERS, TIMELINE)


@dataclass(frozen=True)
class Binding:
    """One REST binding of a method."""

    method: str
    verb: str
    template: str
    body: str
    fields: Sequence[FieldDescriptorProto]

    @property
    def in_path(self) -> list[str]:
        """Return the names of the fields in the path."""
        return VARIABLE.findall(self.template)


@functools.cache
def descriptor_set() -> bytes:
    """Return the descriptor set of the public contracts."""
    return resources.files("ordermesh").joinpath("descriptor.binpb").read_bytes()


@functools.cache
def contracts() -> FileDescriptorSet:
    """Return the public contracts; not to be changed."""
    return FileDescriptorSet.FromString(descriptor_set())


def rules(rule: http_pb2.HttpRule) -> Iterator[http_pb2.HttpRule]:
    """Yield an HTTP rule and its additional bindings; nothing for a method without a REST binding."""
    if rule.WhichOneof("pattern"):
        yield rule
    for further in rule.additional_bindings:
        yield from rules(further)


def bindings() -> list[Binding]:
    """Return every REST binding of the public services."""
    found = []
    for name in PUBLIC_SERVICES:
        for method in service(name).method:
            fields = message(contracts(), method.input_type).field
            for rule in rules(method.options.Extensions[annotations_pb2.http]):
                verb = str(rule.WhichOneof("pattern"))
                found.append(Binding(f"/{name}/{method.name}", verb.upper(), getattr(rule, verb), rule.body, fields))
    return found


def message(image: FileDescriptorSet, type_name: str) -> DescriptorProto:
    """Return a top-level message by its full name with a leading dot. Raises KeyError when there is none."""
    package, _, name = type_name.removeprefix(".").rpartition(".")
    for file in image.file:
        for found in file.message_type:
            if file.package == package and found.name == name:
                return found
    raise KeyError(type_name)


def public_methods() -> dict[str, list[str]]:
    """Return the method names of each public service."""
    return {name: [method.name for method in service(name).method] for name in PUBLIC_SERVICES}


def methods_of_roles() -> dict[str, list[str]]:
    """Return the paths of the methods that each role may call, by the name of the role in lower case."""
    found: dict[str, list[str]] = {}
    for name in PUBLIC_SERVICES:
        for method in service(name).method:
            access: Access = method.options.Extensions[options_pb2.access]  # type: ignore[index]  # as in its stub
            for role in access.roles:
                found.setdefault(Access.Role.Name(role).lower(), []).append(f"/{name}/{method.name}")
    return found


def service(full_name: str) -> ServiceDescriptorProto:
    """Return a service of the contracts. Raises KeyError when there is none of that name."""
    package, _, name = full_name.rpartition(".")
    for file in contracts().file:
        for found in file.service:
            if file.package == package and found.name == name:
                return found
    raise KeyError(full_name)
