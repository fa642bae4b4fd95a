"""JSON names of request fields in errors for REST clients: `customerId` for `customer_id`."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Iterator
from importlib import resources

from google.protobuf.descriptor_pb2 import DescriptorProto, FileDescriptorSet

# Envoy sets it when it transcodes a REST request, and removes it from requests of clients.
ORIGINAL_PATH = "x-envoy-original-path"
# Quoted text came from a client and is kept unchanged.
NAME = re.compile(r'"(?:[^"\\]|\\.)*"|\b[a-z][a-z0-9]*(?:_[a-z0-9]+)+\b')


def over_rest(metadata: Iterable[tuple[str, str | bytes]] | None) -> bool:
    """Return whether a call was transcoded from a REST request."""
    return any(key == ORIGINAL_PATH for key, _ in metadata or ())


def in_json(text: str) -> str:
    """Return the text with field names replaced by their JSON names."""
    names = json_names()
    return NAME.sub(lambda found: names.get(found[0], found[0]), text)


@functools.cache
def json_names() -> dict[str, str]:
    """Return the JSON name of every request field whose two names differ."""
    image = FileDescriptorSet.FromString(resources.files("ordermesh").joinpath("descriptor.binpb").read_bytes())
    messages = {f".{file.package}.{message.name}": message for file in image.file for message in file.message_type}
    asked = {method.input_type for file in image.file for service in file.service for method in service.method}
    return {name: json_name for message in reached(messages, asked) for name, json_name in both_names(message)}


def reached(messages: dict[str, DescriptorProto], types: Iterable[str]) -> Iterator[DescriptorProto]:
    """Yield the messages of these types and of their fields, recursively, each once."""
    seen: set[str] = set()
    waiting = list(types)
    while waiting:
        name = waiting.pop()
        if name in messages and name not in seen:
            seen.add(name)
            yield messages[name]
            waiting += [field.type_name for field in messages[name].field]


def both_names(message: DescriptorProto) -> Iterator[tuple[str, str]]:
    """Yield name and JSON name of fields whose names differ."""
    for field in message.field:
        if field.name != field.json_name:
            yield field.name, field.json_name
