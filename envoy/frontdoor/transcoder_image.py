"""The contracts as Envoy's transcoder reads them: with JSON's names, with HEAD, and with a path that wins."""

from __future__ import annotations

import base64
import functools

from google.api import annotations_pb2, http_pb2
from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    FieldDescriptorProto,
    FileDescriptorSet,
    MethodDescriptorProto,
)

from frontdoor import contracts

LAST_FIELD_NUMBER = 2**29 - 1


@functools.cache
def encoded() -> str:
    """Return the descriptor set as configuration text.

    The transcoder reads a field under both of its names and names it by the first in its errors, where a REST client
    expects `customerId`.
    """
    image = FileDescriptorSet.FromString(contracts.descriptor_set())
    for file in image.file:
        for message in file.message_type:
            if not file.package.startswith("google.protobuf"):
                exchange_names(message)
    for file in image.file:
        for service in file.service:
            for method in service.method:
                change_rules(method, contracts.message(image, method.input_type))
    return base64.b64encode(image.SerializeToString()).decode()


def exchange_names(message: DescriptorProto) -> None:
    """Exchange the names of the fields with their JSON names."""
    for field in message.field:
        field.name, field.json_name = field.json_name, field.name
    for nested in message.nested_type:
        exchange_names(nested)


def change_rules(method: MethodDescriptorProto, request: DescriptorProto) -> None:
    """Name the fields in the paths of a method anew, give it HEAD where it has GET, and keep its path's fields."""
    names = {field.json_name: field.name for field in request.field}
    first = method.options.Extensions[annotations_pb2.http]
    for rule in list(contracts.rules(first)):
        verb = str(rule.WhichOneof("pattern"))
        template = getattr(rule, verb)
        path = contracts.VARIABLE.sub(lambda found: f"{{{names[found[1]]}}}", template)
        setattr(rule, verb, path)
        if verb == "get":
            first.additional_bindings.add(custom=http_pb2.CustomHttpPattern(kind="HEAD", path=path))
        if rule.body:
            close_second_names(request, set(contracts.VARIABLE.findall(template)))


def close_second_names(request: DescriptorProto, in_path: set[str]) -> None:
    """Make the contract's names of the path's fields unreadable in a body.

    The transcoder notices that a field of the path is in the body too, but only under the field's first name. Under
    its second name stands a field instead that takes no value but an object.
    """
    for field in list(request.field):
        if field.json_name in in_path and field.json_name != field.name:
            kind = request.nested_type.add(name=f"{field.name}_stands_in_the_path").name
            request.field.add(
                name=f"path_{field.name}",
                json_name=field.json_name,
                number=LAST_FIELD_NUMBER - field.number,
                label=field.label,
                type=FieldDescriptorProto.TYPE_MESSAGE,
                type_name=kind,
            )
            field.json_name = field.name
